//! What traffic is made of, as plain data: users by zone, servers, and how pools share requests.
use std::collections::BTreeMap;

use serde::Deserialize;

use evenkeel_fakes::spec::{FrontEndSpec, Spec, ZoneLoadSpec};

use super::arrivals::RateCurve;
use super::histogram::Histogram;
use super::measured;
use super::service::{Sampler, ServiceTimes};
use super::{NS_PER_MS, REQUEST_MS_MAX};

/// Requests that may wait before a server's applications: IIS's default `queueLength` of an
/// application pool, beyond which it answers 503.
/// (learn.microsoft.com/iis/configuration/system.applicationhost/applicationpools/add)
const QUEUE_MAX: u32 = 1_000;
/// How long a user looks at an empty page before giving up: an assumption.
const WAIT_MS_MAX: u64 = 30_000;
/// For how long a request counts against its server's capacity. What lasts longer waits for the
/// database or for the user's line: that holds a thread, of which IIS starts more, but no processor.
const HELD_MS_MAX: u64 = 2_000;
/// Two seconds late is late for anybody.
const SLOW_MS: u64 = 2_000;
/// A capacity of a farm file is what a server answers well. Beyond four fifths of what workers can
/// do, waiting grows without bound (with eight workers it doubles from 80 % to 90 %, and again at
/// 95 %); so this is what four fifths of the workers' work amounts to, in percent.
const CAPACITY_PERCENT: u128 = 80;

/// The traffic of a farm.
#[derive(Clone, Debug)]
pub struct TrafficSpec {
    /// By zone; who is not named has no users.
    pub zones: BTreeMap<String, ZoneLoad>,
    /// By front-end; every one of the farm's.
    pub servers: BTreeMap<String, ServerSpec>,
    /// By pool; who is not named has [`PoolLoad::default`].
    pub pools: BTreeMap<String, PoolLoad>,
    /// How long users have been coming when a run begins, at the rate of its beginning.
    pub before_ms: u64,
}

/// The users of a zone.
#[derive(Clone, Debug)]
pub struct ZoneLoad {
    /// When they ask.
    pub rate: RateCurve,
    /// How long answers take.
    pub service: ServiceTimes,
    /// Gaps between requests of one user, which decide whether a connection is kept.
    pub gaps: Option<Histogram>,
}

/// A front-end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// Requests that it works on at a time; at least one.
    pub workers: u32,
    /// What it does with more.
    pub limits: Limits,
}

/// What a scenario says of how users' requests are shared and served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsersTruth {
    /// How pools share them, by pool; who is not named has [`PoolLoad::default`].
    pub pool: BTreeMap<String, PoolLoad>,
    /// What every front-end does with more than it can work on.
    pub front_end: Limits,
}

impl UsersTruth {
    /// # Errors
    /// A pool is not the farm's, or keeps connections of users of whom nothing is known.
    pub fn check(&self, spec: &Spec) -> Result<(), String> {
        for (name, load) in &self.pool {
            let Some(pool) = spec.pools.iter().find(|pool| pool.name == *name) else {
                return Err(format!("[users.pool.{name}]: the farm has no such pool"));
            };
            let zones = spec.load.iter().flat_map(|load| &load.zones);
            let of_zone = |it: &&ZoneLoadSpec| it.zone == pool.zone;
            let gaps = zones.filter(of_zone).any(|it| !it.keep_alive_gap_ms.is_empty());
            if load.keep_alive_ms.is_some() && !gaps {
                return Err(format!(
                    "[users.pool.{name}]: keep_alive_ms wants keep_alive_gap_ms of zone {} in the \
                     farm file's [load]: `evenkeel-sim profile` writes it",
                    pool.zone
                ));
            }
        }
        Ok(())
    }
}

/// What a front-end does with more requests than it can work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests that wait for a worker; who comes then is refused with 503.
    pub queue_max: u32,
    /// How long a user waits for a worker before giving up.
    pub wait_ms_max: u64,
    /// How long an answer may take from its start; then it is broken off with an error.
    pub answer_ms_max: u64,
    /// For how long a request holds a worker at most.
    pub held_ms_max: u64,
    /// Answered later by more than this than by an idle, warm server is slow.
    pub slow_ms: u64,
    /// After its applications started.
    pub cold: ColdStart,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_max: QUEUE_MAX,
            wait_ms_max: WAIT_MS_MAX,
            answer_ms_max: REQUEST_MS_MAX,
            held_ms_max: HELD_MS_MAX,
            slow_ms: SLOW_MS,
            // Three times as long at first, for half a minute: an assumption. Pages are compiled
            // and caches filled by the first requests for them.
            cold: ColdStart { extra_percent: 200, falls_over_ms: 30_000 },
        }
    }
}

