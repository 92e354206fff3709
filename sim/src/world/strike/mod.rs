//! Carries faults out: the schedule's words become changes of farm, network and orchestrator.
//!
//! One file a family, under the name that the family has in the catalogue.
mod balancer;
mod correlated;
mod database;
mod front_end;
mod link;
mod orchestrator;
mod people;
mod service_center;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use evenkeel::journal::Record;
use evenkeel::procedure::action::Action;
use evenkeel_fakes::balancer::SavedState;
use evenkeel_fakes::farm::Shared;

use crate::fabric::{Fabric, Latency};
use crate::nemesis::Fault;
use crate::nemesis::watch::Strike;

use super::Site;
use super::network::Network;
use super::orchestrator::{Machine, Watchers};
use super::record::{Message, Recorder};

/// What is left to do about a fault at a later instant.
#[derive(Clone, Debug)]
pub(super) enum Later {
    /// The fault itself.
    Strike(Strike),
    /// What lasted is over.
    End {
        /// Its place in the schedule.
        place: usize,
        /// The fault.
        fault: Fault,
    },
    /// A server that has booted is on the network again.
    OnNetwork(String),
}

/// How a fault goes on after it struck.
pub(super) struct Blow {
    /// How long until the world ends it; `None` when there is nothing to end.
    lasts_ms: Option<u64>,
    /// It changed something when it struck; else when a double says that it met it.
    changed: bool,
}

impl Blow {
    /// Struck, changed something, and nothing is left to do.
    pub(super) const ONCE: Self = Self { lasts_ms: None, changed: true };
    /// Lies in wait until a double meets it.
    pub(super) const ARMED: Self = Self { lasts_ms: None, changed: false };

    /// Struck, and nothing is left to do.
    pub(super) fn once_if(changed: bool) -> Self {
        Self { lasts_ms: None, changed }
    }

    /// Changed something, and is ended after a while.
    pub(super) fn lasting(for_ms: u64) -> Self {
        Self { lasts_ms: Some(for_ms), changed: true }
    }
}

/// Whoever breaks the world.
pub(super) struct Breaker {
    pub(super) fabric: Fabric,
    pub(super) network: Network,
    pub(super) shared: Shared,
    pub(super) recorder: Recorder,
    pub(super) machine: Machine,
    links: Latency,
    strains: RefCell<Vec<link::Strain>>,
    /// State files of nodes, by the place of the fault that saved them.
    saved: RefCell<BTreeMap<usize, SavedState>>,
    /// Servers that have no power.
    powerless: RefCell<Powerless>,
    /// When what lasts is to end, by places in the schedule.
    ends_ms: RefCell<BTreeMap<usize, u64>>,
}

impl Breaker {
    pub(super) fn new(site: Site, machine: Machine, links: Latency) -> Self {
        let Site { fabric, network, shared, recorder } = site;
        let (strains, saved) = (RefCell::default(), RefCell::default());
        let (powerless, ends_ms) = (RefCell::default(), RefCell::default());
        Self {
            fabric,
            network,
            shared,
            recorder,
            machine,
            links,
            strains,
            saved,
            powerless,
            ends_ms,
        }
    }

    /// Starts the orchestrator on what its disk holds.
    pub(super) fn start_orchestrator(self: &Rc<Self>) {
        let (watcher, writer) = (self.clone(), self.clone());
        self.machine.start(Watchers {
            record: Rc::new(move |record| watcher.watch(record)),
            written: Rc::new(move |nth| writer.written(nth)),
        });
    }

    /// A record was handed to the disk, which has not synced it.
    fn written(&self, nth: u64) {
        let now_ms = self.shared.now_ms();
        for strike in self.recorder.written(now_ms, nth) {
            self.strike(strike);
        }
    }

    /// The orchestrator has sent something to where an effect is under way.
    pub(super) fn sent(&self, nth: u64) {
        let now_ms = self.shared.now_ms();
        for strike in self.recorder.sent(now_ms, nth) {
            self.strike(strike);
        }
    }

    /// A record is durable, and what it announces has not happened yet.
    fn watch(&self, record: &Record) {
        // Brings ground truth to this instant before the claim is judged.
        let now_ms = self.shared.with(|farm| farm.now_ms());
        self.machine.recorded(&record.event);
        for strike in self.recorder.journal(now_ms, record) {
            self.strike(strike);
        }
    }

