//! The queue against what theory says of it, with fixed seeds and stated tolerances.
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::ledger::Event;
use evenkeel_fakes::spec::Spec;
use evenkeel_fakes::truth::Truth;

use crate::random::Keyed;

use super::server::{End, Server};
use super::service::Sampler;
use super::*;

/// Mean service time: 100 ms.
const MEAN_MS: u64 = 100;

/// What a queue did to so many requests.
#[derive(Debug)]
struct Measured {
    waited: f64,
    mean_wait_s: f64,
    blocked: f64,
}

/// Poisson arrivals at so many Erlangs, exponential service, so many workers and places in the
/// queue: an M/M/c/K with K = workers + places.
fn measure(workers: u32, places: u32, erlangs_percent: u64, requests: u64) -> Measured {
    let limits = Limits {
        queue_max: places,
        wait_ms_max: u64::MAX,
        answer_ms_max: u64::MAX,
        held_ms_max: u64::MAX,
        slow_ms: u64::MAX,
        cold: ColdStart::default(),
    };
    let mut server = Server::new(&ServerSpec { workers, limits });
    // In slots of 100 s, each with so many requests on average.
    let curve = RateCurve::slots(100_000, vec![100_000 / MEAN_MS * erlangs_percent / 100]);
    let mut arrivals = arrivals::Arrivals::new(&curve.expect("a curve"), 0).expect("a load");
    let times = Sampler::new(&ServiceTimes::Exponential { mean_ms: MEAN_MS, long: None });
    let mut stream = Keyed::new(11).stream("queue", "test");
    let (mut waited, mut wait_ns, mut blocked) = (0_u64, 0, 0_u64);
    for _ in 0..requests {
        let (at_ns, bits) = arrivals.next(&mut stream);
        let takes_ns = times.at(bits);
        match server.receive(at_ns, takes_ns) {
            Some((ends_ns, End::Served)) => {
                let wait = ends_ns - takes_ns - at_ns;
                waited += u64::from(wait > 0);
                wait_ns += wait;
            }
            Some((_, end)) => panic!("{end:?} without a bound"),
            None => blocked += 1,
        }
    }
    let served = (requests - blocked) as f64;
    Measured {
        waited: waited as f64 / served,
        mean_wait_s: wait_ns as f64 / served / 1e9,
        blocked: blocked as f64 / requests as f64,
    }
}

/// Erlang B by its recursion: the part of requests that finds all workers busy and is lost.
fn erlang_b(workers: u32, erlangs: f64) -> f64 {
    (1..=workers).fold(1.0, |b, n| erlangs * b / (f64::from(n) + erlangs * b))
}

/// Erlang C: the part of requests that waits.
fn erlang_c(workers: u32, erlangs: f64) -> f64 {
    let b = erlang_b(workers, erlangs);
    b / (1.0 - erlangs / f64::from(workers) * (1.0 - b))
}

/// The part of requests that an M/M/c/K refuses: the probability of its last state.
fn blocking(workers: u32, places: u32, erlangs: f64) -> f64 {
    let mut states = vec![1.0];
    for n in 1..=workers + places {
        let last = states[n as usize - 1];
        states.push(last * erlangs / f64::from(n.min(workers)));
    }
    states[(workers + places) as usize] / states.iter().sum::<f64>()
}

fn close(measured: f64, theory: f64, tolerance: f64, what: &str) {
    assert!(
        (measured / theory - 1.0).abs() < tolerance,
        "{what}: measured {measured:.5}, theory says {theory:.5}"
    );
}

/// Goal: without a bound the queue is Erlang's. Method: two million requests each; the part that
/// waits within 2 %, the mean wait within 5 % (waits are long-tailed and correlated, most at 90 %).
#[test]
fn waits_are_those_of_erlang_c() {
    for (workers, erlangs_percent) in [(1, 50), (4, 300), (16, 1_280), (40, 3_600)] {
        let erlangs = erlangs_percent as f64 / 100.0;
        let measured = measure(workers, u32::MAX, erlangs_percent, 2_000_000);
        let waits = erlang_c(workers, erlangs);
        let mean_wait_s = waits * MEAN_MS as f64 / 1e3 / (f64::from(workers) - erlangs);
        let what = format!("{workers} workers, {erlangs} Erlangs");
        close(measured.waited, waits, 0.02, &what);
        close(measured.mean_wait_s, mean_wait_s, 0.05, &what);
    }
}

