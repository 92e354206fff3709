//! What users' requests, the balancers' other members, the wires and the journal's words are judged
//! by.
use evenkeel::journal::{ActionResult, Event as Told, Request};
use evenkeel::names::ServerName;
use evenkeel::procedure::action::{Action, MemberChange};
use evenkeel::procedure::readings::{JobReading, MemberId, TestReading};

use super::*;

fn member(n: u32) -> MemberKey {
    MemberKey { node: "lb".into(), pool: "web".into(), member: format!("m{n}") }
}

/// A server's milestone is told.
pub(super) fn reached(n: u32, milestone: Milestone) -> Told {
    Told::Reached { server: fe(n).as_str().into(), milestone, evidence: String::new() }
}

impl Story {
    /// The upgrade of a front-end is intended, under a number that no intent of a test has.
    pub(super) fn intend(&mut self, n: u32) -> &mut Self {
        self.told(reached(n, Milestone::Touched)).intend_unmarked(n)
    }

    /// The same, and nobody has written down that its software is about to change.
    fn intend_unmarked(&mut self, n: u32) -> &mut Self {
        let (server, job) = (ServerName::from(fe(n)), format!("job-{n}"));
        let action = Action::Start { server, kind: JobKind::FrontEndUpgrade, job };
        self.told(Told::Intent { id: 1_000_000 + self.ordinal, action })
    }

    fn saw(&mut self, sight: &Sight<'_>) -> &mut Self {
        self.oracle.saw(self.now_s * 1_000, sight);
        self
    }

    /// Requests of a server are lost.
    fn lose(&mut self, n: u32) -> &mut Self {
        self.saw(&Sight::Lost(&Lost { member: member(n), server: fe(n), requests: 2 }))
    }
}

fn drain(id: u64, n: u32) -> Told {
    let members = vec![MemberId { pool: "web".into(), server: fe(n).as_str().into() }];
    let action = Action::Balancer { node: "lb".into(), members, change: MemberChange::Drain };
    Told::Intent { id, action }
}

fn outcome_done(id: u64) -> Told {
    Told::Outcome { id, result: ActionResult::Done { evidence: String::new() } }
}

/// Goal: too few members for the users are a violation, unless a fault took the missing one away.
/// Method: three of four members of a farm whose users two can carry are drained, by command and
/// after a crash.
#[test]
fn too_few_members_break_capacity_covers_load() {
    let crowded = || {
        let mut story = Story::new();
        story.oracle.context.demand.capacity.values_mut().for_each(|rps| *rps = 5.0);
        story
    };
    let mut story = crowded();
    story.at(10).drain([1, 2]).at(20).admin(3, 8).at(30);
    assert_eq!(broken(&story.end_anyhow()), [("capacity_covers_load", 20)]);
    let mut story = crowded();
    story.at(10).drain([1, 2]).at(20).crash(3).oper(3, false).at(30);
    let judgement = story.end_anyhow();
    assert_eq!(broken(&judgement), []);
    assert!(judgement.excused.iter().any(|it| it.invariant == "capacity_covers_load"));
}

/// Goal: servers have to answer also for users whose own node is down, and for no more than these.
/// Method: two nodes share the users of a farm, which are a bit too many; one of the nodes dies.
#[test]
fn users_of_a_node_that_is_down_are_reckoned_with_on_another() {
    let mut spec = spec();
    let mut second = spec.balancers[0].clone();
    second.name.push_str("-b");
    spec.balancers.push(second);
    let mut demand = Demand::of(&spec, &TrafficSpec::of(&spec, &UsersTruth::default()));
    let mut ground = Ground::new(&spec, |_| 100, |_| ["front-end-upgrade".to_owned()].into());
    let event = Event::NodeDown { node: "lb-b".into() };
    ground.apply(&Entry { at_ms: 1_000, ordinal: 0, event });
    // Nine requests a second for four servers.
    for (capacity_rps, overloaded) in [(2.0, 4), (2.25, 0)] {
        demand.capacity.values_mut().for_each(|rps| *rps = capacity_rps);
        assert_eq!(demand.overloaded(&ground, ground::Member::eligible).len(), overloaded);
    }
}

/// Goal: what those who stay then lack is a person's decision where somebody was left out, and a
/// violation where the run goes without him of its own. Method: the same drains after a run took a
/// server out that a person asked to leave out, and one that nobody asked for.
#[test]
fn a_server_that_a_person_leaves_out_excuses_what_the_others_lack() {
    let left_out = |asked: bool| {
        let mut story = Story::new();
        story.oracle.context.demand.capacity.values_mut().for_each(|rps| *rps = 5.0);
        let what = Wanted::LeaveOut { server: "fe-3".into() };
        if asked {
            story.oracle.strike(5_000, Struck::Asked { what: what.clone() });
        }
        let (who, plan_hash, at) = ("maria".into(), "1".into(), jiff::Timestamp::UNIX_EPOCH);
        let request = Request { what, who, ticket: None, plan_hash, at };
        story.at(6).told(Told::Decided(request));
        story.at(10).drain([1, 2]).at(20).admin(3, 8).at(30);
        story.end_anyhow()
    };
    assert_eq!(broken(&left_out(false)), [("capacity_covers_load", 20)]);
    let judgement = left_out(true);
    assert_eq!(broken(&judgement), []);
    assert!(judgement.excused.iter().any(|it| it.excuse.fault == "leave-out"));
}

