//! What a person can do about a hold.
use serde::{Deserialize, Serialize};

use crate::names::ServerName;

/// What a person can do about a hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub enum WayOut {
    /// Try again, from where it stands: `resume --retry SERVER`.
    Retry {
        /// The server; `None` for the farm.
        server: Option<ServerName>,
    },
    /// A person has done the job; it is verified, not repeated: `resume --by-hand SERVER`.
    ByHand {
        /// The server.
        server: ServerName,
    },
    /// Go on without the server: `resume --leave-out SERVER`.
    LeaveOut {
        /// The server.
        server: ServerName,
        /// Who has too much to do then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overloads: Option<Overload>,
    },
    /// Restore the baseline and end: `abort`.
    Abort,
    /// Traffic back to loaded: `fall-back`.
    FallBack,
}

/// A server that gets more requests than it can answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Overload {
    /// The server.
    pub server: ServerName,
    /// What it gets at the load of the plan, in requests per second, rounded up.
    pub load_rps: u64,
    /// What it can answer, in requests per second.
    pub capacity_rps: u32,
}
