//! Raw readings: what one exchange with the world told, and nothing concluded from it.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::farm::Version;
use crate::names::{PoolName, ServerName};

/// A value and when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading<T> {
    /// What was read.
    pub value: T,
    /// When the exchange began, in milliseconds since this process's run began: what the value
    /// says is true of some instant not before.
    pub at_ms: u64,
}

/// One life of a balancer process; it ends when it reloads or fails over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Arc<str>);

/// A server's membership of a pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberId {
    /// The pool.
    pub pool: PoolName,
    /// The server behind the member.
    pub server: ServerName,
}

/// Everything one node said about the farm's members, in one exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReading {
    /// The process's life.
    pub epoch: Epoch,
    /// How long that life has lasted at least, in milliseconds. Requests that an earlier process
    /// was sent may still be in flight there, and this one does not count them: measured with
    /// HAProxy 2.6, whose old worker answers four seconds after a reload while the new one's
    /// gauge says 0.
    pub lived_ms: u64,
    /// The farm's members, once each; one that the node does not list is absent.
    pub members: Vec<(MemberId, MemberReading)>,
}

impl NodeReading {
    /// What the node says of a member, if it lists it.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&MemberReading> {
        self.members.iter().find(|(one, _)| one == id).map(|(_, read)| read)
    }
}

/// One member on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReading {
    /// Administrative state.
    pub admin: AdminState,
    /// Operational state.
    pub oper: OperState,
    /// The balancer's health check.
    pub check: CheckState,
    /// Requests in flight (HTTP mode), by the node's own gauge.
    pub in_flight: u64,
    /// Requests ever sent to it in this epoch.
    pub arrivals: u64,
    /// Answers of 5xx, failed connections and failed responses in this epoch.
    pub errors: u64,
    /// Current weight.
    pub weight: u32,
    /// It gets requests only while no other member does.
    #[serde(default)]
    pub backup: bool,
    /// The status text of `show stat`, as it stood.
    pub status: Cow<'static, str>,
}

/// HAProxy's administrative bits (`srv_admin_state`, printed in decimal): doc/management.txt,
/// "show servers state".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AdminState(pub u16);

impl AdminState {
    /// Maintenance by command (1), inherited (2) or by DNS (32). Bit 4 says that the configuration
    /// began it, which is the bit of a command then: it stays when `state ready` has ended that, and
    /// the member gets requests (HAProxy 2.6; `SRV_ADMF_MAINT` in include/haproxy/server-t.h).
    #[must_use]
    pub fn in_maintenance(self) -> bool {
        self.0 & (1 | 2 | 32) != 0
    }

    /// Maintenance because its name has no address, which nobody's command ends.
    #[must_use]
    pub fn by_dns(self) -> bool {
        self.0 & 32 != 0
    }

    /// Maintenance by command, which a command ends.
    #[must_use]
    pub fn by_command(self) -> bool {
        self.0 & 1 != 0
    }

    /// Drain by command (8) or inherited (16).
    #[must_use]
    pub fn draining(self) -> bool {
        self.0 & (8 | 16) != 0
    }

    /// Neither: new requests are welcome as far as the operator is concerned.
    #[must_use]
    pub fn ready(self) -> bool {
        !self.in_maintenance() && !self.draining()
    }

    /// Drain or maintenance that follows another server's state (`track`).
    #[must_use]
    pub fn inherited(self) -> bool {
        self.0 & (2 | 16) != 0
    }
}

/// HAProxy's operational state (`srv_op_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperState {
    /// 0: gets nothing.
    Stopped,
    /// 1: slow start.
    Starting,
    /// 2: serves.
    Running,
    /// 3: soft stop (`disable-on-404`).
    Stopping,
}

/// What the balancer's health check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// Passing.
    Passing,
    /// Failing.
    Failing,
    /// On the way from one to the other, or not checked since the last change.
    Unproven,
    /// This member has no check.
    None,
}

/// Service Center's row of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRow {
    /// Registered name.
    pub name: String,
    /// Registered IP address.
    pub address: String,
    /// The Enabled flag.
    pub enabled: bool,
}

/// One thread of a Deployment Service, as Service Center shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRow {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: ThreadState,
}

/// What a deployment thread is doing. A word that is in neither list of the farm file is an
/// error of the adapter, by name, and never gets here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThreadState {
    /// An idle word.
    Idle,
    /// A busy word.
    Busy,
    /// `Error`.
    Failed,
}

/// A Deployment Service, by the host's own reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReading {
    /// The service manager says it runs.
    pub running: bool,
    /// It starts with the machine (.NET: Automatic; J2EE: not DISABLED).
    pub automatic: bool,
    /// It has finished initialising since it started: running alone does not say so.
    pub initialised: bool,
    /// An opaque mark of its last start; another mark means it was started again.
    pub start: String,
    /// The same of its machine, where the host tells it.
    #[serde(default)]
    pub boot: Option<String>,
}

/// What became of a job on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "status")]
pub enum JobReading {
    /// The server never heard of it.
    Never,
    /// It runs.
    Running,
    /// It was running when the machine went down, and left no exit code.
    Interrupted,
    /// It ended.
    Exited {
        /// Its exit code.
        code: i32,
        /// The last lines it wrote.
        output: String,
    },
}

/// What a round of application tests on one server found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReading {
    /// Every test passed as often as policy wants.
    pub passed: bool,
    /// Requests made.
    pub requests: u32,
    /// The first failure, for people.
    pub failure: Option<String>,
}

/// The ids of `_ping.html` by module: the hash of what is deployed.
pub type PingIds = BTreeMap<String, String>;

/// What a reading of a server's version found.
pub type VersionReading = Version;
