//! Each invariant on hand-made ledgers: it fails on a bad one, passes on a good one, and excuses
//! what it says it excuses, no longer than it says.
use evenkeel::journal::{HoldReason, Milestone, Wanted};
use evenkeel::procedure::action::JobKind;
use evenkeel_fakes::ledger::{ApplicationState, Event, FlagBy, ServiceState};
use evenkeel_fakes::spec::Spec;
use evenkeel_fakes::truth::{OldConsole, Truth};

use crate::nemesis::Fault;
use crate::nemesis::fault::{BalancerFault, Fate, FrontEndFault, LinkFault, OrchestratorFault};

use super::*;
use crate::traffic::{TrafficSpec, UsersTruth};

mod faults;
mod no_blank_cheques;
mod policy;
mod rescues;
mod users_and_journal;
use faults::{away, crash, failing_installer};
use users_and_journal::reached;

/// Four servers in one pool on one node; fe-1 and fe-2 are upgraded first.
fn spec() -> Spec {
    let front_ends: Vec<String> = (1..=4)
        .map(|n| {
            format!(
                r#"{{ name = "fe-{n}", address = "10.0.1.{n}", zones = ["z"], capacity_rps = 9, members = {{ web = "m{n}" }} }}"#
            )
        })
        .collect();
    let text = format!(
        r#"
        name = "t"
        stack = "dotnet"
        version_from = "11.1.0.1"
        version_to = "11.2.0.1"
        controller = "fe-1"
        service_center = {{ user = "admin" }}
        zone = [ {{ name = "z", public_name = "z.example", load_rps = 9 }} ]
        balancer = [ {{ name = "lb", api = "10.0.0.1:9999" }} ]
        pool = [ {{ name = "web", zone = "z" }} ]
        front_end = [ {} ]
        "#,
        front_ends.join(",")
    );
    toml::from_str(&text).expect("the specimen is a farm")
}

/// A run told by hand. Times are in seconds.
struct Story {
    oracle: Oracle,
    ordinal: u64,
    faults: usize,
    now_s: u64,
}

const OLD: &str = "11.1.0.1";
const NEW: &str = "11.2.0.1";

fn bounds() -> Bounds {
    let links = crate::fabric::Latency { base_ms: 1, jitter_ms: 0 };
    Bounds::new(&Policy::default(), &Truth::default(), links, 4, 1)
}

impl Story {
    fn new() -> Self {
        let context = Context {
            may_go_down: BTreeSet::new(),
            publisher: None,
            unanswered: BTreeMap::new(),
            faults: Faults::new(bounds()),
            policy: Policy { parallel_max: 4, ..Policy::default() },
            updating: ["fe-1".to_owned(), "fe-2".to_owned()].into(),
            floors: BTreeMap::new(),
            old_console: OldConsole::Works,
            demand: Demand::of(&spec(), &TrafficSpec::of(&spec(), &UsersTruth::default())),
            left_out: BTreeSet::new(),
            by_hand: BTreeMap::new(),
            deployed: BTreeSet::new(),
            sent_to: BTreeSet::new(),
            shut: BTreeSet::new(),
            switch_began_ms: None,
            switch_ms: None,
            told_is_durable: false,
            healed: false,
            guard_may_refuse: false,
        };
        Self {
            oracle: Oracle::new(
                Ground::new(&spec(), |_| 100, |_| ["front-end-upgrade".to_owned()].into()),
                context,
            ),
            ordinal: 0,
            faults: 0,
            now_s: 0,
        }
    }

    fn at(&mut self, now_s: u64) -> &mut Self {
        assert!(now_s >= self.now_s, "a story is told in order");
        self.now_s = now_s;
        self
    }

    fn entry(&mut self, event: Event) -> &mut Self {
        let entry = Entry { at_ms: self.now_s * 1_000, ordinal: self.ordinal, event };
        self.ordinal += 1;
        self.oracle.entry(&entry);
        self
    }

    /// A fault begins; faults are numbered as they come.
    fn strike(&mut self, fault: Fault) -> &mut Self {
        let struck = Struck::Began { place: self.faults, fault };
        let changes = matches!(&struck, Struck::Began { fault, .. } if
            fault.edits().is_some() || fault.meddles());
        self.oracle.strike(self.now_s * 1_000, struck);
        if changes {
            self.oracle.met(self.now_s * 1_000, self.faults);
        }
        self.faults += 1;
        self
    }

