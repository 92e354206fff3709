//! What every page of the console has: the frame with menu and side panel, and forms with hidden
//! state. Pages are plain strings: a rehearsal renders thousands of them a second.
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::database::hex;
use crate::farm::Farm;
use crate::http::{Answer, escape, form_value};
use crate::trouble::Snapshot;

use super::Names;

/// Roughly the size of the largest page of a farm of sixteen: one allocation a page.
const PAGE_BYTES: usize = 12 * 1024;

/// What is needed to render a page for somebody who is logged in.
pub(super) struct Page<'a> {
    pub(super) farm: &'a Farm,
    /// The front-end whose console this is.
    pub(super) server: &'a str,
    pub(super) session: &'a str,
    pub(super) names: &'a Names<'a>,
    /// What it shows instead of the present.
    pub(super) stale: Option<&'a Snapshot>,
}

impl Page<'_> {
    /// The page after the login.
    pub(super) fn home(&self) -> Answer {
        self.render("Home", "<p>Welcome to the Service Center</p>")
    }

    /// A whole page around its content.
    pub(super) fn render(&self, heading: &str, content: &str) -> Answer {
        let mut html = String::with_capacity(PAGE_BYTES);
        let names = self.names;
        let (servers, health) = if names.platform {
            ("Front-end Servers", "Platform Monitoring")
        } else {
            ("Servers", "Environment Health")
        };
        let _ = write!(
            html,
            "<!DOCTYPE html>\r\n<html><head><title>Service Center - {heading}</title></head>\r\n\
             <body>\r\n<div class=\"Menu\"><span>Factory</span> <span>Monitoring</span> \
             <span>Administration</span> <span>Analytics</span>\r\n\
             <div class=\"SubMenu\"><a href=\"{servers_page}\">{servers}</a> \
             <a href=\"{health_page}\">{health}</a></div></div>\r\n\
             <div class=\"Content\">\r\n<h1>{heading}</h1>\r\n{content}\r\n</div>\r\n{panel}\
             </body></html>\r\n",
            heading = escape(heading),
            servers_page = escape(names.servers),
            health_page = escape(names.health),
            panel = side_panel(self.farm, self.server, self.shown_ms()),
        );
        Answer::html(200, html)
    }

    /// The instant that it shows.
    fn shown_ms(&self) -> u64 {
        self.stale.map_or(self.farm.now_ms(), |shown| shown.at_ms)
    }

    /// The opening of a form that posts to a page itself, with its hidden state.
    pub(super) fn form(&self, action: &str) -> String {
        form(action, &State::of(self.farm, self.server, action, self.session))
    }

    /// Whether a posted form carries this page's hidden state.
    pub(super) fn state_is_right(&self, action: &str, form: &str) -> bool {
        State::of(self.farm, self.server, action, self.session).is_in(form)
    }
}

/// The panel at the side of every page, also the login's: environment, version, clock.
pub(super) fn side_panel(farm: &Farm, server: &str, at_ms: u64) -> String {
    let build = farm.servers.get(server).map_or("", |front_end| front_end.console_build());
    format!(
        "<div class=\"SidePanel\"><p>{}</p><p>{}</p><p>{}</p></div>\r\n",
        escape(&farm.spec.name),
        version_words(build),
        time_of_day(at_ms)
    )
}

/// An upgrade begins at nine in the evening: `21:00:00`, and so on over midnight.
fn time_of_day(at_ms: u64) -> String {
    let s = 21 * 3_600 + at_ms / 1_000;
    format!("{:02}:{:02}:{:02}", s / 3_600 % 24, s / 60 % 60, s % 60)
}

/// `11.36.1.43500` as `Version 11.36.1 (Build 43500)`.
fn version_words(version: &str) -> String {
    match version.rsplit_once('.') {
        Some((release, build)) if release.matches('.').count() == 2 => {
            format!("Version {release} (Build {build})")
        }
        _ => format!("Version {version}"),
    }
}

/// The hidden state of one page for one session, signed as ASP.NET signs it: a forged, missing or
/// foreign one is refused.
pub(super) struct State {
    view: String,
    os_view: String,
}

impl State {
    pub(super) fn of(farm: &Farm, server: &str, action: &str, session: &str) -> Self {
        let build = farm.servers.get(server).map_or("", |front_end| front_end.console_build());
        let digest = Sha256::new()
            .chain_update(server)
            .chain_update([0])
            .chain_update(build)
            .chain_update([0])
            .chain_update(action)
            .chain_update([0])
            .chain_update(session)
            .finalize();
        Self {
            view: format!("/wEP{}==", hex(&digest[..20])),
            os_view: format!("AAEA{}", hex(&digest[20..])),
        }
    }

    pub(super) fn is_in(&self, form: &str) -> bool {
        form_value(form, "__VIEWSTATE").as_deref() == Some(&self.view)
            && form_value(form, "__OSVSTATE").as_deref() == Some(&self.os_view)
            && form_value(form, "__EVENTTARGET").is_some()
            && form_value(form, "__EVENTARGUMENT").is_some()
    }
}

/// The opening of a form, with its hidden state.
pub(super) fn form(action: &str, state: &State) -> String {
    format!(
        "<form method=\"post\" action=\"{}\" id=\"WebForm1\">\r\n\
         <input type=\"hidden\" name=\"__EVENTTARGET\" id=\"__EVENTTARGET\" value=\"\" />\r\n\
         <input type=\"hidden\" name=\"__EVENTARGUMENT\" id=\"__EVENTARGUMENT\" value=\"\" />\r\n\
         <input type=\"hidden\" name=\"__OSVSTATE\" id=\"__OSVSTATE\" value=\"{}\" />\r\n\
         <input type=\"hidden\" name=\"__VIEWSTATE\" id=\"__VIEWSTATE\" value=\"{}\" />\r\n",
        escape(action),
        state.os_view,
        state.view
    )
}

/// What a form with wrong state gets.
pub(super) fn state_refused() -> Answer {
    Answer::error(500, "Validation of viewstate MAC failed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the side panel reads as the real one. Method: the forms that versions have.
    #[test]
    fn versions_read_as_on_the_real_console() {
        assert_eq!(version_words("11.36.1.43500"), "Version 11.36.1 (Build 43500)");
        assert_eq!(version_words("11.36.1"), "Version 11.36.1");
    }
}
