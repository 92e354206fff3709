//! Jobs: installers and the like, started by id, never twice. Each is a row of phases at known
//! times; a machine that goes down interrupts them.
use std::collections::{BTreeMap, VecDeque};

use crate::database::version_parts;
use crate::ledger::{BY_HAND, Event, ServiceState};
use crate::trouble::Trouble;

use super::mishaps::JobMishap;
use super::{Around, FrontEnd};

/// Jobs a server remembers; more than a farm's upgrade could need, and a bound.
const JOBS_MAX: usize = 1_000;
/// The share of an upgrade after which the Configuration Tool upgrades the databases: binaries
/// come first and services last, so it lies in the middle of the second half.
const DATABASE_PERCENT: u64 = 60;
/// A job that was refused: wrong machine, wrong order. Nothing was changed.
const REFUSED: i32 = 2;
/// What an installer leaves that failed (NSIS: aborted by script), and `net start`.
const FAILED: i32 = 2;
/// An installer's code for "restart the machine, then run me again".
const REBOOT_FIRST: i32 = 1;
/// What a process leaves that somebody ended in the task manager.
const KILLED: i32 = 1;
/// Windows Installer's code for "another installation is already in progress".
const BUSY: i32 = 1618;

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It runs.
    Running,
    /// The machine went down under it.
    Interrupted,
    /// It ended.
    Exited(i32),
}

/// The kinds of job a server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Binaries and configuration of the controller, and of its front-end if it has one.
    ControllerUpgrade,
    /// Binaries and configuration of a front-end.
    FrontEndUpgrade,
    /// Service Center and System Components.
    ServiceCenterInstall,
    /// The whole factory.
    Publish,
    /// Start type Automatic, and running.
    EnsureDeploymentService,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::ControllerUpgrade,
        Self::FrontEndUpgrade,
        Self::ServiceCenterInstall,
        Self::Publish,
        Self::EnsureDeploymentService,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ControllerUpgrade => "controller-upgrade",
            Self::FrontEndUpgrade => "front-end-upgrade",
            Self::ServiceCenterInstall => "service-center-install",
            Self::Publish => "publish",
            Self::EnsureDeploymentService => "ensure-deployment-service",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    StopServer,
    UpgradeDatabase,
    HideConsole,
    Write,
    Fail(i32),
    Finish,
}

/// One job.
#[derive(Debug)]
pub struct Job {
    id: String,
    kind: Kind,
    state: JobState,
    output: Vec<String>,
    phases: VecDeque<(u64, Phase)>,
    /// How it goes wrong.
    mishap: Option<JobMishap>,
}

impl Job {
    /// What became of it.
    #[must_use]
    pub fn state(&self) -> JobState {
        self.state
    }

    /// What it wrote so far.
    #[must_use]
    pub fn output(&self) -> &[String] {
        &self.output
    }
}

/// A server's jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    known: BTreeMap<String, Job>,
    running: Option<String>,
}

impl Jobs {
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let job = self.known.get(self.running.as_ref()?)?;
        job.phases.front().map(|(at, _)| *at)
    }
}

