//! Monitoring › Environment Health: every service's state by server, and the threads of a
//! Deployment Service. The console asks the services over the network when it renders the page,
//! so this is never stale.
use std::fmt::Write as _;

use crate::farm::Farm;
use crate::front_end::FrontEnd;
use crate::http::{Answer, Request, escape};
use crate::ledger::{ApplicationState, ServiceState};
use crate::trouble::OddThreads;

use super::page::Page;
use super::{SERVICE_PAGE, not_found};

/// The services that have a page of their own, by what its address calls them.
const CONTROLLER: &str = "controller";
const SCHEDULER: &str = "scheduler";
const DEPLOYMENT: &str = "deployment";

const REFUSED: &str = "No connection could be made because the target machine actively refused it";
const NO_ANSWER: &str = "A connection attempt failed because the connected party did not \
                         properly respond after a period of time";

/// A service as the console sees it: `None` where the server has none.
type Health = Option<Result<(), String>>;

fn controller(server: &FrontEnd) -> Health {
    server.is_controller().then(|| answers(server, server.controls(), "Deployment Controller"))
}

fn scheduler(server: &FrontEnd) -> Health {
    server.serves().then(|| answers(server, server.scheduler_runs(), "Scheduler"))
}

fn deployment(server: &FrontEnd) -> Health {
    let initialised = server.service_state() == ServiceState::Initialised;
    server.serves().then(|| answers(server, initialised, "Deployment"))
}

fn answers(server: &FrontEnd, up: bool, service: &str) -> Result<(), String> {
    let problem = match (server.is_up(), up) {
        (true, true) => return Ok(()),
        (true, false) => REFUSED,
        (false, _) => NO_ANSWER,
    };
    Err(format!("OutSystems {service} Service Status: {problem}"))
}

fn web_server(server: &FrontEnd, stack: &str) -> Health {
    let result = match server.applications() {
        ApplicationState::Serving | ApplicationState::Broken => Ok(()),
        ApplicationState::Unavailable => Err(format!("{stack} Status:(503) Server Unavailable")),
        ApplicationState::Off if server.is_up() => Err(format!("{stack} Stopped. Please restart")),
        ApplicationState::Off => Err(format!("{stack} Status:The operation has timed-out")),
    };
    server.serves().then_some(result)
}

/// All servers with their ids: a pure controller has a row here.
fn listed(farm: &Farm) -> impl Iterator<Item = (usize, &FrontEnd)> {
    farm.servers.values().enumerate().map(|(place, server)| (place + 1, server))
}

fn refresh(target: &str) -> String {
    format!("<a href=\"{}\">Refresh Data</a>\r\n", escape(target))
}

/// Every service's state, by server.
pub(super) fn overview(page: &Page<'_>) -> Answer {
    let farm = page.farm;
    let stack = if farm.spec.stack == "j2ee" { "JBoss" } else { "IIS" };
    let mut content = String::with_capacity(10 * 1024);
    content.push_str(&refresh(page.names.health));
    let _ = write!(
        content,
        "<h2>Front-end Servers</h2>\r\n<table class=\"TableRecords\"><thead><tr>\
         <th>Front-end Server</th><th>IP Address</th><th>Deploy. Controller</th>\
         <th>Scheduler</th><th>Deployment</th><th>{stack}</th></tr></thead><tbody>\r\n"
    );
    for (id, server) in listed(farm) {
        let suffix = if server.is_controller() { " (Controller)" } else { "" };
        let (name, address) = (escape(server.name()), escape(server.address()));
        let _ = write!(content, "<tr><td>{name}{suffix}</td><td>{address}</td>");
        for (service, health) in [
            (CONTROLLER, controller(server)),
            (SCHEDULER, scheduler(server)),
            (DEPLOYMENT, deployment(server)),
        ] {
            cell(&mut content, health, Some((id, service)));
        }
        cell(&mut content, web_server(server, stack), None);
        content.push_str("</tr>\r\n");
    }
    content.push_str("</tbody></table>");
    page.render(
        if page.names.platform { "Platform Monitoring" } else { "Environment Health" },
        &content,
    )
}

