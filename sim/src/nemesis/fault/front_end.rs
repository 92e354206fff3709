//! Faults of front-ends: machines, installers, services, applications.
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
        name: "front-end-crash",
        family: Family::FrontEnd,
        reason: "a machine goes down by itself",
        source: "reference/simulation.md 1.6, front-end process: crash",
        needs_person: true,
        draw: front_end_crash,
    },
    Kind {
        name: "installer-fails",
        family: Family::FrontEnd,
        reason: "an installer ends with an error",
        source: "reference/outsystems.md 5.8",
        needs_person: true,
        draw: installer_fails,
    },
];

/// What can go wrong with a front-end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum FrontEndFault {
    /// A front-end's machine goes down.
    FrontEndCrash {
        /// The server.
        server: String,
        /// How long until it is switched on again; `None` for never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back_after_ms: Option<u64>,
    },
    /// The next jobs of a kind on a server end with an error.
    InstallerFails {
        /// The server.
        server: String,
        /// The kind.
        job: JobKind,
        /// The exit code.
        code: i32,
        /// How many of them; `u32::MAX` for good.
        times: u32,
    },
}

impl FrontEndFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::FrontEndCrash { .. } => "front-end-crash",
            Self::InstallerFails { .. } => "installer-fails",
        }
    }

    /// The server that it is about.
    #[must_use]
    pub fn server(&self) -> &str {
        match self {
            Self::FrontEndCrash { server, .. } | Self::InstallerFails { server, .. } => server,
        }
    }
}

impl fmt::Display for FrontEndFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrontEndCrash { server, back_after_ms: Some(after_ms) } => {
                write!(f, "{server} crashes, back after {}", Lasting(*after_ms))
            }
            Self::FrontEndCrash { server, back_after_ms: None } => {
                write!(f, "{server} crashes for good")
            }
            Self::InstallerFails { server, job, code, times } => {
                let job = job.as_str();
                write!(f, "{job} on {server} will end with {code}")?;
                if *times == u32::MAX {
                    f.write_str(" always")
                } else {
                    write!(f, " {times} times")
                }
            }
        }
    }
}

fn front_end_crash(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    let back_after_ms = draw.stream.ratio(2, 3).then(|| draw.between(2 * MINUTE, 30 * MINUTE));
    // Half of them during somebody's installer: the time in which the farm has least to spare.
    let trigger = match draw.stream.ratio(1, 2) {
        true => {
            let (kind, nth, _) = draw.job();
            Trigger::JobStarted { kind, nth, after_ms: draw.between(0, 300) * SECOND }
        }
        false => draw.moment(),
    };
    let fault = FrontEndFault::FrontEndCrash { server, back_after_ms };
    Planned { trigger, fault: Fault::FrontEnd(fault) }
}

fn installer_fails(draw: &mut Draw<'_>) -> Planned {
    let (job, _, server) = draw.job();
    let fault = FrontEndFault::InstallerFails {
        server,
        job,
        code: 2, // what NSIS installers leave after an error
        times: *draw.one(&[1, u32::MAX]),
    };
    Planned { trigger: Trigger::At { at_ms: 0 }, fault: Fault::FrontEnd(fault) }
}
