//! A run survives the death of its orchestrator at any point: a sample of what `evenkeel-sim
//! rehearse --crash-points` does with all of them.
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use evenkeel_sim::campaign::crash_points::{CrashPoints, Findings, Part};
use evenkeel_sim::scenario::Scenario;

/// Every so many points are tried: a prime, so that the sample meets every class, fate and absence.
const STRIDE: usize = 13;

fn tiny() -> Scenario {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/tiny.toml");
    Scenario::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn campaign(scenario: &Scenario) -> CrashPoints<'_> {
    CrashPoints { scenario, seed: 0, jobs: NonZeroUsize::MIN }
}

#[track_caller]
fn all_good(findings: &Findings) {
    let wrong = findings.failures.iter().map(|it| {
        format!("{}: {:?} {:?}", it.crashes, it.outcome.verdict, it.outcome.judgement.violations)
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Goal: a crash at any point, whatever becomes of what was under way, resumed at once or an hour
/// later, ends done or truly held. Method: every 13th of all points of a run of `tiny`; all classes
/// are among them, and each crash happens.
#[test]
fn a_crash_at_any_point_ends_done_or_truly_held() {
    let scenario = tiny();
    let campaign = campaign(&scenario);
    let points = CrashPoints::points(campaign.undisturbed().points, Part::WHOLE);
    let sample: Vec<_> = points.into_iter().step_by(STRIDE).collect();
    let findings = campaign.singles(&sample, |_, _| ControlFlow::Continue(()));
    all_good(&findings);
    assert_eq!(findings.runs(), sample.len() as u64);
    // Written or durable, and three fates of what was sent; away for a second or an hour.
    assert_eq!(findings.tallies.len(), 5 * 2);
    assert!(!findings.missed());
}

/// Goal: the same for two crashes. Method: the pairs whose first crash is one of three, and whose
/// second follows within the first few points of what was taken up.
#[test]
fn two_crashes_end_done_or_truly_held() {
    let scenario = tiny();
    let campaign = campaign(&scenario);
    let points = CrashPoints::points(campaign.undisturbed().points, Part::WHOLE);
    let mut pairs = 0;
    for first in points.iter().step_by(points.len() / 3) {
        let findings = campaign.some_pairs(*first, 41);
        all_good(&findings);
        assert!(!findings.missed(), "{:?}", findings.tallies);
        pairs += findings.runs();
    }
    assert!(pairs > 10, "{pairs} pairs");
}

/// Goal: parts are all of it, none twice, and alike. Method: the eight parts of a run's points.
#[test]
fn parts_are_all_points_and_no_point_twice() {
    let to = campaign(&tiny()).undisturbed().points;
    let all = CrashPoints::points(to, Part::WHOLE);
    let part = |nth: usize| CrashPoints::points(to, format!("{nth}/8").parse().expect("a part"));
    let parts: Vec<Vec<_>> = (1..=8).map(part).collect();
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), all.len());
    for points in &parts {
        assert!(points.len().abs_diff(all.len() / 8) <= 10, "{} of {}", points.len(), all.len());
    }
    assert!(all.iter().all(|point| parts.iter().any(|points| points.contains(point))));
    for wrong in ["0/8", "9/8", "1/0", "8", "a/b"] {
        assert!(wrong.parse::<Part>().is_err(), "{wrong}");
    }
}