/// A server whose applications were just started takes longer, less and less so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColdStart {
    /// How much longer answers take at first, in percent of what they hold a worker.
    pub extra_percent: u32,
    /// After so long they take no longer; the extra falls evenly until then.
    pub falls_over_ms: u64,
}

/// How a pool shares requests among its members on each node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolLoad {
    /// Who is next.
    pub balancing: Balancing,
    /// A member that was down gets its share of requests only after so long (`slowstart`).
    pub slow_start_ms: u64,
    /// TCP mode: all requests of a user's connection go to one member, also when it is drained, and
    /// a connection is kept for so long without requests. Needs [`ZoneLoad::gaps`].
    pub keep_alive_ms: Option<u64>,
}

/// Who gets the next request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balancing {
    /// Members in turn, by weight.
    #[default]
    RoundRobin,
    /// Whoever has the fewest requests in flight for his weight.
    LeastConnections,
}

impl TrafficSpec {
    /// What a farm file says: the measured load of each zone; of the others a constant one, with
    /// default service times. What a scenario says beside it: how it is shared and served.
    #[must_use]
    pub fn of(spec: &Spec, users: &UsersTruth) -> Self {
        let load = |rps| ZoneLoad {
            rate: RateCurve::constant(rps),
            service: ServiceTimes::default(),
            gaps: None,
        };
        let constant = spec.zones.iter().map(|zone| (zone.name.clone(), load(zone.load_rps)));
        let mut zones: BTreeMap<String, ZoneLoad> = constant.collect();
        zones.extend(spec.load.iter().flat_map(measured::zones));
        let server = |it: &FrontEndSpec| (it.name.clone(), server(it, users.front_end, &zones));
        let servers = spec.front_ends.iter().map(server).collect();
        Self { zones, servers, pools: users.pool.clone(), before_ms: 0 }
    }

    /// The same for a run that begins while users are at work: what the longest of their requests
    /// hold is held from the first instant on.
    #[must_use]
    pub fn going_on(mut self) -> Self {
        self.before_ms = REQUEST_MS_MAX;
        self
    }

    /// The same for a run that begins at another time of day than the busiest, in minutes from
    /// midnight UTC.
    #[must_use]
    pub fn beginning_at(mut self, minute: u32) -> Self {
        for zone in self.zones.values_mut() {
            zone.rate.begin_at(minute);
        }
        self
    }
}

/// The mean time for which a request holds a worker of a server, over the zones that it serves.
pub(super) fn mean_held_ns(
    front_end: &FrontEndSpec,
    held_ms_max: u64,
    zones: &BTreeMap<String, ZoneLoad>,
) -> u64 {
    let mut sums = (0, 0);
    for load in front_end.zones.iter().filter_map(|zone| zones.get(zone)) {
        // A zone without users counts a little, so that a server of such zones has a mean too.
        let rate = u128::from(load.rate.rate_max().max(1));
        let counts_ns_max = held_ms_max.saturating_mul(NS_PER_MS);
        let mean_ns = Sampler::new(&load.service).mean_ns(counts_ns_max);
        sums = (sums.0 + rate * u128::from(mean_ns), sums.1 + rate);
    }
    (sums.0 / u128::max(sums.1, 1)).max(1) as u64
}

fn server(
    front_end: &FrontEndSpec,
    limits: Limits,
    zones: &BTreeMap<String, ZoneLoad>,
) -> ServerSpec {
    let held_ns = mean_held_ns(front_end, limits.held_ms_max, zones);
    let busy = u128::from(front_end.capacity_rps) * u128::from(held_ns) * 100;
    let workers = busy.div_ceil(1_000_000_000 * CAPACITY_PERCENT);
    let workers = u32::try_from(workers.max(1)).expect("a server has fewer than 2^32 workers");
    ServerSpec { workers, limits }
}
