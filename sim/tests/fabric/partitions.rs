//! Partitions hold packets and let them go afterwards: loss is delay.
use evenkeel_sim::fabric::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Pair, ask, check, sleep_ms, within};

/// Sends a megabyte from server to client, cuts in the middle for 100 s, and returns when it was
/// received whole.
fn transfer_across(direction: Direction) -> u64 {
    check(|pair| async move {
        let (mut near, mut far) = pair.connected().await;
        pair.fabric.spawn(pair.server, async move { far.write_all(&[9; 1_000_000]).await });
        let reader = pair.fabric.spawn(pair.client, async move {
            let mut received = Vec::new();
            near.read_to_end(&mut received).await.unwrap();
            received.len()
        });
        sleep_ms(10).await;
        pair.fabric.partition(pair.client, pair.server, direction);
        sleep_ms(100_000).await;
        assert!(!reader.is_finished());
        pair.fabric.heal(pair.client, pair.server);
        assert_eq!(reader.await.unwrap(), 1_000_000);
        pair.fabric.now_ms()
    })
}

/// Goal: a cut in the middle of a transfer only delays it, whichever way it cuts. Method: each
/// direction; whole, and done within a second of the healing.
#[test]
fn a_transfer_survives_a_partition() {
    for direction in [Direction::Both, Direction::Forward, Direction::Backward] {
        let ended_ms = transfer_across(direction);
        assert!((100_000..101_000).contains(&ended_ms), "{direction:?}: {ended_ms}");
    }
}

/// Goal: a cut one way lets the other way through. Method: requests reach the server while its
/// answers do not reach the client, until healed.
#[test]
fn a_one_way_cut_is_one_way() {
    check(|pair| async move {
        let (_, asked) = pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        pair.fabric.partition(pair.client, pair.server, Direction::Backward);
        assert!(within(60_000, ask(&mut stream, "hear me")).await.is_none());
        assert_eq!(asked.get(), 1);
        pair.fabric.heal(pair.client, pair.server);
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hear me\n");

        pair.fabric.partition(pair.client, pair.server, Direction::Forward);
        assert!(within(60_000, ask(&mut stream, "nor now")).await.is_none());
        assert_eq!(asked.get(), 1);
    });
}

/// Goal: what is under way when the cut comes is held too. Method: cut in the instant after a
/// request left; the server has heard nothing until healed.
#[test]
fn a_cut_catches_what_is_under_way() {
    check(|pair| async move {
        let (_, asked) = pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        stream.write_all(b"caught\n").await.unwrap();
        pair.fabric.partition(pair.client, pair.server, Direction::Both);
        sleep_ms(10_000).await;
        assert_eq!(asked.get(), 0);
        pair.fabric.heal(pair.client, pair.server);
        sleep_ms(10).await;
        assert_eq!(asked.get(), 1);
    });
}

/// Goal: a connect across a partition hangs and leaves nothing when its caller gives up. Method:
/// give up after a minute, heal, and count connections at both ends.
#[test]
fn a_connect_across_a_partition_hangs() {
    check(|pair: Pair| async move {
        pair.serve_lines();
        for direction in [Direction::Both, Direction::Forward, Direction::Backward] {
            pair.fabric.partition(pair.client, pair.server, direction);
            assert!(within(60_000, pair.connect()).await.is_none(), "{direction:?}");
            pair.fabric.heal(pair.client, pair.server);
            sleep_ms(1_000).await;
            assert_eq!(pair.fabric.connections_at(pair.client), 0, "{direction:?}");
            assert_eq!(pair.fabric.connections_at(pair.server), 0, "{direction:?}");
        }
        assert_eq!(ask(&mut pair.connect().await.unwrap(), "healed").await.unwrap(), "healed");
    });
}

/// Goal: a host that is stopped does nothing and hears nothing, and goes on where it stood. Method:
/// stop a server for 60 s: a request under way and one sent meanwhile are answered after it goes on,
/// and its own timer of 10 s fires then.
#[test]
fn a_frozen_host_stands_still_and_goes_on() {
    check(|pair| async move {
        let (_, asked) = pair.serve_lines();
        let fabric = pair.fabric.clone();
        let timer = pair.fabric.spawn(pair.server, async move {
            sleep_ms(10_000).await;
            fabric.now_ms()
        });
        let mut stream = pair.connect().await.unwrap();
        let begun_ms = pair.fabric.now_ms();
        pair.fabric.freeze(pair.server);
        assert!(within(60_000, ask(&mut stream, "hear me")).await.is_none());
        assert_eq!(asked.get(), 0);
        assert!(!timer.is_finished());
        pair.fabric.thaw(pair.server);
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"hear me\n");
        assert_eq!(timer.await, Some(begun_ms + 60_000));
        assert_eq!(ask(&mut stream, "and now").await.unwrap(), "and now");
    });
}
