//! What goes wrong, as data: faults, what triggers them, and the schedule of one run.
//!
//! * [`draw`] — a schedule from a seed: which families, and aimed at which effects.
//! * [`watch`] — tells when a trigger has come.
//!
//! A fault is aimed at a happening (an effect about to leave, a job that began) rather than at an
//! instant: nearly all of the time of an upgrade is spent waiting for installers, and nearly all
//! of the danger is not.
pub mod draw;
pub mod watch;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use evenkeel::procedure::action::{Action, JobKind, MemberChange};
use serde::{Deserialize, Serialize};

/// A family of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Links become slow for a while.
    Latency,
    /// An answer never reaches the orchestrator, though what it asked for was done.
    LostResponse,
    /// The orchestrator is killed and started again.
    OrchestratorCrash,
    /// A front-end's machine goes down by itself.
    FrontEndCrash,
    /// An installer ends with an error.
    InstallerFails,
    /// A balancer node is reloaded and forgets drains.
    BalancerReload,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 6] = [
        Self::Latency,
        Self::LostResponse,
        Self::OrchestratorCrash,
        Self::FrontEndCrash,
        Self::InstallerFails,
        Self::BalancerReload,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::LostResponse => "lost-response",
            Self::OrchestratorCrash => "orchestrator-crash",
            Self::FrontEndCrash => "front-end-crash",
            Self::InstallerFails => "installer-fails",
            Self::BalancerReload => "balancer-reload",
        }
    }

    /// After it a person may be needed: a run may then end in a hold.
    #[must_use]
    pub fn may_need_a_person(self) -> bool {
        matches!(self, Self::FrontEndCrash | Self::InstallerFails)
    }
}

/// Which families may strike, and how often each does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing goes wrong.
    None,
    /// What no person need be called for, each in half of the seeds.
    Light,
    /// Every family, each in half of the seeds.
    Full,
    /// These families, in every seed.
    Families(BTreeSet<Family>),
}

impl Choice {
    /// The families.
    #[must_use]
    pub fn families(&self) -> BTreeSet<Family> {
        let all = Family::ALL.into_iter();
        match self {
            Self::None => BTreeSet::new(),
            Self::Light => all.filter(|family| !family.may_need_a_person()).collect(),
            Self::Full => all.collect(),
            Self::Families(families) => families.clone(),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    /// # Errors
    /// Names the word that is no family.
    fn from_str(text: &str) -> Result<Self, String> {
        let family = |word: &str| {
            Family::ALL.into_iter().find(|family| family.name() == word).ok_or_else(|| {
                let names = Family::ALL.map(Family::name).join(", ");
                format!("`{word}` is no family of faults: none, light, full, or some of {names}")
            })
        };
        match text {
            "none" => Ok(Self::None),
            "light" => Ok(Self::Light),
            "full" => Ok(Self::Full),
            list => Ok(Self::Families(list.split(',').map(family).collect::<Result<_, _>>()?)),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Light => f.write_str("light"),
            Self::Full => f.write_str("full"),
            Self::Families(families) => {
                let names: Vec<&str> = families.iter().map(|family| family.name()).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// A kind of effect, as faults are aimed at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A member is drained.
    Drain,
    /// A member is admitted.
    Admit,
    /// A front-end is disabled.
    Disable,
    /// A front-end is enabled.
    Enable,
    /// A job is started.
    Start(JobKind),
    /// Application tests run.
    Test,
}

impl Effect {
    /// The kind of an action; `None` for those that faults are not aimed at.
    #[must_use]
    pub fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Balancer { change: MemberChange::Drain, .. } => Some(Self::Drain),
            Action::Balancer { change: MemberChange::Admit, .. } => Some(Self::Admit),
            Action::Flag { enabled: false, .. } => Some(Self::Disable),
            Action::Flag { enabled: true, .. } => Some(Self::Enable),
            Action::Start { kind, .. } => Some(Self::Start(*kind)),
            Action::Test { .. } => Some(Self::Test),
            Action::Balancer { .. } | Action::Reboot { .. } | Action::Nudge { .. } => None,
        }
    }
}

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "when")]
pub enum Trigger {
    /// At an instant of the run.
    At {
        /// Milliseconds since its begin.
        at_ms: u64,
    },
    /// The n-th intent of a kind is durable, and its effect has not left yet.
    Intent {
        /// The kind.
        effect: Effect,
        /// From 1 on.
        nth: u32,
        /// How long after that: 0 is before it leaves, a few milliseconds are while it is done.
        after_ms: u64,
    },
    /// The n-th outcome of a kind is durable.
    Outcome {
        /// The kind.
        effect: Effect,
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
    /// The n-th job of a kind began, by the server's own account.
    JobStarted {
        /// The kind.
        kind: JobKind,
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
}

/// What strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// Every packet between the orchestrator and these hosts is late.
    Latency {
        /// Hosts by name; all of them when empty.
        hosts: BTreeSet<String>,
        /// How much.
        extra_ms: u64,
        /// How long.
        for_ms: u64,
    },
    /// The next answer to the orchestrator does not arrive.
    LostResponse {
        /// The host whose answer; `None` for the one that the triggering effect goes to.
        host: Option<String>,
    },
    /// The orchestrator is killed, with what its disk had not been asked to sync.
    OrchestratorCrash {
        /// How long until it is started again.
        away_ms: u64,
    },
    /// A front-end's machine goes down.
    FrontEndCrash {
        /// The server.
        server: String,
        /// How long until it is switched on again; `None` for never.
        back_after_ms: Option<u64>,
    },
    /// The next jobs of a kind on a server end with an error.
    InstallerFails {
        /// The server.
        server: String,
        /// The kind.
        kind: JobKind,
        /// The exit code.
        code: i32,
        /// How many of them; `u32::MAX` for good.
        times: u32,
    },
    /// A balancer node is reloaded.
    BalancerReload {
        /// The node.
        node: String,
    },
}

impl Fault {
    /// Its family.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Latency { .. } => Family::Latency,
            Self::LostResponse { .. } => Family::LostResponse,
            Self::OrchestratorCrash { .. } => Family::OrchestratorCrash,
            Self::FrontEndCrash { .. } => Family::FrontEndCrash,
            Self::InstallerFails { .. } => Family::InstallerFails,
            Self::BalancerReload { .. } => Family::BalancerReload,
        }
    }
}

/// A fault and when it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub fault: Fault,
}

/// Everything that goes wrong in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule {
    /// The faults, in the order in which they were drawn.
    pub planned: Vec<Planned>,
}

#[cfg(test)]
mod tests;
