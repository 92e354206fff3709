//! Several faults at once, by one cause.
use std::collections::BTreeSet;

use crate::nemesis::fault::CorrelatedFault;

use super::link::Wrong;
use super::{Blow, Breaker, Over};

impl Breaker {
    pub(super) fn correlated(&self, place: usize, fault: &CorrelatedFault) -> Blow {
        match fault {
            CorrelatedFault::RackCrash { node, servers, for_ms } => {
                for server in servers {
                    self.crash(place, server);
                }
                if let Some(node) = node {
                    let _until_then =
                        self.strain(place, [node.clone()].into(), Wrong::Cut(None), *for_ms);
                }
                Blow::lasting(*for_ms)
            }
            CorrelatedFault::RackCutOff { node, servers, for_ms } => {
                let hosts = node.iter().chain(servers).cloned().collect();
                self.strain(place, hosts, Wrong::Cut(None), *for_ms)
            }
            CorrelatedFault::ControlNetwork { for_ms } => {
                self.strain(place, BTreeSet::new(), Wrong::Cut(None), *for_ms)
            }
            CorrelatedFault::Failover { node, extra_ms, for_ms } => {
                self.shared.with(|farm| farm.reload(node));
                self.strain(place, BTreeSet::new(), Wrong::LateMs(*extra_ms), *for_ms)
            }
        }
    }

    pub(super) fn end_correlated(&self, place: usize, fault: &CorrelatedFault) -> Over {
        self.relieve(place);
        match fault {
            CorrelatedFault::RackCrash { node, servers, .. } => {
                let mut restored = servers.clone();
                restored.retain(|it| self.powerless.borrow_mut().restore(it, |it| it == place));
                self.shared.with(|farm| {
                    if let Some(node) = node {
                        // Its users were another node's meanwhile; its process is a new one.
                        farm.reload(node);
                    }
                    restored.iter().for_each(|server| farm.power_on(server));
                });
                Over::ToldByOthers
            }
            CorrelatedFault::RackCutOff { .. }
            | CorrelatedFault::ControlNetwork { .. }
            | CorrelatedFault::Failover { .. } => Over::Now,
        }
    }
}
