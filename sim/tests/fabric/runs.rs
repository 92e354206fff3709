//! How runs end: by themselves, by a panic, by the deadline, by going nowhere; and what they cost.
use std::rc::Rc;
use std::time::Duration;

use evenkeel_fakes::listen::Listen;
use evenkeel_sim::fabric::{Ending, Fabric, Setup, run};
use tokio::sync::Notify;

use crate::support::{HOUR_MS, Pair, ask, check, ending, server_address, sleep_ms};

/// Goal: nobody's panic is lost. Method: a task that nobody awaits, a task spawned by a task, and
/// the body itself panic while the body would wait for an hour.
#[test]
fn a_panic_in_any_task_fails_the_run() {
    let spawned = ending(|pair| async move {
        pair.fabric.spawn(pair.server, async {
            sleep_ms(5).await;
            panic!("the server broke: {}", 42);
        });
        sleep_ms(HOUR_MS / 2).await;
    });
    let Ending::Panicked { message, task } = spawned else { panic!("{spawned:?}") };
    assert!(
        message.starts_with("the server broke: 42") && message.contains("runs.rs"),
        "{message}"
    );
    assert_eq!(task, "server");

    let nested = ending(|pair| async move {
        pair.fabric.spawn(pair.client, async {
            tokio::task::spawn_local(async { panic!("a grandchild broke") });
        });
        sleep_ms(HOUR_MS / 2).await;
    });
    assert!(matches!(nested, Ending::Panicked { task, .. } if task == "client"));

    let body = ending(|_| async move {
        sleep_ms(1).await;
        panic!("the body broke");
    });
    assert!(matches!(body, Ending::<()>::Panicked { task, .. } if task == "the body"));
}

/// Goal: a panic in a destructor at the end of the run is not lost either. Method: a task that is
/// still there when the body returns panics when dropped.
#[test]
fn a_panic_at_the_end_fails_the_run() {
    struct Sore;
    impl Drop for Sore {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let ending = ending(|pair| async move {
        pair.fabric.spawn(pair.server, async {
            let _sore = Sore;
            std::future::pending::<()>().await;
        });
        sleep_ms(1).await;
    });
    assert!(matches!(ending, Ending::Panicked { .. }), "{ending:?}");
}

/// Goal: a failed run leaves the thread fit for the next one. Method: run, fail, run.
#[test]
fn a_failed_run_does_not_spoil_the_next() {
    for _ in 0..3 {
        let broken = ending(|pair| async move {
            pair.serve_lines();
            let _open = pair.connect().await.unwrap();
            panic!("with connections open");
        });
        assert!(matches!(broken, Ending::<()>::Panicked { .. }));
        check(|pair| async move {
            pair.serve_lines();
            ask(&mut pair.connect().await.unwrap(), "fine").await.unwrap();
        });
    }
}

/// Goal: a run that waits for nothing ends at its deadline, which it does not sleep through in
/// real time. Method: a body that waits for ever.
#[test]
fn waiting_for_nothing_is_stuck() {
    let finished = run(Setup::new(1, 5_000), |_| std::future::pending::<()>());
    let Ending::Stuck { why } = finished.result else { panic!("{:?}", finished.result) };
    assert!(why.contains("5000 ms"), "{why}");
    assert_eq!(finished.simulated_ms, 5_000);
}

/// Goal: a deadline beyond what tokio's timers can wait for ends the run all the same. Method: the
/// largest number.
#[test]
fn the_latest_deadline_is_a_deadline() {
    let finished = run(Setup::new(1, u64::MAX), |_| std::future::pending::<()>());
    assert!(matches!(finished.result, Ending::Stuck { .. }));
}

/// Goal: tasks that keep each other busy without time going on are found out. Method: a task that
/// yields for ever, and a pair that wake each other.
#[test]
fn a_livelock_is_stuck() {
    let yielding = ending(|pair| async move {
        pair.fabric.spawn(pair.server, async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        sleep_ms(1).await;
    });
    let Ending::Stuck { why } = yielding else { panic!("{yielding:?}") };
    assert!(why.contains("without time going on") && why.contains("server"), "{why}");

    let ping_pong = ending(|pair| async move {
        let (left, right) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        for (host, mine, other) in
            [(pair.client, left.clone(), right.clone()), (pair.server, right, left)]
        {
            pair.fabric.spawn(host, async move {
                loop {
                    other.notify_one();
                    mine.notified().await;
                }
            });
        }
        sleep_ms(1).await;
    });
    assert!(matches!(ping_pong, Ending::Stuck { .. }), "{ping_pong:?}");
}

/// Goal: idle time costs nothing. Method: a day in which a server is asked once an hour and a
/// timer of three years run in less packets than a ticking network would need ticks for a second:
/// the number of events is what a run costs.
#[test]
fn a_day_costs_only_its_events() {
    let day_ms = 24 * HOUR_MS;
    let finished = run(Setup::new(1, 4 * 365 * day_ms), |fabric: Fabric| async move {
        let pair = Pair::new(fabric);
        pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        for _ in 0..24 {
            sleep_ms(HOUR_MS).await;
            ask(&mut stream, "still there?").await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(3 * 365 * day_ms)).await;
        pair.fabric.now_ms()
    });
    let asked_ms = 24 * 2 + 2;
    assert_eq!(finished.result.unwrap(), day_ms + asked_ms + 3 * 365 * day_ms);
    // The opening, and a question and an answer each hour.
    assert_eq!(finished.packets, 3 + 24 * 2);
    assert_eq!(finished.connections, 1);
}

/// Goal: a host may join a network that is in use. Method: add one after a bind, and ask it.
#[test]
fn a_host_may_come_late() {
    check(|pair| async move {
        pair.serve_lines();
        let late = pair.fabric.add_host("late", [10, 0, 0, 9].into());
        let mut stream = pair.fabric.at(late).connect(server_address()).await.unwrap();
        assert_eq!(ask(&mut stream, "welcome").await.unwrap(), "welcome");
    });
}

/// Goal: what outlives its run does no harm to the next. Method: a stream is returned from a run,
/// and dropped while another run is going on.
#[test]
fn a_stream_may_outlive_its_run() {
    let outlived = check(|pair| async move {
        pair.serve_lines();
        pair.connect().await.unwrap()
    });
    check(|pair| async move {
        pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        drop(outlived);
        assert_eq!(ask(&mut stream, "mine").await.unwrap(), "mine");
    });
}

/// Goal: notes are part of the run. Method: the same run with another note has another digest.
#[test]
fn notes_count() {
    let noted = |text: &'static str| {
        let finished = run(Setup::new(1, HOUR_MS), |fabric| async move {
            fabric.note(text);
            fabric.events()
        });
        (finished.digest, finished.result.unwrap())
    };
    assert_eq!(noted("drained"), noted("drained"));
    assert_ne!(noted("drained").0, noted("stopped").0);
    assert_eq!(noted("drained").1, 1);
}
