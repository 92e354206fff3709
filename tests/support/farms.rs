//! Farms nobody thought of: drawn shapes, written as a user would write them.
//!
//! A farm is drawn around a split that the plan knows nothing of: every pool has members in both of
//! its halves, and every zone as much load as either half can answer. So nearly every farm can be
//! planned, whatever its zones have in common.
//!
//! Not drawn, since invariants would rightly be broken:
//! * `may_go_down`, and so zones of one server: their users find them down, as somebody accepted;
//! * `health_check = false`: a server that died goes on getting requests, and nobody is told of it;
//! * hours in which no half carries the load: a run that somebody holds into them is overloaded.
//!
//! Nor `sticky`, `agent_check`, `tracks` and `mode`, which the doubles do not read.
use std::fmt::{self, Write as _};

use evenkeel::plan::Plan;
use proptest::prelude::*;
use proptest::sample::select;

/// Servers, or nodes, as bits.
type Set = u64;

/// A farm: 2 to 64 servers, 1 to 8 zones of 1 to 3 pools, 1 to 3 nodes.
#[derive(Clone)]
pub(crate) struct Shape {
    java: bool,
    publish: bool,
    /// The front-end that is the controller; `None` when the controller is a server of its own.
    controller: Option<usize>,
    /// Capacity of each server, in requests a second.
    capacities: Vec<u32>,
    zones: Vec<Zone>,
    /// The load of each hour of a day, in percent of its highest; `None` where nobody measured it.
    hours: Option<Vec<u64>>,
    choices: Choices,
}

#[derive(Clone)]
struct Zone {
    load_rps: u32,
    /// The first has all servers of the zone.
    pools: Vec<Pool>,
}

#[derive(Clone, Debug)]
struct Pool {
    members: Set,
    load_share: u32,
    floor: u32,
    /// The nodes that carry it.
    nodes: Set,
    /// Those of them for which the farm file says where users' requests arrive.
    arrivals: Set,
}

/// What the farm's policy says.
#[derive(Clone, Copy, Debug)]
struct Choices {
    parallel_max: u32,
    drain_after_deadline: &'static str,
    drain_ms_max: u64,
    soak_when_bad: &'static str,
}

/// What is drawn of a zone: wishes, of which is granted what suits the split.
#[derive(Clone, Debug)]
struct ZoneDraft {
    servers: Set,
    /// How much of its capacity the busiest of its servers is asked for while its half is alone.
    busy_percent: u32,
    pools: Vec<Pool>,
}

/// Capacity of all servers together, at most: each request costs time, and a run has two hours of
/// them. Large farms have small servers.
const CAPACITIES_RPS_MAX: u32 = 900;
/// Capacity of one, at most.
const CAPACITY_RPS_MAX: u32 = 173;
/// What the busiest server of a zone is asked for: the plan keeps 20 % free.
const BUSY_PERCENT: std::ops::RangeInclusive<u32> = 50..=78;
const ZONES_MAX: usize = 8;
const NODES_MAX: usize = 3;
/// Three quarters of a minute pass before the longest requests have ended, two minutes do not: only
/// the first shows what happens after the deadline.
const DRAINS_MS_MAX: [u64; 2] = [120_000, 45_000];

/// Mostly small farms, in which nearly every mistake shows; some large ones.
fn servers() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 2_usize..=6, 3 => 7_usize..=16, 1 => 17_usize..=64]
}

/// Draws a farm.
pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    servers().prop_flat_map(|servers| {
        let drawn = (
            any::<[bool; 3]>(),
            (0..servers, any::<Set>()),
            capacities(servers),
            prop::collection::vec(zone(servers), 1..=ZONES_MAX),
            1..=NODES_MAX,
            prop::option::weighted(0.3, hours()),
            choices(servers),
        );
        drawn.prop_map(move |(flags, (first, loaded), capacities, zones, nodes, hours, choices)| {
            let [java, pure_controller, publish] = flags;
            let controller = (!pure_controller).then_some(first);
            let halves = halves(servers, first, loaded);
            let zones = zones_around(halves, &zones, nodes, &capacities);
            Shape { java, publish, controller, capacities, zones, hours, choices }
        })
    })
}

