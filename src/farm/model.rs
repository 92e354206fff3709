//! What a farm file says, as types. Every name here is a key of the file.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::names::{MemberName, NodeName, PoolName, ServerName, ZoneName};

use super::Version;

/// A farm, whole and valid: nothing constructs one from a file but `farm::load`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Farm {
    /// The farm's name; the lock that keeps a second orchestrator out carries it.
    pub name: String,
    /// .NET or J2EE.
    pub stack: Stack,
    /// The Platform Server version every server runs now.
    pub version_from: Version,
    /// The Platform Server version every server shall run.
    pub version_to: Version,
    /// The deployment controller: a front-end's name, or the pure controller's.
    pub controller: ServerName,
    /// The controller when it is no front-end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pure_controller: Option<PureController>,
    /// Deployment zones.
    #[serde(rename = "zone")]
    pub zones: Vec<Zone>,
    /// Front-ends.
    #[serde(rename = "front_end")]
    pub front_ends: Vec<FrontEnd>,
    /// Balancer processes.
    #[serde(rename = "balancer")]
    pub balancers: Vec<BalancerNode>,
    /// Pools of the balancer.
    #[serde(rename = "pool")]
    pub pools: Vec<Pool>,
    /// Application tests.
    #[serde(rename = "test", default)]
    pub tests: Vec<ApplicationTest>,
    /// Service Center's console.
    pub service_center: ServiceCenter,
    /// How commands reach the servers.
    pub host: Host,
    /// Times, limits and choices, each with a default.
    #[serde(default)]
    pub policy: Policy,
    /// The load as access logs have it, over a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
}

/// The application stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stack {
    /// Windows, IIS, .NET.
    Dotnet,
    /// JBoss, WildFly or WebLogic on Linux.
    J2ee,
}

/// A deployment controller that serves no users and has no Service Center.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PureController {
    /// Its name.
    pub name: ServerName,
    /// Host name or IP address.
    pub address: String,
}

/// A deployment zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its name.
    pub name: ZoneName,
    /// The name users reach it by: Host header and SNI of application tests.
    pub public_name: String,
    /// Its Deployment Zone Address in Service Center, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_address: Option<String>,
    /// Users' requests per second at the time of the upgrade, over all its pools.
    pub load_rps: u32,
    /// It may be down during the upgrade; the only way to accept a zone of one server.
    #[serde(default)]
    pub may_go_down: bool,
    /// Modules whose `_ping.html` ids tell whether deployment reached a front-end.
    #[serde(default)]
    pub modules: Vec<String>,
}

/// Which half of the split a server is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    /// Upgraded first, out of rotation while the others carry the load.
    Updating,
    /// Carries the load first, upgraded after the switch.
    Loaded,
}

/// A front-end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEnd {
    /// Its name in Service Center.
    pub name: ServerName,
    /// Its own host name or IP address, never the balancer's.
    pub address: String,
    /// TCP port on which it serves HTTP or HTTPS.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The zones it belongs to.
    pub zones: BTreeSet<ZoneName>,
    /// Its member name in each pool it serves in.
    pub members: BTreeMap<PoolName, MemberName>,
    /// Requests per second it carries at most.
    pub capacity_rps: u32,
    /// Pins it to a half of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Half>,
}

fn default_port() -> u16 {
    80
}

/// One balancer process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerNode {
    /// Its name in this file.
    pub name: NodeName,
    /// The product.
    #[serde(default)]
    pub kind: BalancerKind,
    /// HAProxy's runtime API: `host:port`, or `unix:/path/to.sock`.
    pub api: String,
    /// Whether drains survive its reloads (`load-server-state-from-file` with a state file kept current).
    #[serde(default)]
    pub state_survives_reload: bool,
}

/// Balancer products with an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BalancerKind {
    /// HAProxy 2.x or later by its runtime API.
    #[default]
    Haproxy,
}

/// A pool of the balancer (HAProxy: backend).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Its name in the balancer.
    pub name: PoolName,
    /// The zone whose users it serves.
    pub zone: ZoneName,
    /// Its share of the zone's load, relative to the zone's other pools.
    #[serde(default = "one")]
    pub load_share: u32,
    /// The nodes that carry it; all, when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeName>,
    /// Where users' requests for it arrive on each node: `host:port` by node name. A pool
    /// without arrivals is proven by a request of ours sent there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traffic: BTreeMap<NodeName, String>,
    /// `http` (default) or `tcp`.
    #[serde(default)]
    pub mode: PoolMode,
    /// The balancer checks its members' health.
    #[serde(default = "yes")]
    pub health_check: bool,
    /// Clients stick to members (cookie or stick-table).
    #[serde(default)]
    pub sticky: bool,
    /// Members whose state follows another pool's (HAProxy `track`): pool followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracks: Option<PoolName>,
    /// An agent check sets its members' state.
    #[serde(default)]
    pub agent_check: bool,
    /// Fewest fit, eligible members at any time on any node; under it a rescue begins.
    #[serde(default = "one")]
    pub floor: u32,
}

