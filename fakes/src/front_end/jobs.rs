//! Jobs: installers and the like, started by id, never twice. Each is a row of phases at known
//! times; a machine that goes down interrupts them.
use std::collections::{BTreeMap, VecDeque};

use crate::database::version_parts;
use crate::ledger::Event;

use super::{Around, FrontEnd};

/// Jobs a server remembers; more than a farm's upgrade could need, and a bound.
const JOBS_MAX: usize = 1_000;
/// The share of an upgrade after which the Configuration Tool upgrades the databases: binaries
/// come first and services last, so it lies in the middle of the second half.
const DATABASE_PERCENT: u64 = 60;
/// A job that was refused: wrong machine, wrong order. Nothing was changed.
const REFUSED: i32 = 2;
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

/// How the next jobs of a kind fail.
#[derive(Debug)]
struct Failures {
    code: i32,
    /// How many of them.
    times: u32,
    /// Whoever asked for it knows it by this.
    tag: u64,
}

/// A server's jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    known: BTreeMap<String, Job>,
    running: Option<String>,
    /// By kind.
    failures: BTreeMap<&'static str, Failures>,
}

impl Jobs {
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let job = self.known.get(self.running.as_ref()?)?;
        job.phases.front().map(|(at, _)| *at)
    }

    /// The exit code with which a job of a kind is to end half-way, and whose wish that is.
    fn take_failure(&mut self, kind: Kind) -> Option<(i32, u64)> {
        let failures = self.failures.get_mut(kind.name())?;
        failures.times = failures.times.checked_sub(1)?;
        Some((failures.code, failures.tag))
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

    /// The next `times` jobs of a kind end half-way with a code.
    pub(crate) fn fail_jobs(&mut self, kind: Kind, code: i32, times: u32, tag: u64) {
        self.jobs.failures.insert(kind.name(), Failures { code, times, tag });
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
        };
        if self.job_runs() {
            let words = "Another installation is already in progress on this machine.";
            self.end_job(around, job, BUSY, words);
        } else if let Some(words) = self.refusal(around, kind, version) {
            self.end_job(around, job, REFUSED, &words);
        } else {
            job.phases = self.phases(around, kind);
            job.output.push(format!("{} {version}: started on {}", kind.name(), self.name));
            self.touched |= kind != Kind::EnsureDeploymentService;
            self.jobs.running = Some(job.id.clone());
            self.jobs.known.insert(job.id.clone(), job);
        }
        Ok(())
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
            Kind::EnsureDeploymentService if !self.serves() => {
                Some(format!("{} has no OutSystems Deployment Service.", self.name))
            }
            _ => None,
        }
    }

    fn phases(&mut self, around: &mut Around<'_>, kind: Kind) -> VecDeque<(u64, Phase)> {
        let truth = around.truth;
        let current = self.installed == around.version_to;
        let duration = match kind {
            Kind::ControllerUpgrade | Kind::FrontEndUpgrade if current => truth.quick_job_ms,
            Kind::ControllerUpgrade => truth.controller_upgrade_ms,
            Kind::FrontEndUpgrade => truth.front_end_upgrade_ms,
            Kind::ServiceCenterInstall => truth.service_center_install_ms,
            Kind::Publish => truth.publish_ms,
            Kind::EnsureDeploymentService => truth.quick_job_ms,
        };
        let start = around.now_ms;
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
        if let Some((code, tag)) = self.jobs.take_failure(kind) {
            around.note(Event::FaultMet { tag });
            let half = start + duration / 2;
            phases.retain(|(at, _)| *at < half);
            phases.push_back((half, Phase::Fail(code)));
        } else {
            phases.push_back((start + duration, Phase::Finish));
        }
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
                self.finish_upgrade(around);
                self.end_job(around, job, 0, "Platform Server is installed.");
            }
            Kind::ServiceCenterInstall | Kind::Publish if !around.controller_up => {
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
                let words = if self.ensure_service(around) {
                    "OutSystems Deployment Service: Automatic, started."
                } else {
                    "OutSystems Deployment Service: Automatic, running already."
                };
                self.end_job(around, job, 0, words);
            }
        }
    }

    fn finish_upgrade(&mut self, around: &mut Around<'_>) {
        if self.installed == around.version_to && !self.pools_stopped {
            return;
        }
        around.version_to.clone_into(&mut self.installed);
        around
            .note(Event::Installed { server: self.name.clone(), version: self.installed.clone() });
        self.pools_stopped = false;
        self.web_changed(around);
        self.start_services(around);
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
