//! How long the orchestrator needs to notice: from what happens to what it makes of it.
//!
//! * From the last answer of a drained server to the milestone *quiet*.
//! * From the last deployment thread's rest to the milestone *deployed*.
//! * From the death of a member's server to the last member of it out of rotation (by the balancers'
//!   health checks or by command, whichever comes first), or to a hold.
//!
//! The first is known beforehand: a drained member gets no new requests, so a copy of the users'
//! model is let run on from the drain until nobody waits any more. That is true where nothing else
//! happens to the server meanwhile: measured are runs in which nothing but deaths strikes.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use evenkeel::journal::{Event, Milestone};
use evenkeel_fakes::ledger;

use crate::oracle::{Ground, MemberKey};
use crate::traffic::{Cell, REQUEST_MS_MAX, Traffic};
use crate::world::Witness;

/// Between two looks at whether a drained member's last request has ended.
const LOOK_EVERY_MS: u64 = 20;

/// Delays of one run, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// From the last answer to *quiet*.
    pub quiet_ms: Vec<u64>,
    /// From the last thread's rest to *deployed*.
    pub deployed_ms: Vec<u64>,
    /// From a death to out of rotation, or to a hold.
    pub death_ms: Vec<u64>,
}

#[derive(Default)]
struct Inner {
    delays: Delays,
    /// When a server has answered everything, by server.
    answered_ms: BTreeMap<String, u64>,
    /// When deployment to a server last ended.
    rested_ms: BTreeMap<String, u64>,
    /// Servers that died in rotation, and nobody noticed yet.
    died_ms: BTreeMap<String, u64>,
}

/// Measures as a run goes on.
#[derive(Clone, Default)]
pub struct Stopwatch(Rc<RefCell<Inner>>);

impl Stopwatch {
    /// What was measured.
    #[must_use]
    pub fn delays(&self) -> Delays {
        self.0.borrow().delays.clone()
    }
}

impl Witness for Stopwatch {
    fn changed(&mut self, at_ms: u64, event: &ledger::Event, ground: &Ground, users: &Traffic) {
        let inner = &mut *self.0.borrow_mut();
        match event {
            ledger::Event::MemberAdmin { node, pool, member, admin: 1.. } => {
                let Some(cell) = users.cell(node, pool, member) else { return };
                let key =
                    MemberKey { node: node.clone(), pool: pool.clone(), member: member.clone() };
                let server = ground.members[&key].server.clone();
                let answered = inner.answered_ms.entry(server).or_default();
                *answered = (*answered).max(answered_at(users, cell, at_ms));
            }
            ledger::Event::DeploymentEnded { server } => {
                inner.rested_ms.insert(server.clone(), at_ms);
            }
            ledger::Event::Down { server } if ground.in_rotation(server) => {
                inner.died_ms.insert(server.clone(), at_ms);
            }
            _ => {}
        }
        let (died, delays) = (&mut inner.died_ms, &mut inner.delays);
        died.retain(|server, since_ms| {
            let noticed = !ground.in_rotation(server);
            if noticed {
                delays.death_ms.push(at_ms - *since_ms);
            }
            !noticed
        });
    }

    fn claimed(&mut self, at_ms: u64, event: &Event, _ground: &Ground, _users: &Traffic) {
        let inner = &mut *self.0.borrow_mut();
        match event {
            Event::Reached { server, milestone: Milestone::Quiet, .. } => {
                if let Some(answered_ms) = inner.answered_ms.remove(server.as_str()) {
                    inner.delays.quiet_ms.push(at_ms.saturating_sub(answered_ms));
                }
            }
            Event::Reached { server, milestone: Milestone::Deployed, .. } => {
                if let Some(rested_ms) = inner.rested_ms.remove(server.as_str()) {
                    inner.delays.deployed_ms.push(at_ms - rested_ms);
                }
            }
            Event::Held { .. } => {
                let died = std::mem::take(&mut inner.died_ms);
                inner.delays.death_ms.extend(died.values().map(|since_ms| at_ms - since_ms));
            }
            _ => {}
        }
    }
}

/// When a member that gets no new requests from now on has answered those that it has.
fn answered_at(users: &Traffic, cell: Cell, at_ms: u64) -> u64 {
    let mut users = users.clone();
    users.advance(at_ms);
    users.set_weight(cell, 0);
    let looks = (at_ms..=at_ms + REQUEST_MS_MAX).step_by(LOOK_EVERY_MS as usize);
    for look_ms in looks {
        users.advance(look_ms);
        if users.unanswered(cell) == 0 {
            return look_ms;
        }
    }
    at_ms + REQUEST_MS_MAX
}
