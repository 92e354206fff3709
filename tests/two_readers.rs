//! The doubles read farm files by a small reader of their own, so that a wrong belief of the
//! orchestrator's reader is not repeated in them. Here both read every shipped farm and must agree.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use evenkeel::farm::{self, Farm};
use evenkeel_fakes::spec::Spec;

fn farms() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["scenarios", "tests/farms"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.to_string_lossy().ends_with(".farm.toml") {
                found.push(path);
            }
        }
    }
    assert!(found.len() >= 4, "only {found:?}");
    let with_load = |path: &PathBuf| path.ends_with("overloaded.farm.toml");
    assert!(found.iter().any(with_load), "none has a load: {found:?}");
    found
}

/// What both know of a farm, as plain text by name.
type Facts = BTreeMap<String, String>;

fn by_orchestrator(farm: &Farm) -> Facts {
    let mut facts = Facts::new();
    let mut say = |key: String, value: String| facts.insert(key, value);
    say("versions".into(), format!("{} to {}", farm.version_from, farm.version_to));
    say("controller".into(), farm.controller.to_string());
    let pure = farm.pure_controller.as_ref();
    say("pure".into(), format!("{:?}", pure.map(|one| (one.name.to_string(), &one.address))));
    for zone in &farm.zones {
        say(
            format!("zone {}", zone.name),
            format!("{} {} {:?}", zone.public_name, zone.load_rps, zone.modules),
        );
    }
    for pool in &farm.pools {
        let nodes: Vec<String> = pool.nodes.iter().map(ToString::to_string).collect();
        let traffic: BTreeMap<String, &String> =
            pool.traffic.iter().map(|(node, to)| (node.to_string(), to)).collect();
        say(
            format!("pool {}", pool.name),
            format!(
                "{} {} {nodes:?} {traffic:?} {} {}",
                pool.zone, pool.load_share, pool.health_check, pool.floor
            ),
        );
    }
    for node in &farm.balancers {
        say(format!("node {}", node.name), node.api.clone());
    }
    for one in &farm.front_ends {
        let zones: BTreeSet<String> = one.zones.iter().map(ToString::to_string).collect();
        let members: BTreeMap<String, String> = one
            .members
            .iter()
            .map(|(pool, member)| (pool.to_string(), member.to_string()))
            .collect();
        say(
            format!("server {}", one.name),
            format!("{}:{} {zones:?} {members:?} {}", one.address, one.port, one.capacity_rps),
        );
    }
    for (ix, test) in farm.tests.iter().enumerate() {
        say(
            format!("test {ix}"),
            format!("{} {} {} {:?}", test.zone, test.path, test.expect_status, test.expect_text),
        );
    }
    say("console".into(), farm.service_center.user.clone());
    if let Some(load) = &farm.load {
        say("load".into(), format!("{} {}", load.measured, load.slot_minutes));
        for zone in &load.zones {
            say(
                format!("load of {}", zone.zone),
                format!(
                    "{:?} {:?} {:?} {:?}",
                    zone.requests_per_slot,
                    zone.service_ms,
                    zone.longest_ms,
                    zone.keep_alive_gap_ms
                ),
            );
        }
    }
    facts
}

fn by_doubles(spec: &Spec) -> Facts {
    let mut facts = Facts::new();
    let mut say = |key: String, value: String| facts.insert(key, value);
    let version = |text: &str| text.parse::<farm::Version>().expect("a version").to_string();
    say(
        "versions".into(),
        format!("{} to {}", version(&spec.version_from), version(&spec.version_to)),
    );
    say("controller".into(), spec.controller.clone());
    let pure = spec.pure_controller.as_ref();
    say("pure".into(), format!("{:?}", pure.map(|one| (one.name.clone(), &one.address))));
    for zone in &spec.zones {
        say(
            format!("zone {}", zone.name),
            format!("{} {} {:?}", zone.public_name, zone.load_rps, zone.modules),
        );
    }
    for pool in &spec.pools {
        say(
            format!("pool {}", pool.name),
            format!(
                "{} {} {:?} {:?} {} {}",
                pool.zone, pool.load_share, pool.nodes, pool.traffic, pool.health_check, pool.floor
            ),
        );
    }
    for node in &spec.balancers {
        say(format!("node {}", node.name), node.api.clone());
    }
    for one in &spec.front_ends {
        say(
            format!("server {}", one.name),
            format!(
                "{}:{} {:?} {:?} {}",
                one.address, one.port, one.zones, one.members, one.capacity_rps
            ),
        );
    }
    for (ix, test) in spec.tests.iter().enumerate() {
        say(
            format!("test {ix}"),
            format!("{} {} {} {:?}", test.zone, test.path, test.expect_status, test.expect_text),
        );
    }
    say("console".into(), spec.service_center.user.clone());
    if let Some(load) = &spec.load {
        say("load".into(), format!("{} {}", load.measured, load.slot_minutes));
        for zone in &load.zones {
            say(
                format!("load of {}", zone.zone),
                format!(
                    "{:?} {:?} {:?} {:?}",
                    zone.requests_per_slot,
                    zone.service_ms,
                    zone.longest_ms,
                    zone.keep_alive_gap_ms
                ),
            );
        }
    }
    facts
}

/// Goal: one file, one meaning. Method: every shipped farm file through both readers, fact by fact.
#[test]
fn both_readers_agree_on_every_shipped_farm() {
    for path in farms() {
        let farm = farm::load(&path).unwrap_or_else(|errors| panic!("{}", errors.report(false)));
        let text = std::fs::read_to_string(&path).expect("it was just read");
        let spec: Spec = toml::from_str(&text).expect("the doubles read it too");
        assert_eq!(by_orchestrator(&farm.farm), by_doubles(&spec), "{}", path.display());
    }
}
