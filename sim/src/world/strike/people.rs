//! What people do meanwhile.
use crate::nemesis::fault::PeopleFault;

use super::{Blow, Breaker};

impl Breaker {
    pub(super) fn people(&self, fault: &PeopleFault) -> Blow {
        match *fault {}
    }
}
