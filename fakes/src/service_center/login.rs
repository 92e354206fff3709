//! The login form, and who is logged in.
use crate::database::Login;
use crate::farm::Farm;
use crate::http::{Answer, Method, Request, form_value_ending};
use crate::trouble::Trouble;

use super::Names;
use super::page::{State, form, side_panel, state_refused};

/// The session's cookie.
const COOKIE: &str = "ServiceCenter.Session";

/// The token of a valid session that a request carries; using it keeps it alive.
pub(super) fn session(farm: &mut Farm, request: &Request) -> Option<String> {
    let cookies = request.cookie.as_deref()?;
    let token = cookies.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })?;
    let now_ms = farm.now_ms();
    farm.database.sessions.touch(now_ms, token).then(|| token.to_owned())
}

/// The login page: shown, or posted.
pub(super) fn answer(
    farm: &mut Farm,
    server: &str,
    names: &Names<'_>,
    request: &Request,
) -> Answer {
    if request.method != Method::Post {
        return show(farm, server, names, "");
    }
    let text = String::from_utf8_lossy(&request.body);
    // Nobody is logged in yet: the state belongs to the page alone.
    if !State::of(farm, server, names.login, "").is_in(&text) {
        return state_refused();
    }
    let user = form_value_ending(&text, "wtInput1").unwrap_or_default();
    let password = form_value_ending(&text, "wtInputPass1").unwrap_or_default();
    let passes =
        user.eq_ignore_ascii_case(&farm.spec.service_center.user) && password == farm.password;
    let now_ms = farm.now_ms();
    let locked = farm.meet(|it: &Trouble| (*it == Trouble::LockedOut).then_some(()));
    let sessions = &mut farm.database.sessions;
    let login = match locked {
        Some(()) => sessions.refuse(now_ms, &user),
        None => sessions.login(now_ms, &user, passes),
    };
    match login {
        Login::In(token) => Answer {
            cookie: Some(format!("{COOKIE}={token}; path=/; HttpOnly")),
            ..Answer::found("/ServiceCenter/")
        },
        Login::Wrong => show(farm, server, names, "Invalid username or password."),
        Login::Locked => {
            let words = "Too many failed login attempts. Please try again in a few minutes.";
            show(farm, server, names, words)
        }
        Login::LockedForLong => {
            let words = "Too many failed login attempts. Please try again in 60 minutes.";
            show(farm, server, names, words)
        }
    }
}

fn show(farm: &Farm, server: &str, names: &Names<'_>, feedback: &str) -> Answer {
    let opening = form(names.login, &State::of(farm, server, names.login, ""));
    Answer::html(
        200,
        format!(
            "<!DOCTYPE html>\r\n<html><head><title>Service Center - Login</title></head>\r\n\
             <body>\r\n<h1>Welcome to the Service Center</h1>\r\n{opening}\
             <div class=\"Feedback_Message\">{feedback}</div>\r\n\
             <label for=\"wt6_wtInput1\">Username</label>\r\n\
             <input type=\"text\" name=\"wt6$wtInput1\" id=\"wt6_wtInput1\" />\r\n\
             <label for=\"wt6_wtInputPass1\">Password</label>\r\n\
             <input type=\"password\" name=\"wt6$wtInputPass1\" id=\"wt6_wtInputPass1\" />\r\n\
             <input type=\"submit\" name=\"wt6$wtButton1\" id=\"wt6_wtButton1\" value=\"Login\" />\r\n\
             </form>\r\n{}</body></html>\r\n",
            side_panel(farm, server, farm.now_ms())
        ),
    )
}
