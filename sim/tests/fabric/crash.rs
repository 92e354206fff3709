//! A crash is sudden and a restart is clean: what the peers see, and that nothing is left.
use std::io::ErrorKind;

use evenkeel_fakes::listen::Listen;
use evenkeel_sim::fabric::{At, Ending};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Pair, ask, check, ending, kind, server_address, sleep_ms, turn, within};

/// Goal: a host that dies says nothing. Method: a client that waits for an answer hears neither
/// end nor error for a minute; the server's task is gone.
#[test]
fn a_dead_host_is_silent() {
    check(|pair| async move {
        let (task, _) = pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        assert_eq!(ask(&mut stream, "hello").await.unwrap(), "hello");
        pair.fabric.crash(pair.server).await;
        assert!(task.is_finished());
        assert!(!pair.fabric.is_up(pair.server));
        assert!(within(60_000, ask(&mut stream, "anybody")).await.is_none());
    });
}

/// Goal: the port is free after a crash. Method: crash with connections open in several
/// states, bind again at once, ask again; the old connection reads a reset.
#[test]
fn a_crashed_host_binds_its_port_again() {
    check(|pair| async move {
        pair.serve_lines();
        let mut open = pair.connect().await.unwrap();
        ask(&mut open, "one").await.unwrap();
        let mut half = pair.connect().await.unwrap();
        half.shutdown().await.unwrap();
        pair.fabric.crash(pair.server).await;
        assert_eq!(pair.fabric.connections_at(pair.server), 0);

        let (_, asked) = pair.serve_lines();
        turn().await;
        pair.fabric.power_on(pair.server);
        let mut fresh = pair.connect().await.unwrap();
        assert_eq!(ask(&mut fresh, "two").await.unwrap(), "two");
        assert_eq!(asked.get(), 1);
        assert_eq!(kind(ask(&mut open, "lost").await), ErrorKind::ConnectionReset);
    });
}

/// Goal: who has something unacknowledged hears of the restart without doing anything. Method:
/// write while the server is down, restart it after 10 s, read: reset within a few milliseconds.
#[test]
fn a_busy_peer_is_reset_by_the_restart() {
    check(|pair| async move {
        pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        pair.fabric.crash(pair.server).await;
        stream.write_all(b"lost\n").await.unwrap();
        sleep_ms(10_000).await;
        pair.serve_lines();
        turn().await;
        let before_ms = pair.fabric.now_ms();
        pair.fabric.power_on(pair.server);
        assert_eq!(kind(stream.read_u8().await), ErrorKind::ConnectionReset);
        assert!(pair.fabric.now_ms() - before_ms <= 4);
    });
}

/// Goal: an idle peer learns of a restart only when it writes. Method: wait an idle minute past
/// the restart, then ask.
#[test]
fn an_idle_peer_hears_nothing_until_it_writes() {
    check(|pair| async move {
        pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        pair.fabric.crash(pair.server).await;
        pair.fabric.power_on(pair.server);
        assert!(within(60_000, stream.read_u8()).await.is_none());
        assert_eq!(kind(ask(&mut stream, "late").await), ErrorKind::ConnectionReset);
    });
}

/// Goal: a connect begun while the host is down completes after its restart. Method: connect to a
/// dead host, restart after 5 s, and ask over that connection.
#[test]
fn a_connect_begun_while_down_completes_after_the_restart() {
    check(|pair| async move {
        pair.fabric.crash(pair.server).await;
        let at = pair.near();
        let connecting =
            pair.fabric.spawn(pair.client, async move { at.connect(server_address()).await });
        sleep_ms(5_000).await;
        assert!(!connecting.is_finished());
        pair.serve_lines();
        turn().await;
        pair.fabric.power_on(pair.server);
        let mut stream = connecting.await.unwrap().unwrap();
        assert_eq!(ask(&mut stream, "up?").await.unwrap(), "up?");
    });
}

/// Goal: what was answered before the crash arrives. Method: the server answers and its power is
/// cut in the same instant, with the answer on the wire.
#[test]
fn what_left_before_the_crash_arrives() {
    check(|pair| async move {
        let (mut near, mut far) = pair.connected().await;
        far.write_all(b"last words").await.unwrap();
        pair.fabric.crash(pair.server).await;
        let mut words = [0; 10];
        near.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"last words");
        assert!(within(60_000, near.read_u8()).await.is_none(), "and then silence");
    });
}

