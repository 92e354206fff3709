//! The guard and the rules of quiet and idle, by themselves: pure functions over readings made by
//! hand, each claim one that a mistake in `decide` would otherwise be alone with.
mod claims;
mod consoles;
mod drains;
mod falling_back;
mod proofs;
mod restarts;
mod standing_in;

use std::path::Path;
use std::sync::Arc;

use evenkeel::farm::{self, Policy};
use evenkeel::journal::tell::way_out;
use evenkeel::journal::{
    ActionResult, Baseline, Event, FarmMilestone, HoldReason, Milestone, Notice, Request,
    ServerFailure, Verdict, Wanted,
};
use evenkeel::names::ServerName;
use evenkeel::plan;
use evenkeel::procedure::action::{Action, JobKind, MemberChange};
use evenkeel::procedure::decide::{
    consoles_are_silent, decide, deployment_since_ms, tells, ways_out,
};
use evenkeel::procedure::guard;
use evenkeel::procedure::idle::{Deployment, deployment};
use evenkeel::procedure::layout::{Layout, Seat};
use evenkeel::procedure::polls::{self, Poll};
use evenkeel::procedure::progress::Progress;
use evenkeel::procedure::quiet::server_is_quiet;
use evenkeel::procedure::readings::{
    AdminState, CheckState, Epoch, MemberId, MemberReading, NodeReading, OperState, PingIds,
    Reading, ServiceReading, ThreadRow, ThreadState,
};
use evenkeel::procedure::view::{InVain, Question, View};

/// A node that has run for a day: nobody's predecessor still serves.
const DAY_MS: u64 = 86_400_000;

/// The two-server farm: fe-1 updating, fe-2 loaded, one node, one pool.
struct Bench {
    layout: Layout,
    progress: Progress,
    view: View,
}

fn member(server: &str) -> MemberId {
    MemberId { pool: "web".into(), server: server.into() }
}

fn seat(admin: u16, in_flight: u64, arrivals: u64) -> MemberReading {
    MemberReading {
        admin: AdminState(admin),
        oper: OperState::Running,
        check: CheckState::Passing,
        in_flight,
        arrivals,
        errors: 0,
        weight: 100,
        backup: false,
        status: "UP".into(),
    }
}

/// A Deployment Service as a host reads it; one that runs has initialised.
fn service(running: bool, start: &str, at_ms: u64) -> Option<Reading<ServiceReading>> {
    let initialised = running;
    let value =
        ServiceReading { running, automatic: true, initialised, start: start.into(), boot: None };
    Some(Reading { value, at_ms })
}

impl Bench {
    fn new() -> Self {
        Self::of(layout("tiny"))
    }

    /// A farm whose members were all in rotation in the beginning.
    fn of(layout: Layout) -> Self {
        let (progress, view) = (Progress::new(&layout), View::new(&layout));
        let mut bench = Self { layout, progress, view };
        let read = |it: &Seat| {
            (bench.layout.nodes[it.node].name.clone(), it.member.clone(), seat(0, 0, 0))
        };
        let members = bench.layout.seats.iter().map(read).collect();
        bench.happened(&Event::Baseline(Baseline { members, ..Baseline::default() }));
        bench
    }

    fn happened(&mut self, event: &Event) {
        self.progress.apply(&self.layout, event, self.view.now_ms);
    }

    fn reached(&mut self, server: &str, milestone: Milestone) {
        let server = ServerName::from(server);
        self.happened(&Event::Reached { server, milestone, evidence: String::new() });
    }

    /// Somebody approves a step.
    fn approved(&mut self, step: u8) {
        self.happened(&decided(Wanted::Approve { step }));
    }

    /// A console says this of fe-1's only deployment thread, now.
    fn fe_1_thread(&mut self, state: ThreadState) {
        let row = ThreadRow { name: "Deployment Worker 1".into(), state };
        let now_ms = self.view.now_ms;
        self.view.servers[0].see_threads(self.layout.policy(), now_ms, vec![row]);
    }

    /// What is decided begins a rescue.
    fn rescues(&self) -> bool {
        let is_rescue = |event: &Event| matches!(event, Event::Noticed(Notice::Rescued { .. }));
        decide(&self.layout, &self.progress, &self.view).events.iter().any(is_rescue)
    }