    /// The fault of a number is over.
    fn over(&mut self, place: usize) -> &mut Self {
        self.oracle.strike(self.now_s * 1_000, Struck::Ended { place });
        self
    }

    fn admin(&mut self, n: u32, admin: u16) -> &mut Self {
        let member = format!("m{n}");
        self.entry(Event::MemberAdmin { node: "lb".into(), pool: "web".into(), member, admin })
    }

    fn drain(&mut self, servers: [u32; 2]) -> &mut Self {
        servers.into_iter().fold(self, |story, n| story.admin(n, 8))
    }

    fn admit(&mut self, servers: [u32; 2]) -> &mut Self {
        servers.into_iter().fold(self, |story, n| story.admin(n, 0))
    }

    fn oper(&mut self, n: u32, up: bool) -> &mut Self {
        let member = format!("m{n}");
        self.entry(Event::MemberOper { node: "lb".into(), pool: "web".into(), member, up })
    }

    fn flag(&mut self, n: u32, enabled: bool, by: FlagBy) -> &mut Self {
        self.entry(Event::Flag { server: fe(n), enabled, by })
    }

    fn crash(&mut self, n: u32) -> &mut Self {
        self.strike(crash(n)).entry(Event::Down { server: fe(n) })
    }

    /// The only fault, a crash, is over.
    fn up(&mut self, n: u32) -> &mut Self {
        self.over(0).entry(Event::Up { server: fe(n) })
    }

    fn begin_upgrade(&mut self, n: u32) -> &mut Self {
        let (server, job, kind) = (fe(n), format!("job-{n}"), "front-end-upgrade".to_owned());
        self.intend(n)
            .entry(Event::JobStarted { server, job, kind })
            .entry(Event::Service { server: fe(n), state: ServiceState::Stopped })
            .entry(Event::Applications { server: fe(n), state: ApplicationState::Unavailable })
    }

    fn end_upgrade(&mut self, n: u32) -> &mut Self {
        let (server, job, kind) = (fe(n), format!("job-{n}"), "front-end-upgrade".to_owned());
        self.entry(Event::Installed { server: fe(n), version: NEW.into() })
            .entry(Event::Applications { server: fe(n), state: ApplicationState::Serving })
            .entry(Event::Service { server: fe(n), state: ServiceState::Initialised })
            .entry(Event::JobEnded { server, job, kind, code: Some(0) })
    }

    fn upgrade(&mut self, servers: [u32; 2]) -> &mut Self {
        for n in servers {
            let end_s = self.now_s + 300;
            self.begin_upgrade(n).at(end_s).end_upgrade(n);
        }
        self
    }

    /// The whole procedure, as it should go.
    fn whole_run(&mut self) -> &mut Self {
        self.at(10).drain([1, 2]).at(150);
        self.flag(3, false, FlagBy::Console).flag(4, false, FlagBy::Console);
        self.at(200).upgrade([1, 2]);
        self.at(900).admit([1, 2]).at(910).drain([3, 4]);
        self.at(2_800).upgrade([3, 4]);
        self.at(3_500).flag(3, true, FlagBy::Console).flag(4, true, FlagBy::Service);
        self.at(3_600).admit([3, 4]).at(3_610)
    }

    fn told(&mut self, event: evenkeel::journal::Event) -> &mut Self {
        self.oracle.told(self.now_s * 1_000, &event, true);
        self
    }

    fn end(self, verdict: &RunVerdict) -> Judgement {
        self.oracle.finish(self.now_s * 1_000, verdict)
    }

    /// Ends with a true hold, which no invariant of a span minds.
    fn end_anyhow(self) -> Judgement {
        let mut judgement = self.end(&held());
        judgement.violations.retain(|it| it.invariant != "run_ends_or_holds");
        judgement
    }
}

fn fe(n: u32) -> String {
    format!("fe-{n}")
}

fn done() -> RunVerdict {
    RunVerdict::Done { left_out: Vec::new() }
}

fn held() -> RunVerdict {
    RunVerdict::Held { reason: HoldReason::Asked }
}

fn broken(judgement: &Judgement) -> Vec<(&'static str, u64)> {
    judgement.violations.iter().map(|it| (it.invariant, it.at_ms / 1_000)).collect()
}

/// Goal: the oracle is content with what the procedure does when nothing goes wrong.
#[test]
fn a_good_run_has_no_violation_and_needs_no_excuse() {
    let mut story = Story::new();
    story.whole_run();
    assert_eq!(story.end(&done()), Judgement::default());
}

