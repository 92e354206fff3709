//! The state machine by itself: verdicts, their instants, what is told and what is forgotten.
//! What HAProxy's own behaviour is, `tests/fidelity.rs` of the workspace compares.
use super::{
    Balancer, CheckAnswer, CheckTiming, MemberIndex, MemberSetup, Oper, Outcome, PoolSetup,
};
use crate::ledger::Event;

const TIMING: CheckTiming = CheckTiming { interval_ms: 2_000, fall: 3, rise: 2 };
/// By then every first check has run.
const PROVEN_MS: u64 = 2_000;

fn pool(name: &str, health_check: bool, cut_when_down: bool) -> PoolSetup {
    let members = ["fe-1", "fe-2"].map(|server| MemberSetup {
        name: server.replace("fe-", "m"),
        server: server.into(),
        weight: 10,
        address: "10.0.0.1:80".into(),
    });
    PoolSetup { name: name.into(), health_check, cut_when_down, members: members.into() }
}

/// Two pools over the same two servers; the second cuts when a member goes down.
fn balancer() -> Balancer {
    let pools = vec![pool("web", true, false), pool("cutting", true, true)];
    Balancer::new("lb-1", pools, TIMING, 0)
}

fn proven() -> Balancer {
    let mut balancer = balancer();
    balancer.advance(PROVEN_MS);
    assert_eq!(balancer.take_events(), [], "proving what was believed changes nothing");
    balancer
}

fn status(balancer: &mut Balancer, now_ms: u64, member: MemberIndex) -> String {
    let (pool, name) = {
        let member = balancer.member(member);
        (member.pool.clone(), member.name.clone())
    };
    let table = balancer.command(now_ms, "show stat");
    let row = table.lines().find(|row| row.starts_with(&format!("{pool},{name},")));
    row.and_then(|row| row.split(',').nth(17)).expect("every member has a row").into()
}

/// Goal: nothing is scheduled that changes nothing. Method: after the first checks there is no
/// next instant, however long it lasts.
#[test]
fn members_start_up_and_unproven_and_settle() {
    let mut balancer = balancer();
    let m1 = balancer.find("web", "m1").expect("it is configured");
    assert_eq!(balancer.eligible("web").len(), 2);
    assert_eq!(balancer.next_due_ms(), Some(0));
    let m2 = balancer.find("web", "m2").expect("it is configured");
    assert_eq!(status(&mut balancer, 0, m1), "UP", "its first check comes at once");
    assert_eq!(status(&mut balancer, 0, m2), "UP 1/3", "its first check comes later");
    balancer.advance(PROVEN_MS);
    assert_eq!(status(&mut balancer, PROVEN_MS, m2), "UP");
    assert_eq!(balancer.next_due_ms(), None);
}

/// Goal: verdicts take `fall` and `rise` checks, at each member's own instants. Method: four
/// members share one interval of 2 s, so m2 of the first pool is checked at 500 ms and so on.
#[test]
fn verdicts_follow_fall_and_rise_at_the_members_own_instants() {
    let mut balancer = proven();
    let m2 = balancer.find("web", "m2").expect("it is configured");
    balancer.set_answer(10_000, "fe-2", CheckAnswer::Error(503));
    assert_eq!(balancer.next_due_ms(), Some(10_500));
    assert_eq!(status(&mut balancer, 10_500, m2), "UP 2/3");
    assert_eq!(status(&mut balancer, 12_500, m2), "UP 1/3");
    assert_eq!(balancer.take_events(), []);
    balancer.advance(14_499);
    assert!(balancer.member(m2).up());
    balancer.advance(14_500);
    assert!(!balancer.member(m2).up());
    let down = Event::MemberOper {
        node: "lb-1".into(),
        pool: "web".into(),
        member: "m2".into(),
        up: false,
    };
    assert_eq!(balancer.take_events(), [down]);
    balancer.set_answer(20_000, "fe-2", CheckAnswer::Ok);
    assert_eq!(status(&mut balancer, 20_500, m2), "DOWN 1/2");
    assert_eq!(status(&mut balancer, 22_500, m2), "UP");
}

/// Goal: load turns a member only by its checks, one after the other, and is asked for no longer than
/// it is told. Method: m2 of the specimen is late for three checks, then easy again.
#[test]
fn load_turns_a_member_by_its_checks_and_back() {
    let mut balancer = proven();
    let m2 = balancer.find("web", "m2").expect("it is configured");
    balancer.set_strain(10_000, "fe-2", Some(CheckAnswer::Ok));
    assert_eq!(balancer.next_due_ms(), Some(10_500), "each check is asked for");
    // Told at the instant of a check, before it: it counts for that check.
    balancer.set_strain(10_500, "fe-2", Some(CheckAnswer::NoAnswer));
    assert_eq!(status(&mut balancer, 10_500, m2), "UP 2/3");
    assert_eq!(status(&mut balancer, 14_500, m2), "DOWN");
    assert!(balancer.command(14_500, "show stat web 4 2").contains("L7TOUT,,2000"));
    balancer.set_strain(15_000, "fe-2", None);
    assert_eq!(status(&mut balancer, 18_500, m2), "UP");
    balancer.advance(30_000);
    assert_eq!(balancer.next_due_ms(), None);
}

