//! One code, three networks: the operating system's, the rehearsal's fabric, and the umbrella crate
//! `turmoil` as a cross-check of the fabric.
//!
//! Server and client are written once, over `Listen` and `Dial`, with hyper on both sides. The
//! simulated networks also tell the same story of a crash: answered, silent, answered again.
#[path = "support/turmoil_net.rs"]
mod turmoil_net;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::listen::{Listen, Tokio};
use evenkeel_sim::fabric::{self, Setup};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::{LocalSet, spawn_local};
use turmoil_net::Turmoil;

/// Serves what it is asked for, on every connection, for ever.
async fn serve<L: Listen>(socket: &mut L::Socket) -> io::Result<()> {
    loop {
        let (stream, _) = L::accept(socket).await?;
        let echo = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(Response::new(request.uri().path().to_owned()))
        });
        spawn_local(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), echo),
        );
    }
}

/// Asks for a path and returns the answer.
async fn get<D: Dial>(dial: D, to: Address, path: &str) -> io::Result<String> {
    let stream = dial.dial(&to).await?;
    let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    spawn_local(connection);
    let request = Request::get(path)
        .header("host", "server")
        .body(String::new())
        .expect("a fixed request is valid");
    let answer = requests.send_request(request).await.map_err(io::Error::other)?;
    let body = answer.into_body().collect().await.map_err(io::Error::other)?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// Asks with a deadline of a second and tells what came of it.
async fn told<D: Dial>(dial: D, to: Address) -> &'static str {
    match tokio::time::timeout(Duration::from_secs(1), get(dial, to, "/echo")).await {
        Ok(Ok(answer)) if answer == "/echo" => "answered",
        Ok(Ok(_)) => "answered wrongly",
        Ok(Err(_)) => "refused",
        Err(_) => "silent",
    }
}

/// Asks each second for six seconds, half a second past the full one.
async fn story<D: Dial>(dial: D, to: Address) -> Vec<&'static str> {
    let start = tokio::time::Instant::now();
    let mut story = Vec::new();
    for second in 0..6 {
        tokio::time::sleep_until(start + Duration::from_millis(second * 1_000 + 500)).await;
        story.push(told(dial.clone(), to.clone()).await);
    }
    story
}

/// When the server dies and when it is back.
const CRASH: Duration = Duration::from_secs(2);
const BOUNCE: Duration = Duration::from_secs(4);

/// What both simulated networks must tell, but for the question of 3.5 s, which is still open when
/// the server is back: the fabric completes its connect, as Linux does, turmoil refuses it.
fn check_story(story: &[&str], at_the_bounce: &str) {
    let expected = ["answered", "answered", "silent", at_the_bounce, "answered", "answered"];
    assert_eq!(story, expected);
}

fn server_address() -> Address {
    Address::Tcp("server".into(), 80)
}

fn any_address() -> SocketAddr {
    "0.0.0.0:80".parse().unwrap()
}

/// Dials by the operating system.
#[derive(Clone)]
struct Loopback;

impl Dial for Loopback {
    type Stream = tokio::net::TcpStream;

    fn dial(
        &self,
        to: &Address,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let Address::Tcp(host, port) = to.clone() else { panic!("this test dials TCP: {to:?}") };
        async move { tokio::net::TcpStream::connect((host.as_str(), port)).await }
    }
}

/// Goal: the code runs on real sockets. Method: serve on a free port of loopback, ask once.
#[test]
fn the_code_runs_on_the_operating_system() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = LocalSet::new().block_on(&runtime, async {
        let mut socket = Tokio.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = Tokio::local_addr(&socket).unwrap();
        spawn_local(async move { serve::<Tokio>(&mut socket).await });
        told(Loopback, Address::Tcp(at.ip().to_string(), at.port())).await
    });
    assert_eq!(answer, "answered");
}

/// Goal: the same code on the fabric, through a crash. Method: the story, with the power cut at
/// 2 s and back at 4 s.
#[test]
fn the_code_runs_on_the_fabric() {
    let finished = fabric::run(Setup::new(1, 60_000), |fabric| async move {
        let client = fabric.add_host("client", [10, 0, 0, 1].into());
        let server = fabric.add_host("server", [10, 0, 0, 2].into());
        let boot = |fabric: &fabric::Fabric| {
            let at = fabric.at(server);
            fabric.spawn(server, async move {
                serve::<fabric::At>(&mut at.bind(any_address()).await?).await
            });
        };
        boot(&fabric);
        let told = fabric.spawn(client, story(fabric.at(client), server_address()));
        tokio::time::sleep(CRASH).await;
        fabric.crash(server).await;
        tokio::time::sleep(BOUNCE - CRASH).await;
        boot(&fabric);
        tokio::task::yield_now().await;
        fabric.power_on(server);
        told.await.expect("the client does not crash")
    });
    check_story(&finished.result.unwrap(), "answered");
}

/// Goal: the same code on the umbrella crate tells the same story. Method: the same crash.
#[test]
fn the_code_runs_on_turmoil() {
    let mut sim = turmoil::Builder::new().simulation_duration(Duration::from_secs(60)).build();
    sim.host("server", || async {
        serve::<Turmoil>(&mut Turmoil.bind(any_address()).await?).await?;
        Ok(())
    });
    sim.client("client", async {
        check_story(&story(Turmoil, server_address()).await, "refused");
        Ok(())
    });
    let mut crashed = false;
    let mut bounced = false;
    while !sim.step().unwrap() {
        if !crashed && sim.elapsed() >= CRASH {
            sim.crash("server");
            crashed = true;
        }
        if !bounced && sim.elapsed() >= BOUNCE {
            sim.bounce("server");
            bounced = true;
        }
    }
    assert!(bounced, "the story was over before the crash");
}
