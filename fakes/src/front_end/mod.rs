//! One server of the farm: a front-end, a front-end that is the controller as well, or a pure
//! controller. Its machine, services, installer, deployment and web server are one state machine
//! that moves by timers; nothing here waits.
//!
//! * `service` start-up in phases; `deployment` of what is pending;
//! * [`jobs`] installers and their phases; [`mishaps`] what goes wrong of itself;
//! * [`verbs`] the host verbs; [`shell`] how they arrive over TCP; [`web`] pings and applications.
mod deployment;
pub mod jobs;
pub mod mishaps;
mod service;
pub mod shell;
pub mod verbs;
pub mod web;

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::balancer::CheckAnswer;
use crate::database::{Database, Publication};
use crate::ledger::{ApplicationState, Event, Ledger, ServiceState};
use crate::trouble::{Trouble, Troubles};
use crate::truth::Truth;

pub use deployment::Thread;
pub use jobs::{Job, JobState};

use deployment::{Deployment, Rounds};
use jobs::Jobs;
use mishaps::Mishaps;
use service::Service;

/// What a server is in the farm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves users.
    FrontEnd,
    /// Serves users and is the deployment controller.
    Controller,
    /// Is the deployment controller and nothing else: no web server, no console, no Deployment
    /// Service. Where a Deployment Service is asked about, it answers for its controller service.
    PureController,
}

/// A server's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Without power.
    Down,
    /// Starting; up at that time.
    Booting {
        /// In milliseconds since the farm was built.
        until_ms: u64,
    },
    /// Running.
    Up,
}

/// One life of what serves users on a server: a request in flight does not outlive it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// How often its machine went down.
    pub boots: u64,
    /// How often an installer stopped its application pools.
    pub stops: u64,
}

/// What a server needs of the farm to take a step.
pub(crate) struct Around<'a> {
    pub(crate) now_ms: u64,
    pub(crate) truth: &'a Truth,
    pub(crate) version_to: &'a str,
    pub(crate) database: &'a mut Database,
    pub(crate) troubles: &'a mut Troubles,
    pub(crate) ledger: &'a mut Ledger,
    /// The controller's machine and service are up.
    pub(crate) controller_up: bool,
}

impl Around<'_> {
    fn note(&mut self, event: Event) {
        self.ledger.note(self.now_ms, event);
    }

    /// Whoever asks meets this trouble, if it lies in wait or lasts.
    fn meets(&mut self, trouble: &Trouble) -> bool {
        let is = |it: &Trouble| (it == trouble).then_some(());
        self.troubles.meet(self.now_ms, self.ledger, is).is_some()
    }
}

/// One server.
#[derive(Debug)]
pub struct FrontEnd {
    name: String,
    address: String,
    port: u16,
    role: Role,
    /// Modules deployed here, by name in lower case: paths do not distinguish case.
    modules: BTreeMap<String, String>,
    machine: Machine,
    /// When it goes down, after it was told to restart.
    shuts_down_ms: Option<u64>,
    life: Life,
    installed: String,
    console: String,
    touched: bool,
    broken: bool,
    /// The installer has stopped the application pools.
    pools_stopped: bool,
    /// Service Center is being installed and not there.
    console_missing: bool,
    controller_service: bool,
    scheduler_service: bool,
    service: Service,
    deployment: Deployment,
    rounds: Option<Rounds>,
    deployed: Publication,
    /// Ids of modules that were asked for, and the publication they are of: pings are asked for
    /// thousands of times between two deployments.
    ids: RefCell<BTreeMap<String, (Publication, String)>>,
    jobs: Jobs,
    mishaps: Mishaps,
    applications: ApplicationState,
    /// What health checks were last said to get.
    told: CheckAnswer,
}

