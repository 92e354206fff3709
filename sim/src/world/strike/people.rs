//! What people do meanwhile: requests to the run, as its command line would deliver them, and
//! what they do to the farm behind its back.
use evenkeel::journal::{HoldReason, Wanted, WayOut};
use evenkeel::names::ServerName;
use evenkeel::procedure::action::JobKind;

use crate::nemesis::fault::PeopleFault;
use crate::nemesis::fault::people::Edit;

use super::{Blow, Breaker, Over};

/// Whoever is on call.
const WHO: &str = "maria";

impl Breaker {
    pub(super) fn people(&self, place: usize, fault: &PeopleFault) -> Blow {
        match fault {
            PeopleFault::Abort => self.ask(place, Wanted::Abort),
            PeopleFault::Hold { for_ms } => {
                self.ask(place, Wanted::Hold);
                return Blow { lasts_ms: Some(*for_ms), changed: false };
            }
            PeopleFault::FallBack => self.ask(place, Wanted::FallBack),
            PeopleFault::Retry => {
                if let Some(reason) = self.recorder.held() {
                    self.ask(place, Wanted::Retry { server: server_of(&reason) });
                }
            }
            PeopleFault::ByHand => {
                // Nobody upgrades a server at its machine when the hold does not offer that: on the way
                // back to the baseline, say, it serves users, and no run could hinder him.
                if let Some(server) = self.recorder.held().as_ref().and_then(server_to_mend)
                    && self.recorder.offers(&WayOut::ByHand { server: server.clone() })
                    && self.do_by_hand(server.as_str())
                {
                    self.ask(place, Wanted::ByHand { server });
                }
            }
            PeopleFault::LeaveOut => {
                if let Some(server) = self.recorder.held().as_ref().and_then(server_of) {
                    self.ask(place, Wanted::LeaveOut { server });
                }
            }
            PeopleFault::LateApproval { step } => self.ask(place, Wanted::Approve { step: *step }),
            PeopleFault::ConsoleEdit { server, enabled } => {
                let edit = self.shared.with(|farm| farm.set_enabled(server, *enabled));
                return Blow::once_if(edit);
            }
            PeopleFault::ThirdPartyEdit { node, server, edit } => {
                return self.third_party_edit(node, server, *edit);
            }
        }
        // It changes something when the run does as it is told.
        Blow::ARMED
    }

    /// By the runtime API, as a person would. Who finds it so already changes nothing.
    fn third_party_edit(&self, node: &str, server: &str, edit: Edit) -> Blow {
        let changed = self.shared.with(|farm| {
            farm.on_node(node, |it, now_ms| {
                let state = |it: &evenkeel_fakes::balancer::Balancer| -> Vec<_> {
                    let members = it.members().filter(|member| &*member.server == server);
                    members
                        .map(|it| (it.pool.clone(), it.name.clone(), it.admin, it.weight))
                        .collect()
                };
                let before = state(it);
                if !it.is_up() {
                    return false; // nobody answers him
                }
                for (pool, member, ..) in &before {
                    let command = match edit {
                        Edit::Maint => format!("set server {pool}/{member} state maint"),
                        Edit::Drain => format!("set server {pool}/{member} state drain"),
                        Edit::Ready => format!("set server {pool}/{member} state ready"),
                        Edit::Weight(to) => format!("set server {pool}/{member} weight {to}"),
                    };
                    it.command(now_ms, &command);
                }
                state(it) != before
            })
        });
        Blow { lasts_ms: None, changed }
    }

    pub(super) fn end_people(&self, place: usize, fault: &PeopleFault) -> Over {
        match fault {
            PeopleFault::Hold { .. } => self.ask(place, Wanted::Retry { server: None }),
            PeopleFault::Abort
            | PeopleFault::FallBack
            | PeopleFault::Retry
            | PeopleFault::ByHand
            | PeopleFault::LeaveOut
            | PeopleFault::LateApproval { .. }
            | PeopleFault::ConsoleEdit { .. }
            | PeopleFault::ThirdPartyEdit { .. } => unreachable!("{fault} has no end of its own"),
        }
        Over::Now
    }

    /// Somebody does what a server's jobs have left to do, a restart that was asked for among it. Whether
    /// that went well: what did not, he does not claim.
    fn do_by_hand(&self, server: &str) -> bool {
        let left = self.recorder.unfinished(server);
        let kinds =
            [JobKind::ControllerUpgrade, JobKind::FrontEndUpgrade, JobKind::ServiceCenterInstall];
        let mut kinds = kinds.iter().map(|kind| kind.as_str()).filter(|kind| left.contains(*kind));
        let well = kinds.all(|kind| self.shared.with(|farm| farm.do_by_hand(server, kind)));
        self.shared.with(|farm| {
            if well && farm.servers[server].awaits_restart() {
                farm.reboot(server);
            }
        });
        well
    }

    /// Somebody stops the Deployment Services of those of these servers that no upgrade has reached.
    pub(in crate::world) fn stop_old_services(&self, servers: &[ServerName]) {
        self.shared.with(|farm| {
            for server in servers.iter().map(ServerName::as_str) {
                if !farm.servers[server].touched() {
                    farm.stop_service(server);
                }
            }
        });
    }

    /// Somebody starts the Deployment Service of an upgraded server, if it does not run.
    pub(in crate::world) fn start_service(&self, server: &str) {
        self.shared.with(|farm| {
            if farm.servers.get(server).is_some_and(|it| it.touched()) {
                farm.ensure_service(server);
            }
        });
    }

    fn ask(&self, place: usize, what: Wanted) {
        let request = self.machine.ask(WHO, what);
        self.recorder.asked(self.shared.now_ms(), place, request);
    }
}

/// The server that a hold is about.
fn server_of(reason: &HoldReason) -> Option<ServerName> {
    match reason {
        HoldReason::DrainOverdue { server } | HoldReason::KeptOut { server } => {
            Some(server.clone())
        }
        _ => server_to_mend(reason),
    }
}

/// The server whose jobs a hold leaves to a person: one that only drains serves its users still.
fn server_to_mend(reason: &HoldReason) -> Option<ServerName> {
    match reason {
        HoldReason::ServerFailed { server } | HoldReason::ServerUnknown { server } => {
            Some(server.clone())
        }
        _ => None,
    }
}