/// Goal: the second a pool has nobody is seen. Method: drain all four, one second, admit.
#[test]
fn drained_pool_breaks_zone_always_served() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).drain([3, 4]).at(21).admit([1, 2]).at(30);
    assert_eq!(broken(&story.end_anyhow()), [("zone_always_served", 20)]);
}

/// Goal: nobody can see what lasts no time. Method: drain and admit at the same instant.
#[test]
fn states_within_one_instant_are_nobodys_to_see() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).drain([3, 4]).admit([1, 2]).at(30);
    assert_eq!(story.end_anyhow(), Judgement::default());
}

/// Goal: a death is excused for the detection bound and not a moment longer. Method: the last two
/// eligible members die while two stand drained that have been fit for long; a rescue comes within the bound or not.
#[test]
fn death_is_excused_for_the_detection_bound_alone() {
    let bound_s = bounds().of(bounds().death) / 1_000;
    for (rescued_after_s, expected) in [(bound_s - 1, None), (bound_s + 5, Some(1_000 + bound_s))] {
        let mut story = Story::new();
        story.at(10).drain([1, 2]).at(1_000).crash(3).crash(4);
        story.at(1_000 + rescued_after_s).admit([1, 2]).at(1_100);
        let judgement = story.end_anyhow();
        assert_eq!(judgement.excused.len(), 1);
        assert_eq!(judgement.excused[0].excuse.fault, "front-end-crash");
        let broken: Vec<u64> = judgement.violations.iter().map(|it| it.at_ms / 1_000).collect();
        assert_eq!(broken, expected.into_iter().collect::<Vec<_>>());
    }
}

/// Goal: a crash of the orchestrator moves the end of an excuse. Method: it is away for an hour
/// from just before the death; the rescue comes soon after it is back.
#[test]
fn an_orchestrator_that_is_away_moves_the_end_of_an_excuse() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(90).strike(away());
    story.at(100).crash(3).crash(4).at(3_690).over(0);
    story.at(3_700).admit([1, 2]).at(3_800);
    let judgement = story.end_anyhow();
    assert_eq!((broken(&judgement), judgement.excused.len()), (Vec::new(), 1));
}

/// Goal: nobody living and fit excuses for as long as that lasts. Method: touched ones out, the
/// others dead.
#[test]
fn nobody_left_alive_excuses_while_it_lasts() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).begin_upgrade(2);
    story.at(100).crash(3).crash(4).at(110).oper(3, false).oper(4, false).at(10_000);
    let judgement = story.end_anyhow();
    assert_eq!(broken(&judgement), []);
    assert_eq!(judgement.excused[0].excuse.until_ms, None);
}

/// Goal: touching everybody at once has no excuse, though nobody fit is left. Method: as above,
/// with the other half upgraded too instead of crashed.
#[test]
fn upgrading_both_halves_at_once_is_not_excused() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).begin_upgrade(2);
    story.at(100).drain([3, 4]).begin_upgrade(3).begin_upgrade(4).at(200);
    assert_eq!(broken(&story.end_anyhow()), [("zone_always_served", 100)]);
}

/// Goal: an upgrade under users is seen. Method: upgrade without a drain.
#[test]
fn upgrade_without_drain_breaks_no_user_meets_an_upgrade() {
    let mut story = Story::new();
    story.at(100).begin_upgrade(1).at(110);
    assert_eq!(broken(&story.end_anyhow()), [("no_user_meets_an_upgrade", 100)]);
}

/// Goal: a reload excuses what it puts back, for its bound. Method: reload in mid-upgrade; drained
/// again within the bound, or never.
#[test]
fn reload_is_excused_for_its_bound_alone() {
    let bound_s = bounds().of(bounds().reload) / 1_000;
    for (drained_after_s, violations) in [(bound_s - 1, 0), (bound_s + 60, 1)] {
        let mut story = Story::new();
        story.at(10).drain([1, 2]).at(20).begin_upgrade(1).at(100);
        story.strike(Fault::Balancer(BalancerFault::BalancerReload { node: "lb".into() }));
        story.entry(Event::Reloaded { node: "lb".into() }).admit([1, 2]);
        story.at(100 + drained_after_s).drain([1, 2]).at(300);
        let judgement = story.end_anyhow();
        assert_eq!(judgement.violations.len(), violations, "{judgement:?}");
        assert!(judgement.excused.iter().all(|it| it.excuse.fault == "balancer-reload"));
        assert!(!judgement.excused.is_empty());
    }
}

