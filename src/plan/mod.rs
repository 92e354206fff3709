//! The plan: which servers go first, whether the others carry the load, and what could go wrong.
//!
//! * `split` — one partition of the front-ends, by integer programme (`share`: who carries what;
//!   `split_search`: a first split).
//! * `capacity` — load against capacity in every phase and zone, also with one member lost.
//! * `stages` — who is upgraded when.
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
pub mod unchanged;

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::farm::{Farm, Half, LoadedFarm, hex};
use crate::names::{NodeName, PoolName, ServerName};

pub use file::{FileError, load, save};
pub use model::*;
pub use refuse::Refusal;
use share::Shares;
pub use unchanged::verify_farm_unchanged;

/// Version of the plan's format.
pub const FORMAT: u32 = 1;

/// Makes a plan of a farm; `force` is why a person wants it although it is refused.
///
/// # Errors
/// Every reason why no plan is safe, with the figures. Some cannot be forced: they are those of
/// a farm that no split fits at all.
pub fn build(loaded: &LoadedFarm, force: Option<String>) -> Result<Plan, Vec<Refusal>> {
    let farm = &loaded.farm;
    let shares = Shares::of(farm);
    let refuse::Split { updating, refused } = refuse::split(&shares, force.is_some())?;
    let names = |wanted: bool| {
        let servers = farm.front_ends.iter().zip(&updating);
        servers.filter(move |(_, updating)| **updating == wanted).map(|(s, _)| s.name.clone())
    };
    // The controller comes first, the others as in the file.
    let mut first: Vec<ServerName> = names(true).collect();
    first.sort_by_key(|name| *name != farm.controller);
    let loaded_half: Vec<ServerName> = names(false).collect();
    Ok(Plan {
        format: FORMAT,
        program: format!("evenkeel {}", env!("CARGO_PKG_VERSION")),
        farm_file: loaded.path.clone(),
        farm: farm.clone(),
        updating_stages: stages::updating(farm, &first),
        loaded_stages: stages::loaded(&loaded_half),
        capacity: capacity::of(&shares, &updating),
        hazards: hazard::of(&shares, &updating),
        updating: first,
        loaded: loaded_half,
        forced: force.filter(|_| !refused.is_empty()),
    })
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
