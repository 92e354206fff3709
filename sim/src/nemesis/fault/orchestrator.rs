//! Faults of the orchestrator's own process and machine.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[Kind {
    name: "orchestrator-crash",
    family: Family::Orchestrator,
    reason: "its machine restarts or its process is killed, between any two effects",
    source: "reference/simulation.md 1.6, orchestrator",
    needs_person: false,
    draw: orchestrator_crash,
}];

/// What can go wrong with the orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum OrchestratorFault {
    /// It is killed, with what its disk had not been asked to sync.
    OrchestratorCrash {
        /// How long until it is started again.
        away_ms: u64,
    },
}

impl OrchestratorFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::OrchestratorCrash { .. } => "orchestrator-crash",
        }
    }
}

impl fmt::Display for OrchestratorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrchestratorCrash { away_ms } => {
                write!(f, "the orchestrator is killed and away for {}", Lasting(*away_ms))
            }
        }
    }
}

fn orchestrator_crash(draw: &mut Draw<'_>) -> Planned {
    let away_ms = *draw.one(&[SECOND, 60 * MINUTE]);
    let fault = OrchestratorFault::OrchestratorCrash { away_ms };
    Planned { trigger: draw.moment(), fault: Fault::Orchestrator(fault) }
}
