//! What an exchange costs: 20 hosts, each polled by one more, over hyper with kept-alive
//! connections, over hyper with a new connection each time, and by one line of text over a new
//! connection.
//!
//! `cargo run --release -p evenkeel-sim --example fabric_speed [HOSTS]`
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use evenkeel_fakes::listen::Listen;
use evenkeel_sim::fabric::{At, Fabric, Finished, HostId, Setup, Stream, run};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// How often each host is polled.
const POLLS: u64 = 5_000;
/// The pause between two polls of a host.
const PAUSE_MS: u64 = 5_000;
/// The polls of two hosts are this far apart, so that none shares its passes with another's.
const STAGGER_MS: u64 = 17;

fn main() {
    let hosts = std::env::args().nth(1).map_or(20, |hosts| hosts.parse().expect("a number"));
    println!("{hosts} hosts, {POLLS} polls of each, one every {PAUSE_MS} ms");
    measure("kept alive", hosts, |fabric, from, to| kept_alive(fabric.at(from), to));
    measure("new connection", hosts, |fabric, from, to| new_connection(fabric.at(from), to));
    measure("one line", hosts, |fabric, from, to| one_line(fabric.at(from), to));
}

/// Runs one poller for each host and prints what an exchange cost.
fn measure<F>(name: &str, hosts: usize, poll: impl Fn(&Fabric, HostId, IpAddr) -> F)
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let start = real_time();
    let finished = run(Setup::new(1, u64::MAX / 2), |fabric| async move {
        let poller = fabric.add_host("poller", [10, 1, 0, 1].into());
        let served: Vec<_> = (0..hosts)
            .map(|n| {
                let ip = IpAddr::from([10, 0, (n / 250) as u8, (n % 250 + 1) as u8]);
                (fabric.add_host(&format!("fe-{n}"), ip), ip)
            })
            .collect();
        for (host, ip) in &served {
            fabric.spawn(*host, serve_http(fabric.at(*host), SocketAddr::new(*ip, 80)));
            fabric.spawn(*host, serve_lines(fabric.at(*host), SocketAddr::new(*ip, 81)));
        }
        let mut polls = Vec::new();
        for (_, ip) in served {
            polls.push(fabric.spawn(poller, poll(&fabric, poller, ip)));
            tokio::time::sleep(Duration::from_millis(STAGGER_MS)).await;
        }
        for poll in polls {
            poll.await.expect("no crash here").expect("no fault here");
        }
    });
    report(name, hosts as u64 * POLLS, real_time() - start, finished);
}

fn report(name: &str, exchanges: u64, took: Duration, finished: Finished<()>) {
    let simulated_s = finished.simulated_ms / 1_000;
    println!(
        "{name:>15}: {:6.1} µs per exchange, {:4.1} packets, {:>7.0} × real time, digest {}",
        took.as_secs_f64() * 1e6 / exchanges as f64,
        finished.packets as f64 / exchanges as f64,
        simulated_s as f64 / took.as_secs_f64(),
        finished.digest,
    );
    finished.result.unwrap();
}

#[allow(clippy::disallowed_methods, reason = "real time is what this measures")]
fn real_time() -> std::time::Instant {
    std::time::Instant::now()
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
}

async fn serve_http(at: At, address: SocketAddr) -> io::Result<()> {
    let mut socket = at.bind(address).await?;
    loop {
        let (stream, _) = At::accept(&mut socket).await?;
        let answer = service_fn(|_: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new("a page of some length ".repeat(20)))
        });
        tokio::task::spawn_local(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), answer),
        );
    }
}

async fn serve_lines(at: At, address: SocketAddr) -> io::Result<()> {
    let mut socket = at.bind(address).await?;
    loop {
        let (stream, _) = At::accept(&mut socket).await?;
        tokio::task::spawn_local(async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            stream.get_mut().write_all(line.as_bytes()).await
        });
    }
}

async fn open(at: At, ip: IpAddr) -> io::Result<SendRequest<String>> {
    let stream: Stream = at.connect(SocketAddr::new(ip, 80)).await?;
    let (requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::task::spawn_local(connection);
    Ok(requests)
}

async fn get(requests: &mut SendRequest<String>, ip: IpAddr) -> io::Result<()> {
    let request = Request::get("/ServiceCenter/Servers.aspx")
        .header("host", ip.to_string())
        .header("user-agent", "evenkeel")
        .body(String::new())
        .expect("a fixed request is valid");
    let mut answer = requests.send_request(request).await.map_err(io::Error::other)?;
    let body = answer.body_mut();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        frame.map_err(io::Error::other)?;
    }
    Ok(())
}

async fn kept_alive(at: At, ip: IpAddr) -> io::Result<()> {
    let mut requests = open(at, ip).await?;
    for _ in 0..POLLS {
        get(&mut requests, ip).await?;
        pause().await;
    }
    Ok(())
}

async fn new_connection(at: At, ip: IpAddr) -> io::Result<()> {
    for _ in 0..POLLS {
        get(&mut open(at, ip).await?, ip).await?;
        pause().await;
    }
    Ok(())
}

async fn one_line(at: At, ip: IpAddr) -> io::Result<()> {
    for _ in 0..POLLS {
        let mut stream = at.connect(SocketAddr::new(ip, 81)).await?;
        stream.write_all(b"show info\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        pause().await;
    }
    Ok(())
}
