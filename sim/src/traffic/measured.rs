//! What was measured of a farm's users, as farm files have it in `[load]`, made a load.
use std::collections::BTreeMap;

use evenkeel_fakes::spec::{LoadSpec, ZoneLoadSpec};

use super::arrivals::RateCurve;
use super::histogram::Histogram;
use super::service::ServiceTimes;
use super::spec::ZoneLoad;

const MINUTE_MS: u64 = 60_000;

/// The load of each zone that was measured.
///
/// # Panics
/// The figures are none: whoever read the farm file refuses it before anything is rehearsed.
pub(super) fn zones(load: &LoadSpec) -> BTreeMap<String, ZoneLoad> {
    let zone = |it: &ZoneLoadSpec| {
        let load = zone(load.slot_minutes, it);
        (it.zone.clone(), load.unwrap_or_else(|why| panic!("load of zone {}: {why}", it.zone)))
    };
    load.zones.iter().map(zone).collect()
}

fn zone(slot_minutes: u32, measured: &ZoneLoadSpec) -> Result<ZoneLoad, String> {
    let slot_ms = u64::from(slot_minutes) * MINUTE_MS;
    let service = match measured.service_ms.is_empty() {
        // No log told it: what is usual.
        true => ServiceTimes::default(),
        false => {
            ServiceTimes::Measured(Histogram::new(&measured.service_ms, &measured.longest_ms)?)
        }
    };
    let gaps = &measured.keep_alive_gap_ms;
    Ok(ZoneLoad {
        rate: RateCurve::slots(slot_ms, measured.requests_per_slot.clone())?,
        service,
        gaps: (!gaps.is_empty()).then(|| Histogram::new(gaps, &[])).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the section of a farm file is a load. Method: read one, with service times and
    /// without.
    #[test]
    fn section_of_a_farm_file_is_a_load() {
        let text = format!(
            r#"
            measured = "a week of logs"
            slot_minutes = 15
            [[zone]]
            zone = "Shop"
            requests_per_slot = {slots:?}
            service_ms = [[100, 900], [1_000, 99], [60_000, 1]]
            longest_ms = [42_000]
            keep_alive_gap_ms = [[1_000, 5], [60_000, 2]]
            [[zone]]
            zone = "Backoffice"
            requests_per_slot = {slots:?}
            "#,
            slots = vec![900; 96]
        );
        let zones = zones(&toml::from_str(&text).expect("the specimen is a section"));
        assert_eq!(zones["Shop"].rate.rate_at(0), 1_000_000, "one a second");
        assert!(zones["Shop"].gaps.is_some());
        assert!(matches!(zones["Shop"].service, ServiceTimes::Measured(_)));
        assert!(!matches!(zones["Backoffice"].service, ServiceTimes::Measured(_)));
    }
}
