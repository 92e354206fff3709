//! **Capacity covers load**: no serving member is sent more requests a second than its server can
//! answer, when the users of the farm file are shared among those that are eligible.
//!
//! Why: a half that is too small for the users answers all of them late, and then none; that the
//! other half is being upgraded is no comfort to them.
//!
//! Judged by the users that stand: each zone's requests are dealt to its pools and nodes by their
//! shares, there to the eligible members by weight, as the traffic of the rehearsal deals them. A
//! server's load is the sum over its pools and nodes.
//!
//! Allowed to fail for a server while a fault has taken another one out of a pool that both serve:
//! * a crash: while it is down, and until the best orchestrator could have proven it again and
//!   put it back ([`super::Bounds::prove`]);
//! * a failed upgrade: until somebody has mended it, since a person may leave the server out;
//! * an operator's change of it: within the bound in which it is enabled and proven again
//!   ([`super::Faults::edit_excuse`]);
//! * a deployment that began while it served, because it had enabled itself: until its upgrade
//!   begins, since what it serves until then is neither the old applications nor the new;
//!
//! while checks of another member on the node flap ([`super::Faults::flap_excuse`]);
//! and within the bound after a reload of a node, or another change behind the orchestrator's back.
//!
//! Sabotage that breaks it: drain one server more than the plan says.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel_fakes::spec::Spec;

use super::{Context, Excuse, Finding, Ground, Invariant, Span, longest};

/// What users ask for, and what servers can answer.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    /// Requests a second that arrive at each pool on each node, by node and pool.
    pub lanes: BTreeMap<(String, String), f64>,
    /// Requests a second that each server can answer.
    pub capacity: BTreeMap<String, f64>,
}

impl Demand {
    /// The demand of a farm.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let mut lanes = BTreeMap::new();
        for zone in &spec.zones {
            let pools = || spec.pools.iter().filter(|pool| pool.zone == zone.name);
            let shares: u32 = pools().map(|pool| pool.load_share).sum();
            for pool in pools() {
                let carries = |node: &&String| pool.nodes.is_empty() || pool.nodes.contains(node);
                let nodes: Vec<&String> =
                    spec.balancers.iter().map(|node| &node.name).filter(carries).collect();
                let rps = f64::from(zone.load_rps) * f64::from(pool.load_share)
                    / f64::from(shares.max(1))
                    / nodes.len().max(1) as f64;
                lanes.extend(nodes.into_iter().map(|it| ((it.clone(), pool.name.clone()), rps)));
            }
        }
        let capacity = spec.front_ends.iter();
        let capacity = capacity.map(|it| (it.name.clone(), f64::from(it.capacity_rps))).collect();
        Self { lanes, capacity }
    }

    /// What each server is asked to answer, as members stand.
    fn loads<'a>(&self, ground: &'a Ground) -> BTreeMap<&'a str, f64> {
        let mut loads: BTreeMap<&str, f64> = BTreeMap::new();
        for ((node, pool), members) in ground.lanes() {
            let Some(rps) = self.lanes.get(&(node.to_owned(), pool.to_owned())) else { continue };
            let eligible = || members.iter().filter(|(_, it)| it.eligible());
            let weights: u32 = eligible().map(|(_, it)| it.weight).sum();
            for (_, member) in eligible() {
                *loads.entry(&member.server).or_default() +=
                    rps * f64::from(member.weight) / f64::from(weights);
            }
        }
        loads
    }
}

/// More than capacity by no more than this is what whole-numbered weights make of it.
const ROUNDING: f64 = 1.01;

#[derive(Default)]
pub(super) struct CapacityCoversLoad {
    /// The revision of members that was judged last.
    judged: Option<u64>,
    /// Who has too much, and how much.
    overloaded: Vec<(String, f64)>,
    /// Untouched servers to which deployment began while they served.
    half_deployed: BTreeSet<String>,
}

impl CapacityCoversLoad {
    fn watch_deployment(&mut self, ground: &Ground) {
        self.half_deployed.retain(|name| !ground.servers[name].touched);
        let deploying = ground.servers.iter().filter(|(_, it)| {
            it.deploying_since_ms.is_some() && it.enabled_itself_at_ms.is_some() && !it.touched
        });
        for (name, _) in deploying {
            if ground.members.values().any(|it| it.server == *name && it.eligible()) {
                self.half_deployed.insert(name.clone());
            }
        }
    }
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
        self.watch_deployment(ground);
        if self.judged != Some(ground.revision) {
            self.judged = Some(ground.revision);
            let loads = demand.loads(ground).into_iter();
            let too_much = loads.filter(|(server, rps)| *rps > demand.capacity[*server] * ROUNDING);
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
                excuse: excuse(server, &self.half_deployed, ground, context),
            })
            .collect()
    }
}

/// The excuse of whatever took a member away that would share the load.
fn excuse(
    server: &str,
    half_deployed: &BTreeSet<String>,
    ground: &Ground,
    context: &Context,
) -> Option<Excuse> {
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
        excuses.extend(faults.absence_excuse(peer, ground.servers[peer].ready_since_ms));
        excuses.extend(faults.edit_excuse(peer));
        if half_deployed.contains(peer) {
            excuses.push(Excuse::lasting("self-enabling", peer));
        }
    }
    longest(excuses)
}
