//! All doubles of one farm behind one clock: a pure discrete-event machine. Whoever drives it
//! says what time it is; everything due up to then happens, one happening after the other.
//!
//! * [`Farm`] — the machine, its faults and what people do to it by hand;
//! * [`Shared`] — one farm for many tasks, on tokio's clock;
//! * [`serve`] — its nodes and servers over any [`crate::listen::Listen`];
//! * [`control`] — the same by lines of text, for demonstrations and other people's tests.
pub mod control;
mod hands;
pub mod serve;
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use crate::balancer::{Balancer, CheckTiming, MemberSetup, PoolSetup};
use crate::database::Database;
use crate::front_end::{Around, FrontEnd, Role, SERVICE_CENTER};
use crate::ledger::{ApplicationState, Entry, Ledger};
use crate::spec::{FrontEndSpec, PoolSpec, Spec};
use crate::trouble::{Trouble, Troubles};
use crate::truth::Truth;

pub use serve::{serve_node, serve_server};
pub use shared::{Clock, Observer, RequestLog, Shared};

/// A model of users' requests, which writes the balancers' counters.
pub trait Load {
    /// Models everything up to an instant. Called just before anything changes at it and before
    /// any counter is read, so that counters are exact.
    ///
    /// Called again right after the nodes have changed: who gets more than he can answer from then
    /// on is told by [`Balancer::set_strain`].
    fn advance(&mut self, now_ms: u64, nodes: &mut BTreeMap<String, Balancer>);

    /// When the load itself changes next, so that it must be asked then; `None` while it stays.
    fn next_due_ms(&self) -> Option<u64> {
        None
    }

    /// A server stopped to answer (machine down, application pools stopped): what was in flight
    /// to it is lost.
    fn server_lost(&mut self, now_ms: u64, server: &str) {
        let _ = (now_ms, server);
    }
}

/// A whole farm.
pub struct Farm {
    /// What the farm file says.
    pub spec: Spec,
    /// What the farm is really like.
    pub truth: Truth,
    /// Balancer processes by name.
    pub nodes: BTreeMap<String, Balancer>,
    /// Front-ends by name; a pure controller too (see [`Role`]).
    pub servers: BTreeMap<String, FrontEnd>,
    /// What the servers share.
    pub database: Database,
    pub(crate) password: String,
    pub(crate) troubles: Troubles,
    ledger: Ledger,
    load: Option<Box<dyn Load>>,
    now_ms: u64,
}

impl Farm {
    /// A farm as it stands before an upgrade: everything runs `version_from`, is deployed and
    /// enabled, services are Automatic and initialised. `password` is the console user's.
    #[must_use]
    pub fn new(spec: Spec, truth: Truth, password: &str) -> Self {
        Self::build(spec, truth, password, false)
    }

    /// The same farm on balancers that it shares with others: every pool has a member that is not
    /// the farm's ([`STRANGER`]), and every node a pool that is not ([`STRANGE_POOL`]).
    #[must_use]
    pub fn beside_strangers(spec: Spec, truth: Truth, password: &str) -> Self {
        Self::build(spec, truth, password, true)
    }

    fn build(spec: Spec, truth: Truth, password: &str, strangers: bool) -> Self {
        let registered = spec.front_ends.iter().map(|front_end| front_end.name.clone());
        let database = Database::new(&spec.version_from, registered);
        let mut servers = BTreeMap::new();
        for front_end in &spec.front_ends {
            servers.insert(front_end.name.clone(), server(&spec, front_end, &database));
        }
        if let Some(pure) = &spec.pure_controller {
            let at = (pure.address.as_str(), 0);
            let role = Role::PureController;
            let server = FrontEnd::new(&pure.name, at, role, [], database.published());
            servers.insert(pure.name.clone(), server);
        }
        let mut nodes = BTreeMap::new();
        for balancer in &spec.balancers {
            let pools = spec.pools.iter().filter(|pool| carries(pool, &balancer.name));
            let mut pools: Vec<PoolSetup> = pools.map(|pool| pool_setup(&spec, pool)).collect();
            if strangers {
                add_strangers(&mut pools);
            }
            let timing = CheckTiming {
                interval_ms: truth.check_interval_ms.max(1),
                fall: truth.check_fall.max(1),
                rise: truth.check_rise.max(1),
            };
            let node = Balancer::new(&balancer.name, pools, timing, 0);
            nodes.insert(balancer.name.clone(), node);
        }
        Self {
            nodes,
            servers,
            database,
            password: password.to_owned(),
            troubles: Troubles::default(),
            ledger: Ledger::default(),
            load: None,
            now_ms: 0,
            spec,
            truth,
        }
    }

