//! The plan: which servers go first, whether the others carry the load, and what could go wrong.
//!
//! * `split` — one partition of the front-ends, by integer programme (`share`: who carries what;
//!   `split_search`: a first split).
//! * `capacity` — load against capacity in every phase and zone, also with one member lost.
//! * `stages` — who is upgraded when.
//! * `window` — when to begin, by the load over a day; `takes` — how long an upgrade takes.
//! * `hazard` — what could go wrong, found beforehand.
//! * [`file`] — the plan file; [`unchanged`] — whether the farm file still says the same.
mod capacity;
pub mod file;
mod hazard;
pub mod model;
mod refuse;
mod share;
mod split;
mod split_search;
#[cfg(test)]
mod split_tests;
mod stages;
mod takes;
pub mod unchanged;
mod window;
#[cfg(test)]
mod window_tests;

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::farm::{Farm, Half, LoadedFarm, hex};
use crate::names::{NodeName, PoolName, ServerName, ZoneName};

pub use file::{FileError, load, save};
pub use model::*;
pub use refuse::Refusal;
use share::Shares;
pub(crate) use share::pool_rps;
pub use takes::{Part, Takes};
pub use unchanged::verify_farm_unchanged;
pub use window::{StartWindow, TimeOfDay, hours};

/// Version of the plan's format.
pub const FORMAT: u32 = 1;

/// Makes a plan of a farm; `force` is why a person wants it although it is refused.
///
/// # Errors
/// Every reason why no plan is safe, with the figures. Some cannot be forced: they are those of
/// a farm that no split fits at all.
pub fn build(loaded: &LoadedFarm, force: Option<String>) -> Result<Plan, Vec<Refusal>> {
    build_taking(loaded, force, None)
}

/// The same, where somebody knows how long the upgrade takes; else it is estimated. It matters
/// where the farm file has a `[load]`: the load of the hours that the upgrade takes must hold.
///
/// # Errors
/// As [`build`]; also when no time of day holds.
pub fn build_taking(
    loaded: &LoadedFarm,
    force: Option<String>,
    takes: Option<Takes>,
) -> Result<Plan, Vec<Refusal>> {
    let farm = &loaded.farm;
    let Some(load) = &farm.load else {
        let shares = Shares::of(farm);
        let split = refuse::split(&shares, force.is_some())?;
        let capacity = capacity::of(&shares, &split.updating);
        return Ok(made(loaded, &shares, split, capacity, None, force));
    };
    let takes = takes.unwrap_or_else(|| Takes::estimated(farm));
    let chosen = window::choose(farm, load, takes, force.is_some())?;
    let (peak, shares) = (window::at_peak(farm, load), Shares::of(&chosen.farm));
    // The whole farm serves at any time of the day, a half only while the upgrade goes on.
    let whole = capacity::of(&Shares::of(&peak), &chosen.split.updating);
    let halves = capacity::of(&shares, &chosen.split.updating);
    let mut capacity: Vec<_> = whole.into_iter().filter(|it| it.phase == Phase::Whole).collect();
    capacity.extend(halves.into_iter().filter(|it| it.phase != Phase::Whole));
    Ok(made(loaded, &shares, chosen.split, capacity, chosen.window, force))
}

/// The plan of a split.
fn made(
    loaded: &LoadedFarm,
    shares: &Shares<'_>,
    split: refuse::Split,
    capacity: Vec<PhaseCapacity>,
    window: Option<StartWindow>,
    force: Option<String>,
) -> Plan {
    let farm = &loaded.farm;
    let refuse::Split { updating, refused } = split;
    let names = |wanted: bool| {
        let servers = farm.front_ends.iter().zip(&updating);
        servers.filter(move |(_, updating)| **updating == wanted).map(|(s, _)| s.name.clone())
    };
    // The controller comes first, the others as in the file.
    let mut first: Vec<ServerName> = names(true).collect();
    first.sort_by_key(|name| *name != farm.controller);
    let loaded_half: Vec<ServerName> = names(false).collect();
    Plan {
        format: FORMAT,
        program: format!("evenkeel {}", env!("CARGO_PKG_VERSION")),
        farm_file: loaded.path.clone(),
        farm: farm.clone(),
        updating_stages: stages::updating(farm, &first),
        loaded_stages: stages::loaded(&loaded_half),
        capacity,
        window,
        hazards: hazard::of(shares, &updating),
        updating: first,
        loaded: loaded_half,
        forced: force.filter(|_| !refused.is_empty()),
    }
}

impl Plan {
    /// SHA-256 of the plan's canonical JSON, in hex: what approvals and the journal are bound to.
    /// Where the farm file lies is no part of it: the same farm has the same plan on any machine.
    #[must_use]
    pub fn hash(&self) -> String {
        let anywhere = Self { farm_file: PathBuf::new(), ..self.clone() };
        let canonical = serde_json::to_vec(&anywhere).expect("a plan has string keys only");
        hex(&Sha256::digest(canonical))
    }

    /// A zone's highest load while a half of the farm serves, in requests per second.
    #[must_use]
    pub fn load_rps(&self, zone: &ZoneName) -> Option<u32> {
        let halves = self.capacity.iter().filter(|it| it.phase != Phase::Whole && it.zone == *zone);
        halves.map(|it| it.load_rps).max()
    }

    /// The half a front-end is in; `None` for a pure controller and for strangers.
    #[must_use]
    pub fn half_of(&self, server: &ServerName) -> Option<Half> {
        if self.updating.contains(server) {
            Some(Half::Updating)
        } else if self.loaded.contains(server) {
            Some(Half::Loaded)
        } else {
            None
        }
    }

    /// The pools a front-end is a member of, in their names' order.
    pub fn pools_of(&self, server: &ServerName) -> impl Iterator<Item = &PoolName> {
        let server = self.farm.front_ends.iter().find(|front_end| front_end.name == *server);
        server.into_iter().flat_map(|front_end| front_end.members.keys())
    }

    /// The balancer nodes that carry a pool, in the order of the file.
    #[must_use]
    pub fn nodes_of_pool(&self, pool: &PoolName) -> Vec<&NodeName> {
        nodes_of_pool(&self.farm, pool)
    }
}

/// The balancer nodes that carry a pool: those it names, or all.
fn nodes_of_pool<'f>(farm: &'f Farm, pool: &PoolName) -> Vec<&'f NodeName> {
    let Some(pool) = farm.pools.iter().find(|other| other.name == *pool) else {
        return Vec::new();
    };
    let nodes = farm.balancers.iter().map(|node| &node.name);
    nodes.filter(|node| pool.nodes.is_empty() || pool.nodes.contains(node)).collect()
}
