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

/// A Deployment Service's page of threads, as it was read last.
#[derive(Debug)]
pub(super) struct Detail {
    path: String,
    seen: Seen<ThreadRow>,
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
        if let Some(path) = self.known_detail_link(via, server_name) {
            match self.read_threads(via, server_name, &path).await {
                // A link that leads elsewhere now is looked up again, once; the others would be
                // met again on the longer way.
                Err(ConsoleError::Garbled(_) | ConsoleError::Status(..)) => {}
                outcome => return outcome,
            }
        }
        let path = self.detail_link(via, server_name).await?;
        self.read_threads(via, server_name, &path).await
    }

    /// Where the link led when Environment Health was last read: it names every server, so that
    /// one reading serves for all of them.
    fn known_detail_link(&self, via: &FrontEnd, server: &str) -> Option<String> {
        let state = self.state.borrow();
        let seen = state.services.get(&via.name)?;
        only(links_of(&seen.rows, server), server, "").ok()
    }

    /// Where Environment Health's link for a server's Deployment Service leads.
    async fn detail_link(&self, via: &FrontEnd, server: &str) -> Result<String, ConsoleError> {
        let (path, body) = self.own_page(via, OwnPage::Health).await?;
        if let Some(seen) = self.state.borrow().services.get(&via.name)
            && same_but_for_clock(&seen.body, &body)
        {
            return only(links_of(&seen.rows, server), server, &path);
        }
        let page = Page::parse(&String::from_utf8_lossy(&body), &path)?;
        let columns = ["Front-end Server", self.config.labels.deployment_column.as_str()];
        let table = page.table(columns).ok_or_else(|| {
            let columns = columns.join(", ");
            ConsoleError::Garbled(format!("no table with the columns {columns} on {path}"))
        })?;
        let mut rows = Vec::new();
        for cells in table.rows(&path) {
            let [name, deployment] = cells?;
            let name = name.text();
            let name = name.strip_suffix(CONTROLLER_SUFFIX).unwrap_or(&name);
            rows.push((name.to_owned(), deployment.link(&page)));
        }
        let link = only(links_of(&rows, server), server, &path);
        self.state.borrow_mut().services.insert(via.name.clone(), Seen { body, rows });
        link
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
            && same_but_for_clock(&detail.seen.body, &body)
        {
            return Ok(detail.seen.rows.clone());
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
        let details = state.details.entry(via.name.clone()).or_default();
        let detail = Detail { path: path.to_owned(), seen: Seen { body, rows: rows.clone() } };
        details.insert(server.to_owned(), detail);
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

/// The links in a server's rows.
fn links_of<'a>(
    rows: &'a [(String, Option<String>)],
    server: &'a str,
) -> impl Iterator<Item = Option<String>> + 'a {
    rows.iter().filter(move |(name, _)| name == server).map(|(_, link)| link.clone())
}
