//! What befalls a node besides a reload: each does what it says, is noted when it is met, and is
//! over when it is.
use evenkeel_fakes::balancer::{AgentWord, Balancer, CheckTiming, MemberSetup, PoolSetup, Refusal};
use evenkeel_fakes::ledger::Event;

const TIMING: CheckTiming = CheckTiming { interval_ms: 2_000, fall: 3, rise: 2 };
/// By then every first check has run.
const PROVEN_MS: u64 = 2_000;
const TAG: u64 = 7;
/// Somebody else's trouble.
const OTHER_TAG: u64 = 8;

fn proven() -> Balancer {
    let members = ["fe-1", "fe-2"].map(|server| MemberSetup {
        name: server.into(),
        server: server.into(),
        weight: 100,
        address: "10.0.0.1:80".into(),
    });
    let pool = PoolSetup {
        name: "web".into(),
        health_check: true,
        cut_when_down: false,
        members: members.into(),
    };
    let mut balancer = Balancer::new("lb-1", vec![pool], TIMING, 0);
    balancer.advance(PROVEN_MS);
    balancer
}

fn eligible(balancer: &Balancer) -> Vec<String> {
    let places = balancer.eligible("web").into_iter();
    places.map(|place| balancer.member(place).name.to_string()).collect()
}

/// The drain of fe-1 is tried: whether it had an effect. It is undone by a reload.
fn drains(balancer: &mut Balancer, now_ms: u64) -> bool {
    balancer.command(now_ms, "set server web/fe-1 state drain");
    let drained = eligible(balancer) == ["fe-2"];
    balancer.reload(now_ms);
    drained
}

fn met(balancer: &mut Balancer) -> bool {
    balancer.take_events().contains(&Event::FaultMet { tag: TAG })
}

/// Goal: a state file brings back what was long undone. Method: save with fe-1 drained, make
/// it ready and drain fe-2, reload with the file.
#[test]
fn a_stale_state_file_brings_old_states_back() {
    let mut balancer = proven();
    balancer.command(PROVEN_MS, "set server web/fe-1 state drain");
    let saved = balancer.save_state();
    balancer.command(PROVEN_MS, "set server web/fe-1 state ready;set server web/fe-2 state drain");
    assert_eq!(eligible(&balancer), ["fe-1"]);
    balancer.reload_with(3_000, &saved);
    assert_eq!(eligible(&balancer), ["fe-2"]);
}

/// Goal: an agent's word overrides the operator's until it is disabled (HAProxy's agent-check).
/// Method: drain beside an agent that says ready, once with it and once after `disable agent`.
#[test]
fn an_agent_cancels_a_drain_until_it_is_disabled() {
    let mut balancer = proven();
    balancer.set_agent(PROVEN_MS, "fe-1", AgentWord::Ready, TAG);
    assert!(!met(&mut balancer), "it agrees with what is");
    balancer.command(3_000, "set server web/fe-1 state drain");
    assert_eq!(eligible(&balancer), ["fe-2"]);
    balancer.advance(5_000);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    assert!(met(&mut balancer));
    balancer.command(6_000, "disable agent web/fe-1;set server web/fe-1 state drain");
    balancer.advance(60_000);
    assert_eq!(eligible(&balancer), ["fe-2"]);
}

/// Goal: OK may mean nothing, and an error may come as prose where success is an empty line.
/// Method: the same drain under each, and after each.
#[test]
fn commands_may_be_ignored_or_refused_with_prose() {
    let mut balancer = proven();
    let drain = "set server web/fe-1 state drain";
    balancer.ignore_states(TAG);
    assert_eq!(balancer.command(3_000, drain), "\n");
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    assert!(met(&mut balancer));
    balancer.end_trouble(3_000, TAG);
    balancer.refuse_changes(Refusal::PermissionDenied, None, TAG);
    assert_eq!(balancer.command(3_000, drain), "Permission denied\n\n");
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    balancer.end_trouble(3_000, TAG);
    assert_eq!(balancer.command(3_000, drain), "\n");
    assert_eq!(eligible(&balancer), ["fe-2"]);
}

/// Goal: of a line of commands a part is carried out where one member is called otherwise. Method: drain
/// both in one line while changes of fe-2 are refused.
#[test]
fn a_line_may_be_carried_out_in_part() {
    let mut balancer = proven();
    balancer.refuse_changes(Refusal::NoSuchServer, Some("fe-2"), TAG);
    assert_eq!(balancer.command(3_000, "set server web/fe-1 state drain"), "\n");
    assert!(!met(&mut balancer), "it is about another one");
    balancer.command(3_000, "set server web/fe-1 state ready");
    let both = "set server web/fe-1 state drain;set server web/fe-2 state drain";
    assert_eq!(balancer.command(4_000, both), "\nNo such server.\n\n");
    assert_eq!(eligible(&balancer), ["fe-2"]);
    assert!(met(&mut balancer));
}

/// Goal: of two troubles of a sort the end of one is not the other's. Method: changes that are
/// ignored, and refused, for two reasons; a drain after each has gone.
#[test]
fn a_trouble_lasts_as_long_as_anybody_makes_it() {
    let begin: [fn(&mut Balancer, u64); 2] = [
        |balancer, tag| balancer.ignore_states(tag),
        |balancer, tag| balancer.refuse_changes(Refusal::NoSuchServer, None, tag),
    ];
    for begin in begin {
        for (first, second) in [(TAG, OTHER_TAG), (OTHER_TAG, TAG)] {
            let mut balancer = proven();
            begin(&mut balancer, TAG);
            begin(&mut balancer, OTHER_TAG);
            assert!(!drains(&mut balancer, 3_000));
            balancer.end_trouble(4_000, first);
            assert!(!drains(&mut balancer, 4_000), "{second} has not gone");
            balancer.end_trouble(5_000, second);
            assert!(drains(&mut balancer, 5_000));
        }
    }
}

