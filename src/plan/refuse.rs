//! The split, or why there is none that is safe, with the figures.
use crate::farm::{Farm, FrontEnd, Half, Pool};

use super::share::{Shares, percent};
use super::split::{self, Rules};

/// A reason why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// What is wrong, with the figures.
    pub what: String,
    /// How to mend it.
    pub help: String,
    /// `--force REASON` gets a plan all the same.
    pub can_be_forced: bool,
}

/// A split.
pub(super) struct Split {
    /// For each front-end, whether it is updating.
    pub(super) updating: Vec<bool>,
    /// Why it would have been refused, had nobody forced it.
    pub(super) refused: Vec<Refusal>,
}

/// The best split.
pub(super) fn split(shares: &Shares<'_>, forced: bool) -> Result<Split, Vec<Refusal>> {
    let pins = pins(shares);
    let strict: Vec<usize> = shares.farm.pools.iter().map(|pool| floor(pool.floor)).collect();
    // A zone that may go down is kept up wherever a split can do that.
    let relaxed: Vec<usize> = (shares.farm.pools.iter().zip(&strict))
        .map(|(pool, floor)| if may_go_down(shares.farm, pool) { 0 } else { *floor })
        .collect();
    let below_floor: Vec<usize> = relaxed.iter().map(|least| (*least).min(1)).collect();
    let limit = shares.limit();
    let find = |members_min: Vec<usize>| {
        let rules = Rules { members_min, pins: pins.clone() };
        // The upgrade needs a server to begin with.
        split::best(shares, &rules).filter(|updating| updating.contains(&true))
    };
    let mut best: Option<Split> = None;
    for members_min in [strict, relaxed.clone()] {
        let Some(updating) = find(members_min) else { continue };
        let refused = over(shares, &updating, limit);
        let split = Split { updating, refused };
        if split.refused.is_empty() {
            return Ok(split);
        }
        best.get_or_insert(split);
    }
    match best {
        Some(split) if forced => Ok(split),
        Some(split) => Err(split.refused),
        None => {
            let found = if below_floor == relaxed { None } else { find(below_floor) };
            let refused = no_partition(shares, &relaxed, &pins, found.is_some());
            match found {
                Some(updating) if forced => Ok(Split { updating, refused }),
                _ => Err(refused),
            }
        }
    }
}

fn may_go_down(farm: &Farm, pool: &Pool) -> bool {
    farm.zones.iter().any(|zone| zone.name == pool.zone && zone.may_go_down)
}

/// A floor of 0 would let a pool run empty unnoticed; the farm file's reader refuses it too.
fn floor(floor: u32) -> usize {
    usize::try_from(floor.max(1)).expect("usize has 32 bits")
}

/// The half of each server that is not free: the controller is upgraded first.
fn pins(shares: &Shares<'_>) -> Vec<Option<Half>> {
    let controller = shares.index(&shares.farm.controller);
    let servers = shares.farm.front_ends.iter().enumerate();
    let pin = |(index, server): (usize, &FrontEnd)| {
        if Some(index) == controller { Some(Half::Updating) } else { server.role }
    };
    servers.map(pin).collect()
}

/// One refusal for each phase in which a server carries more than the limit.
fn over(shares: &Shares<'_>, updating: &[bool], limit: f64) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let whole = vec![true; updating.len()];
    let loaded: Vec<bool> = updating.iter().map(|updating| !updating).collect();
    for (serving, when) in [
        (&whole, "with every server serving"),
        (&loaded, "while the loaded half carries everything"),
        (&updating.to_vec(), "while the updating half carries everything"),
    ] {
        let utilisation = shares.utilisation(serving);
        let busiest = (0..serving.len()).max_by(|a, b| utilisation[*a].total_cmp(&utilisation[*b]));
        let Some(busiest) = busiest.filter(|s| !Shares::within(utilisation[*s], limit)) else {
            continue;
        };
        let whole_farm = when.starts_with("with");
        let best = if whole_farm { "" } else { "in the best split found, " };
        refusals.push(Refusal {
            what: format!(
                "{best}{when}, {} is at {} % of its capacity, and {} % is allowed: {}",
                shares.farm.front_ends[busiest].name,
                percent(utilisation[busiest]),
                percent(limit),
                figures(shares, busiest, serving),
            ),
            help: format!(
                "upgrade when there is less load, add servers or capacity, or lower \
                 `policy.margin_percent` (now {})",
                shares.farm.policy.margin_percent
            ),
            can_be_forced: true,
        });
        if whole_farm {
            break; // Halves of a farm that is over its limit as it stands say nothing new.
        }
    }
    refusals
}

/// What a server carries, pool by pool.
fn figures(shares: &Shares<'_>, server: usize, serving: &[bool]) -> String {
    let counts = shares.counts(serving);
    let mut total = 0.0;
    let mut parts = Vec::new();
    for pool in &shares.server_pools[server] {
        let share = shares.member_rps(*pool, &counts);
        total += share;
        parts.push(format!(
            "{share:.1} of {}'s {:.1} requests/s over {} member{}",
            shares.farm.pools[*pool].name,
            shares.pool_rps[*pool],
            counts[*pool],
            if counts[*pool] == 1 { "" } else { "s" },
        ));
    }
    let capacity = shares.farm.front_ends[server].capacity_rps;
    let sum = if parts.len() > 1 { format!(", {total:.1} in all") } else { String::new() };
    format!("{}{sum}; it carries {capacity} at most", parts.join(" and "))
}

/// Why no partition leaves every pool its members.
fn no_partition(
    shares: &Shares<'_>,
    least: &[usize],
    pins: &[Option<Half>],
    can_be_forced: bool,
) -> Vec<Refusal> {
    let refusal = |what: String, help: &str| Refusal { what, help: help.into(), can_be_forced };
    let mut refusals = Vec::new();
    for (pool, servers) in shares.pool_servers.iter().enumerate() {
        let pinned = |half| servers.iter().filter(|server| pins[**server] == Some(half)).count();
        let (name, need, all) = (&shares.farm.pools[pool].name, least[pool], servers.len());
        let (first, last) = (pinned(Half::Updating), pinned(Half::Loaded));
        if all < 2 * need {
            refusals.push(refusal(
                format!("pool {name} has {all} members, and each half needs {need}"),
                "add members, or lower the pool's `floor`",
            ));
        } else if all - first < need || all - last < need {
            refusals.push(refusal(
                format!(
                    "pool {name} has {all} members, of which {first} are pinned to updating (the \
                     controller is) and {last} to loaded; each half needs {need}"
                ),
                "delete a `role`, or lower the pool's `floor`",
            ));
        }
    }
    if refusals.is_empty() {
        refusals.push(refusal(
            "no partition of the servers leaves every pool its members in both halves: each pool \
             could be split, but not all at once, since they share servers"
                .into(),
            "add members to the pools that share servers, delete a `role`, or lower a `floor`",
        ));
    }
    refusals
}
