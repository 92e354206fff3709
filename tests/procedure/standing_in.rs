//! Whoever stands in for others, and whoever was deployed to while he served: when he is admitted,
//! what waits for him, and about whom a person is asked.
use super::*;

/// Goal: one to which deployment began is relieved by whoever is known to be better, and a pool
/// without anybody by whoever there is. Method: the other one's threads, read in turn.
#[test]
fn who_may_be_deployed_to_relieves_nobody_who_serves() {
    let mut bench = Bench::new();
    bench.fe_1_quiet();
    bench.happened(&Event::Noticed(Notice::DeployingUnderLoad { server: "fe-2".into() }));
    assert!(!bench.rescues(), "nothing is known of its threads");
    bench.fe_1_thread(ThreadState::Busy);
    assert!(!bench.rescues(), "it is being deployed to as well");
    let stopped = MemberReading { oper: OperState::Stopped, ..seat(0, 0, 112) };
    bench.node("one", 13_000, seat(8, 0, 40), stopped);
    assert!(bench.rescues(), "nobody serves");
    bench.node("one", 14_000, seat(8, 0, 40), seat(0, 1, 113));
    bench.fe_1_thread(ThreadState::Idle);
    assert!(bench.rescues(), "it idles");
}

/// Goal: nothing is deployed to whoever serves before his upgrade. Method: fe-5 is in rotation when
/// the first job begins that deploys to every enabled server; then it is read disabled; then it left;
/// then it is back, and was read disabled minutes ago.
#[test]
fn what_deploys_to_all_waits_for_whoever_serves_early_and_is_not_disabled() {
    let mut bench = Bench::of(six());
    bench.approved(3);
    for server in ["fe-3", "fe-4", "fe-6"] {
        bench.reached(server, Milestone::Disabled { start: None });
    }
    bench.reached("fe-1", Milestone::Touched);
    let fe_5 = bench.layout.server(&"fe-5".into()).expect("six has fe-5");
    for second in 1..=12 {
        bench.in_rotation(second * 1_000, &["fe-3", "fe-4", "fe-5", "fe-6"]);
    }
    let start = |bench: &Bench| bench.start("fe-1", JobKind::ControllerUpgrade);
    refused(start(&bench), "fe-5 is in rotation");
    let flag = |enabled| Some(Reading { value: enabled, at_ms: 12_000 });
    bench.view.servers[fe_5].flag = flag(false);
    assert_eq!(start(&bench), Ok(()));
    bench.view.servers[fe_5].flag = flag(true);
    refused(start(&bench), "fe-5 is in rotation");
    bench.in_rotation(13_000, &["fe-3", "fe-4", "fe-6"]);
    assert_eq!(start(&bench), Ok(()));
    bench.view.servers[fe_5].flag = flag(false);
    bench.in_rotation(300_000, &["fe-3", "fe-4", "fe-5", "fe-6"]);
    refused(start(&bench), "fe-5 is in rotation");
}

/// Goal: a person is asked about whoever keeps his own upgrade from beginning because he serves in
/// place of one that was left out, also while no console answers, and he goes when that person says
/// so. Method: fe-5 for fe-4, without whom fe-6 gets 65 requests/s and can answer 60.
#[test]
fn who_replaces_one_that_was_left_out_holds_the_run_until_he_is_let_go() {
    let mut bench = Bench::of(six());
    bench.happened(&Event::Noticed(Notice::Rescued { server: "fe-5".into(), pool: "shop".into() }));
    for server in &mut bench.view.servers {
        server.console_failing_since_ms = Some(0);
    }
    for second in 300..=400 {
        bench.in_rotation(second * 1_000, &["fe-3", "fe-5", "fe-6"]);
    }
    assert_ne!(
        bench.settle(),
        Some(HoldReason::TooFew { server: "fe-5".into() }),
        "fe-4 may come back"
    );
    bench.happened(&decided(Wanted::LeaveOut { server: "fe-4".into() }));
    assert_eq!(bench.settle(), Some(HoldReason::TooFew { server: "fe-5".into() }));
    bench.happened(&decided(Wanted::Retry { server: None }));
    bench.settle();
    let fe_5 = bench.layout.server(&"fe-5".into()).expect("six has fe-5");
    assert_eq!(bench.progress.servers[fe_5].rescued_ms, None, "it was let go");
}

