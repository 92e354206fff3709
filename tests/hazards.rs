//! Every hazard that a plan can find beforehand: when it is there, what it says, and that it is
//! not there when nothing is wrong.
use std::path::PathBuf;

use evenkeel::farm::{self, Farm, LoadedFarm, PoolMode};
use evenkeel::plan::{self, Hazard, HazardKind};

/// `bank` without its only hazard but the scheduler's, which no policy can take away.
fn calm() -> Farm {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/bank.farm.toml");
    farm::load(&path).unwrap_or_else(|errors| panic!("{}", errors.report(false))).farm
}

fn hazards(farm: Farm) -> Vec<Hazard> {
    let loaded = LoadedFarm { farm, path: "/bank.farm.toml".into(), text_hash: String::new() };
    plan::build(&loaded, None).unwrap().hazards
}

/// The hazards of one kind on a calm farm after a change; there are none of it before.
fn found(kind: HazardKind, change: impl FnOnce(&mut Farm)) -> String {
    assert!(hazards(calm()).iter().all(|hazard| hazard.kind != kind), "the calm farm has it too");
    let mut farm = calm();
    change(&mut farm);
    told(&hazards(farm), kind)
}

fn told(hazards: &[Hazard], kind: HazardKind) -> String {
    let of_kind: Vec<&Hazard> = hazards.iter().filter(|hazard| hazard.kind == kind).collect();
    assert!(!of_kind.is_empty(), "none of {hazards:?}");
    serde_json::to_string_pretty(&of_kind).unwrap()
}

#[test]
fn a_half_of_one_member() {
    insta::assert_snapshot!(found(HazardKind::HalfOfOne, |farm| {
        // Only two are left in Payments: one in each half.
        for server in &mut farm.front_ends[2..4] {
            server.zones.remove("Payments");
            server.members.remove("payments");
        }
    }));
}

#[test]
fn a_zone_that_may_go_down_does() {
    insta::assert_snapshot!(found(HazardKind::HalfOfOne, |farm| {
        farm.zones[1].may_go_down = true;
        for server in &mut farm.front_ends[2..5] {
            server.zones.remove("Payments");
            server.members.remove("payments");
        }
    }));
}

#[test]
fn not_n_plus_1() {
    insta::assert_snapshot!(found(HazardKind::NotNPlusOne, |farm| farm.zones[0].load_rps = 170));
}

#[test]
fn a_pool_without_a_health_check() {
    insta::assert_snapshot!(found(HazardKind::NoHealthCheck, |farm| {
        farm.pools[0].health_check = false;
    }));
}

#[test]
fn stickiness() {
    insta::assert_snapshot!(found(HazardKind::Stickiness, |farm| farm.pools[0].sticky = true));
}

#[test]
fn a_tracked_server() {
    insta::assert_snapshot!(found(HazardKind::TrackedServer, |farm| {
        farm.pools[1].tracks = Some("branches".into());
    }));
}

#[test]
fn an_agent_check() {
    insta::assert_snapshot!(found(HazardKind::AgentCheck, |farm| farm.pools[0].agent_check = true));
}

#[test]
fn tcp_mode() {
    insta::assert_snapshot!(found(HazardKind::TcpMode, |farm| farm.pools[0].mode = PoolMode::Tcp));
}

#[test]
fn service_center_through_the_balancer() {
    insta::assert_snapshot!(found(HazardKind::ServiceCenterThroughBalancer, |farm| {
        farm.service_center.address = Some("Branches.Bank.example".into());
    }));
}

/// A front-end's own address is none; an unknown one may be.
#[test]
fn service_center_at_an_unknown_address() {
    let mut farm = calm();
    farm.service_center.address = Some("10.20.30.1".into());
    let kind = HazardKind::ServiceCenterThroughBalancer;
    assert!(hazards(farm).iter().all(|hazard| hazard.kind != kind));
    insta::assert_snapshot!(found(kind, |farm| {
        farm.service_center.address = Some("console.bank.example".into());
    }));
}

#[test]
fn a_zone_address_that_is_the_balancer() {
    insta::assert_snapshot!(found(HazardKind::ZoneAddressIsBalancer, |farm| {
        farm.zones[1].deployment_address = Some("payments.bank.example".into());
    }));
}

#[test]
fn a_drain_deadline_under_110_s() {
    insta::assert_snapshot!(found(HazardKind::DrainDeadlineShort, |farm| {
        farm.policy.drain_ms_max = 60_000;
    }));
}

#[test]
fn the_scheduler_left_running() {
    insta::assert_snapshot!(told(&hazards(calm()), HazardKind::SchedulerLeftRunning));
}

#[test]
fn a_version_skipped() {
    insta::assert_snapshot!(found(HazardKind::VersionSkipped, |farm| {
        farm.version_to = "11.36.1.43500".parse().unwrap();
        farm.host.publish = false;
    }));
}

/// Goal: the next version is no skip, whatever its last numbers. Method: pairs of both kinds.
#[test]
fn only_versions_between_are_skipped() {
    for (from, to, skips) in [
        ("11.35.0.1", "11.36.1.2", false),
        ("11.35.0.1", "11.35.9.2", false),
        ("10.0.1019.0", "11.0.0.0", false),
        ("11.34.0.1", "11.36.1.2", true),
        ("10.0.1019.0", "11.1.0.0", true),
        ("9.1.0.0", "11.0.0.0", true),
    ] {
        let mut farm = calm();
        farm.version_from = from.parse().unwrap();
        farm.version_to = to.parse().unwrap();
        let found = hazards(farm).iter().any(|hazard| hazard.kind == HazardKind::VersionSkipped);
        assert_eq!(found, skips, "{from} to {to}");
    }
}

#[test]
fn balancer_state_lost_on_a_reload() {
    insta::assert_snapshot!(found(HazardKind::StateLostOnReload, |farm| {
        farm.balancers[0].state_survives_reload = false;
    }));
}
