//! Ground truth as the oracle sees it: a fold of the ledger over the farm's first state.
//!
//! Before anything happens every server runs the version it comes from, is Enabled and
//! initialised, and serves; every member is up, in nobody's maintenance, with its first weight.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel_fakes::farm::{STRANGER, stranger_weight};
use evenkeel_fakes::ledger::{ApplicationState, Entry, Event, FlagBy, ServiceState};
use evenkeel_fakes::spec::Spec;

pub use super::words::same_version;
use super::words::{CONSOLE_INSTALL, changes_software, ended_well};

/// A member on a node, by the balancer's names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberKey {
    /// The node.
    pub node: String,
    /// The pool.
    pub pool: String,
    /// The member.
    pub member: String,
}

/// A member on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The server behind it.
    pub server: String,
    /// HAProxy's administrative bits.
    pub admin: u16,
    /// It is up by the balancer's health checks.
    pub up: bool,
    /// Its weight.
    pub weight: u32,
    /// Its weight before anything happened.
    pub weight_first: u32,
    /// The node's process runs.
    pub node_up: bool,
    /// Since when new requests go to it, without interruption.
    pub eligible_since_ms: Option<u64>,
}

impl Member {
    /// New requests go to it: up, neither drained nor in maintenance, of some weight, on a node
    /// that runs.
    #[must_use]
    pub fn eligible(&self) -> bool {
        self.node_up && self.up && self.admin == 0 && self.weight > 0
    }
}

/// A job on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its kind, as in `EVENKEEL_KIND`.
    pub kind: String,
    /// When it started.
    pub since_ms: u64,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Installed version.
    pub version: String,
    /// A job that changes software was ever started on it.
    pub touched: bool,
    /// Jobs that run on it, by id: one, and for an instant another that is refused.
    pub jobs: BTreeMap<String, Job>,
    /// Kinds of upgrade jobs that the plan has for it and that have not ended well yet: before
    /// that it is not whole, whatever its version says.
    pub unfinished: BTreeSet<String>,
    /// How its last job ended: kind, exit code (`None`: the machine went down under it).
    pub last_job: Option<(String, Option<i32>)>,
    /// Since when the machine is down.
    pub down_since_ms: Option<u64>,
    /// When the machine last came up again.
    pub up_at_ms: Option<u64>,
    /// The Deployment Service.
    pub service: ServiceState,
    /// Since when the Deployment Service is not initialised.
    pub uninitialised_since_ms: Option<u64>,
    /// What the web server does with users.
    pub applications: ApplicationState,
    /// When its applications last broke, pings and all else being well.
    pub broke_at_ms: Option<u64>,
    /// When it last became better in any way: up, initialised, serving, a job or deployment ended.
    pub better_at_ms: Option<u64>,
    /// Its last deployment skipped modules.
    pub modules_missing: bool,
    /// Since when something is being deployed to it.
    pub deploying_since_ms: Option<u64>,
    /// When deployment to it last began.
    pub deployment_began_ms: Option<u64>,
    /// The Enabled flag.
    pub enabled: bool,
    /// When it was last enabled by its own Deployment Service, or by an operator.
    pub enabled_itself_at_ms: Option<u64>,
    /// Its console is of the target version's build.
    pub console_new: bool,
    /// It serves users (a pure controller does not).
    pub front_end: bool,
    /// Since when it is fit and answers, without interruption.
    pub ready_since_ms: Option<u64>,
    /// When it last became so, or ceased to be.
    pub changed_ms: Option<u64>,
}