impl FrontEnd {
    /// A server of a farm that stands as it should: installed, deployed, services running.
    #[must_use]
    pub fn new(
        name: &str,
        (address, port): (&str, u16),
        role: Role,
        modules: impl IntoIterator<Item = String>,
        deployed: &Publication,
    ) -> Self {
        let serves = role != Role::PureController;
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            port,
            role,
            modules: modules.into_iter().map(|module| (module.to_lowercase(), module)).collect(),
            machine: Machine::Up,
            shuts_down_ms: None,
            life: Life::default(),
            installed: deployed.version.clone(),
            console: deployed.console.clone(),
            touched: false,
            broken: false,
            pools_stopped: false,
            console_missing: false,
            controller_service: role != Role::FrontEnd,
            scheduler_service: serves,
            service: Service::initialised(),
            deployment: Deployment::None,
            rounds: None,
            deployed: deployed.clone(),
            ids: RefCell::default(),
            jobs: Jobs::default(),
            mishaps: Mishaps::default(),
            applications: if serves { ApplicationState::Serving } else { ApplicationState::Off },
            told: CheckAnswer::Ok,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, as the farm file has it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its HTTP port, as the farm file has it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it is in the farm.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// It is the deployment controller, serving users or not.
    #[must_use]
    pub fn is_controller(&self) -> bool {
        self.role != Role::FrontEnd
    }

    /// It serves users: web server, console, Deployment Service.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.role != Role::PureController
    }

