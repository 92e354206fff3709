//! Events told: one plain line each for people, and one JSON object each for programs.
//!
//! A [`Teller`] listens to a run from its first record, because an outcome is told with the name
//! of what was intended, and a hold with what is safe where the run stands.
mod hold;
mod words;

use serde::Serialize;

use super::standing::Standing;
use super::{Event, Record, Verdict, Wanted, steps};
use crate::farm::short;

pub use hold::{command, gate, hold, safe, way_out};
pub use words::{action, failure, milestone, verdict};

/// Version of what `--json` writes; it grows when a reader of the older one would be misled.
pub const JSON_VERSION: u32 = 1;

/// One event as `--json` writes it, on one line without a newline; docs/json.md describes it.
#[must_use]
pub fn json(record: &Record) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u32,
        #[serde(flatten)]
        record: &'a Record,
    }
    serde_json::to_string(&Line { v: JSON_VERSION, record })
        .expect("every key of an event is a string")
}

/// Tells a run's records to people, in order.
#[derive(Clone, Debug)]
pub struct Teller {
    plan: String,
    standing: Standing,
}

impl Teller {
    /// A teller; `plan` is the plan's path as it is to stand in the commands that are printed.
    #[must_use]
    pub fn new(plan: impl Into<String>) -> Self {
        Self { plan: plan.into(), standing: Standing::default() }
    }

    /// Takes note of a record that is not told.
    pub fn hear(&mut self, record: &Record) {
        self.standing.apply(record);
    }

    /// Where the run stands after all that was heard and told.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What happened: a line, for a hold or a gate followed by indented lines that say what is
    /// safe and what can be done.
    pub fn tell(&mut self, record: &Record) -> String {
        // The fold forgets an action with its outcome.
        let of = match &record.event {
            Event::Outcome { id, .. } => self.standing.in_flight.get(id).cloned(),
            _ => None,
        };
        self.standing.apply(record);
        let text = match &record.event {
            Event::Outcome { id, result } => {
                words::printable(&words::outcome(*id, of.as_ref(), result))
            }
            Event::AtGate { step } => gate(&self.plan, *step),
            Event::Held { reason, ways_out } => hold(&self.plan, reason, ways_out, &self.standing),
            Event::Ended { verdict: Verdict::Holding { .. } } => {
                hold::left_holding(&self.plan, &self.standing)
            }
            other => words::printable(&plain(other)),
        };
        format!("{:.0}  {text}", record.at)
    }
}

/// Events that need nothing but themselves to be told.
fn plain(event: &Event) -> String {
    match event {
        Event::Began { plan_hash, program, resumed, certificate } => {
            let verb = if *resumed { "resumed" } else { "begun" };
            let certificate = certificate.as_ref();
            let rehearsed =
                certificate.map(|hash| format!(", rehearsed: certificate {}", short(hash)));
            let rehearsed = rehearsed.unwrap_or_default();
            format!("run {verb} by {program}, plan {}{rehearsed}", short(plan_hash))
        }
        Event::Baseline(baseline) => words::baseline(baseline),
        Event::Intent { id, action } => format!("#{id} {}", words::action(action)),
        Event::JobEnded { server, kind, job, reading } => {
            format!("{server}: {} ({job}) {}", kind.as_str(), words::job_end(reading))
        }
        Event::Reached { server, milestone, evidence } => {
            format!("{server}: {}{}", words::milestone(milestone), because(evidence))
        }
        Event::FarmReached { milestone, evidence } => {
            format!("farm: {}{}", words::farm_milestone(*milestone), because(evidence))
        }
        Event::Failed { server, reason } => {
            format!("{server}: cannot go on by itself: {}", failure(reason))
        }
        Event::Decided(request) => {
            let ticket =
                request.ticket.as_ref().map(|it| format!(", ticket {it}")).unwrap_or_default();
            format!("{} decided: {}{ticket}", request.who, wanted(&request.what))
        }
        Event::Step { step } => format!("step {}", steps::title(*step)),
        Event::Released => "hold ended: the run goes on".to_owned(),
        Event::Noticed(notice) => words::notice(notice),
        Event::Ended { verdict } => words::verdict(verdict),
        Event::Outcome { .. } | Event::AtGate { .. } | Event::Held { .. } => {
            unreachable!("told with where the run stands")
        }
    }
}

/// What a person wants, as a phrase.
#[must_use]
pub fn wanted(want: &Wanted) -> String {
    match want {
        Wanted::Approve { step } => format!("approve step {}", steps::title(*step)),
        Wanted::Hold => "hold".to_owned(),
        Wanted::Abort => "abort: restore the baseline and end".to_owned(),
        Wanted::FallBack => "fall back: traffic to the loaded half again".to_owned(),
        Wanted::Retry { server: Some(server) } => format!("go on, trying {server} again"),
        Wanted::Retry { server: None } => "go on, trying again what failed".to_owned(),
        Wanted::ByHand { server } => format!("go on: {server} was done by hand"),
        Wanted::LeaveOut { server } => format!("go on without {server}"),
    }
}

fn because(evidence: &str) -> String {
    let evidence = words::one_line(evidence);
    if evidence.is_empty() { evidence } else { format!(" ({evidence})") }
}
