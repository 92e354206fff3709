//! Ground truth: every change of the farm's state, in order. The oracle reads this and the state
//! it came from, never the orchestrator's mind.
use std::fmt;

use serde::Serialize;

/// How ids begin of jobs that people do at a machine, without anybody's command.
pub const BY_HAND: &str = "by-hand-";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, in milliseconds since the farm was built.
    pub at_ms: u64,
    /// Its place in the order of all changes.
    pub ordinal: u64,
    /// What changed.
    pub event: Event,
}

/// What can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A member's administrative state on a node (HAProxy's bits).
    MemberAdmin {
        /// The node.
        node: String,
        /// The pool.
        pool: String,
        /// The member.
        member: String,
        /// The bits.
        admin: u16,
    },
    /// A member's operational state on a node: it gets requests if also not drained.
    MemberOper {
        /// The node.
        node: String,
        /// The pool.
        pool: String,
        /// The member.
        member: String,
        /// It is up.
        up: bool,
    },
    /// A member's weight on a node.
    MemberWeight {
        /// The node.
        node: String,
        /// The pool.
        pool: String,
        /// The member.
        member: String,
        /// The weight.
        weight: u32,
    },
    /// What was in flight to a member was cut by command.
    MemberCut {
        /// The node.
        node: String,
        /// The pool.
        pool: String,
        /// The member.
        member: String,
        /// How many requests.
        requests: u64,
    },
    /// A node was reloaded: another process, counters from zero.
    Reloaded {
        /// The node.
        node: String,
    },
    /// A node's process died: it serves nobody.
    NodeDown {
        /// The node.
        node: String,
    },
    /// A node's process runs again, and serves.
    NodeUp {
        /// The node.
        node: String,
    },
    /// A server's Enabled flag.
    Flag {
        /// The server.
        server: String,
        /// What it became.
        enabled: bool,
        /// Console, or the service itself.
        by: FlagBy,
    },
    /// The database's version.
    DatabaseVersion {
        /// The version.
        version: String,
    },
    /// A job was started on a server.
    JobStarted {
        /// The server.
        server: String,
        /// Its id.
        job: String,
        /// Its kind.
        kind: String,
    },
    /// A job ended.
    JobEnded {
        /// The server.
        server: String,
        /// Its id.
        job: String,
        /// Its kind.
        kind: String,
        /// Its exit code; `None` when the machine went down under it.
        code: Option<i32>,
    },
    /// A server's installed version.
    Installed {
        /// The server.
        server: String,
        /// The version.
        version: String,
    },
    /// A server's machine was told to restart, and goes down in a while.
    Restarting {
        /// The server.
        server: String,
    },
    /// A server's machine went down.
    Down {
        /// The server.
        server: String,
    },
    /// A server's machine came up.
    Up {
        /// The server.
        server: String,
    },
    /// A server's Deployment Service.
    Service {
        /// The server.
        server: String,
        /// Its state.
        state: ServiceState,
    },
    /// A server's Deployment Service could not initialise for the first time since it started; it
    /// tries again every 30 seconds.
    CannotInitialise {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
    /// A server's web server began or stopped to serve applications.
    Applications {
        /// The server.
        server: String,
        /// What it does with requests.
        state: ApplicationState,
    },
    /// Deployment on a server began.
    DeploymentBegan {
        /// The server.
        server: String,
    },
    /// Deployment on a server ended: it serves what is published.
    DeploymentEnded {
        /// The server.
        server: String,
    },
    /// Deployment on a server was broken off, since its service stopped: what it serves is as before.
    DeploymentStopped {
        /// The server.
        server: String,
    },
    /// The deployment that just ended has skipped modules: they are as before until a later one.
    ModulesSkipped {
        /// The server.
        server: String,
    },
    /// A fault that was armed beforehand changed what happened, just now.
    FaultMet {
        /// By which whoever armed it knows it.
        tag: u64,
    },
}

