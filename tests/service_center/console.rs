//! A console of two servers that does what a script says, and keeps what it was asked.
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use evenkeel::farm::{FrontEnd, ServiceCenter};
use evenkeel::net::{Deadlines, Tokio};
use evenkeel::service_center::Console;
use tokio::task::LocalSet;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

const PASSWORD: &str = "s3cret & söme";
pub(crate) const INVALID: &str = "Invalid username or password.";
pub(crate) const LOCKED: &str =
    "Too many failed login attempts. Please try again in a few minutes.";

/// What the console does, and what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    /// Pages behind the login, by path and query.
    pub(crate) pages: BTreeMap<String, ResponseTemplate>,
    /// What it answers to the next posted form; to others, the list of servers.
    pub(crate) posted: Option<ResponseTemplate>,
    /// What it says instead of letting us in.
    pub(crate) refuses: Option<&'static str>,
    /// The number of the valid session; 0 for none.
    pub(crate) session: u32,
    /// Sessions end at the next request that is not the login.
    pub(crate) forgets: bool,
    /// The session it gives out is never valid.
    pub(crate) amnesia: bool,
    /// Every request, as `METHOD path` and its body.
    pub(crate) log: Vec<(String, String)>,
}

#[derive(Clone, Default)]
pub(crate) struct Pages(Arc<Mutex<Script>>);

impl Pages {
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().expect("no test panics while it holds the script")
    }

    pub(crate) fn put(&self, path: &str, body: &str) {
        let answer = ResponseTemplate::new(200).set_body_raw(body, "text/html; charset=utf-8");
        self.answer(path, answer);
    }

    pub(crate) fn answer(&self, path: &str, answer: ResponseTemplate) {
        self.script().pages.insert(format!("/ServiceCenter/{path}"), answer);
    }

    pub(crate) fn count(&self, request: &str) -> usize {
        let script = self.script();
        script.log.iter().filter(|(line, _)| line == request).count()
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.script().log.len()
    }
}

pub(crate) fn redirect(to: &str) -> ResponseTemplate {
    ResponseTemplate::new(302).insert_header("location", to)
}

pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html><head><title>{title}</title><script>var a = '<td>no</td>';</script>\
         </head><body><table class=\"layout\"><tr><td>menu</td><td><h1>{title}</h1>{body}</td></tr>\
         </table><div>Version 11.36.1 (Build 43500)</div></body></html>"
    )
}

pub(crate) fn login_page(message: &str) -> String {
    page(
        "Service Center - Login",
        &format!(
            "<form method=\"post\" action=\"Login.aspx\">\
             <input type=\"hidden\" name=\"__VIEWSTATE\" value=\"a+b/c==\">\
             <input type=\"hidden\" name=\"__OSVSTATE\" value=\"os&amp;state\">\
             <input name=\"ctl00$search\"><span>{message}</span>\
             <input type=\"text\" name=\"ctl00$wtInput1\" id=\"ctl00_wtInput1\">\
             <input type=\"password\" name=\"ctl00$wtInputPass1\">\
             <input type=\"submit\" name=\"ctl00$wtHelp\" value=\"Help\">\
             <input type=\"submit\" name=\"ctl00$wtButton1\" value=\"Login\"></form>"
        ),
    )
}

impl Respond for Pages {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut script = self.script();
        let path = request.url.path().to_owned();
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let place = path.clone() + &query;
        let body = String::from_utf8_lossy(&request.body).into_owned();
        script.log.push((format!("{} {place}", request.method), body.clone()));
        let html = |page: String| ResponseTemplate::new(200).set_body_raw(page, "text/html");
        if path.ends_with(".asmx") {
            return script.pages.get(&place).cloned().unwrap_or(ResponseTemplate::new(404));
        }
        if path == "/ServiceCenter/Login.aspx" {
            if request.method.as_str() == "GET" {
                return html(login_page("")).insert_header("set-cookie", "pre=1; path=/");
            }
            if !body.starts_with("__VIEWSTATE=a%2Bb%2Fc%3D%3D&__OSVSTATE=os%26state&") {
                return ResponseTemplate::new(500).set_body_string("invalid viewstate");
            }
            let right = body.contains("wtInput1=admin&")
                && body.contains("wtInputPass1=s3cret+%26+s%C3%B6me&")
                && body.ends_with("wtButton1=Login");
            if let Some(words) = script.refuses.or((!right).then_some(INVALID)) {
                return html(login_page(words));
            }
            script.session += 1;
            let given = if script.amnesia { 0 } else { script.session };
            let cookie = format!("sid={given}; path=/; HttpOnly");
            return redirect("/ServiceCenter/").insert_header("set-cookie", cookie.as_str());
        }
        if std::mem::take(&mut script.forgets) {
            script.session += 1;
        }
        let cookies = request.headers.get("cookie").and_then(|text| text.to_str().ok());
        let valid = format!("sid={}", script.session);
        if script.session == 0 || !cookies.unwrap_or_default().split("; ").any(|c| c == valid) {
            return redirect("Login.aspx?OriginalURL=x");
        }
        if request.method.as_str() == "POST" {
            return script.posted.take().unwrap_or_else(|| redirect("Servers.aspx"));
        }
        script.pages.get(&place).cloned().unwrap_or(ResponseTemplate::new(404))
    }
}

