//! One server's progress, and what happens to it.
use std::collections::{BTreeMap, BTreeSet};

use crate::farm::Version;
use crate::journal::{Milestone, ServerFailure};

use super::super::action::JobKind;
use super::super::layout::ServerIx;
use super::super::readings::JobReading;

/// A flag was to be changed, and that may have been done: an old page may go on showing what was so
/// before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagUnclear {
    /// When the last such change ended, or the process that made it (0 after a resume).
    pub since_ms: u64,
    /// Whose consoles answered and showed nothing of one.
    pub showed_nothing: BTreeSet<ServerIx>,
}

/// A machine was told to restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reboot {
    /// When (0 after a resume).
    pub told_ms: u64,
    /// Which start of its services was read before.
    pub start: Option<String>,
    /// Which start of the machine itself, where its host tells that.
    pub boot: Option<String>,
    /// How often by now.
    pub times: u32,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it does.
    pub kind: JobKind,
    /// Its id.
    pub id: String,
    /// When it was intended first (0 after a resume).
    pub since_ms: u64,
    /// When the start was last sent, or was answered, or that was given up.
    pub sent_ms: u64,
    /// How it ended; `None` while that is not known.
    pub ended: Option<JobReading>,
}

/// A round of application tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The first failure; `None` when all passed.
    pub failure: Option<String>,
    /// The version they ran against, when known.
    pub version: Option<Version>,
    /// The service start they ran against, when known.
    pub start: Option<String>,
    /// When the round ended.
    pub at_ms: u64,
}

/// What has happened to one server.
#[derive(Clone, Debug, Default)]
pub struct ServerProgress {
    /// It was quiet once.
    pub quiet: bool,
    /// It was disabled, with this service start mark.
    pub disabled: Option<Option<String>>,
    /// Its flag came back this often since a person last answered.
    pub flag_came_back: u32,
    /// A software-changing command was ever sent to it.
    pub touched: bool,
    /// The job last intended.
    pub job: Option<Job>,
    /// Jobs that ended well.
    pub jobs_done: Vec<JobKind>,
    /// Tries of each kind of job since a person last answered.
    pub tries: BTreeMap<JobKind, u32>,
    /// Jobs ever intended: makes every job id new.
    pub jobs_begun: u32,
    /// When its last job ended.
    pub job_ended_ms: u64,
    /// Its installer asked for a reboot that was not seen to be done.
    pub wants_reboot: bool,
    /// It was told to.
    pub reboot: Option<Reboot>,
    /// It runs the target version, and since when that is known.
    pub upgraded: Option<(Version, u64)>,
    /// Its Deployment Service is as step 7 wants it, and since when that is known.
    pub ensured_ms: Option<u64>,
    /// Deployment reached it, and since when that is known.
    pub deployed_ms: Option<u64>,
    /// The last round of its tests.
    pub tested: Option<Tested>,
    /// Rounds of tests that failed in a row.
    pub test_failures: u32,
    /// Its tests failed when they last told anything.
    pub sick: bool,
    /// When they passed again after that: its applications have just started.
    pub mended_ms: Option<u64>,
    /// It passed its tests at this version, against this service start.
    pub proven: Option<(Version, String)>,
    /// It was proven once: it is put right in place when others cannot stand in.
    pub proven_once: bool,
    /// It takes users' requests.
    pub taking: bool,
    /// It is as the baseline had it.
    pub restored: bool,
    /// It cannot go on by itself.
    pub failure: Option<ServerFailure>,
    /// A person goes on without it.
    pub left_out: bool,
    /// Deployment began on it while it served users.
    pub tainted: bool,
    /// A person knows that and had the run go on: only that ends it, since others can stand in then.
    pub taint_accepted: bool,
    /// It was admitted early, and when.
    pub rescued_ms: Option<u64>,
    /// A person has it leave then, whoever stays can carry its users or not.
    pub let_go: bool,
    /// The last change of its flag that was not read back as made, or was cut short.
    pub flag_unclear: Option<FlagUnclear>,
}

impl ServerProgress {
    /// A change of its flag was not read back as made; a console may have shown nothing of it.
    pub(super) fn flag_is_unclear(&mut self, via: Option<ServerIx>, now_ms: u64) {
        let unclear = self.flag_unclear.get_or_insert_default();
        unclear.since_ms = now_ms;
        unclear.showed_nothing.extend(via);
    }

    /// A job's start is no longer on its way, as far as is known.
    pub(super) fn sent(&mut self, job: &str, now_ms: u64) {
        if let Some(open) = self.job.as_mut().filter(|open| open.id == job) {
            open.sent_ms = now_ms;
        }
    }

    /// Its jobs are its own again: deadlines run from now.
    pub(super) fn forgive(&mut self, now_ms: u64) {
        self.failure = None;
        self.test_failures = 0;
        self.job_ended_ms = now_ms;
        if let Some(job) = &mut self.job {
            job.since_ms = now_ms;
        }
        if let Some((_, since)) = &mut self.upgraded {
            *since = now_ms;
        }
        for since in [&mut self.ensured_ms, &mut self.deployed_ms].into_iter().flatten() {
            *since = now_ms;
        }
    }

