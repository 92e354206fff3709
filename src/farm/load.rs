//! The load over a day, as access logs have it: `evenkeel-sim profile` writes it.
use serde::{Deserialize, Serialize};

use crate::names::ZoneName;

/// A day's minutes.
pub const DAY_MINUTES: u32 = 1_440;
/// The longest requests are these few at most.
pub const LONGEST_MAX: usize = 10;

/// What access logs tell of the load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Where the figures are from, for people.
    pub measured: String,
    /// How long a slot of the curve is, in minutes; a day is a multiple of it.
    pub slot_minutes: u32,
    /// Each zone's. A zone that is not here has its `load_rps` all day.
    #[serde(rename = "zone")]
    pub zones: Vec<ZoneLoad>,
}

/// One zone's load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneLoad {
    /// The zone.
    pub zone: ZoneName,
    /// Requests of each slot of a day in UTC, the first from midnight; of several days the busiest
    /// value of each slot.
    pub requests_per_slot: Vec<u64>,
    /// How long requests take: upper bound in milliseconds, ascending, and how many took at most
    /// that long and longer than the bound before.
    #[serde(default)]
    pub service_ms: Vec<(u64, u64)>,
    /// The longest requests in milliseconds, descending.
    #[serde(default)]
    pub longest_ms: Vec<u64>,
    /// Time from an answer to the next request of the same connection, or of the same client,
    /// like `service_ms`; empty where no log tells it.
    #[serde(default)]
    pub keep_alive_gap_ms: Vec<(u64, u64)>,
}

impl Load {
    /// Slots of a day.
    #[must_use]
    pub fn slots(&self) -> usize {
        usize::try_from(DAY_MINUTES / self.slot_minutes).expect("usize has 32 bits")
    }

    /// Requests per second of so many in a slot: its mean, rounded up.
    #[must_use]
    pub fn rps(&self, requests: u64) -> u32 {
        let rps = requests.div_ceil(60 * u64::from(self.slot_minutes));
        u32::try_from(rps).unwrap_or(u32::MAX)
    }
}
