//! Deployment: who fetches what is published, when, and what that changes.
mod common;

use common::*;
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::truth::{AfterStart, DisableMode, IdleWord, Truth};

/// The controller upgraded, everything else as it was, everybody idle.
fn with_upgraded_controller(truth: Truth) -> Farm {
    let mut farm = shop(truth);
    assert_eq!(run(&mut farm, "fe-1", "controller-upgrade"), "status=exited exit_code=0");
    pass(&mut farm, 5 * MINUTE);
    farm
}

/// Goal: an upgrade deploys no application. Method: ids before and after.
#[test]
fn an_upgrade_alone_deploys_nothing() {
    let before = shop(Truth::default()).servers["fe-1"].deployed_id("Shop");
    let farm = with_upgraded_controller(Truth::default());
    assert_eq!(farm.servers["fe-1"].deployed_id("Shop"), before);
    assert!(!farm.servers["fe-1"].pending(farm.database.published()));
}

/// Goal: installing Service Center reaches every enabled front-end, old ones too, and no disabled
/// one. Method: disable one, install, watch ledger, ids and console builds.
#[test]
fn service_center_is_deployed_to_enabled_front_ends_only() {
    let mut farm = with_upgraded_controller(Truth::default());
    Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-3", "Disable");
    let old = farm.servers["fe-3"].deployed_id("Shop");
    told(&mut farm);
    assert_eq!(run(&mut farm, "fe-1", "service-center-install"), "status=exited exit_code=0");
    assert_eq!(farm.servers["fe-1"].console_build(), TO, "there at once");
    assert_eq!(farm.servers["fe-2"].console_build(), FROM, "there with the deployment");
    let mut events = told(&mut farm);
    events.extend(pass(&mut farm, 60 * MINUTE));
    let words: Vec<_> = events.iter().filter_map(|event| event.split_once(' ')).collect();
    let began: Vec<_> = words.iter().filter(|(_, what)| what.ends_with("began")).collect();
    let ended: Vec<_> =
        words.iter().filter(|(_, what)| what.ends_with("deployment ended")).collect();
    assert_eq!(began.len(), 2, "{events:?}");
    assert_eq!(ended.len(), 2, "{events:?}");
    assert!(words.iter().all(|(_, what)| !what.starts_with("fe-3 deployment")), "{events:?}");
    assert_eq!(farm.servers["fe-2"].version(), FROM, "the old service can deploy");
    assert_eq!(farm.servers["fe-2"].console_build(), TO);
    assert_eq!(farm.servers["fe-2"].deployed_id("Shop"), farm.servers["fe-1"].deployed_id("Shop"));
    assert_eq!(farm.servers["fe-3"].deployed_id("Shop"), old);
    assert_eq!(farm.servers["fe-3"].console_build(), FROM);
}