fn capacities(servers: usize) -> impl Strategy<Value = Vec<u32>> {
    let most = (CAPACITIES_RPS_MAX / servers as u32).min(CAPACITY_RPS_MAX);
    prop::collection::vec(most / 3..=most, servers)
}

fn zone(servers: usize) -> impl Strategy<Value = ZoneDraft> {
    let pools = prop::collection::vec(pool(), 1..=3);
    (some_of(servers), BUSY_PERCENT, pools).prop_map(|(servers, busy_percent, pools)| ZoneDraft {
        servers,
        busy_percent,
        pools,
    })
}

/// Neighbours, so that zones lie apart, in a chain or within each other; or any servers.
fn some_of(servers: usize) -> impl Strategy<Value = Set> {
    let neighbours = move |most: usize| {
        (0..servers, 1..=most).prop_map(move |(first, count)| {
            (first..first + count).fold(0, |set, place| set | 1 << (place % servers))
        })
    };
    prop_oneof![
        2 => neighbours(servers.div_ceil(2)),
        1 => neighbours(servers),
        1 => any::<Set>(),
    ]
}

fn pool() -> impl Strategy<Value = Pool> {
    (any::<Set>(), 0_u32..=3, 1_u32..=3, any::<Set>(), any::<Set>()).prop_map(
        |(members, load_share, floor, nodes, arrivals)| Pool {
            members,
            load_share,
            floor,
            nodes,
            arrivals,
        },
    )
}

/// All zones rise and fall together and have their highest load in one hour at least.
fn hours() -> impl Strategy<Value = Vec<u64>> {
    (prop::collection::vec(30_u64..=100, 24), 0_usize..24).prop_map(|(mut hours, busiest)| {
        hours[busiest] = 100;
        hours
    })
}

/// More servers of a large farm are upgraded at a time: its upgrade is to take hours and not days.
fn choices(servers: usize) -> impl Strategy<Value = Choices> {
    let after_deadline = select(vec!["wait", "hold", "cut"]);
    let when_bad = select(vec!["fall-back", "hold"]);
    (1_u32..=4, after_deadline, select(DRAINS_MS_MAX.to_vec()), when_bad).prop_map(
        move |(parallel, drain_after_deadline, drain_ms_max, soak_when_bad)| Choices {
            parallel_max: parallel + servers as u32 / 16,
            drain_after_deadline,
            drain_ms_max,
            soak_when_bad,
        },
    )
}

/// As large a farm as is promised: 64 servers, and 8 zones of 10 of them in a ring, each with two of
/// the next.
pub(crate) fn largest() -> Shape {
    let zone = |place: u32| {
        // Every other zone is carried by one node only.
        let nodes = if place.is_multiple_of(2) { 0b11 } else { 0b01 };
        let (members, arrivals) = (Set::MAX, Set::MAX);
        let pools = vec![Pool { members, load_share: 1, floor: 2, nodes, arrivals }];
        let servers = 0b11_1111_1111_u64.rotate_left(8 * place);
        ZoneDraft { servers, busy_percent: 60, pools }
    };
    let zones: Vec<ZoneDraft> = (0..8).map(zone).collect();
    let capacities: Vec<u32> = (0..64).map(|server| 7 + server % 8).collect();
    let halves = halves(64, 0, 0xAAAA_AAAA_AAAA_AAAA);
    Shape {
        java: false,
        publish: false,
        controller: Some(0),
        zones: zones_around(halves, &zones, 2, &capacities),
        capacities,
        hours: None,
        choices: Choices {
            parallel_max: 16,
            drain_after_deadline: "wait",
            drain_ms_max: DRAINS_MS_MAX[0],
            soak_when_bad: "fall-back",
        },
    }
}

/// The servers that are upgraded first, and the others: some, each; a controller is of the first.
fn halves(servers: usize, controller: usize, loaded: Set) -> [Set; 2] {
    let all = Set::MAX >> (64 - servers);
    let another = 1 << ((controller + 1) % servers);
    let loaded = loaded & all & !(1 << controller) | another;
    [all & !loaded, loaded]
}

