//! What the traffic promises, as properties over random changes and random steps.
use proptest::prelude::*;

use crate::random::Keyed;

use evenkeel_fakes::ledger::ApplicationState;

use super::*;

/// Two zones on two nodes; zone b has two pools with shares 3 : 1.
fn spec(load_rps: u32) -> Spec {
    let text = format!(
        r#"
        name = "t"
        stack = "dotnet"
        version_from = "11.1.0.1"
        version_to = "11.2.0.1"
        controller = "fe-1"
        service_center = {{ user = "admin" }}
        zone = [
          {{ name = "a", public_name = "a.example", load_rps = {load_rps} }},
          {{ name = "b", public_name = "b.example", load_rps = {load_rps} }},
        ]
        balancer = [ {{ name = "lb-1", api = "10.0.0.1:9999" }}, {{ name = "lb-2", api = "10.0.0.2:9999" }} ]
        pool = [
          {{ name = "pa", zone = "a" }},
          {{ name = "pb", zone = "b", load_share = 3 }},
          {{ name = "pc", zone = "b", nodes = ["lb-1"] }},
        ]
        front_end = [
          {{ name = "fe-1", address = "10.0.1.1", zones = ["a", "b"], capacity_rps = 90, members = {{ pa = "m1", pb = "m1", pc = "m1" }} }},
          {{ name = "fe-2", address = "10.0.1.2", zones = ["a"], capacity_rps = 90, members = {{ pa = "m2" }} }},
          {{ name = "fe-3", address = "10.0.1.3", zones = ["b"], capacity_rps = 90, members = {{ pb = "m3", pc = "m3" }} }},
        ]
        "#
    );
    toml::from_str(&text).expect("the specimen is a farm")
}

/// The specimen's traffic, everybody eligible.
fn everybody_eligible(mut traffic: Traffic) -> Traffic {
    for cell in 0..traffic.members.len() {
        traffic.set_weight(cell, 100);
    }
    traffic
}

/// By its farm file alone: servers that have enough workers.
fn traffic(seed: u64) -> Traffic {
    let traffic = Traffic::new(&spec(50), |zone| Keyed::new(seed).stream("traffic", zone));
    everybody_eligible(traffic)
}

/// With everything that there is: a profile with a silent slot and a spike, measured times, fewest
/// connections, kept connections, slow and cold starts, queues that are short and often full.
fn strained_traffic(seed: u64) -> Traffic {
    let spec = spec(50);
    let mut load = TrafficSpec::of(&spec, &UsersTruth::default());
    let zone = load.zones.get_mut("b").expect("a zone of the specimen");
    zone.rate = RateCurve::slots(60_000, vec![3_000, 0, 9_000]).expect("a curve");
    zone.rate.begin_at(0);
    let times = Histogram::new(&[(100, 80), (1_000, 20), (40_000, 1)], &[35_000]);
    zone.service = ServiceTimes::Measured(times.expect("a histogram"));
    zone.gaps = Some(Histogram::new(&[(1_000, 3), (60_000, 1)], &[]).expect("a histogram"));
    for server in load.servers.values_mut() {
        (server.workers, server.limits.queue_max) = (9, 20);
        (server.limits.wait_ms_max, server.limits.slow_ms) = (700, 300);
        server.limits.answer_ms_max = 60_000;
    }
    let fewest = PoolLoad { balancing: Balancing::LeastConnections, ..PoolLoad::default() };
    let pools = [
        ("pa", PoolLoad { slow_start_ms: 20_000, ..fewest }),
        ("pb", PoolLoad { slow_start_ms: 30_000, ..PoolLoad::default() }),
        ("pc", PoolLoad { keep_alive_ms: Some(5_000), ..PoolLoad::default() }),
    ];
    load.pools = pools.map(|(name, pool)| (name.to_owned(), pool)).into();
    let stream = |zone: &str| Keyed::new(seed).stream("traffic", zone);
    everybody_eligible(Traffic::with(&spec, &load, stream))
}

