//! The plan keeps its promises on farms nobody thought of: its split is the best there is, what
//! it refuses has no safe split, and a plan file is what was written or is refused.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use evenkeel::farm::{self, Farm, FrontEnd, Half, LoadedFarm, Pool, Zone};
use evenkeel::names::ServerName;
use evenkeel::plan::{self, Phase};
use proptest::prelude::*;

fn scenario(name: &str) -> LoadedFarm {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.farm.toml"));
    farm::load(&path).unwrap_or_else(|errors| panic!("{}", errors.report(false)))
}

fn loaded(farm: &Farm) -> LoadedFarm {
    let path = PathBuf::from("/x.farm.toml");
    LoadedFarm { farm: farm.clone(), path, text_hash: String::new() }
}

/// A server of a drawn farm: capacity, pools as bits, pin.
type Server = (u32, u8, Option<Half>);

/// A farm of the drawn servers, and of zones with load and floor.
fn drawn(zones: &[(u32, u32)], servers: &[Server], margin_percent: u32) -> Farm {
    let mut farm = scenario("tiny").farm;
    let (zone, pool, server) =
        (farm.zones[0].clone(), farm.pools[0].clone(), farm.front_ends[0].clone());
    let loads = zones.iter().enumerate();
    farm.zones = loads
        .clone()
        .map(|(i, (load_rps, _))| Zone {
            name: format!("z{i}").into(),
            load_rps: *load_rps,
            ..zone.clone()
        })
        .collect();
    farm.pools = loads
        .map(|(i, (_, floor))| Pool {
            name: format!("p{i}").into(),
            zone: format!("z{i}").into(),
            floor: *floor,
            ..pool.clone()
        })
        .collect();
    let server = |(i, (capacity_rps, bits, role)): (usize, &Server)| {
        let own = || (0..zones.len()).filter(|zone| bits >> zone & 1 == 1);
        FrontEnd {
            name: format!("fe-{i}").into(),
            zones: own().map(|zone| format!("z{zone}").into()).collect(),
            members: own()
                .map(|zone| (format!("p{zone}").into(), format!("fe-{i}").into()))
                .collect(),
            capacity_rps: *capacity_rps,
            // The first is the controller, which cannot be pinned.
            role: role.filter(|_| i > 0),
            ..server.clone()
        }
    };
    farm.front_ends = servers.iter().enumerate().map(server).collect();
    farm.controller = "fe-0".into();
    farm.policy.margin_percent = margin_percent;
    farm
}

/// Each server's utilisation when these servers serve; `None` when a pool is under its floor.
fn utilisation(farm: &Farm, serving: &BTreeSet<ServerName>) -> Option<BTreeMap<ServerName, f64>> {
    let mut load: BTreeMap<ServerName, f64> = BTreeMap::new();
    for pool in &farm.pools {
        let serves =
            |s: &&FrontEnd| serving.contains(&s.name) && s.members.contains_key(&pool.name);
        let members: Vec<&FrontEnd> = farm.front_ends.iter().filter(serves).collect();
        let count = u32::try_from(members.len()).unwrap();
        if count < pool.floor {
            return None;
        }
        let zone = farm.zones.iter().find(|zone| zone.name == pool.zone).unwrap();
        for member in &members {
            *load.entry(member.name.clone()).or_default() +=
                f64::from(zone.load_rps) / f64::from(count) / f64::from(member.capacity_rps);
        }
    }
    Some(load)
}

fn highest(farm: &Farm, serving: &BTreeSet<ServerName>) -> Option<f64> {
    Some(utilisation(farm, serving)?.into_values().fold(0.0, f64::max))
}