/// Goal: a bounded queue refuses what an M/M/c/K does, also far beyond what it can answer. Method:
/// two million requests each; the part that is refused within 3 %.
#[test]
fn refusals_are_those_of_a_bounded_queue() {
    for (workers, places, erlangs_percent) in
        [(1, 3, 80), (4, 0, 300), (8, 8, 800), (16, 50, 2_400)]
    {
        let erlangs = erlangs_percent as f64 / 100.0;
        let measured = measure(workers, places, erlangs_percent, 2_000_000);
        let what = format!("{workers} workers, {places} places, {erlangs} Erlangs");
        close(measured.blocked, blocking(workers, places, erlangs), 0.03, &what);
    }
}

/// One pool of two front-ends with so many requests a second each, on one node.
fn pair(load_rps: u32, capacity_rps: u32) -> Spec {
    let text = format!(
        r#"
        name = "t"
        stack = "dotnet"
        version_from = "11.1.0.1"
        version_to = "11.2.0.1"
        controller = "fe-1"
        service_center = {{ user = "admin" }}
        zone = [ {{ name = "a", public_name = "a.example", load_rps = {load_rps} }} ]
        balancer = [ {{ name = "lb-1", api = "10.0.0.1:9999" }} ]
        pool = [ {{ name = "pa", zone = "a" }} ]
        front_end = [
          {{ name = "fe-1", address = "10.0.1.1", zones = ["a"], capacity_rps = {capacity_rps}, members = {{ pa = "m1" }} }},
          {{ name = "fe-2", address = "10.0.1.2", zones = ["a"], capacity_rps = {capacity_rps}, members = {{ pa = "m2" }} }},
        ]
        "#
    );
    toml::from_str(&text).expect("the specimen is a farm")
}

/// Goal: a capacity of a farm file is what a server answers well. Method: an hour at capacity has no
/// slow request and puts nobody at risk; twice as much has many fates.
#[test]
fn servers_answer_their_capacity_well_and_twice_as_much_badly() {
    let run = |load_rps| {
        let stream = |zone: &str| Keyed::new(5).stream("traffic", zone);
        let mut traffic = Traffic::new(&pair(load_rps, 40), stream);
        (0..2).for_each(|cell| traffic.set_weight(cell, 100));
        let strains: Vec<_> = (1..=360)
            .filter_map(|step| {
                traffic.advance(step * 10_000);
                traffic.strain(0, false, 2_000)
            })
            .collect();
        (traffic.fates(), strains)
    };
    let (fates, strains) = run(80);
    assert_eq!((fates.slow, fates.refused, fates.timed_out), (0, 0, 0), "{fates:?}");
    assert!(fates.served > 280_000 && strains.is_empty(), "{strains:?}");
    let (fates, strains) = run(160);
    assert!(fates.slow > 1_000 && fates.refused > 1_000, "{fates:?}");
    assert!(strains.contains(&Strain::Late) || strains.contains(&Strain::Refused));
}

/// Goal: with fewest connections a slow server gets less, in turns it does not. Method: one of two
/// servers is cold for an hour.
#[test]
fn fewest_connections_spare_a_slow_server() {
    let arrivals_of = |balancing| {
        let spec = pair(40, 90);
        let mut load = TrafficSpec::of(&spec, &UsersTruth::default());
        load.pools.insert("pa".into(), PoolLoad { balancing, ..PoolLoad::default() });
        let cold = ColdStart { extra_percent: 400, falls_over_ms: 36_000_000 };
        load.servers.values_mut().for_each(|server| server.limits.cold = cold);
        let mut traffic = Traffic::with(&spec, &load, |zone| Keyed::new(6).stream("traffic", zone));
        (0..2).for_each(|cell| traffic.set_weight(cell, 100));
        traffic.set_server(0, Answer::Nothing, true);
        traffic.set_server(0, Answer::Page, true);
        traffic.advance(600_000);
        [traffic.tally(0).arrivals, traffic.tally(1).arrivals]
    };
    let [slow, fast] = arrivals_of(Balancing::RoundRobin);
    assert!(slow.abs_diff(fast) <= 1, "{slow} {fast}");
    let [slow, fast] = arrivals_of(Balancing::LeastConnections);
    assert!(slow * 3 < fast * 2, "{slow} {fast}");
}

