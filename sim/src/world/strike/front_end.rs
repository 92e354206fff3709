//! Faults of front-ends, carried out on the doubles.
use crate::nemesis::fault::FrontEndFault;

use super::{Blow, Breaker, Over};

impl Breaker {
    pub(super) fn front_end(&self, place: usize, fault: &FrontEndFault) -> Blow {
        match fault {
            FrontEndFault::FrontEndCrash { server, back_after_ms } => {
                self.recorder.crashed(place, server);
                self.fabric.cut_power(self.network.servers[server].host);
                self.shared.with(|farm| farm.crash(server));
                Blow { lasts_ms: *back_after_ms, changed: true }
            }
            FrontEndFault::InstallerFails { server, job, code, times } => {
                let tag = place as u64;
                self.shared.with(|farm| farm.fail_jobs(server, job.as_str(), *code, *times, tag));
                Blow::ARMED
            }
        }
    }

    pub(super) fn end_front_end(&self, fault: &FrontEndFault) -> Over {
        match fault {
            FrontEndFault::FrontEndCrash { server, .. } => {
                self.shared.with(|farm| farm.power_on(server));
                Over::ToldByOthers
            }
            FrontEndFault::InstallerFails { .. } => unreachable!("{fault} has no end of its own"),
        }
    }
}
