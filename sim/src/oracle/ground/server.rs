//! A server as the oracle sees it.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel_fakes::ledger::{ApplicationState, Event, FlagBy, ServiceState};

use super::super::words::{ENSURE, changes_software, ended_well, same_version};

/// A job on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its kind, as in `EVENKEEL_KIND`.
    pub kind: String,
    /// When it started.
    pub since_ms: u64,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Installed version.
    pub version: String,
    /// A job that changes software was ever started on it.
    pub touched: bool,
    /// Jobs that run on it, by id: one, and for an instant another that is refused.
    pub jobs: BTreeMap<String, Job>,
    /// Kinds of upgrade jobs that the plan has for it and that have not ended well yet: before
    /// that it is not whole, whatever its version says.
    pub unfinished: BTreeSet<String>,
    /// How its last job ended: kind, exit code (`None`: the machine went down under it).
    pub last_job: Option<(String, Option<i32>)>,
    /// When step 7's job last ended well on it, its software not having been changed since.
    pub ensured_at_ms: Option<u64>,
    /// Since when the machine is down.
    pub down_since_ms: Option<u64>,
    /// When the machine last came up again.
    pub up_at_ms: Option<u64>,
    /// The Deployment Service.
    pub service: ServiceState,
    /// Since when the Deployment Service is not initialised.
    pub uninitialised_since_ms: Option<u64>,
    /// What the web server does with users.
    pub applications: ApplicationState,
    /// When its applications last broke, pings and all else being well.
    pub broke_at_ms: Option<u64>,
    /// When it last became better in any way: up, initialised, serving, a job or deployment ended.
    pub better_at_ms: Option<u64>,
    /// Its last deployment skipped modules.
    pub modules_missing: bool,
    /// Since when something is being deployed to it.
    pub deploying_since_ms: Option<u64>,
    /// When deployment to it last began.
    pub deployment_began_ms: Option<u64>,
    /// It did so once the server had enabled itself, or somebody it.
    pub began_since_enabled: bool,
    /// The Enabled flag.
    pub enabled: bool,
    /// When it was last enabled by its own Deployment Service, or by an operator.
    pub enabled_itself_at_ms: Option<u64>,
    /// Its console is of the target version's build.
    pub console_new: bool,
    /// It was put there by a job of the run's, and not by deployment nor by hand.
    pub console_installed: bool,
    /// Somebody put one there by hand: whether the run knows is another matter.
    pub console_by_hand: bool,
    /// It serves users (a pure controller does not).
    pub front_end: bool,
    /// Since when it is fit and answers, without interruption.
    pub ready_since_ms: Option<u64>,
    /// When it last became so, or ceased to be.
    pub changed_ms: Option<u64>,
    /// Each time that it became so, oldest first.
    pub ready_from_ms: Vec<u64>,
}

impl Server {
    /// When it was first fit and answered after something that befell it at an instant; `None` as
    /// long as it has not been. Whoever was so since, and is not any more, has another reason.
    #[must_use]
    pub fn ready_after(&self, at_ms: u64) -> Option<u64> {
        let still = self.ready_since_ms.filter(|since_ms| *since_ms <= at_ms);
        still.or_else(|| self.ready_from_ms.iter().copied().find(|from_ms| *from_ms > at_ms))
    }

    /// Its machine is up and its web server serves.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.down_since_ms.is_none() && self.applications == ApplicationState::Serving
    }

    /// The Deployment Service is initialised, and the machine up.
    #[must_use]
    pub fn initialised(&self) -> bool {
        self.down_since_ms.is_none() && self.service == ServiceState::Initialised
    }

    /// Untouched, and deployment began since it first enabled itself: broken off or ended, it leaves
    /// applications that are neither the old ones nor the new.
    #[must_use]
    pub fn half_deployed(&self) -> bool {
        !self.touched && self.began_since_enabled
    }

    /// A job that changes software runs.
    #[must_use]
    pub fn being_changed(&self) -> bool {
        self.jobs.values().any(|job| changes_software(&job.kind))
    }

    /// It may serve users: never touched, or whole at the target version.
    #[must_use]
    pub fn fit(&self, target: &str) -> bool {
        !self.touched || self.whole_at(target)
    }

    /// Target version, every upgrade job done, initialised, nothing running or being deployed,
    /// applications served.
    #[must_use]
    pub fn whole_at(&self, target: &str) -> bool {
        same_version(&self.version, target)
            && self.unfinished.is_empty()
            && self.initialised()
            && self.deploying_since_ms.is_none()
            && !self.modules_missing
            && !self.being_changed()
            && (self.serves() || !self.front_end)
    }
}

impl Server {
    pub(super) fn apply(&mut self, at_ms: u64, event: &Event) {
        match event {
            Event::Flag { enabled, by, .. } => {
                self.enabled = *enabled;
                if *enabled && *by != FlagBy::Console {
                    self.enabled_itself_at_ms = Some(at_ms);
                }
            }
            Event::JobStarted { job, kind, .. } => {
                if changes_software(kind) {
                    self.touched = true;
                    self.ensured_at_ms = None;
                }
                self.jobs.insert(job.clone(), Job { kind: kind.clone(), since_ms: at_ms });
            }
            Event::JobEnded { job, kind, code, .. } => {
                self.jobs.remove(job);
                if ended_well(*code) {
                    self.unfinished.remove(kind);
                    self.better_at_ms = Some(at_ms);
                    if kind == ENSURE {
                        self.ensured_at_ms = Some(at_ms);
                    }
                }
                self.last_job = Some((kind.clone(), *code));
            }
            Event::Installed { version, .. } => self.version.clone_from(version),
            Event::Down { .. } => {
                self.down_since_ms = Some(at_ms);
                self.uninitialised_since_ms.get_or_insert(at_ms);
            }
            Event::Up { .. } => {
                self.down_since_ms = None;
                self.better_at_ms = Some(at_ms);
                self.up_at_ms = Some(at_ms);
            }
            Event::Service { state, .. } => {
                self.service = *state;
                match state {
                    ServiceState::Initialised => {
                        self.uninitialised_since_ms = None;
                        self.better_at_ms = Some(at_ms);
                    }
                    _ => _ = self.uninitialised_since_ms.get_or_insert(at_ms),
                }
            }
            Event::CannotInitialise { .. } => {}
            Event::Applications { state, .. } => {
                match state {
                    ApplicationState::Broken => self.broke_at_ms = Some(at_ms),
                    ApplicationState::Serving => self.better_at_ms = Some(at_ms),
                    ApplicationState::Off | ApplicationState::Unavailable => {}
                }
                self.applications = *state;
            }
            Event::DeploymentBegan { .. } => {
                self.deploying_since_ms = Some(at_ms);
                self.deployment_began_ms = Some(at_ms);
                self.began_since_enabled |= self.enabled_itself_at_ms.is_some();
            }
            Event::DeploymentEnded { .. } => {
                self.deploying_since_ms = None;
                self.modules_missing = false;
                self.better_at_ms = Some(at_ms);
            }
            Event::DeploymentStopped { .. } => self.deploying_since_ms = None,
            Event::ModulesSkipped { .. } => self.modules_missing = true,
            _ => unreachable!("an event of the balancer is not a server's"),
        }
    }
}