    /// The installed version of Platform Server.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.installed
    }

    /// The build of Service Center deployed here.
    #[must_use]
    pub fn console_build(&self) -> &str {
        &self.console
    }

    /// A job that changes software was ever begun here.
    #[must_use]
    pub fn touched(&self) -> bool {
        self.touched
    }

    /// Its machine.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// Its machine runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.machine == Machine::Up
    }

    /// The present life of what serves users on it: what was in flight before is lost.
    #[must_use]
    pub fn life(&self) -> Life {
        self.life
    }

    /// What its web server does with users' requests.
    #[must_use]
    pub fn applications(&self) -> ApplicationState {
        self.applications
    }

    /// Its applications are broken, whether its web server is on or not.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.broken
    }

    /// Its Scheduler Service runs.
    #[must_use]
    pub fn scheduler_runs(&self) -> bool {
        self.scheduler_service
    }

    /// Its Deployment Controller Service runs, and so does its machine.
    #[must_use]
    pub fn controls(&self) -> bool {
        self.controller_service && self.is_up()
    }

    /// The id of a module's `_ping.html`; `None` when the module is not deployed here.
    #[must_use]
    pub fn deployed_id(&self, module: &str) -> Option<String> {
        let name = self.modules.get(&module.to_lowercase())?;
        if name == SERVICE_CENTER {
            // Service Center is replaced where it is installed, before any deployment.
            let build = Publication { version: self.console.clone(), ..self.deployed.clone() };
            return Some(build.module_id(name));
        }
        let build = self.deployed_as(name);
        let mut ids = self.ids.borrow_mut();
        match ids.get(name) {
            Some((of, id)) if of == build => Some(id.clone()),
            _ => {
                let id = build.module_id(name);
                ids.insert(name.clone(), (build.clone(), id.clone()));
                Some(id)
            }
        }
    }

    /// The publication deployed here.
    #[must_use]
    pub fn deployed(&self) -> &Publication {
        &self.deployed
    }

    /// The modules deployed here.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.values().map(String::as_str)
    }

    /// What a health check of the balancer gets.
    #[must_use]
    pub fn check_answer(&self) -> CheckAnswer {
        match self.applications {
            // Pings are static files: they pass while applications are broken.
            ApplicationState::Serving | ApplicationState::Broken => CheckAnswer::Ok,
            ApplicationState::Unavailable => CheckAnswer::Error(503),
            ApplicationState::Off => CheckAnswer::NoConnection,
        }
    }

    /// What a health check gets from now on, if that is another answer than at the last call.
    pub(crate) fn another_check_answer(&mut self) -> Option<CheckAnswer> {
        let answer = self.check_answer();
        let told = std::mem::replace(&mut self.told, answer);
        (told != answer).then_some(answer)
    }

    /// When something is due next.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let boot = match self.machine {
            Machine::Booting { until_ms } => Some(until_ms),
            Machine::Down | Machine::Up => None,
        };
        let (job, deployment) = (self.jobs.next_due_ms(), self.deployment.due_ms());
        let (mishap, retry) = (self.mishaps.due_ms(), self.retry_due_ms());
        let due = [self.shuts_down_ms, job, self.service.due_ms, deployment, boot, mishap, retry];
        due.into_iter().flatten().min()
    }

    /// Carries out the first thing that is due by now.
    pub(crate) fn act(&mut self, around: &mut Around<'_>) {
        let now_ms = around.now_ms;
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now_ms);
        if matches!(self.machine, Machine::Booting { until_ms } if until_ms <= now_ms) {
            self.booted(around);
        } else if due(self.shuts_down_ms) {
            self.go_down(around, true);
        } else if due(self.jobs.next_due_ms()) {
            self.job_step(around);
        } else if due(self.service.due_ms) {
            self.try_to_initialise(around);
        } else if due(self.deployment.due_ms()) {
            self.deployment_step(around);
        } else if due(self.mishaps.due_ms()) {
            self.mishap_step(around);
        } else if due(self.retry_due_ms()) {
            self.retry_skipped(around);
        }
    }

    /// The machine is told to restart: it answers, and does what it is told, until it goes down.
    pub(crate) fn restart(&mut self, around: &mut Around<'_>) {
        if self.shuts_down_ms.is_none() {
            self.shuts_down_ms = Some(around.now_ms + around.truth.shutdown_ms);
            around.note(Event::Restarting { server: self.name.clone() });
        }
    }

    /// The machine goes down: power lost, or a reboot begins. What ran is interrupted.
    pub(crate) fn go_down(&mut self, around: &mut Around<'_>, boot: bool) {
        let was_up = self.is_up();
        self.shuts_down_ms = None;
        self.machine = if boot {
            Machine::Booting { until_ms: around.now_ms + around.truth.reboot_ms }
        } else {
            Machine::Down
        };
        if !was_up {
            return;
        }
        self.life.boots += 1;
        around.note(Event::Down { server: self.name.clone() });
        self.interrupt_jobs(around);
        self.stop_deployment(around);
        self.stop_services(around);
        self.console_missing = false;
        self.web_changed(around);
    }

    /// Power comes back.
    pub(crate) fn power_on(&mut self, around: &Around<'_>) {
        if self.machine == Machine::Down {
            self.machine = Machine::Booting { until_ms: around.now_ms + around.truth.reboot_ms };
        }
    }

    /// The machine is up: the web server serves what is deployed, automatic services start.
    fn booted(&mut self, around: &mut Around<'_>) {
        self.machine = Machine::Up;
        self.pools_stopped = false;
        self.rebooted();
        around.note(Event::Up { server: self.name.clone() });
        self.web_changed(around);
        self.start_services(around);
    }

    /// Notes what the web server does with requests, when that changed.
    fn web_changed(&mut self, around: &mut Around<'_>) {
        let state = if !self.is_up() || !self.serves() {
            ApplicationState::Off
        } else if self.pools_stopped {
            ApplicationState::Unavailable
        } else if self.broken {
            ApplicationState::Broken
        } else {
            ApplicationState::Serving
        };
        if state != self.applications {
            self.applications = state;
            around.note(Event::Applications { server: self.name.clone(), state });
        }
    }

    /// Breaks or mends the applications.
    pub(crate) fn set_broken(&mut self, around: &mut Around<'_>, broken: bool) {
        self.broken = broken;
        self.web_changed(around);
    }

    /// Its console is there: the web server answers for it, in whatever build.
    #[must_use]
    pub fn console_answers(&self) -> bool {
        self.serves()
            && !self.console_missing
            && matches!(self.applications, ApplicationState::Serving | ApplicationState::Broken)
    }

    /// Its console is being installed: the web server knows no such application.
    #[must_use]
    pub fn console_missing(&self) -> bool {
        self.console_missing
    }

    /// A Deployment Service's state; of a pure controller, its controller service's.
    #[must_use]
    pub fn service_state(&self) -> ServiceState {
        self.service.state
    }
}

/// The console's module: an application like the others, on every front-end.
pub const SERVICE_CENTER: &str = "ServiceCenter";
