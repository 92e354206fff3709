//! The users' requests: an exact discrete-event model beside the sockets.
//!
//! Each zone has Poisson arrivals at its load. A request is dealt to one of the zone's lanes (a
//! pool on a node) by the pool's share, there to the eligible members in turn by weight, and takes its own
//! service time: exponential, or for one in a hundred uniform over 30–90 s. Servers are infinite:
//! nothing queues (the issue "Load" puts queues behind the same interface).
//!
//! The clock is advanced lazily, to each change and each reading. Between two changes nothing that
//! decides a request's fate can change, so requests that begin and end within a step leave nothing
//! behind but counts; only those still in flight at its end are stored. What becomes of a request
//! depends on the seed and on the farm's changes, never on the steps.
mod draw;
mod load;
mod zone;

use std::collections::BTreeMap;

use evenkeel_fakes::spec::{PoolSpec, Spec};
use serde::Serialize;

use crate::random::Stream;

pub use load::Users;
use zone::ZoneRequests;

/// A member of a pool on a node, as the traffic knows it.
pub type Cell = usize;

/// What a server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It serves it.
    Page,
    /// It answers at once with an error: the application pool is stopped, or broken.
    Error,
    /// Nobody accepts the connection.
    Nothing,
}

/// What decides the fate of the requests that a member gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// Its weight among those that get new requests; 0 when it gets none.
    pub weight: u32,
    /// What its server does with them.
    pub answer: Answer,
    /// Its server may serve users (ground truth).
    pub fit: bool,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fates {
    /// Answered.
    pub served: u64,
    /// Nobody was eligible.
    pub refused: u64,
    /// Answered with an error.
    pub failed: u64,
    /// Sent to a server that accepts no connection, or in flight when it went down or was cut.
    pub cut: u64,
    /// Met an upgrade: sent to an unfit server, or in flight on one that became unfit. Each of
    /// them has one of the other fates too.
    pub met_upgrade: u64,
}

/// What a member got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests sent to it.
    pub arrivals: u64,
    /// Those that it answered with an error.
    pub errors: u64,
    /// Those for which it accepted no connection.
    pub failed_connections: u64,
    /// Those in flight when it went down or was cut.
    pub failed_responses: u64,
}

#[derive(Clone, Debug)]
struct Member {
    state: MemberState,
    lane: usize,
    tally: Tally,
    /// The instants at which the requests in flight end.
    ends_ns: Vec<u64>,
    /// The same of requests in a balancer process that was replaced: nobody counts them any more.
    hidden_ends_ns: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    members: Vec<Cell>,
    /// Its node is down.
    down: bool,
    /// The pool's lanes on all nodes: users whose node is down reach the next of these.
    of_pool: std::ops::Range<usize>,
    /// The eligible members, each as often as its weight wants, evenly mixed.
    turns: Vec<u16>,
    next: usize,
}

/// All zones' requests.
#[derive(Clone, Debug)]
pub struct Traffic {
    zones: Vec<ZoneRequests>,
    lanes: Vec<Lane>,
    members: Vec<Member>,
    /// Cells by node, pool and member.
    cells: BTreeMap<(String, String, String), Cell>,
    /// Cells by server.
    servers: BTreeMap<String, Vec<Cell>>,
    fates: Fates,
    /// What was lost in flight with servers that stopped to answer, until somebody takes it.
    lost: Vec<(Cell, u64)>,
    now_ns: u64,
}

/// The longest request: IIS gives up after 110 s.
pub const REQUEST_MS_MAX: u64 = 110_000;

const NS_PER_MS: u64 = 1_000_000;

impl Traffic {
    /// The traffic of a farm, nobody eligible yet. `stream` gives each zone, by name, its draws.
    #[must_use]
    pub fn new(spec: &Spec, stream: impl Fn(&str) -> Stream) -> Self {
        let mut this = Self {
            zones: Vec::new(),
            lanes: Vec::new(),
            members: Vec::new(),
            cells: BTreeMap::new(),
            servers: BTreeMap::new(),
            fates: Fates::default(),
            lost: Vec::new(),
            now_ns: 0,
        };
        for zone in &spec.zones {
            let lanes = this.add_lanes(spec, &zone.name);
            this.zones.extend(ZoneRequests::new(stream(&zone.name), zone.load_rps, &lanes));
        }
        this
    }