impl Server {
    /// Its machine is up and its web server serves.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.down_since_ms.is_none() && self.applications == ApplicationState::Serving
    }

    /// The Deployment Service is initialised, and the machine up.
    #[must_use]
    pub fn initialised(&self) -> bool {
        self.down_since_ms.is_none() && self.service == ServiceState::Initialised
    }

    /// Untouched, and deployment began since it enabled itself: broken off or ended, it leaves
    /// applications that are neither the old ones nor the new.
    #[must_use]
    pub fn half_deployed(&self) -> bool {
        let began = |at_ms| self.deployment_began_ms.is_some_and(|began_ms| began_ms >= at_ms);
        !self.touched && self.enabled_itself_at_ms.is_some_and(began)
    }

    /// A job that changes software runs.
    #[must_use]
    pub fn being_changed(&self) -> bool {
        self.jobs.values().any(|job| changes_software(&job.kind))
    }

    /// It may serve users: never touched, or whole at the target version.
    #[must_use]
    pub fn fit(&self, target: &str) -> bool {
        !self.touched || self.whole_at(target)
    }

    /// Target version, every upgrade job done, initialised, nothing running or being deployed,
    /// applications served.
    #[must_use]
    pub fn whole_at(&self, target: &str) -> bool {
        same_version(&self.version, target)
            && self.unfinished.is_empty()
            && self.initialised()
            && self.deploying_since_ms.is_none()
            && !self.modules_missing
            && !self.being_changed()
            && (self.serves() || !self.front_end)
    }
}

/// The farm's true state at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The instant up to which this is known.
    pub now_ms: u64,
    /// The target version.
    pub target: String,
    /// The database was upgraded.
    pub database_new: bool,
    /// When that was.
    pub database_new_at_ms: Option<u64>,
    /// A console of the target version's build is published: deployment brings it along.
    pub console_published: bool,
    /// When the first such was.
    pub console_published_at_ms: Option<u64>,
    /// Servers by name.
    pub servers: BTreeMap<String, Server>,
    /// Members.
    pub members: BTreeMap<MemberKey, Member>,
    /// Members that are not the farm's, where they are not as they were: administrative bits and
    /// weight.
    pub strangers_changed: BTreeMap<MemberKey, (u16, u32)>,
    /// Counts changes of members, and of who is ready.
    pub revision: u64,
}

impl Ground {
    /// The state of a farm before anything happens. `weight` tells each member's, `jobs` the kinds
    /// of upgrade jobs that the plan has for a server.
    #[must_use]
    pub fn new(
        spec: &Spec,
        weight: impl Fn(&MemberKey) -> u32,
        jobs: impl Fn(&str) -> BTreeSet<String>,
    ) -> Self {
        let server = |name: &str, front_end| Server {
            unfinished: jobs(name),
            version: spec.version_from.clone(),
            touched: false,
            jobs: BTreeMap::new(),
            last_job: None,
            down_since_ms: None,
            up_at_ms: None,
            service: ServiceState::Initialised,
            uninitialised_since_ms: None,
            applications: match front_end {
                true => ApplicationState::Serving,
                false => ApplicationState::Off,
            },
            broke_at_ms: None,
            better_at_ms: None,
            modules_missing: false,
            deploying_since_ms: None,
            deployment_began_ms: None,
            enabled: front_end,
            enabled_itself_at_ms: None,
            console_new: false,
            front_end,
            ready_since_ms: front_end.then_some(0),
            changed_ms: None,
        };
        let mut servers: BTreeMap<String, Server> =
            spec.front_ends.iter().map(|it| (it.name.clone(), server(&it.name, true))).collect();
        if let Some(controller) = &spec.pure_controller {
            servers.insert(controller.name.clone(), server(&controller.name, false));
        }
        let members = first_members(spec, weight);
        Self {
            now_ms: 0,
            target: spec.version_to.clone(),
            database_new: false,
            database_new_at_ms: None,
            console_published: false,
            console_published_at_ms: None,
            servers,
            members,
            strangers_changed: BTreeMap::new(),
            revision: 0,
        }
    }

    /// Takes up one change.
    pub fn apply(&mut self, entry: &Entry) {
        self.now_ms = self.now_ms.max(entry.at_ms);
        let revision = self.revision;
        self.take_up(entry);
        if self.revision != revision {
            for member in self.members.values_mut() {
                member.eligible_since_ms = match member.eligible_since_ms {
                    Some(since) if member.eligible() => Some(since),
                    _ => member.eligible().then_some(entry.at_ms),
                };
            }
        }
    }

