//! Every planted bug is caught by an invariant that it breaks by what it is, and its failure made small;
//! each invariant catches some bug first, and the guard keeps the bugs of `decide` from doing harm.
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_sim::failure::Case;
use evenkeel_sim::sabotage::hunt::{Catch, Hunt};
use evenkeel_sim::sabotage::{self, GuardSwitch, Planted, Sabotage};
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::shrink::shrink;

/// Seeds after which a bug counts as not caught.
const SEEDS_MAX: u64 = 100;
/// Seeds under which the guard stands behind each bug; the command takes more.
const GUARDED: u64 = 3;
/// The invariants of the oracle.
const INVARIANTS: [&str; 13] = [
    "zone_always_served",
    "no_user_meets_an_upgrade",
    "one_version_in_rotation",
    "no_deployment_under_load",
    "capacity_covers_load",
    "no_request_is_cut",
    "run_ends_or_holds",
    "everyone_ends_upgraded",
    "journal_tells_the_truth",
    "one_writer",
    "strangers_untouched",
    "policy_is_kept",
    "result_is_true",
];

/// Events that a shrunk failure may have: more, and nobody understands it at a glance.
const EVENTS_MAX: usize = 5;
/// Runs that this may take; most bugs need a handful.
const SHRINK_RUNS_MAX: u32 = 200;

/// Goal: an oracle that has never seen a bug is not known to see any, and what it sees arrives small.
/// Method: plant each known bug on the farm of six servers and rehearse seed after seed without the
/// guard, until an invariant is broken, which must be one that the bug names; shrink that failure and
/// count its events; then a few seeds with the guard, which must break none.
#[test]
fn every_planted_bug_is_caught_and_small_and_the_guard_holds() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let scenario = Scenario::load(&root.join("scenarios/six.toml"));
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let hunt = Hunt {
        scenario: &scenario,
        faults: None,
        seeds_max: SEEDS_MAX,
        starts: 1,
        guarded: GUARDED,
        jobs: NonZeroUsize::new(2).expect("two is not zero"),
    };
    let bugs: Vec<&'static Sabotage> = sabotage::all().collect();
    let (mut wrong, mut failures) = (Vec::new(), Vec::new());
    hunt.all(&bugs, |row| {
        let name = row.sabotage.name;
        match &row.catches[..] {
            [Some(caught)] => {
                wrong.extend(by_another(row.sabotage, caught));
                failures.push((row.sabotage, caught.clone()));
            }
            _ => wrong.push(format!("{name} was not caught in {SEEDS_MAX} seeds")),
        }
        if let Some(seed) = row.guarded.as_ref().and_then(|it| it.harmed.first()) {
            wrong.push(format!("{name} did harm in seed {seed}, with the guard on"));
        }
        wrong
            .extend(row.red_without.iter().map(|seed| format!("seed {seed} is red without a bug")));
    });
    let caught_by: BTreeSet<_> = failures.iter().map(|(_, caught)| caught.invariant).collect();
    let idle = INVARIANTS.into_iter().filter(|invariant| !caught_by.contains(invariant));
    wrong.extend(idle.map(|invariant| format!("{invariant} was the first to catch no bug")));
    wrong.extend(too_large(&hunt, &failures));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tells of a bug that was caught by an invariant which it does not name: it was caught by chance, or
/// is not the bug that it is to be.
fn by_another(sabotage: &Sabotage, caught: &Catch) -> Option<String> {
    let Sabotage { name, caught_by, .. } = sabotage;
    let Catch { invariant, seed, .. } = caught;
    let expected = caught_by.join(" or ");
    (!caught_by.contains(invariant))
        .then(|| format!("{name} was caught by {invariant} in seed {seed}, and not by {expected}"))
}

/// Goal: what a bug names is an invariant. Method: look each up among those of the oracle.
#[test]
fn every_bug_names_invariants() {
    for Sabotage { name, caught_by, .. } in sabotage::all() {
        assert!(!caught_by.is_empty(), "{name} names no invariant");
        for invariant in *caught_by {
            assert!(INVARIANTS.contains(invariant), "{name}: {invariant} is no invariant");
        }
    }
}

/// Shrinks each failure, and tells of those that stay large.
fn too_large(hunt: &Hunt<'_>, failures: &[(&'static Sabotage, Catch)]) -> Vec<String> {
    let (next, large) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let shrink_next = || {
        while let Some((sabotage, caught)) = failures.get(next.fetch_add(1, Ordering::Relaxed)) {
            let planted = Planted { sabotage, guard: GuardSwitch::Off };
            let case = Case {
                scenario: hunt.scenario.clone(),
                without: Vec::new(),
                seed: caught.seed,
                schedule: hunt.run(sabotage, Some(planted.guard), caught.seed).schedule,
                planted: Some(planted),
            };
            let small_enough = |_, events| match events > EVENTS_MAX {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            };
            let shrunk = shrink(&case, caught.invariant, SHRINK_RUNS_MAX, small_enough);
            let shrunk = shrunk.expect("what was caught is caught in its seed again");
            if shrunk.case.schedule.planned.len() > EVENTS_MAX {
                let before = case.schedule.planned.len();
                let row = format!("{}: more than {EVENTS_MAX} of {before} events", sabotage.name);
                large.lock().expect("nobody panicked").push(row);
            }
        }
    };
    // Each run is a world of its own, so that two threads halve the time and change nothing else.
    std::thread::scope(|scope| (0..2).for_each(|_| _ = scope.spawn(shrink_next)));
    large.into_inner().expect("nobody panicked")
}
