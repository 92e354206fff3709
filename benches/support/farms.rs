//! The farms that are measured: `retail`, `retail` at half the pace and with many more users, and
//! farms of any size.
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use evenkeel_fakes::truth::Truth;
use evenkeel_sim::scenario::Scenario;

/// The farm that every figure is stated for.
pub(crate) fn retail() -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/retail.toml");
    Scenario::load(&file).expect("retail can be rehearsed")
}

/// The same farm, every duration of it, of its policy and of its links twice as long.
pub(crate) fn doubled(scenario: &Scenario) -> Scenario {
    let twice = |mut table: toml::Table| {
        table.retain(|name, _| name.ends_with("_ms"));
        for (_, value) in &mut table {
            let ms = value.as_integer().expect("milliseconds are whole numbers");
            *value = toml::Value::Integer(2 * ms);
        }
        table
    };
    let mut slow = scenario.clone();
    let defaults = toml::Table::try_from(Truth::default()).expect("a truth can be written");
    slow.truth = twice(defaults);
    slow.truth.extend(scenario.truth.clone());
    slow.truth.extend(twice(scenario.truth.clone()));
    slow.links.base_ms *= 2;
    slow.links.jitter_ms *= 2;
    let policy = &mut slow.plan.farm.policy;
    for ms in [
        &mut policy.balancer_poll_ms,
        &mut policy.balancer_poll_draining_ms,
        &mut policy.flags_poll_ms,
        &mut policy.jobs_poll_ms,
        &mut policy.quiet_window_ms,
        &mut policy.drain_ms_max,
        &mut policy.upgrade_ms_max,
        &mut policy.service_center_ms_max,
        &mut policy.publish_ms_max,
        &mut policy.initialise_ms_max,
        &mut policy.idle_ms_max,
        &mut policy.idle_window_ms,
        &mut policy.test_ms_max,
        &mut policy.switch_ms_max,
        &mut policy.soak_ms,
        &mut policy.soak_test_every_ms,
        &mut policy.unknown_ms_max,
        &mut policy.warm_up_ms,
    ] {
        *ms *= 2;
    }
    slow.plan_hash = slow.plan.hash();
    slow
}

/// The same farm with so many times the users, on servers that can do so many times as much.
pub(crate) fn busier(times: u64) -> Scenario {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let folder = tempfile::tempdir().expect("there is room for a farm file");
    let text = fs::read_to_string(from.join("retail.farm.toml")).expect("retail has a farm file");
    let busier = text.lines().map(|line| match line.split_once(" = ") {
        Some((name @ ("load_rps" | "capacity_rps"), number)) => {
            let rps: u64 = number.parse().expect("requests a second are a whole number");
            format!("{name} = {}\n", times * rps)
        }
        _ => format!("{line}\n"),
    });
    let file = folder.path().join("retail.toml");
    fs::write(folder.path().join("retail.farm.toml"), busier.collect::<String>())
        .and_then(|()| fs::copy(from.join("retail.toml"), &file))
        .expect("there is room for a scenario");
    Scenario::load(&file).expect("the busier farm can be rehearsed")
}

/// One zone on so many equal front-ends behind two nodes. A quarter of them is upgraded at a time,
/// so that the upgrade of a farm takes as long whatever its size.
pub(crate) fn of_size(front_ends: usize) -> Scenario {
    let folder = tempfile::tempdir().expect("there is room for a farm file");
    let file = folder.path().join(format!("size-{front_ends}.farm.toml"));
    fs::write(&file, farm_file(front_ends)).expect("there is room for a farm file");
    Scenario::load(&file).expect("the generated farm can be rehearsed")
}

fn farm_file(front_ends: usize) -> String {
    let (load_rps, parallel_max) = (8 * front_ends, front_ends.div_ceil(4));
    let mut text = format!(
        r#"
name = "size-{front_ends}"
stack = "dotnet"
version_from = "11.28.0.40211"
version_to = "11.36.1.43500"
controller = "fe-1"

[[zone]]
name = "Shop"
public_name = "shop.example"
deployment_address = "shop.example"
load_rps = {load_rps}
modules = ["Shop", "ShopCheckout"]

[[balancer]]
name = "lb-1"
api = "10.20.0.11:9999"

[[balancer]]
name = "lb-2"
api = "10.20.0.12:9999"

[[pool]]
name = "web"
zone = "Shop"
floor = 1
traffic = {{ lb-1 = "10.20.0.11:80", lb-2 = "10.20.0.12:80" }}

[[test]]
zone = "Shop"
path = "/Shop/Home.aspx"
expect_text = "Shop"

[service_center]
user = "admin"
password = {{ env = "EVENKEEL_SC_PASSWORD" }}

[host]
start = ["run", "{{address}}", "start", "{{job}}", "{{kind}}", "{{version}}"]
job = ["run", "{{address}}", "job", "{{job}}"]
version = ["run", "{{address}}", "version"]
service = ["run", "{{address}}", "service"]
reboot = ["run", "{{address}}", "reboot"]

[policy]
parallel_max = {parallel_max}
"#
    );
    for nth in 1..=front_ends {
        let (high, low) = (nth / 200, nth % 200 + 1);
        write!(
            text,
            r#"
[[front_end]]
name = "fe-{nth}"
address = "10.21.{high}.{low}"
zones = ["Shop"]
members = {{ web = "fe-{nth}" }}
capacity_rps = 40
"#
        )
        .expect("a string takes everything");
    }
    text
}
