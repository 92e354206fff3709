//! Ground truth as the oracle sees it: a fold of the ledger over the farm's first state.
//!
//! Before anything happens every server runs the version it comes from, is Enabled and
//! initialised, and serves; every member is up, in nobody's maintenance, with its first weight.
mod server;

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_fakes::farm::{STRANGER, stranger_weight};
use evenkeel_fakes::ledger::{ApplicationState, BY_HAND, Entry, Event, ServiceState};
use evenkeel_fakes::spec::Spec;

pub use super::words::same_version;
use super::words::{CONSOLE_INSTALL, PUBLISH, ended_well};
pub use server::{Job, Server};

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
    /// When they last ceased to.
    pub left_ms: Option<u64>,
}

impl Member {
    /// New requests go to it: up, neither drained nor in maintenance, of some weight, on a node
    /// that runs.
    #[must_use]
    pub fn eligible(&self) -> bool {
        self.node_up && self.up && self.admin == 0 && self.weight > 0
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
    /// When the applications were first published for the new version.
    pub applications_published_at_ms: Option<u64>,
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
            ensured_at_ms: None,
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
            began_since_enabled: false,
            enabled: front_end,
            enabled_itself_at_ms: None,
            console_new: false,
            console_installed: false,
            console_by_hand: false,
            front_end,
            ready_since_ms: front_end.then_some(0),
            changed_ms: None,
            ready_from_ms: front_end.then_some(0).into_iter().collect(),
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
            applications_published_at_ms: None,
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
                match (member.eligible_since_ms.is_some(), member.eligible()) {
                    (false, true) => member.eligible_since_ms = Some(entry.at_ms),
                    (true, false) => {
                        (member.eligible_since_ms, member.left_ms) = (None, Some(entry.at_ms));
                    }
                    (true, true) | (false, false) => {}
                }
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
            | Event::ModulesSkipped { server } => self.server_changed(server, entry),
        }
    }

    /// Something happened to a server.
    fn server_changed(&mut self, name: &str, entry: &Entry) {
        let target = self.target.clone();
        let server = self
            .servers
            .get_mut(name)
            .unwrap_or_else(|| panic!("the ledger names {name}, which is not of the farm"));
        server.apply(entry.at_ms, &entry.event);
        match &entry.event {
            Event::JobEnded { job, kind, code: Some(0), .. } if kind == CONSOLE_INSTALL => {
                self.console_published = true;
                self.console_published_at_ms.get_or_insert(entry.at_ms);
                server.console_new = true;
                let by_hand = job.starts_with(BY_HAND);
                server.console_installed |= !by_hand;
                server.console_by_hand |= by_hand;
            }
            Event::JobEnded { kind, code, .. } if kind == PUBLISH && ended_well(*code) => {
                self.applications_published_at_ms.get_or_insert(entry.at_ms);
            }
            Event::DeploymentEnded { .. } => server.console_new = self.console_published,
            _ => {}
        }
        let ready = server.serves() && server.fit(&target);
        if ready != server.ready_since_ms.is_some() {
            server.ready_since_ms = ready.then_some(entry.at_ms);
            server.changed_ms = Some(entry.at_ms);
            server.ready_from_ms.extend(server.ready_since_ms);
            self.revision += 1;
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
                    left_ms: None,
                };
                members.insert(key, member);
            }
        }
    }
    members
}