    /// A person has it try again. An installer that ended well and has not done what it is for is
    /// run again: to look once more would show the same.
    pub(super) fn try_again(&mut self, installer: Option<JobKind>, now_ms: u64) {
        let in_vain = matches!(
            self.failure,
            Some(ServerFailure::WrongVersion { .. } | ServerFailure::NotInitialised)
        );
        self.tries.clear();
        self.reboot = None;
        self.taint_accepted = self.tainted;
        if let Some(kind) = installer.filter(|_| in_vain) {
            self.job_in_vain(kind, now_ms);
        }
        self.forgive(now_ms);
    }

    /// Its own upgrade replaces what was deployed to it: it is unfit from now on as everybody touched is.
    fn touched_now(&mut self) {
        self.touched = true;
        (self.tainted, self.taint_accepted) = (false, false);
    }

    /// A person has done what its jobs would: they count as done and are verified, not repeated.
    pub(super) fn done_by_hand(&mut self, jobs: Vec<JobKind>, now_ms: u64) {
        self.touched_now();
        self.wants_reboot = false;
        self.reboot = None;
        self.jobs_done = jobs;
        self.job_ended_ms = now_ms;
        // How our own attempts ended, and how many there were, says nothing any more.
        self.tries.clear();
        if let Some(job) = &mut self.job {
            job.ended = Some(JobReading::Exited { code: 0, output: "by hand".to_owned() });
        }
    }

    /// A job that ended well has not done what it is for, and what followed from it is void.
    pub(super) fn job_in_vain(&mut self, kind: JobKind, now_ms: u64) {
        self.jobs_done.retain(|done| *done != kind && *done != JobKind::EnsureDeploymentService);
        self.upgraded = None;
        self.ensured_ms = None;
        self.deployed_ms = None;
        self.job_ended_ms = now_ms;
    }

    /// The machine has restarted: what follows is judged from now on.
    pub(super) fn rebooted(&mut self, now_ms: u64) {
        self.wants_reboot = false;
        self.reboot = None;
        self.job_ended_ms = now_ms;
    }

    pub(super) fn job_ended(&mut self, kind: JobKind, id: &str, reading: &JobReading, now_ms: u64) {
        let Some(job) = self.job.as_mut().filter(|job| job.id == id) else { return };
        job.ended = Some(reading.clone());
        self.job_ended_ms = now_ms;
        if let JobReading::Exited { code, .. } = reading {
            if succeeded(*code) && !self.jobs_done.contains(&kind) {
                self.jobs_done.push(kind);
            }
            self.wants_reboot |= wants_reboot(kind, *code);
        }
    }

    /// A round of tests has ended. A failure at a host that did not answer beside it says nothing.
    pub(super) fn tested(&mut self, passed: bool, tested: Tested) {
        if passed {
            self.test_failures = 0;
            if std::mem::take(&mut self.sick) {
                self.mended_ms = Some(tested.at_ms);
            }
        } else if tested.version.is_some() {
            self.test_failures += 1;
            self.sick = true;
        }
        self.tested = Some(tested);
    }

    pub(super) fn reach(&mut self, milestone: &Milestone, now_ms: u64) {
        match milestone {
            Milestone::Quiet => self.quiet = true,
            Milestone::Disabled { start } => self.disabled = Some(start.clone()),
            Milestone::Touched => self.touched_now(),
            Milestone::Upgraded { version } => {
                self.upgraded = Some((*version, now_ms));
            }
            Milestone::DeploymentServiceEnsured => self.ensured_ms = Some(now_ms),
            Milestone::Deployed => self.deployed_ms = Some(now_ms),
            Milestone::Proven { version, start } => {
                self.proven = Some((*version, start.clone()));
                self.proven_once = true;
            }
            Milestone::Unproven => {
                self.proven = None;
                self.deployed_ms = None;
                self.test_failures = 0;
                self.taking = false;
                self.restored = false;
                if let Some((_, since)) = &mut self.upgraded {
                    *since = now_ms;
                }
                if let Some(since) = &mut self.ensured_ms {
                    *since = now_ms;
                }
            }
            Milestone::TakingTraffic => self.taking = true,
            Milestone::Restored => self.restored = true,
        }
    }
}

/// 0, and the codes by which an installer asks for a reboot after it has done its work: 3010 and
/// 3011 (OutSystems.SetupTools treats them so).
#[must_use]
pub fn succeeded(code: i32) -> bool {
    matches!(code, 0 | 3010 | 3011)
}

/// The job asks for a reboot: after its work, or, an upgrade that ends with 1, before it. The
/// Platform Server installer leaves 1 when its prerequisites need a reboot, and says nothing of
/// how far it got: the machine is restarted and the job is done again.
fn wants_reboot(kind: JobKind, code: i32) -> bool {
    matches!(code, 3010 | 3011) || (code == 1 && kind.installs())
}
