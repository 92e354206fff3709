//! Connections behave as Linux's do, also where one side gives up, is gone or does not read.
use std::io::ErrorKind;

use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::listen::Listen;
use evenkeel_sim::fabric::{At, Latency, Setup, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{HOUR_MS, Pair, ask, check, kind, server_address, sleep_ms, turn, within};

/// Goal: nothing listens: refused after one round trip; nobody there: silence. Method: both.
#[test]
fn a_closed_port_refuses_and_an_unknown_address_is_silent() {
    check(|pair| async move {
        assert_eq!(kind(pair.connect().await), ErrorKind::ConnectionRefused);
        assert_eq!(pair.fabric.now_ms(), 2);
        let near = pair.near();
        let nobody = near.connect("10.9.9.9:80".parse().unwrap());
        assert!(within(600_000, nobody).await.is_none());
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
    });
}

/// Goal: dials go by host name, added name or address in text; an unknown name and a UNIX socket
/// fail at once. Method: one dial of each.
#[test]
fn dials_resolve_names() {
    check(|pair| async move {
        pair.fabric.add_name("console.example", [10, 0, 0, 2].into());
        pair.serve_lines();
        for name in ["server", "console.example", "10.0.0.2"] {
            let mut stream = pair.near().dial(&Address::Tcp(name.into(), 80)).await.unwrap();
            assert_eq!(ask(&mut stream, name).await.unwrap(), name);
        }
        let unknown = pair.near().dial(&Address::Tcp("sever".into(), 80)).await;
        assert_eq!(kind(unknown), ErrorKind::NotFound);
        let unix = pair.near().dial(&Address::Unix("/run/haproxy.sock".into())).await;
        assert_eq!(kind(unix), ErrorKind::Unsupported);
    });
}

/// Goal: a client that gives up connecting leaves nothing at the server, however often.
/// Method: 500 connects given up at each point of the handshake, over links of 10 ms; then no
/// connection is left and the port can be bound again.
#[test]
fn connects_given_up_leave_nothing() {
    check(|pair| async move {
        let latency = Latency { base_ms: 10, jitter_ms: 0 };
        pair.fabric.set_latency(pair.client, pair.server, latency);
        let (task, _) = pair.serve_lines();
        for turn in 0..500 {
            let _given_up = within(1 + turn % 25, pair.connect()).await;
        }
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
        task.abort();
        turn().await;
        drop(pair.far().bind(server_address()).await.unwrap());
    });
}

/// Goal: a server that goes on sending to a client that is gone is told so. Method: the
/// client drops its stream early; the server writes until it fails, at once and not never.
#[test]
fn a_sender_to_a_dropped_stream_is_reset() {
    check(|pair| async move {
        let (near, mut far) = pair.connected().await;
        drop(near);
        let before_ms = pair.fabric.now_ms();
        let error = loop {
            if let Err(error) = far.write_all(&[7; 4096]).await {
                break error;
            }
            sleep_ms(1).await;
        };
        // It has been sent the other's end, so that Linux calls it a broken pipe.
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(pair.fabric.now_ms() - before_ms <= 5);
        drop(far);
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
    });
}

/// Goal: the polite way round is not disturbed by that: a client that drops its stream after the
/// answer, with nothing more to come, leaves a server that reads the end. Method: close from the
/// client's side, read to the end at the server's, count.
#[test]
fn a_polite_close_is_an_end_and_not_a_reset() {
    check(|pair| async move {
        let (mut near, mut far) = pair.connected().await;
        near.write_all(b"bye").await.unwrap();
        drop(near);
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"bye");
        drop(far);
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
    });
}

/// Goal: bytes that arrived before a reset are read before it. Method: the server answers
/// without reading all it was sent and drops its stream, which resets; the client reads the whole
/// answer and only then the reset.
#[test]
fn unread_bytes_are_read_before_a_reset() {
    check(|pair| async move {
        let (mut near, mut far) = pair.connected().await;
        let reader = pair.fabric.spawn(pair.client, async move {
            near.write_all(b"a request that nobody reads").await.unwrap();
            let mut answer = Vec::new();
            let error = near.read_to_end(&mut answer).await;
            (answer.len(), kind(error))
        });
        sleep_ms(5).await;
        far.write_all(&[1; 3_000]).await.unwrap();
        drop(far);
        assert_eq!(reader.await.unwrap(), (3_000, ErrorKind::ConnectionReset));
    });
}

