//! The users' requests: an exact discrete-event model beside the sockets.
//!
//! * `spec` — what it is made of, as data; `measured` — the same from a farm file's `[load]`;
//! * `arrivals`, `service`, `histogram`, `draw` — when requests come and how long they take;
//! * `zone` — one zone's requests; `lane`, `turns`, `connections` — who of a pool's members gets one;
//! * `server`, `workers` — a front-end's queue; `member` — what a member has in flight;
//! * `risk` — whose health checks load may turn; `load` — all of it behind the doubles' balancers.
//!
//! Every request has one fate ([`Fates`]), known when it arrives: its front-end serves first come,
//! first served, over all its pools and nodes, so nothing that comes later delays it. Only a change
//! of ground truth can: its server stops, it is cut. A balancer that cuts a request does not stop
//! the server's work on it, which goes on for nobody.
//!
//! The clock is advanced lazily, to each change and each reading. Between two changes nothing that
//! decides a request's fate can change, so requests that begin and end within a step leave nothing
//! behind but counts; only those still in flight at its end are stored. What becomes of a request
//! depends on the seed and on the farm's changes, never on the steps.
//!
//! Not modelled: retries (`redispatch`), priorities, servers that share their processors among all
//! they work on, the work of health checks themselves.
mod arrivals;
mod connections;
mod draw;
mod histogram;
mod lane;
mod load;
mod measured;
mod member;
mod risk;
mod server;
mod service;
mod spec;
mod turns;
mod workers;
mod zone;

use std::collections::BTreeMap;

use evenkeel_fakes::spec::{PoolSpec, Spec};
use serde::Serialize;

use crate::random::Stream;

pub use arrivals::RateCurve;
pub use histogram::Histogram;
pub use load::Users;
pub use member::Tally;
pub use risk::Strain;
pub use service::{LongRequests, ServiceTimes};
pub use spec::{
    Balancing, ColdStart, Limits, PoolLoad, ServerSpec, TrafficSpec, UsersTruth, ZoneLoad,
};

use lane::Lane;
use member::{InFlight, Member};
use risk::Risk;
use server::End;
use zone::{ZoneRequests, first_of};

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

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fates {
    /// Answered in time.
    pub served: u64,
    /// Answered, but later than by an idle, warm server by more than the stated bound
    /// ([`Limits::slow_ms`]).
    pub slow: u64,
    /// Nobody was eligible, or the server's queue was full.
    pub refused: u64,
    /// Given up by its user in the queue, or broken off by the server since it took too long.
    pub timed_out: u64,
    /// Answered with an error.
    pub failed: u64,
    /// Sent to a server that accepts no connection, or in flight when it went down or was cut.
    pub cut: u64,
    /// Met an upgrade: sent to an unfit server, or in flight on one that became unfit. Each of
    /// them has one of the other fates too.
    pub met_upgrade: u64,
}

impl Fates {
    /// Requests that have their fate.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.served + self.slow + self.refused + self.timed_out + self.failed + self.cut
    }

    fn note(&mut self, end: End) {
        match end {
            End::Served => self.served += 1,
            End::Slow => self.slow += 1,
            End::GivenUp | End::Overrun => self.timed_out += 1,
        }
    }
}

/// A front-end.
#[derive(Clone, Debug)]
struct Server {
    name: String,
    answer: Answer,
    /// It may serve users (ground truth).
    fit: bool,
    queue: server::Server,
    cells: Vec<Cell>,
}

/// All zones' requests.
#[derive(Clone, Debug)]
pub struct Traffic {
    zones: Vec<ZoneRequests>,
    /// Each zone's rate, and its lanes with their shares.
    demand: Vec<(RateCurve, Vec<(usize, u64)>)>,
    lanes: Vec<Lane>,
    members: Vec<Member>,
    servers: Vec<Server>,
    risk: Risk,
    /// Cells by node, pool and member.
    cells: BTreeMap<(String, String, String), Cell>,
    fates: Fates,
    /// What was lost in flight with servers that stopped to answer, until somebody takes it.
    lost: Vec<(Cell, u64)>,
    /// What queues have turned away, by server, until somebody takes it.
    turned_away: BTreeMap<usize, u64>,
    /// The clock begins so long before the run does.
    before_ns: u64,
    now_ns: u64,
}

