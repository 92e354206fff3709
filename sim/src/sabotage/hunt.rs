//! Hunts: how many seeds a planted bug takes to be caught, and what the guard makes of it.
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use evenkeel::journal::HoldReason;

use crate::nemesis::{Choice, Source};
use crate::oracle::RunVerdict;
use crate::scenario::Scenario;
use crate::world::{Order, Outcome, rehearse};

use super::{Bug, GuardSwitch, Hunted, Planted, Sabotage};

/// The kinds of faults under which every bug is hunted: one or two of each part of the world, in
/// every seed. A list of its own, so that the seeds which catch a bug stay the same while the
/// catalogue grows.
const FAULTS: &str = "latency,lost-response,balancer-reload,front-end-crash,installer-fails,\
    orchestrator-crash";

/// The faults under which a bug is hunted unless somebody wants others.
///
/// # Panics
/// A kind has left the catalogue: a mistake of this crate's.
#[must_use]
pub fn faults(sabotage: &Sabotage) -> Choice {
    let usual = FAULTS.split(',');
    let kinds: Vec<&str> = match sabotage.hunted {
        Hunted::Usually => usual.collect(),
        Hunted::With(kinds) => usual.chain(kinds.iter().copied()).collect(),
        Hunted::Under(kinds) => kinds.to_vec(),
    };
    kinds.join(",").parse().unwrap_or_else(|error| panic!("{error}"))
}

/// How long and on what bugs are hunted.
pub struct Hunt<'a> {
    /// What is rehearsed.
    pub scenario: &'a Scenario,
    /// Which faults may strike; `None` for each bug's own ([`faults`]).
    pub faults: Option<Choice>,
    /// Seeds after which a bug counts as not caught.
    pub seeds_max: u64,
    /// How often each hunt is repeated, with seeds of its own.
    pub starts: u64,
    /// Seeds under which the guard must keep a bug of `decide` from doing harm.
    pub guarded: u64,
    /// Bugs hunted at the same time.
    pub jobs: NonZeroUsize,
}

/// A bug was caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// After so many seeds, this one counted.
    pub seeds: u64,
    /// By this invariant, the first that broke.
    pub invariant: &'static str,
    /// In this seed.
    pub seed: u64,
}

/// What the guard made of a bug.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// Runs that ended because the guard refused something.
    pub refused: u64,
    /// Runs in which the bug did no harm.
    pub harmless: u64,
    /// Seeds in which an invariant was broken all the same.
    pub harmed: Vec<u64>,
}

/// What is known of a bug after its hunts.
#[derive(Clone, Debug)]
pub struct Row {
    /// The bug.
    pub sabotage: &'static Sabotage,
    /// Each hunt's catch; `None` where it was not caught.
    pub catches: Vec<Option<Catch>>,
    /// What the guard made of it; `None` where there is nothing that a guard could refuse.
    pub guarded: Option<Guarded>,
    /// Seeds that are red without the bug too: they catch nothing, and are findings of their own.
    pub red_without: BTreeSet<u64>,
}

impl Row {
    /// Seeds to catch it, fewest first; `None` when some hunt did not.
    #[must_use]
    pub fn seeds(&self) -> Option<Vec<u64>> {
        let seeds: Option<Vec<u64>> =
            self.catches.iter().map(|it| it.as_ref().map(|it| it.seeds)).collect();
        let mut seeds = seeds.filter(|seeds| !seeds.is_empty())?;
        seeds.sort_unstable();
        Some(seeds)
    }

    /// The invariants that caught it first, with how many hunts each ended.
    #[must_use]
    pub fn caught_by(&self) -> BTreeMap<&'static str, usize> {
        let mut by = BTreeMap::new();
        for caught in self.catches.iter().flatten() {
            *by.entry(caught.invariant).or_default() += 1;
        }
        by
    }

    /// Every hunt ended, an expected invariant was the first in each, the guard held, and nothing was
    /// wrong without the bug.
    #[must_use]
    pub fn as_expected(&self) -> bool {
        self.seeds().is_some()
            && self.caught_by().keys().all(|it| self.sabotage.caught_by.contains(it))
            && self.guarded.as_ref().is_none_or(|it| it.harmed.is_empty())
            && self.red_without.is_empty()
    }
}

impl Hunt<'_> {
    /// Runs one seed under the faults of a bug, with the bug in it where there is a guard to tell
    /// what stands behind it, and without where there is none.
    #[must_use]
    pub fn run(
        &self,
        sabotage: &'static Sabotage,
        guard: Option<GuardSwitch>,
        seed: u64,
    ) -> Outcome {
        let choice = self.faults.clone().unwrap_or_else(|| faults(sabotage));
        let faults = Source::Drawn(choice);
        let planted = guard.map(|guard| Planted { sabotage, guard });
        rehearse(Order { planted, ..Order::new(self.scenario, seed, &faults) })
    }

    /// Hunts a bug from a seed on, without the guard. What is wrong without the bug too is no
    /// catch; such seeds are added to `red_without`.
    pub fn catch(
        &self,
        sabotage: &'static Sabotage,
        first: u64,
        red_without: &mut BTreeSet<u64>,
    ) -> Option<Catch> {
        (first..first + self.seeds_max).find_map(|seed| {
            let outcome = self.run(sabotage, Some(GuardSwitch::Off), seed);
            let violation = outcome.judgement.violations.first()?;
            if !self.run(sabotage, None, seed).judgement.violations.is_empty() {
                red_without.insert(seed);
                return None;
            }
            Some(Catch { seeds: seed - first + 1, invariant: violation.invariant, seed })
        })
    }

    /// Lets the guard stand behind a bug of `decide`.
    #[must_use]
    pub fn guard(&self, sabotage: &'static Sabotage) -> Option<Guarded> {
        if !matches!(sabotage.bug, Bug::Decide(_)) {
            return None;
        }
        let mut guarded = Guarded::default();
        for seed in 0..self.guarded {
            let outcome = self.run(sabotage, Some(GuardSwitch::On), seed);
            let refused = matches!(
                outcome.verdict,
                RunVerdict::Held { reason: HoldReason::GuardRefused { .. } }
            );
            match (outcome.judgement.violations.is_empty(), refused) {
                (false, _) => guarded.harmed.push(seed),
                (true, true) => guarded.refused += 1,
                (true, false) => guarded.harmless += 1,
            }
        }
        Some(guarded)
    }

    fn row(&self, sabotage: &'static Sabotage) -> Row {
        // Hunts share no seed, so that each is a sample of its own.
        let mut red_without = BTreeSet::new();
        let mut catch = |start| self.catch(sabotage, start * self.seeds_max, &mut red_without);
        let catches = (0..self.starts).map(&mut catch).collect();
        Row { sabotage, catches, guarded: self.guard(sabotage), red_without }
    }

    /// Hunts all of these bugs, and tells each in their order.
    pub fn all(&self, bugs: &[&'static Sabotage], mut tell: impl FnMut(&Row)) {
        let next = AtomicUsize::new(0);
        let (send, receive) = mpsc::channel();
        // Outside of every simulation, as in a campaign: each thread runs whole seeds of its own.
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.get() {
                let (send, next) = (send.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(sabotage) = bugs.get(place) else { break };
                        if send.send((place, self.row(sabotage))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(send);
            let (mut early, mut due) = (BTreeMap::new(), 0);
            for (place, row) in receive {
                early.insert(place, row);
                while let Some(row) = early.remove(&due) {
                    tell(&row);
                    due += 1;
                }
            }
        });
    }
}
