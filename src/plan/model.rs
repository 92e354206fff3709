//! What a plan file says, as types.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::farm::{Farm, Half};
use crate::names::{PoolName, ServerName, ZoneName};
use crate::procedure::action::JobKind;

use super::window::StartWindow;

/// A plan: everything `apply` needs, so that nothing is decided twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format.
    pub format: u32,
    /// The program that made it.
    pub program: String,
    /// The farm file it was made from, absolute.
    pub farm_file: PathBuf,
    /// The farm.
    pub farm: Farm,
    /// The front-ends upgraded first, in the order in which they are.
    pub updating: Vec<ServerName>,
    /// The front-ends that carry the load meanwhile.
    pub loaded: Vec<ServerName>,
    /// Upgrade jobs of step 3, stage by stage; a stage begins when the one before has ended.
    pub updating_stages: Vec<Stage>,
    /// Upgrade jobs of step 6.
    pub loaded_stages: Vec<Stage>,
    /// Load against capacity in every phase.
    pub capacity: Vec<PhaseCapacity>,
    /// When to begin; nothing when the farm file has no `[load]`, or no time holds and the plan
    /// was forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<StartWindow>,
    /// What could go wrong, found beforehand.
    pub hazards: Vec<Hazard>,
    /// Why a person wanted it although it was refused.
    pub forced: Option<String>,
}

/// Servers that may be upgraded at the same time, up to `policy.parallel_max`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Each server with its jobs, in order.
    pub servers: Vec<ServerJobs>,
}

/// A server's jobs in one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerJobs {
    /// The server: a front-end or the pure controller.
    pub server: ServerName,
    /// Its jobs, in order.
    pub kinds: Vec<JobKind>,
}

/// Load against capacity in one phase and zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseCapacity {
    /// The phase.
    pub phase: Phase,
    /// The zone.
    pub zone: ZoneName,
    /// Its load, in requests per second: as the farm file has it; with a `[load]` the highest of
    /// the day when all serve, and the highest in the start window when a half does.
    pub load_rps: u32,
    /// Members that serve it in this phase.
    pub members: u32,
    /// What they carry of this zone's load at most, within the margin, in requests per second.
    pub capacity_rps: u32,
    /// Load of the busiest of them over its capacity, in percent.
    pub busiest_percent: u32,
    /// The same with the one member lost whose loss is worst; `None` when nobody would be left.
    pub busiest_percent_one_lost: Option<u32>,
}

/// Who serves users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before step 1 and after step 9.
    Whole,
    /// Steps 1 to 5.
    OnLoaded,
    /// Step 5 to step 9.
    OnUpdating,
}

/// Something found beforehand that could go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    /// Its kind.
    pub kind: HazardKind,
    /// Where.
    pub at: HazardAt,
    /// What it means for this run and what can be done, in a sentence or two.
    pub text: String,
}

/// Where a hazard lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HazardAt {
    /// The farm as a whole.
    Farm,
    /// A zone, in one half.
    Zone(ZoneName, Option<Half>),
    /// A pool.
    Pool(PoolName),
    /// A balancer node.
    Node(crate::names::NodeName),
}

/// Kinds of hazards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HazardKind {
    /// A half of one member.
    HalfOfOne,
    /// A half that does not carry the load with one member lost.
    NotNPlusOne,
    /// A pool without a health check.
    NoHealthCheck,
    /// Clients stick to members.
    Stickiness,
    /// A member follows another server's state.
    TrackedServer,
    /// An agent sets members' state.
    AgentCheck,
    /// A pool forwards connections, not requests.
    TcpMode,
    /// Service Center is addressed through the balancer.
    ServiceCenterThroughBalancer,
    /// A zone's deployment address is the balancer.
    ZoneAddressIsBalancer,
    /// The drain deadline is below the longest request IIS allows.
    DrainDeadlineShort,
    /// Timers run while versions are mixed.
    SchedulerLeftRunning,
    /// A version is skipped.
    VersionSkipped,
    /// Drains do not survive a reload of the balancer.
    StateLostOnReload,
}
