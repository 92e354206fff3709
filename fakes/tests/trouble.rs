//! What goes wrong with consoles, controller and database for a while, as a client meets it.
mod common;

use std::rc::Rc;

use common::*;
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::ledger::{Event, ServiceState};
use evenkeel_fakes::trouble::{OddThreads, Trouble};
use evenkeel_fakes::truth::Truth;

const TAG: u64 = 7;

/// A farm with a trouble in it that lasts a minute, and a browser at fe-1.
fn troubled(trouble: Trouble) -> (Farm, Browser) {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    farm.lay_trouble(trouble, MINUTE, TAG);
    (farm, browser)
}

fn met(farm: &mut Farm) -> bool {
    events(farm).contains(&Event::FaultMet { tag: TAG })
}

/// The page of the threads of fe-2's Deployment Service.
fn threads(browser: &Browser, farm: &mut Farm) -> String {
    browser.get(farm, "Server_ServiceDetail.aspx?ServerId=2&Service=deployment").body
}

/// Goal: a console that fails says so, for its time and on its server alone. Method: each status
/// at one console, the database for all.
#[test]
fn a_console_answers_errors_for_a_while() {
    for status in [404, 500, 503] {
        let console = Some("fe-1".to_owned());
        let (mut farm, mut browser) = troubled(Trouble::ConsoleAnswers { console, status });
        pass(&mut farm, 10 * MINUTE);
        assert_eq!(browser.get(&mut farm, "Servers.aspx").status, status, "it lay in wait");
        assert!(met(&mut farm));
        browser.server = "fe-2";
        assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 200);
        browser.server = "fe-1";
        pass(&mut farm, MINUTE);
        assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 200);
    }
    let (mut farm, browser) = troubled(Trouble::DatabaseGone);
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 500);
    assert_eq!(status(&mut farm, "fe-1", "/Shop/Home.aspx"), 200, "applications go on");
}

/// Goal: a locked user is told in the product's words. Method: the right password, then later.
#[test]
fn a_user_whom_somebody_else_locked_out_does_not_get_in() {
    let (mut farm, mut browser) = troubled(Trouble::LockedOut);
    let answer = browser.login(&mut farm, "admin", PASSWORD);
    let words = "Too many failed login attempts. Please try again in a few minutes.";
    assert!(answer.body.contains(words) && met(&mut farm));
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 200, "whoever is in stays in");
    pass(&mut farm, MINUTE);
    assert_eq!(browser.login(&mut farm, "admin", PASSWORD).status, 302);
    assert!(farm.end_sessions() && !farm.end_sessions());
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 302);
}

/// Goal: Disable without effect looks like success. Method: press it, look, press it later.
#[test]
fn an_ignored_disable_is_answered_as_if_done() {
    let (mut farm, browser) = troubled(Trouble::DisableIgnored);
    assert_eq!(browser.press(&mut farm, "fe-2", "Disable").status, 302);
    assert!(met(&mut farm) && browser.sees_enabled(&mut farm, "Servers.aspx", "fe-2"));
    pass(&mut farm, MINUTE);
    browser.press(&mut farm, "fe-2", "Disable");
    assert!(!browser.sees_enabled(&mut farm, "Servers.aspx", "fe-2"));
}

/// Goal: an old page shows what was, its clock too, while writes take effect. Method: disable
/// under it.
#[test]
fn a_stale_console_shows_what_was_then() {
    let (mut farm, browser) = troubled(Trouble::ControllerGone);
    let shown = Rc::new(farm.snapshot());
    farm.lay_trouble(Trouble::ConsoleStale { console: "fe-1".into(), shown }, MINUTE, TAG);
    pass(&mut farm, MINUTE);
    browser.press(&mut farm, "fe-2", "Disable");
    assert_eq!(farm.database.enabled("fe-2"), Some(false));
    assert!(browser.sees_enabled(&mut farm, "Servers.aspx", "fe-2"));
    assert!(browser.get(&mut farm, "Servers.aspx").body.contains("<p>21:00:00</p>"));
    pass(&mut farm, MINUTE);
    assert!(!browser.sees_enabled(&mut farm, "Servers.aspx", "fe-2"));
    assert!(browser.get(&mut farm, "Servers.aspx").body.contains("<p>21:02:00</p>"));
}