pub(crate) fn servers(rows: &[(&str, &str)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(name, mark)| {
            format!(
                "<tr><td><a href=\"Server_Edit.aspx?Id={name}&amp;x=1\">{name}</a></td>\
                 <td>10.0.0.1</td><td>{mark}</td><td>✔</td><td></td><td></td></tr>"
            )
        })
        .collect();
    page(
        "Servers",
        &format!(
            "<table><thead><tr><th>Name</th><th>IP Address</th><th> Enabled </th>\
             <th>Execute Timers</th><th>Execute Processes</th><th>Send Emails</th></tr></thead>\
             <tbody>{rows}</tbody></table>"
        ),
    )
}

pub(crate) fn detail(name: &str, buttons: &[&str]) -> String {
    let buttons: String = buttons
        .iter()
        .map(|label| format!("<input type=\"submit\" name=\"ctl$wt{label}\" value=\"{label}\">"))
        .collect();
    page(
        name,
        &format!(
            "<form method=\"post\"><input type=\"hidden\" name=\"__OSVSTATE\" value=\"of {name}\">\
             <input type=\"checkbox\" name=\"timers\" checked><input type=\"checkbox\" name=\"mails\">\
             {buttons}</form>"
        ),
    )
}

pub(crate) fn health(rows: &[(&str, &str)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(name, link)| {
            format!(
                "<tr><td>{name}</td><td>10.0.0.1</td><td></td><td><img alt=\"OK\"> \
                 <a href=\"Detail.aspx?scheduler\">detail</a></td>\
                 <td><img alt=\"OK\"> <a href=\"{link}\">detail</a></td><td><img alt=\"OK\"></td></tr>"
            )
        })
        .collect();
    page(
        "Environment Health",
        &format!(
            "<a href=\"#\">Refresh Data</a><h2>Front-end Servers</h2><table><tr>\
             <th>Front-end Server</th><th>IP Address</th><th>Deploy. Controller</th>\
             <th>Scheduler</th><th>Deployment</th><th>IIS</th></tr>{rows}</table>"
        ),
    )
}

pub(crate) fn threads(server: &str, rows: &[(&str, &str)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(name, word)| format!("<tr><td>{name}</td><td>{word}</td><td></td></tr>"))
        .collect();
    page(
        &format!("{server} - OutSystems Deployment Service"),
        &format!("<table><tr><th>Thread</th><th>Status</th><th>Details</th></tr>{rows}</table>"),
    )
}

/// A console with two servers, and the adapter that reads it.
pub(crate) struct Setup {
    pub(crate) pages: Pages,
    pub(crate) console: Console<Tokio>,
    pub(crate) via: FrontEnd,
    pub(crate) server: MockServer,
}

pub(crate) async fn setup(change: impl FnOnce(&mut ServiceCenter)) -> Setup {
    let (server, pages) = (MockServer::start().await, Pages::default());
    Mock::given(any()).respond_with(pages.clone()).mount(&server).await;
    pages.put("Servers.aspx", &servers(&[("fe-1", "✔"), ("fe-10", "")]));
    pages.put("Server_Edit.aspx?Id=fe-1&x=1", &detail("fe-1", &["Disable", "Delete"]));
    pages.put("Server_Edit.aspx?Id=fe-10&x=1", &detail("fe-10", &["Enable", "Delete"]));
    let mut config: ServiceCenter =
        toml::from_str("user = \"admin\"\npassword = { env = \"UNUSED\" }").expect("a console");
    change(&mut config);
    let port = server.address().port();
    let via: FrontEnd = toml::from_str(&format!(
        "name = \"fe-1\"\naddress = \"127.0.0.1\"\nport = {port}\nzones = []\nmembers = {{}}\n\
         capacity_rps = 1"
    ))
    .expect("a front-end");
    let console = Console::new(Tokio, &config, PASSWORD.into());
    let deadlines = Deadlines { dial: Duration::from_secs(5), exchange: Duration::from_secs(5) };
    Setup { pages, console: console.waiting(deadlines), via, server }
}

/// Runs a test against a console that stays up to its end.
pub(crate) async fn check<F: Future<Output = ()>>(
    test: impl FnOnce(Pages, Console<Tokio>, FrontEnd) -> F,
) {
    let all = async {
        let Setup { pages, console, via, server } = setup(|_| {}).await;
        test(pages, console, via).await;
        drop(server);
    };
    LocalSet::new().run_until(all).await;
}
