//! What befalls a node besides a reload: each does what it says, is noted when it is met, and is
//! over when it is.
use evenkeel_fakes::balancer::{AgentWord, Balancer, CheckTiming, MemberSetup, PoolSetup, Refusal};
use evenkeel_fakes::ledger::Event;

const TIMING: CheckTiming = CheckTiming { interval_ms: 2_000, fall: 3, rise: 2 };
/// By then every first check has run.
const PROVEN_MS: u64 = 2_000;
const TAG: u64 = 7;

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
    balancer.set_agent(PROVEN_MS, "fe-1", Some(AgentWord::Ready), TAG);
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
    balancer.ignore_states(Some(TAG));
    assert_eq!(balancer.command(3_000, drain), "\n");
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    assert!(met(&mut balancer));
    balancer.ignore_states(None);
    balancer.refuse_changes(Some((Refusal::PermissionDenied, TAG)));
    assert_eq!(balancer.command(3_000, drain), "Permission denied\n\n");
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    balancer.refuse_changes(None);
    assert_eq!(balancer.command(3_000, drain), "\n");
    assert_eq!(eligible(&balancer), ["fe-2"]);
}

/// Goal: a dead node serves nobody and a new process knows nothing. Method: drain, stop, start.
#[test]
fn a_node_that_was_down_has_forgotten_its_drains() {
    let mut balancer = proven();
    balancer.command(3_000, "set server web/fe-1 state drain");
    let life = balancer.life();
    balancer.stop(4_000);
    assert!(!balancer.is_up());
    assert_eq!(eligible(&balancer), [""; 0]);
    assert_eq!(balancer.next_due_ms(), None, "a dead process checks nobody");
    balancer.start(9_000);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    assert_ne!(balancer.life(), life);
}

/// Goal: a flapping check takes a member down and brings it back. Method: turns of eight
/// seconds: fall is three checks of two seconds, rise two.
#[test]
fn a_flapping_check_takes_a_member_down_and_brings_it_back() {
    let mut balancer = proven();
    balancer.flap(3_000, "fe-1", 8_000, 19_000);
    balancer.advance(10_000);
    assert_eq!(eligible(&balancer), ["fe-2"]);
    balancer.advance(18_000);
    assert_eq!(eligible(&balancer), ["fe-1", "fe-2"]);
    balancer.advance(60_000);
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
