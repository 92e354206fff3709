//! Faults of the shared database and of the controller, carried out on the doubles.
use crate::nemesis::fault::DatabaseFault;

use super::{Blow, Breaker};

impl Breaker {
    pub(super) fn database(&self, fault: &DatabaseFault) -> Blow {
        match *fault {}
    }
}