/// Goal: whoever waits behind two crowds waits for the larger one. Method: a short and a long wait,
/// each ended before the other.
#[test]
fn of_two_crowds_the_larger_one_is_waited_for() {
    let mut balancer = proven();
    balancer.delay_api(4_000, TAG);
    balancer.delay_api(200, OTHER_TAG);
    assert_eq!(balancer.connected(), Some(4_000));
    assert!(met(&mut balancer));
    balancer.end_trouble(3_000, TAG);
    assert_eq!(balancer.connected(), Some(200));
    balancer.end_trouble(4_000, OTHER_TAG);
    assert_eq!(balancer.connected(), Some(0));
}

/// Goal: an agent that comes and goes leaves the one that was there before. Method: one that says
/// drain, beside it for a while one that says ready.
#[test]
fn an_agent_that_goes_leaves_the_one_before_it() {
    let mut balancer = proven();
    balancer.set_agent(PROVEN_MS, "fe-1", AgentWord::Drain, TAG);
    balancer.advance(5_000);
    assert_eq!(eligible(&balancer), ["fe-2"]);
    balancer.set_agent(5_000, "fe-1", AgentWord::Ready, OTHER_TAG);
    balancer.advance(8_000);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    balancer.end_trouble(8_000, OTHER_TAG);
    balancer.advance(11_000);
    assert_eq!(eligible(&balancer), ["fe-2"]);
    balancer.end_trouble(11_000, TAG);
    balancer.command(11_000, "set server web/fe-1 state ready");
    balancer.advance(60_000);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
}

/// Goal: a dead node serves nobody and a new process knows nothing. Method: drain, stop, start.
#[test]
fn a_node_that_was_down_has_forgotten_its_drains() {
    let mut balancer = proven();
    balancer.command(3_000, "set server web/fe-1 state drain");
    let life = balancer.life();
    assert!(balancer.stop(4_000, TAG), "it ran");
    assert!(!balancer.is_up());
    assert_eq!(eligible(&balancer), [""; 0]);
    assert_eq!(balancer.next_due_ms(), None, "a dead process checks nobody");
    balancer.start(9_000, TAG);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    assert_ne!(balancer.life(), life);
}

/// Goal: a node that two deaths keep down comes up when the last of them ends, and once. Method:
/// the second begins and ends within the first; the first ends, twice.
#[test]
fn a_node_stays_down_as_long_as_anything_keeps_it_down() {
    let mut balancer = proven();
    assert!(balancer.stop(4_000, TAG));
    assert!(!balancer.stop(5_000, OTHER_TAG), "it was dead already");
    balancer.take_events();
    balancer.start(6_000, OTHER_TAG);
    assert!(!balancer.is_up());
    assert!(met(&mut balancer), "from now on it is the first one's doing");
    balancer.start(9_000, TAG);
    assert!(balancer.is_up());
    let life = balancer.life();
    balancer.start(10_000, TAG);
    assert_eq!(balancer.life(), life, "what runs is not started again");
}

/// Goal: nothing happens to a process that is not there. Method: reload a dead node, with and
/// without a state file.
#[test]
fn a_dead_node_is_not_reloaded() {
    let mut balancer = proven();
    let (saved, life) = (balancer.save_state(), balancer.life());
    balancer.stop(4_000, TAG);
    balancer.take_events();
    balancer.reload(5_000);
    balancer.reload_with(5_000, &saved);
    assert_eq!(balancer.take_events(), []);
    assert_eq!(balancer.life(), life);
}

/// Goal: a flapping check takes a member down and brings it back. Method: turns of eight
/// seconds: fall is three checks of two seconds, rise two.
#[test]
fn a_flapping_check_takes_a_member_down_and_brings_it_back() {
    let mut balancer = proven();
    balancer.flap(3_000, "fe-1", 8_000, 19_000, TAG);
    assert!(!met(&mut balancer), "nobody has checked");
    balancer.advance(10_000);
    assert_eq!(eligible(&balancer), ["fe-2"]);
    assert!(met(&mut balancer));
    balancer.advance(18_000);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    balancer.advance(60_000);
    assert_eq!(balancer.next_due_ms(), None, "it has settled");
}

/// Goal: a check that flaps for two reasons goes on when one of them goes, and stops with the other,
/// however long it was to last. Method: two that take the member down in turns of a minute.
#[test]
fn flapping_stops_when_nobody_makes_a_check_flap() {
    let mut balancer = proven();
    balancer.flap(3_000, "fe-1", 60_000, 900_000, TAG);
    balancer.flap(4_000, "fe-1", 60_000, 900_000, OTHER_TAG);
    balancer.advance(20_000);
    balancer.end_trouble(20_000, TAG);
    balancer.advance(40_000);
    assert_eq!(eligible(&balancer), ["fe-2"], "the other one lasts");
    balancer.end_trouble(40_000, OTHER_TAG);
    balancer.advance(50_000);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    assert_eq!(balancer.next_due_ms(), None, "it has settled");
}

/// Goal: cleared counters count from zero in the same process. Method: one request, one
/// still in flight, `clear counters all`.
#[test]
fn cleared_counters_keep_what_is_in_flight() {
    let mut balancer = proven();
    let ticket = balancer.begin("web", 3_000).expect("somebody is eligible");
    let life = balancer.life();
    assert_eq!(balancer.command(3_000, "clear counters all"), "\n");
    let counters = balancer.member(ticket.0.member).counters;
    assert_eq!((counters.arrivals, counters.in_flight), (0, 1));
    assert_eq!(balancer.life(), life);
}