/// Zones that can be split into these halves, as much like the drafts as that allows.
fn zones_around(
    halves: [Set; 2],
    drafts: &[ZoneDraft],
    nodes: usize,
    capacities: &[u32],
) -> Vec<Zone> {
    let servers = zone_servers(halves, drafts, capacities.len());
    let all_nodes = (1 << nodes) - 1;
    let pools = drafts.iter().zip(servers).map(|(draft, servers)| {
        let here = halves.map(|half| half & servers);
        let pools = draft.pools.iter().enumerate();
        pools.map(|(nth, pool)| pool.fitted(here, all_nodes, nth == 0)).collect()
    });
    let pools: Vec<Vec<Pool>> = pools.collect();
    let loads_rps = loads_rps(halves, drafts, &pools, capacities);
    loads_rps.into_iter().zip(pools).map(|(load_rps, pools)| Zone { load_rps, pools }).collect()
}

/// The servers of each zone: some of both halves, and none that is in no zone.
fn zone_servers(halves: [Set; 2], drafts: &[ZoneDraft], servers: usize) -> Vec<Set> {
    let all = halves[0] | halves[1];
    let mut sets: Vec<Set> = drafts.iter().map(|zone| zone.servers & all).collect();
    let in_a_zone = sets.iter().fold(0, |union, set| union | set);
    for server in places(all & !in_a_zone) {
        let zone = server * sets.len() / servers;
        sets[zone] |= 1 << server;
    }
    sets.into_iter().map(|set| with_both(set, halves)).collect()
}

/// Load of each zone: one at which its busiest server is as busy as was drawn.
fn loads_rps(
    halves: [Set; 2],
    drafts: &[ZoneDraft],
    zones: &[Vec<Pool>],
    capacities: &[u32],
) -> Vec<u32> {
    let servers = 0..capacities.len();
    let of_zone = |pools: &Vec<Pool>| -> Vec<f64> {
        let part = |server| {
            let evenly = evenly(pools, server, halves) / f64::from(capacities[server]);
            evenly.max(by_capacity(pools, server, halves, capacities))
        };
        servers.clone().map(part).collect()
    };
    let parts: Vec<Vec<f64>> = zones.iter().map(of_zone).collect();
    let zones_of = |server: usize| parts.iter().filter(|of| of[server] > 0.0).count();
    let (mut loads_rps, mut used) = (vec![0.0; zones.len()], vec![0.0; capacities.len()]);
    // Zones share a server alike; what is left of it then goes to whichever zone comes first.
    for alike in [true, false] {
        for (zone, parts) in parts.iter().enumerate() {
            let busy = f64::from(drafts[zone].busy_percent) / 100.0;
            let room = |server: usize| match alike {
                true => busy / zones_of(server) as f64,
                false => busy - used[server],
            };
            let there = servers.clone().filter(|server| parts[*server] > 0.0);
            let most = there.map(|server| room(server) / parts[server]);
            let more = most.fold(f64::INFINITY, f64::min).max(0.0);
            loads_rps[zone] += more;
            used.iter_mut().zip(parts).for_each(|(used, part)| *used += more * part);
        }
    }
    loads_rps.into_iter().map(|rps| (rps as u32).max(1)).collect()
}

impl Pool {
    /// The same with some members of each of these halves, or with all, and then with some load.
    fn fitted(&self, halves: [Set; 2], all_nodes: Set, with_all: bool) -> Self {
        let all = halves[0] | halves[1];
        let members = if with_all { all } else { with_both(self.members & all, halves) };
        let of_halves = halves.map(|half| (half & members).count_ones());
        let nodes = match self.nodes & all_nodes {
            0 => all_nodes,
            some => some,
        };
        Self {
            members,
            load_share: self.load_share.max(u32::from(with_all)),
            floor: self.floor.min(of_halves[0]).min(of_halves[1]),
            nodes,
            arrivals: self.arrivals & nodes,
        }
    }
}

fn places(set: Set) -> impl Iterator<Item = usize> {
    (0..64).filter(move |place| has(set, *place))
}

fn has(set: Set, place: usize) -> bool {
    set >> place & 1 == 1
}

