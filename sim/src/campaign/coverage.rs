//! What a campaign's faults reached: families by the step in which they changed something, how
//! many seeds each family and each kind fired in, what the atlas trimmed, which situations came
//! about, for what runs held, and which excuses they needed.
//!
//! A campaign that is large enough fails when a part of this is empty: a fault that never changes
//! anything tests nothing, and looks like a success.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel::procedure::decide::may_leave_out;
use evenkeel::procedure::layout::Layout;
use evenkeel::procedure::progress::Progress;
use serde::Serialize;

use crate::nemesis::fault::kinds;
use crate::nemesis::{Choice, Family, Kind};
use crate::oracle::{RunVerdict, sometimes};
use crate::scenario::Scenario;
use crate::world::Outcome;

/// Seeds from which on gaps are failures: with fewer, rare kinds are absent by chance.
pub const SEEDS_MIN: u64 = 1_000;
/// A family is to fire in at least this share of seeds, in percent, and at most in the other
/// (the aim of swarm testing: Groce and others, "Swarm testing", ISSTA 2012).
const FAMILY_PERCENT: (u64, u64) = (40, 80);
/// Steps of the procedure.
const STEPS: u8 = 9;

/// What takes a server that may be left out: a kind and a situation.
const OF_LEAVING_OUT: [&str; 2] = ["leave-out", "left-out"];

/// Counts over seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Seeds counted.
    pub seeds: u64,
    /// Kinds and situations that cannot come about on this farm, so that nobody misses them.
    pub beyond_reach: BTreeSet<&'static str>,
    /// Faults that changed something, by family and by the step in which they first did.
    pub cells: BTreeMap<Family, [u64; STEPS as usize]>,
    /// Seeds in which a family fired.
    pub families: BTreeMap<Family, u64>,
    /// Seeds in which a kind changed something.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Seeds in which an entry of the atlas kept a fault from striking.
    pub trimmed: BTreeMap<&'static str, u64>,
    /// Seeds in which a situation came about.
    pub sometimes: BTreeMap<&'static str, u64>,
    /// Seeds in which the run held, and those in which it ended so, by the reason's name.
    pub holds: BTreeMap<String, (u64, u64)>,
    /// Seeds in which an invariant failed where it is allowed to, by invariant and fault.
    pub excuses: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

impl Coverage {
    /// Nothing yet, of a scenario.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let plan = &scenario.plan;
        let layout = Layout::new(plan, &scenario.plan_hash);
        let progress = Progress::new(&layout);
        let mut front_ends = plan.farm.front_ends.iter();
        let somebody = front_ends.any(|it| may_leave_out(&layout, &progress, &it.name).is_ok());
        let beyond_reach = if somebody { BTreeSet::new() } else { OF_LEAVING_OUT.into() };
        Self { beyond_reach, ..Self::default() }
    }

    /// Counts a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        let (mut families, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for (place, hit) in &outcome.struck {
            let kind = outcome.schedule.planned[*place].fault.kind();
            families.insert(kind.family);
            let Some((_, step)) = hit.changed else { continue };
            changed.insert(kind.name);
            self.cells.entry(kind.family).or_default()[usize::from(step.clamp(1, STEPS)) - 1] += 1;
        }
        for family in families {
            *self.families.entry(family).or_default() += 1;
        }
        for kind in changed {
            *self.kinds.entry(kind).or_default() += 1;
        }
        for entry in &outcome.trimmed {
            *self.trimmed.entry(entry).or_default() += 1;
        }
        self.judged(outcome);
    }

    /// Counts what the oracle says of a run.
    fn judged(&mut self, outcome: &Outcome) {
        let judgement = &outcome.judgement;
        for situation in &judgement.sometimes {
            *self.sometimes.entry(situation).or_default() += 1;
        }
        for reason in &judgement.holds {
            self.holds.entry(reason.clone()).or_default().0 += 1;
        }
        if let RunVerdict::Held { reason } = &outcome.verdict {
            self.holds.entry(sometimes::name(reason)).or_default().1 += 1;
        }
        let excused = judgement.excused.iter();
        let by: BTreeSet<_> = excused.map(|it| (it.invariant, &it.excuse.fault)).collect();
        for (invariant, fault) in by {
            let faults = self.excuses.entry(invariant).or_default();
            *faults.entry(fault.clone()).or_default() += 1;
        }
    }

    /// Seeds in which a kind changed something.
    #[must_use]
    pub fn of_kind(&self, kind: &Kind) -> u64 {
        self.kinds.get(kind.name).copied().unwrap_or(0)
    }

    /// What is missing in a campaign of every fault, a sentence each; nothing for one that is too
    /// small to tell, or in which not everything may strike.
    #[must_use]
    pub fn gaps(&self, choice: &Choice) -> Vec<String> {
        if *choice != Choice::Full || self.seeds < SEEDS_MIN {
            return Vec::new();
        }
        let mut gaps = Vec::new();
        for family in choice.families() {
            let name = family.name();
            let fired = self.families.get(&family).copied().unwrap_or(0);
            let (low, high) = FAMILY_PERCENT;
            if fired * 100 < self.seeds * low || fired * 100 > self.seeds * high {
                gaps.push(format!(
                    "{name} fired in {fired} of {} seeds, and {low} to {high} % are wanted",
                    self.seeds
                ));
            }
            let cells = self.cells.get(&family).copied().unwrap_or_default();
            let empty: Vec<String> = (1..)
                .zip(cells)
                .filter(|(_, n)| *n == 0)
                .map(|(step, _): (u8, _)| step.to_string())
                .collect();
            if !empty.is_empty() {
                gaps.push(format!("{name} changed nothing in step {}", empty.join(", ")));
            }
        }
        for (name, sentence) in sometimes::SITUATIONS {
            if !self.sometimes.contains_key(name) && !self.beyond_reach.contains(name) {
                gaps.push(format!("{name} never came about: {sentence}"));
            }
        }
        for kind in kinds() {
            let changed = self.of_kind(kind);
            if changed * 100 < self.seeds && !self.beyond_reach.contains(kind.name) {
                gaps.push(format!(
                    "{} changed something in {changed} of {} seeds, and 1 % is wanted",
                    kind.name, self.seeds
                ));
            }
        }
        gaps
    }
}