/// The best split by trying them all: its highest utilisation.
fn by_brute_force(farm: &Farm) -> Option<f64> {
    let servers = &farm.front_ends;
    (0_u32..1 << servers.len())
        .filter_map(|bits| {
            let half = |updating: bool| -> BTreeSet<ServerName> {
                let of =
                    servers.iter().enumerate().filter(|(i, _)| (bits >> i & 1 == 1) == updating);
                of.map(|(_, server)| server.name.clone()).collect()
            };
            let (updating, loaded) = (half(true), half(false));
            let kept = servers.iter().all(|server| match server.role {
                Some(Half::Updating) => updating.contains(&server.name),
                Some(Half::Loaded) => loaded.contains(&server.name),
                None => true,
            });
            if !kept || !updating.contains(&farm.controller) {
                return None;
            }
            Some(highest(farm, &updating)?.max(highest(farm, &loaded)?))
        })
        .min_by(f64::total_cmp)
}

fn roles() -> impl Strategy<Value = Option<Half>> {
    prop_oneof![8 => Just(None), 1 => Just(Some(Half::Updating)), 1 => Just(Some(Half::Loaded))]
}

fn farms() -> impl Strategy<Value = Farm> {
    (1_usize..=3).prop_flat_map(|zones| {
        let server = (20_u32..200, 1_u8..1 << zones, roles());
        let zones = prop::collection::vec((1_u32..300, 1_u32..=2), zones);
        (zones, prop::collection::vec(server, 2..=10), 0_u32..40)
            .prop_map(|(zones, servers, margin)| drawn(&zones, &servers, margin))
    })
}

fn set(names: &[ServerName]) -> BTreeSet<ServerName> {
    names.iter().cloned().collect()
}

fn limit(farm: &Farm) -> f64 {
    1.0 - f64::from(farm.policy.margin_percent) / 100.0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Goal: the split is the best there is, and what is refused has no safe split.
    /// Method: compare with trying every partition, on farms of up to ten servers in up to three
    /// overlapping zones, with pins, floors and margins.
    #[test]
    fn the_split_is_the_best_there_is(farm in farms()) {
        let best = by_brute_force(&farm);
        let within = |best: f64| best <= limit(&farm) + 1e-9;
        let built = plan::build(&loaded(&farm), None);
        prop_assert_eq!(built.is_ok(), best.is_some_and(within));
        let Some(best) = best else {
            prop_assert!(built.unwrap_err().iter().all(|refusal| !refusal.what.is_empty()));
            return Ok(());
        };
        // Forced, there is a plan whenever there is a partition, and it is still the best.
        let plan = plan::build(&loaded(&farm), Some("test".into())).expect("a partition exists");
        prop_assert_eq!(plan.forced.is_some(), !within(best));
        let (updating, loaded) = (set(&plan.updating), set(&plan.loaded));
        prop_assert_eq!(updating.len() + loaded.len(), farm.front_ends.len());
        prop_assert_eq!(plan.updating.first(), Some(&farm.controller));
        let found = highest(&farm, &updating).unwrap().max(highest(&farm, &loaded).unwrap());
        prop_assert!((found - best).abs() < 1e-6, "found {}, best {}", found, best);
    }

    /// Goal: the printed capacity is the truth. Method: with as much load as the plan says a zone
    /// could carry, all of its members are within the margin, and with one more request a second
    /// one of them is not.
    #[test]
    fn printed_capacity_is_what_fits(farm in farms()) {
        let Ok(plan) = plan::build(&loaded(&farm), None) else { return Ok(()) };
        for figures in &plan.capacity {
            let serving = match figures.phase {
                Phase::Whole => farm.front_ends.iter().map(|s| s.name.clone()).collect(),
                Phase::OnLoaded => set(&plan.loaded),
                Phase::OnUpdating => set(&plan.updating),
            };
            let busiest = |load_rps: u32| {
                let mut farm = farm.clone();
                farm.zones.iter_mut().find(|z| z.name == figures.zone).unwrap().load_rps = load_rps;
                let all = utilisation(&farm, &serving).unwrap();
                let of_zone = farm.front_ends.iter().filter(|s| s.zones.contains(&figures.zone));
                of_zone.filter_map(|s| all.get(&s.name).copied()).fold(0.0, f64::max)
            };
            prop_assert!(busiest(figures.capacity_rps) <= limit(&farm) + 1e-6);
            prop_assert!(busiest(figures.capacity_rps + 1) > limit(&farm) - 1e-6);
            prop_assert!((f64::from(figures.busiest_percent) - 100.0 * busiest(figures.load_rps)).abs() <= 1.0);
        }
    }
}

