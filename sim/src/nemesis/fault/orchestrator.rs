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

/// What becomes of what a process had sent, and had no answer to, when it was killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is lost on the way.
    NeverArrived,
    /// It arrives, and is answered to nobody.
    #[default]
    Unanswered,
    /// It arrives after the process that was started again has first read its receiver: it was
    /// under way in a queue, or at a proxy.
    Late,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 3] = [Self::NeverArrived, Self::Unanswered, Self::Late];

    /// Its name in schedules and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverArrived => "never-arrived",
            Self::Unanswered => "unanswered",
            Self::Late => "late",
        }
    }
}

/// What can go wrong with the orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum OrchestratorFault {
    /// It is killed, with what its disk had not been asked to sync.
    OrchestratorCrash {
        /// How long until it is started again.
        away_ms: u64,
        /// What becomes of what it had sent.
        #[serde(default)]
        fate: Fate,
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
            Self::OrchestratorCrash { away_ms, fate } => {
                write!(f, "the orchestrator is killed and away for {}", Lasting(*away_ms))?;
                f.write_str(match fate {
                    Fate::NeverArrived => "; what it had sent never arrives",
                    Fate::Unanswered => "",
                    Fate::Late => "; what it had sent arrives after it is back",
                })
            }
        }
    }
}

fn orchestrator_crash(draw: &mut Draw<'_>) -> Planned {
    let away_ms = *draw.one(&[SECOND, 60 * MINUTE]);
    let fate = *draw.one(&Fate::ALL);
    let fault = OrchestratorFault::OrchestratorCrash { away_ms, fate };
    Planned { trigger: draw.moment(), fault: Fault::Orchestrator(fault) }
}
