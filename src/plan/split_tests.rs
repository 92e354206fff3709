//! The split on farms too large to try every partition: found within bounded work, the same every
//! time, and better than what anybody would do by hand.
use std::collections::BTreeSet;
use std::path::Path;

use super::share::Shares;
use super::split::{self, Rules};
use crate::farm::{Farm, FrontEnd, Half, Pool, Zone};

/// A farm of so many front-ends in so many zones, each in one to three of them and nearly all unlike each
/// other, drawn from `seed`.
fn large_farm(seed: u64, servers: usize, zone_count: usize) -> Farm {
    let tiny = include_str!("../../scenarios/tiny.farm.toml");
    let mut farm = crate::farm::parse(Path::new("tiny"), tiny).unwrap();
    let mut state = seed;
    let mut draw = move |below: usize| {
        // splitmix64: tests need no other randomness.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(below).unwrap()).unwrap()
    };
    let (zone, pool, server) =
        (farm.zones[0].clone(), farm.pools[0].clone(), farm.front_ends[0].clone());
    let zones = 0..zone_count;
    farm.zones = zones
        .clone()
        .map(|index| Zone {
            name: format!("z{index}").into(),
            load_rps: u32::try_from(50 + draw(200)).unwrap(),
            ..zone.clone()
        })
        .collect();
    farm.pools = zones
        .map(|index| Pool {
            name: format!("p{index}").into(),
            zone: format!("z{index}").into(),
            ..pool.clone()
        })
        .collect();
    farm.front_ends = (0..servers)
        .map(|index| {
            let mut own = BTreeSet::from([index % zone_count]);
            for _ in 0..draw(3) {
                own.insert(draw(zone_count));
            }
            FrontEnd {
                name: format!("fe-{index}").into(),
                zones: own.iter().map(|zone| format!("z{zone}").into()).collect(),
                members: own
                    .iter()
                    .map(|zone| (format!("p{zone}").into(), format!("m{index}").into()))
                    .collect(),
                capacity_rps: u32::try_from(40 + 10 * draw(8)).unwrap(),
                ..server.clone()
            }
        })
        .collect();
    farm
}

fn highest(shares: &Shares<'_>, updating: &[bool]) -> f64 {
    let loaded: Vec<bool> = updating.iter().map(|updating| !updating).collect();
    let halves = [shares.utilisation(updating), shares.utilisation(&loaded)];
    halves.into_iter().flatten().fold(0.0, f64::max)
}

/// Goal: a large farm gets a split that is good, legal, and the same every time. Method: farms of
/// the largest size promised; good means a tenth below every second server in turn.
#[test]
fn large_farms_are_split_well_and_always_alike() {
    for seed in 0..3 {
        let farm = large_farm(seed, 64, 8);
        let shares = Shares::of(&farm);
        let mut pins = vec![None; 64];
        pins[0] = Some(Half::Updating);
        let rules = Rules { members_min: vec![1; 8], pins };
        let split = split::best(&shares, &rules).unwrap();
        assert_eq!(split::best(&shares, &rules).unwrap(), split);
        assert!(split[0], "the pin holds");
        let loaded: Vec<bool> = split.iter().map(|updating| !updating).collect();
        assert!(
            shares.counts(&split).iter().chain(&shares.counts(&loaded)).all(|count| *count > 0)
        );
        let naive = (0..16).map(|turn| {
            let by_hand: Vec<bool> =
                (0..64).map(|server| (server / 8 + server + turn) % 2 == 0).collect();
            highest(&shares, &by_hand)
        });
        let naive = naive.fold(f64::INFINITY, f64::min);
        assert!(highest(&shares, &split) < 0.9 * naive, "{} {naive}", highest(&shares, &split));
    }
}

/// Goal: a farm far larger than promised is still split, by the search alone. Method: the work is
/// bounded by size, so that this ends is the test.
#[test]
fn very_large_farms_are_split_too() {
    let farm = large_farm(1, 500, 12);
    let shares = Shares::of(&farm);
    let rules = Rules { members_min: vec![2; 12], pins: vec![None; 500] };
    let split = split::best(&shares, &rules).unwrap();
    let loaded: Vec<bool> = split.iter().map(|updating| !updating).collect();
    assert!(shares.counts(&split).iter().chain(&shares.counts(&loaded)).all(|count| *count > 1));
}

/// Goal: figures of any size are no trouble to the arithmetic. Method: loads and capacities from
/// one to four thousand million in one farm.
#[test]
fn any_figures_are_split() {
    for seed in 0..40 {
        let mut farm = large_farm(seed, 10, 3);
        for (index, zone) in farm.zones.iter_mut().enumerate() {
            zone.load_rps = [1, 70_000, u32::MAX][(index + usize::try_from(seed).unwrap()) % 3];
        }
        for (index, server) in farm.front_ends.iter_mut().enumerate() {
            server.capacity_rps = [1, 40, u32::MAX, 9_999][index % 4];
        }
        let shares = Shares::of(&farm);
        let rules = Rules { members_min: vec![1; 3], pins: vec![None; 10] };
        let split = split::best(&shares, &rules).unwrap();
        assert!(highest(&shares, &split).is_finite());
    }
}
