//! A lost response: the server did what it was asked and the client cannot know.
use std::io::ErrorKind;

use evenkeel_sim::fabric::{Direction, Latency};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{ask, check, kind, sleep_ms, within};

/// Goal: the answer is lost after the deed, once, and only on that connection. Method: ask on two
/// connections with one loss armed; the first is reset with its request counted, the other and a
/// new one work, and no connection is left at the end.
#[test]
fn a_lost_response_is_a_reset_after_the_deed() {
    check(|pair| async move {
        let (_, asked) = pair.serve_lines();
        let mut first = pair.connect().await.unwrap();
        let mut second = pair.connect().await.unwrap();
        pair.fabric.lose_response(pair.client, pair.server);
        assert_eq!(kind(ask(&mut first, "do it").await), ErrorKind::ConnectionReset);
        assert_eq!(asked.get(), 1);
        assert_eq!(ask(&mut second, "done?").await.unwrap(), "done?");
        assert_eq!(ask(&mut pair.connect().await.unwrap(), "new").await.unwrap(), "new");
        drop((first, second));
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
    });
}

/// Goal: a lost request is a reset before the deed. Method: the same, and nothing was asked.
#[test]
fn a_lost_request_is_a_reset_before_the_deed() {
    check(|pair| async move {
        let (_, asked) = pair.serve_lines();
        let mut stream = pair.connect().await.unwrap();
        pair.fabric.lose_request(pair.client, pair.server);
        assert_eq!(kind(ask(&mut stream, "do it").await), ErrorKind::ConnectionReset);
        sleep_ms(1_000).await;
        assert_eq!(asked.get(), 0);
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
    });
}

/// Goal: what the server answered before is not lost with it. Method: a first answer is on the
/// wire when the second is lost; the client reads the first, then the reset.
#[test]
fn earlier_bytes_survive_a_lost_response() {
    check(|pair| async move {
        let latency = Latency { base_ms: 20, jitter_ms: 30 };
        pair.fabric.set_latency(pair.client, pair.server, latency);
        let (mut near, mut far) = pair.connected().await;
        far.write_all(b"kept").await.unwrap();
        sleep_ms(1).await;
        pair.fabric.lose_response(pair.client, pair.server);
        far.write_all(&[b'x'; 10_000]).await.unwrap();
        let mut received = Vec::new();
        assert_eq!(kind(near.read_to_end(&mut received).await), ErrorKind::ConnectionReset);
        assert_eq!(received, b"kept");
        assert_eq!(kind(far.read_u8().await), ErrorKind::ConnectionReset);
    });
}

/// Goal: a loss that has not happened can be taken back, and two lose two connections, not two
/// packets. Method: arm and disarm, then arm twice and count the resets of answers that fill
/// several packets.
#[test]
fn losses_add_up_and_are_taken_back() {
    check(|pair| async move {
        pair.serve_lines();
        pair.fabric.lose_response(pair.client, pair.server);
        pair.fabric.lose_request(pair.client, pair.server);
        pair.fabric.lose_nothing(pair.client, pair.server);
        let mut stream = pair.connect().await.unwrap();
        assert_eq!(ask(&mut stream, "whole").await.unwrap(), "whole");
        pair.fabric.lose_response(pair.client, pair.server);
        pair.fabric.lose_response(pair.client, pair.server);
        let mut lost = 0;
        for _ in 0..4 {
            let mut stream = pair.connect().await.unwrap();
            lost += u32::from(ask(&mut stream, &"long".repeat(5_000)).await.is_err());
        }
        assert_eq!(lost, 2);
    });
}

/// Goal: a loss waits for a packet that would have arrived. Method: armed during a partition, it
/// takes the first answer that is sent after the healing.
#[test]
fn a_loss_waits_for_the_link() {
    check(|pair| async move {
        let (_, asked) = pair.serve_lines();
        let mut held = pair.connect().await.unwrap();
        pair.fabric.partition(pair.client, pair.server, Direction::Backward);
        pair.fabric.lose_response(pair.client, pair.server);
        assert!(within(1_000, ask(&mut held, "held")).await.is_none());
        pair.fabric.heal(pair.client, pair.server);
        let mut answer = [0; 5];
        held.read_exact(&mut answer).await.unwrap();
        assert_eq!(kind(ask(&mut held, "lost").await), ErrorKind::ConnectionReset);
        assert_eq!(asked.get(), 2);
    });
}
