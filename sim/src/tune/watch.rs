//! What a run of a sweep is watched for: how often systems are asked, and claims that are not so.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use evenkeel::journal::{Event, Milestone};

use crate::oracle::{Ground, contradiction};
use crate::traffic::Traffic;
use crate::world::{Asked, Witness};

const MINUTE_MS: u64 = 60_000;

/// What was counted in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests to each kind of system, by the minute in which they came.
    pub(super) asked: BTreeMap<Asked, BTreeMap<u64, u64>>,
    /// Servers that the journal claimed to be quiet while a user's request was unanswered there.
    pub(super) false_quiet: u64,
    /// Claims that a server is deployed or proven, which by ground truth it was not.
    pub(super) false_done: u64,
}

impl Counts {
    /// Requests to a kind of system.
    pub(super) fn calls(&self, whom: Asked) -> u64 {
        self.asked.get(&whom).into_iter().flat_map(BTreeMap::values).sum()
    }

    /// Requests to it in the minute in which it was asked most.
    pub(super) fn busiest_minute(&self, whom: Asked) -> u64 {
        self.asked.get(&whom).into_iter().flat_map(BTreeMap::values).max().copied().unwrap_or(0)
    }
}

/// Counts as a run goes on.
#[derive(Clone, Default)]
pub(super) struct Watch(Rc<RefCell<Counts>>);

impl Watch {
    /// What was counted.
    pub(super) fn counts(&self) -> Counts {
        self.0.borrow().clone()
    }
}

impl Witness for Watch {
    fn claimed(&mut self, at_ms: u64, event: &Event, ground: &Ground, users: &Traffic) {
        let Event::Reached { server, milestone, .. } = event else { return };
        let Some(truth) = ground.servers.get(server.as_str()) else { return };
        let counts = &mut *self.0.borrow_mut();
        match milestone {
            Milestone::Quiet => {
                counts.false_quiet += u64::from(unanswered(users, server.as_str(), at_ms) > 0);
            }
            Milestone::Deployed | Milestone::Proven { .. } => {
                let wrong = contradiction(server.as_str(), truth, milestone, ground).is_some();
                counts.false_done += u64::from(wrong);
            }
            _ => {}
        }
    }

    fn asked(&mut self, at_ms: u64, whom: Asked) {
        let counts = &mut *self.0.borrow_mut();
        *counts.asked.entry(whom).or_default().entry(at_ms / MINUTE_MS).or_default() += 1;
    }
}

/// Users' requests that a server has not answered at an instant. The model was last moved on to
/// the last reading or change; since then requests can only have ended by themselves.
fn unanswered(users: &Traffic, server: &str, at_ms: u64) -> u64 {
    let mut users = users.clone();
    users.advance(at_ms);
    users.cells_of(server).iter().map(|cell| users.unanswered(*cell)).sum()
}
