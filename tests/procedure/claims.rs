//! What is concluded is acted upon for hours: it rests on what was read lately, and after whatever
//! changed it.
use evenkeel::journal::ActionResult;
use evenkeel::procedure::readings::{JobReading, TestReading};

use super::*;

impl Bench {
    fn vouched(&self, server: &str, milestone: Milestone) -> Result<(), String> {
        let server = ServerName::from(server);
        let event = Event::Reached { server, milestone, evidence: String::new() };
        guard::vouch(&self.layout, &self.progress, &self.view, &event)
    }

    /// A job of a server's ends well, now.
    fn job(&mut self, server: &str, kind: JobKind) {
        let (server, job) = (ServerName::from(server), kind.as_str().to_owned());
        let action = Action::Start { server: server.clone(), kind, job: job.clone() };
        let id = self.progress.next_intent;
        self.happened(&Event::Intent { id, action });
        let accepted = ActionResult::Done { evidence: String::new() };
        self.happened(&Event::Outcome { id, result: accepted });
        let reading = JobReading::Exited { code: 0, output: String::new() };
        self.happened(&Event::JobEnded { server, kind, job, reading });
    }

    /// A round of tests of fe-1 passes, now, against this start of its services.
    fn tests_pass(&mut self, start: &str) {
        let id = self.progress.next_intent;
        let reading = TestReading { passed: true, requests: 3, failure: None };
        let (version, start) = (Some(self.layout.target()), Some(start.to_owned()));
        self.happened(&Event::Intent { id, action: Action::Test { server: "fe-1".into() } });
        let result = ActionResult::Tested { reading, version, start };
        self.happened(&Event::Outcome { id, result });
    }
}

/// Goal: no conclusion rests on what was read minutes ago. Method: a flag and a service that bear two
/// of them out, now and later.
#[test]
fn a_conclusion_needs_readings_of_late() {
    let mut bench = Bench::new();
    bench.view.now_ms = 1_000;
    bench.view.servers[0].flag = Some(Reading { value: true, at_ms: 1_000 });
    bench.view.servers[0].service = service(true, "a", 1_000);
    bench.view.servers[1].flag = Some(Reading { value: false, at_ms: 1_000 });
    assert_eq!(bench.vouched("fe-1", Milestone::DeploymentServiceEnsured), Ok(()));
    assert_eq!(bench.vouched("fe-2", Milestone::Disabled { start: None }), Ok(()));
    bench.view.now_ms = 300_000;
    refused(bench.vouched("fe-1", Milestone::DeploymentServiceEnsured), "as step 7 wants it");
    refused(bench.vouched("fe-2", Milestone::Disabled { start: None }), "not read disabled");
}

/// Goal: a server is upgraded by what its host reads since its last job. Method: the target version,
/// read before the last job of fe-1 ended, and after it.
#[test]
fn a_version_read_before_the_last_job_ended_upgrades_nobody() {
    let mut bench = Bench::new();
    let version = bench.layout.target();
    bench.view.now_ms = 1_000;
    bench.job("fe-1", JobKind::ControllerUpgrade);
    bench.view.servers[0].version = Some(Reading { value: version, at_ms: 2_000 });
    bench.view.now_ms = 3_000;
    bench.job("fe-1", JobKind::ServiceCenterInstall);
    let upgraded = || Milestone::Upgraded { version };
    refused(bench.vouched("fe-1", upgraded()), "does not read that version");
    bench.view.servers[0].version = Some(Reading { value: version, at_ms: 4_000 });
    assert_eq!(bench.vouched("fe-1", upgraded()), Ok(()));
}

/// Goal: proof is about the services that run now, as read lately. Method: tests that passed against
/// one start; the same start, read minutes ago; another one.
#[test]
fn proof_needs_the_services_that_were_tested_and_were_read_lately() {
    let mut bench = Bench::new();
    bench.reached("fe-1", Milestone::Touched);
    bench.reached("fe-1", Milestone::Deployed);
    bench.tests_pass("a");
    let proven = Milestone::Proven { version: bench.layout.target(), start: "a".into() };
    bench.view.servers[0].service = service(true, "a", 0);
    assert_eq!(bench.vouched("fe-1", proven.clone()), Ok(()));
    bench.view.now_ms = 300_000;
    refused(bench.vouched("fe-1", proven.clone()), "other services run");
    bench.view.servers[0].service = service(true, "b", 300_000);
    refused(bench.vouched("fe-1", proven), "other services run");
}

