//! Jobs: what installers do to a server and to the farm, phase by phase, and how they fail.
mod common;

use common::*;
use evenkeel_fakes::ledger::{Event, ServiceState};
use evenkeel_fakes::truth::{DisableMode, Truth};

/// Goal: the phases of an upgrade, in order and in time. Method: the ledger of one upgrade.
#[test]
fn an_upgrade_stops_the_server_changes_the_database_and_starts_everything_again() {
    let mut farm = shop(Truth::default());
    start(&mut farm, "fe-2", "j1", "front-end-upgrade");
    assert!(farm.servers["fe-2"].touched());
    assert_eq!(told(&mut farm), ["0 fe-2 front-end-upgrade started (j1)"]);
    farm.advance(17_999);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 200, "serves until 5 %");
    farm.advance(18_000);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 503);
    assert_eq!(status(&mut farm, "fe-2", "/ServiceCenter/Login.aspx"), 503);
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=running");
    let events: Vec<_> =
        pass(&mut farm, 10 * MINUTE).into_iter().filter(|event| !event.contains("lb-")).collect();
    assert_eq!(
        events,
        [
            "18 fe-2 service stopped".to_owned(),
            "18 fe-2 applications unavailable".into(),
            format!("216 database version {TO}"),
            format!("360 fe-2 installed {TO}"),
            "360 fe-2 applications serving".into(),
            "360 fe-2 service starting".into(),
            "360 fe-2 front-end-upgrade ended with 0 (j1)".into(),
            "390 fe-2 service initialised".into(),
        ]
    );
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=exited exit_code=0");
    let version = verb(&mut farm, "fe-2", &[("VERB", "version")]);
    assert_eq!(version.stdout, format!("version={TO}\n"));
}

/// Goal: the balancer's checks see an installer. Method: eligible members during an upgrade.
#[test]
fn an_upgrade_fails_the_health_checks_of_its_server() {
    let mut farm = shop(Truth::default());
    pass(&mut farm, MINUTE);
    start(&mut farm, "fe-2", "j1", "front-end-upgrade");
    pass(&mut farm, MINUTE);
    assert_eq!(farm.nodes["lb-1"].eligible("web").len(), 2);
    assert_eq!(farm.nodes["lb-2"].eligible("web").len(), 2);
    pass(&mut farm, 6 * MINUTE);
    assert_eq!(farm.nodes["lb-1"].eligible("web").len(), 3);
}

/// Goal: a lost answer can be asked again. Method: the same id twice, running and ended.
#[test]
fn a_job_id_that_is_known_is_never_started_twice() {
    let mut farm = shop(Truth::default());
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=never");
    start(&mut farm, "fe-2", "j1", "front-end-upgrade");
    start(&mut farm, "fe-2", "j1", "front-end-upgrade");
    pass(&mut farm, 30 * MINUTE);
    start(&mut farm, "fe-2", "j1", "front-end-upgrade");
    pass(&mut farm, 30 * MINUTE);
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=exited exit_code=0");
    start(&mut farm, "fe-3", "j1", "front-end-upgrade");
    let starts = events(&mut farm);
    let starts = starts.iter().filter(|event| matches!(event, Event::JobStarted { .. })).count();
    assert_eq!(starts, 1, "another server knows nothing of it");
}

/// Goal: installers are safe to run again. Method: the same upgrade with another id.
#[test]
fn an_upgrade_to_the_installed_version_is_quick_and_stops_nothing() {
    let mut farm = shop(Truth::default());
    assert_eq!(run(&mut farm, "fe-2", "front-end-upgrade"), "status=exited exit_code=0");
    pass(&mut farm, MINUTE);
    let mark = farm.servers["fe-2"].start_mark();
    let before = farm.now_ms();
    assert_eq!(run(&mut farm, "fe-2", "front-end-upgrade"), "status=exited exit_code=0");
    assert_eq!(farm.now_ms() - before, farm.truth.quick_job_ms);
    assert_eq!(farm.servers["fe-2"].start_mark(), mark);
}

