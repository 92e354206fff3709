//! Administration › Servers: the list, and a server's own page with Disable and Enable.
use std::fmt::Write as _;

use crate::farm::Farm;
use crate::front_end::FrontEnd;
use crate::http::{Answer, Request, escape, form_value_ending};
use crate::ledger::FlagBy;
use crate::trouble::Trouble;
use crate::truth::OldConsole;

use super::page::{Page, state_refused};
use super::{Names, SERVER_PAGE, behind, not_found};

/// Ids of servers begin here: real ones are small numbers too, and never list positions.
const FIRST_ID: usize = 11;

/// The registered servers with their ids. A pure controller is not among them: no Deployment
/// Service of its own ever registered it.
fn registered(farm: &Farm) -> impl Iterator<Item = (usize, &FrontEnd)> {
    let serving = farm.servers.values().filter(|server| server.serves());
    serving.enumerate().map(|(place, server)| (place + FIRST_ID, server))
}

fn by_id<'a>(farm: &'a Farm, request: &Request) -> Option<(usize, &'a FrontEnd)> {
    let wanted: usize = request.query_value("ServerId")?.parse().ok()?;
    registered(farm).find(|(id, _)| *id == wanted)
}

/// The flag as this console shows it: a stale one shows what was when the database changed.
fn shown_enabled(page: &Page<'_>, server: &FrontEnd) -> bool {
    let farm = page.farm;
    if let Some(shown) = page.stale.and_then(|it| it.enabled.get(server.name())) {
        return *shown;
    }
    let own = farm.servers.get(page.server).expect("a page is of a console that is there");
    let then = farm.database.enabled_at_upgrade(server.name());
    let now = farm.database.enabled(server.name()).unwrap_or(false);
    if farm.truth.old_console == OldConsole::Stale && behind(farm, own) {
        return then.unwrap_or(now);
    }
    now
}

/// The list of servers.
pub(super) fn list(page: &Page<'_>, feedback: Option<&str>) -> Answer {
    let mut content = String::with_capacity(8 * 1024);
    if let Some(feedback) = feedback {
        let _ = write!(content, "<div class=\"Feedback_Message\">{}</div>\r\n", escape(feedback));
    }
    content.push_str(
        "<p>This screen shows the registered Servers and their current status. Servers are \
         responsible for executing the code, extensions and timers of the Module.</p>\r\n\
         <table class=\"TableRecords\"><thead><tr><th>Name</th><th>IP Address</th>\
         <th>Enabled</th><th>Execute Timers</th><th>Execute Processes</th><th>Send Emails</th>\
         </tr></thead><tbody>\r\n",
    );
    for (id, server) in registered(page.farm) {
        let enabled = if shown_enabled(page, server) { "✔" } else { "" };
        let _ = write!(
            content,
            "<tr><td><a href=\"{SERVER_PAGE}?ServerId={id}\">{}</a></td><td>{}</td>\
             <td>{enabled}</td><td>✔</td><td>✔</td><td>✔</td></tr>\r\n",
            escape(server.name()),
            escape(server.address()),
        );
    }
    content.push_str("</tbody></table>");
    page.render(if page.names.platform { "Front-end Servers" } else { "Servers" }, &content)
}

/// A server's own page.
pub(super) fn detail(page: &Page<'_>, request: &Request) -> Answer {
    let Some((id, server)) = by_id(page.farm, request) else { return not_found() };
    let (name, value) = if shown_enabled(page, server) {
        ("wt9$wtDisableButton", "Disable")
    } else {
        ("wt9$wtEnableButton", "Enable")
    };
    let content = format!(
        "{form}<p>IP Address: {address}</p>\r\n\
         <input type=\"submit\" name=\"{name}\" value=\"{value}\" />\r\n\
         <input type=\"submit\" name=\"wt9$wtDeleteButton\" value=\"Delete\" />\r\n</form>",
        form = page.form(&action(id)),
        address = escape(server.address()),
    );
    page.render(server.name(), &content)
}

fn action(id: usize) -> String {
    format!("{SERVER_PAGE}?ServerId={id}")
}

/// A button of a server's page is pressed. Each button has one effect, whatever the flag is by
/// then: pressing Disable on a page grown old disables nothing twice and enables nothing.
pub(super) fn press(
    farm: &mut Farm,
    console: &str,
    session: &str,
    names: &Names<'_>,
    request: &Request,
) -> Answer {
    let page = Page { farm, server: console, session, names, stale: None };
    let Some((id, server)) = by_id(page.farm, request) else { return not_found() };
    let form = String::from_utf8_lossy(&request.body);
    if !page.state_is_right(&action(id), &form) {
        return state_refused();
    }
    let pressed = |ending: &str, value: &str| {
        form_value_ending(&form, ending).is_some_and(|pressed| pressed == value)
    };
    if pressed("wtDeleteButton", "Delete") {
        return Answer::error(501, "This double of Service Center does not delete servers.");
    }
    let enabled = match (pressed("wtDisableButton", "Disable"), pressed("wtEnableButton", "Enable"))
    {
        (true, false) => false,
        (false, true) => true,
        // No button, or both: a postback that changes nothing shows the page again.
        _ => return detail(&page, request),
    };
    let name = server.name().to_owned();
    let ignored = |it: &Trouble| (*it == Trouble::DisableIgnored).then_some(());
    if !enabled && farm.meet(ignored).is_some() {
        return Answer::found(&format!("/ServiceCenter/{}", names.servers));
    }
    farm.on_server(&name, |server, around| server.set_enabled(around, enabled, FlagBy::Console));
    farm.settle();
    Answer::found(&format!("/ServiceCenter/{}", names.servers))
}