/// Goal: the other generation's console has its names and not this one's. Method: all four.
#[test]
fn the_other_generation_has_other_names() {
    let (mut farm, browser) = troubled(Trouble::OtherGeneration { new_only: false });
    for (page, status) in [
        ("Servers.aspx", 404),
        ("Environment_Health.aspx", 404),
        ("FrontEnd_Servers.aspx", 200),
        ("Platform_Monitoring.aspx", 200),
    ] {
        assert_eq!(browser.get(&mut farm, page).status, status, "{page}");
    }
    assert!(met(&mut farm));
    let (mut farm, browser) = troubled(Trouble::OtherGeneration { new_only: true });
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 200, "an old console is as it was");
}

/// Goal: the page of threads shows each oddity, on its server alone. Method: all of them.
#[test]
fn the_page_of_threads_shows_oddities() {
    for (shown, is_there, is_not) in [
        (OddThreads::Nothing, "<tbody>\r\n</tbody>", "Deployment Worker"),
        (OddThreads::Error, "<td>Error</td>", "Hibernating"),
        (OddThreads::Busy, "<td>Deploying</td>", "<td>Error</td>"),
        (OddThreads::UnknownWord, "<td>Hibernating</td>", "<td>Error</td>"),
    ] {
        let (mut farm, browser) = troubled(Trouble::Threads { server: "fe-2".into(), shown });
        let other =
            browser.get(&mut farm, "Server_ServiceDetail.aspx?ServerId=3&Service=deployment");
        assert!(other.body.contains("Deployment Worker 1</td><td>Sleeping") && !met(&mut farm));
        let page = threads(&browser, &mut farm);
        assert!(page.contains(is_there) && !page.contains(is_not), "{shown:?}: {page}");
        assert!(met(&mut farm));
        pass(&mut farm, MINUTE);
        assert!(threads(&browser, &mut farm).contains("Deployment Worker 1</td><td>Sleeping"));
    }
}

/// Goal: a service needs controller and database to initialise, tries again, and says why not.
/// Method: restart one under each trouble.
#[test]
fn a_service_does_not_initialise_without_controller_or_database() {
    for trouble in [Trouble::ControllerGone, Trouble::DatabaseGone] {
        let (mut farm, _) = troubled(trouble);
        assert!(farm.restart_service("fe-2"));
        let words = pass(&mut farm, MINUTE).join("\n");
        assert!(words.contains("fe-2 Initialization error: "), "{words}");
        assert!(words.contains("Retrying in 30 seconds"), "{words}");
        assert_eq!(farm.servers["fe-2"].service_state(), ServiceState::Starting);
        pass(&mut farm, MINUTE);
        assert_eq!(farm.servers["fe-2"].service_state(), ServiceState::Initialised);
    }
}

/// Goal: a deployment in rounds looks over and is not. Method: publish, and look in the pause.
#[test]
fn a_deployment_in_rounds_idles_in_between() {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    farm.deploy_in_rounds("fe-2", 1, 10_000, TAG);
    run(&mut farm, "fe-1", "publish");
    assert!(threads(&browser, &mut farm).contains("<td>Deploying</td>"));
    let deploy_ms = farm.truth.deploy_ms;
    pass(&mut farm, deploy_ms + 5_000);
    assert!(!threads(&browser, &mut farm).contains("<td>Deploying</td>"));
    let published = farm.database.published().generation;
    assert_ne!(farm.servers["fe-2"].deployed().generation, published);
    pass(&mut farm, 10_000);
    assert!(threads(&browser, &mut farm).contains("<td>Deploying</td>"));
    pass(&mut farm, deploy_ms);
    assert_eq!(farm.servers["fe-2"].deployed().generation, published);
}

/// Goal: an operator's hand is told apart from whoever presses the button over the network.
/// Method: both.
#[test]
fn an_operators_edit_is_told_as_such() {
    let mut farm = shop(Truth::default());
    assert!(farm.set_enabled("fe-2", false) && !farm.set_enabled("fe-2", false));
    assert_eq!(told(&mut farm), ["0 fe-2 disabled at a console, by somebody else"]);
    Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-2", "Enable");
    assert_eq!(told(&mut farm), ["0 fe-2 enabled at a console"]);
}