/// A change at an instant.
#[derive(Clone, Debug)]
struct Change {
    at_ms: u64,
    /// A cell, or a server.
    place: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Weight(u32),
    Server(Answer, bool),
    Down(bool),
    ComesUp,
    Cut,
    Hide,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let answer =
        prop::sample::select(vec![Answer::Page, Answer::Page, Answer::Error, Answer::Nothing]);
    let what = prop_oneof![
        prop::sample::select(vec![0, 50, 100]).prop_map(What::Weight),
        (answer, any::<bool>()).prop_map(|(answer, fit)| What::Server(answer, fit)),
        any::<bool>().prop_map(What::Down),
        Just(What::ComesUp),
        Just(What::Cut),
        Just(What::Hide),
    ];
    let change = (0..300_000_u64, 0..10_usize, what).prop_map(|(at_ms, place, what)| Change {
        at_ms,
        place,
        what,
    });
    prop::collection::vec(change, 0..20).prop_map(|mut changes| {
        changes.sort_by_key(|change| change.at_ms);
        changes
    })
}

fn apply(traffic: &mut Traffic, change: &Change) {
    let cell = change.place % traffic.members.len();
    match change.what {
        What::Weight(weight) => traffic.set_weight(cell, weight),
        What::Server(answer, fit) => traffic.set_server(change.place % 3, answer, fit),
        What::Down(down) => traffic.set_down(cell, down),
        What::ComesUp => traffic.comes_up(cell),
        What::Cut => _ = traffic.cut(cell),
        What::Hide => traffic.hide(cell),
    }
}

/// Runs five minutes with changes, and stops on the way at further instants.
fn run(seed: u64, changes: &[Change], stops: &[u64]) -> Traffic {
    let mut traffic = strained_traffic(seed);
    let mut instants: Vec<u64> =
        stops.iter().copied().chain(changes.iter().map(|change| change.at_ms)).collect();
    instants.sort_unstable();
    let mut left = changes.iter().peekable();
    for at_ms in instants {
        traffic.advance(at_ms);
        while let Some(change) = left.next_if(|change| change.at_ms == at_ms) {
            apply(&mut traffic, change);
        }
    }
    traffic.advance(300_000);
    traffic
}

/// All fates; of each member what it got, what it has in flight, and when it last got something.
type Counters = (Fates, Vec<(Tally, u64, u64)>);

fn counters(traffic: &Traffic) -> Counters {
    let members = (0..traffic.members.len())
        .map(|cell| (traffic.tally(cell), traffic.in_flight(cell), traffic.last_arrival_ms(cell)))
        .collect();
    (traffic.fates(), members)
}

/// Requests that came in five minutes, whatever became of them.
fn requests(seed: u64) -> u64 {
    let mut zones = strained_traffic(seed).zones;
    let until_ns = 300_000 * NS_PER_MS;
    let of = |zone: &mut ZoneRequests| std::iter::from_fn(|| zone.next_before(until_ns)).count();
    zones.iter_mut().map(of).sum::<usize>() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Goal: what becomes of a request does not depend on how far the clock moves at a time.
    /// Method: the same changes, in one go and with up to 1,000 stops on the way.
    #[test]
    fn fates_are_the_same_whatever_the_steps(
        seed: u64,
        changes in changes(),
        stops in prop::collection::vec(0..300_000_u64, 0..1_000),
    ) {
        prop_assert_eq!(
            counters(&run(seed, &changes, &[])),
            counters(&run(seed, &changes, &stops))
        );
    }

    /// Goal: no request is lost or counted twice. Method: requests that came against fates and what
    /// is still in flight, and members' tallies against fates, after random changes.
    #[test]
    fn every_request_has_exactly_one_fate(seed: u64, changes in changes()) {
        let traffic = run(seed, &changes, &[]);
        let (fates, members) = counters(&traffic);
        let in_flight: u64 = (0..members.len()).map(|cell| traffic.unanswered(cell)).sum();
        prop_assert_eq!(requests(seed), fates.ended() + in_flight);
        let sum = |of: fn(&Tally) -> u64| members.iter().map(|(tally, ..)| of(tally)).sum::<u64>();
        prop_assert_eq!(sum(|it| it.errors), fates.failed);
        prop_assert!(sum(|it| it.refused) <= fates.refused);
        // Those in a process that was replaced are counted by nobody.
        prop_assert!(sum(|it| it.given_up + it.overrun) <= fates.timed_out);
        prop_assert!(sum(|it| it.failed_connections + it.failed_responses) <= fates.cut);
    }
}

