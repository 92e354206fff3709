//! Answers that begin and do not end as they should, and packets that are sent again.
use std::io::ErrorKind;
use std::time::Duration;

use evenkeel_sim::fabric::{Latency, Mishap};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::support::{Pair, ask, check, sleep_ms};

/// Sends a line on a connection with a mishap armed, and reads until the end, an error, or for a
/// minute: what came, and how it ended (`None`: it did not).
fn answered(mishap: Mishap) -> (Vec<u8>, Option<Result<(), ErrorKind>>) {
    check(|pair| async move {
        let (_, asked) = pair.serve_lines();
        let mut near = pair.connect().await.unwrap();
        pair.fabric.spoil_response(pair.client, pair.server, mishap);
        near.write_all(b"12345678\n").await.unwrap();
        let (mut received, mut room) = (Vec::new(), [0; 64]);
        let ended = loop {
            match timeout(Duration::from_secs(60), near.read(&mut room)).await {
                Err(_) => break None,
                Ok(Ok(0)) => break Some(Ok(())),
                Ok(Ok(count)) => received.extend(&room[..count]),
                Ok(Err(error)) => break Some(Err(error.kind())),
            }
        };
        assert_eq!(asked.get(), 1, "the server has done what it was asked");
        drop(near);
        afterwards(&pair).await;
        (received, ended)
    })
}

/// Other connections are as they should be, and none is left.
async fn afterwards(pair: &Pair) {
    let mut other = pair.connect().await.unwrap();
    assert_eq!(ask(&mut other, "still there?").await.unwrap(), "still there?");
    drop(other);
    sleep_ms(1_000).await;
    assert_eq!(pair.fabric.connections_at(pair.client), 0);
    assert_eq!(pair.fabric.connections_at(pair.server), 0);
}

/// Goal: each mishap is what it says, strikes one connection and leaves nothing behind. Method:
/// ask once with each armed; compare what came and how it ended.
#[test]
fn an_answer_ends_midway_as_its_mishap_says() {
    let half = b"1234".to_vec();
    assert_eq!(answered(Mishap::Lost), (Vec::new(), Some(Err(ErrorKind::ConnectionReset))));
    assert_eq!(answered(Mishap::Reset), (half.clone(), Some(Err(ErrorKind::ConnectionReset))));
    assert_eq!(answered(Mishap::Cut), (half.clone(), Some(Ok(()))));
    assert_eq!(answered(Mishap::Silence), (half, None));
    let (noise, ended) = answered(Mishap::Noise);
    assert_eq!((noise.len(), ended), (9, None));
    assert!(noise.iter().all(|byte| !byte.is_ascii()), "{noise:?}");
}

/// Goal: a server that goes on sending into the silence, or ends, is freed when its client gives
/// up. Method: silence, then the server's other bytes and its end; the client drops a minute later.
#[test]
fn a_silenced_server_is_told_when_its_client_gives_up() {
    check(|pair| async move {
        let (mut near, mut far) = pair.connected().await;
        pair.fabric.spoil_response(pair.client, pair.server, Mishap::Silence);
        far.write_all(b"begins").await.unwrap();
        sleep_ms(10).await;
        far.write_all(b"goes on").await.unwrap();
        drop(far);
        let mut received = [0; 3];
        near.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"beg");
        assert!(timeout(Duration::from_secs(60), near.read_u8()).await.is_err());
        drop(near);
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
    });
}

/// Goal: loss is delay: all arrives, in order, later by a multiple of 200 ms. Method: a link that
/// loses every packet as often as it may; the connect takes two SYNs' worth, and the answer comes
/// whole. Then the same link without loss.
#[test]
fn a_lost_packet_comes_late_and_in_order() {
    check(|pair| async move {
        pair.serve_lines();
        pair.fabric.set_latency(pair.client, pair.server, Latency { base_ms: 1, jitter_ms: 0 });
        pair.fabric.set_loss(pair.client, pair.server, 1_000);
        let mut stream = pair.connect().await.unwrap();
        // Each SYN was sent again after 1, 2 and 4 s.
        assert_eq!(pair.fabric.now_ms(), 2 * (7_000 + 1));
        let long = "word ".repeat(2_000);
        assert_eq!(ask(&mut stream, long.trim()).await.unwrap(), long.trim());
        pair.fabric.set_loss(pair.client, pair.server, 0);
        sleep_ms(10_000).await;
        let before_ms = pair.fabric.now_ms();
        assert_eq!(ask(&mut stream, "quick").await.unwrap(), "quick");
        assert_eq!(pair.fabric.now_ms(), before_ms + 2);
    });
}