/// Goal: this is the hazard for loaded servers. Method: enable a disabled server by hand.
#[test]
fn an_enabled_server_fetches_at_once_what_was_published_meanwhile() {
    let mut farm = with_upgraded_controller(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    browser.press(&mut farm, "fe-3", "Disable");
    run(&mut farm, "fe-1", "publish");
    pass(&mut farm, 30 * MINUTE);
    assert!(!farm.servers["fe-3"].deploying());
    Browser::logged_in(&mut farm, "fe-2").press(&mut farm, "fe-3", "Enable");
    let at = farm.now_ms() / 1_000;
    assert!(told(&mut farm).contains(&format!("{at} fe-3 deployment began")));
    assert_eq!(status(&mut farm, "fe-3", "/Shop/Home.aspx"), 200, "it serves meanwhile");
    pass(&mut farm, 3 * MINUTE);
    assert!(!farm.servers["fe-3"].deploying());
    assert_eq!(farm.servers["fe-3"].deployed_id("Shop"), farm.servers["fe-1"].deployed_id("Shop"));
}

/// Goal: work that waits is noticed at once or later, by variant. Method: restart the service of a
/// disabled server with something pending; its start enables it.
#[test]
fn after_a_start_threads_are_busy_or_idle_first() {
    for after_start in [AfterStart::BusyFirst, AfterStart::IdleFirst] {
        let truth = Truth { after_start, idle_word: IdleWord::Idle, ..Truth::default() };
        let mut farm = with_upgraded_controller(truth);
        Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-2", "Disable");
        run(&mut farm, "fe-2", "front-end-upgrade");
        pass(&mut farm, 5 * MINUTE);
        Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-2", "Disable");
        run(&mut farm, "fe-1", "service-center-install");
        pass(&mut farm, 10 * MINUTE);
        farm.stop_service("fe-2");
        farm.start_service("fe-2");
        let idle = |farm: &Farm| {
            let server = &farm.servers["fe-2"];
            let threads = server.threads(farm.truth.idle_word, farm.database.published());
            threads.iter().filter(|thread| thread.status == "Idle").count()
        };
        assert_eq!(idle(&farm), 0, "no threads before it is initialised");
        pass(&mut farm, 30_000);
        match after_start {
            AfterStart::BusyFirst => assert_eq!(idle(&farm), 1, "one of three has nothing to do"),
            AfterStart::IdleFirst => {
                assert_eq!(idle(&farm), 3, "nothing noticed yet");
                pass(&mut farm, 20_000);
                assert_eq!(idle(&farm), 1);
            }
        }
        pass(&mut farm, 3 * MINUTE);
        assert_eq!(idle(&farm), 3);
        assert!(!farm.servers["fe-2"].pending(farm.database.published()));
    }
}

/// Goal: a service that stops deploys no more. Method: stop it in the middle of a deployment, by
/// hand and by the variants of Disable.
#[test]
fn a_service_that_stops_breaks_its_deployment_off() {
    let truth = Truth { disable_mode: DisableMode::StopsService, ..Truth::default() };
    let mut farm = with_upgraded_controller(truth);
    run(&mut farm, "fe-1", "service-center-install");
    assert!(farm.servers["fe-2"].deploying());
    let old = farm.servers["fe-2"].deployed_id("Shop");
    told(&mut farm);
    Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-2", "Disable");
    let at = farm.now_ms() / 1_000;
    assert!(told(&mut farm).contains(&format!("{at} fe-2 deployment broken off")));
    pass(&mut farm, 60 * MINUTE);
    assert_eq!(farm.servers["fe-2"].deployed_id("Shop"), old);
    assert!(farm.servers["fe-2"].pending(farm.database.published()));
}

/// Goal: nothing published is skipped. Method: publish again while the first is being deployed.
#[test]
fn what_is_published_during_a_deployment_is_deployed_after_it() {
    let truth = Truth { deploy_ms: 15 * MINUTE, ..Truth::default() };
    let mut farm = with_upgraded_controller(truth);
    run(&mut farm, "fe-1", "service-center-install");
    run(&mut farm, "fe-1", "publish");
    assert!(farm.servers["fe-3"].deploying());
    pass(&mut farm, 6 * MINUTE);
    assert_eq!(farm.servers["fe-3"].deployed().generation, 1);
    assert!(farm.servers["fe-3"].deploying(), "the second follows at once");
    pass(&mut farm, 15 * MINUTE);
    assert_eq!(farm.servers["fe-3"].deployed().generation, 2);
}

/// Goal: a console that is being replaced is not there. Method: requests through the install.
#[test]
fn the_console_being_installed_answers_404_in_the_last_third() {
    let mut farm = with_upgraded_controller(Truth::default());
    start(&mut farm, "fe-1", "sc", "service-center-install");
    pass(&mut farm, 6 * MINUTE);
    assert_eq!(status(&mut farm, "fe-1", "/ServiceCenter/Login.aspx"), 200);
    pass(&mut farm, MINUTE);
    assert_eq!(status(&mut farm, "fe-1", "/ServiceCenter/Login.aspx"), 404);
    assert_eq!(status(&mut farm, "fe-1", "/ServiceCenter/OutSystemsPlatform.asmx"), 404);
    assert_eq!(status(&mut farm, "fe-1", "/Shop/Home.aspx"), 200, "only the console");
    assert_eq!(status(&mut farm, "fe-2", "/ServiceCenter/Login.aspx"), 200, "only this one");
    pass(&mut farm, 3 * MINUTE);
    assert_eq!(status(&mut farm, "fe-1", "/ServiceCenter/Login.aspx"), 200);
}
