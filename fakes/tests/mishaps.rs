//! What goes wrong with a server of itself: what is armed is met when its time comes, is told by
//! its tag, and passes as it says.
mod common;

use common::*;
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::front_end::jobs::Kind;
use evenkeel_fakes::front_end::mishaps::{JobMishap, Mishap};
use evenkeel_fakes::ledger::{Event, ServiceState};
use evenkeel_fakes::truth::{OldServices, Truth};

const UPGRADE: &str = "front-end-upgrade";
const TAG: u64 = 7;

fn arm(farm: &mut Farm, mishap: Mishap) {
    farm.arm("fe-2", mishap, TAG);
}

fn next_upgrade(what: JobMishap) -> Mishap {
    Mishap::Job { kind: Kind::FrontEndUpgrade, what, times: 1 }
}

/// Time goes by, and nobody looks at what happens: [`met`] does, later.
fn pass(farm: &mut Farm, ms: u64) {
    farm.advance(farm.now_ms() + ms);
}

/// How often the mishap was met since the last look.
fn met(farm: &mut Farm) -> usize {
    events(farm).iter().filter(|event| **event == Event::FaultMet { tag: TAG }).count()
}

fn exited(code: i32) -> String {
    format!("status=exited exit_code={code}")
}

fn service(farm: &Farm) -> ServiceState {
    farm.servers["fe-2"].service_state()
}

/// Goal: an installer that hangs goes on later, or never. Method: one for ten minutes, one for ever.
#[test]
fn a_hanging_installer_runs_until_it_goes_on() {
    let mut farm = shop(Truth::default());
    arm(&mut farm, next_upgrade(JobMishap::Hangs { for_ms: Some(10 * MINUTE) }));
    start(&mut farm, "fe-2", "j1", UPGRADE);
    pass(&mut farm, 15 * MINUTE);
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=running");
    pass(&mut farm, 2 * MINUTE);
    assert_eq!(job(&mut farm, "fe-2", "j1"), exited(0));
    farm.arm("fe-3", next_upgrade(JobMishap::Hangs { for_ms: None }), TAG);
    start(&mut farm, "fe-3", "j2", UPGRADE);
    pass(&mut farm, 600 * MINUTE);
    assert_eq!(job(&mut farm, "fe-3", "j2"), "status=running");
    assert_eq!(farm.servers["fe-3"].version(), FROM);
}

/// Goal: 3010 is success, and nothing starts before the reboot. Method: upgrade, look, reboot.
#[test]
fn an_installer_that_wants_a_reboot_leaves_everything_stopped_until_then() {
    let mut farm = shop(Truth::default());
    arm(&mut farm, next_upgrade(JobMishap::WantsReboot { code: 3010 }));
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(3010));
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(farm.servers["fe-2"].version(), TO);
    assert_eq!(service(&farm), ServiceState::Stopped);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 503);
    farm.reboot("fe-2");
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(service(&farm), ServiceState::Initialised);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 200);
}

/// Goal: 1 wants the reboot first. Method: run again without it, then with it.
#[test]
fn an_installer_whose_prerequisites_want_a_reboot_installs_nothing_before_it() {
    let mut farm = shop(Truth::default());
    arm(&mut farm, next_upgrade(JobMishap::WantsReboot { code: 1 }));
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(1));
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(2), "a restart is pending");
    assert_eq!((farm.servers["fe-2"].version(), farm.database.version()), (FROM, FROM));
    farm.reboot("fe-2");
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(0));
    assert_eq!(farm.servers["fe-2"].version(), TO);
}

/// Goal: a machine that is told to restart does what it is told until it goes down, and what runs then
/// is interrupted. Method: a restart, and a job right after it.
#[test]
fn a_machine_that_is_told_to_restart_answers_until_it_goes_down() {
    let mut farm = shop(Truth::default());
    farm.restart("fe-2");
    assert!(farm.servers["fe-2"].is_up());
    start(&mut farm, "fe-2", "j1", UPGRADE);
    pass(&mut farm, MINUTE);
    assert!(!farm.servers["fe-2"].is_up());
    pass(&mut farm, 10 * MINUTE);
    assert!(farm.servers["fe-2"].is_up());
    assert_eq!(job(&mut farm, "fe-2", "j1"), "status=interrupted");
    assert_eq!(farm.servers["fe-2"].version(), FROM);
}

/// Goal: success is not proof. Method: an installer that ends with 0 and does nothing, and again.
#[test]
fn an_installer_can_end_well_and_install_nothing() {
    let mut farm = shop(Truth::default());
    arm(&mut farm, next_upgrade(JobMishap::InstallsNothing));
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(0));
    assert_eq!((met(&mut farm), farm.servers["fe-2"].version()), (1, FROM));
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(0));
    assert_eq!((met(&mut farm), farm.servers["fe-2"].version()), (0, TO));
}

/// Goal: a partial install has the new version and no working service, until it is run again, in
/// either variant of what old services do. Method: both exit codes.
#[test]
fn a_partial_install_is_mended_by_running_it_again() {
    for code in [0, 2] {
        let mut farm = shop(Truth { old_services: OldServices::RunOn, ..Truth::default() });
        arm(&mut farm, next_upgrade(JobMishap::InstallsPart { code }));
        assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(code));
        pass(&mut farm, 30 * MINUTE);
        assert_eq!(farm.servers["fe-2"].version(), TO);
        assert_eq!(service(&farm), ServiceState::Starting);
        assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(0));
        pass(&mut farm, MINUTE);
        assert_eq!(service(&farm), ServiceState::Initialised);
    }
}