/// A set with somebody of each half: where there is nobody, the half's next one comes.
fn with_both(set: Set, halves: [Set; 2]) -> Set {
    halves.into_iter().fold(set, |set, half| {
        let begin = set.trailing_zeros() % Set::BITS;
        let next = match half & Set::MAX << begin {
            0 => half,
            later => later,
        };
        if set & half == 0 { set | 1 << next.trailing_zeros() } else { set }
    })
}

/// The pools that a server is in: the share of the zone's load that each has, and its members.
fn pools_of(pools: &[Pool], server: usize) -> impl Iterator<Item = (f64, Set)> {
    let shares: u32 = pools.iter().map(|pool| pool.load_share).sum();
    let of_server = pools.iter().filter(move |pool| has(pool.members, server));
    of_server.map(move |pool| (f64::from(pool.load_share) / f64::from(shares), pool.members))
}

/// What part of a zone's requests a server gets while its half is alone, when pools share theirs
/// evenly: what plans reckon with.
fn evenly(pools: &[Pool], server: usize, halves: [Set; 2]) -> f64 {
    let own = if has(halves[0], server) { halves[0] } else { halves[1] };
    pools_of(pools, server).map(|(share, all)| share / f64::from((all & own).count_ones())).sum()
}

/// How much of any server's capacity one request a second of a zone takes while either half is
/// alone, or more servers serve, when pools share theirs by capacity: what the doubles' balancers do.
fn by_capacity(pools: &[Pool], server: usize, halves: [Set; 2], capacities: &[u32]) -> f64 {
    let weaker = |members: Set| {
        let sum = |half| places(members & half).map(|server| capacities[server]).sum::<u32>();
        f64::from(sum(halves[0]).min(sum(halves[1])))
    };
    pools_of(pools, server).map(|(share, members)| share / weaker(members)).sum()
}

/// Written out, so that a failing case is a farm file to begin with.
impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.farm_file())
    }
}

impl Shape {
    /// No server of this plan's split is asked for more than `percent` of its capacity when its
    /// balancers give each member requests by its capacity.
    pub(crate) fn is_carried_by_capacity(&self, plan: &Plan, percent: u32) -> bool {
        let servers = || 0..self.capacities.len();
        let is_updating = |server: &usize| plan.updating.contains(&front_end(*server).into());
        let (updating, loaded): (Vec<_>, Vec<_>) = servers().partition(is_updating);
        let halves = [updating, loaded].map(|half| half.iter().fold(0, |set, at| set | 1 << *at));
        let busy = |server: usize| -> f64 {
            let part = |zone: &Zone| by_capacity(&zone.pools, server, halves, &self.capacities);
            self.zones.iter().map(|zone| f64::from(zone.load_rps) * part(zone)).sum()
        };
        servers().all(|server| busy(server) <= f64::from(percent) / 100.0)
    }

    /// Its farm file.
    pub(crate) fn farm_file(&self) -> String {
        let (stack, from, to) = match self.java {
            true => ("j2ee", "10.0.1005.0", "10.0.1019.0"),
            false => ("dotnet", "11.35.0.43000", "11.36.1.43500"),
        };
        let controller = self.controller.map_or_else(|| "ctl".to_owned(), front_end);
        let mut text = format!(
            "name = \"drawn\"\nstack = \"{stack}\"\nversion_from = \"{from}\"\n\
             version_to = \"{to}\"\ncontroller = \"{controller}\"\n"
        );
        if self.controller.is_none() {
            text.push_str("[pure_controller]\nname = \"ctl\"\naddress = \"10.9.0.1\"\n");
        }
        self.zones(&mut text);
        for node in places(self.nodes()) {
            let api = format!("{}:9999", address_of_node(node));
            let _ = write!(text, "[[balancer]]\nname = \"lb-{node}\"\napi = \"{api}\"\n");
        }
        self.front_ends(&mut text);
        self.rest(&mut text);
        self.load(&mut text);
        text
    }

    /// The nodes: one that carries no pool is none of the farm's.
    fn nodes(&self) -> Set {
        self.zones.iter().flat_map(|zone| &zone.pools).fold(0, |set, pool| set | pool.nodes)
    }

