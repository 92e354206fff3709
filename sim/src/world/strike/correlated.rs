//! Several faults at once, by one cause.
use crate::nemesis::fault::CorrelatedFault;

use super::{Blow, Breaker};

impl Breaker {
    pub(super) fn correlated(&self, fault: &CorrelatedFault) -> Blow {
        match *fault {}
    }
}