    /// Adds the lanes of a zone, with their shares.
    fn add_lanes(&mut self, spec: &Spec, zone: &str) -> Vec<(usize, u64)> {
        let mut lanes = Vec::new();
        // A pool's share is divided among its nodes: count in parts that every number of nodes divides.
        let nodes_of = |pool: &PoolSpec| match pool.nodes.is_empty() {
            true => spec.balancers.iter().map(|node| node.name.clone()).collect(),
            false => pool.nodes.clone(),
        };
        let pools: Vec<&PoolSpec> = spec.pools.iter().filter(|pool| pool.zone == zone).collect();
        let parts =
            pools.iter().fold(1, |parts, pool| zone::lcm(parts, nodes_of(pool).len() as u64));
        for pool in pools {
            let nodes = nodes_of(pool);
            let of_pool = self.lanes.len()..self.lanes.len() + nodes.len();
            for node in &nodes {
                let lane = self.lanes.len();
                self.lanes.push(Lane { of_pool: of_pool.clone(), ..Lane::default() });
                lanes.push((lane, u64::from(pool.load_share) * parts / nodes.len() as u64));
                for server in &spec.front_ends {
                    if let Some(member) = server.members.get(&pool.name) {
                        let name = (node.clone(), pool.name.clone(), member.clone());
                        self.add_member(lane, name, &server.name);
                    }
                }
            }
        }
        lanes
    }

    fn add_member(&mut self, lane: usize, name: (String, String, String), server: &str) {
        let cell = self.members.len();
        self.members.push(Member {
            state: MemberState { weight: 0, answer: Answer::Page, fit: true },
            lane,
            tally: Tally::default(),
            ends_ns: Vec::new(),
            hidden_ends_ns: Vec::new(),
        });
        self.lanes[lane].members.push(cell);
        self.cells.insert(name, cell);
        self.servers.entry(server.to_owned()).or_default().push(cell);
    }

    /// The cell of a member on a node.
    #[must_use]
    pub fn cell(&self, node: &str, pool: &str, member: &str) -> Option<Cell> {
        self.cells.get(&(node.to_owned(), pool.to_owned(), member.to_owned())).copied()
    }

    /// The cells of a server.
    #[must_use]
    pub fn cells_of(&self, server: &str) -> &[Cell] {
        self.servers.get(server).map_or(&[], Vec::as_slice)
    }

    /// Lets everything happen that comes before an instant. Going back is a defect of the caller.
    pub fn advance(&mut self, to_ms: u64) {
        let end_ns = to_ms * NS_PER_MS;
        assert!(end_ns >= self.now_ns, "traffic does not run backwards");
        if end_ns == self.now_ns {
            return;
        }
        for member in &mut self.members {
            for ends_ns in [&mut member.ends_ns, &mut member.hidden_ends_ns] {
                let before = ends_ns.len();
                ends_ns.retain(|end| *end > end_ns);
                self.fates.served += (before - ends_ns.len()) as u64;
            }
        }
        // Moved out for the loop, which changes lanes and members.
        let mut zones = std::mem::take(&mut self.zones);
        for zone in &mut zones {
            while let Some(request) = zone.next_before(end_ns) {
                self.arrive(request, end_ns);
            }
        }
        self.zones = zones;
        self.now_ns = end_ns;
    }

    #[inline]
    fn arrive(&mut self, request: zone::Request, end_ns: u64) {
        let lane = self.living(request.lane);
        let Some(cell) = self.lanes[lane].turn() else {
            self.fates.refused += 1;
            return;
        };
        let member = &mut self.members[cell];
        member.tally.arrivals += 1;
        self.fates.met_upgrade += u64::from(!member.state.fit);
        match member.state.answer {
            Answer::Page => {
                let ends_ns = request.at_ns + request.takes_ns;
                if ends_ns > end_ns {
                    member.ends_ns.push(ends_ns);
                } else {
                    self.fates.served += 1;
                }
            }
            Answer::Error => {
                member.tally.errors += 1;
                self.fates.failed += 1;
            }
            Answer::Nothing => {
                member.tally.failed_connections += 1;
                self.fates.cut += 1;
            }
        }
    }