    fn zones(&self, text: &mut String) {
        for (at, zone) in self.zones.iter().enumerate() {
            let _ = write!(
                text,
                "[[zone]]\nname = \"z{at}\"\npublic_name = \"z{at}.drawn.example\"\n\
                 load_rps = {}\nmodules = [\"M{at}\"]\n\
                 [[test]]\nzone = \"z{at}\"\npath = \"/M{at}/Home\"\n",
                zone.load_rps
            );
            for (nth, pool) in zone.pools.iter().enumerate() {
                self.pool(text, (at, nth), pool);
            }
        }
    }

    fn pool(&self, text: &mut String, (zone, nth): (usize, usize), pool: &Pool) {
        let Pool { load_share, floor, .. } = pool;
        let _ = write!(
            text,
            "[[pool]]\nname = \"p{zone}-{nth}\"\nzone = \"z{zone}\"\nload_share = {load_share}\n\
             floor = {floor}\n"
        );
        if pool.nodes != self.nodes() {
            let nodes: Vec<String> =
                places(pool.nodes).map(|node| format!("\"lb-{node}\"")).collect();
            let _ = writeln!(text, "nodes = [{}]", nodes.join(", "));
        }
        // A port for each pool: the doubles cannot tell those behind one port apart.
        let port = 8_000 + 10 * zone + nth;
        let arrivals: Vec<String> = places(pool.arrivals)
            .map(|node| format!("lb-{node} = \"{}:{port}\"", address_of_node(node)))
            .collect();
        if !arrivals.is_empty() {
            let _ = writeln!(text, "traffic = {{ {} }}", arrivals.join(", "));
        }
    }

    fn front_ends(&self, text: &mut String) {
        for (server, capacity_rps) in self.capacities.iter().enumerate() {
            let (mut zones, mut members) = (Vec::new(), Vec::new());
            for (at, zone) in self.zones.iter().enumerate() {
                let pools = zone.pools.iter().enumerate();
                let own = pools.filter(|(_, pool)| has(pool.members, server));
                let before = members.len();
                members.extend(own.map(|(nth, _)| format!("p{at}-{nth} = \"m{server}\"")));
                if members.len() > before {
                    zones.push(format!("\"z{at}\""));
                }
            }
            let (name, zones) = (front_end(server), zones.join(", "));
            let (address, members) = (format!("10.9.2.{}", server + 1), members.join(", "));
            let _ = write!(
                text,
                "[[front_end]]\nname = \"{name}\"\naddress = \"{address}\"\nzones = [{zones}]\n\
                 members = {{ {members} }}\ncapacity_rps = {capacity_rps}\n"
            );
        }
    }

    /// Windows and waits as short as the procedure lets them be: a run costs less.
    fn rest(&self, text: &mut String) {
        let verb = "[\"ssh\", \"{address}\", \"verb\"]";
        let Choices { parallel_max, drain_after_deadline, drain_ms_max, soak_when_bad } =
            self.choices;
        let _ = write!(
            text,
            "[service_center]\nuser = \"admin\"\npassword = {{ env = \"UNUSED\" }}\n\
             [host]\nstart = {verb}\njob = {verb}\nversion = {verb}\nservice = {verb}\n\
             reboot = {verb}\npublish = {}\n[policy]\nparallel_max = {parallel_max}\n\
             drain_after_deadline = \"{drain_after_deadline}\"\ndrain_ms_max = {drain_ms_max}\n\
             soak_when_bad = \"{soak_when_bad}\"\nidle_reads = 3\nidle_window_ms = 60_000\n\
             soak_ms = 120_000\nsoak_test_every_ms = 30_000\n",
            self.publish
        );
    }

    fn load(&self, text: &mut String) {
        let Some(hours) = &self.hours else { return };
        text.push_str("[load]\nmeasured = \"drawn\"\nslot_minutes = 60\n");
        for (at, zone) in self.zones.iter().enumerate() {
            let an_hour = 3_600 * u64::from(zone.load_rps);
            let requests: Vec<u64> = hours.iter().map(|percent| an_hour * percent / 100).collect();
            let _ =
                write!(text, "[[load.zone]]\nzone = \"z{at}\"\nrequests_per_slot = {requests:?}\n");
        }
    }
}

/// The name of a front-end.
fn front_end(server: usize) -> String {
    format!("fe-{server}")
}

fn address_of_node(node: usize) -> String {
    format!("10.9.1.{}", node + 1)
}