    fn take_up(&mut self, entry: &Entry) {
        match &entry.event {
            Event::MemberAdmin { node, pool, member, admin } => {
                match self.member(node, pool, member) {
                    Some(member) => member.admin = *admin,
                    None => self.stranger(node, pool, member, |it| it.0 = *admin),
                }
            }
            Event::MemberOper { node, pool, member, up } => {
                // Whether a stranger is up is between it and the balancer.
                if let Some(member) = self.member(node, pool, member) {
                    member.up = *up;
                }
            }
            Event::MemberWeight { node, pool, member, weight } => {
                match self.member(node, pool, member) {
                    Some(member) => member.weight = *weight,
                    None => self.stranger(node, pool, member, |it| it.1 = *weight),
                }
            }
            Event::NodeDown { node } => self.node_runs(node, false),
            Event::NodeUp { node } => self.node_runs(node, true),
            Event::DatabaseVersion { .. } => {
                self.database_new = true;
                self.database_new_at_ms.get_or_insert(entry.at_ms);
            }
            Event::MemberCut { .. }
            | Event::Reloaded { .. }
            | Event::Restarting { .. }
            | Event::FaultMet { .. } => {}
            Event::Flag { server, .. }
            | Event::JobStarted { server, .. }
            | Event::JobEnded { server, .. }
            | Event::Installed { server, .. }
            | Event::Down { server }
            | Event::Up { server }
            | Event::Service { server, .. }
            | Event::CannotInitialise { server, .. }
            | Event::Applications { server, .. }
            | Event::DeploymentBegan { server }
            | Event::DeploymentEnded { server }
            | Event::DeploymentStopped { server }
            | Event::ModulesSkipped { server } => {
                let target = self.target.clone();
                let name = server;
                let server = self
                    .servers
                    .get_mut(name)
                    .unwrap_or_else(|| panic!("the ledger names {name}, which is not of the farm"));
                server.apply(entry.at_ms, &entry.event);
                match &entry.event {
                    Event::JobEnded { kind, code: Some(0), .. } if kind == CONSOLE_INSTALL => {
                        self.console_published = true;
                        self.console_published_at_ms.get_or_insert(entry.at_ms);
                        server.console_new = true;
                    }
                    Event::DeploymentEnded { .. } => server.console_new = self.console_published,
                    _ => {}
                }
                let ready = server.serves() && server.fit(&target);
                if ready != server.ready_since_ms.is_some() {
                    server.ready_since_ms = ready.then_some(entry.at_ms);
                    server.changed_ms = Some(entry.at_ms);
                    self.revision += 1;
                }
            }
        }
    }

    fn node_runs(&mut self, node: &str, runs: bool) {
        self.revision += 1;
        for (_, member) in self.members.iter_mut().filter(|(key, _)| key.node == node) {
            member.node_up = runs;
        }
    }

    /// A node's process runs, as far as it has members.
    #[must_use]
    pub fn node_up(&self, node: &str) -> bool {
        self.members.iter().all(|(key, member)| key.node != node || member.node_up)
    }

    /// A member of the farm; `None` for a stranger.
    fn member(&mut self, node: &str, pool: &str, member: &str) -> Option<&mut Member> {
        self.revision += 1;
        let key =
            MemberKey { node: node.to_owned(), pool: pool.to_owned(), member: member.to_owned() };
        self.members.get_mut(&key)
    }

    fn stranger(
        &mut self,
        node: &str,
        pool: &str,
        member: &str,
        change: impl FnOnce(&mut (u16, u32)),
    ) {
        assert_eq!(member, STRANGER, "the ledger names a member that nobody has configured");
        let key =
            MemberKey { node: node.to_owned(), pool: pool.to_owned(), member: member.to_owned() };
        let first = (0, stranger_weight(pool));
        let mut state = self.strangers_changed.remove(&key).unwrap_or(first);
        change(&mut state);
        if state != first {
            self.strangers_changed.insert(key, state);
        }
    }

    /// Every pool on every node, with its members.
    pub fn lanes(&self) -> BTreeMap<(&str, &str), Vec<(&MemberKey, &Member)>> {
        let mut lanes: BTreeMap<(&str, &str), Vec<(&MemberKey, &Member)>> = BTreeMap::new();
        for (key, member) in &self.members {
            lanes.entry((&key.node, &key.pool)).or_default().push((key, member));
        }
        lanes
    }