    /// Milliseconds since the farm was built.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Puts a model of users' requests behind the balancers' counters.
    pub fn set_load(&mut self, load: Box<dyn Load>) {
        self.load = Some(load);
    }

    /// When something is due next; `None` while nothing is on its way.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let servers = self.servers.values().filter_map(FrontEnd::next_due_ms);
        let nodes = self.nodes.values().filter_map(Balancer::next_due_ms);
        let load = self.load.as_ref().and_then(|load| load.next_due_ms());
        servers.chain(nodes).chain(load).min()
    }

    /// Carries out everything due up to now, in the order of time. Of what falls on the same
    /// instant, servers go before balancer nodes, and each by name.
    pub fn advance(&mut self, now_ms: u64) {
        while self.step(now_ms) {}
    }

    /// Carries out the next happening that is due by now; false when there is none left, and
    /// then the time is `now_ms` and the load has been modelled up to it.
    pub fn step(&mut self, now_ms: u64) -> bool {
        let due_ms = self.next_due_ms().filter(|due_ms| *due_ms <= now_ms);
        self.pass(due_ms.unwrap_or(now_ms));
        let Some(due_ms) = due_ms else { return false };
        let is_due = |at: Option<u64>| at == Some(due_ms);
        let server = self.servers.iter().find(|(_, server)| is_due(server.next_due_ms()));
        if let Some(name) = server.map(|(name, _)| name.clone()) {
            self.on_server(&name, |server, around| server.act(around));
        } else if let Some(node) = self.nodes.values_mut().find(|node| is_due(node.next_due_ms())) {
            node.advance(due_ms);
        }
        self.settle();
        true
    }

    /// Lets time pass in which nothing is due.
    pub(crate) fn pass(&mut self, now_ms: u64) {
        self.wait(now_ms);
        self.meter();
    }

    /// The same, without the load.
    pub(crate) fn wait(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Takes the changes since the last call, in order.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        self.ledger.take()
    }

    /// The controller's machine and service are up, and can be reached.
    #[must_use]
    pub fn controller_up(&self) -> bool {
        let gone = |it: &Trouble| *it == Trouble::ControllerGone;
        self.servers.values().any(FrontEnd::controls) && !self.troubles.lasts(self.now_ms, gone)
    }

    /// Whoever asks meets a trouble that lies in wait.
    pub(crate) fn meet<R>(&mut self, what: impl Fn(&Trouble) -> Option<R>) -> Option<R> {
        self.troubles.meet(self.now_ms, &mut self.ledger, what)
    }

    /// Models the load up to now.
    pub(crate) fn meter(&mut self) {
        if let Some(load) = &mut self.load {
            load.advance(self.now_ms, &mut self.nodes);
        }
    }

    /// Lets a server act on what surrounds it; `None` for an unknown one.
    pub(crate) fn on_server<R>(
        &mut self,
        name: &str,
        act: impl FnOnce(&mut FrontEnd, &mut Around<'_>) -> R,
    ) -> Option<R> {
        let controller_up = self.controller_up();
        let server = self.servers.get_mut(name)?;
        let before = server.applications();
        let mut around = Around {
            now_ms: self.now_ms,
            truth: &self.truth,
            version_to: &self.spec.version_to,
            database: &mut self.database,
            troubles: &mut self.troubles,
            ledger: &mut self.ledger,
            controller_up,
        };
        let result = act(server, &mut around);
        if answers(before)
            && !answers(server.applications())
            && let Some(load) = &mut self.load
        {
            load.server_lost(self.now_ms, name);
        }
        Some(result)
    }

    /// Draws the consequences of a change: deployments that may begin now, health checks that get
    /// another answer, the nodes' own changes written down.
    pub(crate) fn settle(&mut self) {
        let mut around = Around {
            now_ms: self.now_ms,
            truth: &self.truth,
            version_to: &self.spec.version_to,
            database: &mut self.database,
            troubles: &mut self.troubles,
            ledger: &mut self.ledger,
            controller_up: false, // deployment does not ask
        };
        for (name, server) in &mut self.servers {
            server.begin_deployment(&mut around);
            if let Some(answer) = server.another_check_answer() {
                for node in self.nodes.values_mut() {
                    node.set_answer(self.now_ms, name, answer);
                }
            }
        }
        let mut changed = false;
        for node in self.nodes.values_mut() {
            for event in node.take_events() {
                changed = true;
                self.ledger.note(self.now_ms, event);
            }
        }
        if changed {
            self.meter();
        }
    }
}

