//! Faults of the network, carried out on the fabric.
use std::collections::BTreeSet;

use evenkeel::procedure::action::Action;

use crate::fabric::Latency;
use crate::nemesis::fault::LinkFault;

use super::{Blow, Breaker, Over, peer};

/// A spike of latency that is on.
#[derive(Clone, Debug)]
pub(super) struct Spike {
    hosts: BTreeSet<String>,
    extra_ms: u64,
    until_ms: u64,
}

impl Breaker {
    pub(super) fn link(&self, fault: &LinkFault, action: Option<&Action>) -> Blow {
        match fault {
            LinkFault::Latency { hosts, extra_ms, for_ms } => {
                let until_ms = self.shared.now_ms() + for_ms;
                let spike = Spike { hosts: hosts.clone(), extra_ms: *extra_ms, until_ms };
                self.spikes.borrow_mut().push(spike);
                self.set_latencies();
                Blow::lasting(*for_ms)
            }
            LinkFault::LostResponse { host } => {
                let host = host.clone().or_else(|| action.map(peer));
                if let Some(host) = host.and_then(|name| self.network.host(&name)) {
                    self.fabric.lose_response(self.network.orchestrator, host);
                }
                Blow::ONCE
            }
        }
    }

    pub(super) fn end_link(&self, fault: &LinkFault) -> Over {
        match fault {
            LinkFault::Latency { .. } => self.set_latencies(),
            LinkFault::LostResponse { .. } => unreachable!("{fault} has no end of its own"),
        }
        Over::Now
    }

    /// Sets every link to what the spikes that are on make of it.
    fn set_latencies(&self) {
        let now_ms = self.shared.now_ms();
        let mut spikes = self.spikes.borrow_mut();
        spikes.retain(|spike| spike.until_ms > now_ms);
        for (name, host) in self.network.peers() {
            let on =
                spikes.iter().filter(|spike| spike.hosts.is_empty() || spike.hosts.contains(name));
            let extra_ms = on.map(|spike| spike.extra_ms).max().unwrap_or(0);
            let latency = Latency { base_ms: self.links.base_ms + extra_ms, ..self.links };
            self.fabric.set_latency(self.network.orchestrator, host, latency);
        }
    }
}
