//! Deployment: an enabled front-end whose service has initialised fetches what is published. A
//! deployment that has begun runs to its end unless its service stops.
use crate::database::Publication;
use crate::ledger::{Event, ServiceState};
use crate::truth::{AfterStart, IdleWord};

use super::{Around, FrontEnd};

/// What the deployment threads do.
#[derive(Debug)]
pub(super) enum Deployment {
    /// Nothing.
    None,
    /// Nothing yet: after its start the service looks for work at that time.
    NotNoticed { until_ms: u64 },
    /// They deploy.
    Busy { until_ms: u64, what: Publication },
}

impl Deployment {
    pub(super) fn due_ms(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::NotNoticed { until_ms } | Self::Busy { until_ms, .. } => Some(*until_ms),
        }
    }
}

/// A deployment thread as the console shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its name.
    pub name: &'static str,
    /// Its status in a word.
    pub status: &'static str,
    /// What it is at.
    pub details: String,
}

impl FrontEnd {
    /// Its deployment threads are at work.
    #[must_use]
    pub fn deploying(&self) -> bool {
        matches!(self.deployment, Deployment::Busy { .. })
    }

    /// What is published differs from what is deployed here.
    #[must_use]
    pub fn pending(&self, published: &Publication) -> bool {
        self.serves() && self.deployed.generation != published.generation
    }

    /// The threads of its Deployment Service; none while it is not initialised.
    #[must_use]
    pub fn threads(&self, idle: IdleWord, published: &Publication) -> Vec<Thread> {
        if self.service_state() != ServiceState::Initialised || !self.serves() {
            return Vec::new();
        }
        let idle = match idle {
            IdleWord::Sleeping => "Sleeping",
            IdleWord::Idle => "Idle",
        };
        let thread = |name, status, details| Thread { name, status, details };
        if !self.deploying() {
            return ["Deployment Worker 1", "Deployment Worker 2", "Pending Modules"]
                .map(|name| thread(name, idle, String::new()))
                .into();
        }
        let module = self.modules().next().unwrap_or_default();
        let left =
            format!("{} modules of publication {}", self.modules.len(), published.generation);
        vec![
            thread("Deployment Worker 1", "Deploying", module.to_owned()),
            thread("Deployment Worker 2", idle, String::new()),
            thread("Pending Modules", "Processing", left),
        ]
    }

    /// Right after the service has initialised: work that waits may go unnoticed for a while.
    pub(super) fn notice_after_start(&mut self, around: &Around<'_>) {
        if around.truth.after_start == AfterStart::IdleFirst
            && self.pending(around.database.published())
        {
            let until_ms = around.now_ms + around.truth.idle_first_ms;
            self.deployment = Deployment::NotNoticed { until_ms };
        }
    }

    /// Begins to deploy, when there is reason to.
    pub(crate) fn begin_deployment(&mut self, around: &mut Around<'_>) {
        if matches!(self.deployment, Deployment::None)
            && self.service_state() == ServiceState::Initialised
            && self.pending(around.database.published())
            && around.database.enabled(&self.name) == Some(true)
        {
            self.deployment = Deployment::Busy {
                until_ms: around.now_ms + around.truth.deploy_ms,
                what: around.database.published().clone(),
            };
            around.note(Event::DeploymentBegan { server: self.name.clone() });
        }
    }

    pub(super) fn deployment_step(&mut self, around: &mut Around<'_>) {
        // What is pending then, the farm lets begin after this step.
        if let Deployment::Busy { what, .. } =
            std::mem::replace(&mut self.deployment, Deployment::None)
        {
            self.console.clone_from(&what.console);
            self.deployed = what;
            around.note(Event::DeploymentEnded { server: self.name.clone() });
        }
    }

    /// The service stops: what it was at is broken off and stays pending.
    pub(super) fn stop_deployment(&mut self, around: &mut Around<'_>) {
        if self.deploying() {
            around.note(Event::DeploymentStopped { server: self.name.clone() });
        }
        self.deployment = Deployment::None;
    }
}