/// The longest request: IIS gives up after 110 s.
pub const REQUEST_MS_MAX: u64 = 110_000;

const NS_PER_MS: u64 = 1_000_000;

impl Traffic {
    /// The traffic of a farm by its farm file, nobody eligible yet. `stream` gives each zone, by
    /// name, its draws.
    #[must_use]
    pub fn new(spec: &Spec, stream: impl Fn(&str) -> Stream) -> Self {
        Self::with(spec, &TrafficSpec::of(spec, &UsersTruth::default()), stream)
    }

    /// The traffic of a farm, nobody eligible yet.
    #[must_use]
    pub fn with(spec: &Spec, traffic: &TrafficSpec, stream: impl Fn(&str) -> Stream) -> Self {
        let servers = spec.front_ends.iter().map(|it| {
            let server = &traffic.servers[&it.name];
            let mean_held_ns = spec::mean_held_ns(it, server.limits.held_ms_max, &traffic.zones);
            (server.workers.max(1), mean_held_ns)
        });
        let mut this = Self {
            zones: Vec::new(),
            demand: Vec::new(),
            lanes: Vec::new(),
            members: Vec::new(),
            servers: Vec::new(),
            risk: Risk::new(servers),
            cells: BTreeMap::new(),
            fates: Fates::default(),
            lost: Vec::new(),
            turned_away: BTreeMap::new(),
            before_ns: traffic.before_ms * NS_PER_MS,
            now_ns: 0,
        };
        this.servers.extend(spec.front_ends.iter().map(|it| Server {
            name: it.name.clone(),
            answer: Answer::Page,
            fit: true,
            queue: server::Server::new(&traffic.servers[&it.name]),
            cells: Vec::new(),
        }));
        for zone in &spec.zones {
            let lanes = this.add_lanes(spec, traffic, &zone.name);
            let Some(load) = traffic.zones.get(&zone.name) else { continue };
            let pools = spec.pools.iter().filter(|pool| pool.zone == zone.name);
            let mut loads = pools.filter_map(|pool| traffic.pools.get(&pool.name));
            let keeps = loads.any(|pool| pool.keep_alive_ms.is_some());
            let gaps = load.gaps.clone().filter(|_| keeps);
            this.zones.extend(ZoneRequests::new(
                stream(&zone.name),
                load,
                this.before_ns,
                gaps,
                &lanes,
            ));
            this.demand.push((load.rate.clone(), lanes));
        }
        this
    }

    /// Adds the lanes of a zone, with their shares.
    fn add_lanes(&mut self, spec: &Spec, traffic: &TrafficSpec, zone: &str) -> Vec<(usize, u64)> {
        let mut lanes = Vec::new();
        // A pool's share is divided among its nodes: count in parts that every number of nodes divides.
        let nodes_of = |pool: &PoolSpec| match pool.nodes.is_empty() {
            true => spec.balancers.iter().map(|node| node.name.clone()).collect(),
            false => pool.nodes.clone(),
        };
        let pools: Vec<&PoolSpec> = spec.pools.iter().filter(|pool| pool.zone == zone).collect();
        let parts =
            pools.iter().fold(1, |parts, pool| turns::lcm(parts, nodes_of(pool).len() as u64));
        for pool in pools {
            let nodes = nodes_of(pool);
            let load = traffic.pools.get(&pool.name).copied().unwrap_or_default();
            let of_pool = self.lanes.len()..self.lanes.len() + nodes.len();
            for node in &nodes {
                lanes.push((
                    self.lanes.len(),
                    u64::from(pool.load_share) * parts / nodes.len() as u64,
                ));
                self.lanes.push(Lane::new(of_pool.clone(), self.members.len(), &load));
                for (server, front_end) in spec.front_ends.iter().enumerate() {
                    if let Some(member) = front_end.members.get(&pool.name) {
                        self.add_member((node.clone(), pool.name.clone(), member.clone()), server);
                    }
                }
            }
        }
        lanes
    }

