//! Faults of balancer nodes, carried out on the doubles.
use crate::nemesis::fault::BalancerFault;

use super::{Blow, Breaker};

impl Breaker {
    pub(super) fn balancer(&self, fault: &BalancerFault) -> Blow {
        match fault {
            BalancerFault::BalancerReload { node } => {
                self.shared.with(|farm| farm.reload(node));
                Blow::ONCE
            }
        }
    }
}