    /// The switch begins.
    fn switching(&mut self) {
        self.farm_reached(FarmMilestone::SwitchBegan);
    }

    fn farm_reached(&mut self, milestone: FarmMilestone) {
        self.happened(&Event::FarmReached { milestone, evidence: String::new() });
    }

    /// A node that was read a second ago is to be read again.
    fn hurries(&mut self) -> bool {
        self.view.nodes[0].asked_ms = Some(self.view.now_ms);
        self.view.now_ms += self.layout.policy().balancer_poll_draining_ms;
        polls::due(&self.layout, &self.progress, &self.view).0.contains(&Poll::Node(0))
    }

    /// The node says this of fe-1 and fe-2, now.
    fn node(&mut self, epoch: &str, at_ms: u64, fe_1: MemberReading, fe_2: MemberReading) {
        self.view.now_ms = at_ms;
        let reading = NodeReading {
            epoch: Epoch(Arc::from(epoch)),
            lived_ms: DAY_MS + at_ms,
            members: [(member("fe-1"), fe_1), (member("fe-2"), fe_2)].into(),
        };
        self.view.see_node(&self.layout, 0, at_ms, reading);
    }

    /// fe-1 drained and silent for the whole quiet window, fe-2 serving.
    fn fe_1_quiet(&mut self) {
        for second in 1..=12 {
            self.node("one", second * 1_000, seat(8, 0, 40), seat(0, 3, 100 + second));
        }
    }

    /// Every node says, now, that these servers are in rotation and all others drained and silent.
    fn in_rotation(&mut self, at_ms: u64, servers: &[&str]) {
        self.view.now_ms = at_ms;
        for node in 0..self.layout.nodes.len() {
            let read = |it: &Seat| {
                let serves = servers.contains(&it.member.server.as_str());
                let read = if serves { seat(0, 1, at_ms) } else { seat(8, 0, 40) };
                (it.member.clone(), read)
            };
            let seats = self.layout.seats.iter().filter(|it| it.node == node);
            let epoch = Epoch(Arc::from("one"));
            let members = seats.map(read).collect();
            let reading = NodeReading { epoch, lived_ms: DAY_MS + at_ms, members };
            self.view.see_node(&self.layout, node, at_ms, reading);
        }
    }

    /// Writes down all that is concluded now, up to a hold: why it holds.
    fn settle(&mut self) -> Option<HoldReason> {
        loop {
            let events = decide(&self.layout, &self.progress, &self.view).events;
            if events.is_empty() {
                return self.progress.held.clone();
            }
            events.iter().for_each(|event| self.happened(event));
        }
    }

    /// A job of this kind is begun, and nothing was heard of it yet.
    fn begins(&mut self, id: u64, server: &str, kind: JobKind) {
        let job = format!("job-{id}");
        let action = Action::Start { server: server.into(), kind, job };
        self.happened(&Event::Intent { id, action });
    }

    fn check(&self, action: &Action) -> Result<(), String> {
        guard::check(&self.layout, &self.progress, &self.view, action)
    }

    fn balancer(&self, server: &str, change: MemberChange) -> Result<(), String> {
        let members = vec![member(server)];
        self.check(&Action::Balancer { node: "lb-1".into(), members, change })
    }

    fn start(&self, server: &str, kind: JobKind) -> Result<(), String> {
        self.check(&Action::Start { server: server.into(), kind, job: "job".into() })
    }
}

/// Somebody decides something.
fn decided(what: Wanted) -> Event {
    let (plan_hash, at) = ("decided".into(), jiff::Timestamp::UNIX_EPOCH);
    Event::Decided(Request { what, who: "maria".into(), ticket: None, plan_hash, at })
}

/// The plan of a scenario's farm.
fn layout(scenario: &str) -> Layout {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let path = path.join(scenario).with_extension("farm.toml");
    let loaded = farm::load(&path).unwrap_or_else(|errors| panic!("{}", errors.report(false)));
    let plan = plan::build(&loaded, None).expect("it has a safe plan");
    Layout::new(&plan, &plan.hash())
}

/// The farm of six: fe-1, fe-2 and fe-5 updating, fe-1 with the jobs that are done once.
fn six() -> Layout {
    layout("six")
}