/// Goal: a failing installer leaves its server as failing installers do. Method: fail twice, then
/// not: out of service, version unchanged, put right by running it again.
#[test]
fn a_failing_installer_leaves_the_old_version_and_a_stopped_server() {
    let mut farm = shop(Truth::default());
    farm.fail_jobs("fe-2", "front-end-upgrade", 1603, 2, 0);
    for _ in 0..2 {
        assert_eq!(run(&mut farm, "fe-2", "front-end-upgrade"), "status=exited exit_code=1603");
        assert_eq!(farm.servers["fe-2"].version(), FROM);
        assert_eq!(farm.database.version(), FROM, "it failed before that");
        assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 503);
        assert_eq!(farm.servers["fe-2"].service_state(), ServiceState::Stopped);
    }
    assert_eq!(run(&mut farm, "fe-3", "front-end-upgrade"), "status=exited exit_code=0");
    assert_eq!(run(&mut farm, "fe-2", "front-end-upgrade"), "status=exited exit_code=0");
    assert_eq!(farm.servers["fe-2"].version(), TO);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 200);
}

/// Goal: power loss leaves no exit code. Method: crash in the middle, boot, look, run again.
#[test]
fn a_machine_that_goes_down_interrupts_its_job() {
    let mut farm = shop(Truth::default());
    start(&mut farm, "fe-2", "j1", "front-end-upgrade");
    pass(&mut farm, 4 * MINUTE);
    farm.crash("fe-2");
    assert!(told(&mut farm).contains(&"240 fe-2 front-end-upgrade interrupted (j1)".into()));
    farm.power_on("fe-2");
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=interrupted");
    assert_eq!(farm.servers["fe-2"].version(), FROM);
    assert_eq!(farm.database.version(), TO, "that had happened");
    assert_eq!(status(&mut farm, "fe-2", "/Shop/Home.aspx"), 200, "serves what is deployed");
    assert_eq!(run(&mut farm, "fe-2", "front-end-upgrade"), "status=exited exit_code=0");
}

/// Goal: one installer at a time. Method: a second one while the first runs.
#[test]
fn a_second_installer_is_refused_while_one_runs() {
    let mut farm = shop(Truth::default());
    start(&mut farm, "fe-2", "j1", "front-end-upgrade");
    start(&mut farm, "fe-2", "j2", "front-end-upgrade");
    assert_eq!(job(&mut farm, "fe-2", "j2"), "status=exited exit_code=1618");
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=running");
}

/// Goal: jobs in the wrong place or order are refused in words. Method: each of them.
#[test]
fn a_job_that_makes_no_sense_there_ends_with_2_and_changes_nothing() {
    let mut farm = shop(Truth::default());
    let refused = "status=exited exit_code=2";
    assert_eq!(run(&mut farm, "fe-2", "controller-upgrade"), refused);
    assert_eq!(run(&mut farm, "fe-2", "service-center-install"), refused, "not upgraded yet");
    assert!(!farm.servers["fe-2"].touched());
    let old =
        [("VERB", "start"), ("JOB", "old"), ("KIND", "front-end-upgrade"), ("VERSION", "11.8.0")];
    verb(&mut farm, "fe-2", &old);
    let words = verb(&mut farm, "fe-2", &[("VERB", "job"), ("JOB", "old")]).stdout;
    assert!(words.contains("already installed with an higher version"), "{words}");
    let mut farm = shop_with_pure_controller();
    assert_eq!(run(&mut farm, "ctl", "front-end-upgrade"), refused);
    assert_eq!(run(&mut farm, "ctl", "ensure-deployment-service"), refused);
    assert_eq!(run(&mut farm, "ctl", "controller-upgrade"), "status=exited exit_code=0");
    assert_eq!(run(&mut farm, "ctl", "service-center-install"), refused, "no console there");
}

