//! The plan laid out for the procedure: every name looked up once, everything else by index.
//!
//! A *seat* is a member on one node: what is drained, admitted and read. A server is quiet when all
//! its seats are.
use std::collections::BTreeMap;

use crate::farm::{Farm, FrontEnd, Half, Policy, Version};
use crate::names::{NodeName, PoolName, ServerName};
use crate::plan::{Plan, Stage, pool_rps};

use super::action::JobKind;
use super::readings::MemberId;

/// Index of a server in [`Layout::servers`].
pub type ServerIx = usize;
/// Index of a node in [`Layout::nodes`].
pub type NodeIx = usize;
/// Index of a pool in [`Layout::pools`].
pub type PoolIx = usize;
/// Index of a seat in [`Layout::seats`].
pub type SeatIx = usize;

/// A plan, by index.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The farm, with the load of the hours that the plan is for.
    pub farm: Farm,
    /// Start of every job id, so that two plans never share one.
    pub job_prefix: String,
    /// Front-ends in the order of the file, then the pure controller.
    pub servers: Vec<ServerEntry>,
    /// Balancer nodes.
    pub nodes: Vec<NodeEntry>,
    /// Pools.
    pub pools: Vec<PoolEntry>,
    /// Members on nodes, those of one node together.
    pub seats: Vec<Seat>,
    /// Upgrade jobs of step 3, stage by stage.
    pub updating_stages: Vec<StageEntry>,
    /// Upgrade jobs of step 6.
    pub loaded_stages: Vec<StageEntry>,
    by_name: BTreeMap<ServerName, ServerIx>,
}

/// A server.
#[derive(Clone, Debug)]
pub struct ServerEntry {
    /// Its name.
    pub name: ServerName,
    /// Its own address.
    pub address: String,
    /// The front-end; `None` for a pure controller.
    pub front_end: Option<FrontEnd>,
    /// Its half; `None` for a pure controller.
    pub half: Option<Half>,
    /// Its seats.
    pub seats: Vec<SeatIx>,
    /// Modules of its zones, whose `_ping.html` ids are compared.
    pub modules: Vec<String>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct NodeEntry {
    /// Its name.
    pub name: NodeName,
    /// Its first seat.
    pub first_seat: SeatIx,
    /// How many seats it has.
    pub seat_count: usize,
}

/// A pool.
#[derive(Clone, Debug)]
pub struct PoolEntry {
    /// Its name.
    pub name: PoolName,
    /// Fewest fit, eligible members on any node.
    pub floor: usize,
    /// Requests per second that it gets on all nodes together.
    pub load_rps: f64,
    /// The balancer checks its members.
    pub health_check: bool,
    /// Its zone may be down, so its floor binds nobody.
    pub may_go_down: bool,
    /// Its seats on each node that carries it.
    pub benches: Vec<Bench>,
}

/// A pool's seats on one node.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The node.
    pub node: NodeIx,
    /// The seats.
    pub seats: Vec<SeatIx>,
    /// A request of ours can be sent there.
    pub nudgeable: bool,
}

/// A member on a node.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The node.
    pub node: NodeIx,
    /// The pool.
    pub pool: PoolIx,
    /// The server.
    pub server: ServerIx,
    /// Its name in readings and actions.
    pub member: MemberId,
}

/// Servers upgraded at the same time.
#[derive(Clone, Debug)]
pub struct StageEntry {
    /// Each with its jobs in order.
    pub servers: Vec<(ServerIx, Vec<JobKind>)>,
}

impl Layout {
    /// Lays a plan out.
    ///
    /// # Panics
    /// The plan names a server, pool or node that its own farm does not have.
    #[must_use]
    pub fn new(plan: &Plan, plan_hash: &str) -> Self {
        let mut farm = plan.farm.clone();
        for zone in &mut farm.zones {
            zone.load_rps = plan.load_rps(&zone.name).unwrap_or(zone.load_rps);
        }
        let mut servers: Vec<ServerEntry> =
            farm.front_ends.iter().map(|front_end| front_end_entry(plan, front_end)).collect();
        if let Some(controller) = &farm.pure_controller {
            servers.push(ServerEntry {
                name: controller.name.clone(),
                address: controller.address.clone(),
                front_end: None,
                half: None,
                seats: Vec::new(),
                modules: Vec::new(),
            });
        }
        let by_name: BTreeMap<_, _> =
            servers.iter().enumerate().map(|(ix, entry)| (entry.name.clone(), ix)).collect();
        let mut layout = Self {
            // Twelve hex digits name a plan among all that one farm will ever see.
            job_prefix: plan_hash.chars().take(12).collect(),
            updating_stages: stages(&plan.updating_stages, &by_name),
            loaded_stages: stages(&plan.loaded_stages, &by_name),
            nodes: Vec::new(),
            pools: pool_entries(&farm),
            seats: Vec::new(),
            farm,
            servers,
            by_name,
        };
        layout.seat_members();
        layout
    }