/// Goal: the properties above are about all fates. Method: the strained specimen has each of them.
#[test]
fn strained_specimen_has_every_fate() {
    let off = Change { at_ms: 100_000, place: 0, what: What::Server(Answer::Nothing, false) };
    let broken = Change { at_ms: 200_000, place: 1, what: What::Server(Answer::Error, true) };
    let fates = run(1, &[off, broken], &[]).fates();
    let Fates { served, slow, refused, timed_out, failed, cut, met_upgrade } = fates;
    let all = [served, slow, refused, timed_out, failed, cut, met_upgrade];
    assert!(all.iter().all(|count| *count > 0), "{fates:?}");
}

/// Goal: a drained member gets nothing and runs empty; the others share its requests evenly.
/// Method: drain one of three members of a lane group and look again after the longest request.
#[test]
fn drained_member_gets_nothing_and_runs_empty() {
    let mut traffic = traffic(1);
    traffic.advance(60_000);
    let cell = traffic.cell("lb-1", "pa", "m1").expect("a member of the specimen");
    assert!(traffic.in_flight(cell) > 0, "12 requests/s, 1 % of them long, leave some in flight");
    traffic.set_weight(cell, 0);
    let arrivals = traffic.tally(cell).arrivals;
    traffic.advance(60_000 + 90_000);
    assert_eq!((traffic.tally(cell).arrivals, traffic.in_flight(cell)), (arrivals, 0));
    assert_eq!(traffic.fates().cut + traffic.fates().refused + traffic.fates().met_upgrade, 0);
}

/// Goal: requests follow the shares. Method: compare arrivals of pools with shares 3 : 1.
#[test]
fn pools_get_their_shares_and_members_their_turns() {
    let mut traffic = traffic(2);
    traffic.advance(600_000);
    let of = |node, pool, member| {
        traffic.tally(traffic.cell(node, pool, member).expect("a member of the specimen")).arrivals
    };
    let pb: u64 =
        ["lb-1", "lb-2"].iter().map(|node| of(node, "pb", "m1") + of(node, "pb", "m3")).sum();
    let pc = of("lb-1", "pc", "m1") + of("lb-1", "pc", "m3");
    assert!(pb.abs_diff(3 * pc) <= 6, "{pb} against {pc}");
    assert!(of("lb-1", "pa", "m1").abs_diff(of("lb-1", "pa", "m2")) <= 1, "members take turns");
}

/// Goal: a farm with nobody eligible refuses, and one without load does nothing.
#[test]
fn nobody_eligible_refuses_and_no_load_is_silence() {
    let mut traffic = traffic(3);
    for cell in 0..traffic.members.len() {
        traffic.set_weight(cell, 0);
    }
    traffic.advance(10_000);
    assert!(traffic.fates().refused > 500 && traffic.fates().served == 0);
    let mut silent = Traffic::new(&spec(0), |zone| Keyed::new(1).stream("traffic", zone));
    silent.advance(3_600_000);
    assert_eq!(silent.fates(), Fates::default());
}

