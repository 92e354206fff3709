//! Faults of front-ends, carried out on the doubles.
use evenkeel::procedure::action::JobKind;
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::front_end::jobs::Kind;
use evenkeel_fakes::front_end::mishaps::{JobMishap, Mishap};

use crate::nemesis::fault::FrontEndFault;

use super::{Blow, Breaker, Over};

impl Breaker {
    pub(super) fn front_end(&self, place: usize, fault: &FrontEndFault) -> Blow {
        match fault {
            FrontEndFault::FrontEndCrash { server, back_after_ms } => {
                self.crash(place, server);
                Blow { lasts_ms: *back_after_ms, changed: true }
            }
            FrontEndFault::RebootDuringInstall { server } => {
                self.recorder.crashed(place, server);
                self.fabric.cut_power(self.network.servers[server].host);
                self.shared.with(|farm| farm.reboot(server));
                Blow::ONCE
            }
            FrontEndFault::EnablesItself { server } => {
                // After its own upgrade began, its flag is nobody's concern.
                let restart = |farm: &mut Farm| {
                    !farm.servers[server].touched() && farm.restart_service(server)
                };
                let changed = self.shared.with(restart);
                Blow { lasts_ms: None, changed }
            }
            _ => {
                let (server, mishap) = mishap(fault);
                self.shared.with(|farm| farm.arm(server, mishap, place as u64));
                Blow::ARMED
            }
        }
    }

    /// A machine that is to restart in the midst of an installer is up, and a job runs on it.
    pub(super) fn is_installing(&self, fault: &FrontEndFault) -> bool {
        match fault {
            FrontEndFault::RebootDuringInstall { server } => self.shared.with(|farm| {
                farm.servers.get(server).is_some_and(|it| it.is_up() && it.job_runs())
            }),
            _ => true,
        }
    }

    /// Takes a server's machine down.
    pub(super) fn crash(&self, place: usize, server: &str) {
        self.powerless.borrow_mut().cut(server, place);
        self.recorder.crashed(place, server);
        self.fabric.cut_power(self.network.servers[server].host);
        self.shared.with(|farm| farm.crash(server));
    }

    pub(super) fn end_front_end(&self, place: usize, fault: &FrontEndFault) -> Over {
        match fault {
            FrontEndFault::FrontEndCrash { server, .. } => {
                if self.powerless.borrow_mut().restore(server, |it| it == place) {
                    self.shared.with(|farm| farm.power_on(server));
                }
                Over::ToldByOthers
            }
            _ => unreachable!("{fault} has no end of its own"),
        }
    }

    /// Mends what has no end of its own: nothing lies in wait for the server any more, and what
    /// lasts ends.
    pub(super) fn mend_front_end(&self, fault: &FrontEndFault) -> Option<Over> {
        match fault {
            FrontEndFault::FrontEndCrash { server, .. } => {
                let for_good = |place: usize| !self.ends_ms.borrow().contains_key(&place);
                if self.powerless.borrow_mut().restore(server, for_good) {
                    self.shared.with(|farm| farm.power_on(server));
                }
                Some(Over::ToldByOthers)
            }
            FrontEndFault::RebootDuringInstall { .. } | FrontEndFault::EnablesItself { .. } => None,
            _ => {
                let (server, _) = mishap(fault);
                self.shared.with(|farm| farm.disarm(server));
                Some(Over::Now)
            }
        }
    }
}

/// What lies in wait for a server, in the doubles' words.
fn mishap(fault: &FrontEndFault) -> (&str, Mishap) {
    use FrontEndFault as F;
    let job = |job: JobKind, what, times| {
        let kind = Kind::from_name(job.as_str()).expect("the doubles know every kind of job");
        Mishap::Job { kind, what, times }
    };
    match fault {
        F::InstallerFails { server, job: kind, code, times } => {
            (server, job(*kind, JobMishap::Fails { code: *code }, *times))
        }
        F::InstallerHangs { server, job: kind, for_ms } => {
            (server, job(*kind, JobMishap::Hangs { for_ms: *for_ms }, 1))
        }
        F::InstallerWantsReboot { server, job: kind, code } => {
            (server, job(*kind, JobMishap::WantsReboot { code: *code }, 1))
        }
        F::InstallsNothing { server, job: kind, times } => {
            (server, job(*kind, JobMishap::InstallsNothing, *times))
        }
        F::InstallsPart { server, job: kind, code, times } => {
            (server, job(*kind, JobMishap::InstallsPart { code: *code }, *times))
        }
        F::DiskFull { server, for_ms } => (server, Mishap::DiskFull { for_ms: *for_ms }),
        F::ServiceStalls { server, for_ms } => (server, Mishap::ServiceStalls { for_ms: *for_ms }),
        F::ServiceDoesNotStart { server, times } => {
            (server, Mishap::ServiceDoesNotStart { times: *times })
        }
        F::SlowStart { server, initialise_ms, answer_ms, for_ms } => {
            let (initialise_ms, answer_ms, for_ms) = (*initialise_ms, *answer_ms, *for_ms);
            (server, Mishap::SlowStart { initialise_ms, answer_ms, for_ms })
        }
        F::ShallowPing { server, for_ms } => {
            (server, Mishap::ApplicationsBreak { after_ms: 0, for_ms: *for_ms })
        }
        F::DelayedFailure { server, after_ms, for_ms } => {
            (server, Mishap::ApplicationsBreak { after_ms: *after_ms, for_ms: *for_ms })
        }
        F::ModulesSkipped { server, for_ms } => {
            (server, Mishap::ModulesSkipped { for_ms: *for_ms })
        }
        F::FrontEndCrash { .. } | F::RebootDuringInstall { .. } | F::EnablesItself { .. } => {
            unreachable!("{fault} strikes at once")
        }
    }
}
