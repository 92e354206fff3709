//! What a rehearsal costs, on the farm that every figure is measured on: `retail`, without faults,
//! on one core.
//!
//! * Simulated time over wall time, at no less than one exchange a simulated second: below that the
//!   figure would be a figure about idling, and the benchmark fails.
//! * The same number of hosts and of exchanges on the umbrella crate `turmoil`, which ticks every
//!   millisecond whether anything happens or not. Only bare exchanges are made there: nobody
//!   decides, no user is modelled, no invariant is checked.
//! * Cost follows events: `retail` with every duration doubled costs at most 1.2 times as much.
//!
//! `cargo bench --bench rehearsal`
#[path = "../tests/support/turmoil_net.rs"]
mod turmoil_net;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::listen::Listen;
use evenkeel_fakes::truth::Truth;
use evenkeel_sim::nemesis::{Choice, Source};
use evenkeel_sim::oracle::RunVerdict;
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::world::{Order, Outcome, rehearse};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use turmoil_net::Turmoil;

/// Runs of each kind: the median of seven survives three disturbed ones.
const RUNS: usize = 7;
/// Fewest exchanges a simulated second at which a ratio of simulated to wall time says anything.
const EXCHANGES_PER_S_MIN: f64 = 1.0;
/// What simulated time over wall time shall be.
const RATIO_GOAL: f64 = 10_000.0;
/// The most that doubled durations may cost: nothing that depends on time alone, and some noise.
const DOUBLED_COST_MAX: f64 = 1.2;
/// Doubled durations must leave the number of exchanges as it was, or costs compare nothing.
const EXCHANGES_DIFFER_MAX: f64 = 0.1;
/// How long the exchanges on `turmoil` go on: twenty thousand of its ticks.
const TURMOIL_SIMULATED: Duration = Duration::from_secs(20);
/// What a host answers there: the size of a shell's reply or a small page.
const ANSWER_BYTES: usize = 600;

