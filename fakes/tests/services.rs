//! A server's machine and services: start-up in phases, what it waits for, what it does on its own.
mod common;

use common::*;
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::front_end::web;
use evenkeel_fakes::ledger::{ApplicationState, ServiceState};
use evenkeel_fakes::truth::{OldServices, Truth};

/// Goal: running is not initialised. Method: restart the service by hand and watch the ledger.
#[test]
fn a_started_service_runs_before_it_is_initialised() {
    let mut farm = shop(Truth::default());
    let mark = farm.servers["fe-2"].start_mark();
    farm.stop_service("fe-2");
    farm.start_service("fe-2");
    let service = verb(&mut farm, "fe-2", &[("VERB", "service")]).stdout;
    assert!(service.starts_with("running=yes\nautomatic=yes\ninitialised=no\nstart="), "{service}");
    assert_ne!(farm.servers["fe-2"].start_mark(), mark, "another start, another mark");
    assert_eq!(told(&mut farm), ["0 fe-2 service stopped", "0 fe-2 service starting"]);
    assert_eq!(pass(&mut farm, MINUTE), ["30 fe-2 service initialised"]);
    let service = verb(&mut farm, "fe-2", &[("VERB", "service")]).stdout;
    assert!(service.contains("initialised=yes\n"), "{service}");
}

/// Goal: a service needs the controller. Method: crash the controller, restart a service, bring
/// the controller back; the next of its attempts, 30 s apart, succeeds.
#[test]
fn a_service_initialises_only_when_the_controller_is_up_and_retries_every_30_s() {
    let mut farm = shop(Truth::default());
    farm.crash("fe-1");
    farm.stop_service("fe-2");
    farm.start_service("fe-2");
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(farm.servers["fe-2"].service_state(), ServiceState::Starting);
    farm.power_on("fe-1");
    let events = pass(&mut farm, 10 * MINUTE);
    // Up after 3 min at 13:00; fe-2's attempts fall on every half minute.
    assert!(events.contains(&"780 fe-1 machine up".into()), "{events:?}");
    assert!(events.contains(&"780 fe-2 service initialised".into()), "{events:?}");
}

/// Goal: a reboot takes its time and brings back what starts by itself. Method: reboot by verb, a
/// minute after the start, when the balancers' checks have proven every member.
#[test]
fn a_reboot_is_down_then_up_and_serves_before_its_service_initialises() {
    let mut farm = shop(Truth::default());
    assert_eq!(pass(&mut farm, MINUTE), [""; 0]);
    let outcome = verb(&mut farm, "fe-3", &[("VERB", "reboot")]);
    assert_eq!(outcome.stdout, "accepted=yes\n");
    assert_eq!(status(&mut farm, "fe-3", "/Shop/_ping.html"), 200, "it goes down in a while");
    let (checks, events): (Vec<_>, Vec<_>) =
        pass(&mut farm, 10 * MINUTE).into_iter().partition(|event| event.contains(" lb-"));
    assert_eq!(
        events,
        [
            "60 fe-3 machine about to restart",
            "80 fe-3 machine down",
            "80 fe-3 service stopped",
            "80 fe-3 applications off",
            "260 fe-3 machine up",
            "260 fe-3 applications serving",
            "260 fe-3 service starting",
            "290 fe-3 service initialised",
        ]
    );
    // Three checks take it down, two bring it up, each 2 s after the one before; three memberships.
    let at = |event: &String| event.split(' ').next().and_then(|s| s.parse::<u64>().ok());
    let (down, up) = checks.split_at(3);
    assert!(
        down.iter().all(|e| e.ends_with(" down") && matches!(at(e), Some(84..=86))),
        "{down:?}"
    );
    assert!(up.len() == 3 && up.iter().all(|e| e.ends_with(" up")), "{up:?}");
    assert!(up.iter().all(|e| matches!(at(e), Some(262..=264))), "{up:?}");
}

