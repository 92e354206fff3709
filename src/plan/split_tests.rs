//! The split against its own limits: large farms, quickly, and the same every time.
use super::share::Shares;
use super::split::{self, Rules};
use crate::farm::{Farm, Half};

/// A farm of `servers` front-ends and `zones` zones, each server in one to three of them, drawn
/// by a fixed rule from `seed`.
fn farm(servers: usize, zones: usize, seed: u64) -> Farm {
    let tiny = include_str!("../../scenarios/tiny.farm.toml");
    let mut farm = crate::farm::parse(std::path::Path::new("tiny"), tiny).unwrap();
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
    farm.zones = (0..zones)
        .map(|index| crate::farm::Zone {
            name: format!("z{index}").into(),
            load_rps: u32::try_from(50 + draw(200)).unwrap(),
            ..zone.clone()
        })
        .collect();
    farm.pools = (0..zones)
        .map(|index| crate::farm::Pool {
            name: format!("p{index}").into(),
            zone: format!("z{index}").into(),
            ..pool.clone()
        })
        .collect();
    farm.front_ends = (0..servers)
        .map(|index| {
            let mut own = std::collections::BTreeSet::from([index % zones]);
            for _ in 0..draw(3) {
                own.insert(draw(zones));
            }
            crate::farm::FrontEnd {
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

fn rules(shares: &Shares<'_>) -> Rules {
    let mut pins = vec![None; shares.server_pools.len()];
    pins[0] = Some(Half::Updating);
    Rules { members_min: vec![1; shares.pool_rps.len()], pins }
}

#[test]
fn timing() {
    for seed in 0..10 {
        let farm = farm(64, 8, seed);
        let shares = Shares::of(&farm);
        let t = tokio::time::Instant::now();
        let split = split::best(&shares, &rules(&shares)).unwrap();
        println!("{seed} {:?} {:?}", t.elapsed(), shares.utilisation(&split).into_iter().fold(0.0, f64::max));
    }
}