/// Goal: users who are turned away by a queue are a violation; what piled up while a machine was
/// down is excused until the queue has been empty. Method: a server turns users away, of its own
/// and after another one's crash.
#[test]
fn users_who_are_turned_away_break_capacity_covers_load() {
    let turned = |since_s: u64| TurnedAway {
        server: fe(3),
        requests: 7,
        piling_up_since_ms: since_s * 1_000,
    };
    let mut story = Story::new();
    story.at(20).saw(&Sight::TurnedAway(&turned(10)));
    assert_eq!(broken(&story.end_anyhow()), [("capacity_covers_load", 20)]);
    let mut story = Story::new();
    story.at(20).crash(4).at(30).up(4).at(9_000).saw(&Sight::TurnedAway(&turned(25)));
    assert_eq!(broken(&story.end_anyhow()), []);
    let mut story = Story::new();
    story.at(20).crash(4).at(30).up(4).at(9_000).saw(&Sight::TurnedAway(&turned(8_000)));
    assert_eq!(broken(&story.end_anyhow()), [("capacity_covers_load", 9_000)]);
}

/// Goal: what is cut in the middle was somebody's work. Method: requests are lost with an installer,
/// and with a machine that crashed by itself.
#[test]
fn lost_requests_break_no_request_is_cut() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).lose(1);
    assert_eq!(broken(&story.end_anyhow()), [("no_request_is_cut", 20)]);
    let mut story = Story::new();
    story.at(20).crash(1).lose(1);
    assert_eq!(broken(&story.end_anyhow()), []);
}

/// Goal: the policy's word alone lets a command cut. Method: two cuts of a drained member, before
/// and after its deadline, by a policy that cuts.
#[test]
fn a_cut_before_its_deadline_breaks_no_request_is_cut() {
    let deadline_s = Policy::default().drain_ms_max / 1_000;
    for (after_s, violations) in [(deadline_s - 1, 1), (deadline_s, 0)] {
        let mut story = Story::new();
        story.oracle.context.policy.drain_after_deadline =
            evenkeel::farm::policy::AfterDeadline::Cut;
        let (node, pool) = ("lb".to_owned(), "web".to_owned());
        let cut = Event::MemberCut { node, pool, member: "m1".into(), requests: 1 };
        story.at(10).admin(1, 8).at(10 + after_s).entry(cut);
        assert_eq!(story.end_anyhow().violations.len(), violations);
    }
}

/// Goal: what is not the farm's is left alone. Method: a member that nobody listed is drained.
#[test]
fn a_drained_stranger_breaks_strangers_untouched() {
    let mut story = Story::new();
    let (node, pool, member) = ("lb".to_owned(), "web".to_owned(), "retired".to_owned());
    story.at(10).entry(Event::MemberAdmin { node, pool, member, admin: 8 }).at(20);
    assert_eq!(broken(&story.end_anyhow()), [("strangers_untouched", 10)]);
}

/// Goal: two writers are one too many. Method: another process changes something.
#[test]
fn a_second_process_breaks_one_writer() {
    let mut story = Story::new();
    story.at(10).saw(&Sight::Stray { process: 2, to: "lb" });
    assert_eq!(broken(&story.end_anyhow()), [("one_writer", 10)]);
}

/// Goal: `done` means that it was. Method: a drain that is told as done, with and without its
/// effect, and one whose effect somebody else took back before it was told.
#[test]
fn done_without_an_effect_breaks_journal_tells_the_truth() {
    let mut story = Story::new();
    story.at(10).told(drain(1, 1)).at(11).admin(1, 8).admin(1, 0).at(12).told(outcome_done(1));
    story.at(20).told(drain(2, 1)).at(22).told(outcome_done(2));
    assert_eq!(broken(&story.end_anyhow()), [("journal_tells_the_truth", 22)]);
}

/// Goal: the journal is there before the effect. Method: an intent that the disk does not have, and
/// one whose number was given before.
#[test]
fn a_forgotten_intent_breaks_journal_tells_the_truth() {
    let mut story = Story::new();
    story.oracle.told(5_000, &drain(1, 1), false);
    assert_eq!(broken(&story.end_anyhow()), [("journal_tells_the_truth", 5)]);
    let mut story = Story::new();
    story.at(10).told(drain(1, 1)).at(20).told(drain(1, 2));
    assert_eq!(broken(&story.end_anyhow()), [("journal_tells_the_truth", 20)]);
}

/// Goal: an upgrade is written down as such before it leaves. Method: intend one of a server that is
/// marked as touched, and one of a server that is not.
#[test]
fn an_unmarked_upgrade_breaks_journal_tells_the_truth() {
    let mut story = Story::new();
    story.at(10).intend(1).at(20).intend_unmarked(2);
    assert_eq!(broken(&story.end_anyhow()), [("journal_tells_the_truth", 20)]);
}

/// Goal: what is told of jobs and tests was so. Method: a job that runs is told as ended; tests pass
/// of which the server knows nothing.
#[test]
fn an_unread_reading_breaks_journal_tells_the_truth() {
    let kind = JobKind::FrontEndUpgrade;
    let reading = JobReading::Exited { code: 0, output: String::new() };
    let (server, job) = (fe(1).as_str().into(), "job-1".to_owned());
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).at(30);
    story.told(Told::JobEnded { server, kind, job, reading });
    assert_eq!(broken(&story.end_anyhow()), [("journal_tells_the_truth", 30)]);

    let passed = || TestReading { passed: true, requests: 3, failure: None };
    let tested = |id| Told::Outcome {
        id,
        result: ActionResult::Tested { reading: passed(), version: None, start: None },
    };
    let test = |id| Told::Intent { id, action: Action::Test { server: fe(1).as_str().into() } };
    let mut story = Story::new();
    story.at(10).told(test(1)).saw(&Sight::Tested { intent: 1 }).at(11).told(tested(1));
    story.at(20).told(test(2)).at(21).told(tested(2));
    assert_eq!(broken(&story.end_anyhow()), [("journal_tells_the_truth", 21)]);
}
