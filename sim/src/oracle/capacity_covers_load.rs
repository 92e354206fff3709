//! **Capacity covers load**: no serving member is sent more requests a second than its server can
//! answer, and none of its users is turned away by a queue.
//!
//! Why: a half that is too small for the users answers all of them late, and then none; that the
//! other half is being upgraded is no comfort to them.
//!
//! Judged by the users that stand, twice. By what comes: each zone's requests of that time of day
//! are dealt to its pools and nodes by their shares, those of a node that is down to the next of the
//! pool's nodes that runs, there to the eligible members by weight; a server's load is the sum over
//! its pools and nodes. By what became of it: requests that found a server's queue full, or that
//! their users gave up in it.
//!
//! Allowed to fail for a server while a fault has taken another one out of a pool that both serve:
//! * a crash: while it is down, and until the best orchestrator could have proven it again and
//!   put it back ([`super::Bounds::prove`]);
//! * a failed upgrade: until somebody has mended it;
//! * applications that broke, whose checks fail: while they are, and until the same;
//! * a person who had it left out, and was told whom that overloads: from then on;
//! * an operator's change of it: within the bound in which it is enabled and proven again
//!   ([`super::Faults::edit_excuse`]);
//! * a deployment that began while it served, because it had enabled itself: until its upgrade
//!   begins, since what it serves until then is neither the old applications nor the new;
//!
//! while checks of another member on the node flap ([`super::Faults::flap_excuse`]);
//! and within the bound after a reload of a node, or another change behind the orchestrator's back.
//! Users are turned away later than too many of them came: what piled up while it was excused is
//! excused until the queue has been empty.
//!
//! Sabotage that breaks it: drain one server more than the plan says.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel_fakes::spec::Spec;

use super::ground::Member;
use super::{Context, Excuse, Finding, Ground, Invariant, Sight, Span, TurnedAway, longest};
use crate::traffic::{RateCurve, TrafficSpec};

/// What users ask for, and what servers can answer.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    /// When each zone's requests come.
    zones: Vec<RateCurve>,
    /// The zone of each pool on each node, by node and pool, and what part of its requests comes
    /// there.
    lanes: BTreeMap<(String, String), (usize, f64)>,
    /// The nodes of each pool, in the order in which users try them whose own is down.
    nodes: BTreeMap<String, Vec<String>>,
    /// Requests a second that each server can answer.
    pub(super) capacity: BTreeMap<String, f64>,
    /// Nobody waits longer in a queue, in milliseconds.
    pub(super) wait_ms_max: u64,
}

impl Demand {
    /// The demand of a farm.
    #[must_use]
    pub fn of(spec: &Spec, traffic: &TrafficSpec) -> Self {
        let (mut zones, mut lanes, mut nodes_of) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for zone in &spec.zones {
            let Some(load) = traffic.zones.get(&zone.name) else { continue };
            let pools = || spec.pools.iter().filter(|pool| pool.zone == zone.name);
            let shares: u32 = pools().map(|pool| pool.load_share).sum();
            for pool in pools() {
                let nodes: Vec<String> = match pool.nodes.is_empty() {
                    true => spec.balancers.iter().map(|node| node.name.clone()).collect(),
                    false => pool.nodes.clone(),
                };
                let part = f64::from(pool.load_share)
                    / f64::from(shares.max(1))
                    / nodes.len().max(1) as f64;
                let lane = |node: &String| ((node.clone(), pool.name.clone()), (zones.len(), part));
                lanes.extend(nodes.iter().map(lane));
                nodes_of.insert(pool.name.clone(), nodes);
            }
            zones.push(load.rate.clone());
        }
        let capacity = spec.front_ends.iter();
        let capacity = capacity.map(|it| (it.name.clone(), f64::from(it.capacity_rps))).collect();
        let waits = traffic.servers.values().map(|it| it.limits.wait_ms_max);
        let wait_ms_max = waits.max().unwrap_or_default();
        Self { zones, lanes, nodes: nodes_of, capacity, wait_ms_max }
    }

