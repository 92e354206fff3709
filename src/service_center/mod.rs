//! Service Center's web console, one on every front-end: the Enabled flags, the threads of each
//! Deployment Service, and the platform's version.
//!
//! The product has no interface for the first two but its pages, so this reads pages; whatever
//! does not look as expected is an error by name, never a guess.
mod clock;
mod page;
mod session;
mod soap;
mod threads;

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName};
use secrecy::SecretString;

use crate::farm::{FrontEnd, ServiceCenter, Version};
use crate::http::{HttpClient, HttpError, Request, Trust};
use crate::names::ServerName;
use crate::net::Deadlines;
use crate::ports::Dial;
use crate::procedure::readings::ServerRow;

use clock::{Clock, same_but_for_clock};
use page::{Cell, Page};
use session::{Session, whole};
use threads::Detail;

/// Headers of the list of servers.
const SERVER_COLUMNS: [&str; 3] = ["Name", "IP Address", "Enabled"];

/// Why the console told nothing, or was not moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsoleError {
    /// Nothing was sent: refused, no route, silence.
    #[error("the console cannot be reached: {0}")]
    Unreachable(String),
    /// What was asked for may have been carried out: read before anything is sent again.
    #[error("the console's answer was lost: {0}")]
    Lost(String),
    /// A status that is no page.
    #[error("the console answered {0} to {1}")]
    Status(u16, String),
    /// The login was refused, and is not tried again until it is put right and
    /// [`Console::forget_refusal`] is called.
    #[error("the console refused the login, which is not tried again: {0}")]
    LoginRefused(String),
    /// A word that the farm file does not explain.
    #[error("unknown word `{word}` in {place}: add it to `labels` under [service_center]")]
    UnknownWord {
        /// Where it stood.
        place: String,
        /// The word.
        word: String,
    },
    /// A page was rendered some time ago: what it says may be over.
    #[error("the console's page {1} is {0} s old by its own clock")]
    Stale(u64, String),
    /// A page is not what was expected.
    #[error("the console's page is not as expected: {0}")]
    Garbled(String),
}

impl From<HttpError> for ConsoleError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable(why) => Self::Unreachable(why),
            HttpError::Lost(why) => Self::Lost(why),
            HttpError::Garbled(what) | HttpError::Unfit(what) => Self::Garbled(what),
        }
    }
}

/// What a console says of its platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformInfo {
    /// The version; whether it is the console's own or the database's, nobody has documented.
    pub version: Version,
    /// The licence's serial number.
    pub serial: String,
}

/// The consoles of a farm. Calls may be made at the same time.
#[derive(Debug)]
pub struct Console<D: Dial> {
    http: HttpClient<D>,
    config: ServiceCenter,
    password: SecretString,
    state: RefCell<State>,
    login_gate: tokio::sync::Mutex<()>,
}

/// What is remembered between calls. Borrowed between awaits only.
#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<ServerName, Session>,
    refused: Option<String>,
    /// The user and password have been accepted once.
    proven: bool,
    clock: Clock,
    /// Which of a page's names a console has, where it is not the first.
    names: BTreeMap<(ServerName, OwnPage), usize>,
    /// Each server's row, and where its link leads.
    servers: BTreeMap<ServerName, Seen<(ServerRow, Option<String>)>>,
    /// Each server's name in Environment Health, and where its link leads.
    services: BTreeMap<ServerName, Seen<(String, Option<String>)>>,
    details: BTreeMap<ServerName, BTreeMap<String, Detail>>,
}

/// A page whose name differs between the generations of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OwnPage {
    /// The list of servers.
    Servers,
    /// Every service's state.
    Health,
}

/// The page last read and what it said: most polls bring the same page, byte for byte.
#[derive(Debug)]
struct Seen<T> {
    body: Bytes,
    rows: Vec<T>,
}

impl<D: Dial> Console<D> {
    /// The consoles as the farm file describes them.
    pub fn new(dial: D, config: &ServiceCenter, password: SecretString) -> Self {
        let (http, config) = (HttpClient::new(dial), config.clone());
        let (state, login_gate) = (RefCell::default(), tokio::sync::Mutex::new(()));
        Self { http, config, password, state, login_gate }
    }

