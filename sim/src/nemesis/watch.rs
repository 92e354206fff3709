//! Tells when a trigger has come: counts what happens, and says which faults strike when.
use std::collections::{BTreeMap, BTreeSet};

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
    intents: Tally,
    outcomes: Tally,
    /// Jobs that began, by kind.
    jobs: BTreeMap<String, u32>,
    /// The same, by server and kind.
    jobs_on: BTreeMap<(String, String), u32>,
    /// The step that the run is in.
    step: u8,
    /// Steps that it was in.
    steps: BTreeSet<u8>,
    holds: u32,
    holds_for_servers: u32,
    resumes: u32,
    /// Actions whose outcome is not known yet, by the intent's number.
    open: BTreeMap<u64, Action>,
    /// The last happening, as the trigger that would strike at it.
    latest: Option<Trigger>,
}

/// How often effects of each kind came.
#[derive(Clone, Debug, Default)]
struct Tally {
    in_run: BTreeMap<Effect, u32>,
    in_steps: BTreeMap<(u8, Effect), u32>,
}

impl Tally {
    /// Another one.
    fn next(&mut self, effect: Effect, step: u8) -> Deed {
        Deed {
            effect,
            step,
            of_run: next(self.in_run.entry(effect).or_default()),
            of_step: next(self.in_steps.entry((step, effect)).or_default()),
        }
    }
}

/// An effect, and which of its kind it is.
struct Deed {
    effect: Effect,
    step: u8,
    of_run: u32,
    of_step: u32,
}

/// A job that began, and which of its kind it is.
struct Start {
    server: String,
    kind: String,
    of_run: u32,
    of_server: u32,
}

/// What happened, as triggers count it.
enum Happening {
    Begin,
    Intent(Deed),
    Outcome(Deed),
    Job(Start),
    Step(u8),
    AtGate(u8),
    Held(u32),
    HeldForServer(u32),
    Resumed(u32),
    Write(u64),
    Record(u64),
    Sent(u64),
}

impl Happening {
    /// The trigger that strikes at it, for people to read; `None` for the begin of the run, for
    /// what is no job of an upgrade, and for what is but a number.
    fn trigger(&self) -> Option<Trigger> {
        let after_ms = 0;
        Some(match self {
            Self::Begin | Self::Write(_) | Self::Record(_) | Self::Sent(_) => return None,
            // Counted so that it is still the same when another fault is left out.
            Self::Intent(Deed { effect, step, of_step, .. }) => {
                Trigger::IntentInStep { step: *step, effect: *effect, nth: *of_step, after_ms }
            }
            Self::Outcome(Deed { effect, step, of_step, .. }) => {
                Trigger::OutcomeInStep { step: *step, effect: *effect, nth: *of_step, after_ms }
            }
            Self::Job(Start { server, kind, of_server, .. }) => {
                let named = serde_json::Value::String(kind.clone());
                let kind = serde_json::from_value(named).ok()?;
                let server = server.clone();
                Trigger::JobStartedOn { server, kind, nth: *of_server, after_ms }
            }
            Self::Step(step) => Trigger::Step { step: *step, after_ms },
            Self::AtGate(step) => Trigger::AtGate { step: *step, after_ms },
            Self::Held(nth) => Trigger::Held { nth: *nth, after_ms },
            Self::HeldForServer(nth) => Trigger::HeldForServer { nth: *nth, after_ms },
            Self::Resumed(nth) => Trigger::Resumed { nth: *nth, after_ms },
        })
    }

    /// How long after it a fault strikes that a trigger announces; `None` for another trigger.
    fn triggers(&self, trigger: &Trigger) -> Option<u64> {
        let comes = match (self, trigger) {
            (Self::Begin, Trigger::At { .. }) => true,
            (Self::Intent(it), Trigger::Intent { effect, nth, .. })
            | (Self::Outcome(it), Trigger::Outcome { effect, nth, .. }) => {
                it.effect == *effect && it.of_run == *nth
            }
            (Self::Intent(it), Trigger::IntentInStep { step, effect, nth, .. })
            | (Self::Outcome(it), Trigger::OutcomeInStep { step, effect, nth, .. }) => {
                it.effect == *effect && (it.step, it.of_step) == (*step, *nth)
            }
            (Self::Job(it), Trigger::JobStarted { kind, nth, .. }) => {
                it.kind == kind.as_str() && it.of_run == *nth
            }
            (Self::Job(it), Trigger::JobStartedOn { server, kind, nth, .. }) => {
                it.server == *server && it.kind == kind.as_str() && it.of_server == *nth
            }
            (Self::Step(it), Trigger::Step { step, .. })
            | (Self::AtGate(it), Trigger::AtGate { step, .. }) => it == step,
            (Self::Held(count), Trigger::Held { nth, .. })
            | (Self::HeldForServer(count), Trigger::HeldForServer { nth, .. })
            | (Self::Resumed(count), Trigger::Resumed { nth, .. }) => count == nth,
            (Self::Write(count), Trigger::Write { nth })
            | (Self::Record(count), Trigger::Record { nth })
            | (Self::Sent(count), Trigger::Sent { nth }) => count == nth,
            _ => false,
        };
        comes.then(|| trigger.after_ms())
    }
}

