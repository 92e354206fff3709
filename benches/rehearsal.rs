//! What a rehearsal costs, on the farm that every figure is measured on: `retail`.
//!
//! | name | what | goal |
//! |---|---|---|
//! | `speed` | simulated time over wall time without faults, one core, at no less than one exchange a simulated second (below that it would be a figure about idling, and the benchmark fails); beside it the umbrella crate `turmoil` | 20,000 |
//! | `doubled` | the same with every duration doubled: cost follows events, not time | at most 1.2 times the cost |
//! | `busy` | `retail` with 2,000 users' requests a second, each with its exact fate: wall time of a run without faults | 2.5 s |
//! | `faults` | runs a second with `--faults full`, one core | 4 |
//! | `campaign` | `--faults full` on two cores: time for 1,000 seeds, and the most memory the process had | 130 s, 200 MB |
//! | `growth` | cost of an event (a packet, a change, a record, a fault) on farms of 4, 16, 64 and 256 front-ends | at most 2 times as much on the largest |
//!
//! `turmoil` ticks every millisecond whether anything happens or not. It is given as many hosts and
//! exchanges; only bare exchanges are made there: nobody decides, no user is modelled, no invariant
//! is checked.
//!
//! ```text
//! cargo bench --bench rehearsal                    all of them, then `retail` in criterion's way
//! cargo bench --bench rehearsal -- growth          one of them
//! EVENKEEL_BENCH_SEEDS=1000 cargo bench --bench rehearsal -- campaign      all 1,000 seeds
//! ```
//!
//! Goals are told and not asserted where the machine may be what misses them: it may be slow, busy,
//! or short of cache.
#[path = "support/farms.rs"]
mod farms;
#[path = "support/figures.rs"]
mod figures;
#[path = "support/umbrella.rs"]
mod umbrella;

use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use evenkeel_sim::campaign::Campaign;
use evenkeel_sim::nemesis::Choice;
use evenkeel_sim::scenario::Scenario;

use figures::{Figures, measure, median, memory_peak_mb, run, tell_goal, wall_clock};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs of each kind: the median of seven survives three disturbed ones.
const RUNS: usize = 7;
/// Fewest exchanges a simulated second at which a ratio of simulated to wall time says anything.
const EXCHANGES_PER_S_MIN: f64 = 1.0;
/// What simulated time over wall time shall be.
const RATIO_GOAL: f64 = 20_000.0;
/// The most that doubled durations may cost: nothing that depends on time alone, and some noise.
const DOUBLED_COST_MAX: f64 = 1.2;
/// Doubled durations must leave the number of exchanges as it was, or costs compare nothing.
const EXCHANGES_DIFFER_MAX: f64 = 0.1;
/// How many times the users of `retail` (250 requests a second) make 2,000, and the goal of a run.
const BUSY_TIMES: u64 = 8;
const BUSY_RUN_S_GOAL: f64 = 2.5;
/// Runs a second with every fault.
const FAULTY_RUNS_PER_S_GOAL: f64 = 4.0;
/// Seeds of the campaign, unless `EVENKEEL_BENCH_SEEDS` says another number.
const SEEDS: u64 = 40;
/// How long a thousand seeds may take on two cores.
const THOUSAND_SEEDS_S_GOAL: f64 = 130.0;
/// The most memory that a campaign may have.
const MEMORY_MB_MAX: f64 = 200.0;
/// Sizes of farms, in front-ends.
const SIZES: [usize; 4] = [4, 16, 64, 256];
/// How much more an event may cost on the largest of them.
const GROWTH_MAX: f64 = 2.0;

fn main() {
    // What criterion takes for a filter of its own benchmarks chooses among ours too.
    let chosen = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let wanted = |name: &str| chosen.as_ref().is_none_or(|chosen| name.contains(chosen.as_str()));
    let retail = farms::retail();
    // First, while nothing else has had memory.
    if wanted("campaign") {
        campaign(&retail);
    }
    if wanted("speed") {
        speed(&retail);
    }
    if wanted("doubled") {
        doubled(&retail);
    }
    if wanted("busy") {
        busy();
    }
    if wanted("faults") {
        faults(&retail);
    }
    if wanted("growth") {
        growth();
    }

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("rehearsal");
    // A run is long and always the same: ten of them, and no statistics over their number.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(15));
    group.bench_function("retail", |bencher| bencher.iter(|| run(&retail)));
    group.finish();
    criterion.final_summary();
}

fn speed(retail: &Scenario) {
    let plain = median((0..RUNS).map(|_| measure(retail)).collect());
    plain.tell("retail");
    assert!(
        plain.exchanges_per_s() >= EXCHANGES_PER_S_MIN,
        "retail makes {:.2} exchanges a simulated second, less than {EXCHANGES_PER_S_MIN}: its \
         speed says nothing",
        plain.exchanges_per_s()
    );
    tell_goal(plain.ratio() >= RATIO_GOAL, &format!("{RATIO_GOAL} times real time"));
    umbrella::compare(retail, &plain);
}