/// Goal: another reason for being down shows, though the verdict stays.
#[test]
fn a_new_reason_of_a_member_that_is_down_shows_at_its_next_check() {
    let mut balancer = proven();
    balancer.set_answer(2_000, "fe-1", CheckAnswer::Error(503));
    balancer.advance(60_000);
    assert_eq!(balancer.next_due_ms(), None);
    balancer.set_answer(60_000, "fe-1", CheckAnswer::NoConnection);
    let before = balancer.command(61_999, "show stat web 4 1");
    let after = balancer.command(62_000, "show stat web 4 1");
    assert!(before.contains("L7STS,503") && !before.contains("L4CON"), "{before}");
    assert!(after.contains("L4CON,,") && !after.contains("L7STS"), "{after}");
}

/// Goal: maintenance stops checks; ready is optimistic; one failed check ends the optimism.
#[test]
fn ready_after_maintenance_believes_until_the_first_check() {
    let mut balancer = proven();
    let m1 = balancer.find("web", "m1").expect("it is configured");
    balancer.command(10_000, "set server web/m1 state maint");
    balancer.set_answer(10_100, "fe-1", CheckAnswer::NoConnection);
    balancer.advance(60_000);
    assert_eq!(balancer.member(m1).check.failed, 0, "no check ran in maintenance");
    balancer.take_events();
    balancer.command(60_100, "set server web/m1 state ready");
    assert_eq!(balancer.eligible("web").len(), 2);
    assert_eq!(status(&mut balancer, 60_100, m1), "UP 1/3");
    balancer.advance(62_000);
    assert_eq!(status(&mut balancer, 62_000, m1), "DOWN");
    let told = balancer.take_events();
    assert!(matches!(told[0], Event::MemberAdmin { admin: 0, .. }), "{told:?}");
    assert!(matches!(told[1], Event::MemberOper { up: true, .. }), "{told:?}");
    assert!(matches!(told[2], Event::MemberOper { up: false, .. }), "{told:?}");
    assert_eq!(told.len(), 3);
}

/// Goal: a reload loses what was set by command, tells so, and believes everybody again.
#[test]
fn a_reload_forgets_and_tells() {
    let mut balancer = proven();
    let m1 = balancer.find("web", "m1").expect("it is configured");
    let life = balancer.life();
    balancer.command(3_000, "set server web/m1 state drain;set server web/m1 weight 5");
    balancer.set_answer(3_000, "fe-2", CheckAnswer::NoConnection);
    balancer.counters_mut(m1).arrivals = 7;
    balancer.advance(60_000);
    balancer.take_events();
    balancer.reload(60_000);
    assert_ne!(balancer.life(), life);
    assert_eq!(balancer.member(m1).counters.arrivals, 0);
    assert_eq!(balancer.eligible("web").len(), 2, "also the broken one is believed");
    let told = balancer.take_events();
    assert_eq!(told[0], Event::Reloaded { node: "lb-1".into() });
    assert!(matches!(told[1], Event::MemberAdmin { admin: 0, .. }), "{told:?}");
    assert!(matches!(told[2], Event::MemberWeight { weight: 10, .. }), "{told:?}");
    balancer.advance(70_000);
    assert_eq!(balancer.eligible("web"), [m1], "one failed check was enough");
}

/// Goal: `shutdown sessions` cuts and counts once; what was cut, or began in an earlier process,
/// ends without a trace.
#[test]
fn what_was_cut_or_outlived_its_process_counts_once() {
    let mut balancer = proven();
    let m1 = balancer.find("web", "m1").expect("it is configured");
    balancer.command(3_000, "set server web/m2 state drain");
    balancer.take_events();
    let (first, mut cut_first) = balancer.begin("web", 3_000).expect("m1 is eligible");
    balancer.counters_mut(m1).in_flight += 4; // a traffic model's
    balancer.command(3_100, "shutdown sessions server web/m1");
    assert_eq!(cut_first.try_recv(), Ok(()));
    let told = balancer.take_events();
    assert!(matches!(told[..], [Event::MemberCut { requests: 5, .. }]), "{told:?}");
    balancer.finish(&first, Outcome::NoAnswer);
    assert_eq!(balancer.member(m1).counters.in_flight, 0);
    assert_eq!(balancer.member(m1).counters.failed_responses, 5);

    let (second, mut cut_second) = balancer.begin("web", 3_200).expect("m1 is eligible");
    balancer.reload(3_300);
    let (third, _cut) = balancer.begin("web", 3_400).expect("all are eligible");
    assert!(cut_second.try_recv().is_err(), "nobody can cut it any more");
    balancer.finish(&second, Outcome::Answer(200));
    let in_flight: u64 = balancer.members().map(|m| m.counters.in_flight).sum();
    assert_eq!(in_flight, 1, "the third is on its way");
    balancer.finish(&third, Outcome::Answer(500));
    let errors: u64 = balancer.members().map(|m| m.counters.errors).sum();
    assert_eq!(errors, 1);
}

