//! Faults of front-ends: machines, installers, services, applications.
mod draws;

use std::fmt;

use evenkeel::procedure::action::JobKind;
use serde::{Deserialize, Serialize};

use super::Lasting;

pub use draws::KINDS;

/// What can go wrong with a front-end. Of those that lie in wait until a job, a start or a
/// deployment meets them, the last of a sort counts.
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
    /// Its machine restarts by itself, in the midst of an installer: not where none runs.
    RebootDuringInstall {
        /// The server.
        server: String,
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
    /// The next job of a kind on a server stands still half-way.
    InstallerHangs {
        /// The server.
        server: String,
        /// The kind.
        job: JobKind,
        /// For how long; `None` for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
    },
    /// The next upgrade of a server wants a reboot.
    InstallerWantsReboot {
        /// The server.
        server: String,
        /// The kind.
        job: JobKind,
        /// Its exit code: 1 before its work, 3010 and 3011 after it.
        code: i32,
    },
    /// The next upgrades of a server end with 0 and have installed nothing.
    InstallsNothing {
        /// The server.
        server: String,
        /// The kind.
        job: JobKind,
        /// How many of them; `u32::MAX` for good.
        times: u32,
    },
    /// The next upgrades of a server leave the new version with an old Deployment Service.
    InstallsPart {
        /// The server.
        server: String,
        /// The kind.
        job: JobKind,
        /// The exit code all the same.
        code: i32,
        /// How many of them; `u32::MAX` for good.
        times: u32,
    },
    /// A server's disk is full.
    DiskFull {
        /// The server.
        server: String,
        /// For how long; `None` until somebody makes room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
    },
    /// From its next start on the Deployment Service runs and does not initialise.
    ServiceStalls {
        /// The server.
        server: String,
        /// For how long; `None` for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
    },
    /// The next starts of the Deployment Service do not start it.
    ServiceDoesNotStart {
        /// The server.
        server: String,
        /// How many of them; `u32::MAX` for good.
        times: u32,
    },
    /// The next start takes long: services to initialise, applications to answer.
    SlowStart {
        /// The server.
        server: String,
        /// How much longer the Deployment Service takes.
        initialise_ms: u64,
        /// How long the applications take for an answer.
        answer_ms: u64,
        /// For how long they do.
        for_ms: u64,
    },
    /// Somebody restarts the Deployment Service, and the front-end enables itself.
    EnablesItself {
        /// The server.
        server: String,
    },
    /// The applications answer 500 when the next install is over, and their pings 200.
    ShallowPing {
        /// The server.
        server: String,
        /// For how long; `None` for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
    },
    /// The applications begin to answer 500 long after the next install.
    DelayedFailure {
        /// The server.
        server: String,
        /// How long after it.
        after_ms: u64,
        /// For how long; `None` for good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
    },
    /// The next deployment skips modules, and its threads idle.
    ModulesSkipped {
        /// The server.
        server: String,
        /// How much later the retry loop finds them.
        for_ms: u64,
    },
}