/// Goal: nobody is called to a pool that has somebody on the way. Method: the only member that serves
/// was drained by somebody else for long, is fit, and can be put back at once; then it is dead.
#[test]
fn a_pool_that_can_be_helped_at_once_holds_nothing() {
    let mut bench = Bench::new();
    let dead =
        MemberReading { oper: OperState::Stopped, check: CheckState::Failing, ..seat(0, 0, 40) };
    for second in 1..=60 {
        bench.node("one", second * 1_000, dead.clone(), seat(8, 0, 40));
    }
    assert_eq!(bench.settle(), None);
    bench.node("one", 61_000, dead.clone(), dead);
    assert!(matches!(bench.settle(), Some(HoldReason::FloorLost { .. })), "nobody is left");
}

/// Goal: who was deployed to while he served is put back only when that is known to rest, whatever a
/// person has said. Method: fe-2's threads: not read, none, busy, idle; and a service that is stopped.
#[test]
fn who_was_deployed_to_comes_back_only_when_that_is_known_to_rest() {
    let mut bench = Bench::new();
    bench.happened(&Event::Noticed(Notice::DeployingUnderLoad { server: "fe-2".into() }));
    bench.happened(&decided(Wanted::Retry { server: None }));
    bench.node("one", 1_000, seat(0, 0, 40), seat(8, 0, 40));
    let admission = Action::Balancer {
        node: "lb-1".into(),
        members: vec![member("fe-2")],
        change: MemberChange::Admit,
    };
    let admits = |bench: &mut Bench| {
        bench.settle();
        let decided = decide(&bench.layout, &bench.progress, &bench.view).actions;
        let allowed = bench.check(&admission).is_ok();
        assert_eq!(decided.contains(&admission), allowed, "decide and guard are of one mind");
        allowed
    };
    assert!(!admits(&mut bench), "nothing is known");
    let row = |state| ThreadRow { name: "Deployment Worker 1".into(), state };
    for (rows, may) in [
        (vec![], false),
        (vec![row(ThreadState::Busy)], false),
        (vec![row(ThreadState::Failed)], false),
        (vec![row(ThreadState::Idle)], true),
        (vec![], false),
    ] {
        bench.view.servers[1].see_threads(bench.layout.policy(), 1_000, rows.clone());
        assert_eq!(admits(&mut bench), may, "{rows:?}");
    }
    bench.view.servers[1].service = service(false, "a", 1_000);
    assert!(admits(&mut bench), "a service that does not run deploys nothing");
    bench.node("one", 200_000, seat(0, 0, 40), seat(8, 0, 40));
    assert!(!admits(&mut bench), "that was minutes ago");
    bench.view.servers[1].see_threads(bench.layout.policy(), 200_000, vec![row(ThreadState::Idle)]);
    assert!(admits(&mut bench), "its threads idle now");
    bench.node("one", 400_000, seat(0, 0, 40), seat(8, 0, 40));
    assert!(!admits(&mut bench), "that was minutes ago, too");
}

/// Goal: on the way back, whoever is being deployed to leaves while the others serve, and these stay.
/// Method: both serve, fe-2 is to take the traffic back, and deployment has begun on it.
#[test]
fn who_is_deployed_to_on_the_way_back_leaves_before_the_others_do() {
    let mut bench = Bench::new();
    let version = bench.layout.target();
    bench.reached("fe-1", Milestone::Touched);
    bench.reached("fe-1", Milestone::Proven { version, start: "a".into() });
    bench.switching();
    bench.happened(&decided(Wanted::FallBack));
    bench.happened(&Event::Noticed(Notice::DeployingUnderLoad { server: "fe-2".into() }));
    for second in 1..=60 {
        bench.node("one", second * 1_000, seat(0, 3, 40 + second), seat(0, 3, 40 + second));
    }
    bench.settle();
    let drain = |server: &str| Action::Balancer {
        node: "lb-1".into(),
        members: vec![member(server)],
        change: MemberChange::Drain,
    };
    let decided = decide(&bench.layout, &bench.progress, &bench.view).actions;
    assert!(decided.contains(&drain("fe-2")) && !decided.contains(&drain("fe-1")), "{decided:?}");
    assert_eq!(bench.check(&drain("fe-2")), Ok(()));
}