/// Goal: a member that was down comes to its share step by step. Method: its part in the first and
/// the second minute of a slow start of one.
#[test]
fn member_that_was_down_comes_to_its_share_slowly() {
    let spec = pair(100, 200);
    let mut load = TrafficSpec::of(&spec, &UsersTruth::default());
    load.pools.insert("pa".into(), PoolLoad { slow_start_ms: 60_000, ..PoolLoad::default() });
    let mut traffic = Traffic::with(&spec, &load, |zone| Keyed::new(7).stream("traffic", zone));
    traffic.set_weight(1, 100);
    traffic.comes_up(0);
    traffic.set_weight(0, 100);
    traffic.advance(60_000);
    let first = [traffic.tally(0).arrivals, traffic.tally(1).arrivals];
    traffic.advance(120_000);
    let second = [traffic.tally(0).arrivals - first[0], traffic.tally(1).arrivals - first[1]];
    // The mean of x / (1 + x) over sixteen steps from 1/16 to 15/16 is 0.29.
    let part = first[0] as f64 / (first[0] + first[1]) as f64;
    assert!((0.26..0.32).contains(&part), "{first:?}");
    assert!(second[0].abs_diff(second[1]) <= 2, "{second:?}");
}

/// Goal: in TCP mode a drained member goes on getting requests of those who are connected, until
/// they have been silent. Method: two gaps, one kept and one not, and a drain.
#[test]
fn kept_connections_lead_to_a_drained_member_until_they_end() {
    let spec = pair(50, 90);
    let mut load = TrafficSpec::of(&spec, &UsersTruth::default());
    let keep = PoolLoad { keep_alive_ms: Some(5_000), ..PoolLoad::default() };
    load.pools.insert("pa".into(), keep);
    let zone = load.zones.get_mut("a").expect("the zone");
    zone.gaps = Some(Histogram::new(&[(1_000, 1), (60_000, 1)], &[]).expect("a histogram"));
    let mut traffic = Traffic::with(&spec, &load, |zone| Keyed::new(8).stream("traffic", zone));
    (0..2).for_each(|cell| traffic.set_weight(cell, 100));
    traffic.advance(60_000);
    traffic.set_weight(0, 0);
    let drained = traffic.tally(0).arrivals;
    traffic.advance(61_000);
    let soon = traffic.tally(0).arrivals - drained;
    assert!(soon > 3, "half of 50 requests are of users who are connected: {soon}");
    traffic.advance(180_000);
    let later = traffic.tally(0).arrivals;
    traffic.advance(240_000);
    assert_eq!(traffic.tally(0).arrivals, later, "all connections have moved");
}

/// A farm of two with these users, after ten minutes: when members went down and came up.
fn checks_of(load_rps: u32, stops: &[u64]) -> (Vec<(u64, String, bool)>, Fates, Option<u64>) {
    let spec = pair(load_rps, 40);
    let users = Users::new(Traffic::new(&spec, |zone| Keyed::new(9).stream("traffic", zone)));
    let mut farm = Farm::new(spec, Truth::default(), "secret");
    farm.set_load(users.load());
    stops.iter().for_each(|at_ms| farm.advance(*at_ms));
    farm.advance(600_000);
    let turned = farm.take_entries().into_iter().filter_map(|entry| match entry.event {
        Event::MemberOper { member, up, .. } => Some((entry.at_ms, member, up)),
        _ => None,
    });
    (turned.collect(), users.fates(), farm.next_due_ms())
}

/// Goal: load turns health checks, and back: too many users take a server down, the other gets
/// its users too and follows, and each comes back when its queue is empty. Whoever has no more than
/// his capacity is not even asked. Method: a farm of doubles at capacity and at twice as much; it
/// does not matter when somebody looks.
#[test]
fn overload_turns_health_checks_and_spreads() {
    let (turned, fates, due_ms) = checks_of(80, &[]);
    assert_eq!((turned, due_ms), (Vec::new(), None), "nothing is due, nothing is asked");
    assert_eq!(fates.ended() - fates.served, 0, "{fates:?}");

    let (turned, fates, _) = checks_of(160, &[]);
    let down = |name: &str| turned.iter().find(|(_, it, up)| it == name && !up);
    let (first, second) = (down("m1").expect("m1 goes down"), down("m2").expect("m2 goes down"));
    let later = first.0.max(second.0);
    assert!(
        turned.iter().any(|(at_ms, _, up)| *at_ms > later && *up),
        "they come back: {turned:?}"
    );
    assert!(fates.slow > 0 && fates.refused > 0, "{fates:?}");
    assert_eq!((turned, fates), {
        let (turned, fates, _) = checks_of(160, &[1, 777, 12_345, 100_000, 100_001, 432_100]);
        (turned, fates)
    });
}