/// Goal: a full disk fails what writes, in words, and no more when there is room. Method: upgrade
/// while it is full, and later.
#[test]
fn a_full_disk_fails_an_installer_until_there_is_room() {
    let mut farm = shop(Truth::default());
    arm(&mut farm, Mishap::DiskFull { for_ms: Some(5 * MINUTE) });
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(2));
    assert_eq!((met(&mut farm), farm.servers["fe-2"].version()), (1, FROM));
    let id = format!("{UPGRADE}-0");
    let words = verb(&mut farm, "fe-2", &[("VERB", "job"), ("JOB", &id)]).stdout;
    assert!(words.contains("not enough space on the disk"), "{words}");
    pass(&mut farm, 5 * MINUTE);
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(0));
    assert_eq!(met(&mut farm), 0);
}

/// Goal: running is not initialised. Method: a start that stalls for five minutes, and one that
/// takes two minutes longer, after which applications answer late for a while.
#[test]
fn a_service_can_run_for_long_before_it_is_initialised() {
    let mut farm = shop(Truth::default());
    arm(&mut farm, Mishap::ServiceStalls { for_ms: Some(5 * MINUTE) });
    assert!(farm.restart_service("fe-2"));
    pass(&mut farm, 4 * MINUTE);
    assert_eq!(service(&farm), ServiceState::Starting);
    pass(&mut farm, 2 * MINUTE);
    assert_eq!(service(&farm), ServiceState::Initialised);
    let (initialise_ms, answer_ms, for_ms) = (2 * MINUTE, 5_000, 3 * MINUTE);
    arm(&mut farm, Mishap::SlowStart { initialise_ms, answer_ms, for_ms });
    farm.restart_service("fe-2");
    let after_ms =
        |farm: &mut Farm| get(farm, "fe-2", "/Shop/Home.aspx").expect("it serves").after_ms;
    assert_eq!(after_ms(&mut farm), 5_000);
    pass(&mut farm, 2 * MINUTE);
    assert_eq!(service(&farm), ServiceState::Starting);
    pass(&mut farm, 2 * MINUTE);
    assert_eq!((service(&farm), after_ms(&mut farm)), (ServiceState::Initialised, 0));
}

/// Goal: a service that an installer does not start is started by step 7's job, or says why not.
/// Method: two starts that come to nothing.
#[test]
fn a_service_that_does_not_start_is_told_by_whoever_starts_it() {
    let mut farm = shop(Truth::default());
    arm(&mut farm, Mishap::ServiceDoesNotStart { times: 2 });
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(0));
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(service(&farm), ServiceState::Stopped);
    assert_eq!(run(&mut farm, "fe-2", "ensure-deployment-service"), exited(2));
    assert_eq!(run(&mut farm, "fe-2", "ensure-deployment-service"), exited(0));
    pass(&mut farm, MINUTE);
    assert_eq!((service(&farm), met(&mut farm)), (ServiceState::Initialised, 2));
}

/// Goal: applications break and mend by themselves while all else is well. Method: half an hour
/// after an install, for five minutes.
#[test]
fn applications_break_half_an_hour_after_an_install_and_pings_stay_well() {
    let mut farm = shop(Truth::default());
    let (after_ms, for_ms) = (30 * MINUTE, Some(5 * MINUTE));
    arm(&mut farm, Mishap::ApplicationsBreak { after_ms, for_ms });
    assert_eq!(run(&mut farm, "fe-2", UPGRADE), exited(0));
    pass(&mut farm, 29 * MINUTE);
    assert_eq!((status(&mut farm, "fe-2", "/Shop/Home.aspx"), met(&mut farm)), (200, 0));
    pass(&mut farm, 2 * MINUTE);
    assert_eq!((status(&mut farm, "fe-2", "/Shop/Home.aspx"), met(&mut farm)), (500, 1));
    assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 200);
    pass(&mut farm, 5 * MINUTE);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/Home.aspx"), 200);
}

/// Goal: deployment can end without having deployed everything, and finds it later. Method: the
/// ids of a module before, between and after, beside those of another server.
#[test]
fn skipped_modules_are_found_by_the_retry_loop() {
    let mut farm = shop(Truth::default());
    let ids = |farm: &Farm, server: &str| -> Vec<_> {
        let server = &farm.servers[server];
        server.modules().map(|module| server.deployed_id(module)).collect()
    };
    arm(&mut farm, Mishap::ModulesSkipped { for_ms: 2 * MINUTE });
    run(&mut farm, "fe-1", "controller-upgrade");
    run(&mut farm, "fe-2", UPGRADE);
    run(&mut farm, "fe-3", UPGRADE);
    run(&mut farm, "fe-1", "service-center-install");
    while !events(&mut farm).contains(&Event::ModulesSkipped { server: "fe-2".into() }) {
        pass_a_second(&mut farm);
    }
    assert!(!farm.servers["fe-2"].deploying());
    pass_a_second(&mut farm);
    assert_ne!(ids(&farm, "fe-2"), ids(&farm, "fe-3"));
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(ids(&farm, "fe-2"), ids(&farm, "fe-3"));
}

fn pass_a_second(farm: &mut Farm) {
    farm.advance(farm.now_ms() + 1_000);
}
