//! What the users' requests cost: requests a second on one core, each with its exact fate.
//!
//! | name | what | goal |
//! |---|---|---|
//! | `engine` | eight front-ends of 40 requests a second at 80 % of their capacity, in turns, advanced second by second | 10 million requests/s |
//! | `overloaded` | the same with twice the users: queues, refusals, late answers | |
//! | `fewest` | as `engine`, by fewest connections instead of in turns | |
//! | `retail` | the farm that every figure is measured on: two zones, 16 front-ends, each node's pools | |
//! | `lindley` | beside it, a bare Lindley recursion: as many workers in as many heaps, gaps and times drawn before, nothing else | |
//!
//! ```text
//! cargo bench --bench traffic
//! cargo bench --bench traffic -- engine
//! ```
#[path = "support/specimen.rs"]
mod specimen;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use evenkeel_fakes::spec::Spec;
use evenkeel_sim::random::Keyed;
use evenkeel_sim::traffic::{Balancing, PoolLoad, Traffic, TrafficSpec, UsersTruth};

use specimen::farm;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulated seconds of one measurement.
const SECONDS: u64 = 400;
const FRONT_ENDS: usize = 8;
const CAPACITY_RPS: u32 = 40;
/// Workers of a front-end of 40 requests a second by default.
const WORKERS: usize = 11;
/// Of the eight at 80 % of their capacity.
const RPS: u32 = 256;
/// Draws that the bare recursion takes in turns: more than a first-level cache would hold is what
/// nobody has to fetch in a model that draws.
const DRAWS: usize = 1 << 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("traffic");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    let fewest = PoolLoad { balancing: Balancing::LeastConnections, ..PoolLoad::default() };
    let specimens = [
        ("engine", farm(FRONT_ENDS, RPS, CAPACITY_RPS), PoolLoad::default()),
        ("overloaded", farm(FRONT_ENDS, 2 * RPS, CAPACITY_RPS), PoolLoad::default()),
        ("fewest", farm(FRONT_ENDS, RPS, CAPACITY_RPS), fewest),
        ("retail", retail(), PoolLoad::default()),
    ];
    for (name, spec, pool) in specimens {
        let traffic = traffic(&spec, pool);
        let requests = run(traffic.clone());
        group.throughput(Throughput::Elements(requests));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| traffic.clone(), run, BatchSize::LargeInput);
        });
    }
    let requests = u64::from(RPS) * SECONDS;
    group.throughput(Throughput::Elements(requests));
    let draws = draws();
    group
        .bench_function("lindley", |bencher| bencher.iter(|| lindley(black_box(&draws), requests)));
    group.finish();
    criterion.final_summary();
}

fn retail() -> Spec {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/retail.farm.toml");
    let text = std::fs::read_to_string(path).expect("the scenario is in the checkout");
    toml::from_str(&text).expect("the scenario's farm is a farm")
}

/// Everybody eligible.
fn traffic(spec: &Spec, pool: PoolLoad) -> Traffic {
    let mut load = TrafficSpec::of(spec, &UsersTruth::default());
    load.pools = spec.pools.iter().map(|it| (it.name.clone(), pool)).collect();
    let mut traffic = Traffic::with(spec, &load, |zone| Keyed::new(1).stream("traffic", zone));
    let mut cell = 0;
    while traffic.name_of(cell).is_some() {
        traffic.set_weight(cell, 100);
        cell += 1;
    }
    traffic
}

/// Requests that have their fate in the end.
fn run(mut traffic: Traffic) -> u64 {
    for second in 1..=SECONDS {
        traffic.advance(second * 1_000);
    }
    traffic.fates().ended()
}

/// (gap, time) in nanoseconds, uniform about their means: the recursion does not care.
fn draws() -> Vec<(u64, u64)> {
    let mut stream = Keyed::new(1).stream("bench", "lindley");
    let gap_ns = 1_000_000_000 / u64::from(RPS);
    (0..DRAWS).map(|_| (stream.below(2 * gap_ns), stream.below(436_000_000))).collect()
}

/// Each server's workers in a heap, servers in turn: how long all requests waited together.
fn lindley(draws: &[(u64, u64)], requests: u64) -> u64 {
    let mut servers = vec![BinaryHeap::from(vec![Reverse(0_u64); WORKERS]); FRONT_ENDS];
    let (mut at_ns, mut waited_ns) = (0, 0);
    for n in 0..requests as usize {
        let (gap_ns, takes_ns) = draws[n % DRAWS];
        at_ns += gap_ns;
        let mut free = servers[n % FRONT_ENDS].peek_mut().expect("a server has workers");
        let start_ns = at_ns.max(free.0);
        waited_ns += start_ns - at_ns;
        *free = Reverse(start_ns + takes_ns);
    }
    waited_ns
}