    /// Trusts other certificate authorities than the machine's.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { http: self.http.trusting(trust), ..self }
    }

    /// Waits as long as this.
    #[must_use]
    pub fn waiting(self, deadlines: Deadlines) -> Self {
        Self { http: self.http.waiting(deadlines), ..self }
    }

    /// Lets a refused login be tried once more: somebody has put it right.
    pub fn forget_refusal(&self) {
        let mut state = self.state.borrow_mut();
        (state.refused, state.proven) = (None, false);
    }

    /// The list of servers. Without a row: unknown, since a farm has some.
    ///
    /// # Errors
    /// See [`ConsoleError`].
    pub async fn servers(&self, via: &FrontEnd) -> Result<Vec<ServerRow>, ConsoleError> {
        let (path, body) = self.own_page(via, OwnPage::Servers).await?;
        if let Some(seen) = self.state.borrow().servers.get(&via.name)
            && same_but_for_clock(&seen.body, &body)
        {
            return Ok(seen.rows.iter().map(|(row, _)| row.clone()).collect());
        }
        let page = Page::parse(&String::from_utf8_lossy(&body), &path)?;
        let rows = self.server_cells(&page, |[name, address, enabled]| {
            let enabled = self.enabled(&path, name, enabled)?;
            let row = ServerRow { name: name.text(), address: address.text(), enabled };
            Ok((row, name.link(&page)))
        })?;
        let told = rows.iter().map(|(row, _)| row.clone()).collect();
        self.state.borrow_mut().servers.insert(via.name.clone(), Seen { body, rows });
        Ok(told)
    }

    /// Sets a server's Enabled flag, unless it is as wanted, and returns the list of servers as it
    /// stands afterwards. The caller checks that it shows the flag.
    ///
    /// # Errors
    /// See [`ConsoleError`]. After [`ConsoleError::Lost`] the flag may be set.
    pub async fn set_enabled(
        &self,
        via: &FrontEnd,
        server_name: &str,
        enabled: bool,
    ) -> Result<Vec<ServerRow>, ConsoleError> {
        let labels = &self.config.labels;
        let (wanted, opposite) = match enabled {
            true => (&labels.enable, &labels.disable),
            false => (&labels.disable, &labels.enable),
        };
        // Twice: a session may end between the form and its post, and takes the form along.
        for _ in 0..2 {
            let seen = self.logins(via);
            let path = self.server_link(via, server_name).await?;
            let body = self.page(via, &path).await?;
            let page = Page::parse(&String::from_utf8_lossy(&body), &path)?;
            if !page.names(server_name) {
                let words = format!("{path} was to be about {server_name} and does not name it");
                return Err(ConsoleError::Garbled(words));
            }
            let form =
                page.form(|form| form.button(wanted).is_some() || form.button(opposite).is_some());
            let Some(form) = form else {
                let words = format!("no button `{wanted}` or `{opposite}` on {path}");
                return Err(ConsoleError::Garbled(words));
            };
            let button = match (form.button(wanted), form.button(opposite)) {
                (Some(_), Some(_)) => {
                    let words = format!("both `{wanted}` and `{opposite}` on {path}");
                    return Err(ConsoleError::Garbled(words));
                }
                (button, _) => button,
            };
            let Some(button) = button else { break }; // it is as wanted
            let answer = self.send(via, &form.action, Some(form.encoded(Some(button)))).await?;
            if self.asks_for_login(&answer) {
                self.login(via, seen).await?;
                continue;
            }
            if !(301..=303).contains(&answer.status) {
                whole(answer, &form.action)?;
            }
            break;
        }
        self.servers(via).await
    }

    /// What the console says of its platform, without a login.
    ///
    /// # Errors
    /// See [`ConsoleError`].
    pub async fn platform_info(&self, via: &FrontEnd) -> Result<PlatformInfo, ConsoleError> {
        let path = self.path("OutSystemsPlatform.asmx");
        let (to, host_name) = self.target(via);
        let action = HeaderName::from_static("soapaction");
        let headers = [(CONTENT_TYPE, "text/xml; charset=utf-8"), (action, soap::ACTION)];
        let answer = self
            .http
            .request(Request {
                to: &to,
                scheme: self.config.scheme,
                host_name: &host_name,
                method: Method::POST,
                path: &path,
                headers: &headers,
                body: Bytes::from_static(soap::GET_PLATFORM_INFO.as_bytes()),
            })
            .await?;
        let body = whole(answer, &path)?;
        soap::platform_info(&String::from_utf8_lossy(&body), &path)
    }

    /// A page by the name that this console has for it: an upgrade may change the generation, so
    /// one that is not there is looked for under its other names, and the name is remembered.
    async fn own_page(
        &self,
        via: &FrontEnd,
        which: OwnPage,
    ) -> Result<(String, Bytes), ConsoleError> {
        let names = match which {
            OwnPage::Servers => self.config.servers_pages(),
            OwnPage::Health => self.config.health_pages(),
        };
        let key = (via.name.clone(), which);
        let known = self.state.borrow().names.get(&key).copied().unwrap_or(0);
        let mut not_there = None;
        for turn in 0..names.len() {
            let place = (known + turn) % names.len();
            let path = self.path(names[place]);
            match self.page(via, &path).await {
                Err(why @ ConsoleError::Status(404, _)) => _ = not_there.get_or_insert(why),
                Err(why) => return Err(why),
                Ok(body) => {
                    self.state.borrow_mut().names.insert(key, place);
                    return Ok((path, body));
                }
            }
        }
        Err(not_there.expect("every page has a name"))
    }

    /// A page's path.
    fn path(&self, page: &str) -> String {
        if page.starts_with('/') { page.to_owned() } else { format!("/ServiceCenter/{page}") }
    }

    /// The list of servers, row by row.
    fn server_cells<T>(
        &self,
        page: &Page,
        mut read: impl FnMut([Cell<'_>; 3]) -> Result<T, ConsoleError>,
    ) -> Result<Vec<T>, ConsoleError> {
        let table = page.table(SERVER_COLUMNS).ok_or_else(|| {
            let columns = SERVER_COLUMNS.join(", ");
            ConsoleError::Garbled(format!("no table with the columns {columns} on {}", page.path))
        })?;
        table.rows(&page.path).map(|cells| read(cells?)).collect()
    }

    fn enabled(&self, path: &str, name: Cell<'_>, cell: Cell<'_>) -> Result<bool, ConsoleError> {
        let (labels, word) = (&self.config.labels, cell.text());
        if word == labels.enabled_mark {
            Ok(true)
        } else if word == labels.disabled_mark {
            Ok(false)
        } else {
            let place = format!("{path}, column Enabled of {}", name.text());
            Err(ConsoleError::UnknownWord { place, word })
        }
    }

    /// Where the list's link for a server leads.
    async fn server_link(&self, via: &FrontEnd, server: &str) -> Result<String, ConsoleError> {
        let (path, body) = self.own_page(via, OwnPage::Servers).await?;
        if let Some(seen) = self.state.borrow().servers.get(&via.name)
            && same_but_for_clock(&seen.body, &body)
        {
            let rows = seen.rows.iter().filter(|(row, _)| row.name == server);
            return only(rows.map(|(_, link)| link.clone()), server, &path);
        }
        let page = Page::parse(&String::from_utf8_lossy(&body), &path)?;
        let links = self.server_cells(&page, |[name, ..]| {
            Ok((name.text() == server).then(|| name.link(&page)))
        })?;
        only(links.into_iter().flatten(), server, &path)
    }
}

/// The one link of a server's one row.
fn only(
    mut links: impl Iterator<Item = Option<String>>,
    server: &str,
    path: &str,
) -> Result<String, ConsoleError> {
    let garbled = |what: &str| Err(ConsoleError::Garbled(format!("{what} {server} on {path}")));
    match (links.next(), links.next()) {
        (None, _) => garbled("no row of"),
        (Some(_), Some(_)) => garbled("more than one row of"),
        (Some(None), None) => garbled("no link in the row of"),
        (Some(Some(link)), None) => Ok(link),
    }
}