/// Goal: a server without power stays down. Method: crash, an hour, power.
#[test]
fn a_crashed_server_comes_back_only_with_power() {
    let mut farm = shop(Truth::default());
    farm.crash("fe-3");
    pass(&mut farm, 60 * MINUTE);
    assert!(!farm.servers["fe-3"].is_up());
    assert_eq!(farm.servers["fe-3"].applications(), ApplicationState::Off);
    farm.power_on("fe-3");
    pass(&mut farm, 3 * MINUTE);
    assert!(farm.servers["fe-3"].is_up());
    farm.power_on("fe-3");
    pass(&mut farm, MINUTE);
    assert!(farm.servers["fe-3"].is_up(), "power on a running machine does nothing");
}

/// Goal: the variant of self-enabling. Method: disable, restart the service, in both variants.
#[test]
fn a_starting_service_enables_its_server_where_that_is_the_truth() {
    for start_enables in [true, false] {
        let mut farm = shop(Truth { start_enables, ..Truth::default() });
        Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-2", "Disable");
        assert_eq!(farm.database.enabled("fe-2"), Some(false));
        farm.stop_service("fe-2");
        farm.start_service("fe-2");
        let events = pass(&mut farm, MINUTE);
        assert_eq!(farm.database.enabled("fe-2"), Some(start_enables));
        let noted = events.contains(&"30 fe-2 enabled by its own service".into());
        assert_eq!(noted, start_enables, "{events:?}");
    }
}

/// Goal: the variant of old services on a new database. Method: bump the database by upgrading
/// the controller, then restart an old service.
#[test]
fn an_old_service_started_after_the_database_changed_initialises_only_in_one_variant() {
    for old_services in [OldServices::CannotStart, OldServices::RunOn] {
        let mut farm = shop(Truth { old_services, ..Truth::default() });
        assert_eq!(run(&mut farm, "fe-1", "controller-upgrade"), "status=exited exit_code=0");
        pass(&mut farm, MINUTE);
        assert_eq!(farm.servers["fe-3"].service_state(), ServiceState::Initialised, "runs on");
        farm.stop_service("fe-3");
        farm.start_service("fe-3");
        pass(&mut farm, 60 * MINUTE);
        let wanted = match old_services {
            OldServices::CannotStart => ServiceState::Starting,
            OldServices::RunOn => ServiceState::Initialised,
        };
        assert_eq!(farm.servers["fe-3"].service_state(), wanted);
    }
}

/// Goal: a broken application is not seen by pings. Method: break one server.
#[test]
fn broken_applications_answer_500_while_pings_pass() {
    let mut farm = shop(Truth::default());
    farm.set_broken("fe-2", true);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/Home.aspx"), 500);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/_ping.html"), 200);
    pass(&mut farm, MINUTE);
    assert_eq!(farm.nodes["lb-1"].eligible("web").len(), 3, "the balancer sees nothing");
    farm.set_broken("fe-2", false);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/Home.aspx"), 200);
    let events = told(&mut farm);
    assert_eq!(events, ["60 fe-2 applications serving"]);
}

/// Goal: a pure controller is a controller and nothing else. Method: look and crash it.
#[test]
fn a_pure_controller_serves_nobody_and_is_needed_by_services() {
    let mut farm = shop_with_pure_controller();
    assert_eq!(status(&mut farm, "ctl", "/ServiceCenter/Login.aspx"), 0);
    assert_eq!(farm.database.enabled("ctl"), None, "never registered");
    farm.crash("ctl");
    farm.stop_service("fe-1");
    farm.start_service("fe-1");
    pass(&mut farm, 5 * MINUTE);
    assert_eq!(farm.servers["fe-1"].service_state(), ServiceState::Starting);
    farm.power_on("ctl");
    pass(&mut farm, 5 * MINUTE);
    assert_eq!(farm.servers["ctl"].service_state(), ServiceState::Initialised);
    assert_eq!(farm.servers["fe-1"].service_state(), ServiceState::Initialised);
}

