//! What may not be injected, since no orchestrator could survive it: the only entries are those
//! that would leave a pool without a fit member that lives, for good.
//!
//! Asked on ground truth at the instant at which a fault strikes. A fault that is forbidden then
//! does not strike in this run; the campaign prints the share of seeds that an entry trimmed.
use std::collections::BTreeSet;

use crate::oracle::{Faults, Ground};

use super::Fault;
use super::fault::{CorrelatedFault, FrontEndFault};

/// Something that is not injected.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Why no orchestrator could survive it.
    pub why: &'static str,
}

/// The last member that can serve a pool goes down and does not come back.
pub const LAST_FIT_MEMBER: Entry = Entry {
    name: "last-fit-member",
    why: "a pool would have no fit member that lives, for good, and no orchestrator could serve it",
};

/// Every entry.
pub const ENTRIES: [&Entry; 1] = [&LAST_FIT_MEMBER];

/// The entry that forbids a fault now; `None` when it may strike.
#[must_use]
pub fn forbids(fault: &Fault, ground: &Ground, faults: &Faults) -> Option<&'static Entry> {
    let down = taken_down(fault);
    if down.is_empty() {
        return None;
    }
    let leaves_nobody = ground.lanes().into_values().any(|members| {
        let stays = |server: &str| !down.contains(server) && will_serve(ground, faults, server);
        members.iter().any(|(_, member)| down.contains(member.server.as_str()))
            && !members.iter().any(|(_, member)| stays(&member.server))
    });
    leaves_nobody.then_some(&LAST_FIT_MEMBER)
}

/// A server serves, or will: what makes it unfit now is a job or a deployment, which ends, or that it
/// is down, and no fault keeps it so for good. Whether one in which nothing goes on becomes fit is not
/// known: it does not count.
fn will_serve(ground: &Ground, faults: &Faults, server: &str) -> bool {
    let is_gone = || {
        let mut open = faults.incidents().filter(|it| it.until_ms.is_none());
        open.any(|it| taken_down(&it.fault).contains(server))
    };
    let goes_on = ground.servers.get(server).is_some_and(|it| {
        let is_worked_at = it.being_changed() || it.deploying_since_ms.is_some();
        is_worked_at || it.down_since_ms.is_some()
    });
    ground.ready(server) || (goes_on && !is_gone())
}

/// Servers that a fault takes down for good: one that comes back is waited for.
fn taken_down(fault: &Fault) -> BTreeSet<&str> {
    match fault {
        Fault::FrontEnd(FrontEndFault::FrontEndCrash { server, back_after_ms: None }) => {
            [server.as_str()].into()
        }
        Fault::Correlated(fault) => correlated(fault),
        _ => BTreeSet::new(),
    }
}

fn correlated(fault: &CorrelatedFault) -> BTreeSet<&str> {
    match fault {
        // What they take down or cut off is back after a while: it is waited for.
        CorrelatedFault::RackCrash { .. }
        | CorrelatedFault::RackCutOff { .. }
        | CorrelatedFault::ControlNetwork { .. }
        | CorrelatedFault::Failover { .. } => BTreeSet::new(),
    }
}