    /// Where a lane's requests go: to itself, or to another node's while its own is down.
    fn living(&self, lane: usize) -> usize {
        if !self.lanes[lane].down {
            return lane;
        }
        let mut others = self.lanes[lane].of_pool.clone();
        others.find(|other| !self.lanes[*other].down).unwrap_or(lane)
    }

    /// A member's node goes down or comes up, after the clock was advanced to that instant.
    pub fn set_down(&mut self, cell: Cell, down: bool) {
        let lane = self.members[cell].lane;
        self.lanes[lane].down = down;
    }

    /// Changes a member's state, after the clock was advanced to the instant of the change.
    pub fn set(&mut self, cell: Cell, state: MemberState) {
        let member = &mut self.members[cell];
        let before = std::mem::replace(&mut member.state, state);
        if before.fit && !state.fit {
            self.fates.met_upgrade += (member.ends_ns.len() + member.hidden_ends_ns.len()) as u64;
        }
        if before.answer == Answer::Page && state.answer != Answer::Page {
            let hidden = member.hidden_ends_ns.len() as u64;
            self.fates.cut += hidden;
            member.hidden_ends_ns.clear();
            let lost = hidden + self.cut(cell);
            if lost > 0 {
                self.lost.push((cell, lost));
            }
        }
        if before.weight != state.weight {
            let lane = self.members[cell].lane;
            let members = &self.members;
            self.lanes[lane].choose(|cell| members[cell].state.weight);
        }
    }

    /// A member's state.
    #[must_use]
    pub fn state(&self, cell: Cell) -> MemberState {
        self.members[cell].state
    }

    /// A balancer process is replaced: what is in flight goes on in the old one, uncounted.
    pub fn hide(&mut self, cell: Cell) {
        let member = &mut self.members[cell];
        member.hidden_ends_ns.append(&mut member.ends_ns);
    }

    /// Cuts what is in flight to a member, and tells how many requests that were.
    pub fn cut(&mut self, cell: Cell) -> u64 {
        let member = &mut self.members[cell];
        let requests = member.ends_ns.len() as u64;
        member.ends_ns.clear();
        member.tally.failed_responses += requests;
        self.fates.cut += requests;
        requests
    }

    /// Takes what was lost in flight with servers that stopped to answer, since the last time.
    pub fn take_lost(&mut self) -> Vec<(Cell, u64)> {
        std::mem::take(&mut self.lost)
    }

    /// The node, pool and name of a member.
    #[must_use]
    pub fn name_of(&self, cell: Cell) -> Option<&(String, String, String)> {
        self.cells.iter().find(|(_, it)| **it == cell).map(|(name, _)| name)
    }

    /// Requests of users to a member of which no answer has come yet, whoever still counts them.
    #[must_use]
    pub fn unanswered(&self, cell: Cell) -> u64 {
        let member = &self.members[cell];
        (member.ends_ns.len() + member.hidden_ends_ns.len()) as u64
    }

    /// What a member got.
    #[must_use]
    pub fn tally(&self, cell: Cell) -> Tally {
        self.members[cell].tally
    }

    /// Requests in flight to a member.
    #[must_use]
    pub fn in_flight(&self, cell: Cell) -> u64 {
        self.members[cell].ends_ns.len() as u64
    }

    /// What became of all requests so far.
    #[must_use]
    pub fn fates(&self) -> Fates {
        self.fates
    }
}

impl Lane {
    /// The eligible member whose turn it is.
    #[inline]
    fn turn(&mut self) -> Option<Cell> {
        let cell = *self.turns.get(self.next)?;
        self.next = if self.next + 1 == self.turns.len() { 0 } else { self.next + 1 };
        Some(usize::from(cell))
    }

    /// Takes up other weights: a new round begins.
    fn choose(&mut self, weight: impl Fn(Cell) -> u32) {
        let shares: Vec<(usize, u64)> = self
            .members
            .iter()
            .map(|cell| (*cell, u64::from(weight(*cell))))
            .filter(|(_, weight)| *weight > 0)
            .collect();
        self.turns = zone::turns(&shares);
        self.next = 0;
    }
}

#[cfg(test)]
mod tests;