/// Goal: a pool with `cut_when_down` cuts when a check takes a member down, the other does not.
#[test]
fn going_down_cuts_where_the_pool_says_so() {
    let mut balancer = proven();
    for pool in ["web", "cutting"] {
        let m1 = balancer.find(pool, "m1").expect("it is configured");
        balancer.counters_mut(m1).in_flight = 3;
    }
    balancer.set_answer(2_000, "fe-1", CheckAnswer::NoConnection);
    balancer.advance(60_000);
    let told = balancer.take_events();
    let cuts: Vec<_> = told.iter().filter(|e| matches!(e, Event::MemberCut { .. })).collect();
    assert!(
        matches!(&cuts[..], [Event::MemberCut { pool, requests: 3, .. }] if pool == "cutting"),
        "{told:?}"
    );
}

/// Goal: requests follow the weights, and nobody waits for longer than a round.
#[test]
fn picks_follow_the_weights() {
    let mut balancer = proven();
    balancer.command(3_000, "set server web/m2 weight 30");
    let picks: Vec<_> = (0..400).map(|_| balancer.pick("web").expect("both serve").0).collect();
    assert_eq!(picks.iter().filter(|&&i| i == 0).count(), 100);
    assert!(picks.windows(4).all(|round| round.contains(&0)));
    balancer.command(3_000, "set server web/m2 weight 0");
    assert_eq!(balancer.pick("web"), Some(MemberIndex(0)));
    balancer.command(3_000, "set server web/m1 state drain");
    assert_eq!(balancer.pick("web"), None);
    assert_eq!(balancer.pick("nowhere"), None);
}

/// Goal: whoever caches on `generation` is never wrong, events tell every change, and time alone
/// settles everything. Method: 20,000 commands and truths in an order that a small generator
/// draws; after each, what is cached and what was told are compared with the state.
#[test]
fn caches_and_events_never_miss_a_change() {
    let mut balancer = proven();
    let mut state = 4_711_u64;
    let mut draw = |of: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) % of
    };
    let mut now_ms = PROVEN_MS;
    let mut cached = (balancer.generation(), balancer.eligible("web"));
    let mut told: Vec<(u16, bool, u32)> = vec![(0, true, 10); 4];
    for _ in 0..20_000 {
        now_ms += draw(3_000);
        let target = format!("{}/m{}", ["web", "cutting"][draw(2) as usize], 1 + draw(2));
        let server = format!("fe-{}", 1 + draw(2));
        match draw(12) {
            0 => drop(balancer.command(now_ms, &format!("set server {target} state maint"))),
            1 => drop(balancer.command(now_ms, &format!("set server {target} state drain"))),
            2 | 3 => drop(balancer.command(now_ms, &format!("set server {target} state ready"))),
            4 => drop(balancer.command(now_ms, &format!("set server {target} health down"))),
            5 => drop(balancer.command(now_ms, &format!("set server {target} health stopping"))),
            6 => drop(balancer.command(now_ms, &format!("set server {target} weight 0"))),
            7 => drop(balancer.command(now_ms, &format!("set server {target} weight 100%"))),
            8 => balancer.set_answer(now_ms, &server, CheckAnswer::NoConnection),
            9 => balancer.set_answer(now_ms, &server, CheckAnswer::Ok),
            10 if draw(50) == 0 => balancer.reload(now_ms),
            _ => balancer.advance(now_ms),
        }
        let eligible = balancer.eligible("web");
        if balancer.generation() == cached.0 {
            assert_eq!(eligible, cached.1, "at {now_ms}");
        }
        cached = (balancer.generation(), eligible);
        for event in balancer.take_events() {
            apply(&mut told, &balancer, &event);
        }
        for (member, told) in balancer.members().zip(&told) {
            assert_eq!((member.admin, member.up(), member.weight), *told, "at {now_ms}");
        }
    }
    balancer.advance(now_ms + 20 * TIMING.interval_ms);
    assert_eq!(balancer.next_due_ms(), None, "everything settles");
    for member in balancer.members().filter(|m| m.admin & super::MAINT == 0) {
        assert_eq!(member.oper == Oper::Running, member.check.answer.passes());
    }
}

fn apply(told: &mut [(u16, bool, u32)], balancer: &Balancer, event: &Event) {
    let place = |pool: &str, member: &str| balancer.find(pool, member).expect("it is configured").0;
    match event {
        Event::MemberAdmin { pool, member, admin, .. } => told[place(pool, member)].0 = *admin,
        Event::MemberOper { pool, member, up, .. } => told[place(pool, member)].1 = *up,
        Event::MemberWeight { pool, member, weight, .. } => told[place(pool, member)].2 = *weight,
        _ => {}
    }
}