fn doubled(retail: &Scenario) {
    let doubled = farms::doubled(retail);
    let (mut plain, mut slow) = (Vec::new(), Vec::new());
    // In turns, so that a machine that becomes busy slows both down.
    for _ in 0..RUNS {
        plain.push(measure(retail));
        slow.push(measure(&doubled));
    }
    // Pair by pair: what disturbed both runs of a pair is not in their ratio.
    let mut costs: Vec<f64> = plain
        .iter()
        .zip(&slow)
        .map(|(plain, slow)| slow.cost().div_duration_f64(plain.cost()))
        .collect();
    costs.sort_by(f64::total_cmp);
    let cost = costs[costs.len() / 2];
    let (plain, slow) = (median(plain), median(slow));
    slow.tell("retail, durations doubled");
    check_doubled(&plain, &slow, cost);
}

fn busy() {
    let farm = farms::busier(BUSY_TIMES);
    let figures = median((0..RUNS).map(|_| measure(&farm)).collect());
    figures.tell("retail, 2,000 requests a second");
    tell_goal(figures.wall.as_secs_f64() <= BUSY_RUN_S_GOAL, &format!("{BUSY_RUN_S_GOAL} s a run"));
}

fn check_doubled(plain: &Figures, slow: &Figures, cost: f64) {
    let exchanges = slow.exchanges as f64 / plain.exchanges as f64;
    println!(
        "durations doubled: {:.2} times the simulated time, {exchanges:.2} times the exchanges, \
         {cost:.2} times the cost",
        slow.simulated_s / plain.simulated_s
    );
    assert!(
        (exchanges - 1.0).abs() <= EXCHANGES_DIFFER_MAX,
        "doubled durations changed the number of exchanges: their costs compare nothing"
    );
    assert!(
        cost <= DOUBLED_COST_MAX,
        "doubled durations cost {cost:.2} times as much, more than {DOUBLED_COST_MAX}: something \
         costs by time instead of by event"
    );
}

/// A campaign with every fault on so many cores, and how long it took.
fn full(retail: &Scenario, seeds: u64, cores: usize) -> Duration {
    let campaign = Campaign {
        scenario: retail,
        seeds: 0..=seeds - 1,
        faults: Choice::Full,
        planted: None,
        jobs: NonZeroUsize::new(cores).expect("somebody must do it"),
    };
    let begun = wall_clock();
    let summary = campaign.run(None, |_| ());
    let wall = begun.elapsed();
    println!(
        "retail, every fault, on {cores}: {seeds} seeds, {} done, {} held, {} with a violation",
        summary.done, summary.held, summary.violated
    );
    wall
}

fn faults(retail: &Scenario) {
    let (seeds, cores) = (20, 1);
    let wall_s = full(retail, seeds, cores).as_secs_f64();
    let runs_per_s = seeds as f64 / wall_s;
    println!("  {wall_s:.1} s by the wall: {runs_per_s:.2} runs a second");
    let goal = format!("{FAULTY_RUNS_PER_S_GOAL} runs a second");
    tell_goal(runs_per_s >= FAULTY_RUNS_PER_S_GOAL, &goal);
}

fn campaign(retail: &Scenario) {
    let seeds = std::env::var("EVENKEEL_BENCH_SEEDS").ok();
    let seeds = seeds.map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds"));
    // What a quarter of the seeds needs is what all of them may need, and some noise.
    full(retail, seeds.div_ceil(4), 2);
    let quarter_mb = memory_peak_mb();
    let wall_s = full(retail, seeds, 2).as_secs_f64();
    let thousand_s = wall_s * 1_000.0 / seeds as f64;
    println!("  {wall_s:.1} s by the wall: {thousand_s:.0} s for 1,000 seeds at this pace");
    let goal = format!("{THOUSAND_SEEDS_S_GOAL} s for 1,000 seeds on two cores");
    tell_goal(thousand_s <= THOUSAND_SEEDS_S_GOAL, &goal);
    if let (Some(quarter_mb), Some(all_mb)) = (quarter_mb, memory_peak_mb()) {
        println!(
            "  {quarter_mb:.0} MB at most with a quarter of the seeds, {all_mb:.0} MB with all"
        );
        assert!(all_mb <= MEMORY_MB_MAX, "a campaign had {all_mb:.0} MB, over {MEMORY_MB_MAX}");
    }
}

fn growth() {
    let farms = SIZES.map(|size| (size, farms::of_size(size)));
    let mut of_smallest = None;
    for (size, farm) in &farms {
        // The small ones are short, and so are easily disturbed.
        let runs = (64 / size).max(1);
        let figures: Figures = median((0..runs).map(|_| measure(farm)).collect());
        let event_us = figures.cost().as_secs_f64() * 1e6 / figures.events as f64;
        let exchange_us = figures.cost().as_secs_f64() * 1e6 / figures.exchanges as f64;
        let times = event_us / *of_smallest.get_or_insert(event_us);
        println!(
            "{size} front-ends: {} events, {event_us:.2} µs each, {times:.2} times as much as on \
             the smallest farm; {} exchanges, {exchange_us:.0} µs each",
            figures.events, figures.exchanges
        );
        if size == &SIZES[SIZES.len() - 1] {
            tell_goal(times <= GROWTH_MAX, &format!("at most {GROWTH_MAX} times as much"));
        }
    }
}