    /// Servers that are asked to answer more than they can when users' requests are shared among
    /// the members that get some, and how much that is.
    pub(super) fn overloaded<'a>(
        &self,
        ground: &'a Ground,
        gets_some: impl Fn(&Member) -> bool,
    ) -> BTreeMap<&'a str, f64> {
        let mut loads = self.loads(ground, gets_some, |rate| rate.rate_at(ground.now_ms));
        loads.retain(|server, rps| *rps > self.capacity[*server] * ROUNDING);
        loads
    }

    /// Without a server, some other that is ready could not answer what it would get at the
    /// busiest time: whoever decides for the hours to come cannot do without it.
    pub(super) fn needs(&self, server: &str, ground: &Ground) -> bool {
        let others = |it: &Member| it.eligible() && it.server != server && ground.ready(&it.server);
        let clean = |it: &Member| others(it) && !ground.servers[&it.server].half_deployed();
        let loads = self.loads(ground, clean, RateCurve::rate_max);
        loads.into_iter().any(|(other, rps)| rps > self.capacity[other])
    }

    fn loads<'a>(
        &self,
        ground: &'a Ground,
        gets_some: impl Fn(&Member) -> bool,
        rate: impl Fn(&RateCurve) -> u64,
    ) -> BTreeMap<&'a str, f64> {
        let mut loads: BTreeMap<&str, f64> = BTreeMap::new();
        let lanes = ground.lanes();
        for (&(node, pool), own) in &lanes {
            let lane = self.lanes.get(&(node.to_owned(), pool.to_owned()));
            let Some((zone, part)) = lane else { continue };
            let rps = rate(&self.zones[*zone]) as f64 / 1e6 * part;
            let members = lanes.get(&(self.living(ground, node, pool), pool)).unwrap_or(own);
            let who = || members.iter().filter(|(_, it)| gets_some(it));
            let weights: u32 = who().map(|(_, it)| it.weight).sum();
            for (_, member) in who() {
                *loads.entry(&member.server).or_default() +=
                    rps * f64::from(member.weight) / f64::from(weights);
            }
        }
        loads
    }

    /// Where users of a pool on a node go: to that node, or to another while it is down, whose
    /// servers have to answer for both.
    fn living<'n>(&'n self, ground: &Ground, node: &'n str, pool: &str) -> &'n str {
        if ground.node_up(node) {
            return node;
        }
        let mut nodes = self.nodes.get(pool).into_iter().flatten().map(String::as_str);
        nodes.find(|other| ground.node_up(other)).unwrap_or(node)
    }

    /// When the rate of a zone may change next.
    fn next_change_ms(&self, now_ms: u64) -> u64 {
        let changes = self.zones.iter().filter_map(|rate| rate.next_change_ms(now_ms));
        changes.min().unwrap_or(u64::MAX)
    }
}

/// More than capacity by no more than this is what whole-numbered weights make of it.
const ROUNDING: f64 = 1.01;

#[derive(Default)]
pub(super) struct CapacityCoversLoad {
    /// The revision of members that was judged last, and until when it stands.
    judged: Option<(u64, u64)>,
    /// Who has too much, and how much.
    overloaded: Vec<(String, f64)>,
}

impl Invariant for CapacityCoversLoad {
    fn name(&self) -> &'static str {
        "capacity_covers_load"
    }

    fn sentence(&self) -> &'static str {
        "no serving member is sent more requests than its server can answer"
    }

    fn over(&mut self, _span: Span, ground: &Ground, context: &Context) -> Vec<Finding> {
        let demand = &context.demand;
        let stands = |(revision, until_ms)| revision == ground.revision && ground.now_ms < until_ms;
        if !self.judged.is_some_and(stands) {
            self.judged = Some((ground.revision, demand.next_change_ms(ground.now_ms)));
            let too_much = demand.overloaded(ground, Member::eligible).into_iter();
            self.overloaded = too_much.map(|(server, rps)| (server.to_owned(), rps)).collect();
        }
        let serving = self.overloaded.iter().filter(|(server, _)| ground.servers[server].serves());
        serving
            .map(|(server, rps)| Finding {
                from_ms: None,
                subject: server.clone(),
                what: format!(
                    "{server} is sent {rps:.0} requests a second and can answer {:.0}",
                    demand.capacity[server]
                ),
                excuse: excuse(server, ground, context),
            })
            .collect()
    }

    fn saw(&mut self, sight: &Sight<'_>, ground: &Ground, context: &Context) -> Vec<Finding> {
        let Sight::TurnedAway(TurnedAway { server, requests, piling_up_since_ms }) = sight else {
            return Vec::new();
        };
        let excuse = excuse(server, ground, context)
            .filter(|it| it.covers(*piling_up_since_ms))
            .map(|it| Excuse { until_ms: it.until_ms.map(|ms| ms.max(ground.now_ms + 1)), ..it });
        vec![Finding {
            from_ms: None,
            subject: server.clone(),
            what: format!("{server} has turned users away from its queue: {requests}"),
            excuse,
        }]
    }
}

/// The excuse of whatever took a member away that would share the load.
pub(super) fn excuse(server: &str, ground: &Ground, context: &Context) -> Option<Excuse> {
    let faults = &context.faults;
    let mut excuses = Vec::new();
    let mut peers: BTreeSet<&str> = BTreeSet::new();
    for ((node, _), members) in ground.lanes() {
        if members.iter().any(|(_, it)| it.server == server) {
            excuses.extend(faults.reload_excuse(node));
            peers.extend(members.iter().map(|(_, it)| it.server.as_str()));
            let flapping =
                members.iter().filter_map(|(_, it)| faults.flap_excuse(node, &it.server));
            excuses.extend(flapping);
        }
    }
    for peer in peers {
        let it = &ground.servers[peer];
        excuses.extend(faults.absence_excuse(peer, it.touched, |at_ms| it.ready_after(at_ms)));
        excuses.extend(faults.edit_excuse(peer));
        excuses.extend(context.left_out.get(peer).map(|it| Excuse::lasting("leave-out", it)));
        if ground.servers[peer].half_deployed() {
            excuses.push(Excuse::lasting("self-enabling", peer));
        }
    }
    longest(excuses)
}
