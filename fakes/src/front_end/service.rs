//! Services: Deployment Controller, Deployment, Scheduler. Of the Deployment Service both phases
//! of a start are modelled: running is not initialised, and only the initialised one works.
use crate::database::version_parts;
use crate::ledger::{Event, FlagBy, ServiceState};
use crate::trouble::Trouble;
use crate::truth::{DisableMode, OldServices};

use super::{Around, FrontEnd, Role};

/// The Deployment Service (of a pure controller: its controller service).
#[derive(Debug)]
pub(super) struct Service {
    pub(super) state: ServiceState,
    /// Its start type is Automatic; otherwise Disabled.
    pub(super) automatic: bool,
    /// The next attempt to initialise.
    pub(super) due_ms: Option<u64>,
    starts: u64,
    started_ms: u64,
    /// It has tried to initialise since it started, and could not.
    has_failed: bool,
}

impl Service {
    /// One that has been running since the farm was built.
    pub(super) fn initialised() -> Self {
        Self {
            state: ServiceState::Initialised,
            automatic: true,
            due_ms: None,
            starts: 1,
            started_ms: 0,
            has_failed: false,
        }
    }
}

impl FrontEnd {
    /// Its Deployment Service's start type is Automatic.
    #[must_use]
    pub fn automatic(&self) -> bool {
        self.service.automatic
    }

    /// A mark of the last start of its Deployment Service: another mark, another start.
    #[must_use]
    pub fn start_mark(&self) -> String {
        format!("{}@{}", self.service.starts, self.service.started_ms)
    }

    /// Starts what is set to start by itself, as a boot and the end of an installer do.
    pub(super) fn start_services(&mut self, around: &mut Around<'_>) {
        // What is too old for the database is not started at all: the controller's service.
        self.controller_service = self.is_controller() && self.may_start(around);
        self.scheduler_service = self.serves();
        if self.service.automatic {
            self.start_service(around);
        }
    }

    /// Stops them all, as a shutdown and an installer do.
    pub(super) fn stop_services(&mut self, around: &mut Around<'_>) {
        self.controller_service = false;
        self.scheduler_service = false;
        self.stop_service(around);
    }

    /// Starts the Deployment Service. It tells whether that did anything: the service of a
    /// machine that is down, one that runs and one whose start type is Disabled do not start.
    pub(crate) fn start_service(&mut self, around: &mut Around<'_>) -> bool {
        if !self.is_up() || self.service.state != ServiceState::Stopped || !self.service.automatic {
            return false;
        }
        if self.role == Role::PureController {
            // By hand, the controller's service comes with it: they are the same one.
            self.controller_service = self.may_start(around);
        } else if self.meet_no_start(around) {
            return false;
        }
        self.service.starts += 1;
        self.service.started_ms = around.now_ms;
        self.service.has_failed = false;
        let longer_ms = self.meet_start(around);
        self.service.due_ms = Some(around.now_ms + around.truth.initialise_ms + longer_ms);
        self.service_becomes(around, ServiceState::Starting);
        true
    }

    /// Stops the Deployment Service; a deployment in progress is broken off.
    pub(crate) fn stop_service(&mut self, around: &mut Around<'_>) -> bool {
        if self.service.state == ServiceState::Stopped {
            return false;
        }
        self.stop_deployment(around);
        if self.role == Role::PureController {
            self.controller_service = false;
        }
        self.service.due_ms = None;
        self.service_becomes(around, ServiceState::Stopped);
        true
    }

    /// Sets the start type to Automatic and starts the service if it is stopped.
    pub(crate) fn ensure_service(&mut self, around: &mut Around<'_>) -> bool {
        self.service.automatic = true;
        self.start_service(around)
    }

    /// An attempt to initialise: it needs the controller, and a database of its own version.
    pub(super) fn try_to_initialise(&mut self, around: &mut Around<'_>) {
        if let Some(why) = self.cannot_initialise(around) {
            // "Initialization error: … Retrying in 30 seconds", for ever.
            self.service.due_ms = Some(around.now_ms + around.truth.retry_ms.max(1));
            if !std::mem::replace(&mut self.service.has_failed, true) {
                let server = self.name.clone();
                around.note(Event::CannotInitialise { server, why: why.to_owned() });
            }
            return;
        }
        self.service.due_ms = None;
        if self.role == Role::PureController {
            self.controller_service = true;
        }
        self.service_becomes(around, ServiceState::Initialised);
        if self.serves() {
            if around.truth.start_enables {
                self.set_enabled(around, true, FlagBy::Service);
            }
            self.notice_after_start(around);
        }
    }

    /// What keeps the service from initialising.
    fn cannot_initialise(&self, around: &mut Around<'_>) -> Option<&'static str> {
        let remote = self.role != Role::PureController;
        if around.meets(&Trouble::DatabaseGone) {
            return Some("the platform database cannot be reached");
        }
        if !self.may_start(around) {
            return Some("the platform database has another version");
        }
        // One that is down cannot also be out of reach.
        if remote && (!around.controller_up || around.meets(&Trouble::ControllerGone)) {
            return Some("No connection could be made to the Deployment Controller, port 12000");
        }
        if !self.service_whole(around.now_ms) {
            return Some("the service is not whole");
        }
        None
    }

    /// A service of this version may start on this database.
    fn may_start(&self, around: &Around<'_>) -> bool {
        around.truth.old_services == OldServices::RunOn
            || version_parts(&self.installed) >= version_parts(around.database.version())
    }

    fn service_becomes(&mut self, around: &mut Around<'_>, state: ServiceState) {
        self.service.state = state;
        around.note(Event::Service { server: self.name.clone(), state });
    }

    /// Enables or disables this server, with all that goes with it.
    pub(crate) fn set_enabled(&mut self, around: &mut Around<'_>, enabled: bool, by: FlagBy) {
        if around.database.set_enabled(&self.name, enabled) {
            around.note(Event::Flag { server: self.name.clone(), enabled, by });
        }
        if by == FlagBy::Service || !self.is_up() {
            return;
        }
        // Enable undoes what Disable does, in each variant.
        match (around.truth.disable_mode, enabled) {
            (DisableMode::Flag, _) => {}
            (DisableMode::StopsService, true) => {
                self.start_service(around);
            }
            (DisableMode::StopsAndDisablesService, true) => {
                self.ensure_service(around);
            }
            (DisableMode::StopsService, false) => {
                self.stop_service(around);
            }
            (DisableMode::StopsAndDisablesService, false) => {
                self.stop_service(around);
                self.service.automatic = false;
            }
        }
    }
}