/// Goal: deployment is over by threads, flag and service that were read lately, and by threads of a
/// server that was enabled meanwhile. Method: a window of
/// idle readings, and each of the three, read minutes ago.
#[test]
fn deployment_is_over_by_what_was_read_lately() {
    let mut bench = Bench::new();
    for kind in [JobKind::ControllerUpgrade, JobKind::ServiceCenterInstall] {
        bench.job("fe-1", kind);
    }
    for round in 1..=8 {
        bench.view.now_ms = round * 15_000;
        bench.fe_1_thread(ThreadState::Idle);
        bench.view.servers[0].see_flag(bench.layout.policy(), round * 15_000, true);
    }
    let now_ms = bench.view.now_ms;
    let flag = |value, at_ms| Some(Reading { value, at_ms });
    bench.view.servers[0].flag = flag(true, now_ms);
    bench.view.servers[0].service = service(true, "a", now_ms);
    assert_eq!(bench.vouched("fe-1", Milestone::Deployed), Ok(()));
    bench.view.servers[0].enabled_since_ms = Some(now_ms);
    refused(bench.vouched("fe-1", Milestone::Deployed), "before it was read enabled");
    bench.view.servers[0].flag = flag(false, now_ms);
    refused(bench.vouched("fe-1", Milestone::Deployed), "not read enabled");
    bench.view.servers[0].flag = flag(true, now_ms);
    bench.view.servers[0].service = None;
    refused(bench.vouched("fe-1", Milestone::Deployed), "has not initialised");
    bench.view.now_ms += 300_000;
    bench.view.servers[0].flag = flag(true, bench.view.now_ms);
    bench.view.servers[0].service = service(true, "a", bench.view.now_ms);
    refused(bench.vouched("fe-1", Milestone::Deployed), "not read lately");
}

/// Goal: a farm is accepted as it is when the run begins, not as it was. Method: threads and versions
/// that were read minutes before the last host answered.
#[test]
fn a_baseline_is_made_of_readings_of_late() {
    let layout = layout("tiny");
    let mut bench = Bench { progress: Progress::new(&layout), view: View::new(&layout), layout };
    let read = |bench: &mut Bench, at_ms: u64| {
        bench.node("one", at_ms, seat(0, 1, 40), seat(0, 1, 40));
        for server in 0..2 {
            let seen = &mut bench.view.servers[server];
            seen.flag = Some(Reading { value: true, at_ms });
            seen.service = service(true, "a", at_ms);
        }
    };
    let threads = |bench: &mut Bench, at_ms: u64| {
        let row = ThreadRow { name: "Deployment Worker 1".into(), state: ThreadState::Idle };
        let version = bench.layout.farm.version_from;
        for server in 0..2 {
            let seen = &mut bench.view.servers[server];
            seen.see_threads(bench.layout.policy(), at_ms, vec![row.clone()]);
            seen.version = Some(Reading { value: version, at_ms });
        }
    };
    let begun = |bench: &Bench| {
        let events = decide(&bench.layout, &bench.progress, &bench.view).events;
        events.iter().any(|event| matches!(event, Event::Baseline(_)))
    };
    threads(&mut bench, 1_000);
    read(&mut bench, 300_000);
    assert!(!begun(&bench), "a deployment may have begun since");
    threads(&mut bench, 300_000);
    assert!(begun(&bench));
}

