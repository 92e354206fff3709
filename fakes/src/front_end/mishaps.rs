//! What goes wrong with a server of itself: armed beforehand, met when its time comes, and told by
//! [`Event::FaultMet`] then. Installers that fail, hang or lie, full disks, services and
//! applications that do not come up as they should, modules that deployment forgets.
use std::collections::BTreeMap;

use crate::database::Publication;
use crate::ledger::{Event, ServiceState};

use super::jobs::Kind;
use super::{Around, FrontEnd};

/// How a job goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobMishap {
    /// It ends half-way with a code, the installed version unchanged.
    Fails {
        /// The code.
        code: i32,
    },
    /// It stands still half-way.
    Hangs {
        /// For so long; `None` for ever.
        for_ms: Option<u64>,
    },
    /// It asks for a reboot. With 1 (an installer whose prerequisites need one) nothing was
    /// installed, nor will be before the machine was restarted; with 3010 and 3011 the work is
    /// done, and services and web server stay stopped until then.
    WantsReboot {
        /// The code.
        code: i32,
    },
    /// It ends with 0 and has installed nothing.
    InstallsNothing,
    /// It leaves the new version with an old Deployment Service, which cannot initialise.
    InstallsPart {
        /// The code that it ends with all the same.
        code: i32,
    },
}

/// Something that is going to go wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The next jobs of a kind.
    Job {
        /// The kind.
        kind: Kind,
        /// What happens to them.
        what: JobMishap,
        /// How many of them.
        times: u32,
    },
    /// The disk is full: a job that writes to it half-way fails.
    DiskFull {
        /// For so long from now on; `None` for ever.
        for_ms: Option<u64>,
    },
    /// From its next start on the Deployment Service runs and does not initialise.
    ServiceStalls {
        /// For so long; `None` for ever.
        for_ms: Option<u64>,
    },
    /// The next starts of the Deployment Service do not start it.
    ServiceDoesNotStart {
        /// How many.
        times: u32,
    },
    /// At its next start the Deployment Service takes longer, and the applications answer late.
    SlowStart {
        /// How much longer it takes to initialise.
        initialise_ms: u64,
        /// How long the applications take for an answer.
        answer_ms: u64,
        /// For how long they do.
        for_ms: u64,
    },
    /// The applications break some time after the next install: they answer 500, pings 200.
    ApplicationsBreak {
        /// How long after it.
        after_ms: u64,
        /// For how long; `None` for ever.
        for_ms: Option<u64>,
    },
    /// The next deployment skips modules; the retry loop for pending ones finds them later.
    ModulesSkipped {
        /// How much later.
        for_ms: u64,
    },
}

/// Something armed, and by which whoever armed it knows it.
#[derive(Clone, Copy, Debug)]
struct Armed<T> {
    what: T,
    tag: u64,
}

/// What is armed on a server, and what is in effect.
#[derive(Debug, Default)]
pub(super) struct Mishaps {
    /// By kind of job, with how many are left.
    jobs: BTreeMap<&'static str, Armed<(JobMishap, u32)>>,
    /// Until when the disk is full.
    disk_full: Option<Armed<u64>>,
    stalls: Option<Armed<Option<u64>>>,
    no_start: Option<Armed<u32>>,
    slow_start: Option<Armed<(u64, u64, u64)>>,
    breaks: Option<Armed<(u64, Option<u64>)>>,
    skips: Option<Armed<u64>>,
    /// When the applications break.
    break_due: Option<Armed<(u64, Option<u64>)>>,
    mend_due_ms: Option<u64>,
    /// Until when the Deployment Service cannot initialise.
    stalled_until_ms: u64,
    /// Until when the applications take how long for an answer.
    slow: Option<(u64, u64)>,
    /// The new version stands beside an old Deployment Service.
    pub(super) part_installed: bool,
    /// Nothing is installed before the machine was restarted.
    pub(super) reboot_first: bool,
    /// What deployment skipped.
    pub(super) skipped: Option<Skipped>,
}

