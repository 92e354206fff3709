//! A machine whose installer wants a restart: it answers for a while after it was told to, and what is
//! told to it then is lost.
use evenkeel::journal::{ActionResult, ServerFailure};
use evenkeel::procedure::readings::JobReading;

use super::*;

/// fe-1, whose installer has ended with 3010, was told to restart at second 13.
fn told() -> Bench {
    told_after(service(true, "before", 0))
}

/// The same after such a reading of its services.
fn told_after(service: Option<Reading<ServiceReading>>) -> Bench {
    let mut bench = Bench::new();
    bench.approved(3);
    bench.reached("fe-2", Milestone::Disabled { start: Some("a".into()) });
    bench.fe_1_quiet();
    bench.reached("fe-1", Milestone::Touched);
    let (server, kind, job) = (ServerName::from("fe-1"), JobKind::ControllerUpgrade, "job");
    let start = Action::Start { server: server.clone(), kind, job: job.into() };
    intended(&mut bench, start, ActionResult::Done { evidence: String::new() });
    let reading = JobReading::Exited { code: 3010, output: String::new() };
    bench.happened(&Event::JobEnded { server, kind, job: job.into(), reading });
    let now_ms = bench.view.now_ms;
    bench.view.servers[0].service = service.map(|read| Reading { at_ms: now_ms, ..read });
    bench.settle();
    let reboot = reboot(&bench).expect("the installer asked for it");
    assert_eq!(bench.check(&reboot), Ok(()));
    intended(&mut bench, reboot, ActionResult::Unknown { why: "the connection broke".into() });
    bench
}

fn intended(bench: &mut Bench, action: Action, result: ActionResult) {
    let id = bench.progress.next_intent;
    bench.happened(&Event::Intent { id, action });
    bench.happened(&Event::Outcome { id, result });
}

/// The restart that is decided now.
fn reboot(bench: &Bench) -> Option<Action> {
    let actions = decide(&bench.layout, &bench.progress, &bench.view).actions;
    actions.into_iter().find(|action| matches!(action, Action::Reboot { .. }))
}

fn starts(bench: &Bench) -> bool {
    let actions = decide(&bench.layout, &bench.progress, &bench.view).actions;
    actions.iter().any(|action| matches!(action, Action::Start { .. }))
}

/// Some minutes later everything is read: fe-1's services have this start.
fn read_at(bench: &mut Bench, at_ms: u64, start: &str) {
    bench.node("one", at_ms, seat(8, 0, 40), seat(0, 1, 900));
    let version = bench.layout.target();
    for server in 0..2 {
        bench.view.servers[server].service = service(true, "a", at_ms);
        bench.view.servers[server].flag = Some(Reading { value: server == 0, at_ms });
    }
    bench.view.servers[0].service = service(true, start, at_ms);
    bench.view.servers[0].version = Some(Reading { value: version, at_ms });
}

/// Goal: nothing begins on a machine that was told to restart before it was seen to have done so, and
/// it is not told twice. Method: a restart whose answer was lost; its services, as they were and of
/// another start.
#[test]
fn nothing_begins_before_a_machine_was_seen_to_have_restarted() {
    let mut bench = told();
    for minute in 1..=9 {
        read_at(&mut bench, minute * 60_000, "before");
        assert_eq!(bench.settle(), None);
        assert!(!starts(&bench), "it still goes down");
        assert_eq!(reboot(&bench), None, "it was told");
        let start = bench.start("fe-1", JobKind::ServiceCenterInstall);
        refused(start, "was told to restart");
    }
    read_at(&mut bench, 560_000, "after");
    bench.settle();
    let later_ms = bench.view.now_ms + 15_000;
    read_at(&mut bench, later_ms, "after");
    assert!(starts(&bench), "it has restarted");
    assert_eq!(reboot(&bench), None);
}

/// Goal: a machine that does not restart is told again when it had its time, and then has failed.
/// Method: the same start of its services for as long as it takes.
#[test]
fn a_machine_that_does_not_restart_is_told_again_and_then_has_failed() {
    let mut bench = told();
    let early = Action::Reboot { server: "fe-1".into(), start: None, boot: None };
    read_at(&mut bench, 300_000, "before");
    refused(bench.check(&early), "may be doing so");
    let time_ms = bench.layout.policy().initialise_ms_max;
    read_at(&mut bench, 20_000 + time_ms, "before");
    let again = reboot(&bench).expect("it had its time");
    assert_eq!(bench.check(&again), Ok(()));
    intended(&mut bench, again, ActionResult::Done { evidence: String::new() });
    read_at(&mut bench, 40_000 + 2 * time_ms, "before");
    bench.settle();
    assert_eq!(bench.progress.servers[0].failure, Some(ServerFailure::NotRebooted));
    assert_eq!(reboot(&bench), None);
    read_at(&mut bench, 60_000 + 2 * time_ms, "after");
    bench.settle();
    assert_eq!(bench.progress.servers[0].failure, None, "it has restarted after all");
}