    fn add_member(&mut self, name: (String, String, String), server: usize) {
        let lane = self.lanes.len() - 1;
        let cell = self.lanes[lane].add();
        self.members.push(Member {
            server,
            lane,
            tally: Tally::default(),
            last_arrival_ns: 0,
            in_flight: InFlight::default(),
            hidden: InFlight::default(),
        });
        self.cells.insert(name, cell);
        self.servers[server].cells.push(cell);
    }

    /// The cell of a member on a node.
    #[must_use]
    pub fn cell(&self, node: &str, pool: &str, member: &str) -> Option<Cell> {
        self.cells.get(&(node.to_owned(), pool.to_owned(), member.to_owned())).copied()
    }

    /// The cells of a front-end.
    #[must_use]
    pub fn cells_of(&self, server: &str) -> &[Cell] {
        let server = self.servers.iter().find(|it| it.name == server);
        server.map_or(&[], |it| &it.cells)
    }

    /// The front-ends' names: elsewhere one is meant by its place here.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().map(|server| &*server.name)
    }

    /// Lets everything happen that comes before an instant of the run, the first time also what
    /// came before the run. Going back is a defect of the caller.
    pub fn advance(&mut self, to_ms: u64) {
        let end_ns = self.before_ns + to_ms * NS_PER_MS;
        assert!(end_ns >= self.now_ns, "traffic does not run backwards");
        if end_ns == self.now_ns {
            return;
        }
        let fates = &mut self.fates;
        for Member { in_flight, hidden, tally, .. } in &mut self.members {
            in_flight.take_ended(end_ns, |end| {
                fates.note(end);
                tally.note(end);
            });
            hidden.take_ended(end_ns, |end| fates.note(end));
        }
        // Moved out for the loop, which changes lanes, members and servers.
        let mut zones = std::mem::take(&mut self.zones);
        while let Some((first, until_ns)) = first_of(&zones, end_ns) {
            while let Some(request) = zones[first].next_before(until_ns) {
                self.arrive(request, end_ns);
            }
        }
        self.zones = zones;
        self.now_ns = end_ns;
    }

    #[inline]
    fn arrive(&mut self, request: zone::Request, end_ns: u64) {
        let place = self.living(request.lane);
        let lane = &mut self.lanes[place];
        let connected = lane.connected(request.at_ns, request.gap_ns).filter(|cell| {
            // Who finds his connection broken opens another one.
            self.servers[self.members[*cell].server].answer != Answer::Nothing
        });
        let Some(cell) = connected.or_else(|| lane.pick(request.at_ns)) else {
            self.fates.refused += 1;
            return;
        };
        lane.connects(request.at_ns, cell);
        let member = &mut self.members[cell];
        let server = &mut self.servers[member.server];
        member.tally.arrivals += 1;
        member.last_arrival_ns = request.at_ns;
        self.fates.met_upgrade += u64::from(!server.fit);
        match server.answer {
            Answer::Page => match server.queue.receive(request.at_ns, request.takes_ns) {
                Some((ends_ns, end)) => {
                    if end == End::GivenUp {
                        *self.turned_away.entry(member.server).or_default() += 1;
                    }
                    lane.carries(cell, ends_ns);
                    if ends_ns > end_ns {
                        member.in_flight.push(ends_ns, end, end_ns);
                    } else {
                        self.fates.note(end);
                        member.tally.note(end);
                    }
                }
                None => {
                    member.tally.refused += 1;
                    self.fates.refused += 1;
                    *self.turned_away.entry(member.server).or_default() += 1;
                }
            },
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
    #[inline]
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
        self.risk.forget();
    }

    /// A server does something else with requests, or became fit or unfit, after the clock was
    /// advanced to that instant.
    pub fn set_server(&mut self, server: usize, answer: Answer, fit: bool) {
        let it = &mut self.servers[server];
        let before = std::mem::replace(&mut it.answer, answer);
        let unfit = std::mem::replace(&mut it.fit, fit) && !fit;
        let cells = it.cells.clone();
        if unfit {
            self.fates.met_upgrade += cells.iter().map(|cell| self.unanswered(*cell)).sum::<u64>();
        }
        match (before == Answer::Page, answer == Answer::Page) {
            (true, false) => {
                self.servers[server].queue.stop();
                for cell in cells {
                    let hidden = self.members[cell].hidden.clear();
                    self.fates.cut += hidden;
                    let lost = hidden + self.cut(cell);
                    if lost > 0 {
                        self.lost.push((cell, lost));
                    }
                }
            }
            (false, true) => {
                self.servers[server].queue.start(self.now_ns);
                self.risk.forget();
            }
            _ => {}
        }
    }

    /// What a server does with requests, and whether it is fit.
    #[must_use]
    pub fn server(&self, server: usize) -> (Answer, bool) {
        (self.servers[server].answer, self.servers[server].fit)
    }

    /// A member has another weight among those that get new requests, 0 when it gets none, after
    /// the clock was advanced to the instant of the change.
    pub fn set_weight(&mut self, cell: Cell, weight: u32) {
        let lane = &mut self.lanes[self.members[cell].lane];
        if lane.weight(cell) != weight {
            lane.set_weight(self.now_ns, cell, weight);
            self.risk.forget();
        }
    }

    /// A member that its balancer had seen down is up: it comes to its weight step by step.
    pub fn comes_up(&mut self, cell: Cell) {
        self.lanes[self.members[cell].lane].comes_up(self.now_ns, cell);
        self.risk.forget();
    }

    /// A balancer process is replaced: what is in flight goes on in the old one, uncounted.
    pub fn hide(&mut self, cell: Cell) {
        let member = &mut self.members[cell];
        member.hidden.append(&mut member.in_flight);
        self.lanes[member.lane].forget(cell);
    }

    /// Cuts what is in flight to a member, and tells how many requests that were.
    pub fn cut(&mut self, cell: Cell) -> u64 {
        let member = &mut self.members[cell];
        let requests = member.in_flight.clear();
        member.tally.failed_responses += requests;
        self.fates.cut += requests;
        self.lanes[member.lane].forget(cell);
        requests
    }

    /// Takes what was lost in flight with servers that stopped to answer, since the last time.
    pub fn take_lost(&mut self) -> Vec<(Cell, u64)> {
        std::mem::take(&mut self.lost)
    }

    /// Takes what queues have turned away since the last time, with the end of what was given up
    /// yet to come: the server, how many, and since when somebody has waited there, in
    /// milliseconds of the run.
    pub fn take_turned_away(&mut self) -> Vec<(String, u64, u64)> {
        let taken = std::mem::take(&mut self.turned_away);
        let told = |(server, requests): (usize, u64)| {
            let it = &self.servers[server];
            let since_ns = it.queue.piling_up_since_ns().saturating_sub(self.before_ns);
            (it.name.clone(), requests, since_ns / NS_PER_MS)
        };
        taken.into_iter().map(told).collect()
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
        member.in_flight.len() + member.hidden.len()
    }

    /// What a member got.
    #[must_use]
    pub fn tally(&self, cell: Cell) -> Tally {
        self.members[cell].tally
    }

    /// When the last request was sent to a member, in milliseconds of the run; 0 if it came before,
    /// or none did.
    #[must_use]
    pub fn last_arrival_ms(&self, cell: Cell) -> u64 {
        self.members[cell].last_arrival_ns.saturating_sub(self.before_ns) / NS_PER_MS
    }

    /// Requests in flight to a member.
    #[must_use]
    pub fn in_flight(&self, cell: Cell) -> u64 {
        self.members[cell].in_flight.len()
    }

    /// What became of all requests so far.
    #[must_use]
    pub fn fates(&self) -> Fates {
        self.fates
    }
}

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod tests;
