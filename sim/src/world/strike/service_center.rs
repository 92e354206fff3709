//! Faults of Service Center, carried out on the doubles.
use std::rc::Rc;

use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::trouble::{OddThreads, Trouble};

use crate::nemesis::fault::ServiceCenterFault as Fault;

use super::{Blow, Breaker};

impl Breaker {
    pub(super) fn service_center(&self, place: usize, fault: &Fault) -> Blow {
        let tag = place as u64;
        self.shared.with(|farm| match fault {
            Fault::LoginExpiry => Blow::once_if(farm.end_sessions()),
            Fault::BusyIdleBusy { server, rounds, pause_ms } => {
                farm.deploy_in_rounds(server, *rounds, *pause_ms, tag);
                Blow::ARMED
            }
            _ => {
                let (trouble, for_ms) = trouble(farm, fault);
                farm.lay_trouble(trouble, for_ms, tag);
                Blow::ARMED
            }
        })
    }
}

/// A fault as the doubles know it, and how long it lasts.
fn trouble(farm: &Farm, fault: &Fault) -> (Trouble, u64) {
    let threads = |server: &str, shown| Trouble::Threads { server: server.to_owned(), shown };
    match fault {
        Fault::LoginExpiry | Fault::BusyIdleBusy { .. } => unreachable!("{fault} is no trouble"),
        Fault::Lockout { for_ms } => (Trouble::LockedOut, *for_ms),
        Fault::ConsoleErrors { server, for_ms } => {
            (Trouble::ConsoleAnswers { console: server.clone(), status: 500 }, *for_ms)
        }
        Fault::OtherGeneration { new_only } => {
            (Trouble::OtherGeneration { new_only: *new_only }, u64::MAX)
        }
        Fault::DisableIgnored { for_ms } => (Trouble::DisableIgnored, *for_ms),
        Fault::ConsoleGone { server, status, for_ms } => {
            let console = Some(server.clone());
            (Trouble::ConsoleAnswers { console, status: *status }, *for_ms)
        }
        Fault::StalePage { server, for_ms } => {
            let (console, shown) = (server.clone(), Rc::new(farm.snapshot()));
            (Trouble::ConsoleStale { console, shown }, *for_ms)
        }
        Fault::NoThreads { server, for_ms } => (threads(server, OddThreads::Nothing), *for_ms),
        Fault::ThreadInError { server, for_ms } => (threads(server, OddThreads::Error), *for_ms),
        Fault::ThreadStuck { server, for_ms } => (threads(server, OddThreads::Busy), *for_ms),
        Fault::UnknownWord { server, for_ms } => {
            (threads(server, OddThreads::UnknownWord), *for_ms)
        }
    }
}
