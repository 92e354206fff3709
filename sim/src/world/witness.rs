//! Who is told what happens while a run goes on: a timeline, a replay, the figures of a sweep.
use evenkeel::journal;
use evenkeel_fakes::ledger;

use crate::oracle::Ground;
use crate::traffic::Traffic;

/// Somebody who is told what happens while a run goes on.
pub trait Witness {
    /// A record of the journal, a change of ground truth or a fault, in words.
    fn told(&mut self, _at_ms: u64, _line: &str) {}

    /// Ground truth after a change.
    fn ground(&mut self, _at_ms: u64, _ground: &Ground) {}

    /// A change of ground truth, with the users' requests as they were last moved on.
    fn changed(&mut self, _at_ms: u64, _event: &ledger::Event, _ground: &Ground, _users: &Traffic) {
    }

    /// A record of the journal, with what it should agree with.
    fn claimed(
        &mut self,
        _at_ms: u64,
        _event: &journal::Event,
        _ground: &Ground,
        _users: &Traffic,
    ) {
    }

    /// A request reached a double.
    fn asked(&mut self, _at_ms: u64, _whom: Asked) {}
}

/// Of whom the orchestrator asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// A balancer node's runtime API: a command line.
    Balancer,
    /// Service Center: a page, a form or a SOAP call.
    Console,
    /// A server's shell: a verb.
    Server,
}

impl Asked {
    /// Whom a line of the doubles' request log is about: `NAME runtime API …`, `NAME console …`,
    /// `NAME shell …`.
    pub(super) fn of(line: &str) -> Option<Self> {
        match line.split(' ').nth(1)? {
            "runtime" => Some(Self::Balancer),
            "console" => Some(Self::Console),
            "shell" => Some(Self::Server),
            _ => None,
        }
    }
}
