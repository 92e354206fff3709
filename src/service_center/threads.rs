//! The threads of a Deployment Service: found through the health page once, and from then on by
//! the link that led there.
use crate::farm::FrontEnd;
use crate::ports::Dial;
use crate::procedure::readings::{ThreadRow, ThreadState};

use super::clock::same_but_for_clock;
use super::page::Page;
use super::{Console, ConsoleError, OwnPage, Seen, only};

/// What the name of the controller's row in Environment Health ends with.
const CONTROLLER_SUFFIX: &str = " (Controller)";

/// Headers of a service's threads.
const THREAD_COLUMNS: [&str; 2] = ["Thread", "Status"];

/// The word of a thread that has failed.
const FAILED_WORD: &str = "Error";

/// A Deployment Service's page of threads.
#[derive(Debug)]
pub(super) struct Detail {
    path: String,
    seen: Option<Seen<ThreadRow>>,
}

impl<D: Dial> Console<D> {
    /// The threads of a server's Deployment Service. Without a row: unknown; a service that has
    /// not initialised shows none.
    ///
    /// # Errors
    /// See [`ConsoleError`].
    pub async fn threads(
        &self,
        via: &FrontEnd,
        server_name: &str,
    ) -> Result<Vec<ThreadRow>, ConsoleError> {
        let remembered = {
            let state = self.state.borrow();
            let detail = state.details.get(&via.name).and_then(|by| by.get(server_name));
            detail.map(|detail| detail.path.clone())
        };
        if let Some(path) = remembered {
            match self.read_threads(via, server_name, &path).await {
                // A link that leads elsewhere now is looked up again, once; the others would be
                // met again on the longer way.
                Err(ConsoleError::Garbled(_) | ConsoleError::Status(..)) => {}
                outcome => return outcome,
            }
            if let Some(by) = self.state.borrow_mut().details.get_mut(&via.name) {
                by.remove(server_name);
            }
        }
        let path = self.detail_link(via, server_name).await?;
        let rows = self.read_threads(via, server_name, &path).await?;
        let mut state = self.state.borrow_mut();
        let details = state.details.entry(via.name.clone()).or_default();
        details.insert(server_name.to_owned(), Detail { path, seen: None });
        Ok(rows)
    }

    /// Where Environment Health's link for a server's Deployment Service leads.
    async fn detail_link(&self, via: &FrontEnd, server: &str) -> Result<String, ConsoleError> {
        let (path, body) = self.own_page(via, OwnPage::Health).await?;
        let page = Page::parse(&String::from_utf8_lossy(&body), &path)?;
        let columns = ["Front-end Server", self.config.labels.deployment_column.as_str()];
        let table = page.table(columns).ok_or_else(|| {
            let columns = columns.join(", ");
            ConsoleError::Garbled(format!("no table with the columns {columns} on {path}"))
        })?;
        let mut links = Vec::new();
        for cells in table.rows(&path) {
            let [name, deployment] = cells?;
            let name = name.text();
            if name.strip_suffix(CONTROLLER_SUFFIX).unwrap_or(&name) == server {
                links.push(deployment.link(&page));
            }
        }
        only(links.into_iter(), server, &path)
    }

    async fn read_threads(
        &self,
        via: &FrontEnd,
        server: &str,
        path: &str,
    ) -> Result<Vec<ThreadRow>, ConsoleError> {
        let body = self.page(via, path).await?;
        if let Some(detail) = self.state.borrow().details.get(&via.name).and_then(|d| d.get(server))
            && detail.path == path
            && let Some(seen) =
                detail.seen.as_ref().filter(|seen| same_but_for_clock(&seen.body, &body))
        {
            return Ok(seen.rows.clone());
        }
        let page = Page::parse(&String::from_utf8_lossy(&body), path)?;
        if !page.names(server) {
            let words = format!("{path} was to show the threads of {server} and does not name it");
            return Err(ConsoleError::Garbled(words));
        }
        let mut rows = Vec::new();
        // Without the table the page shows a message: the service has no threads to show.
        if let Some(table) = page.table(THREAD_COLUMNS) {
            for cells in table.rows(path) {
                let [name, status] = cells?;
                rows.push(self.thread(path, name.text(), status.text())?);
            }
        }
        let mut state = self.state.borrow_mut();
        if let Some(detail) = state.details.get_mut(&via.name).and_then(|d| d.get_mut(server)) {
            detail.seen = Some(Seen { body, rows: rows.clone() });
        }
        Ok(rows)
    }

    fn thread(&self, path: &str, name: String, word: String) -> Result<ThreadRow, ConsoleError> {
        let labels = &self.config.labels;
        let state = if labels.idle_words.contains(&word) {
            ThreadState::Idle
        } else if labels.busy_words.contains(&word) {
            ThreadState::Busy
        } else if word == FAILED_WORD {
            ThreadState::Failed
        } else {
            let place = format!("{path}, status of thread {name}");
            return Err(ConsoleError::UnknownWord { place, word });
        };
        Ok(ThreadRow { name, state })
    }
}