fn main() {
    let retail = retail();
    let doubled = doubled(&retail);
    let (mut plain, mut slow) = (Vec::new(), Vec::new());
    // In turns, so that a machine that becomes busy slows both down.
    for _ in 0..RUNS {
        plain.push(measure(&retail));
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
    plain.tell("retail");
    if plain.ratio() < RATIO_GOAL {
        println!("  below the goal of {RATIO_GOAL} times real time on this machine, now");
    }
    slow.tell("retail, durations doubled");
    assert!(
        plain.exchanges_per_s() >= EXCHANGES_PER_S_MIN,
        "retail makes {:.2} exchanges a simulated second, less than {EXCHANGES_PER_S_MIN}: its \
         speed says nothing",
        plain.exchanges_per_s()
    );
    check_doubled(&plain, &slow, cost);
    compare_turmoil(&retail, &plain);

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("rehearsal");
    // A run is long and always the same: ten of them, and no statistics over their number.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(15));
    group.bench_function("retail", |bencher| bencher.iter(|| run(&retail)));
    group.finish();
    criterion.final_summary();
}

/// One run without faults.
fn run(scenario: &Scenario) -> Outcome {
    // Seed 0 as good as any: without faults seeds differ in latencies and variants alone.
    let outcome = rehearse(Order::new(scenario, 0, &Source::Drawn(Choice::None)));
    assert!(matches!(outcome.verdict, RunVerdict::Done { .. }), "{:?}", outcome.verdict);
    outcome
}

/// What a run was and took.
struct Figures {
    simulated_s: f64,
    exchanges: u64,
    wall: Duration,
    processor: Option<Duration>,
}

impl Figures {
    fn exchanges_per_s(&self) -> f64 {
        self.exchanges as f64 / self.simulated_s
    }

    fn ratio(&self) -> f64 {
        self.simulated_s / self.wall.as_secs_f64()
    }

    /// What the run cost whoever else uses the machine: its processor time where the system tells
    /// it, or else its wall time.
    fn cost(&self) -> Duration {
        self.processor.unwrap_or(self.wall)
    }

    fn tell(&self, name: &str) {
        let Self { simulated_s, exchanges, wall, processor } = self;
        let each = |took: &Duration| took.as_secs_f64() * 1e6 / *exchanges as f64;
        println!("{name}: {simulated_s:.0} s simulated, {exchanges} exchanges");
        println!("  {:.2} exchanges a simulated second", self.exchanges_per_s());
        println!(
            "  {:.0} ms by the wall: {:.1} µs an exchange, {:.0} times real time",
            wall.as_secs_f64() * 1e3,
            each(wall),
            self.ratio()
        );
        if let Some(processor) = processor {
            println!(
                "  {:.0} ms of processor time: {:.1} µs an exchange, {:.0} times real time",
                processor.as_secs_f64() * 1e3,
                each(processor),
                simulated_s / processor.as_secs_f64()
            );
        }
    }
}

fn measure(scenario: &Scenario) -> Figures {
    let (wall, processor) = (wall_clock(), processor_time());
    let outcome = run(scenario);
    let wall = wall.elapsed();
    let processor = processor_time().zip(processor).map(|(after, before)| after - before);
    Figures {
        simulated_s: outcome.simulated_ms as f64 / 1e3,
        exchanges: outcome.exchanges,
        wall,
        processor,
    }
}

fn median(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by_key(Figures::cost);
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// What is measured is the machine's own time.
#[allow(clippy::disallowed_methods)]
fn wall_clock() -> std::time::Instant {
    std::time::Instant::now()
}

/// Processor time of this process so far, where Linux tells it (proc_pid_schedstat: the first
/// field, in nanoseconds). A shared machine's wall time is also the others'.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn retail() -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/retail.toml");
    Scenario::load(&file).expect("retail can be rehearsed")
}

/// The same farm, every duration of it, of its policy and of its links twice as long.
fn doubled(scenario: &Scenario) -> Scenario {
    let twice = |mut table: toml::Table| {
        table.retain(|name, _| name.ends_with("_ms"));
        for (_, value) in &mut table {
            let ms = value.as_integer().expect("milliseconds are whole numbers");
            *value = toml::Value::Integer(2 * ms);
        }
        table
    };
    let mut slow = scenario.clone();
    let defaults = toml::Table::try_from(Truth::default()).expect("a truth can be written");
    slow.truth = twice(defaults);
    slow.truth.extend(scenario.truth.clone());
    slow.truth.extend(twice(scenario.truth.clone()));
    slow.links.base_ms *= 2;
    slow.links.jitter_ms *= 2;
    let policy = &mut slow.plan.farm.policy;
    for ms in [
        &mut policy.balancer_poll_ms,
        &mut policy.balancer_poll_draining_ms,
        &mut policy.flags_poll_ms,
        &mut policy.jobs_poll_ms,
        &mut policy.quiet_window_ms,
        &mut policy.drain_ms_max,
        &mut policy.upgrade_ms_max,
        &mut policy.service_center_ms_max,
        &mut policy.publish_ms_max,
        &mut policy.initialise_ms_max,
        &mut policy.idle_ms_max,
        &mut policy.idle_window_ms,
        &mut policy.test_ms_max,
        &mut policy.switch_ms_max,
        &mut policy.soak_ms,
        &mut policy.soak_test_every_ms,
        &mut policy.unknown_ms_max,
    ] {
        *ms *= 2;
    }
    slow.plan_hash = slow.plan.hash();
    slow
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

/// The farm's hosts on `turmoil`, asked as often as the orchestrator asks in `retail`, one after
/// the other, over a new connection each time.
fn compare_turmoil(retail: &Scenario, plain: &Figures) {
    let hosts = retail.spec.front_ends.len() + retail.spec.balancers.len();
    let pause = Duration::from_secs_f64(1.0 / plain.exchanges_per_s());
    let begun = wall_clock();
    let exchanges = on_turmoil(hosts, pause);
    let wall = begun.elapsed();
    let (simulated_s, wall_s) = (TURMOIL_SIMULATED.as_secs_f64(), wall.as_secs_f64());
    println!(
        "umbrella turmoil, ticks of 1 ms: {simulated_s} s simulated, {hosts} hosts, {exchanges} \
         bare exchanges"
    );
    println!(
        "  {:.0} ms by the wall: {:.1} µs an exchange, {:.0} times real time",
        wall_s * 1e3,
        wall_s * 1e6 / f64::from(exchanges),
        simulated_s / wall_s
    );
    println!(
        "  retail, with all it does, is {:.0} times as fast",
        plain.ratio() * wall_s / simulated_s
    );
}

fn on_turmoil(hosts: usize, pause: Duration) -> u32 {
    let mut builder = turmoil::Builder::new();
    // The scenario's links: 1 to 3 ms.
    builder.min_message_latency(Duration::from_millis(1));
    builder.max_message_latency(Duration::from_millis(3));
    builder.simulation_duration(TURMOIL_SIMULATED * 2);
    let mut sim = builder.build();
    for host in 0..hosts {
        sim.host(name(host), || async { Ok(serve().await?) });
    }
    let exchanges = (TURMOIL_SIMULATED.as_secs_f64() / pause.as_secs_f64()).round() as u32;
    sim.client("orchestrator", async move {
        let begun = tokio::time::Instant::now();
        for exchange in 0..exchanges {
            tokio::time::sleep_until(begun + pause * exchange).await;
            ask(exchange as usize % hosts).await?;
        }
        tokio::time::sleep_until(begun + TURMOIL_SIMULATED).await;
        Ok(())
    });
    sim.run().expect("every host answers");
    exchanges
}

fn name(host: usize) -> String {
    format!("host-{host}")
}

const PORT: u16 = 80;

/// Answers a line with a text, one connection after the other.
async fn serve() -> io::Result<()> {
    let mut socket = Turmoil.bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT).into()).await?;
    let answer = [b'x'; ANSWER_BYTES];
    loop {
        let (stream, _) = Turmoil::accept(&mut socket).await?;
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut String::new()).await?;
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
    }
}

/// Sends a line and reads the answer to its end.
async fn ask(host: usize) -> io::Result<()> {
    let mut stream = Turmoil.dial(&Address::Tcp(name(host), PORT)).await?;
    stream.write_all(b"show info\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    match answer.len() {
        ANSWER_BYTES => Ok(()),
        short => Err(io::Error::other(format!("an answer of {short} bytes"))),
    }
}