/// Goal: random latency never reorders. Method: 1 MB over 1 to 50 ms per packet arrives whole, in
/// order, and takes about as long as its windows need, not for ever.
#[test]
fn a_megabyte_over_random_latency_arrives_whole() {
    let setup = Setup { links: Latency { base_ms: 1, jitter_ms: 49 }, ..Setup::new(5, HOUR_MS) };
    let finished = run(setup, |fabric| async move {
        let pair = Pair::new(fabric);
        let (mut near, mut far) = pair.connected().await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let copy = sent.clone();
        pair.fabric.spawn(pair.server, async move { far.write_all(&copy).await });
        let mut received = Vec::new();
        near.read_to_end(&mut received).await.unwrap();
        assert!(received == sent, "bytes were lost or reordered");
    });
    finished.result.unwrap();
    assert!(finished.simulated_ms < 5_000, "{}", finished.simulated_ms);
}

/// Goal: a stream belongs to its host wherever it is held. Method: both ends of several
/// connections are polled and dropped by tasks of the wrong host; listeners and other connections
/// live on.
#[test]
fn a_stream_carries_its_host() {
    check(|pair| async move {
        pair.serve_lines();
        let mut kept = pair.connect().await.unwrap();
        for _ in 0..5 {
            let mut stream = pair.connect().await.unwrap();
            let held_elsewhere = pair.fabric.spawn(pair.server, async move {
                let answer = ask(&mut stream, "from elsewhere").await;
                drop(stream);
                answer
            });
            assert_eq!(held_elsewhere.await.unwrap().unwrap(), "from elsewhere");
        }
        assert_eq!(ask(&mut kept, "still there").await.unwrap(), "still there");
        assert_eq!(ask(&mut pair.connect().await.unwrap(), "new").await.unwrap(), "new");
    });
}

/// Goal: a client's ports come round without a connection inheriting anything from the one that
/// had its port before. Method: one connection more than there are ephemeral ports, each asked and
/// dropped by the client, as most are.
#[test]
fn ports_come_round() {
    check(|pair| async move {
        pair.serve_lines();
        for _ in 49_152..=65_536 {
            let mut stream = pair.connect().await.unwrap();
            assert_eq!(ask(&mut stream, "mine").await.unwrap(), "mine");
        }
        sleep_ms(10).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
    });
}

/// Goal: a polite stop frees the port as SO_REUSEADDR does, although connections accepted there go
/// on; a listener is named. Method: bind again with the listener there, and with the accepted
/// connection open, which is not harmed; then serve there.
#[test]
fn a_polite_stop_frees_the_port() {
    check(|pair| async move {
        let mut socket = pair.far().bind(server_address()).await.unwrap();
        let mut near = pair.connect().await.unwrap();
        let (mut far, _) = At::accept(&mut socket).await.unwrap();
        let taken = pair.far().bind(server_address()).await.unwrap_err();
        assert!(taken.to_string().contains("somebody listens"), "{taken}");
        drop(socket);
        pair.serve_lines();
        sleep_ms(10).await;
        assert_eq!(ask(&mut pair.connect().await.unwrap(), "again").await.unwrap(), "again");
        far.write_all(b"unharmed").await.unwrap();
        near.read_exact(&mut [0; 8]).await.unwrap();
        drop(far);
        sleep_ms(10).await;
        assert_eq!(pair.fabric.connections_at(pair.server), 1, "the client has not closed");
        drop(near);
        sleep_ms(1_000).await;
        assert_eq!(pair.fabric.connections_at(pair.client), 0);
        assert_eq!(pair.fabric.connections_at(pair.server), 0);
    });
}

/// Goal: an address that is another host's cannot be bound. Method: bind the client's on the server.
#[test]
fn an_address_of_another_host_cannot_be_bound() {
    check(|pair| async move {
        let foreign = pair.far().bind("10.0.0.1:80".parse().unwrap()).await;
        assert_eq!(kind(foreign), ErrorKind::AddrNotAvailable);
    });
}