/// Goal: two versions at once are a switch or a violation. Method: admit one of two updating
/// servers before the other is upgraded.
#[test]
fn early_admission_breaks_one_version_in_rotation() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).at(320).end_upgrade(1);
    story.at(400).admin(1, 0).at(410);
    assert_eq!(broken(&story.end_anyhow()), [("one_version_in_rotation", 400)]);
}

/// Goal: the switch may last as long as policy says. Method: never stop the loaded half.
#[test]
fn a_switch_that_does_not_end_breaks_one_version_in_rotation() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).upgrade([1, 2]).at(1_000).admit([1, 2]).at(9_000);
    let until_s = 1_000 + (Policy::default().switch_ms_max + bounds().of(bounds().react)) / 1_000;
    assert_eq!(broken(&story.end_anyhow()), [("one_version_in_rotation", until_s)]);
}

/// Goal: nobody ends a switch while the orchestrator is out. Method: that is so for five minutes of a
/// switch, and the loaded half comes back once more.
#[test]
fn time_in_which_nobody_can_act_is_not_the_switchs() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).upgrade([1, 2]).at(1_000).admit([1, 2]);
    story.at(1_010).strike(away()).at(1_310).over(0);
    story.at(1_400).drain([3, 4]).at(1_500).admit([3, 4]).at(9_000);
    let used_ms = 400_000 - 300_000 - bounds().start_ms;
    let left_ms = Policy::default().switch_ms_max - used_ms + bounds().of(bounds().react);
    assert_eq!(broken(&story.end_anyhow()), [("one_version_in_rotation", 1_500 + left_ms / 1_000)]);
}

/// Goal: a rescue may mix versions. Method: a loaded member crashes, and a proven one is admitted
/// before its half is complete.
#[test]
fn a_rescue_excuses_two_versions() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).at(320).end_upgrade(1);
    story.at(390).crash(3).at(400).admin(1, 0).at(410);
    let judgement = story.end_anyhow();
    assert_eq!(broken(&judgement), []);
    assert!(judgement.excused.iter().any(|it| it.invariant == "one_version_in_rotation"));
}

/// Goal: deployment under users is seen, and a front-end that enabled itself is excused until its
/// flag can have been read. Method: begin a deployment with and without that.
#[test]
fn deployment_under_load_is_seen_and_self_enabling_excused_for_its_bound() {
    let mut story = Story::new();
    story.at(100).entry(Event::DeploymentBegan { server: fe(3) }).at(110);
    assert_eq!(broken(&story.end_anyhow()), [("no_deployment_under_load", 100)]);

    let bound_s = bounds().of(bounds().flag) / 1_000;
    let mut story = Story::new();
    story.at(50).flag(3, false, FlagBy::Console).at(100).flag(3, true, FlagBy::Service);
    story.entry(Event::DeploymentBegan { server: fe(3) }).at(300);
    assert_eq!(broken(&story.end_anyhow()), [("no_deployment_under_load", 100 + bound_s)]);
}

/// Goal: done means done. Method: skip one server; leave one Disabled; leave one drained.
#[test]
fn anything_left_undone_breaks_everyone_ends_upgraded() {
    let mut skipped = Story::new();
    skipped.at(10).drain([1, 2]).at(20).upgrade([1, 2]).at(1_000).admit([1, 2]);
    skipped.drain([3, 4]).at(1_010).begin_upgrade(3).at(1_400).end_upgrade(3).admit([3, 4]);
    let judgement = skipped.end(&done());
    assert!(judgement.violations.iter().any(|it| it.invariant == "everyone_ends_upgraded"
        && it.what.contains("fe-4")
        && it.what.contains(OLD)));

    let mut disabled = Story::new();
    disabled.whole_run().flag(2, false, FlagBy::Console);
    assert_eq!(broken(&disabled.end(&done())), [("everyone_ends_upgraded", 3_610)]);

    let mut drained = Story::new();
    drained.whole_run().admin(2, 8);
    assert_eq!(broken(&drained.end(&done())), [("everyone_ends_upgraded", 3_610)]);
}