impl Watch {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self {
            fired: vec![false; schedule.planned.len()],
            schedule,
            intents: Tally::default(),
            outcomes: Tally::default(),
            jobs: BTreeMap::new(),
            jobs_on: BTreeMap::new(),
            step: 1,
            steps: BTreeSet::new(),
            holds: 0,
            holds_for_servers: 0,
            resumes: 0,
            open: BTreeMap::new(),
            latest: None,
        }
    }

    /// The faults that strike at an instant known beforehand.
    pub fn begin(&mut self) -> Vec<Strike> {
        self.fire(0, None, &Happening::Begin)
    }

    /// Nothing strikes from now on.
    pub fn end(&mut self) {
        self.fired.fill(true);
    }

    /// The journal has a record.
    pub fn journal(&mut self, now_ms: u64, event: &journal::Event) -> Vec<Strike> {
        match event {
            journal::Event::Intent { id, action } => {
                self.open.insert(*id, action.clone());
                let Some(effect) = Effect::of(action) else { return Vec::new() };
                let deed = self.intents.next(effect, self.step);
                self.fire(now_ms, Some(action), &Happening::Intent(deed))
            }
            journal::Event::Outcome { id, .. } => {
                let Some(action) = self.open.remove(id) else { return Vec::new() };
                let Some(effect) = Effect::of(&action) else { return Vec::new() };
                let deed = self.outcomes.next(effect, self.step);
                self.fire(now_ms, Some(&action), &Happening::Outcome(deed))
            }
            journal::Event::Step { step } => {
                self.step = *step;
                match self.steps.insert(*step) {
                    true => self.fire(now_ms, None, &Happening::Step(*step)),
                    false => Vec::new(),
                }
            }
            journal::Event::AtGate { step } => self.fire(now_ms, None, &Happening::AtGate(*step)),
            journal::Event::Held { reason, .. } => {
                let count = next(&mut self.holds);
                let mut strikes = self.fire(now_ms, None, &Happening::Held(count));
                if is_about_a_server(reason) {
                    let count = next(&mut self.holds_for_servers);
                    strikes.extend(self.fire(now_ms, None, &Happening::HeldForServer(count)));
                }
                strikes
            }
            journal::Event::Began { resumed: true, .. } => {
                let count = next(&mut self.resumes);
                self.fire(now_ms, None, &Happening::Resumed(count))
            }
            _ => Vec::new(),
        }
    }

    /// The n-th record has been handed to the disk, which has not synced it.
    pub fn written(&mut self, now_ms: u64, nth: u64) -> Vec<Strike> {
        self.fire(now_ms, None, &Happening::Write(nth))
    }

    /// The n-th record is durable.
    pub fn recorded(&mut self, now_ms: u64, nth: u64) -> Vec<Strike> {
        self.fire(now_ms, None, &Happening::Record(nth))
    }

    /// The orchestrator has sent bytes for the n-th time to where an effect is under way.
    pub fn sent(&mut self, now_ms: u64, nth: u64) -> Vec<Strike> {
        self.fire(now_ms, None, &Happening::Sent(nth))
    }

    /// Ground truth has changed.
    pub fn ledger(&mut self, now_ms: u64, event: &ledger::Event) -> Vec<Strike> {
        let ledger::Event::JobStarted { server, kind, .. } = event else { return Vec::new() };
        let start = Start {
            server: server.clone(),
            kind: kind.clone(),
            of_run: next(self.jobs.entry(kind.clone()).or_default()),
            of_server: next(self.jobs_on.entry((server.clone(), kind.clone())).or_default()),
        };
        self.fire(now_ms, None, &Happening::Job(start))
    }

    /// The trigger that would have struck at the last happening; `None` before the first.
    #[must_use]
    pub fn latest(&self) -> Option<&Trigger> {
        self.latest.as_ref()
    }

    /// The faults whose trigger has come, with when they strike.
    fn fire(&mut self, now_ms: u64, action: Option<&Action>, happened: &Happening) -> Vec<Strike> {
        self.latest = happened.trigger().or(self.latest.take());
        let mut strikes = Vec::new();
        for (place, planned) in self.schedule.planned.iter().enumerate() {
            if self.fired[place] {
                continue;
            }
            let Some(after_ms) = happened.triggers(&planned.trigger) else { continue };
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

fn next(count: &mut u32) -> u32 {
    *count += 1;
    *count
}

/// A person can answer it by doing a server's jobs, or by leaving it out.
fn is_about_a_server(reason: &journal::HoldReason) -> bool {
    use journal::HoldReason::{ServerFailed, ServerUnknown};
    matches!(reason, ServerFailed { .. } | ServerUnknown { .. })
}
