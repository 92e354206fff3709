//! When to begin: by a farm of two equal servers whose load over the day is drawn here.
use std::path::{Path, PathBuf};

use crate::farm::{self, Load, LoadedFarm, ZoneLoad};

use super::{Phase, Plan, Refusal, StartWindow, Takes, build_taking};

const TINY: &str = include_str!("../../scenarios/tiny.farm.toml");

/// Tiny's two servers carry 40 requests a second each, 32 within the margin.
fn tiny(hours: [u32; 24]) -> LoadedFarm {
    let mut farm = farm::parse(Path::new("tiny"), TINY).expect("it is valid");
    let curve = ZoneLoad {
        zone: "Global".into(),
        requests_per_slot: hours.map(|rps| u64::from(rps) * 3_600).to_vec(),
        service_ms: Vec::new(),
        longest_ms: Vec::new(),
        keep_alive_gap_ms: Vec::new(),
    };
    farm.load = Some(Load { measured: "here".into(), slot_minutes: 60, zones: vec![curve] });
    LoadedFarm { farm, path: PathBuf::from("/tiny.farm.toml"), text_hash: String::new() }
}

/// A plan of an upgrade that takes so many minutes.
fn plan(hours: [u32; 24], minutes: u32) -> Result<Plan, Vec<Refusal>> {
    build_taking(&tiny(hours), None, Some(Takes::given(minutes)))
}

fn window(hours: [u32; 24], minutes: u32) -> Option<(String, String, String)> {
    let window: StartWindow = plan(hours, minutes).ok()?.window.expect("the farm has a load");
    Some((window.from.to_string(), window.until.to_string(), window.best.to_string()))
}

/// Busy from 6 to 22, quiet at night, quietest from 2 to 5.
fn day() -> [u32; 24] {
    std::array::from_fn(|hour| match hour {
        2..5 => 8,
        0..6 | 22.. => 20,
        _ => 60,
    })
}

/// Goal: the window is when the load is within the margin for as long as the upgrade takes, over
/// midnight too, and the best start is the quietest. Method: upgrades of several lengths.
#[test]
fn the_window_is_when_either_half_carries_the_load_to_the_end() {
    let times = |from: &str, until: &str, best: &str| {
        Some((from.to_owned(), until.to_owned(), best.to_owned()))
    };
    assert_eq!(window(day(), 60), times("22:00", "05:00", "02:00"));
    assert_eq!(window(day(), 180), times("22:00", "03:00", "02:00"));
    assert_eq!(window(day(), 181), times("22:00", "02:00", "00:00"));
    assert_eq!(window(day(), 480), times("22:00", "22:00", "22:00"));
    assert_eq!(window(day(), 481), None);
    assert_eq!(window(day(), 10_000), None, "longer than a day is the whole day");
    assert!(plan([32; 24], 10_000).unwrap().window.unwrap().all_day, "32 are within the margin");
}

/// Goal: whoever begins at another time is told. Method: minutes in a window over midnight, at its
/// ends and beyond, and in one that is all day.
#[test]
fn a_window_contains_its_ends_and_nothing_beyond() {
    let night = plan(day(), 180).expect("there is a night").window.expect("the farm has a load");
    let contained = [22 * 60, 23 * 60, 0, 3 * 60].map(|minute| night.contains(minute));
    assert_eq!(contained, [true; 4]);
    let beyond = [22 * 60 - 1, 3 * 60 + 1, 12 * 60].map(|minute| night.contains(minute));
    assert_eq!(beyond, [false; 3]);
    let always = plan([32; 24], 60).expect("32 are within the margin").window.expect("a window");
    assert!(always.contains(0) && always.contains(719));
}

/// Goal: the table shows the day's peak for all and the window's for a half. Method: its loads.
#[test]
fn capacity_is_told_for_the_window() {
    let plan = plan(day(), 180).unwrap();
    let loads: Vec<(Phase, u32)> =
        plan.capacity.iter().map(|figures| (figures.phase, figures.load_rps)).collect();
    assert_eq!(loads, [(Phase::Whole, 60), (Phase::OnLoaded, 8), (Phase::OnUpdating, 8)]);
    assert_eq!(plan.capacity[1].capacity_rps, 32);
}

/// Goal: without a window there is no plan, the figures are told, and force gets a plan without
/// one. Method: a load that is one request a second over what a half carries, all day.
#[test]
fn no_window_is_refused_with_the_figures() {
    let refusals = plan([33; 24], 90).unwrap_err();
    let told: Vec<&str> = refusals.iter().map(|refusal| refusal.what.as_str()).collect();
    assert_eq!(
        told,
        ["loaded", "updating"].map(|half| format!(
            "no time of day is quiet enough for an upgrade of 1 h 30 min: in the quietest, begun \
             at 00:00 UTC, Global has up to 33 requests/s, and while the {half} half carries \
             everything its one member can have 32 within the 80 % that policy allows"
        ))
    );
    assert!(refusals.iter().all(|refusal| refusal.can_be_forced));
    let plan = build_taking(&tiny([33; 24]), Some("now or never".into()), None).unwrap();
    assert_eq!((plan.window, plan.forced.as_deref()), (None, Some("now or never")));
}

/// Goal: a farm whose zones are busy at different times is split for the hours in question.
/// Method: a zone without a curve has its `load_rps` all day; it alone fills the margin.
#[test]
fn a_zone_without_a_curve_has_its_load_all_day() {
    let mut farm = tiny([1; 24]);
    farm.farm.zones[0].load_rps = 33;
    farm.farm.load.as_mut().unwrap().zones.clear();
    assert!(build_taking(&farm, None, Some(Takes::given(60))).is_err());
    farm.farm.zones[0].load_rps = 32;
    let plan = build_taking(&farm, None, Some(Takes::given(60))).unwrap();
    assert!(plan.window.unwrap().all_day);
}

/// Goal: the estimate follows policy and the number of servers. Method: tiny's, by hand: drains
/// 4, controller and Service Center 15 each, the other server 15, start and deployment 67 (twice a
/// third of 10 and half of 60 minutes, rounded up), soak 2.
#[test]
fn the_estimate_is_made_of_policy() {
    let mut farm = tiny([1; 24]).farm;
    assert_eq!(Takes::estimated(&farm).minutes, 4 + 15 + 15 + 15 + 67 + 2);
    farm.policy.soak_ms += 60_000;
    farm.host.publish = true;
    assert_eq!(Takes::estimated(&farm).minutes, 4 + 15 + 15 + 15 + 67 + 3 + 240);
}