/// How a pool forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolMode {
    /// Request by request.
    #[default]
    Http,
    /// Connection by connection.
    Tcp,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// An application test: a GET to the server's own address with the zone's public name as Host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationTest {
    /// The zone whose servers it runs on.
    pub zone: ZoneName,
    /// Path and query, starting with `/`.
    pub path: String,
    /// The status that passes.
    #[serde(default = "ok_status")]
    pub expect_status: u16,
    /// Text the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_text: Option<String>,
}

fn ok_status() -> u16 {
    200
}

/// Service Center's console: how to log in and what its pages are called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCenter {
    /// `http` or `https`.
    #[serde(default)]
    pub scheme: Scheme,
    /// The console's user.
    pub user: String,
    /// Where its password comes from; never the password.
    pub password: Secret,
    /// An address for people; addressing the console there is a hazard when it is the balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Which generation of page names and menus the console has.
    #[serde(default)]
    pub generation: Generation,
    /// Page names that differ from the generation's.
    #[serde(default)]
    pub pages: Pages,
    /// Labels that differ from the English ones.
    #[serde(default)]
    pub labels: Labels,
}

/// HTTP or HTTPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Clear text.
    #[default]
    Http,
    /// TLS.
    Https,
}

/// A secret's source. Exactly one of the three is given in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Secret {
    /// An environment variable's name.
    Env(String),
    /// A file's path; its first line is the secret.
    File(String),
    /// A command whose first line of output is the secret.
    Command(Vec<String>),
}

/// Generations of the console's page names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generation {
    /// Administration › Servers, Monitoring › Environment Health (10 and 11).
    #[default]
    Environment,
    /// Administration › Front-end Servers, Monitoring › Platform Monitoring (older).
    Platform,
}

/// Paths of the console's pages, below `/ServiceCenter/`. The public documents do not name them,
/// so each can be set; `None` means the generation's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pages {
    /// The login form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The list of servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<String>,
    /// Environment Health, or Platform Monitoring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

impl ServiceCenter {
    /// The login form's path.
    #[must_use]
    pub fn login_page(&self) -> &str {
        self.pages.login.as_deref().unwrap_or("Login.aspx")
    }

    /// The path of the list of servers.
    #[must_use]
    pub fn servers_page(&self) -> &str {
        self.servers_pages()[0]
    }

    /// Paths that the list of servers may have, this console's first.
    #[must_use]
    pub fn servers_pages(&self) -> Vec<&str> {
        self.names(self.pages.servers.as_deref(), ["Servers.aspx", "FrontEnd_Servers.aspx"])
    }

    /// The path of the page with every service's state.
    #[must_use]
    pub fn health_page(&self) -> &str {
        self.health_pages()[0]
    }

    /// Paths that the page with every service's state may have, this console's first.
    #[must_use]
    pub fn health_pages(&self) -> Vec<&str> {
        let usual = ["Environment_Health.aspx", "Platform_Monitoring.aspx"];
        self.names(self.pages.health.as_deref(), usual)
    }

    /// A page's names, the given one or this generation's first, then the usual ones of newer and
    /// of older consoles.
    fn names<'a>(&self, given: Option<&'a str>, [newer, older]: [&'a str; 2]) -> Vec<&'a str> {
        let own = match self.generation {
            Generation::Environment => newer,
            Generation::Platform => older,
        };
        let mut names = vec![given.unwrap_or(own)];
        for name in [newer, older] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Texts the adapter looks for on the console's pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// The button that disables a server.
    pub disable: String,
    /// The button that enables it again.
    pub enable: String,
    /// What the Enabled column shows for an enabled server.
    pub enabled_mark: String,
    /// What it shows for a disabled one.
    pub disabled_mark: String,
    /// Heading of the column with the Deployment Service's state.
    pub deployment_column: String,
    /// Words of a deployment thread that has nothing to do.
    pub idle_words: BTreeSet<String>,
    /// Words of a deployment thread at work. Any other word is an error by name.
    pub busy_words: BTreeSet<String>,
}

impl Default for Labels {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        Self {
            disable: "Disable".into(),
            enable: "Enable".into(),
            enabled_mark: "✔".into(),
            disabled_mark: String::new(),
            deployment_column: "Deployment".into(),
            // The guide says Sleeping, the newer application deployment guide Idle or Sleeping.
            idle_words: words(&["Sleeping", "Idle"]),
            busy_words: words(&["Processing", "Running", "Deploying", "Prepared to run"]),
        }
    }
}

/// Command templates: how each verb reaches a server. Arguments may contain `{server}`,
/// `{address}`, `{job}`, `{kind}`, `{version}`; the same values are in the environment as
/// `EVENKEEL_VERB`, `EVENKEEL_SERVER`, `EVENKEEL_ADDRESS`, `EVENKEEL_JOB`, `EVENKEEL_KIND`,
/// `EVENKEEL_VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Starts a job and returns at once; starting a known job id again does nothing.
    pub start: Vec<String>,
    /// Tells what became of a job.
    pub job: Vec<String>,
    /// Reads the installed version.
    pub version: Vec<String>,
    /// Reads the Deployment Service's state.
    pub service: Vec<String>,
    /// Restarts the machine.
    pub reboot: Vec<String>,
    /// The `publish` job runs once after the updating half's upgrades.
    #[serde(default)]
    pub publish: bool,
}

pub use super::load::{Load, ZoneLoad};
pub use super::policy::Policy;
