//! One M/M/c queue in the traffic engine, in SimPy and in Ciw: requests a second on one core, and
//! whether all three find what theory says.
//!
//! Sixteen workers, 100 ms a request, at 80 % of what they can do: a front-end at its capacity. A
//! request is late when it waits longer than 20 ms for a worker; in an M/M/c that is so for
//! `C(c, a) * exp(-(c - a) * t / mean)` of them, with Erlang's C. Evenkeel is measured by
//! the wall, the others by their own processor time without their start; in turns, and the median
//! counts.
//!
//! ```text
//! benches/mmc/run        # installs both (Python 3.10 or later, PyPI), then cargo bench --bench mmc
//! ```
#[path = "support/specimen.rs"]
mod specimen;

use std::process::Command;
use std::time::Instant;

use evenkeel_sim::random::Keyed;
use evenkeel_sim::traffic::{RateCurve, ServiceTimes, Traffic, TrafficSpec, UsersTruth};

use specimen::farm;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKERS: u32 = 16;
const MEAN_MS: u64 = 100;
/// 80 % of what the workers can do.
const RPS: u32 = 128;
const LATE_MS: u64 = 20;
/// Enough for the part that is late to stand within a tenth, and for seconds of work.
const REQUESTS: u64 = 20_000_000;
/// The others are asked for fewer: they take that much longer.
const REQUESTS_OTHERS: u64 = 500_000;
const ROUNDS: usize = 3;
/// How far a measured part may be from theory's: lateness is correlated, and the others' runs are
/// short.
const TOLERANCE: f64 = 0.1;

/// Requests a second, and the part that is late.
struct Measured {
    per_s: f64,
    late: f64,
}

fn main() {
    // A plain `cargo bench` asks for every bench, on machines that have neither program.
    let Ok(python) = std::env::var("MMC_PYTHON") else {
        println!("mmc: `benches/mmc/run` installs SimPy and Ciw and measures beside them");
        return;
    };
    let mut rounds: [Vec<Measured>; 3] = Default::default();
    for seed in 1..=ROUNDS as u64 {
        rounds[0].push(evenkeel(seed));
        for (script, measured) in ["with_simpy.py", "with_ciw.py"].iter().zip(&mut rounds[1..]) {
            measured.push(beside(&python, script, seed));
        }
    }
    let theory = theory();
    println!(
        "M/M/{WORKERS}, {RPS} requests/s of {MEAN_MS} ms; late: waits longer than {LATE_MS} ms"
    );
    println!("{:<24} {:>14} {:>8} {:>8}", "", "requests/s", "ratio", "late");
    println!("{:<24} {:>14} {:>8} {:>7.2}%", "theory", "", "", theory * 100.0);
    let own_per_s = median(rounds[0].iter().map(|it| it.per_s));
    let names = ["evenkeel, exact fates", "SimPy", "Ciw"];
    for (name, measured) in names.iter().zip(&rounds) {
        let per_s = median(measured.iter().map(|it| it.per_s));
        let late = measured.iter().map(|it| it.late).sum::<f64>() / ROUNDS as f64;
        println!("{name:<24} {per_s:>14.0} {:>7.0}x {:>7.2}%", own_per_s / per_s, late * 100.0);
        let off = (late / theory - 1.0).abs();
        assert!(off < TOLERANCE, "{name} finds {late:.4} late, theory says {theory:.4}");
    }
}

/// The engine as a rehearsal uses it: a zone, a pool, a balancer and a front-end, advanced second
/// by second.
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn evenkeel(seed: u64) -> Measured {
    let spec = farm(1, RPS, RPS);
    let mut load = TrafficSpec::of(&spec, &UsersTruth::default());
    let zone = load.zones.get_mut("a").expect("the farm's zone");
    zone.rate = RateCurve::constant(RPS);
    zone.service = ServiceTimes::Exponential { mean_ms: MEAN_MS, long: None };
    for server in load.servers.values_mut() {
        server.workers = WORKERS;
        server.limits.queue_max = u32::MAX;
        server.limits.wait_ms_max = u64::MAX;
        server.limits.held_ms_max = u64::MAX;
        server.limits.slow_ms = LATE_MS;
    }
    let mut traffic = Traffic::with(&spec, &load, |zone| Keyed::new(seed).stream("mmc", zone));
    traffic.set_weight(0, 100);
    let began = Instant::now();
    let mut second = 0;
    while traffic.fates().ended() < REQUESTS {
        second += 1;
        traffic.advance(second * 1_000);
    }
    let seconds = began.elapsed().as_secs_f64();
    let fates = traffic.fates();
    assert_eq!(fates.served + fates.slow, fates.ended(), "nothing else happens: {fates:?}");
    let ended = fates.ended() as f64;
    Measured { per_s: ended / seconds, late: fates.slow as f64 / ended }
}

/// Another program's run: it prints its seconds and how many were late.
fn beside(python: &str, script: &str, seed: u64) -> Measured {
    let path = format!("{}/benches/mmc/{script}", env!("CARGO_MANIFEST_DIR"));
    let in_s = |ms: u64| ms as f64 / 1e3;
    let words = [
        WORKERS.to_string(),
        (1.0 / f64::from(RPS)).to_string(),
        in_s(MEAN_MS).to_string(),
        in_s(LATE_MS).to_string(),
        REQUESTS_OTHERS.to_string(),
        seed.to_string(),
    ];
    let output = Command::new(python).arg(path).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{python} did not start: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[seconds, late] = words.as_slice() else {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!(
            "{script} did not end well ({}); `benches/mmc/run` installs what it needs: {said}",
            output.status
        )
    };
    let requests = REQUESTS_OTHERS as f64;
    Measured { per_s: requests / seconds, late: late / requests }
}

/// The part of an M/M/c's requests that waits longer than the bound.
fn theory() -> f64 {
    let workers = f64::from(WORKERS);
    let erlangs = f64::from(RPS) * MEAN_MS as f64 / 1e3;
    let b = (1..=WORKERS).fold(1.0, |b, n| erlangs * b / (f64::from(n) + erlangs * b));
    let waits = b / (1.0 - erlangs / workers * (1.0 - b));
    waits * (-(workers - erlangs) * LATE_MS as f64 / MEAN_MS as f64).exp()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