    /// Carries a fault out now. One whose object is gone (an orchestrator that is away, an old
    /// server that is upgraded by now) does not strike, nor one that the atlas forbids.
    pub(super) fn strike(&self, strike: Strike) {
        let Strike { place, fault, action, .. } = strike;
        if !self.has_object(&fault) {
            return;
        }
        // Brings the users to this instant: what they meet until now is no consequence of it.
        let now_ms = self.shared.with(|farm| farm.now_ms());
        if !self.recorder.may_strike(now_ms, &fault) {
            return;
        }
        self.recorder.began(now_ms, place, &fault);
        let blow = match &fault {
            Fault::Link(it) => self.link(place, it, action.as_ref()),
            Fault::Balancer(it) => self.balancer(place, it),
            Fault::ServiceCenter(it) => self.service_center(place, it),
            Fault::FrontEnd(it) => self.front_end(place, it),
            Fault::Database(it) => self.database(place, it),
            Fault::Orchestrator(it) => self.orchestrator(place, it),
            Fault::People(it) => self.people(place, it),
            Fault::Correlated(it) => self.correlated(place, it),
        };
        if blow.changed {
            self.recorder.changed(now_ms, place);
        }
        if let Some(lasts_ms) = blow.lasts_ms {
            let ends_ms = now_ms + lasts_ms;
            self.ends_ms.borrow_mut().insert(place, ends_ms);
            self.recorder.send(Message::Later(ends_ms, Later::End { place, fault }));
        }
    }

    /// What lasts is ended now, and was to last longer: the farm heals.
    fn ends_early(&self, place: usize) -> bool {
        self.ends_ms.borrow().get(&place).is_some_and(|ends_ms| self.shared.now_ms() < *ends_ms)
    }

    /// Mends what has no end of its own, at the end of a run's first phase; `None` for what is not
    /// there to be mended: it happened once, or was met and is over.
    pub(super) fn mend(&self, fault: &Fault) -> Option<Over> {
        match fault {
            Fault::FrontEnd(it) => self.mend_front_end(it),
            _ => None,
        }
    }

    /// What a fault would strike is there.
    fn has_object(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Orchestrator(_) => self.machine.is_alive(),
            Fault::Database(fault) => self.is_still_old(fault),
            Fault::FrontEnd(fault) => self.is_installing(fault),
            _ => true,
        }
    }

    /// Ends what lasted.
    pub(super) fn end(self: &Rc<Self>, place: usize, fault: &Fault) {
        let over = match fault {
            Fault::Link(it) => self.end_link(place, it),
            Fault::FrontEnd(it) => self.end_front_end(place, it),
            Fault::Orchestrator(it) => self.end_orchestrator(place, it),
            Fault::People(it) => self.end_people(place, it),
            Fault::Correlated(it) => self.end_correlated(place, it),
            Fault::Balancer(it) => self.end_balancer(place, it),
            Fault::ServiceCenter(_) | Fault::Database(_) => {
                unreachable!("{fault} has no end of its own")
            }
        };
        if over == Over::Now {
            self.recorder.ended(self.shared.now_ms(), place);
        }
    }
}

/// Servers that faults keep down, with the places of those faults in the schedule.
#[derive(Debug, Default)]
struct Powerless(BTreeMap<String, BTreeSet<usize>>);

impl Powerless {
    /// The fault of a place takes a server's power.
    fn cut(&mut self, server: &str, place: usize) {
        self.0.entry(server.to_owned()).or_default().insert(place);
    }

    /// These faults keep a server down no longer. Whether its power comes back: no other does.
    fn restore(&mut self, server: &str, is_over: impl Fn(usize) -> bool) -> bool {
        let Some(places) = self.0.get_mut(server) else { return true };
        places.retain(|place| !is_over(*place));
        places.is_empty()
    }
}

/// When something is over whose end was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Now.
    Now,
    /// Somebody else says when: a machine has yet to boot.
    ToldByOthers,
}

/// The host that an action goes to.
fn peer(action: &Action) -> String {
    match action {
        Action::Balancer { node, .. } | Action::Nudge { node, .. } => node.to_string(),
        Action::Flag { via: server, .. }
        | Action::Start { server, .. }
        | Action::Reboot { server, .. }
        | Action::Test { server } => server.to_string(),
    }
}

#[cfg(test)]
mod tests;