impl FrontEnd {
    /// A job by its id.
    #[must_use]
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.known.get(id)
    }

    /// A job runs.
    #[must_use]
    pub fn job_runs(&self) -> bool {
        self.jobs.running.is_some()
    }

    /// Starts a job, unless its id is known already.
    ///
    /// # Errors
    /// The server remembers as many as it can.
    pub(crate) fn start_job(
        &mut self,
        around: &mut Around<'_>,
        id: &str,
        kind: Kind,
        version: &str,
    ) -> Result<(), String> {
        if self.jobs.known.contains_key(id) {
            return Ok(());
        }
        if self.jobs.known.len() >= JOBS_MAX {
            return Err(format!("{} remembers {JOBS_MAX} jobs and takes no more", self.name));
        }
        let names = (self.name.clone(), id.to_owned(), kind.name().to_owned());
        around.note(Event::JobStarted { server: names.0, job: names.1, kind: names.2 });
        let mut job = Job {
            id: id.to_owned(),
            kind,
            state: JobState::Running,
            output: Vec::new(),
            phases: VecDeque::new(),
            mishap: None,
        };
        if self.job_runs() {
            let words = "Another installation is already in progress on this machine.";
            self.end_job(around, job, BUSY, words);
        } else if let Some(words) = self.refusal(around, kind, version) {
            self.end_job(around, job, REFUSED, &words);
        } else {
            job.mishap = self.meet_job(around, kind);
            job.phases = self.phases(around, kind, job.mishap);
            job.output.push(format!("{} {version}: started on {}", kind.name(), self.name));
            self.touched |= kind != Kind::EnsureDeploymentService;
            self.jobs.running = Some(job.id.clone());
            self.jobs.known.insert(job.id.clone(), job);
        }
        Ok(())
    }

    /// A person does a job at the machine itself; what runs on it is ended first. Whether that
    /// went well.
    pub(crate) fn do_by_hand(&mut self, around: &mut Around<'_>, kind: Kind) -> bool {
        self.kill_job(around);
        let id = format!("{BY_HAND}{}", self.jobs.known.len());
        let names = (self.name.clone(), id.clone(), kind.name().to_owned());
        around.note(Event::JobStarted { server: names.0, job: names.1, kind: names.2 });
        let (state, phases) = (JobState::Running, VecDeque::new());
        let job = Job { id: id.clone(), kind, state, output: Vec::new(), phases, mishap: None };
        let version = around.version_to.to_owned();
        if let Some(words) = self.refusal(around, kind, &version) {
            self.end_job(around, job, REFUSED, &words);
            return false;
        }
        self.touched |= kind != Kind::EnsureDeploymentService;
        if matches!(kind, Kind::ControllerUpgrade | Kind::FrontEndUpgrade)
            && around.database.upgrade(&version)
        {
            around.note(Event::DatabaseVersion { version });
        }
        self.finish(around, job);
        self.job(&id).is_some_and(|job| job.state() == JobState::Exited(0))
    }

    /// An installer has ended and left the applications stopped until the machine restarts.
    #[must_use]
    pub fn awaits_restart(&self) -> bool {
        self.is_up() && self.pools_stopped && !self.job_runs()
    }

    /// A person ends what would run for ever.
    pub(crate) fn end_hanging_job(&mut self, around: &mut Around<'_>) {
        if self.job_runs() && self.jobs.next_due_ms().is_none() {
            self.kill_job(around);
        }
    }

    fn kill_job(&mut self, around: &mut Around<'_>) {
        if let Some(job) = self.jobs.running.take().and_then(|id| self.jobs.known.remove(&id)) {
            self.console_missing = false;
            self.end_job(around, job, KILLED, "Ended at the machine.");
        }
    }

    /// Why a job cannot be done here, in the tools' words.
    fn refusal(&self, around: &mut Around<'_>, kind: Kind, version: &str) -> Option<String> {
        let there = version_parts(&self.installed);
        match kind {
            Kind::ControllerUpgrade if !self.is_controller() => {
                Some(format!("{} is not the deployment controller.", self.name))
            }
            Kind::FrontEndUpgrade if !self.serves() => {
                Some(format!("{} is a pure controller and no front-end.", self.name))
            }
            Kind::ControllerUpgrade | Kind::FrontEndUpgrade if version_parts(version) < there => {
                Some("OutSystems platform server already installed with an higher version".into())
            }
            Kind::ControllerUpgrade | Kind::FrontEndUpgrade
                if version_parts(version) != there && version != around.version_to =>
            {
                Some(format!("There is no PlatformServer-{version}.exe on {}.", self.name))
            }
            Kind::ServiceCenterInstall | Kind::Publish if !self.console_answers() => {
                Some("There was an error while contacting the server. HTTP not found".into())
            }
            Kind::ServiceCenterInstall if self.installed != around.version_to => Some(format!(
                "Service Center {} needs Platform Server {}; {} has {}.",
                around.version_to, around.version_to, self.name, self.installed
            )),
            Kind::ServiceCenterInstall | Kind::FrontEndUpgrade | Kind::ControllerUpgrade
                if self.mishaps.reboot_first =>
            {
                Some("A restart of the machine is pending from a previous installation.".into())
            }
            Kind::EnsureDeploymentService if !self.serves() => {
                Some(format!("{} has no OutSystems Deployment Service.", self.name))
            }
            _ => None,
        }
    }

    /// The installer has nothing to do but to look.
    fn is_current(&self, around: &Around<'_>) -> bool {
        self.installed == around.version_to && !self.mishaps.part_installed
    }

    fn phases(
        &self,
        around: &Around<'_>,
        kind: Kind,
        mishap: Option<JobMishap>,
    ) -> VecDeque<(u64, Phase)> {
        let truth = around.truth;
        let current = self.is_current(around);
        let duration = match kind {
            Kind::ControllerUpgrade | Kind::FrontEndUpgrade if current => truth.quick_job_ms,
            Kind::ControllerUpgrade => truth.controller_upgrade_ms,
            Kind::FrontEndUpgrade => truth.front_end_upgrade_ms,
            Kind::ServiceCenterInstall => truth.service_center_install_ms,
            Kind::Publish => truth.publish_ms,
            Kind::EnsureDeploymentService => truth.quick_job_ms,
        };
        let start = around.now_ms;
        let half = start + duration / 2;
        let mut phases = VecDeque::new();
        match kind {
            Kind::ControllerUpgrade | Kind::FrontEndUpgrade if !current => {
                let stop = duration * u64::from(truth.stops_after_percent.min(100)) / 100;
                phases.push_back((start + stop, Phase::StopServer));
                let upgrade = (duration * DATABASE_PERCENT / 100).max(stop);
                phases.push_back((start + upgrade, Phase::UpgradeDatabase));
            }
            Kind::ServiceCenterInstall => {
                phases.push_back((start + duration * 2 / 3, Phase::HideConsole));
            }
            _ => {}
        }
        phases.push_back((start + duration, Phase::Finish));
        if kind != Kind::EnsureDeploymentService && self.disk_full(start) {
            let place = phases.iter().take_while(|(at, _)| *at < half).count();
            phases.insert(place, (half, Phase::Write));
        }
        go_wrong(&mut phases, half, mishap);
        phases
    }

    /// Carries out the running job's next phase.
    pub(super) fn job_step(&mut self, around: &mut Around<'_>) {
        let Some(mut job) = self.jobs.running.take().and_then(|id| self.jobs.known.remove(&id))
        else {
            return;
        };
        let (_, phase) = job.phases.pop_front().expect("a running job has a phase to come");
        match phase {
            Phase::StopServer => {
                job.output.push("Stopping OutSystems services and the web server".into());
                self.stop_services(around);
                self.pools_stopped = true;
                self.life.stops += 1;
                self.web_changed(around);
            }
            // The Configuration Tool tries again while the database cannot be reached.
            Phase::UpgradeDatabase if around.meets(&Trouble::DatabaseGone) => {
                let wait_ms = around.truth.retry_ms.max(1);
                job.phases.push_front((around.now_ms, phase));
                job.phases.iter_mut().for_each(|(at_ms, _)| *at_ms += wait_ms);
            }
            Phase::UpgradeDatabase => {
                job.output.push("Upgrading the platform and session databases".into());
                let version = around.version_to.to_owned();
                if around.database.upgrade(&version) {
                    around.note(Event::DatabaseVersion { version });
                }
            }
            Phase::HideConsole => {
                job.output.push("Publishing Service Center".into());
                self.console_missing = true;
            }
            Phase::Write => {
                if self.meet_disk(around) {
                    self.console_missing = false;
                    let words = "There is not enough space on the disk.";
                    return self.end_job(around, job, FAILED, words);
                }
            }
            Phase::Fail(code) => {
                self.console_missing = false;
                return self.end_job(around, job, code, "The operation failed.");
            }
            Phase::Finish => return self.finish(around, job),
        }
        self.jobs.running = Some(job.id.clone());
        self.jobs.known.insert(job.id.clone(), job);
    }

    /// What a job has done when it ends well.
    fn finish(&mut self, around: &mut Around<'_>, job: Job) {
        match job.kind {
            Kind::ControllerUpgrade | Kind::FrontEndUpgrade => {
                let (code, words) = self.finish_upgrade(around, job.mishap);
                self.end_job(around, job, code, words);
            }
            Kind::ServiceCenterInstall | Kind::Publish
                if !around.controller_up || around.meets(&Trouble::ControllerGone) =>
            {
                self.console_missing = false;
                self.end_job(around, job, 1, "The Deployment Controller Service does not answer.");
            }
            Kind::ServiceCenterInstall => {
                self.console_missing = false;
                around.version_to.clone_into(&mut self.console);
                around.database.publish(Some(around.version_to));
                self.end_job(around, job, 0, "Service Center and System Components are installed.");
            }
            Kind::Publish => {
                around.database.publish(None);
                self.end_job(around, job, 0, "All modules are published.");
            }
            Kind::EnsureDeploymentService => {
                let started = self.ensure_service(around);
                let (code, words) = if started {
                    (0, "OutSystems Deployment Service: Automatic, started.")
                } else if self.service_state() == ServiceState::Stopped {
                    let words = "The service did not respond to the start or control request in \
                                 a timely fashion.";
                    (FAILED, words)
                } else {
                    (0, "OutSystems Deployment Service: Automatic, running already.")
                };
                self.end_job(around, job, code, words);
            }
        }
    }

    /// Installs, and starts everything again; with which code and words it ends.
    fn finish_upgrade(
        &mut self,
        around: &mut Around<'_>,
        mishap: Option<JobMishap>,
    ) -> (i32, &'static str) {
        let done = (0, "Platform Server is installed.");
        if self.is_current(around) && !self.pools_stopped {
            return done;
        }
        let (ends, installs, starts) = match mishap {
            Some(JobMishap::WantsReboot { code: REBOOT_FIRST }) => {
                self.mishaps.reboot_first = true;
                let words = "A restart of the machine is needed before the installation.";
                ((REBOOT_FIRST, words), false, true)
            }
            Some(JobMishap::WantsReboot { code }) => {
                ((code, "Platform Server is installed. A restart is required."), true, false)
            }
            Some(JobMishap::InstallsNothing) => (done, false, true),
            Some(JobMishap::InstallsPart { code }) => {
                ((code, "Configuration Tool: Failed to set permissions."), true, true)
            }
            Some(JobMishap::Fails { .. } | JobMishap::Hangs { .. }) | None => (done, true, true),
        };
        if installs {
            around.version_to.clone_into(&mut self.installed);
            let version = self.installed.clone();
            around.note(Event::Installed { server: self.name.clone(), version });
            self.mishaps.part_installed = matches!(mishap, Some(JobMishap::InstallsPart { .. }));
            self.meet_install(around.now_ms);
        }
        if starts {
            self.pools_stopped = false;
            self.web_changed(around);
            self.start_services(around);
        }
        ends
    }

    fn end_job(&mut self, around: &mut Around<'_>, mut job: Job, code: i32, words: &str) {
        job.output.push(words.to_owned());
        job.state = JobState::Exited(code);
        around.note(Event::JobEnded {
            server: self.name.clone(),
            job: job.id.clone(),
            kind: job.kind.name().to_owned(),
            code: Some(code),
        });
        self.jobs.known.insert(job.id.clone(), job);
    }

    /// The machine went down.
    pub(super) fn interrupt_jobs(&mut self, around: &mut Around<'_>) {
        let Some(job) = self.jobs.running.take().and_then(|id| self.jobs.known.get_mut(&id)) else {
            return;
        };
        job.phases.clear();
        job.state = JobState::Interrupted;
        around.note(Event::JobEnded {
            server: self.name.clone(),
            job: job.id.clone(),
            kind: job.kind.name().to_owned(),
            code: None,
        });
    }
}

/// What a mishap makes of a job's phases; `half` is the middle of its time.
fn go_wrong(phases: &mut VecDeque<(u64, Phase)>, half: u64, mishap: Option<JobMishap>) {
    match mishap {
        Some(JobMishap::Fails { code }) => {
            phases.retain(|(at, _)| *at < half);
            phases.push_back((half, Phase::Fail(code)));
        }
        Some(JobMishap::Hangs { for_ms: None }) => phases.retain(|(at, _)| *at < half),
        Some(JobMishap::Hangs { for_ms: Some(for_ms) }) => {
            for (at, _) in phases.iter_mut().filter(|(at, _)| *at >= half) {
                *at += for_ms;
            }
        }
        // Nothing of the databases either.
        Some(JobMishap::InstallsNothing | JobMishap::WantsReboot { code: REBOOT_FIRST }) => {
            phases.retain(|(_, phase)| *phase != Phase::UpgradeDatabase);
        }
        Some(JobMishap::WantsReboot { .. } | JobMishap::InstallsPart { .. }) | None => {}
    }
}