#[track_caller]
fn refused(answer: Result<(), String>, words: &str) {
    let why = answer.expect_err("the guard lets it pass");
    assert!(why.contains(words), "refused, but for another reason: {why}");
}

#[test]
fn one_zero_is_not_quiet_and_a_window_of_them_is() {
    let mut bench = Bench::new();
    bench.node("one", 1_000, seat(8, 0, 40), seat(0, 1, 1));
    assert!(!server_is_quiet(&bench.layout, &bench.view, 0), "a single zero");
    bench.fe_1_quiet();
    assert!(server_is_quiet(&bench.layout, &bench.view, 0));
    bench.node("one", 13_000, seat(8, 0, 41), seat(0, 1, 1));
    assert!(!server_is_quiet(&bench.layout, &bench.view, 0), "something arrived in between");
}

#[test]
fn a_reload_of_the_balancer_makes_quiet_unknown() {
    let mut bench = Bench::new();
    bench.fe_1_quiet();
    bench.node("two", 13_000, seat(8, 0, 40), seat(0, 1, 1));
    assert!(!server_is_quiet(&bench.layout, &bench.view, 0), "counters of another process");
}

#[test]
fn nothing_starts_on_a_server_that_is_in_rotation_or_not_marked() {
    let mut bench = Bench::new();
    bench.approved(3);
    bench.reached("fe-2", Milestone::Disabled { start: Some("a".into()) });
    bench.fe_1_quiet();
    refused(bench.start("fe-1", JobKind::ControllerUpgrade), "not marked as touched");
    bench.reached("fe-1", Milestone::Touched);
    assert_eq!(bench.start("fe-1", JobKind::ControllerUpgrade), Ok(()));
    bench.node("one", 13_000, seat(0, 0, 40), seat(0, 1, 1));
    refused(bench.start("fe-1", JobKind::ControllerUpgrade), "in rotation");
}

#[test]
fn nothing_starts_while_requests_are_in_flight_or_a_loaded_server_is_enabled() {
    let mut bench = Bench::new();
    bench.approved(3);
    bench.reached("fe-1", Milestone::Touched);
    bench.fe_1_quiet();
    refused(bench.start("fe-1", JobKind::ControllerUpgrade), "fe-2 is not disabled");
    bench.reached("fe-2", Milestone::Disabled { start: Some("a".into()) });
    bench.node("one", 13_000, seat(8, 1, 40), seat(0, 1, 1));
    refused(bench.start("fe-1", JobKind::ControllerUpgrade), "in flight");
}

#[test]
fn a_disabled_server_whose_service_was_started_again_may_be_enabled() {
    let mut bench = Bench::new();
    bench.approved(3);
    bench.reached("fe-1", Milestone::Touched);
    bench.reached("fe-2", Milestone::Disabled { start: Some("a".into()) });
    bench.fe_1_quiet();
    bench.view.servers[1].service = service(true, "b", bench.view.now_ms);
    refused(bench.start("fe-1", JobKind::ControllerUpgrade), "enabled again");
}

#[test]
fn the_last_fit_member_is_not_drained_and_an_unfit_one_always() {
    let mut bench = Bench::new();
    bench.switching();
    bench.node("one", 1_000, seat(8, 0, 40), seat(0, 1, 1));
    refused(bench.balancer("fe-2", MemberChange::Drain), "0 fit members");
    bench.reached("fe-2", Milestone::Touched);
    assert_eq!(bench.balancer("fe-2", MemberChange::Drain), Ok(()));
}

#[test]
fn a_touched_server_is_admitted_only_against_the_service_start_it_was_tested_with() {
    let mut bench = Bench::new();
    bench.node("one", 1_000, seat(8, 0, 40), seat(0, 1, 1));
    bench.reached("fe-1", Milestone::Touched);
    refused(bench.balancer("fe-1", MemberChange::Admit), "not proven");
    let version = bench.layout.target();
    bench.reached("fe-1", Milestone::Proven { version, start: "a".into() });
    bench.view.servers[0].service = service(true, "b", 1_000);
    refused(bench.balancer("fe-1", MemberChange::Admit), "started again");
    bench.view.servers[0].service = service(true, "a", 1_000);
    bench.switching();
    assert_eq!(bench.balancer("fe-1", MemberChange::Admit), Ok(()));
    bench.node("one", 300_000, seat(8, 0, 40), seat(0, 1, 1));
    refused(bench.balancer("fe-1", MemberChange::Admit), "started again");
}

