//! Exchanges over wires in memory, on a paused clock: what is kept alive, what is lost, what is
//! never sent twice.
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A network with one host on it.
#[derive(Clone)]
struct Wire(UnboundedSender<DuplexStream>);

impl Dial for Wire {
    type Stream = DuplexStream;

    fn dial(&self, _: &Address) -> impl Future<Output = io::Result<DuplexStream>> + Send + 'static {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let sent = self.0.send(theirs);
        async move { sent.map(|()| ours).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused)) }
    }
}

/// What the host does about one request.
#[derive(Clone, Copy)]
enum Do {
    Answer(&'static str),
    AnswerAndClose(&'static str),
    Close,
    Hang,
}

const OK: Do = Do::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

/// The requests the host got, each with the number of its connection.
type Log = Rc<RefCell<Vec<(usize, String)>>>;

/// Serves connections, one deed a request.
fn serve(mut wires: UnboundedReceiver<DuplexStream>, deeds: Vec<Do>) -> Log {
    let log = Log::default();
    let (kept, deeds) = (Rc::clone(&log), Rc::new(RefCell::new(deeds.into_iter())));
    spawn_local(async move {
        let mut number = 0;
        while let Some(wire) = wires.recv().await {
            number += 1;
            spawn_local(connection(wire, number, Rc::clone(&kept), Rc::clone(&deeds)));
        }
    });
    log
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: S,
    number: usize,
    log: Log,
    deeds: Rc<RefCell<std::vec::IntoIter<Do>>>,
) {
    let mut request = Vec::new();
    while let Ok(byte) = wire.read_u8().await {
        request.push(byte);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        log.borrow_mut().push((number, String::from_utf8_lossy(&request).into_owned()));
        request.clear();
        let deed = deeds.borrow_mut().next().expect("a deed for every request");
        match deed {
            Do::Answer(text) => wire.write_all(text.as_bytes()).await.expect("they read"),
            Do::AnswerAndClose(text) => {
                return wire.write_all(text.as_bytes()).await.expect("they read");
            }
            Do::Close => return,
            Do::Hang => std::future::pending().await,
        }
    }
}

fn to() -> Address {
    Address::Tcp("fe-1".into(), 80)
}

async fn get(client: &HttpClient<Wire>, path: &str) -> Result<Response, HttpError> {
    client.request(Request::get(&to(), Scheme::Http, "shop.example", path)).await
}

/// Runs a test with a client and a host that does these deeds.
async fn check<F: Future<Output = ()>>(
    deeds: &[Do],
    test: impl FnOnce(HttpClient<Wire>, Log) -> F,
) {
    let all = async {
        let (sender, wires) = mpsc::unbounded_channel();
        let log = serve(wires, deeds.to_vec());
        test(HttpClient::new(Wire(sender)), log).await;
    };
    LocalSet::new().run_until(all).await;
}

fn connections(log: &Log) -> Vec<usize> {
    log.borrow().iter().map(|(number, _)| *number).collect()
}

/// Goal: requests one after another share a connection, requests at once do not. Method: the
/// number of the connection that each came by.
#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_alive() {
    check(&[OK; 5], |client, log| async move {
        for path in ["/a", "/b?c=d", "/e"] {
            let response = get(&client, path).await.expect("an answer");
            assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]));
        }
        assert_eq!(connections(&log), [1, 1, 1]);
        let expected = "GET /b?c=d HTTP/1.1\r\nhost: shop.example\r\nuser-agent: evenkeel\r\n\r\n";
        assert_eq!(log.borrow()[1].1, expected);
        let (one, other) = futures_util::join!(get(&client, "/"), get(&client, "/"));
        assert!(one.is_ok() && other.is_ok());
        assert_eq!(connections(&log)[3..], [1, 2]);
    })
    .await;
}

/// Goal: an idle connection is not used any more before the server would close it. Method: pauses
/// of 19 and 21 seconds.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_given_up_before_the_server_does() {
    check(&[OK; 3], |client, log| async move {
        for pause_s in [0, 19, 21] {
            tokio::time::sleep(Duration::from_secs(pause_s)).await;
            get(&client, "/").await.expect("an answer");
        }
        assert_eq!(connections(&log), [1, 1, 2]);
    })
    .await;
}

/// Goal: a connection that the server has closed costs nothing. Method: one closed after its
/// answer, with and without saying so.
#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_replaced() {
    let close = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let polite = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    check(&[Do::AnswerAndClose(close), Do::Answer(polite), OK], |client, log| async move {
        for _ in 0..3 {
            get(&client, "/").await.expect("an answer");
        }
        assert_eq!(connections(&log), [1, 2, 3]);
    })
    .await;
}

/// Goal: a request that left is lost when its connection breaks, and never sent again. Method: a
/// kept connection, and a fresh one, closed in place of an answer or within its body.
#[tokio::test(start_paused = true)]
async fn a_request_that_left_is_never_sent_again() {
    let torn = Do::AnswerAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal");
    check(&[OK, Do::Close, Do::Close, torn, OK], |client, log| async move {
        get(&client, "/0").await.expect("an answer");
        for path in ["/1", "/2", "/3"] {
            let outcome = get(&client, path).await;
            assert!(matches!(outcome, Err(HttpError::Lost(_))), "{path}: {outcome:?}");
        }
        get(&client, "/4").await.expect("an answer");
        let paths: Vec<_> = log.borrow().iter().map(|(_, text)| text[4..6].to_owned()).collect();
        assert_eq!(paths, ["/0", "/1", "/2", "/3", "/4"]);
    })
    .await;
}

