//! Sessions with each front-end's console: cookies, login, and pages behind it.
//!
//! A refused login is never tried again: five of them lock the account out, for people too.
use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::farm::{FrontEnd, Scheme};
use crate::http::{Request, Response};
use crate::ports::{Address, Dial};

use super::page::{Form, Page, resolve};
use super::{Console, ConsoleError};

/// What a login is refused with, as Service Center writes it.
const REFUSALS: [&str; 2] = ["Invalid username or password", "Too many failed login attempts"];

/// A session with one console.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Cookies, oldest first.
    cookies: Vec<(String, String)>,
    /// It has been logged in since the last time the console asked for a login.
    pub(super) open: bool,
    /// How often a login succeeded, so that two who find the session expired log in once.
    logins: u64,
}

impl Session {
    fn header(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// Takes over what an answer sets.
    fn keep(&mut self, answer: &Response) {
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let Some((pair, attributes)) =
                cookie.to_str().ok().map(|text| text.split_once(';').unwrap_or((text, "")))
            else {
                continue;
            };
            let Some((name, value)) = pair.split_once('=') else { continue };
            let (name, value) = (name.trim(), value.trim());
            self.cookies.retain(|(kept, _)| kept != name);
            let ended = attributes
                .split(';')
                .any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
            if !value.is_empty() && !ended {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

impl<D: Dial> Console<D> {
    /// A page behind the login, logging in when the console asks for it.
    pub(super) async fn page(&self, via: &FrontEnd, path: &str) -> Result<Bytes, ConsoleError> {
        let asked = Instant::now();
        let open = self.state.borrow().sessions.get(&via.name).is_some_and(|session| session.open);
        if open {
            let seen = self.logins(via);
            let answer = self.send(via, path, None).await?;
            if !self.asks_for_login(&answer) {
                return self.fresh(answer, path, asked);
            }
            self.login(via, seen).await?;
        } else {
            self.login(via, self.logins(via)).await?;
        }
        let asked = Instant::now();
        let answer = self.send(via, path, None).await?;
        if self.asks_for_login(&answer) {
            self.close(via);
            return Err(ConsoleError::Garbled(format!(
                "{path} asks for a login right after a successful one"
            )));
        }
        self.fresh(answer, path, asked)
    }

    /// The body of a 200 that was rendered after it was asked for.
    fn fresh(&self, answer: Response, path: &str, asked: Instant) -> Result<Bytes, ConsoleError> {
        let body = whole(answer, path)?;
        match self.state.borrow_mut().clock.see(asked, &body) {
            Some(age_s) => Err(ConsoleError::Stale(age_s, path.to_owned())),
            None => Ok(body),
        }
    }

    /// How often a login succeeded on this console.
    pub(super) fn logins(&self, via: &FrontEnd) -> u64 {
        self.state.borrow().sessions.get(&via.name).map_or(0, |session| session.logins)
    }

    /// One exchange with the session's cookies; a form is posted.
    pub(super) async fn send(
        &self,
        via: &FrontEnd,
        path: &str,
        form: Option<String>,
    ) -> Result<Response, ConsoleError> {
        let cookies = {
            let state = self.state.borrow();
            state.sessions.get(&via.name).map(Session::header).unwrap_or_default()
        };
        let mut headers = Vec::with_capacity(2);
        if !cookies.is_empty() {
            headers.push((COOKIE, cookies.as_str()));
        }
        let method = if form.is_some() { Method::POST } else { Method::GET };
        if form.is_some() {
            headers.push((CONTENT_TYPE, "application/x-www-form-urlencoded"));
        }
        let (to, host_name) = self.target(via);
        let body = form.map(Bytes::from).unwrap_or_default();
        let (scheme, host_name) = (self.config.scheme, host_name.as_str());
        let request = Request { to: &to, scheme, host_name, method, path, headers: &headers, body };
        let answer = self.http.request(request).await?;
        if answer.headers.contains_key(SET_COOKIE) {
            let mut state = self.state.borrow_mut();
            state.sessions.entry(via.name.clone()).or_default().keep(&answer);
        }
        Ok(answer)
    }

    /// A front-end's address, and the same as a Host header.
    pub(super) fn target(&self, via: &FrontEnd) -> (Address, String) {
        let to = Address::Tcp(via.address.clone(), via.port);
        let usual = match self.config.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let host_name = if via.port == usual { via.address.clone() } else { to.to_string() };
        (to, host_name)
    }

    /// Whether an answer sends us to the login form, or is it.
    pub(super) fn asks_for_login(&self, answer: &Response) -> bool {
        if let Some(to) = redirect(answer) {
            let page = to.split('?').next().unwrap_or_default().rsplit('/').next();
            let login = self.config.login_page().rsplit('/').next();
            return page.zip(login).is_some_and(|(page, login)| page.eq_ignore_ascii_case(login));
        }
        let page = answer.text();
        page.contains("type=\"password\"") || page.contains("type='password'")
    }

    fn close(&self, via: &FrontEnd) {
        if let Some(session) = self.state.borrow_mut().sessions.get_mut(&via.name) {
            session.open = false;
        }
    }

    /// Logs in, unless somebody else has since `seen`, or a login has been refused.
    pub(super) async fn login(&self, via: &FrontEnd, seen: u64) -> Result<(), ConsoleError> {
        self.close(via);
        // Until a login has succeeded anywhere, one at a time: a wrong password shall be refused
        // once, not by every front-end at once. Afterwards a hanging console holds up nobody.
        let _one_at_a_time = match self.state.borrow().proven {
            true => None,
            false => Some(self.login_gate.lock()),
        };
        let _one_at_a_time = match _one_at_a_time {
            Some(turn) => Some(turn.await),
            None => None,
        };
        if let Some(why) = &self.state.borrow().refused {
            return Err(ConsoleError::LoginRefused(why.clone()));
        }
        if self.logins(via) > seen {
            return Ok(());
        }
        // A fresh session: what the old one's cookies meant is over.
        self.state.borrow_mut().sessions.entry(via.name.clone()).or_default().cookies.clear();
        let path = self.path(self.config.login_page());
        let answer = self.send(via, &path, None).await?;
        let page = Page::parse(&String::from_utf8_lossy(&whole(answer, &path)?), &path)?;
        let form = login_form(&page, &self.config.user, self.password.expose_secret())?;
        let answer = self.send(via, &form.action, Some(form.encoded(form.buttons.first()))).await?;
        if self.asks_for_login(&answer) {
            let why = refusal(&answer, &form.action);
            self.state.borrow_mut().refused = Some(why.clone());
            return Err(ConsoleError::LoginRefused(why));
        }
        if redirect(&answer).is_none() {
            whole(answer, &form.action)?;
        }
        let mut state = self.state.borrow_mut();
        state.proven = true;
        let session = state.sessions.entry(via.name.clone()).or_default();
        session.open = true;
        session.logins += 1;
        Ok(())
    }
}

/// Where an answer redirects to.
fn redirect(answer: &Response) -> Option<&str> {
    match answer.status {
        301 | 302 | 303 | 307 | 308 => Some(answer.header(LOCATION).unwrap_or_default()),
        _ => None,
    }
}

/// The body of a 200.
pub(super) fn whole(answer: Response, path: &str) -> Result<Bytes, ConsoleError> {
    match (answer.status, redirect(&answer)) {
        (200, _) => Ok(answer.body),
        (_, Some(to)) => {
            let to = resolve(path, to).unwrap_or_default();
            Err(ConsoleError::Garbled(format!("{path} redirects to {to}")))
        }
        (404, _) => Err(ConsoleError::Status(
            404,
            format!(
                "{path} (this console has no such page: `generation` or `pages` under \
                 [service_center] say what it is called)"
            ),
        )),
        (status, _) => Err(ConsoleError::Status(status, path.to_owned())),
    }
}

/// The login form, filled in.
fn login_form(page: &Page, user: &str, password: &str) -> Result<Form, ConsoleError> {
    let missing = |what: &str| ConsoleError::Garbled(format!("no {what} on {}", page.path));
    let mut form = page
        .form(|form| form.password.is_some())
        .ok_or_else(|| missing("form with a password field"))?;
    // By its id where the console has the known one, else the field before the password.
    let known = |ending: &str| {
        let names = form.fields.iter().map(|(name, _)| name);
        names.rev().find(|name| name.ends_with(ending)).cloned()
    };
    let user_field = known("wtInput1").or_else(|| form.user.clone());
    let user_field = user_field.ok_or_else(|| missing("field for the user"))?;
    let password_field = known("wtInputPass1").or_else(|| form.password.clone());
    let password_field = password_field.ok_or_else(|| missing("password field"))?;
    if form.buttons.is_empty() {
        return Err(missing("button in the login form"));
    }
    form.set(&user_field, user);
    form.set(&password_field, password);
    // The known button first, where a page has several.
    form.buttons.sort_by_key(|(name, _)| !name.ends_with("wtButton1"));
    Ok(form)
}

/// The words a login was refused with.
fn refusal(answer: &Response, path: &str) -> String {
    let page = Page::parse(&answer.text(), path).ok();
    let said = page.and_then(|page| REFUSALS.iter().find_map(|words| page.sentence(words)));
    said.unwrap_or_else(|| "the console asked for the login again and did not say why".to_owned())
}
