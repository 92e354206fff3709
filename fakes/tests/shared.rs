//! One farm for many tasks: its clock, its observer, its load.
mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use common::*;
use evenkeel_fakes::balancer::Balancer;
use evenkeel_fakes::farm::{Load, Shared};
use evenkeel_fakes::ledger::{ApplicationState, Event, ServiceState};
use evenkeel_fakes::truth::Truth;
use tokio::task::LocalSet;
use tokio::time::sleep;

/// Goal: what is due happens while nobody asks, at its own time. Method: on a paused clock, start
/// a job and only sleep; the observer notes the time on tokio's clock of each change.
#[tokio::test(start_paused = true)]
async fn the_clock_task_lets_things_happen_when_they_are_due() {
    let local = LocalSet::new();
    let seen: Rc<RefCell<Vec<(u64, u64)>>> = Rc::default();
    local
        .run_until(async {
            let shared = Shared::new(shop(Truth::default()));
            let clock = shared.clone();
            tokio::task::spawn_local(async move { clock.run_clock().await });
            // The clock sleeps already, with nothing due, when the job comes.
            sleep(Duration::from_secs(10)).await;
            let (log, started) = (seen.clone(), tokio::time::Instant::now());
            shared.observe(Box::new(move |_, entry| {
                let passed = u64::try_from(started.elapsed().as_millis()).expect("short");
                log.borrow_mut().push((entry.at_ms, passed + 10_000));
            }));
            shared.with(|farm| start(farm, "fe-2", "j", "front-end-upgrade"));
            sleep(Duration::from_secs(600)).await;
        })
        .await;
    let seen = seen.borrow();
    assert!(seen.len() >= 8, "{seen:?}");
    assert!(seen.iter().all(|(at_ms, passed)| at_ms == passed), "late: {seen:?}");
    assert_eq!(seen.last().map(|(at_ms, _)| *at_ms), Some(400_000), "initialised");
}

/// Goal: an observer sees each change with the farm as it is right after it. Method: let half an
/// hour pass at once; at every entry the farm must agree with what the entry says.
#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_every_change_with_the_farm_of_that_moment() {
    let shared = Shared::new(shop(Truth::default()));
    let checked = Rc::new(Cell::new(0));
    let (count, mut ordinal) = (checked.clone(), 0);
    shared.observe(Box::new(move |farm, entry| {
        assert_eq!(entry.ordinal, ordinal, "none is left out");
        ordinal += 1;
        assert_eq!(entry.at_ms, farm.now_ms());
        let agrees = match &entry.event {
            Event::Installed { server, version } => farm.servers[server].version() == version,
            Event::DatabaseVersion { version } => farm.database.version() == version,
            Event::Service { server, state: ServiceState::Initialised } => {
                farm.servers[server].service_state() == ServiceState::Initialised
            }
            Event::Applications { server, state: ApplicationState::Unavailable } => {
                farm.servers[server].applications() == ApplicationState::Unavailable
            }
            Event::MemberOper { node, pool, member, up } => {
                let index = farm.nodes[node].find(pool, member).expect("it is there");
                farm.nodes[node].member(index).up() == *up
            }
            _ => return,
        };
        assert!(agrees, "{entry:?}");
        count.set(count.get() + 1);
    }));
    shared.with(|farm| start(farm, "fe-2", "j", "front-end-upgrade"));
    sleep(Duration::from_secs(1_800)).await;
    assert_eq!(shared.with(|farm| farm.servers["fe-2"].version().to_owned()), TO);
    assert!(checked.get() >= 8, "{}", checked.get());
}

/// Counts a request a millisecond at the first member, and remembers what it was told.
struct Steady {
    last_ms: u64,
    calls: Rc<RefCell<Vec<String>>>,
}

impl Load for Steady {
    fn advance(&mut self, now_ms: u64, nodes: &mut BTreeMap<String, Balancer>) {
        let node = nodes.get_mut("lb-1").expect("it is there");
        if let Some(first) = node.eligible("web").first() {
            node.counters_mut(*first).arrivals += now_ms - self.last_ms;
        }
        self.last_ms = now_ms;
    }

    fn server_lost(&mut self, now_ms: u64, server: &str) {
        self.calls.borrow_mut().push(format!("{now_ms} {server}"));
    }
}

/// Goal: counters are exact at every change and reading. Method: a load that gives the first
/// eligible member a request a millisecond; drain it, so that the second takes over, and compare
/// with the clock; a look at something else on the way leaves nothing out.
#[tokio::test(start_paused = true)]
async fn the_load_is_modelled_up_to_every_change_and_reading() {
    let shared = Shared::new(shop(Truth::default()));
    let calls: Rc<RefCell<Vec<String>>> = Rc::default();
    shared.set_load(Box::new(Steady { last_ms: 0, calls: calls.clone() }));
    sleep(Duration::from_millis(12_345)).await;
    shared.with(|farm| {
        let now_ms = farm.now_ms();
        farm.nodes
            .get_mut("lb-1")
            .expect("it is there")
            .command(now_ms, "set server web/m1 state drain");
    });
    sleep(Duration::from_millis(400)).await;
    assert_eq!(shared.look(|farm| farm.now_ms()), 12_745);
    sleep(Duration::from_millis(600)).await;
    let arrivals = shared.with(|farm| {
        let members = farm.nodes["lb-1"].members();
        members.map(|member| member.counters.arrivals).collect::<Vec<_>>()
    });
    assert_eq!(arrivals[..3], [12_345, 1_000, 0]);
    shared.with(|farm| farm.crash("fe-3"));
    shared.with(|farm| start(farm, "fe-2", "j", "front-end-upgrade"));
    sleep(Duration::from_secs(60)).await;
    shared.with(|_| ());
    assert_eq!(*calls.borrow(), ["13345 fe-3", "31345 fe-2"], "machine lost, pools stopped");
}

/// Goal: commands at a balancer are changes like any other. Method: drain by the runtime API and
/// by reload, and read the ledger.
#[tokio::test(start_paused = true)]
async fn what_a_balancer_does_is_in_the_same_ledger() {
    let shared = Shared::new(shop(Truth::default()));
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let log = lines.clone();
    shared.observe(Box::new(move |_, entry| log.borrow_mut().push(entry.event.to_string())));
    shared.with(|farm| {
        let node = farm.nodes.get_mut("lb-2").expect("it is there");
        assert_eq!(node.command(0, "set server web/m1 state drain"), "\n");
    });
    assert_eq!(*lines.borrow(), ["lb-2 web/m1 admin 8"]);
    shared.with(|farm| farm.reload("lb-2"));
    assert_eq!(lines.borrow()[1..], ["lb-2 reloaded", "lb-2 web/m1 admin 0"]);
}

/// Goal: the same farm and the same hands give the same ledger, however finely time is cut.
/// Method: one run in steps of a minute, one in steps of 77 ms.
#[test]
fn the_ledger_does_not_depend_on_how_often_somebody_looks() {
    let story = |step_ms: u64| {
        let mut farm = shop(Truth::default());
        start(&mut farm, "fe-1", "a", "controller-upgrade");
        start(&mut farm, "fe-3", "b", "front-end-upgrade");
        let mut told = Vec::new();
        while farm.now_ms() < 20 * MINUTE {
            farm.advance((farm.now_ms() + step_ms).min(20 * MINUTE));
            told.extend(farm.take_entries());
        }
        told
    };
    assert_eq!(story(MINUTE), story(77));
    assert!(story(MINUTE).len() > 20);
}