fn cell(content: &mut String, health: Health, detail: Option<(usize, &str)>) {
    content.push_str("<td>");
    if let Some(health) = health {
        match health {
            Ok(()) => content.push_str("<img src=\"img/ok.gif\" alt=\"OK\">"),
            Err(words) => {
                let words = escape(&words);
                let _ =
                    write!(content, "<img src=\"img/error.gif\" alt=\"Error\" title=\"{words}\">");
            }
        }
        if let Some((id, service)) = detail {
            let _ = write!(
                content,
                " <a href=\"{SERVICE_PAGE}?ServerId={id}&amp;Service={service}\">detail</a>"
            );
        }
    }
    content.push_str("</td>");
}

/// One service of one server: its threads, or why there are none to be seen.
pub(super) fn service(page: &Page<'_>, request: &Request, odd: Option<OddThreads>) -> Answer {
    let wanted = request.query_value("ServerId").and_then(|id| id.parse().ok());
    let found = listed(page.farm).find(|(id, _)| Some(*id) == wanted);
    let Some((id, server)) = found else { return not_found() };
    let name = request.query_value("Service").unwrap_or_default();
    let (title, health) = match name.as_str() {
        CONTROLLER => ("Deployment Controller", controller(server)),
        SCHEDULER => ("Scheduler", scheduler(server)),
        DEPLOYMENT => ("Deployment", deployment(server)),
        _ => return not_found(),
    };
    let Some(health) = health else { return not_found() };
    let mut content = refresh(&format!("{SERVICE_PAGE}?ServerId={id}&Service={name}"));
    content.push_str(
        "<table class=\"TableRecords\"><thead><tr><th>Thread</th><th>Status</th><th>Details</th>\
         </tr></thead><tbody>\r\n",
    );
    if health.is_ok() {
        for (thread, status, details) in threads(page, server, &name, odd) {
            let details = escape(&details);
            let _ = write!(
                content,
                "<tr><td>{thread}</td><td>{status}</td><td>{details}</td></tr>\r\n"
            );
        }
    }
    content.push_str("</tbody></table>\r\n");
    if let Err(words) = health {
        let words = escape(&words);
        let _ = write!(content, "<div class=\"Feedback_Message_Error\">{words}</div>");
    }
    page.render(&format!("{} - OutSystems {title} Service", server.name()), &content)
}

/// The server whose Deployment Service a request for a service's page is about, while that has
/// threads to show.
pub(super) fn asked_about(farm: &Farm, request: &Request) -> Option<String> {
    let wanted: usize = request.query_value("ServerId")?.parse().ok()?;
    let (_, server) = listed(farm).find(|(id, _)| *id == wanted)?;
    let deployment = request.query_value("Service").is_some_and(|name| name == DEPLOYMENT);
    (deployment && deployment_health_is_good(server)).then(|| server.name().to_owned())
}

fn deployment_health_is_good(server: &FrontEnd) -> bool {
    deployment(server).is_some_and(|health| health.is_ok())
}

fn threads(
    page: &Page<'_>,
    server: &FrontEnd,
    service: &str,
    odd: Option<OddThreads>,
) -> Vec<(&'static str, &'static str, String)> {
    let farm = page.farm;
    match service {
        DEPLOYMENT => {
            let threads = server.threads(farm.truth.idle_word, farm.database.published());
            let now = threads.into_iter().map(|it| (it.name, it.status, it.details)).collect();
            let then = page.stale.and_then(|it| it.threads.get(server.name())).cloned();
            oddly(then.unwrap_or(now), odd)
        }
        SCHEDULER => vec![
            ("Jobs Producer", "Sleeping", String::new()),
            ("Job Worker", "Sleeping", String::new()),
        ],
        _ => vec![
            ("DeleteExpiredSessions", "Idle", String::new()),
            ("Compiler Pool Garbage Collector", "Prepared to run", String::new()),
        ],
    }
}

/// Threads as a page shows them that shows something else.
fn oddly(
    mut threads: Vec<(&'static str, &'static str, String)>,
    odd: Option<OddThreads>,
) -> Vec<(&'static str, &'static str, String)> {
    match odd {
        None => {}
        Some(OddThreads::Nothing) => threads.clear(),
        Some(OddThreads::Error) => {
            threads.iter_mut().take(1).for_each(|thread| thread.1 = "Error");
        }
        Some(OddThreads::Busy) => {
            threads.iter_mut().take(1).for_each(|thread| thread.1 = "Deploying");
        }
        Some(OddThreads::UnknownWord) => {
            threads.iter_mut().take(1).for_each(|thread| thread.1 = "Hibernating");
        }
    }
    threads
}
