//! How a proof is kept and lost, how many are at work, and when a way back has ended.
use super::*;
use evenkeel::journal::ActionResult;
use evenkeel::procedure::readings::TestReading;

/// fe-1 is proven, and its services run as they did then.
fn proven() -> Bench {
    let mut bench = Bench::new();
    let version = bench.layout.target();
    bench.reached("fe-1", Milestone::Touched);
    bench.reached("fe-1", Milestone::Upgraded { version });
    bench.reached("fe-1", Milestone::Proven { version, start: "a".into() });
    bench.view.servers[0].service = service(true, "a", 0);
    bench
}

/// A round of tests on fe-1 fails; beside it its host was read, or not.
fn fails(bench: &mut Bench, host_read: bool) {
    let reading = TestReading { passed: false, requests: 3, failure: Some("500".into()) };
    let version = host_read.then(|| bench.layout.target());
    let start = host_read.then(|| "a".to_owned());
    let action = Action::Test { server: "fe-1".into() };
    bench.happened(&Event::Intent { id: 7, action });
    bench.happened(&Event::Outcome {
        id: 7,
        result: ActionResult::Tested { reading, version, start },
    });
}

fn is_unproven(bench: &Bench) -> bool {
    let lost =
        |event: &Event| matches!(event, Event::Reached { milestone: Milestone::Unproven, .. });
    decide(&bench.layout, &bench.progress, &bench.view).events.iter().any(lost)
}

/// Goal: tests that fail cost a server its proof, also in the switch, and not while the soak judges
/// the whole version; one failure costs nothing. Method: two failures before the switch, in it, and
/// once only the new version serves.
#[test]
fn failing_tests_cost_the_proof_until_the_soak_can_judge() {
    for (reached, loses) in [
        (vec![], true),
        (vec![FarmMilestone::SwitchBegan], true),
        (vec![FarmMilestone::SwitchBegan, FarmMilestone::Switched], false),
    ] {
        let mut bench = proven();
        for milestone in &reached {
            bench.farm_reached(*milestone);
        }
        fails(&mut bench, true);
        assert!(!is_unproven(&bench), "once may be an accident, after {reached:?}");
        fails(&mut bench, true);
        assert_eq!(is_unproven(&bench), loses, "after {reached:?}");
    }
}

/// Goal: tests beside a host that was not read say nothing of the server, and are soon done again.
/// Method: three such failures, then the next instants at which tests are due.
#[test]
fn tests_beside_a_host_that_was_not_read_cost_no_proof_and_are_repeated_soon() {
    let mut bench = proven();
    let tests = |bench: &mut Bench| {
        bench.settle();
        let test = Action::Test { server: "fe-1".into() };
        decide(&bench.layout, &bench.progress, &bench.view).actions.contains(&test)
    };
    for _ in 0..3 {
        fails(&mut bench, false);
    }
    assert!(!is_unproven(&bench));
    assert!(!tests(&mut bench), "at once again");
    bench.view.now_ms = bench.layout.policy().soak_test_every_ms.min(30_000);
    assert!(tests(&mut bench));
}

/// Goal: no more servers are at work at once than policy allows, in the guard's eyes too. Method: one
/// at a time; fe-2's job has begun when fe-5's is to begin; then it is overdue and given up.
#[test]
fn no_more_servers_are_at_work_than_policy_allows() {
    let mut layout = six();
    layout.farm.policy.parallel_max = 1;
    let mut bench = Bench::of(layout);
    bench.approved(3);
    for server in ["fe-3", "fe-4", "fe-6"] {
        bench.reached(server, Milestone::Disabled { start: None });
    }
    for server in ["fe-1", "fe-2", "fe-5"] {
        bench.reached(server, Milestone::Touched);
    }
    bench.progress.servers[0].jobs_done =
        vec![JobKind::ControllerUpgrade, JobKind::ServiceCenterInstall];
    bench.begins(1, "fe-2", JobKind::FrontEndUpgrade);
    for second in 1..=12 {
        bench.in_rotation(second * 1_000, &["fe-3", "fe-4", "fe-6"]);
    }
    let start = |bench: &Bench| bench.start("fe-5", JobKind::FrontEndUpgrade);
    refused(start(&bench), "1 servers are at work");
    let kind = JobKind::FrontEndUpgrade;
    let reason = ServerFailure::JobOverdue { kind };
    bench.happened(&Event::Failed { server: "fe-2".into(), reason });
    assert_eq!(start(&bench), Ok(()));
}

/// Goal: an abort ends only when everybody is as before at one instant. Method: both are drained by us
/// and come back one after the other; fe-1's service stops as fe-2 comes back; then a change of fe-2's
/// flag has shown no effect.
#[test]
fn an_abort_ends_once_all_are_as_before_at_one_instant() {
    let mut bench = Bench::new();
    let servers = ["fe-1", "fe-2"].map(ServerName::from);
    let members =
        servers.iter().map(|it| ("lb-1".into(), member(it.as_str()), seat(0, 0, 0))).collect();
    bench.happened(&Event::Baseline(Baseline {
        members,
        enabled: servers.iter().map(|it| (it.clone(), true)).collect(),
        automatic: servers.iter().map(|it| (it.clone(), true)).collect(),
        ..Baseline::default()
    }));
    bench.happened(&decided(Wanted::Abort));
    let restored = |bench: &mut Bench, at_ms, fe_1_runs, fe_2_admin| {
        bench.node("one", at_ms, seat(0, 3, at_ms), seat(fe_2_admin, 0, at_ms));
        for server in &mut bench.view.servers {
            server.flag = Some(Reading { value: true, at_ms });
            server.service = service(true, "a", at_ms);
        }
        bench.view.servers[0].service = service(fe_1_runs, "a", at_ms);
        bench.settle();
        bench.progress.servers.iter().filter(|server| server.restored).count()
    };
    assert_eq!(restored(&mut bench, 1_000, true, 8), 0, "fe-2 has yet to come back");
    assert_eq!(restored(&mut bench, 2_000, false, 0), 0, "and fe-1 is no longer as it was");
    bench.view.servers[1].flag_unclear_ms = Some(2_500);
    assert_eq!(restored(&mut bench, 3_000, true, 0), 0, "the page may be older than the change");
    assert_eq!(restored(&mut bench, 72_500, true, 0), 2);
}
