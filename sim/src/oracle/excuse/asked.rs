//! Whether somebody wants the run to hold, and from when on the run must know that he does no more.
use evenkeel::journal::Wanted;

use super::disturbance::Cost;
use super::{Bound, Excuse, Faults};

/// A process takes what was asked before it says anything: it needs no time of its own for that.
const AT_ONCE: Bound = Bound { waits_ms: 0, exchanges: 0 };

impl Faults {
    /// Somebody asked for a hold, and has not let the run go on since.
    #[must_use]
    pub fn asked_to_hold(&self) -> bool {
        let mut asked = self.asked.iter().rev().map(|(_, what)| what);
        asked.find(|what| matches!(what, Wanted::Hold | Wanted::Retry { server: None }))
            == Some(&Wanted::Hold)
    }

    /// The excuse of a hold that somebody let go while no process ran: one that died when it wrote the
    /// hold down may have left the record on the disk, and the next one finds it before it takes what
    /// was asked meanwhile. Where a process ran, there is none.
    #[must_use]
    pub fn let_go_excuse(&self) -> Option<Excuse> {
        let held = self.asked.iter().rev().find(|(_, what)| *what == Wanted::Hold);
        let let_go_ms = self.retried_since_ms(held?.0)?;
        let end_ms = self.end_among(let_go_ms, AT_ONCE, |it| {
            it.with.is_empty() && matches!(it.costs, Cost::Outage)
        });
        Some(Excuse::until("hold", "the run", end_ms))
    }
}