/// Goal: a run that hangs, breaks, or calls for nothing is a violation; a hold for a server whose
/// job failed after its installer was broken is not.
#[test]
fn only_true_holds_end_a_run_otherwise_than_done() {
    for verdict in [RunVerdict::Stuck, held(), RunVerdict::Broken { why: "panic".into() }] {
        assert_eq!(broken(&Story::new().end(&verdict)), [("run_ends_or_holds", 0)]);
    }
    let reason = HoldReason::ServerFailed { server: fe(1).as_str().into() };
    let hold = evenkeel::journal::Event::Held { reason: reason.clone(), ways_out: Vec::new() };

    let mut falsely = Story::new();
    falsely.at(5).told(hold.clone());
    assert_eq!(broken(&falsely.end(&done()))[0], ("run_ends_or_holds", 5));

    let mut truly = Story::new();
    truly.at(1).strike(failing_installer(1)).drain([1, 2]);
    truly.at(5).begin_upgrade(1).at(9).entry(Event::JobEnded {
        server: fe(1),
        job: "job-1".into(),
        kind: "front-end-upgrade".into(),
        code: Some(2),
    });
    truly.told(hold).at(2_000);
    assert_eq!(broken(&truly.end(&RunVerdict::Held { reason })), []);
}

/// Goal: a claim is compared with the truth at its instant. Method: claim Quiet of a member in
/// rotation, Disabled of an Enabled server, Upgraded of an old one; then of one for which it is so.
#[test]
fn false_claims_break_result_is_true() {
    let version = NEW.parse().expect("a version");
    for milestone in
        [Milestone::Quiet, Milestone::Disabled { start: None }, Milestone::Upgraded { version }]
    {
        let mut story = Story::new();
        story.at(7).told(reached(3, milestone));
        assert_eq!(broken(&story.end_anyhow()), [("result_is_true", 7)]);
    }
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).told(reached(1, Milestone::Quiet));
    story.flag(3, false, FlagBy::Console).told(reached(3, Milestone::Disabled { start: None }));
    story.begin_upgrade(1).at(300).end_upgrade(1);
    story.told(reached(1, Milestone::Upgraded { version }));
    story.told(reached(1, Milestone::Proven { version, start: "1".into() }));
    assert_eq!(story.end_anyhow(), Judgement::default());
}

/// Goal: a hold for want of a console is judged by what consoles really do. Method: an upgraded
/// database, once with old consoles that work and once with ones that fail.
#[test]
fn a_console_that_answers_makes_its_hold_false() {
    for (old_console, expected) in [(OldConsole::Works, 1), (OldConsole::Fails, 0)] {
        let mut story = Story::new();
        story.oracle.context.old_console = old_console;
        story.at(10).drain([1, 2]).at(20).strike(failing_installer(1));
        story.begin_upgrade(1).entry(Event::DatabaseVersion { version: NEW.into() });
        let reason = HoldReason::ConsoleUnknown;
        let hold = evenkeel::journal::Event::Held { reason: reason.clone(), ways_out: Vec::new() };
        story.at(1_000).told(hold).at(2_000);
        assert_eq!(story.end(&RunVerdict::Held { reason }).violations.len(), expected);
    }
}

/// Goal: a hold for want of a node is true of one that has been cut off for as long as policy says,
/// and excused for as long after that as a reading may take. Method: cut a node off for 20 minutes,
/// in two spells that follow each other, and hold early, in time, just after and long after; and
/// the same hold while another host is cut off.
#[test]
fn a_node_that_is_cut_off_for_long_makes_its_hold_true() {
    let cut = |host: &str, minutes: u64| {
        let (host, for_ms) = (host.to_owned(), minutes * 60_000);
        Fault::Link(LinkFault::LongPartition { host, for_ms })
    };
    let violations = |host: &str, held_s: u64| {
        let mut story = Story::new();
        story.at(100).strike(cut(host, 10)).at(700).over(0).at(701).strike(cut(host, 10));
        let hold = evenkeel::journal::Event::Held {
            reason: HoldReason::BalancerUnknown { node: "lb".into() },
            ways_out: Vec::new(),
        };
        story.at(held_s).told(hold);
        let ended = story.end(&done());
        ended.violations.iter().filter(|it| it.invariant == "run_ends_or_holds").count()
    };
    assert_eq!(violations("lb", 900), 1, "it is not long enough");
    assert_eq!(violations("lb", 1_001), 0);
    assert_eq!(violations("lb", 1_305), 0, "nobody can have read it yet");
    assert_eq!(violations("lb", 1_500), 1, "it answers again");
    assert_eq!(violations("fe-1", 1_001), 1, "another is cut off");
}