/// Goal: who was deployed to while he served comes back to a pool that nobody fit serves, between
/// deployments, before a person has said anything. Method: fe-1 is being upgraded, fe-2 is spoilt and
/// drained; its threads busy, idle; then fe-1 is proven and wanted.
#[test]
fn who_was_deployed_to_is_the_last_resort_of_a_pool_that_nobody_serves() {
    let mut bench = Bench::new();
    bench.reached("fe-1", Milestone::Touched);
    bench.happened(&Event::Noticed(Notice::DeployingUnderLoad { server: "fe-2".into() }));
    bench.node("one", 1_000, seat(8, 0, 40), seat(8, 0, 40));
    let admission = |server: &str| Action::Balancer {
        node: "lb-1".into(),
        members: vec![member(server)],
        change: MemberChange::Admit,
    };
    let admits = |bench: &mut Bench, state: ThreadState| {
        let row = ThreadRow { name: "Deployment Worker 1".into(), state };
        bench.view.servers[1].see_threads(bench.layout.policy(), 1_000, vec![row]);
        bench.settle();
        decide(&bench.layout, &bench.progress, &bench.view).actions.contains(&admission("fe-2"))
    };
    assert!(!admits(&mut bench, ThreadState::Busy), "it is in the midst of it");
    refused(bench.check(&admission("fe-2")), "may be being deployed to it");
    assert!(admits(&mut bench, ThreadState::Idle), "there is nobody else");
    assert_eq!(bench.check(&admission("fe-2")), Ok(()));
    bench.node("one", 1_000, seat(0, 3, 41), seat(8, 0, 40));
    bench.reached("fe-1", Milestone::Proven { version: bench.layout.target(), start: "a".into() });
    assert!(!admits(&mut bench, ThreadState::Idle), "somebody fit serves");
    refused(bench.check(&admission("fe-2")), "fe-2");
}

/// Goal: a proven server of which nothing can be read just now comes back to where a balancer forgot it,
/// while nobody fit serves. Method: both are drained after a reload, fe-1 proven, fe-2 being upgraded;
/// fe-1's host is silent, answers late, told of another start; its check fails; fe-2 is fit and serves.
#[test]
fn who_is_proven_and_silent_comes_back_to_a_pool_that_nobody_serves() {
    let comes = |start: &str, silent: bool, check: CheckState, fe_2_serves: bool| {
        let mut bench = Bench::new();
        bench.reached("fe-1", Milestone::Touched);
        let proven = Milestone::Proven { version: bench.layout.target(), start: "a".into() };
        bench.reached("fe-1", proven);
        bench.farm_reached(FarmMilestone::SwitchBegan);
        if !fe_2_serves {
            bench.farm_reached(FarmMilestone::Switched);
            bench.reached("fe-2", Milestone::Touched);
        }
        bench.view.servers[0].service = service(true, start, 1_000);
        bench.view.servers[0].host_failing_since_ms = silent.then_some(900_000);
        let fe_2 = if fe_2_serves { seat(0, 3, 40) } else { seat(8, 0, 40) };
        let fe_1 = MemberReading { check, ..seat(8, 0, 40) };
        bench.node("one", 1_000_000, fe_1, fe_2);
        bench.settle();
        let admits = Action::Balancer {
            node: "lb-1".into(),
            members: vec![member("fe-1")],
            change: MemberChange::Admit,
        };
        let decided = decide(&bench.layout, &bench.progress, &bench.view).actions.contains(&admits);
        assert_eq!(decided, bench.check(&admits).is_ok(), "decide and guard agree");
        decided
    };
    let passing = CheckState::Passing;
    assert!(comes("a", true, passing, false));
    assert!(!comes("a", false, passing, false), "it will be read in a moment");
    assert!(!comes("b", true, passing, false), "it was started again");
    assert!(!comes("a", true, CheckState::Failing, false), "its check fails");
    assert!(!comes("a", true, passing, true), "somebody fit serves");
}