#[test]
fn loaded_servers_are_not_upgraded_before_the_soak_is_over() {
    let mut bench = Bench::new();
    bench.approved(6);
    for second in 1..=12 {
        bench.node("one", second * 1_000, seat(0, 1, second), seat(8, 0, 9));
    }
    bench.reached("fe-2", Milestone::Touched);
    refused(bench.start("fe-2", JobKind::FrontEndUpgrade), "soaked");
    for milestone in [FarmMilestone::SwitchBegan, FarmMilestone::Switched, FarmMilestone::Soaked] {
        bench.happened(&Event::FarmReached { milestone, evidence: String::new() });
    }
    assert_eq!(bench.start("fe-2", JobKind::FrontEndUpgrade), Ok(()));
}

#[test]
fn no_threads_are_no_proof_and_idle_ones_only_over_the_window() {
    let mut bench = Bench::new();
    let idle = || vec![ThreadRow { name: "Deployment Worker 1".into(), state: ThreadState::Idle }];
    let told = |bench: &mut Bench, at_ms: u64, rows: Vec<ThreadRow>| {
        bench.view.now_ms = at_ms;
        let value = ServiceReading {
            running: true,
            automatic: true,
            initialised: true,
            start: "a".into(),
            boot: None,
        };
        bench.view.servers[0].service = Some(Reading { value, at_ms });
        bench.view.servers[0].see_flag(bench.layout.policy(), at_ms, true);
        bench.view.servers[0].see_threads(bench.layout.policy(), at_ms, rows);
        let id = [("Portal".to_owned(), "92ff".to_owned())].into();
        bench.view.servers[0].see_pings(bench.layout.policy(), at_ms, id);
        deployment(&bench.layout, &bench.progress, &bench.view, 0, 0)
    };
    for round in 1..=10 {
        assert_eq!(told(&mut bench, round * 15_000, Vec::new()), Deployment::Unknown, "no rows");
    }
    let mut rounds = 0;
    while !matches!(told(&mut bench, (11 + rounds) * 15_000, idle()), Deployment::Done(_)) {
        rounds += 1;
        assert!(rounds < 20, "idle for five minutes and never done");
    }
    let window_ms = bench.layout.policy().idle_window_ms;
    assert!(rounds * 15_000 >= window_ms, "done after {rounds} rounds, before the window was over");
    let again = |bench: &Bench| deployment(&bench.layout, &bench.progress, &bench.view, 0, 0);
    bench.view.servers[0].flag = Some(Reading { value: false, at_ms: bench.view.now_ms });
    assert_eq!(again(&bench), Deployment::Unknown, "nothing is deployed to one that is disabled");
    bench.view.servers[0].flag = None;
    assert_eq!(again(&bench), Deployment::Unknown, "nobody knows whether it is disabled");
}

/// Goal: ids of a module that were read before it broke are no agreement. Method: threads idle for
/// ten minutes, and pings that were read in the first of them alone.
#[test]
fn ping_ids_of_minutes_ago_are_no_proof_of_deployment() {
    let mut bench = Bench::new();
    for round in 1..=40 {
        let at_ms = round * 15_000;
        bench.view.now_ms = at_ms;
        bench.view.servers[0].service = service(true, "a", at_ms);
        bench.view.servers[0].see_flag(bench.layout.policy(), at_ms, true);
        bench.fe_1_thread(ThreadState::Idle);
        if round <= 4 {
            let id = [("Portal".to_owned(), "92ff".to_owned())].into();
            bench.view.servers[0].see_pings(bench.layout.policy(), at_ms, id);
        }
    }
    let found = |bench: &Bench| deployment(&bench.layout, &bench.progress, &bench.view, 0, 0);
    assert_eq!(found(&bench), Deployment::Unknown);
}

