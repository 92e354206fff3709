//! Faults of the shared database and of the controller, carried out on the doubles.
use evenkeel_fakes::trouble::Trouble;

use crate::nemesis::fault::DatabaseFault as Fault;

use super::{Blow, Breaker};

impl Breaker {
    /// A server that is to restart before its upgrade runs, and that has not begun.
    pub(super) fn is_still_old(&self, fault: &Fault) -> bool {
        match fault {
            Fault::OldServiceRestart { server, .. } => self.shared.with(|farm| {
                farm.servers.get(server).is_some_and(|it| it.is_up() && !it.touched())
            }),
            Fault::ControllerDown { .. } | Fault::DatabaseDown { .. } => true,
        }
    }

    pub(super) fn database(&self, place: usize, fault: &Fault) -> Blow {
        let tag = place as u64;
        match fault {
            Fault::OldServiceRestart { server, reboot: false } => {
                Blow::once_if(self.shared.with(|farm| farm.restart_service(server)))
            }
            Fault::OldServiceRestart { server, reboot: true } => {
                self.recorder.crashed(place, server);
                self.fabric.cut_power(self.network.servers[server].host);
                self.shared.with(|farm| farm.reboot(server));
                Blow::ONCE
            }
            Fault::ControllerDown { for_ms } => {
                self.shared.with(|farm| farm.lay_trouble(Trouble::ControllerGone, *for_ms, tag));
                Blow::ARMED
            }
            Fault::DatabaseDown { for_ms } => {
                self.shared.with(|farm| farm.lay_trouble(Trouble::DatabaseGone, *for_ms, tag));
                Blow::ARMED
            }
        }
    }
}
