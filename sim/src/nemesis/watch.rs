//! Tells when a trigger has come: counts what happens, and says which faults strike when.
use std::collections::BTreeMap;

use evenkeel::journal;
use evenkeel::procedure::action::Action;
use evenkeel_fakes::ledger;

use super::{Effect, Fault, Schedule, Trigger};

/// A fault that strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// At this instant, in milliseconds since the run began.
    pub at_ms: u64,
    /// Its place in the schedule.
    pub place: usize,
    /// What strikes.
    pub fault: Fault,
    /// The action that triggered it.
    pub action: Option<Action>,
}

/// Watches one run.
#[derive(Clone, Debug)]
pub struct Watch {
    schedule: Schedule,
    fired: Vec<bool>,
    intents: BTreeMap<Effect, u32>,
    outcomes: BTreeMap<Effect, u32>,
    jobs: BTreeMap<String, u32>,
    /// Actions whose outcome is not known yet, by the intent's number.
    open: BTreeMap<u64, Action>,
}

impl Watch {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self {
            fired: vec![false; schedule.planned.len()],
            schedule,
            intents: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            jobs: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// The faults that strike at an instant known beforehand.
    pub fn begin(&mut self) -> Vec<Strike> {
        self.fire(0, None, |trigger| match trigger {
            Trigger::At { at_ms } => Some(*at_ms),
            _ => None,
        })
    }

    /// The journal has a record.
    pub fn journal(&mut self, now_ms: u64, event: &journal::Event) -> Vec<Strike> {
        match event {
            journal::Event::Intent { id, action } => {
                self.open.insert(*id, action.clone());
                let Some(effect) = Effect::of(action) else { return Vec::new() };
                let count = self.intents.entry(effect).or_default();
                *count += 1;
                let count = *count;
                self.fire(now_ms, Some(action), |trigger| match trigger {
                    Trigger::Intent { effect: it, nth, after_ms } => {
                        (*it == effect && *nth == count).then_some(*after_ms)
                    }
                    _ => None,
                })
            }
            journal::Event::Outcome { id, .. } => {
                let Some(action) = self.open.remove(id) else { return Vec::new() };
                let Some(effect) = Effect::of(&action) else { return Vec::new() };
                let count = self.outcomes.entry(effect).or_default();
                *count += 1;
                let count = *count;
                self.fire(now_ms, Some(&action), |trigger| match trigger {
                    Trigger::Outcome { effect: it, nth, after_ms } => {
                        (*it == effect && *nth == count).then_some(*after_ms)
                    }
                    _ => None,
                })
            }
            _ => Vec::new(),
        }
    }

    /// Ground truth has changed.
    pub fn ledger(&mut self, now_ms: u64, event: &ledger::Event) -> Vec<Strike> {
        let ledger::Event::JobStarted { kind: began, .. } = event else { return Vec::new() };
        let count = self.jobs.entry(began.clone()).or_default();
        *count += 1;
        let count = *count;
        self.fire(now_ms, None, |trigger| match trigger {
            Trigger::JobStarted { kind, nth, after_ms } => {
                (kind.as_str() == began && *nth == count).then_some(*after_ms)
            }
            _ => None,
        })
    }

    /// The faults whose trigger has come, with how long after now they strike.
    fn fire(
        &mut self,
        now_ms: u64,
        action: Option<&Action>,
        comes: impl Fn(&Trigger) -> Option<u64>,
    ) -> Vec<Strike> {
        let mut strikes = Vec::new();
        for (place, planned) in self.schedule.planned.iter().enumerate() {
            if self.fired[place] {
                continue;
            }
            let Some(after_ms) = comes(&planned.trigger) else { continue };
            self.fired[place] = true;
            strikes.push(Strike {
                at_ms: now_ms + after_ms,
                place,
                fault: planned.fault.clone(),
                action: action.cloned(),
            });
        }
        strikes
    }
}
