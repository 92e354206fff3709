//! The web server of one front-end: pings, applications, Service Center. A pure function of the
//! farm's state; how long an answer takes is part of the answer.
use crate::farm::Farm;
use crate::http::{Answer, Method, Request, escape, first_segment};
use crate::ledger::ApplicationState;
use crate::service_center;

use super::{FrontEnd, Life, SERVICE_CENTER};

/// `?ms=N` makes an application take that long, up to IIS's `executionTimeout` and a little more.
const SLOW_MS_MAX: u64 = 120_000;

/// What a front-end's web server answers now; `None` when it refuses connections.
pub fn answer(farm: &mut Farm, server: &str, request: &Request) -> Option<Answer> {
    match read(farm, server, request) {
        Asked::Page(page) => page,
        Asked::Console => Some(service_center::answer(farm, server, request)),
    }
}

/// What a request asks for.
pub(crate) enum Asked {
    /// A page that asking for it does not change, or nothing when connections are refused.
    Page(Option<Answer>),
    /// Service Center, where sessions begin and servers are disabled.
    Console,
}

/// Finds what is asked for.
pub(crate) fn read(farm: &Farm, server: &str, request: &Request) -> Asked {
    let Some(front_end) = farm.servers.get(server) else { return Asked::Page(None) };
    match front_end.applications() {
        ApplicationState::Off => return Asked::Page(None),
        ApplicationState::Unavailable => return Asked::Page(Some(unavailable())),
        ApplicationState::Serving | ApplicationState::Broken => {}
    }
    let page = |page: Answer| Asked::Page(Some(page));
    if request.method == Method::Other {
        return page(Answer::error(405, "HTTP verb used to access this page is not allowed."));
    }
    let Some(segment) = first_segment(&request.path) else {
        // The root of the site: IIS's own page, which a health check of `/` gets.
        return page(Answer::html(200, "<html><head><title>IIS</title></head></html>".into()));
    };
    let is_console = segment.eq_ignore_ascii_case(SERVICE_CENTER);
    if is_console && front_end.console_missing() {
        return page(not_found());
    }
    if request.path.rsplit('/').next().is_some_and(|file| file.eq_ignore_ascii_case("_ping.html")) {
        return page(front_end.deployed_id(&segment).map_or_else(not_found, |id| ping(&id)));
    }
    if is_console {
        return Asked::Console;
    }
    page(application(farm, front_end, &segment, request))
}

/// What becomes of an answer that took its time, begun in an earlier life perhaps: a server whose
/// machine went down meanwhile says nothing, one whose application pools were stopped says so.
#[must_use]
pub fn after_waiting(farm: &Farm, server: &str, begun: Life, answer: Answer) -> Option<Answer> {
    let life = farm.servers.get(server)?.life();
    if life.boots != begun.boots {
        return None;
    }
    Some(if life.stops == begun.stops { answer } else { unavailable() })
}

fn unavailable() -> Answer {
    Answer::error(503, "Service Unavailable")
}

fn not_found() -> Answer {
    Answer::error(404, "File or directory not found.")
}

/// The page as real Platform Servers answer it; the id is the hash of what is deployed.
fn ping(id: &str) -> Answer {
    Answer::html(
        200,
        format!(
            "<html><head><title>ping</title></head><body><p id=\"{id}\">\
             OutSystems Platform Server is running</p></body></html>"
        ),
    )
}

fn application(farm: &Farm, front_end: &FrontEnd, module: &str, request: &Request) -> Answer {
    let Some(id) = front_end.deployed_id(module) else { return not_found() };
    let after_ms = request
        .query_value("ms")
        .and_then(|ms| ms.parse().ok())
        .map_or(0, |ms: u64| ms.min(SLOW_MS_MAX))
        .max(front_end.answers_after_ms(farm.now_ms()));
    if front_end.applications() == ApplicationState::Broken {
        let error = Answer::error(500, "Internal Server Error");
        return Answer { after_ms, ..error };
    }
    // A test of the farm file describes what a sound application answers there.
    let target = if request.query.is_empty() {
        request.path.clone()
    } else {
        format!("{}?{}", request.path, request.query)
    };
    let test = farm.spec.tests.iter().find(|test| test.path == target);
    let status = test.map_or(200, |test| test.expect_status);
    let text = test.and_then(|test| test.expect_text.as_deref()).unwrap_or_default();
    let body = format!(
        "<!DOCTYPE html><html><head><title>{module}</title></head><body>\
         <h1>{module}</h1><p>{text}</p>\
         <p>An OutSystems application on {name}, deployed as {id}.</p></body></html>",
        module = escape(module),
        text = escape(text),
        name = escape(front_end.name()),
    );
    Answer { after_ms, ..Answer::html(status, body) }
}
