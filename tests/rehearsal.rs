//! What a rehearsal promises on the shipped scenarios: no invariant is broken, and a seed in which
//! nothing strikes that may need a person ends done. Farms nobody thought of: `invariants.rs`.
use std::path::{Path, PathBuf};

use evenkeel_sim::nemesis::{Choice, Source};
use evenkeel_sim::oracle::RunVerdict;
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::world::{Order, Outcome, rehearse};

fn load(path: &Path) -> Scenario {
    Scenario::load(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(scenario: &Scenario, seed: u64, faults: &str) -> Outcome {
    let faults: Choice = faults.parse().expect("a known choice of faults");
    rehearse(Order::new(scenario, seed, &Source::Drawn(faults)))
}

/// One run, judged. `must_end_done` where nothing struck that may need a person.
fn check(scenario: &Scenario, seed: u64, faults: &str, must_end_done: bool) {
    let outcome = run(scenario, seed, faults);
    let story = outcome.last_events.join("\n");
    assert!(
        outcome.judgement.violations.is_empty(),
        "seed {seed}: {:?}\n{story}",
        outcome.judgement.violations
    );
    if must_end_done {
        let done = matches!(&outcome.verdict, RunVerdict::Done { left_out } if left_out.is_empty());
        assert!(done, "seed {seed} ended {:?}\n{story}", outcome.verdict);
    }
}

/// Goal: the scenarios hold. Method: some seeds of each under every family of faults, and some
/// without those that may need a person, which must end done.
fn campaign(name: &str, full: u64, light: u64) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let scenario = load(&root.join(format!("scenarios/{name}.toml")));
    for seed in 0..full {
        check(&scenario, seed, "full", false);
    }
    for seed in 1_000..1_000 + light {
        check(&scenario, seed, "light", true);
    }
}

#[test]
fn tiny_holds_under_every_fault() {
    campaign("tiny", 60, 40);
}

#[test]
fn bank_holds_under_every_fault() {
    campaign("bank", 12, 12);
}

#[test]
fn retail_holds_under_every_fault() {
    campaign("retail", 6, 4);
}
