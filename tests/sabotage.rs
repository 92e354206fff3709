//! Every planted bug is caught, each invariant catches some bug first, and the guard keeps the bugs
//! of `decide` from doing harm.
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use evenkeel_sim::sabotage::hunt::{self, Hunt};
use evenkeel_sim::sabotage::{self, Sabotage};
use evenkeel_sim::scenario::Scenario;

/// Seeds after which a bug counts as not caught.
const SEEDS_MAX: u64 = 100;
/// Seeds under which the guard stands behind each bug; the command takes more.
const GUARDED: u64 = 3;
/// The invariants of the oracle.
const INVARIANTS: [&str; 12] = [
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
    "result_is_true",
];

/// Goal: an oracle that has never seen a bug is not known to see any. Method: plant each known bug
/// on the farm of six servers and rehearse seed after seed without the guard, until an invariant is
/// broken; then a few seeds with the guard, which must break none.
#[test]
fn every_planted_bug_is_caught_and_the_guard_holds() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let scenario = Scenario::load(&root.join("scenarios/six.toml"));
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let hunt = Hunt {
        scenario: &scenario,
        faults: hunt::faults(),
        seeds_max: SEEDS_MAX,
        starts: 1,
        guarded: GUARDED,
        jobs: NonZeroUsize::new(2).expect("two is not zero"),
    };
    let bugs: Vec<&'static Sabotage> = sabotage::all().collect();
    let (mut wrong, mut caught_by) = (Vec::new(), BTreeSet::new());
    hunt.all(&bugs, |row| {
        let name = row.sabotage.name;
        match &row.catches[..] {
            [Some(caught)] => _ = caught_by.insert(caught.invariant),
            _ => wrong.push(format!("{name} was not caught in {SEEDS_MAX} seeds")),
        }
        if let Some(seed) = row.guarded.as_ref().and_then(|it| it.harmed.first()) {
            wrong.push(format!("{name} did harm in seed {seed}, with the guard on"));
        }
    });
    let idle = INVARIANTS.into_iter().filter(|invariant| !caught_by.contains(invariant));
    wrong.extend(idle.map(|invariant| format!("{invariant} was the first to catch no bug")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