impl FrontEndFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::FrontEndCrash { .. } => "front-end-crash",
            Self::RebootDuringInstall { .. } => "reboot-during-install",
            Self::InstallerFails { .. } => "installer-fails",
            Self::InstallerHangs { .. } => "installer-hangs",
            Self::InstallerWantsReboot { .. } => "installer-wants-reboot",
            Self::InstallsNothing { .. } => "installs-nothing",
            Self::InstallsPart { .. } => "installs-part",
            Self::DiskFull { .. } => "front-end-disk-full",
            Self::ServiceStalls { .. } => "service-stalls",
            Self::ServiceDoesNotStart { .. } => "service-does-not-start",
            Self::SlowStart { .. } => "slow-start",
            Self::EnablesItself { .. } => "enables-itself",
            Self::ShallowPing { .. } => "shallow-ping",
            Self::DelayedFailure { .. } => "delayed-failure",
            Self::ModulesSkipped { .. } => "modules-skipped",
        }
    }

    /// Servers that it makes unable to serve by itself, until it is over.
    pub(super) fn fells(&self) -> Vec<&str> {
        match self {
            Self::FrontEndCrash { server, .. } | Self::RebootDuringInstall { server } => {
                vec![server]
            }
            _ => Vec::new(),
        }
    }

    /// Servers whose applications it breaks, while pings, services and versions are well.
    pub(super) fn sickens(&self) -> Vec<&str> {
        match self {
            Self::ShallowPing { server, .. } | Self::DelayedFailure { server, .. } => vec![server],
            _ => Vec::new(),
        }
    }

    /// Servers whose upgrade it makes fail, or take long.
    pub(super) fn spoils(&self) -> Vec<&str> {
        match self {
            Self::FrontEndCrash { .. } | Self::EnablesItself { .. } => Vec::new(),
            Self::RebootDuringInstall { server }
            | Self::InstallerFails { server, .. }
            | Self::InstallerHangs { server, .. }
            | Self::InstallerWantsReboot { server, .. }
            | Self::InstallsNothing { server, .. }
            | Self::InstallsPart { server, .. }
            | Self::DiskFull { server, .. }
            | Self::ServiceStalls { server, .. }
            | Self::ServiceDoesNotStart { server, .. }
            | Self::SlowStart { server, .. }
            | Self::ShallowPing { server, .. }
            | Self::DelayedFailure { server, .. }
            | Self::ModulesSkipped { server, .. } => vec![server],
        }
    }
}

/// For how long, in words; `None` is for good.
struct For(Option<u64>);

impl fmt::Display for For {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(for_ms) => write!(f, "for {}", Lasting(for_ms)),
            None => f.write_str("for good"),
        }
    }
}

/// How often, in words.
struct Times(u32);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u32::MAX => f.write_str("always"),
            times => write!(f, "{times} times"),
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
            Self::RebootDuringInstall { server } => write!(f, "{server} restarts by itself"),
            Self::InstallerFails { server, job, code, times } => {
                write!(f, "{} on {server} will end with {code} {}", job.as_str(), Times(*times))
            }
            Self::InstallerHangs { server, job, for_ms } => {
                write!(f, "{} on {server} will hang {}", job.as_str(), For(*for_ms))
            }
            Self::InstallerWantsReboot { server, job, code } => {
                write!(f, "{} on {server} will want a reboot with {code}", job.as_str())
            }
            Self::InstallsNothing { server, job, times } => {
                write!(f, "{} on {server} will install nothing {}", job.as_str(), Times(*times))
            }
            Self::InstallsPart { server, job, code, times } => {
                let (job, times) = (job.as_str(), Times(*times));
                write!(f, "{job} on {server} will install in part and end with {code} {times}")
            }
            Self::DiskFull { server, for_ms } => {
                write!(f, "{server}'s disk is full {}", For(*for_ms))
            }
            Self::ServiceStalls { server, for_ms } => {
                write!(f, "{server}'s service will run and not initialise {}", For(*for_ms))
            }
            Self::ServiceDoesNotStart { server, times } => {
                write!(f, "{server}'s service will not start {}", Times(*times))
            }
            Self::SlowStart { server, initialise_ms, answer_ms, for_ms } => {
                let (longer, answer) = (Lasting(*initialise_ms), Lasting(*answer_ms));
                write!(f, "{server} will take {longer} longer to initialise, and {answer} ")?;
                write!(f, "for an answer for {}", Lasting(*for_ms))
            }
            Self::EnablesItself { server } => {
                write!(f, "a watchdog restarts {server}'s Deployment Service")
            }
            Self::ShallowPing { server, for_ms } => {
                write!(
                    f,
                    "{server}'s applications will be broken after its install {}",
                    For(*for_ms)
                )
            }
            Self::DelayedFailure { server, after_ms, for_ms } => {
                let after = Lasting(*after_ms);
                write!(f, "{server}'s applications will break {after} after its install ")?;
                write!(f, "{}", For(*for_ms))
            }
            Self::ModulesSkipped { server, for_ms } => {
                write!(f, "deployment to {server} will skip modules for {}", Lasting(*for_ms))
            }
        }
    }
}