    /// The index of a server that the plan names.
    #[must_use]
    pub fn server(&self, name: &ServerName) -> Option<ServerIx> {
        self.by_name.get(name).copied()
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.farm.policy
    }

    /// The version every server shall run.
    #[must_use]
    pub fn target(&self) -> Version {
        self.farm.version_to
    }

    /// The front-ends of a half.
    pub fn half(&self, half: Half) -> impl Iterator<Item = ServerIx> + '_ {
        self.servers
            .iter()
            .enumerate()
            .filter(move |(_, entry)| entry.half == Some(half))
            .map(|(ix, _)| ix)
    }

    /// Every front-end.
    pub fn front_ends(&self) -> impl Iterator<Item = ServerIx> + '_ {
        self.servers
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.front_end.is_some())
            .map(|(ix, _)| ix)
    }

    /// The stages of a half.
    #[must_use]
    pub fn stages(&self, half: Half) -> &[StageEntry] {
        match half {
            Half::Updating => &self.updating_stages,
            Half::Loaded => &self.loaded_stages,
        }
    }

    /// All upgrade jobs of a server, in order, over all stages.
    pub fn jobs_of(&self, server: ServerIx) -> impl Iterator<Item = JobKind> + '_ {
        self.updating_stages
            .iter()
            .chain(&self.loaded_stages)
            .flat_map(|stage| &stage.servers)
            .filter(move |(ix, _)| *ix == server)
            .flat_map(|(_, kinds)| kinds.iter().copied())
    }

    fn seat_members(&mut self) {
        for (node_ix, node) in self.farm.balancers.iter().enumerate() {
            let first_seat = self.seats.len();
            for (pool_ix, pool) in self.farm.pools.iter().enumerate() {
                if !pool.nodes.is_empty() && !pool.nodes.contains(&node.name) {
                    continue;
                }
                let mut bench = Bench {
                    node: node_ix,
                    seats: Vec::new(),
                    nudgeable: pool.traffic.contains_key(&node.name),
                };
                for (server_ix, server) in self.servers.iter_mut().enumerate() {
                    let Some(front_end) = &server.front_end else { continue };
                    if front_end.members.contains_key(&pool.name) {
                        bench.seats.push(self.seats.len());
                        server.seats.push(self.seats.len());
                        self.seats.push(Seat {
                            node: node_ix,
                            pool: pool_ix,
                            server: server_ix,
                            member: MemberId {
                                pool: pool.name.clone(),
                                server: server.name.clone(),
                            },
                        });
                    }
                }
                self.pools[pool_ix].benches.push(bench);
            }
            self.nodes.push(NodeEntry {
                name: node.name.clone(),
                first_seat,
                seat_count: self.seats.len() - first_seat,
            });
        }
    }
}

fn front_end_entry(plan: &Plan, front_end: &FrontEnd) -> ServerEntry {
    let half = if plan.updating.contains(&front_end.name) { Half::Updating } else { Half::Loaded };
    let mut modules: Vec<String> = plan
        .farm
        .zones
        .iter()
        .filter(|zone| front_end.zones.contains(&zone.name))
        .flat_map(|zone| zone.modules.iter().cloned())
        .collect();
    modules.sort();
    modules.dedup();
    ServerEntry {
        name: front_end.name.clone(),
        address: front_end.address.clone(),
        front_end: Some(front_end.clone()),
        half: Some(half),
        seats: Vec::new(),
        modules,
    }
}

fn pool_entries(farm: &Farm) -> Vec<PoolEntry> {
    farm.pools
        .iter()
        .map(|pool| PoolEntry {
            name: pool.name.clone(),
            floor: pool.floor as usize,
            load_rps: pool_rps(farm, &pool.name),
            health_check: pool.health_check,
            may_go_down: farm.zones.iter().any(|zone| zone.name == pool.zone && zone.may_go_down),
            benches: Vec::new(),
        })
        .collect()
}

fn stages(stages: &[Stage], by_name: &BTreeMap<ServerName, ServerIx>) -> Vec<StageEntry> {
    let server = |name| *by_name.get(name).expect("a plan's stages name servers of its farm");
    stages
        .iter()
        .map(|stage| StageEntry {
            servers: stage
                .servers
                .iter()
                .map(|jobs| (server(&jobs.server), jobs.kinds.clone()))
                .collect(),
        })
        .collect()
}