/// Goal: verbs refuse by name what they do not understand. Method: each mistake.
#[test]
fn a_verb_with_a_missing_or_unknown_variable_is_an_error_by_name() {
    let mut farm = shop(Truth::default());
    for (pairs, words) in [
        (&[][..], "EVENKEEL_VERB is missing"),
        (&[("VERB", "dance")], "\"dance\""),
        (&[("VERB", "job")], "EVENKEEL_JOB is missing"),
        (&[("VERB", "start"), ("JOB", "j"), ("KIND", "magic"), ("VERSION", TO)], "\"magic\""),
        (&[("VERB", "start"), ("JOB", "j\n"), ("KIND", "publish"), ("VERSION", TO)], "one line"),
    ] {
        let outcome = verb(&mut farm, "fe-2", pairs);
        assert_eq!((outcome.exit_code, outcome.stdout.as_str()), (2, ""));
        assert!(outcome.stderr.contains(words), "{outcome:?}");
    }
    let env = [("EVENKEEL_SERVER".to_owned(), "fe-3".to_owned())].into();
    let outcome = evenkeel_fakes::front_end::verbs::run(&mut farm, "fe-2", &env);
    assert!(outcome.stderr.contains("this is fe-2, not fe-3"), "{outcome:?}");
}

/// Goal: the controller's own upgrade takes its service away. Method: a service started meanwhile.
#[test]
fn a_controller_upgrade_stops_the_controller_for_everybody() {
    let mut farm = shop(Truth::default());
    start(&mut farm, "fe-1", "c", "controller-upgrade");
    pass(&mut farm, MINUTE);
    assert!(!farm.controller_up());
    farm.stop_service("fe-3");
    farm.start_service("fe-3");
    pass(&mut farm, 3 * MINUTE);
    assert_eq!(farm.servers["fe-3"].service_state(), ServiceState::Starting);
    pass(&mut farm, 5 * MINUTE);
    assert!(farm.controller_up());
    assert_eq!(farm.servers["fe-1"].version(), TO);
}

/// Goal: a start type of Disabled outlives an installer, and step 7's job mends it. Method:
/// disable in the variant that sets it, upgrade, ensure.
#[test]
fn ensuring_the_deployment_service_makes_it_automatic_and_starts_it() {
    let truth = Truth { disable_mode: DisableMode::StopsAndDisablesService, ..Truth::default() };
    let mut farm = shop(truth);
    Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-3", "Disable");
    assert_eq!(run(&mut farm, "fe-3", "front-end-upgrade"), "status=exited exit_code=0");
    pass(&mut farm, 10 * MINUTE);
    let service = verb(&mut farm, "fe-3", &[("VERB", "service")]).stdout;
    assert!(service.starts_with("running=no\nautomatic=no\ninitialised=no\n"), "{service}");
    farm.start_service("fe-3");
    assert_eq!(farm.servers["fe-3"].service_state(), ServiceState::Stopped, "Disabled: no start");
    assert_eq!(run(&mut farm, "fe-3", "ensure-deployment-service"), "status=exited exit_code=0");
    assert!(farm.servers["fe-3"].automatic());
    pass(&mut farm, MINUTE);
    assert_eq!(farm.servers["fe-3"].service_state(), ServiceState::Initialised);
}

/// Goal: no silent success. Method: install Service Center, and publish, without the controller.
#[test]
fn service_center_and_publications_need_the_controller() {
    let mut farm = shop(Truth::default());
    run(&mut farm, "fe-2", "front-end-upgrade");
    farm.crash("fe-1");
    assert_eq!(run(&mut farm, "fe-2", "service-center-install"), "status=exited exit_code=1");
    assert_eq!(run(&mut farm, "fe-2", "publish"), "status=exited exit_code=1");
    assert_eq!(farm.database.published().generation, 0);
}
