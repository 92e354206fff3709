//! How long the orchestrator needs to notice, as multiples of the poll interval, and how fast a sweep is.
//!
//! | name | what |
//! |---|---|
//! | `delays` | on `retail` under its load, for poll intervals while draining of 0.5, 1, 2 and 5 s: from the last answer of a drained server to *quiet* (less the quiet window), from the last deployment thread's rest to *deployed* (less the idle window), from a server's death in rotation to its last member out of it, or to a hold |
//! | `sweep` | settings × seeds a second on `tiny`, one core |
//!
//! Of *deployed* the median says how long noticing takes: a server of an early stage has rested long
//! before the threads of the last are read, and its delay is the wait for the others.
//!
//! What is measured is simulated time but for the speed of the sweep: it is the same on every machine.
//!
//! ```text
//! cargo bench --bench tuning                all of it, then the sweep in criterion's way
//! cargo bench --bench tuning -- delays      one of them
//! EVENKEEL_BENCH_SEEDS=40 cargo bench --bench tuning -- delays
//! ```
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;

use criterion::{Criterion, SamplingMode};
use evenkeel_sim::nemesis::{Choice, Source};
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::tune::delays::{Delays, Stopwatch};
use evenkeel_sim::tune::grid::{Grid, Timing, Words};
use evenkeel_sim::tune::{Sweep, Tuning};
use evenkeel_sim::world::{Order, rehearse};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Poll intervals while draining.
const POLLS_MS: [u64; 4] = [500, 1_000, 2_000, 5_000];
/// Seeds of each, unless `EVENKEEL_BENCH_SEEDS` says another number: dozens of drains, and
/// about as many deployments.
const SEEDS: u64 = 4;
/// Sweeps of `tiny`: the median of five survives two disturbed ones.
const SWEEPS: usize = 5;

fn main() {
    // What criterion takes for a filter of its own benchmarks chooses among ours too.
    let chosen = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let wanted = |name: &str| chosen.as_ref().is_none_or(|chosen| name.contains(chosen.as_str()));
    if wanted("delays") {
        delays();
    }
    let tiny = scenario("tiny");
    if wanted("sweep") {
        speed(&tiny);
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("tuning");
    // A sweep is long and always the same: ten of them, and no statistics over their number.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("tiny", |bencher| bencher.iter(|| sweep(&tiny)));
    group.finish();
    criterion.final_summary();
}

fn scenario(name: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Scenario::load(&root.join(format!("scenarios/{name}.toml"))).expect("it can be rehearsed")
}

fn delays() {
    let seeds = std::env::var("EVENKEEL_BENCH_SEEDS").ok();
    let seeds = seeds.map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds"));
    let retail = scenario("retail");
    for poll_ms in POLLS_MS {
        let with = polled(&retail, poll_ms);
        let policy = &with.plan.farm.policy;
        let undisturbed = measured(&with, seeds, &Choice::None);
        let deaths: Choice = "front-end-crash".parse().expect("a kind of faults");
        let disturbed = measured(&with, seeds, &deaths);
        println!(
            "retail, a balancer read every {poll_ms} ms while draining, every {} ms else; jobs every {} ms",
            policy.balancer_poll_ms, policy.jobs_poll_ms
        );
        // Less the windows, in which nothing is waited for but that nothing comes.
        let quiet = less(&undisturbed.quiet_ms, policy.quiet_window_ms);
        tell("last answer to quiet, over the window", &quiet, poll_ms);
        let deployed = less(&undisturbed.deployed_ms, policy.idle_window_ms);
        tell("last thread's rest to deployed, over the window", &deployed, policy.jobs_poll_ms);
        tell(
            "death to out of rotation, or to a hold",
            &disturbed.death_ms,
            policy.balancer_poll_ms,
        );
    }
}

/// The farm with another poll interval, and the calm one with it.
fn polled(scenario: &Scenario, poll_ms: u64) -> Scenario {
    let mut farm = scenario.plan.farm.clone();
    let calm_poll_ms =
        poll_ms * farm.policy.balancer_poll_ms / farm.policy.balancer_poll_draining_ms;
    let timing = Timing { poll_ms, calm_poll_ms, ..Timing::present(&farm.policy) };
    farm.policy = timing.policy(&farm.policy);
    scenario.with_farm(farm).expect("timing makes no plan unsafe")
}

fn measured(scenario: &Scenario, seeds: u64, faults: &Choice) -> Delays {
    let mut all = Delays::default();
    for seed in 0..seeds {
        let stopwatch = Stopwatch::default();
        let source = Source::Drawn(faults.clone());
        let witness = Some(Box::new(stopwatch.clone()) as _);
        let _outcome = rehearse(Order { witness, ..Order::new(scenario, seed, &source) });
        let Delays { quiet_ms, deployed_ms, death_ms } = stopwatch.delays();
        all.quiet_ms.extend(quiet_ms);
        all.deployed_ms.extend(deployed_ms);
        all.death_ms.extend(death_ms);
    }
    all
}

fn less(delays_ms: &[u64], window_ms: u64) -> Vec<u64> {
    delays_ms.iter().map(|ms| ms.saturating_sub(window_ms)).collect()
}

fn tell(what: &str, delays_ms: &[u64], poll_ms: u64) {
    if delays_ms.is_empty() {
        println!("  {what}: it never happened");
        return;
    }
    let mut sorted = delays_ms.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| sorted[(sorted.len() - 1) * share / 100];
    let polls = |ms: u64| ms as f64 / poll_ms as f64;
    println!(
        "  {what}: median {} ms, 95 % {} ms, most {} ms: {:.2}, {:.2}, {:.2} polls of {poll_ms} ms ({} times)",
        at(50),
        at(95),
        at(100),
        polls(at(50)),
        polls(at(95)),
        polls(at(100)),
        sorted.len()
    );
}

fn sweep(tiny: &Scenario) -> Tuning {
    let words = Words {
        drain: Some("120000,60000:cut"),
        poll_ms: Some("1000,2000"),
        quiet_ms: Some("2000,5000"),
        ..Words::default()
    };
    let grid = Grid::read(&words, &tiny.plan.farm.policy).expect("valid values");
    let sweep = Sweep {
        scenario: tiny,
        grid: &grid,
        faults: Choice::Light,
        seed_first: 0,
        seeds: NonZeroU64::new(4).expect("four"),
        jobs: NonZeroUsize::MIN,
    };
    sweep.run(|_| ()).expect("valid values")
}

fn speed(tiny: &Scenario) {
    let mut paces: Vec<f64> = (0..SWEEPS)
        .map(|_| {
            let begun = wall_clock();
            let tuning = sweep(tiny);
            let pairs: usize = tuning.swept.iter().map(|it| it.runs.load.len()).sum();
            pairs as f64 / begun.elapsed().as_secs_f64()
        })
        .collect();
    paces.sort_by(f64::total_cmp);
    println!(
        "sweep of tiny on one core: {:.1} settings × seeds a second, each without faults and with",
        paces[SWEEPS / 2]
    );
}

#[allow(clippy::disallowed_methods)] // a benchmark is about real time
fn wall_clock() -> std::time::Instant {
    std::time::Instant::now()
}
