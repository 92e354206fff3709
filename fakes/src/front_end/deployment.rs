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
    /// They rest between two rounds of what they deploy.
    Between { until_ms: u64, what: Publication },
}

impl Deployment {
    pub(super) fn due_ms(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::NotNoticed { until_ms }
            | Self::Busy { until_ms, .. }
            | Self::Between { until_ms, .. } => Some(*until_ms),
        }
    }
}

/// Rounds in which a server's next deployment goes on after it seemed to be over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds {
    /// How many.
    pub(super) left: u32,
    /// How long the threads idle before each.
    pub(super) pause_ms: u64,
    /// Whoever asked for it knows it by this.
    pub(super) tag: u64,
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
            let what = around.database.published().clone();
            let deploy_ms = around.truth.deploy_ms;
            self.deploy(around, deploy_ms, what);
        }
    }

    /// Its threads begin to deploy something.
    pub(super) fn deploy(&mut self, around: &mut Around<'_>, deploy_ms: u64, what: Publication) {
        self.deployment = Deployment::Busy { until_ms: around.now_ms + deploy_ms, what };
        around.note(Event::DeploymentBegan { server: self.name.clone() });
    }

    pub(super) fn deployment_step(&mut self, around: &mut Around<'_>) {
        // What is pending then, the farm lets begin after this step.
        let what = match std::mem::replace(&mut self.deployment, Deployment::None) {
            Deployment::None | Deployment::NotNoticed { .. } => return,
            Deployment::Between { what, .. } => {
                let until_ms = around.now_ms + around.truth.deploy_ms;
                self.deployment = Deployment::Busy { until_ms, what };
                return;
            }
            Deployment::Busy { what, .. } => what,
        };
        if let Some(rounds) = self.rounds.as_mut().filter(|it| it.left > 0) {
            rounds.left -= 1;
            let (until_ms, tag) = (around.now_ms + rounds.pause_ms, rounds.tag);
            self.deployment = Deployment::Between { until_ms, what };
            around.note(Event::FaultMet { tag });
            return;
        }
        self.console.clone_from(&what.console);
        let old = std::mem::replace(&mut self.deployed, what);
        around.note(Event::DeploymentEnded { server: self.name.clone() });
        self.meet_deployment(around, old);
    }

    /// The next deployment goes on in rounds after it seemed to be over.
    pub(crate) fn deploy_in_rounds(&mut self, left: u32, pause_ms: u64, tag: u64) {
        self.rounds = Some(Rounds { left, pause_ms, tag });
    }

    /// The service stops: what it was at is broken off and stays pending.
    pub(super) fn stop_deployment(&mut self, around: &mut Around<'_>) {
        if matches!(self.deployment, Deployment::Busy { .. } | Deployment::Between { .. }) {
            around.note(Event::DeploymentStopped { server: self.name.clone() });
        }
        self.deployment = Deployment::None;
    }
}