/// Collects changes and numbers them.
#[derive(Debug, Default)]
pub struct Ledger {
    ordinal: u64,
    entries: Vec<Entry>,
}

impl Ledger {
    /// Notes a change.
    pub fn note(&mut self, at_ms: u64, event: Event) {
        self.entries.push(Entry { at_ms, ordinal: self.ordinal, event });
        self.ordinal += 1;
    }

    /// Takes what was noted since the last time, oldest first.
    pub fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// Whether nothing was noted since the last time.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Display for Event {
    /// One line for people, the subject first: `fe-03 service initialised`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemberAdmin { node, pool, member, admin } => {
                write!(f, "{node} {pool}/{member} admin {admin}")
            }
            Self::MemberOper { node, pool, member, up } => {
                write!(f, "{node} {pool}/{member} {}", if *up { "up" } else { "down" })
            }
            Self::MemberWeight { node, pool, member, weight } => {
                write!(f, "{node} {pool}/{member} weight {weight}")
            }
            Self::MemberCut { node, pool, member, requests } => {
                write!(f, "{node} {pool}/{member} cut {requests} requests")
            }
            Self::Reloaded { node } => write!(f, "{node} reloaded"),
            Self::NodeDown { node } => write!(f, "{node} down"),
            Self::NodeUp { node } => write!(f, "{node} up"),
            Self::Flag { server, enabled, by } => {
                let by = match by {
                    FlagBy::Console => "at a console",
                    FlagBy::Hand => "at a console, by somebody else",
                    FlagBy::Service => "by its own service",
                };
                write!(f, "{server} {} {by}", if *enabled { "enabled" } else { "disabled" })
            }
            Self::DatabaseVersion { version } => write!(f, "database version {version}"),
            Self::JobStarted { server, job, kind } => write!(f, "{server} {kind} started ({job})"),
            Self::JobEnded { server, job, kind, code: Some(code) } => {
                write!(f, "{server} {kind} ended with {code} ({job})")
            }
            Self::JobEnded { server, job, kind, code: None } => {
                write!(f, "{server} {kind} interrupted ({job})")
            }
            Self::Installed { server, version } => write!(f, "{server} installed {version}"),
            Self::Restarting { server } => write!(f, "{server} machine about to restart"),
            Self::Down { server } => write!(f, "{server} machine down"),
            Self::Up { server } => write!(f, "{server} machine up"),
            Self::Service { server, state } => write!(f, "{server} service {}", state.word()),
            Self::CannotInitialise { server, why } => {
                write!(f, "{server} Initialization error: {why}. Retrying in 30 seconds")
            }
            Self::Applications { server, state } => {
                write!(f, "{server} applications {}", state.word())
            }
            Self::DeploymentBegan { server } => write!(f, "{server} deployment began"),
            Self::DeploymentEnded { server } => write!(f, "{server} deployment ended"),
            Self::DeploymentStopped { server } => write!(f, "{server} deployment broken off"),
            Self::ModulesSkipped { server } => write!(f, "{server} modules skipped"),
            Self::FaultMet { tag } => write!(f, "fault {tag} was met"),
        }
    }
}

/// Who changed an Enabled flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagBy {
    /// Whoever presses the button at a console over the network.
    Console,
    /// An operator at a console.
    Hand,
    /// The Deployment Service, by starting.
    Service,
}

/// A Deployment Service's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// Not running.
    Stopped,
    /// Running, initialising.
    Starting,
    /// Running and initialised.
    Initialised,
}

impl ServiceState {
    /// The state as a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Initialised => "initialised",
        }
    }
}

/// What a server's web server does with users' requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationState {
    /// Refuses connections.
    Off,
    /// Answers 503: the application pool is stopped, as an installer does.
    Unavailable,
    /// Serves.
    Serving,
    /// Answers `_ping.html` and 500 to everything else.
    Broken,
}

impl ApplicationState {
    /// The state as a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unavailable => "unavailable",
            Self::Serving => "serving",
            Self::Broken => "broken",
        }
    }
}
