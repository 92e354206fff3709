//! The small reader of farm files: what the doubles need of one. Written apart from the
//! orchestrator's, which also validates; a test compares both on every scenario.
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// What the doubles need of a farm file. Keys that are not named here are not theirs.
#[derive(Clone, Debug, Deserialize)]
pub struct Spec {
    /// The farm's name.
    pub name: String,
    /// `dotnet` or `j2ee`.
    pub stack: String,
    /// Version installed.
    pub version_from: String,
    /// Version the installers bring.
    pub version_to: String,
    /// The controller's name.
    pub controller: String,
    /// The controller, when it is no front-end.
    pub pure_controller: Option<PureControllerSpec>,
    /// Zones.
    #[serde(rename = "zone")]
    pub zones: Vec<ZoneSpec>,
    /// Front-ends.
    #[serde(rename = "front_end")]
    pub front_ends: Vec<FrontEndSpec>,
    /// Balancer nodes.
    #[serde(rename = "balancer")]
    pub balancers: Vec<BalancerSpec>,
    /// Pools.
    #[serde(rename = "pool")]
    pub pools: Vec<PoolSpec>,
    /// Application tests.
    #[serde(rename = "test", default)]
    pub tests: Vec<TestSpec>,
    /// The console.
    pub service_center: ServiceCenterSpec,
    /// The load over a day, as access logs have it.
    pub load: Option<LoadSpec>,
}

/// The load over a day.
#[derive(Clone, Debug, Deserialize)]
pub struct LoadSpec {
    /// Where the figures are from.
    pub measured: String,
    /// A slot's length in minutes.
    pub slot_minutes: u32,
    /// Zones.
    #[serde(rename = "zone")]
    pub zones: Vec<ZoneLoadSpec>,
}

/// One zone's load.
#[derive(Clone, Debug, Deserialize)]
pub struct ZoneLoadSpec {
    /// Zone.
    pub zone: String,
    /// Requests of each slot of a day in UTC.
    pub requests_per_slot: Vec<u64>,
    /// How long requests take: upper bounds in milliseconds with counts.
    #[serde(default)]
    pub service_ms: Vec<(u64, u64)>,
    /// The longest requests in milliseconds.
    #[serde(default)]
    pub longest_ms: Vec<u64>,
    /// Gaps between requests of a connection, like service times.
    #[serde(default)]
    pub keep_alive_gap_ms: Vec<(u64, u64)>,
}

/// The controller, when it is no front-end.
#[derive(Clone, Debug, Deserialize)]
pub struct PureControllerSpec {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
}

/// A zone.
#[derive(Clone, Debug, Deserialize)]
pub struct ZoneSpec {
    /// Name.
    pub name: String,
    /// Public name.
    pub public_name: String,
    /// Load in requests per second.
    pub load_rps: u32,
    /// Modules deployed to it.
    #[serde(default)]
    pub modules: Vec<String>,
}

/// A front-end.
#[derive(Clone, Debug, Deserialize)]
pub struct FrontEndSpec {
    /// Name.
    pub name: String,
    /// Address.
    pub address: String,
    /// HTTP port.
    #[serde(default = "port")]
    pub port: u16,
    /// Zones.
    pub zones: BTreeSet<String>,
    /// Member name by pool.
    pub members: BTreeMap<String, String>,
    /// Capacity in requests per second.
    pub capacity_rps: u32,
}

fn port() -> u16 {
    80
}

/// A balancer node.
#[derive(Clone, Debug, Deserialize)]
pub struct BalancerSpec {
    /// Name.
    pub name: String,
    /// Runtime API address.
    pub api: String,
}

/// A pool.
#[derive(Clone, Debug, Deserialize)]
pub struct PoolSpec {
    /// Name.
    pub name: String,
    /// Zone.
    pub zone: String,
    /// Share of the zone's load.
    #[serde(default = "one")]
    pub load_share: u32,
    /// Nodes; all when empty.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Where requests arrive, by node.
    #[serde(default)]
    pub traffic: BTreeMap<String, String>,
    /// Members are health-checked.
    #[serde(default = "yes")]
    pub health_check: bool,
    /// Fewest eligible members.
    #[serde(default = "one")]
    pub floor: u32,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// An application test.
#[derive(Clone, Debug, Deserialize)]
pub struct TestSpec {
    /// Zone.
    pub zone: String,
    /// Path.
    pub path: String,
    /// Status that passes.
    #[serde(default = "ok")]
    pub expect_status: u16,
    /// Text the body contains.
    pub expect_text: Option<String>,
}

fn ok() -> u16 {
    200
}

/// The console.
#[derive(Clone, Debug, Deserialize)]
pub struct ServiceCenterSpec {
    /// User.
    pub user: String,
    /// `environment` or `platform`.
    #[serde(default = "generation")]
    pub generation: String,
    /// Page names that differ from the generation's.
    #[serde(default)]
    pub pages: BTreeMap<String, String>,
}

fn generation() -> String {
    "environment".into()
}
