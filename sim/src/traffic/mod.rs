//! The users' requests: an exact discrete-event model beside the sockets.
//!
//! Each zone has Poisson arrivals at its load. A request is dealt to one of the zone's lanes (a
//! pool on a node) by the pool's share, there to the eligible members in turn, and takes its own
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

use zone::ZoneRequests;

/// A member of a pool on a node, as the traffic knows it.
pub type Cell = usize;

/// What decides the fate of the requests that a member gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// The balancer sends it new requests.
    pub eligible: bool,
    /// Its server answers: the machine is up and the web server is on.
    pub answers: bool,
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
    /// Sent to a server that does not answer, or in flight when it went down or was cut.
    pub cut: u64,
    /// Met an upgrade: sent to an unfit server, or in flight on one that became unfit. Each of
    /// them is also served or cut.
    pub met_upgrade: u64,
}

#[derive(Clone, Debug)]
struct Member {
    state: MemberState,
    lane: usize,
    arrivals: u64,
    /// The instants at which the requests in flight end.
    ends_ns: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    members: Vec<Cell>,
    eligible: Vec<Cell>,
    next: usize,
    last: Option<Cell>,
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
    now_ns: u64,
}

const NS_PER_MS: u64 = 1_000_000;

impl Traffic {
    /// The traffic of a farm. `keyed` gives each zone, by name, the start of its stream.
    #[must_use]
    pub fn new(spec: &Spec, keyed: impl Fn(&str) -> u64) -> Self {
        let mut this = Self {
            zones: Vec::new(),
            lanes: Vec::new(),
            members: Vec::new(),
            cells: BTreeMap::new(),
            servers: BTreeMap::new(),
            fates: Fates::default(),
            now_ns: 0,
        };
        for zone in &spec.zones {
            let lanes = this.add_lanes(spec, &zone.name);
            this.zones.extend(ZoneRequests::new(keyed(&zone.name), zone.load_rps, &lanes));
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
            for node in &nodes {
                let lane = self.lanes.len();
                self.lanes.push(Lane::default());
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
        let state = MemberState { eligible: true, answers: true, fit: true };
        self.members.push(Member { state, lane, arrivals: 0, ends_ns: Vec::new() });
        self.lanes[lane].members.push(cell);
        self.lanes[lane].eligible.push(cell);
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
            let before = member.ends_ns.len();
            member.ends_ns.retain(|end| *end > end_ns);
            self.fates.served += (before - member.ends_ns.len()) as u64;
        }
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
        let Some(cell) = self.lanes[request.lane].turn() else {
            self.fates.refused += 1;
            return;
        };
        let member = &mut self.members[cell];
        member.arrivals += 1;
        self.fates.met_upgrade += u64::from(!member.state.fit);
        if !member.state.answers {
            self.fates.cut += 1;
            return;
        }
        let ends_ns = request.at_ns + request.takes_ns;
        if ends_ns > end_ns {
            member.ends_ns.push(ends_ns);
        } else {
            self.fates.served += 1;
        }
    }

    /// Changes a member's state, after the clock was advanced to the instant of the change.
    pub fn set(&mut self, cell: Cell, state: MemberState) {
        let member = &mut self.members[cell];
        let before = std::mem::replace(&mut member.state, state);
        if before.answers && !state.answers {
            self.fates.cut += member.ends_ns.len() as u64;
            member.ends_ns.clear();
        }
        if before.fit && !state.fit {
            self.fates.met_upgrade += member.ends_ns.len() as u64;
        }
        if before.eligible != state.eligible {
            let lane = member.lane;
            let members = &self.members;
            self.lanes[lane].choose(|cell| members[cell].state.eligible);
        }
    }

    /// A member's state.
    #[must_use]
    pub fn state(&self, cell: Cell) -> MemberState {
        self.members[cell].state
    }

    /// Cuts what is in flight to a member, and tells how many requests that were.
    pub fn cut(&mut self, cell: Cell) -> u64 {
        let requests = self.members[cell].ends_ns.len() as u64;
        self.members[cell].ends_ns.clear();
        self.fates.cut += requests;
        requests
    }

    /// Requests ever sent to a member.
    #[must_use]
    pub fn arrivals(&self, cell: Cell) -> u64 {
        self.members[cell].arrivals
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
        let cell = *self.eligible.get(self.next)?;
        self.next = if self.next + 1 == self.eligible.len() { 0 } else { self.next + 1 };
        self.last = Some(cell);
        Some(cell)
    }

    /// Takes up another set of eligible members; the turns go on behind the last one served.
    fn choose(&mut self, eligible: impl Fn(Cell) -> bool) {
        self.eligible.clear();
        self.eligible.extend(self.members.iter().copied().filter(|cell| eligible(*cell)));
        self.next = match self.last {
            Some(last) => self.eligible.iter().position(|cell| *cell > last).unwrap_or(0),
            None => 0,
        };
    }
}

#[cfg(test)]
mod tests;