    /// The server behind a member.
    #[must_use]
    pub fn server_of(&self, member: &Member) -> &Server {
        &self.servers[&member.server]
    }

    /// A server is fit and serves.
    #[must_use]
    pub fn ready(&self, server: &str) -> bool {
        self.servers.get(server).is_some_and(|it| it.serves() && it.fit(&self.target))
    }

    /// A server gets new requests somewhere.
    #[must_use]
    pub fn in_rotation(&self, server: &str) -> bool {
        self.members.values().any(|member| member.server == server && member.eligible())
    }
}

impl Server {
    fn apply(&mut self, at_ms: u64, event: &Event) {
        match event {
            Event::Flag { enabled, by, .. } => {
                self.enabled = *enabled;
                if *enabled && *by != FlagBy::Console {
                    self.enabled_itself_at_ms = Some(at_ms);
                }
            }
            Event::JobStarted { job, kind, .. } => {
                self.touched |= changes_software(kind);
                self.jobs.insert(job.clone(), Job { kind: kind.clone(), since_ms: at_ms });
            }
            Event::JobEnded { job, kind, code, .. } => {
                self.jobs.remove(job);
                if ended_well(*code) {
                    self.unfinished.remove(kind);
                    self.better_at_ms = Some(at_ms);
                }
                self.last_job = Some((kind.clone(), *code));
            }
            Event::Installed { version, .. } => self.version.clone_from(version),
            Event::Down { .. } => {
                self.down_since_ms = Some(at_ms);
                self.uninitialised_since_ms.get_or_insert(at_ms);
            }
            Event::Up { .. } => {
                self.down_since_ms = None;
                self.better_at_ms = Some(at_ms);
                self.up_at_ms = Some(at_ms);
            }
            Event::Service { state, .. } => {
                self.service = *state;
                match state {
                    ServiceState::Initialised => {
                        self.uninitialised_since_ms = None;
                        self.better_at_ms = Some(at_ms);
                    }
                    _ => _ = self.uninitialised_since_ms.get_or_insert(at_ms),
                }
            }
            Event::CannotInitialise { .. } => {}
            Event::Applications { state, .. } => {
                match state {
                    ApplicationState::Broken => self.broke_at_ms = Some(at_ms),
                    ApplicationState::Serving => self.better_at_ms = Some(at_ms),
                    ApplicationState::Off | ApplicationState::Unavailable => {}
                }
                self.applications = *state;
            }
            Event::DeploymentBegan { .. } => {
                self.deploying_since_ms = Some(at_ms);
                self.deployment_began_ms = Some(at_ms);
            }
            Event::DeploymentEnded { .. } => {
                self.deploying_since_ms = None;
                self.modules_missing = false;
                self.better_at_ms = Some(at_ms);
            }
            Event::DeploymentStopped { .. } => self.deploying_since_ms = None,
            Event::ModulesSkipped { .. } => self.modules_missing = true,
            _ => unreachable!("an event of the balancer is not a server's"),
        }
    }
}

fn first_members(spec: &Spec, weight: impl Fn(&MemberKey) -> u32) -> BTreeMap<MemberKey, Member> {
    let mut members = BTreeMap::new();
    for pool in &spec.pools {
        for node in spec.balancers.iter().map(|node| &node.name) {
            if !pool.nodes.is_empty() && !pool.nodes.contains(node) {
                continue;
            }
            for server in &spec.front_ends {
                let Some(member) = server.members.get(&pool.name) else { continue };
                let key = MemberKey {
                    node: node.clone(),
                    pool: pool.name.clone(),
                    member: member.clone(),
                };
                let (server, weight) = (server.name.clone(), weight(&key));
                let member = Member {
                    server,
                    admin: 0,
                    up: true,
                    weight,
                    weight_first: weight,
                    node_up: true,
                    eligible_since_ms: (weight > 0).then_some(0),
                };
                members.insert(key, member);
            }
        }
    }
    members
}