/// Goal: what tests of the farm file expect is what a sound farm answers, and no more than real
/// modules are there. Method: GETs of every kind.
#[test]
fn a_sound_farm_answers_as_its_farm_file_says() {
    let mut farm = shop(Truth::default());
    let page = get(&mut farm, "fe-1", "/Shop/Health.aspx?deep=1").expect("serves");
    assert!(page.status == 200 && page.body.contains("ready to &lt;sell&gt;"), "{page:?}");
    assert!(page.body.contains("OutSystems") && page.body.contains("Shop"));
    assert_eq!(status(&mut farm, "fe-2", "/Papers/Home.aspx"), 204);
    assert_eq!(status(&mut farm, "fe-1", "/Papers/Home.aspx"), 404, "not in that zone");
    assert_eq!(status(&mut farm, "fe-1", "/shop/x/y.aspx"), 200, "paths have no case");
    let slow = get(&mut farm, "fe-1", "/Shop/Slow.aspx?ms=5000").expect("serves");
    assert_eq!(slow.after_ms, 5_000);
    let slow = get(&mut farm, "fe-1", "/Shop/Slow.aspx?ms=999999999").expect("serves");
    assert_eq!(slow.after_ms, 120_000, "bounded");
    let ping = get(&mut farm, "fe-1", "/Basket/_ping.html").expect("serves").body;
    let id = between(&ping, "<p id=\"", "\">OutSystems Platform Server is running</p>");
    assert_eq!(Some(id.to_owned()), farm.servers["fe-3"].deployed_id("Basket"));
}

/// Goal: a slow answer is what the server can still give when its time has come. Method: begin
/// slow requests, then let nothing happen, an installer stop the pools, power go and come back.
#[test]
fn a_slow_answer_depends_on_what_became_of_its_server() {
    let mut farm = shop(Truth::default());
    let life = farm.servers["fe-2"].life();
    let slow = get(&mut farm, "fe-2", "/Shop/Slow.aspx?ms=60000").expect("serves");
    let then = |farm: &Farm| {
        web::after_waiting(farm, "fe-2", life, slow.clone()).map(|answer| answer.status)
    };
    assert_eq!(then(&farm), Some(200));
    start(&mut farm, "fe-2", "j", "front-end-upgrade");
    pass(&mut farm, MINUTE);
    assert_eq!(then(&farm), Some(503));
    pass(&mut farm, 10 * MINUTE);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/Home.aspx"), 200);
    assert_eq!(then(&farm), Some(503), "the new pools know nothing of a request of the old");
    farm.crash("fe-2");
    assert_eq!(then(&farm), None);
    farm.power_on("fe-2");
    pass(&mut farm, 5 * MINUTE);
    assert_eq!(status(&mut farm, "fe-2", "/Shop/Home.aspx"), 200);
    assert_eq!(then(&farm), None, "the machine knows nothing of a request before its boot");
}

/// Goal: a reloaded balancer believes in everybody until its checks say otherwise. Method: reload
/// a node while a server is down, after its member was drained and taken down.
#[test]
fn a_reloaded_node_takes_a_dead_member_for_alive_until_its_first_check() {
    let mut farm = shop(Truth::default());
    pass(&mut farm, MINUTE);
    farm.crash("fe-3");
    pass(&mut farm, MINUTE);
    assert_eq!(farm.nodes["lb-1"].eligible("web").len(), 2);
    farm.reload("lb-1");
    assert_eq!(farm.nodes["lb-1"].eligible("web").len(), 3, "assumed up");
    assert_eq!(farm.nodes["lb-2"].eligible("web").len(), 2, "another process");
    pass(&mut farm, 10_000);
    assert_eq!(farm.nodes["lb-1"].eligible("web").len(), 2);
}