/// Goal: the doubles show what the traffic did, through drains, cuts and reloads. Method: a farm of
/// the specimen with this load; compare the balancer's counters with the traffic's own.
#[test]
fn balancers_show_exactly_what_the_traffic_did() {
    use evenkeel_fakes::balancer::{Balancer, CheckTiming, MemberIndex, MemberSetup, PoolSetup};

    let member = |n: u32| MemberSetup {
        name: format!("m{n}"),
        server: format!("fe-{n}"),
        weight: 100,
        address: format!("10.0.1.{n}:80"),
    };
    let pool = |name: &str, members: Vec<MemberSetup>| PoolSetup {
        name: name.into(),
        health_check: true,
        cut_when_down: false,
        members,
    };
    let timing = CheckTiming { interval_ms: 2_000, fall: 3, rise: 2 };
    let pools = |with_pc: bool| {
        let mut pools =
            vec![pool("pa", vec![member(1), member(2)]), pool("pb", vec![member(1), member(3)])];
        pools.extend(with_pc.then(|| pool("pc", vec![member(1), member(3)])));
        pools
    };
    let mut nodes = BTreeMap::from([
        ("lb-1".to_owned(), Balancer::new("lb-1", pools(true), timing, 0)),
        ("lb-2".to_owned(), Balancer::new("lb-2", pools(false), timing, 0)),
    ]);
    let users = Users::new(Traffic::new(&spec(50), |zone| Keyed::new(4).stream("traffic", zone)));
    let mut load = users.load();
    load.advance(60_000, &mut nodes);
    let index = nodes["lb-1"].find("pa", "m1").expect("a member");
    let before = nodes["lb-1"].member(index).counters;
    assert!(before.arrivals > 500 && before.in_flight > 0, "{before:?}");

    // The server goes down: what is in flight breaks, what follows gets no connection.
    users.server_changed("fe-1", ApplicationState::Off, true);
    load.advance(61_000, &mut nodes);
    let counters = nodes["lb-1"].member(index).counters;
    assert_eq!((counters.in_flight, counters.failed_responses), (0, before.in_flight));
    assert_eq!(counters.failed_connections, counters.arrivals - before.arrivals);

    // Another process: counters begin at zero, and what is in flight in the old one is not seen.
    let other = nodes["lb-1"].find("pa", "m2").expect("a member");
    assert!(nodes["lb-1"].member(other).counters.in_flight > 0);
    nodes.get_mut("lb-1").expect("a node").reload(61_000);
    load.advance(61_000, &mut nodes);
    assert_eq!(nodes["lb-1"].member(other).counters.in_flight, 0);
    load.advance(62_000, &mut nodes);
    let after = nodes["lb-1"].member(MemberIndex(other.0)).counters;
    assert!((1..60).contains(&after.arrivals), "a second's worth: {after:?}");
    let (fates, _) = counters_of(&users);
    assert_eq!((fates.refused, fates.met_upgrade), (0, 0));
}

fn counters_of(users: &Users) -> Counters {
    counters(&users.traffic())
}

/// Goal: a run begins while users are at work. Method: requests in flight at the first instant, and
/// an hour later: those of 100 requests a second that take 0.8 s on average, within four standard
/// deviations. The day's rates are not moved by that.
#[test]
fn a_run_begins_while_users_are_at_work() {
    let spec = spec(50);
    let load = TrafficSpec::of(&spec, &UsersTruth::default()).going_on();
    let stream = |zone: &str| Keyed::new(11).stream("traffic", zone);
    let mut traffic = everybody_eligible(Traffic::with(&spec, &load, stream));
    for at_ms in [0, 3_600_000] {
        traffic.advance(at_ms);
        let in_flight: u64 = (0..traffic.members.len()).map(|cell| traffic.in_flight(cell)).sum();
        assert!(in_flight.abs_diff(80) < 36, "{in_flight} at {at_ms} ms");
    }
    let hour = Traffic::with(&spec, &load, stream).next_change_ms();
    assert_eq!(hour, Traffic::new(&spec, stream).next_change_ms());
}
