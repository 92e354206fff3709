//! Who carries what: how the load of zones falls on the members that serve.
//!
//! A zone's load is shared among its pools by `load_share`, and a pool's evenly among its serving
//! members (the baseline's equal weights; a weight that differs is the balancer's own business
//! and shows in `check --live`). A server's load is the sum over its pools.
use crate::farm::{Farm, FrontEnd};
use crate::names::{PoolName, ServerName};

/// A utilisation this little over the limit is rounding, not load.
const ROUNDING: f64 = 1e-9;

/// A farm as numbers: pools and servers by index, in the order of the file.
pub(super) struct Shares<'f> {
    /// The farm.
    pub(super) farm: &'f Farm,
    /// Requests per second of each pool.
    pub(super) pool_rps: Vec<f64>,
    /// Servers of each pool.
    pub(super) pool_servers: Vec<Vec<usize>>,
    /// Pools of each server.
    pub(super) server_pools: Vec<Vec<usize>>,
}

impl<'f> Shares<'f> {
    /// Counts a farm out.
    pub(super) fn of(farm: &'f Farm) -> Self {
        let pool_rps = farm.pools.iter().map(|pool| pool_rps(farm, &pool.name)).collect();
        let serves = |server: &FrontEnd, pool: &PoolName| server.members.contains_key(pool);
        let pool_servers = farm
            .pools
            .iter()
            .map(|pool| {
                let servers = farm.front_ends.iter().enumerate();
                servers.filter(|(_, s)| serves(s, &pool.name)).map(|(index, _)| index).collect()
            })
            .collect();
        let server_pools = farm
            .front_ends
            .iter()
            .map(|server| {
                let pools = farm.pools.iter().enumerate();
                pools.filter(|(_, p)| serves(server, &p.name)).map(|(index, _)| index).collect()
            })
            .collect();
        Self { farm, pool_rps, pool_servers, server_pools }
    }

    /// Serving members of each pool, when `serving` says which servers serve.
    pub(super) fn counts(&self, serving: &[bool]) -> Vec<usize> {
        self.pool_servers
            .iter()
            .map(|servers| servers.iter().filter(|server| serving[**server]).count())
            .collect()
    }

    /// A server's capacity.
    pub(super) fn capacity_rps(&self, server: usize) -> f64 {
        f64::from(self.farm.front_ends[server].capacity_rps)
    }

    /// Load over capacity of each server; 0 for those that do not serve. Load of a pool without
    /// a serving member is nobody's.
    pub(super) fn utilisation(&self, serving: &[bool]) -> Vec<f64> {
        let counts = self.counts(serving);
        (0..serving.len())
            .map(|server| {
                if !serving[server] {
                    return 0.0;
                }
                let load: f64 = self.server_pools[server]
                    .iter()
                    .map(|pool| self.member_rps(*pool, &counts))
                    .sum();
                load / self.capacity_rps(server)
            })
            .collect()
    }

    /// What one serving member of a pool gets.
    pub(super) fn member_rps(&self, pool: usize, counts: &[usize]) -> f64 {
        let members = u32::try_from(counts[pool].max(1)).expect("a farm file is under a megabyte");
        self.pool_rps[pool] / f64::from(members)
    }

    /// The highest utilisation that policy allows.
    pub(super) fn limit(&self) -> f64 {
        1.0 - f64::from(self.farm.policy.margin_percent) / 100.0
    }

    /// Whether a utilisation is within a limit.
    pub(super) fn within(utilisation: f64, limit: f64) -> bool {
        utilisation <= limit + ROUNDING
    }

    /// A server's index.
    pub(super) fn index(&self, name: &ServerName) -> Option<usize> {
        self.farm.front_ends.iter().position(|server| server.name == *name)
    }
}

/// Requests per second of a pool: its share of its zone's.
pub(crate) fn pool_rps(farm: &Farm, name: &PoolName) -> f64 {
    let Some(pool) = farm.pools.iter().find(|pool| pool.name == *name) else { return 0.0 };
    let of_zone = farm.pools.iter().filter(|other| other.zone == pool.zone);
    let shares: f64 = of_zone.map(|other| f64::from(other.load_share)).sum();
    let zone = farm.zones.iter().find(|zone| zone.name == pool.zone);
    let load = zone.map_or(0.0, |zone| f64::from(zone.load_rps));
    if shares > 0.0 { load * f64::from(pool.load_share) / shares } else { 0.0 }
}

/// A share as a whole percentage, rounded up: a figure for people is never rosier than the truth.
pub(super) fn percent(share: f64) -> u32 {
    // Utilisations are far below the range of u32, and the cast saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let percent = ((share - ROUNDING) * 100.0).ceil().max(0.0) as u32;
    percent
}