/// Goal: a task may cut the power of its own host and never runs again. Method: a counter after
/// the crash stays at zero, and so does its neighbour's.
#[test]
fn a_task_may_crash_its_own_host() {
    check(|pair| async move {
        let fabric = pair.fabric.clone();
        let server = pair.server;
        let task = pair.fabric.spawn(server, async move {
            fabric.crash(server).await;
            panic!("a dead host ran on");
        });
        assert_eq!(task.await, None);
        assert!(!pair.fabric.is_up(server));
    });
}

/// Goal: a booting host's packets wait for its network. Method: a boot task dials before the
/// power is reported on; the dial completes afterwards.
#[test]
fn a_booting_host_may_dial() {
    check(|pair| async move {
        let mut socket = pair.near().bind("10.0.0.1:99".parse().unwrap()).await.unwrap();
        pair.fabric.crash(pair.server).await;
        let at = pair.far();
        let boot = pair.fabric.spawn(pair.server, async move {
            at.connect("10.0.0.1:99".parse().unwrap()).await.map(|_| ())
        });
        sleep_ms(1_000).await;
        assert!(!boot.is_finished());
        assert_eq!(pair.fabric.connections_at(pair.client), 0, "not even a half-open one");
        pair.fabric.power_on(pair.server);
        At::accept(&mut socket).await.unwrap();
        boot.await.unwrap().unwrap();
    });
}

/// Goal: crashes leave nothing behind, at either end. Method: 200 cycles of 8 connections each,
/// some asking, some half-closed; afterwards no connection is left and cycles cost what they did.
#[test]
fn two_hundred_crashes_leave_nothing() {
    check(|pair| async move {
        for _ in 0..200 {
            pair.serve_lines();
            turn().await;
            pair.fabric.power_on(pair.server);
            let mut streams = Vec::new();
            for number in 0..8 {
                let mut stream = pair.connect().await.unwrap();
                match number % 4 {
                    0 => assert_eq!(ask(&mut stream, "hello").await.unwrap(), "hello"),
                    1 => stream.shutdown().await.unwrap(),
                    2 => stream.write_all(b"half a line").await.unwrap(),
                    _ => {}
                }
                streams.push(stream);
            }
            pair.fabric.crash(pair.server).await;
            drop(streams);
        }
        pair.fabric.power_on(pair.server);
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
    });
}

/// Goal: a peer of a host that never returns is let go by its own kernel. Method: a write to a
/// dead host fails after Linux's quarter of an hour, and a closed connection is freed.
#[test]
fn a_sender_gives_up_after_a_quarter_of_an_hour() {
    check(|pair| async move {
        pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        let closed = pair.connect().await.unwrap();
        pair.fabric.crash(pair.server).await;
        drop(closed);
        assert!(within(890_000, ask(&mut stream, "hello?")).await.is_none());
        assert_eq!(kind(stream.read_u8().await), ErrorKind::TimedOut);
        assert_eq!(pair.fabric.now_ms() / 1_000, 900);
        drop(stream);
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
    });
}

/// Goal: a connection that the client dropped is not kept for ever when its server dies without
/// having closed it. Method: drop, crash before the server reads, wait Linux's minute, count.
#[test]
fn a_dropped_connection_to_a_dead_server_is_freed() {
    check(|pair| async move {
        let (near, _far) = pair.connected().await;
        drop(near);
        sleep_ms(10).await;
        pair.fabric.crash(pair.server).await;
        sleep_ms(59_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 1);
        sleep_ms(2_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
    });
}

/// Goal: starting on a host that is still going down is a bug of the caller, said loudly. Method:
/// cut the power and spawn in one breath.
#[test]
fn a_host_that_goes_down_starts_nothing() {
    let ending = ending(|pair: Pair| async move {
        pair.fabric.cut_power(pair.server);
        pair.fabric.spawn(pair.server, async {});
    });
    let Ending::Panicked { message, .. } = ending else { panic!("{ending:?}") };
    assert!(message.contains("still going down"), "{message}");
}