/// Goal: silence ends at the deadline, and idle connections to the same host are given up with it.
/// Method: two kept connections, of which one falls silent.
#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    check(&[OK, OK, Do::Hang, OK], |client, log| async move {
        let _ = futures_util::join!(get(&client, "/"), get(&client, "/"));
        let begun = Instant::now();
        let outcome = get(&client, "/").await;
        assert!(matches!(outcome, Err(HttpError::Lost(_))), "{outcome:?}");
        assert_eq!(begun.elapsed(), Deadlines::default().exchange);
        get(&client, "/").await.expect("an answer");
        assert_eq!(connections(&log)[3], 3, "the neighbour was used, which is as dead");
    })
    .await;
}

/// Goal: answers are bounded and must be HTTP. Method: a body of a megabyte and a byte, and
/// another protocol.
#[tokio::test(start_paused = true)]
async fn what_is_too_much_or_no_http_is_garbled() {
    check(&[Do::Answer("SSH-2.0-OpenSSH\r\n\r\n")], |client, _| async move {
        let outcome = get(&client, "/").await;
        assert!(matches!(outcome, Err(HttpError::Garbled(_))), "{outcome:?}");
    })
    .await;
    let size = BODY_BYTES_MAX + 1;
    let flood = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size));
    let all = async {
        let (sender, mut wires) = mpsc::unbounded_channel();
        spawn_local(async move {
            let mut wire: DuplexStream = wires.recv().await.expect("a connection");
            let _ = wire.read(&mut [0; 1024]).await;
            let _ = wire.write_all(flood.as_bytes()).await; // they stop reading within it
        });
        let outcome = get(&HttpClient::new(Wire(sender)), "/").await;
        assert!(matches!(outcome, Err(HttpError::Garbled(_))), "{outcome:?}");
    };
    LocalSet::new().run_until(all).await;
}

/// Goal: a host that is not there is told from one that lost an answer; nothing is sent for text
/// that is no HTTP. Method: a network without hosts.
#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_there_is_unreachable() {
    let (sender, wires) = mpsc::unbounded_channel();
    drop(wires);
    let client = HttpClient::new(Wire(sender));
    let outcome = get(&client, "/").await;
    assert!(matches!(outcome, Err(HttpError::Unreachable(_))), "{outcome:?}");
    let outcome = get(&client, "/a b").await;
    assert!(matches!(outcome, Err(HttpError::Unfit(_))), "{outcome:?}");
}

/// A host that serves one name over TLS.
fn serve_tls(mut wires: UnboundedReceiver<DuplexStream>, deeds: Vec<Do>) -> Log {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tests/cert.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tests/key.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM"))
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let log = Log::default();
    let (kept, deeds) = (Rc::clone(&log), Rc::new(RefCell::new(deeds.into_iter())));
    spawn_local(async move {
        while let Some(wire) = wires.recv().await {
            let Ok(wire) = acceptor.accept(wire).await else { continue };
            let asked_for = wire.get_ref().1.server_name().unwrap_or_default().to_owned();
            kept.borrow_mut().push((0, asked_for));
            spawn_local(connection(wire, 1, Rc::clone(&kept), Rc::clone(&deeds)));
        }
    });
    log
}

/// Goal: TLS asks for the public name at the server's own address, and believes no other. Method:
/// a certificate for that name; then a request under another name, and one without trust.
#[tokio::test(start_paused = true)]
async fn tls_asks_for_the_public_name_at_the_servers_address() {
    let all = async {
        let (sender, wires) = mpsc::unbounded_channel();
        let log = serve_tls(wires, vec![OK, OK]);
        let mut authorities = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(include_bytes!("tests/cert.pem"));
        authorities.add(certificate.expect("PEM")).expect("a certificate");
        let client = HttpClient::new(Wire(sender.clone())).trusting(Trust::only(authorities));
        let to = Address::Tcp("10.0.0.1".into(), 443);
        let get = async |client: &HttpClient<Wire>, name: &str| {
            client.request(Request::get(&to, Scheme::Https, name, "/")).await
        };
        for _ in 0..2 {
            assert_eq!(get(&client, "shop.example").await.expect("an answer").status, 200);
        }
        let asked: Vec<_> = log.borrow().iter().map(|(_, text)| text.clone()).collect();
        assert_eq!(asked[0], "shop.example");
        assert!(asked[1].contains("host: shop.example"), "{asked:?}");
        assert_eq!(asked.len(), 3, "one connection, two requests: {asked:?}");

        let outcome = get(&client, "other.example").await;
        assert!(matches!(outcome, Err(HttpError::Unreachable(_))), "{outcome:?}");
        let stranger = HttpClient::new(Wire(sender)).trusting(Trust::only(RootCertStore::empty()));
        let outcome = get(&stranger, "shop.example").await;
        assert!(matches!(outcome, Err(HttpError::Unreachable(_))), "{outcome:?}");
        assert_eq!(log.borrow().len(), 3, "a request was sent to somebody unproven");
    };
    LocalSet::new().run_until(all).await;
}