/// Goal: of a machine whose services do not start, its silence tells. Method: services that do not
/// run, before and after the host did not answer.
#[test]
fn a_silence_tells_where_services_do_not_run() {
    let mut bench = told();
    let stopped = |bench: &mut Bench, at_ms: u64| {
        read_at(bench, at_ms, "before");
        bench.view.servers[0].service = service(false, "before", at_ms);
        bench.settle();
    };
    stopped(&mut bench, 60_000);
    assert!(bench.progress.servers[0].wants_reboot);
    bench.view.servers[0].host_silent_ms = 90_000;
    bench.view.servers[0].host_last_failed_ms = 90_000;
    stopped(&mut bench, 100_000);
    assert!(bench.progress.servers[0].wants_reboot, "one question in vain is no restart");
    bench.view.servers[0].host_last_failed_ms = 160_000;
    stopped(&mut bench, 180_000);
    assert!(!bench.progress.servers[0].wants_reboot);
}

/// Goal: where the host tells of the machine's start, that alone tells whether it has restarted, be its
/// services down before or after it. Method: services that do not run, then run, on the same boot of the
/// machine; a silence after which the service was not read; and services that do not run on another one.
#[test]
fn a_machine_that_tells_its_boot_has_restarted_when_that_is_another() {
    let read = |running: bool, start: &str, boot: &str| {
        let read = service(running, start, 0).expect("a reading");
        let value = ServiceReading { boot: Some(boot.into()), ..read.value };
        Some(Reading { value, ..read })
    };
    let mut bench = told_after(read(false, "a", "7"));
    let mut restarted = |at_ms: u64, running: bool, start: &str, boot: &str| {
        read_at(&mut bench, at_ms, "a");
        let service = read(running, start, boot);
        bench.view.servers[0].service = service.map(|read| Reading { at_ms, ..read });
        bench.settle();
        !bench.progress.servers[0].wants_reboot
    };
    assert!(!restarted(60_000, true, "b", "7"), "somebody has started the service");
    assert!(restarted(90_000, false, "b", "8"));

    let rebooted = Event::Noticed(Notice::Rebooted { server: "fe-1".into() });
    let mut bench = told_after(read(false, "a", "7"));
    let vouched = |bench: &Bench| {
        guard::vouch(&bench.layout, &bench.progress, &bench.view, &rebooted).is_ok()
    };
    read_at(&mut bench, 300_000, "a");
    bench.view.servers[0].host_silent_ms = 60_000;
    bench.view.servers[0].host_last_failed_ms = 200_000;
    bench.view.servers[0].service = None;
    bench.settle();
    assert!(
        bench.progress.servers[0].wants_reboot && !vouched(&bench),
        "only its version was read"
    );
    let service = read(true, "a", "8").map(|read| Reading { at_ms: 300_000, ..read });
    bench.view.servers[0].service = service;
    assert!(vouched(&bench));
}

/// Goal: a start that was lost is sent again once its host can be read, however long that took, and
/// fails if it is lost then for as long as one may be. Method: the host has never heard of the job, read
/// as it comes back an hour later, and at the end of its time since then.
#[test]
fn a_job_that_was_never_heard_of_has_its_time_from_when_its_host_came_back() {
    const HOUR_MS: u64 = 3_600_000;
    let mut bench = told();
    let kind = JobKind::ServiceCenterInstall;
    let start = Action::Start { server: "fe-1".into(), kind, job: "job-2".into() };
    intended(&mut bench, start, ActionResult::Unknown { why: "no answer".into() });
    let fails = |bench: &mut Bench, at_ms: u64| {
        read_at(bench, at_ms, "after");
        let never = Reading { value: JobReading::Never, at_ms };
        bench.view.servers[0].job = Some(("job-2".to_owned(), never));
        let events = decide(&bench.layout, &bench.progress, &bench.view).events;
        events.iter().any(|event| matches!(event, Event::Failed { .. }))
    };
    let unknown_ms_max = bench.layout.policy().unknown_ms_max;
    bench.view.servers[0].host_last_failed_ms = unknown_ms_max;
    bench.view.servers[0].host_is_back(HOUR_MS, unknown_ms_max);
    assert!(!fails(&mut bench, HOUR_MS), "it could not be sent again");
    let job_ms_max = bench.layout.policy().service_center_ms_max;
    let late_ms = HOUR_MS + job_ms_max + 4 * unknown_ms_max;
    assert!(!fails(&mut bench, late_ms));
    assert!(fails(&mut bench, late_ms + 1_000));
}
