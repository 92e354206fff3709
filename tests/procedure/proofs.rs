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

/// Both servers were in rotation and enabled, and the run is on its way back to that.
fn aborting() -> Bench {
    let mut bench = Bench::new();
    let servers = ["fe-1", "fe-2"].map(ServerName::from);
    let of = |it: &ServerName| ("lb-1".into(), member(it.as_str()), seat(0, 0, 0));
    bench.happened(&Event::Baseline(Baseline {
        members: servers.iter().map(of).collect(),
        enabled: servers.iter().map(|it| (it.clone(), true)).collect(),
        automatic: servers.iter().map(|it| (it.clone(), true)).collect(),
        ..Baseline::default()
    }));
    bench.happened(&decided(Wanted::Abort));
    bench
}

/// How many servers count as restored once fe-1's service and fe-2's member were read so, now.
fn restored(bench: &mut Bench, at_ms: u64, fe_1_runs: bool, fe_2: MemberReading) -> usize {
    bench.node("one", at_ms, seat(0, 3, at_ms), fe_2);
    for server in &mut bench.view.servers {
        server.flag = Some(Reading { value: true, at_ms });
        server.service = service(true, "a", at_ms);
    }
    bench.view.servers[0].service = service(fe_1_runs, "a", at_ms);
    bench.settle();
    bench.progress.servers.iter().filter(|server| server.restored).count()
}

fn serving(at_ms: u64) -> MemberReading {
    seat(0, 0, at_ms)
}

/// Goal: an abort ends only when everybody is as before at one instant. Method: both are drained by us
/// and come back one after the other; fe-1's service stops as fe-2 comes back.
#[test]
fn an_abort_ends_once_all_are_as_before_at_one_instant() {
    let mut bench = aborting();
    assert_eq!(restored(&mut bench, 1_000, true, seat(8, 0, 0)), 0, "fe-2 has yet to come back");
    assert_eq!(restored(&mut bench, 2_000, false, serving(2_000)), 0, "fe-1 is not as it was");
    assert_eq!(restored(&mut bench, 3_000, true, serving(3_000)), 2);
}

/// Goal: a flag that was read after a change without an effect that was seen may be an old page's, also
/// by a process that took the run up since. Method: a Disable of fe-2 is cut short by a restart; what is
/// read of it within the time that an old page can go untold, and after it.
#[test]
fn an_abort_does_not_end_on_a_page_that_may_be_older_than_the_last_change() {
    let mut bench = aborting();
    let action = Action::Flag { server: "fe-2".into(), via: "fe-1".into(), enabled: false };
    bench.happened(&Event::Intent { id: 1, action });
    let (plan_hash, program) = (String::new(), String::new());
    bench.happened(&Event::Began { plan_hash, program, resumed: true, certificate: None });
    assert_eq!(restored(&mut bench, 1_000, true, serving(1_000)), 0, "it may have been disabled");
    assert_eq!(restored(&mut bench, 69_000, true, serving(69_000)), 0, "still");
    assert_eq!(restored(&mut bench, 70_000, true, serving(70_000)), 2);
}

/// Goal: whoever is ready and kept out by his checks, or was a moment ago, is not back, and somebody is
/// called where that goes on. Method: fe-2's checks fail, pass for less than a warm-up, fail for long,
/// and pass for good.
#[test]
fn who_is_kept_out_by_his_checks_is_not_restored_and_a_person_is_called_in_the_end() {
    let mut bench = aborting();
    let kept_out =
        MemberReading { oper: OperState::Stopped, check: CheckState::Failing, ..seat(0, 0, 40) };
    let (warm_up_ms, patience_ms) =
        (bench.layout.policy().warm_up_ms, bench.layout.policy().unknown_ms_max);
    assert_eq!(restored(&mut bench, 1_000, true, kept_out.clone()), 0);
    assert_eq!(restored(&mut bench, warm_up_ms, true, serving(2_000)), 0, "it comes and goes");
    assert_eq!(bench.settle(), None);
    let late_ms = patience_ms + 2_000;
    assert_eq!(restored(&mut bench, late_ms, true, kept_out), 0);
    assert_eq!(bench.settle(), Some(HoldReason::KeptOut { server: "fe-2".into() }));
    assert_eq!(restored(&mut bench, late_ms + warm_up_ms, true, serving(3_000)), 2);
}