/// Modules that a deployment skipped: as they were before it.
#[derive(Debug)]
pub(super) struct Skipped {
    /// When the retry loop finds them.
    due_ms: u64,
    old: Publication,
}

/// The instant so long from now; the end of time for `None`.
fn later(now_ms: u64, for_ms: Option<u64>) -> u64 {
    for_ms.map_or(u64::MAX, |for_ms| now_ms + for_ms)
}

impl Mishaps {
    /// When something is due by itself.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let breaks = self.break_due.as_ref().map(|armed| armed.what.0);
        [breaks, self.mend_due_ms].into_iter().flatten().min()
    }
}

impl FrontEnd {
    /// Arms something that is going to go wrong. What was armed of the same sort is replaced.
    pub(crate) fn arm(&mut self, now_ms: u64, mishap: Mishap, tag: u64) {
        let armed = &mut self.mishaps;
        match mishap {
            Mishap::Job { kind, what, times } => {
                armed.jobs.insert(kind.name(), Armed { what: (what, times), tag });
            }
            Mishap::DiskFull { for_ms } => {
                armed.disk_full = Some(Armed { what: later(now_ms, for_ms), tag });
            }
            Mishap::ServiceStalls { for_ms } => armed.stalls = Some(Armed { what: for_ms, tag }),
            Mishap::ServiceDoesNotStart { times } => {
                armed.no_start = Some(Armed { what: times, tag });
            }
            Mishap::SlowStart { initialise_ms, answer_ms, for_ms } => {
                armed.slow_start = Some(Armed { what: (initialise_ms, answer_ms, for_ms), tag });
            }
            Mishap::ApplicationsBreak { after_ms, for_ms } => {
                armed.breaks = Some(Armed { what: (after_ms, for_ms), tag });
            }
            Mishap::ModulesSkipped { for_ms } => armed.skips = Some(Armed { what: for_ms, tag }),
        }
    }

    /// Nothing lies in wait for it any more, and what lasts ends now; what an installer left behind,
    /// and modules that the retry loop will find, stay.
    pub(crate) fn disarm(&mut self, now_ms: u64) {
        let Mishaps { part_installed, reboot_first, skipped, .. } =
            std::mem::take(&mut self.mishaps);
        let mend_due_ms = self.broken.then_some(now_ms);
        self.mishaps =
            Mishaps { part_installed, reboot_first, skipped, mend_due_ms, ..Mishaps::default() };
    }

    /// How a job of a kind that begins now goes wrong.
    pub(super) fn meet_job(&mut self, around: &mut Around<'_>, kind: Kind) -> Option<JobMishap> {
        let armed = self.mishaps.jobs.get_mut(kind.name())?;
        armed.what.1 = armed.what.1.checked_sub(1)?;
        around.note(Event::FaultMet { tag: armed.tag });
        Some(armed.what.0)
    }

    /// Its disk is full now.
    pub(super) fn disk_full(&self, now_ms: u64) -> bool {
        self.mishaps.disk_full.as_ref().is_some_and(|armed| now_ms < armed.what)
    }

    /// A job meets the full disk.
    pub(super) fn meet_disk(&mut self, around: &mut Around<'_>) -> bool {
        let full = self.disk_full(around.now_ms);
        if let Some(armed) = self.mishaps.disk_full.as_ref().filter(|_| full) {
            around.note(Event::FaultMet { tag: armed.tag });
        }
        full
    }

    /// Whether a start of the Deployment Service comes to nothing.
    pub(super) fn meet_no_start(&mut self, around: &mut Around<'_>) -> bool {
        let Some(armed) = self.mishaps.no_start.as_mut().filter(|armed| armed.what > 0) else {
            return false;
        };
        armed.what -= 1;
        around.note(Event::FaultMet { tag: armed.tag });
        true
    }

