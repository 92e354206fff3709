//! Faults of the shared database, and of the controller.
use std::fmt;

use evenkeel::procedure::action::JobKind;
use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::Trigger;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "old-service-restart",
        family: Family::Database,
        reason: "a server that is yet to be upgraded restarts once the database is new, and its \
                 services may not start again",
        source: "inferred from OutSystems/docs-support, deployment.log: GetPlatformVersionInDB",
        // One whose service does start enables itself, and may be deployed to while it serves.
        needs_person: true,
        draw: old_service_restart,
    },
    Kind {
        name: "controller-down",
        family: Family::Database,
        reason: "services need the Deployment Controller to initialise, and try every 30 s",
        source: "OutSystems/docs-support, manual-start-services.md, precedences",
        needs_person: false,
        draw: controller_down,
    },
    Kind {
        name: "database-down",
        family: Family::Database,
        reason: "the platform database fails over, and whoever needs it fails meanwhile",
        source: "general experience of databases; needed: OutSystems/docs-support, deployment.log",
        needs_person: false,
        draw: database_down,
    },
];

/// What can go wrong with the shared database, and with the controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DatabaseFault {
    /// An untouched server restarts: its machine, or its Deployment Service alone.
    OldServiceRestart {
        /// The server.
        server: String,
        /// Its machine.
        reboot: bool,
    },
    /// The Deployment Controller cannot be reached, from the next time that somebody needs it.
    ControllerDown {
        /// For how long.
        for_ms: u64,
    },
    /// The platform database cannot be reached, from the next time that somebody needs it.
    DatabaseDown {
        /// For how long.
        for_ms: u64,
    },
}

impl DatabaseFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::OldServiceRestart { .. } => "old-service-restart",
            Self::ControllerDown { .. } => "controller-down",
            Self::DatabaseDown { .. } => "database-down",
        }
    }

    /// How long it lasts once somebody has met it; `None` for what does not last.
    pub(super) fn once_met_ms(&self) -> Option<u64> {
        match self {
            Self::OldServiceRestart { .. } => None,
            Self::ControllerDown { for_ms } | Self::DatabaseDown { for_ms } => Some(*for_ms),
        }
    }

    /// Servers that it makes unable to serve by itself, until it is over.
    pub(super) fn fells(&self) -> Vec<&str> {
        match self {
            Self::OldServiceRestart { server, reboot: true } => vec![server],
            _ => Vec::new(),
        }
    }

    /// While it lasts, no console says anything.
    pub(super) fn silences(&self) -> bool {
        matches!(self, Self::DatabaseDown { .. })
    }
}

impl fmt::Display for DatabaseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OldServiceRestart { server, reboot: true } => {
                write!(f, "{server} restarts before its upgrade")
            }
            Self::OldServiceRestart { server, reboot: false } => {
                write!(f, "{server}'s Deployment Service restarts before its upgrade")
            }
            Self::ControllerDown { for_ms } => {
                write!(f, "the controller cannot be reached for {}", Lasting(*for_ms))
            }
            Self::DatabaseDown { for_ms } => {
                write!(f, "the database cannot be reached for {}", Lasting(*for_ms))
            }
        }
    }
}

fn planned(trigger: Trigger, fault: DatabaseFault) -> Planned {
    Planned { trigger, fault: Fault::Database(fault) }
}

fn old_service_restart(draw: &mut Draw<'_>) -> Planned {
    // The first front-end upgraded has made the database new by the time another job begins.
    let trigger = match draw.between(0, 2) {
        0 => Trigger::JobStarted {
            kind: JobKind::ServiceCenterInstall,
            nth: 1,
            after_ms: draw.between(0, 3 * MINUTE),
        },
        1 => Trigger::Step { step: 4, after_ms: draw.between(0, 30 * SECOND) },
        _ => Trigger::Step { step: 5, after_ms: draw.between(0, 5 * MINUTE) },
    };
    let (server, reboot) = (draw.loaded(), draw.stream.ratio(1, 2));
    planned(trigger, DatabaseFault::OldServiceRestart { server, reboot })
}

fn controller_down(draw: &mut Draw<'_>) -> Planned {
    let (kind, nth, _) = draw.job();
    let trigger = Trigger::JobStarted { kind, nth, after_ms: 0 };
    let for_ms = draw.between(10 * SECOND, 3 * MINUTE);
    planned(trigger, DatabaseFault::ControllerDown { for_ms })
}

fn database_down(draw: &mut Draw<'_>) -> Planned {
    let for_ms = draw.between(5 * SECOND, 3 * MINUTE);
    planned(draw.moment(), DatabaseFault::DatabaseDown { for_ms })
}
