//! Faults of Service Center, carried out on the doubles.
use crate::nemesis::fault::ServiceCenterFault;

use super::{Blow, Breaker};

impl Breaker {
    pub(super) fn service_center(&self, fault: &ServiceCenterFault) -> Blow {
        match *fault {}
    }
}