    /// How much longer the start that begins now takes.
    pub(super) fn meet_start(&mut self, around: &mut Around<'_>) -> u64 {
        if let Some(armed) = self.mishaps.stalls.take() {
            around.note(Event::FaultMet { tag: armed.tag });
            self.mishaps.stalled_until_ms = later(around.now_ms, armed.what);
        }
        let Some(armed) = self.mishaps.slow_start.take() else { return 0 };
        around.note(Event::FaultMet { tag: armed.tag });
        let (initialise_ms, answer_ms, for_ms) = armed.what;
        self.mishaps.slow = Some((around.now_ms + for_ms, answer_ms));
        initialise_ms
    }

    /// Nothing keeps its Deployment Service from initialising but the controller and the database.
    pub(super) fn service_whole(&self, now_ms: u64) -> bool {
        !self.mishaps.part_installed && now_ms >= self.mishaps.stalled_until_ms
    }

    /// How long its applications take for an answer, over what the answer itself takes.
    pub(super) fn answers_after_ms(&self, now_ms: u64) -> u64 {
        let slow = self.mishaps.slow.filter(|(until_ms, _)| now_ms < *until_ms);
        slow.map_or(0, |(_, answer_ms)| answer_ms)
    }

    /// An install has ended: what breaks some time after it is set going.
    pub(super) fn meet_install(&mut self, now_ms: u64) {
        let Some(armed) = self.mishaps.breaks.take() else { return };
        let (after_ms, for_ms) = armed.what;
        self.mishaps.break_due = Some(Armed { what: (now_ms + after_ms, for_ms), tag: armed.tag });
    }

    /// Applications break, or mend.
    pub(super) fn mishap_step(&mut self, around: &mut Around<'_>) {
        let now_ms = around.now_ms;
        if let Some(armed) = self.mishaps.break_due.take_if(|armed| armed.what.0 <= now_ms) {
            around.note(Event::FaultMet { tag: armed.tag });
            self.mishaps.mend_due_ms = armed.what.1.map(|for_ms| now_ms + for_ms);
            return self.set_broken(around, true);
        }
        if self.mishaps.mend_due_ms.take_if(|at_ms| *at_ms <= now_ms).is_some() {
            self.set_broken(around, false);
        }
    }

    /// A deployment has ended: whether it skipped modules, which stay as `old` says.
    pub(super) fn meet_deployment(&mut self, around: &mut Around<'_>, old: Publication) {
        // The one that ends may be the retry itself.
        let retried = self.mishaps.skipped.take().is_some();
        let Some(armed) = self.mishaps.skips.take_if(|_| !retried) else { return };
        around.note(Event::FaultMet { tag: armed.tag });
        around.note(Event::ModulesSkipped { server: self.name.clone() });
        self.mishaps.skipped = Some(Skipped { due_ms: around.now_ms + armed.what, old });
    }

    /// When the retry loop finds what deployment skipped; it turns while the service works.
    pub(super) fn retry_due_ms(&self) -> Option<u64> {
        let works = self.service.state == ServiceState::Initialised && !self.deploying();
        self.mishaps.skipped.as_ref().filter(|_| works).map(|skipped| skipped.due_ms)
    }

    /// The retry loop turns: on a front-end that is disabled, to no effect.
    pub(super) fn retry_skipped(&mut self, around: &mut Around<'_>) {
        if around.database.enabled(&self.name) == Some(true) {
            let deploy_ms = around.truth.deploy_ms / 4;
            self.deploy(around, deploy_ms, self.deployed.clone());
        } else if let Some(skipped) = &mut self.mishaps.skipped {
            skipped.due_ms = around.now_ms + around.truth.retry_ms.max(1);
        }
    }

    /// What a module is deployed as: one that was skipped as before. All are but the first.
    pub(super) fn deployed_as(&self, module: &str) -> &Publication {
        match &self.mishaps.skipped {
            Some(skipped) if !self.is_first_module(module) => &skipped.old,
            _ => &self.deployed,
        }
    }

    fn is_first_module(&self, module: &str) -> bool {
        let mut of_users = self.modules().filter(|name| *name != super::SERVICE_CENTER);
        let first = of_users.next();
        first == Some(module) && of_users.next().is_some()
    }

    /// The machine was restarted.
    pub(super) fn rebooted(&mut self) {
        self.mishaps.reboot_first = false;
    }
}