/// Goal: a member that nobody sends requests to is found before anything is touched. Method: a member
/// of weight 0, a backup, and one that is drained, which is somebody's will.
#[test]
fn a_member_in_rotation_that_gets_no_requests_is_refused() {
    let layout = layout("six");
    let (weightless, backup, drained) = (
        MemberReading { weight: 0, ..seat(0, 0, 0) },
        MemberReading { backup: true, ..seat(0, 0, 0) },
        seat(8, 0, 0),
    );
    for (read, words) in [(weightless, "weight 0"), (backup, "is a backup"), (drained, "")] {
        let (progress, view) = (Progress::new(&layout), View::new(&layout));
        let mut bench = Bench { progress, view, layout: layout.clone() };
        bench.stands(read);
        let why = bench.objections();
        let found = why.iter().any(|why| why.starts_with("fe-6 in pool") && why.contains(words));
        assert_eq!(found, !words.is_empty(), "{words}: {why:?}");
    }
}

/// Goal: a start type that an upgrade would not leave as it was is found before anything is touched.
/// Method: all is well but that fe-6's service is started by hand.
#[test]
fn a_deployment_service_that_does_not_start_by_itself_is_refused() {
    let layout = layout("six");
    let (progress, view) = (Progress::new(&layout), View::new(&layout));
    let mut bench = Bench { progress, view, layout };
    bench.stands(seat(0, 0, 0));
    assert_eq!(bench.objections(), Vec::<String>::new());
    let fe_6 = bench.layout.server(&"fe-6".into()).expect("six has fe-6");
    let service = bench.view.servers[fe_6].service.as_mut().expect("it was read");
    service.value.automatic = false;
    let why = bench.objections();
    assert!(matches!(&why[..], [one] if one.contains("does not start automatically")), "{why:?}");
}

impl Bench {
    /// Why the run is refused before it begins.
    fn objections(&self) -> Vec<String> {
        let events = decide(&self.layout, &self.progress, &self.view).events;
        let why = events.into_iter().filter_map(|event| match event {
            Event::Ended { verdict: Verdict::Refused { why } } => Some(why),
            _ => None,
        });
        why.flatten().collect()
    }

    /// Everything is as it should be, but fe-6 is this in its first pool on every node.
    fn stands(&mut self, fe_6: MemberReading) {
        let version = self.layout.farm.version_from;
        let fe_6_pool = self.layout.seats.iter().find(|it| it.member.server.as_str() == "fe-6");
        let fe_6_member = fe_6_pool.expect("six has fe-6").member.clone();
        for node in 0..self.layout.nodes.len() {
            let seats = self.layout.seats.iter().filter(|it| it.node == node);
            let read = |it: &Seat| {
                let is_it = it.member == fe_6_member;
                (it.member.clone(), if is_it { fe_6.clone() } else { seat(0, 0, 40) })
            };
            let members = seats.map(read).collect();
            let reading = NodeReading { epoch: Epoch(Arc::from("one")), lived_ms: DAY_MS, members };
            self.view.see_node(&self.layout, node, 0, reading);
        }
        for seen in &mut self.view.servers {
            seen.version = Some(Reading { value: version, at_ms: 0 });
            seen.flag = Some(Reading { value: true, at_ms: 0 });
            seen.service = service(true, "a", 0);
            let row = ThreadRow { name: "Deployment Worker 1".into(), state: ThreadState::Idle };
            seen.see_threads(self.layout.policy(), 0, vec![row]);
        }
    }
}

/// Goal: nobody is let go who stands in while a pool is not served without him. Method: fe-1 stands in
/// for fe-2, which its checks keep out, is drained, serves.
#[test]
fn a_rescue_ends_only_where_others_serve() {
    let mut bench = Bench::new();
    let out =
        MemberReading { oper: OperState::Stopped, check: CheckState::Failing, ..seat(0, 0, 40) };
    let ends = Event::Noticed(Notice::RescueEnded { server: "fe-1".into() });
    for (fe_2, is_served) in [(out, false), (seat(8, 0, 40), false), (seat(0, 1, 40), true)] {
        bench.node("one", 1_000, seat(0, 1, 40), fe_2);
        let vouched = guard::vouch(&bench.layout, &bench.progress, &bench.view, &ends);
        assert_eq!(vouched.is_ok(), is_served, "{vouched:?}");
    }
}