/// Goal: the same farm has the same plan, byte for byte. Method: plan each scenario twice.
#[test]
fn plans_are_deterministic() {
    for name in ["tiny", "bank", "retail"] {
        let farm = scenario(name);
        let text = || plan::file::text(&plan::build(&farm, None).unwrap());
        assert_eq!(text(), text());
    }
}

/// Goal: a plan file is read back as it was written, or refused. Method: save, load, then change
/// the first digit or letter of each value in turn, but for the farm file's place.
#[test]
fn a_changed_plan_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.plan");
    let plan = plan::build(&scenario("tiny"), None).unwrap();
    plan::save(&plan, &path).unwrap();
    assert_eq!(plan::load(&path).unwrap(), plan);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once(": ") else { continue };
        // Where the farm file lies is not part of the plan: what lies there is compared by `apply`.
        if key.contains("farm_file") {
            continue;
        }
        let Some(at) = value.find(|c: char| c.is_ascii_alphanumeric()) else { continue };
        let mut changed = value.to_owned();
        changed.replace_range(at..=at, if value[at..].starts_with('7') { "8" } else { "7" });
        let mut broken: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        broken[index] = format!("{key}: {changed}");
        std::fs::write(&path, broken.join("\n")).unwrap();
        assert!(plan::load(&path).is_err(), "line {}: {line} became {changed}", index + 1);
        tried += 1;
    }
    assert!(tried > 100, "a plan has more values than {tried}");
}

/// Goal: `apply` can tell that the farm file was edited after planning, and what. Method: edit a
/// comment, then a capacity, then take the file away.
#[test]
fn an_edited_farm_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retail.farm.toml");
    let text = include_str!("../scenarios/retail.farm.toml");
    std::fs::write(&path, text).unwrap();
    let plan = plan::build(&farm::load(&path).unwrap(), None).unwrap();
    plan::verify_farm_unchanged(&plan).unwrap();
    // Comments are not the farm.
    std::fs::write(&path, format!("# edited\n{text}")).unwrap();
    plan::verify_farm_unchanged(&plan).unwrap();
    std::fs::write(&path, text.replacen("capacity_rps = 80", "capacity_rps = 90", 1)).unwrap();
    let told = plan::verify_farm_unchanged(&plan).unwrap_err().to_string();
    assert!(told.contains("front_end.fe-07.capacity_rps: 80 when planned, 90 now"), "{told}");
    std::fs::remove_file(&path).unwrap();
    let told = plan::verify_farm_unchanged(&plan).unwrap_err().to_string();
    assert!(told.contains("can no longer be used"), "{told}");
}

/// Goal: step 3 begins with the controller, and Service Center follows on a front-end. Method:
/// the stages of a farm whose controller is a front-end, and of one with a pure controller.
#[test]
fn stages_begin_with_the_controller() {
    let stages = |name: &str| {
        let plan = plan::build(&scenario(name), None).unwrap();
        let line = |stage: &plan::Stage| {
            let jobs = stage.servers.iter().map(|s| {
                let kinds: Vec<&str> = s.kinds.iter().map(|kind| kind.as_str()).collect();
                format!("{} {}", s.server, kinds.join("+"))
            });
            jobs.collect::<Vec<_>>().join(", ")
        };
        plan.updating_stages.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(stages("tiny"), ["fe-1 controller-upgrade+service-center-install"]);
    assert_eq!(
        stages("bank"),
        [
            "ctl-1 controller-upgrade",
            "fe-1 front-end-upgrade+service-center-install",
            "fe-3 front-end-upgrade, fe-4 front-end-upgrade",
            "fe-1 publish",
        ]
    );
}
