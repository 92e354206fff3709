//! What a run takes: simulated time, exchanges and events, wall and processor time, memory.
use std::time::Duration;

use evenkeel_sim::nemesis::{Choice, Source};
use evenkeel_sim::oracle::RunVerdict;
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::world::{Order, Outcome, rehearse};

/// One run without faults.
pub(crate) fn run(scenario: &Scenario) -> Outcome {
    // Seed 0 as good as any: without faults seeds differ in latencies and variants alone.
    let outcome = rehearse(Order::new(scenario, 0, &Source::Drawn(Choice::None)));
    assert!(matches!(outcome.verdict, RunVerdict::Done { .. }), "{:?}", outcome.verdict);
    outcome
}

/// What a run was and took.
pub(crate) struct Figures {
    pub(crate) simulated_s: f64,
    pub(crate) exchanges: u64,
    /// Packets, changes, records and faults.
    pub(crate) events: u64,
    pub(crate) wall: Duration,
    processor: Option<Duration>,
}

impl Figures {
    pub(crate) fn exchanges_per_s(&self) -> f64 {
        self.exchanges as f64 / self.simulated_s
    }

    pub(crate) fn ratio(&self) -> f64 {
        self.simulated_s / self.wall.as_secs_f64()
    }

    /// What the run cost whoever else uses the machine: its processor time where the system tells
    /// it, or else its wall time.
    pub(crate) fn cost(&self) -> Duration {
        self.processor.unwrap_or(self.wall)
    }

    pub(crate) fn tell(&self, name: &str) {
        let Self { simulated_s, exchanges, wall, processor, .. } = self;
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

pub(crate) fn measure(scenario: &Scenario) -> Figures {
    let (wall, processor) = (wall_clock(), processor_time());
    let outcome = run(scenario);
    let wall = wall.elapsed();
    let processor = processor_time().zip(processor).map(|(after, before)| after - before);
    Figures {
        simulated_s: outcome.simulated_ms as f64 / 1e3,
        exchanges: outcome.exchanges,
        events: outcome.events,
        wall,
        processor,
    }
}

pub(crate) fn median(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by_key(Figures::cost);
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// What is measured is the machine's own time.
#[allow(clippy::disallowed_methods)]
pub(crate) fn wall_clock() -> std::time::Instant {
    std::time::Instant::now()
}

/// Processor time of this process so far, where Linux tells it (proc_pid_schedstat: the first
/// field, in nanoseconds). A shared machine's wall time is also the others'.
pub(crate) fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory that this process has had so far, in MB, where Linux tells it (proc_pid_status).
pub(crate) fn memory_peak_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// Says whether a goal was met: on this machine, as busy as it is now.
pub(crate) fn tell_goal(met: bool, goal: &str) {
    println!("  goal {goal}: {}", if met { "met" } else { "not met on this machine, now" });
}