/// Whether a web server answers users at all, be it with errors of the application.
fn answers(state: ApplicationState) -> bool {
    matches!(state, ApplicationState::Serving | ApplicationState::Broken)
}

fn carries(pool: &PoolSpec, node: &str) -> bool {
    pool.nodes.is_empty() || pool.nodes.iter().any(|name| name == node)
}

fn server(spec: &Spec, front_end: &FrontEndSpec, database: &Database) -> FrontEnd {
    let role = if front_end.name == spec.controller { Role::Controller } else { Role::FrontEnd };
    // What its zones list, and what their tests ask for.
    let mut modules = BTreeSet::from([SERVICE_CENTER.to_owned()]);
    for zone in spec.zones.iter().filter(|zone| front_end.zones.contains(&zone.name)) {
        modules.extend(zone.modules.iter().cloned());
        let tests = spec.tests.iter().filter(|test| test.zone == zone.name);
        modules.extend(tests.filter_map(|test| crate::http::first_segment(&test.path)));
    }
    let at = (front_end.address.as_str(), front_end.port);
    FrontEnd::new(&front_end.name, at, role, modules, database.published())
}

/// A member beside the farm's: a server that was retired and left in the configuration with weight
/// 0, where nobody gives it requests; in [`STRANGE_POOL`] another application's.
pub const STRANGER: &str = "retired";
/// A pool that is not the farm's.
pub const STRANGE_POOL: &str = "intranet";

/// The configured weight of a stranger.
#[must_use]
pub fn stranger_weight(pool: &str) -> u32 {
    if pool == STRANGE_POOL { 100 } else { 0 }
}

fn add_strangers(pools: &mut Vec<PoolSetup>) {
    pools.push(PoolSetup {
        name: STRANGE_POOL.to_owned(),
        health_check: true,
        cut_when_down: false,
        members: Vec::new(),
    });
    for pool in pools {
        pool.members.push(MemberSetup {
            name: STRANGER.to_owned(),
            server: STRANGER.to_owned(),
            weight: stranger_weight(&pool.name),
            address: "192.0.2.1:80".to_owned(), // for documentation (RFC 5737): in no farm file
        });
    }
}

/// Members weigh in proportion to their capacity, the largest of a pool 100.
#[must_use]
pub fn weight(spec: &Spec, pool: &str, front_end: &FrontEndSpec) -> u32 {
    let peers = spec.front_ends.iter().filter(|peer| peer.members.contains_key(pool));
    let largest = peers.map(|peer| peer.capacity_rps).max().unwrap_or(1).max(1);
    (u64::from(front_end.capacity_rps) * 100 / u64::from(largest)).clamp(1, 100) as u32
}

fn pool_setup(spec: &Spec, pool: &PoolSpec) -> PoolSetup {
    let members = spec.front_ends.iter().filter_map(|front_end| {
        let name = front_end.members.get(&pool.name)?;
        Some(MemberSetup {
            name: name.clone(),
            server: front_end.name.clone(),
            weight: weight(spec, &pool.name, front_end),
            address: format!("{}:{}", front_end.address, front_end.port),
        })
    });
    PoolSetup {
        name: pool.name.clone(),
        health_check: pool.health_check,
        cut_when_down: false, // HAProxy's default
        members: members.collect(),
    }
}
