//! Faults of the network, carried out on the fabric.
use std::collections::BTreeSet;

use evenkeel::procedure::action::Action;

use crate::fabric::{Latency, Mishap};
use crate::nemesis::fault::LinkFault;
use crate::nemesis::fault::link::{Garbage, Way};

use super::{Blow, Breaker, Message, Over, peer};

/// What is wrong with the links to some hosts for a while.
#[derive(Clone, Debug)]
pub(super) struct Strain {
    /// Whose it is: its fault's place in the schedule.
    place: usize,
    /// All of them when empty.
    hosts: BTreeSet<String>,
    wrong: Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Packets take so much longer.
    LateMs(u64),
    /// So many of a thousand packets are lost.
    LostPermille(u64),
    /// Nothing gets through: one way, or both.
    Cut(Option<Way>),
}

impl Breaker {
    pub(super) fn link(&self, place: usize, fault: &LinkFault, action: Option<&Action>) -> Blow {
        let one = |host: &String| BTreeSet::from([host.clone()]);
        match fault {
            LinkFault::Latency { hosts, extra_ms, for_ms } => {
                self.strain(place, hosts.clone(), Wrong::LateMs(*extra_ms), *for_ms)
            }
            LinkFault::Loss { hosts, permille, for_ms } => {
                self.strain(place, hosts.clone(), Wrong::LostPermille(*permille), *for_ms)
            }
            LinkFault::Partition { host, for_ms } | LinkFault::LongPartition { host, for_ms } => {
                self.strain(place, one(host), Wrong::Cut(None), *for_ms)
            }
            LinkFault::OneWayPartition { host, way, for_ms } => {
                self.strain(place, one(host), Wrong::Cut(Some(*way)), *for_ms)
            }
            LinkFault::LostResponse { host } => {
                self.spoil(place, host.as_ref(), action, Mishap::Lost)
            }
            LinkFault::ResetMidResponse { host } => {
                self.spoil(place, host.as_ref(), action, Mishap::Reset)
            }
            LinkFault::SilenceMidResponse { host } => {
                self.spoil(place, host.as_ref(), action, Mishap::Silence)
            }
            LinkFault::Garbage { host, form } => {
                let mishap = match form {
                    Garbage::Truncated => Mishap::Cut,
                    Garbage::Noise => Mishap::Noise,
                };
                self.spoil(place, host.as_ref(), action, mishap)
            }
        }
    }

    /// Lets something befall the next answer of a host, or of whom the action goes to: it may be long
    /// until there is one.
    fn spoil(
        &self,
        place: usize,
        host: Option<&String>,
        action: Option<&Action>,
        mishap: Mishap,
    ) -> Blow {
        let host = host.cloned().or_else(|| action.map(peer));
        if let Some(host) = host.and_then(|name| self.network.host(&name)) {
            let (client, recorder) = (self.network.orchestrator, self.recorder.clone());
            let tell = move || recorder.send(Message::Befell(place));
            self.fabric.spoil_response_and_tell(client, host, mishap, tell);
        }
        Blow::ARMED
    }

    /// Answers come whole from now on.
    pub(in crate::world) fn spoil_nothing(&self) {
        for (_, host) in self.network.peers() {
            self.fabric.lose_nothing(self.network.orchestrator, host);
        }
    }

    /// Strains the links to some hosts, all of them when none is named, until they are relieved.
    pub(super) fn strain(
        &self,
        place: usize,
        hosts: BTreeSet<String>,
        wrong: Wrong,
        for_ms: u64,
    ) -> Blow {
        self.strains.borrow_mut().push(Strain { place, hosts, wrong });
        self.set_links();
        Blow::lasting(for_ms)
    }

    /// Ends what a fault strained.
    pub(super) fn relieve(&self, place: usize) {
        self.strains.borrow_mut().retain(|strain| strain.place != place);
        self.set_links();
    }

    pub(super) fn end_link(&self, place: usize, fault: &LinkFault) -> Over {
        match fault {
            LinkFault::Latency { .. }
            | LinkFault::Loss { .. }
            | LinkFault::Partition { .. }
            | LinkFault::OneWayPartition { .. }
            | LinkFault::LongPartition { .. } => self.relieve(place),
            LinkFault::LostResponse { .. }
            | LinkFault::ResetMidResponse { .. }
            | LinkFault::SilenceMidResponse { .. }
            | LinkFault::Garbage { .. } => unreachable!("{fault} has no end of its own"),
        }
        Over::Now
    }

    /// Sets every link to what the strains that are on make of it.
    fn set_links(&self) {
        let strains = self.strains.borrow();
        let orchestrator = self.network.orchestrator;
        for (name, host) in self.network.peers() {
            let (mut extra_ms, mut permille) = (0, 0);
            let (mut requests, mut answers) = (false, false);
            for strain in strains.iter().filter(|it| it.hosts.is_empty() || it.hosts.contains(name))
            {
                match strain.wrong {
                    Wrong::LateMs(ms) => extra_ms = ms.max(extra_ms),
                    Wrong::LostPermille(lost) => permille = lost.max(permille),
                    Wrong::Cut(way) => {
                        requests |= way != Some(Way::Answers);
                        answers |= way != Some(Way::Requests);
                    }
                }
            }
            let latency = Latency { base_ms: self.links.base_ms + extra_ms, ..self.links };
            self.fabric.set_latency(orchestrator, host, latency);
            self.fabric.set_loss(orchestrator, host, permille);
            self.fabric.set_cut(orchestrator, host, requests);
            self.fabric.set_cut(host, orchestrator, answers);
        }
    }
}