/// Goal: who is in somebody's maintenance, where checks stand still, can stand in as long as his host
/// answers. Method: the only member that serves dies, the other one is in maintenance; its host is
/// silent, answers, and is silent again.
#[test]
fn a_fit_member_in_maintenance_stands_in_where_its_host_answers() {
    let mut bench = Bench::new();
    let maintained =
        MemberReading { oper: OperState::Stopped, check: CheckState::Unproven, ..seat(1, 0, 40) };
    let dead =
        MemberReading { oper: OperState::Stopped, check: CheckState::Failing, ..seat(0, 0, 40) };
    bench.node("one", 1_000, maintained, dead);
    assert!(!bench.rescues(), "its host was not read");
    bench.view.servers[0].service = service(true, "a", 1_000);
    assert!(bench.rescues(), "its host answers");
    bench.view.servers[0].host_failing_since_ms = Some(1_000);
    assert!(!bench.rescues(), "its host is silent");
}

/// Goal: nobody leaves to one that has just come back: cold, it may be gone again under the users of
/// both. Method: fe-2 serves, is out by its checks, and is back for less and for more than a warm-up.
#[test]
fn a_server_leaves_for_its_upgrade_only_to_those_who_serve_steadily() {
    let mut bench = Bench::new();
    let leaves = |bench: &mut Bench| {
        bench.settle();
        let actions = decide(&bench.layout, &bench.progress, &bench.view).actions;
        actions
            .iter()
            .any(|action| matches!(action, Action::Balancer { change: MemberChange::Drain, .. }))
    };
    let out =
        MemberReading { oper: OperState::Stopped, check: CheckState::Failing, ..seat(0, 0, 40) };
    bench.node("one", 1_000, seat(0, 1, 40), seat(0, 1, 40));
    assert!(leaves(&mut bench));
    bench.node("one", 2_000, seat(0, 1, 40), out);
    assert!(!leaves(&mut bench), "it would be the last one");
    let warm_up_ms = bench.layout.policy().warm_up_ms;
    bench.node("one", warm_up_ms, seat(0, 1, 40), seat(0, 1, 41));
    assert!(!leaves(&mut bench), "it has just come back");
    bench.node("one", 2_000 + warm_up_ms, seat(0, 1, 40), seat(0, 1, 42));
    assert!(leaves(&mut bench));
}

/// Goal: an abort goes on without whoever is left out, and his users still have him; one that was out is
/// not brought back, and keeps nobody else from that. Method: fe-2 is left out of an abort while nobody
/// else serves, and forward; and once both are out.
#[test]
fn who_is_left_out_of_an_abort_goes_on_serving() {
    for aborts in [true, false] {
        let mut bench = Bench::new();
        if aborts {
            bench.happened(&decided(Wanted::Abort));
        }
        bench.happened(&decided(Wanted::LeaveOut { server: "fe-2".into() }));
        bench.node("one", 1_000, seat(8, 0, 40), seat(0, 1, 40));
        let drain = Action::Balancer {
            node: "lb-1".into(),
            members: vec![member("fe-2")],
            change: MemberChange::Drain,
        };
        bench.settle();
        let decided = decide(&bench.layout, &bench.progress, &bench.view).actions;
        assert_eq!((decided.contains(&drain), bench.check(&drain).is_ok()), (!aborts, !aborts));
        if aborts {
            bench.node("one", 2_000, seat(8, 0, 40), seat(8, 0, 40));
            bench.settle();
            let decided = decide(&bench.layout, &bench.progress, &bench.view).actions;
            let members = vec![member("fe-1")];
            let change = MemberChange::Admit;
            let admit = Action::Balancer { node: "lb-1".into(), members, change };
            assert!(decided.contains(&admit) && bench.check(&admit).is_ok());
        }
    }
}
