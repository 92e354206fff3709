//! Service Center: the console and its SOAP services, one instance per front-end, each of its own
//! build, over one database. A Traditional Web application: forms carry hidden state that must
//! come back.
//!
//! * `login` — the form, sessions, lockout;
//! * `servers` — the list of servers and a server's page with Disable and Enable;
//! * `health` — every service's state, and the deployment threads;
//! * `soap` — `GetPlatformInfo`;
//! * `page` — what every page has: menu, side panel, forms.
//!
//! Not modelled: everything else of the console, and deleting a server; asked for, it answers 501.
mod health;
mod login;
mod page;
mod servers;
mod soap;

use std::rc::Rc;

use crate::database::version_parts;
use crate::farm::Farm;
use crate::front_end::FrontEnd;
use crate::http::{Answer, Method, Request};
use crate::spec::ServiceCenterSpec;
use crate::trouble::{OddThreads, Snapshot, Trouble};
use crate::truth::OldConsole;

use page::Page;

/// The names of the console's pages, below `/ServiceCenter/`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names<'a> {
    login: &'a str,
    servers: &'a str,
    health: &'a str,
    /// The older menus and headings.
    platform: bool,
}

impl<'a> Names<'a> {
    /// As a farm file has them; where `other`, the names of the other generation.
    fn of(spec: &'a ServiceCenterSpec, other: bool) -> Self {
        let platform = (spec.generation == "platform") != other;
        let (servers, health) = match platform {
            true => ("FrontEnd_Servers.aspx", "Platform_Monitoring.aspx"),
            false => ("Servers.aspx", "Environment_Health.aspx"),
        };
        let own = |key: &str| spec.pages.get(key).filter(|_| !other).map(String::as_str);
        Self {
            login: spec.pages.get("login").map_or("Login.aspx", String::as_str),
            servers: own("servers").unwrap_or(servers),
            health: own("health").unwrap_or(health),
            platform,
        }
    }
}

/// A server's own page; public documents do not name it, links lead there.
const SERVER_PAGE: &str = "Server_Edit.aspx";
/// The page of one service of a server; links lead there.
const SERVICE_PAGE: &str = "Server_ServiceDetail.aspx";

/// What the console of a front-end answers to a request below `/ServiceCenter`. The web server
/// has made sure that it serves and that the console is there.
pub fn answer(farm: &mut Farm, server: &str, request: &Request) -> Answer {
    if let Some(status) = farm.meet(|it| answers_only(it, server)) {
        return Answer::error(status, words_of(status));
    }
    let Some(front_end) = farm.servers.get(server) else { return not_found() };
    if behind(farm, front_end) && farm.truth.old_console == OldConsole::Fails {
        return Answer::error(500, "Internal Server Error");
    }
    let rest = request.path.trim_start_matches('/').split_once('/').map(|(_, rest)| rest);
    let Some(name) = rest else { return Answer::found("/ServiceCenter/") };
    if name.eq_ignore_ascii_case("OutSystemsPlatform.asmx") {
        return soap::answer(farm, front_end, request);
    }
    let spec = farm.spec.service_center.clone();
    let other = |it: &Trouble| other_names(it, front_end.console_build(), &farm.spec.version_to);
    let usual = Names::of(&spec, false);
    let names = Names::of(&spec, farm.troubles.stands(other));
    let is = |page: &str| name.eq_ignore_ascii_case(page);
    if names != usual && (is(usual.servers) || is(usual.health)) {
        let _met = farm.meet(|it| matches!(it, Trouble::OtherGeneration { .. }).then_some(()));
    }
    if is(names.login) {
        return login::answer(farm, server, &names, request);
    }
    let Some(session) = login::session(farm, request) else {
        return Answer::found(&format!("/ServiceCenter/{}", names.login));
    };
    let stale = farm.meet(|it| stale(it, server));
    let odd = match is(SERVICE_PAGE) {
        true => health::asked_about(farm, request)
            .and_then(|about| farm.meet(|it| odd_threads(it, &about))),
        false => None,
    };
    let page = Page { farm, server, session: &session, names: &names, stale: stale.as_deref() };
    if name.is_empty() || is("Default.aspx") {
        return page.home();
    }
    if is(names.servers) {
        return servers::list(&page, None);
    }
    if is(SERVER_PAGE) {
        return match request.method {
            Method::Post => servers::press(farm, server, &session, &names, request),
            _ => servers::detail(&page, request),
        };
    }
    if is(names.health) {
        return health::overview(&page);
    }
    if is(SERVICE_PAGE) {
        return health::service(&page, request, odd);
    }
    if modelled_elsewhere(name) {
        return Answer::error(501, "This double of Service Center does not have that page.");
    }
    not_found()
}

/// The console's build is older than the database.
fn behind(farm: &Farm, front_end: &FrontEnd) -> bool {
    version_parts(front_end.console_build()) < version_parts(farm.database.version())
}

/// The status with which a console answers everything, in this trouble.
fn answers_only(trouble: &Trouble, server: &str) -> Option<u16> {
    match trouble {
        Trouble::ConsoleAnswers { console, status } => {
            console.as_ref().is_none_or(|it| it == server).then_some(*status)
        }
        Trouble::DatabaseGone => Some(500),
        _ => None,
    }
}

fn words_of(status: u16) -> &'static str {
    match status {
        404 => "File or directory not found.",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// A console of a build has the other generation's page names, in this trouble.
fn other_names(trouble: &Trouble, build: &str, target: &str) -> bool {
    match trouble {
        Trouble::OtherGeneration { new_only } => !new_only || build == target,
        _ => false,
    }
}

/// What a console shows instead of the present, in this trouble.
fn stale(trouble: &Trouble, server: &str) -> Option<Rc<Snapshot>> {
    match trouble {
        Trouble::ConsoleStale { console, shown } => (console == server).then(|| shown.clone()),
        _ => None,
    }
}

/// What the page of a server's deployment threads shows instead of them, in this trouble.
fn odd_threads(trouble: &Trouble, about: &str) -> Option<OddThreads> {
    match trouble {
        Trouble::Threads { server, shown } => (server == about).then_some(*shown),
        _ => None,
    }
}

fn not_found() -> Answer {
    Answer::error(404, "File or directory not found.")
}

/// Pages and services that a real console has and this one does not: no client may take their
/// absence for an answer.
fn modelled_elsewhere(name: &str) -> bool {
    const REAL: [&str; 9] = [
        "Error_Logs.aspx",
        "General_Logs.aspx",
        "Solution_Edit.aspx",
        "Extension_Edit.aspx",
        "PrepareModules.aspx",
        "PlatformServices_v8_0_0.asmx",
        "Solutions.asmx",
        "ServiceStudio.asmx",
        "Monitor.asmx",
    ];
    REAL.iter().any(|real| name.eq_ignore_ascii_case(real))
}
