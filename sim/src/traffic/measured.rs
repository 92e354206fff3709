//! What was measured of a farm's users, in the shape that farm files have it: `[load]`.
use std::collections::BTreeMap;

use serde::Deserialize;

use super::arrivals::RateCurve;
use super::histogram::Histogram;
use super::service::ServiceTimes;
use super::spec::ZoneLoad;

/// The section `[load]`.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// Where the figures are from.
    pub measured: String,
    /// How long a slot is.
    pub slot_minutes: u64,
    /// By zone.
    #[serde(rename = "zone")]
    pub zones: Vec<MeasuredZone>,
}

/// What was measured of one zone.
#[derive(Clone, Debug, Deserialize)]
pub struct MeasuredZone {
    /// Its name.
    pub zone: String,
    /// One UTC day: 1,440 / `slot_minutes` numbers.
    pub requests_per_slot: Vec<u64>,
    /// (upper bound, count), ascending.
    pub service_ms: Vec<(u64, u64)>,
    /// The longest requests one by one, which `service_ms` counts too.
    #[serde(default)]
    pub longest_ms: Vec<u64>,
    /// Gaps between requests of one user: (upper bound, count), ascending.
    #[serde(default)]
    pub keep_alive_gap_ms: Vec<(u64, u64)>,
}

const MINUTE_MS: u64 = 60_000;

impl Measured {
    /// The load of each zone; otherwise everything that is wrong.
    pub(super) fn zones(&self) -> Result<BTreeMap<String, ZoneLoad>, Vec<String>> {
        let (mut loads, mut wrong) = (BTreeMap::new(), Vec::new());
        for zone in &self.zones {
            match self.zone(zone) {
                Ok(load) => _ = loads.insert(zone.zone.clone(), load),
                Err(why) => wrong.push(format!("load of zone {}: {why}", zone.zone)),
            }
        }
        if wrong.is_empty() { Ok(loads) } else { Err(wrong) }
    }

    fn zone(&self, zone: &MeasuredZone) -> Result<ZoneLoad, String> {
        let slots = zone.requests_per_slot.len() as u64;
        if slots * self.slot_minutes != 24 * 60 {
            return Err(format!("{slots} slots of {} minutes are no day", self.slot_minutes));
        }
        let gaps = &zone.keep_alive_gap_ms;
        Ok(ZoneLoad {
            rate: RateCurve::slots(self.slot_minutes * MINUTE_MS, zone.requests_per_slot.clone())?,
            service: ServiceTimes::Measured(Histogram::new(&zone.service_ms, &zone.longest_ms)?),
            gaps: (!gaps.is_empty()).then(|| Histogram::new(gaps, &[])).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(slots: usize) -> Measured {
        let text = format!(
            r#"
            measured = "a week of logs"
            slot_minutes = 15
            [[zone]]
            zone = "Shop"
            requests_per_slot = {:?}
            service_ms = [[100, 900], [1_000, 99], [60_000, 1]]
            longest_ms = [42_000]
            keep_alive_gap_ms = [[1_000, 5], [60_000, 2]]
            "#,
            vec![900; slots]
        );
        toml::from_str(&text).expect("the specimen is a section")
    }

    /// Goal: the section of a farm file is a load. Method: read one, with a day and with less.
    #[test]
    fn section_of_a_farm_file_is_a_load_and_half_a_day_is_none() {
        let zones = load(96).zones().expect("a load");
        assert_eq!(zones["Shop"].rate.rate_at(0), 1_000_000, "one a second");
        assert!(zones["Shop"].gaps.is_some());
        let wrong = load(48).zones().expect_err("half a day");
        assert_eq!(wrong, ["load of zone Shop: 48 slots of 15 minutes are no day"]);
    }
}