/// Goal: whatever policy asks for can be reached: readings are kept as long as it wants to see
/// idle. Method: polls so short, or as many, that a window takes hundreds of them.
#[test]
fn a_window_of_hundreds_of_readings_can_be_reached() {
    for (poll_ms, reads) in [(100, 2), (1_000, 600)] {
        let policy = Policy { jobs_poll_ms: poll_ms, idle_reads: reads, ..Policy::default() };
        let need_ms = policy.idle_window_ms.max(poll_ms * u64::from(reads));
        let mut view = Bench::new().view.servers.swap_remove(0);
        for round in 0..5_000 {
            view.see_threads(&policy, round * poll_ms, Vec::new());
            view.see_pings(&policy, round * poll_ms, PingIds::default());
        }
        let threads: Vec<u64> = view.threads.iter().map(|round| round.at_ms).collect();
        let pings: Vec<u64> = view.pings.iter().map(|round| round.at_ms).collect();
        for kept in [threads, pings] {
            let span_ms = kept[kept.len() - 1] - kept[0];
            assert!(kept.len() >= reads as usize, "{} readings kept, {reads} wanted", kept.len());
            assert!(span_ms >= policy.idle_window_ms, "they stretch over {span_ms} ms");
            assert!(span_ms < 2 * need_ms, "they grow without limit: over {span_ms} ms");
        }
    }
}

/// Goal: a server can be proven, and stand in for others, as soon as nothing more is deployed to all
/// of them. Method: fe-5 is upgraded before the jobs of fe-1 that are done for everybody, and all the
/// while fe-2 is not.
#[test]
fn a_server_is_proven_whoever_else_is_not_upgraded_yet() {
    let layout = six();
    let mut progress = Progress::new(&layout);
    let upgraded = |server: &str| Event::Reached {
        server: server.into(),
        milestone: Milestone::Upgraded { version: layout.target() },
        evidence: String::new(),
    };
    let fe_5 = layout.server(&"fe-5".into()).expect("six has fe-5");
    progress.apply(&layout, &upgraded("fe-5"), 1_000);
    assert_eq!(deployment_since_ms(&layout, &progress, fe_5), None, "fe-1 will deploy to it");
    progress.apply(&layout, &decided(Wanted::ByHand { server: "fe-1".into() }), 2_000);
    progress.apply(&layout, &upgraded("fe-1"), 3_000);
    assert_eq!(deployment_since_ms(&layout, &progress, fe_5), Some(2_000), "fe-2 is awaited");
}

/// Goal: a reading a second is made while traffic moves, and only then. Method: the two-server farm
/// through a drain, a switch and a fall-back, whose last stage is a person who takes his time.
#[test]
fn balancers_are_read_each_second_only_while_traffic_moves() {
    let mut bench = Bench::new();
    assert!(bench.hurries(), "fe-1 drains");
    bench.reached("fe-1", Milestone::Quiet);
    assert!(!bench.hurries(), "fe-1 is out, and its upgrade takes its time");
    bench.switching();
    assert!(bench.hurries(), "fe-1 is admitted, fe-2 drained");
    bench.happened(&decided(Wanted::FallBack));
    assert!(bench.hurries(), "and the other way round");
    bench.farm_reached(FarmMilestone::FellBack);
    assert!(!bench.hurries(), "a person thinks it over");
}

#[test]
fn the_same_state_gives_the_same_decision() {
    let mut bench = Bench::new();
    bench.fe_1_quiet();
    let once = decide(&bench.layout, &bench.progress, &bench.view);
    assert_eq!(once, decide(&bench.layout, &bench.progress, &bench.view));
    assert!(!once.events.is_empty(), "fe-1 is quiet: something is to be written down");
}

/// Goal: whoever leaves a server out reads first whom that overloads. Method: the farm of six, of
/// whose updating three for 110 requests/s each can answer 60; one fails.
#[test]
fn leaving_a_server_out_says_whom_it_overloads() {
    let Bench { layout, progress, .. } = Bench::of(six());
    let reason = HoldReason::ServerFailed { server: "fe-2".into() };
    let told: Vec<String> = ways_out(&layout, &progress, &reason).iter().map(way_out).collect();
    let overloads = "fe-5 then gets 65 requests/s and can answer 60";
    assert!(told.iter().any(|it| it.contains(overloads)), "{told:?}");
}
