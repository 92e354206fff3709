//! The two arms: our double and the real HAProxy, in front of the same two back-ends.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;

use evenkeel_fakes::balancer::{
    Balancer, CheckAnswer, CheckTiming, MemberSetup, PoolSetup, Reach, serve_api, serve_proxy,
};
use evenkeel_fakes::listen::{Listen, Tokio};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::Instant;

use crate::backend::Backend;
use crate::support::{Haproxy, eventually, free_port};

/// One pool of both arms; its members are `m1` and `m2`, on the back-ends `s1` and `s2`.
#[derive(Clone, Copy)]
pub(crate) struct Pool {
    pub(crate) name: &'static str,
    pub(crate) check: bool,
    pub(crate) cut_when_down: bool,
}

/// Our double, kept the way a farm keeps it.
struct Kept {
    balancer: RefCell<Balancer>,
    servers: BTreeMap<&'static str, SocketAddr>,
    started: Instant,
}

#[derive(Clone)]
struct Handle(Rc<Kept>);

impl Reach for Handle {
    fn with<R>(&self, act: impl FnOnce(&mut Balancer, u64) -> R) -> R {
        let now_ms = self.0.started.elapsed().as_millis() as u64;
        act(&mut self.0.balancer.borrow_mut(), now_ms)
    }

    fn resolve(&self, server: &str) -> Option<SocketAddr> {
        self.0.servers.get(server).copied()
    }
}

enum Kind {
    Fake(Handle),
    Real(Haproxy),
}

/// One arm, its back-ends, and what the script saw on it.
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    kind: Kind,
    api: SocketAddr,
    proxies: BTreeMap<&'static str, SocketAddr>,
    pub(crate) backends: [Rc<Backend>; 2],
    trace: String,
}

/// Runs a script on both arms and gives the trace that both left.
///
/// # Panics
/// When the traces differ, showing both.
pub(crate) fn both(pools: &[Pool], check: CheckTiming, script: impl AsyncFn(&mut Arm)) -> String {
    let [fake, real] = ["fake", "real"].map(|name| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        LocalSet::new().block_on(&runtime.expect("a runtime can be built"), async {
            let mut arm = Arm::start(name, pools, check).await;
            script(&mut arm).await;
            arm.trace
        })
    });
    assert!(fake == real, "the arms differ\n--- the double\n{fake}\n--- HAProxy\n{real}");
    fake
}

impl Arm {
    async fn start(name: &'static str, pools: &[Pool], check: CheckTiming) -> Self {
        let backends = [Backend::start("s1").await, Backend::start("s2").await];
        let mut arm = match name {
            "fake" => Self::fake(name, pools, check, backends).await,
            _ => Self::real(name, pools, check, backends),
        };
        eventually("the runtime API", async || TcpStream::connect(arm.api).await.ok().map(drop))
            .await;
        for pool in pools {
            let up = if pool.check { "UP" } else { "no check" };
            arm.becomes(pool.name, "m1", up).await;
            arm.becomes(pool.name, "m2", up).await;
        }
        arm.trace.clear();
        arm
    }

    async fn fake(
        name: &'static str,
        pools: &[Pool],
        check: CheckTiming,
        backends: [Rc<Backend>; 2],
    ) -> Self {
        let setups = pools.iter().map(|pool| PoolSetup {
            name: pool.name.into(),
            health_check: pool.check,
            cut_when_down: pool.cut_when_down,
            members: [("m1", &backends[0]), ("m2", &backends[1])]
                .map(|(name, backend)| MemberSetup {
                    name: name.into(),
                    server: backend.name.into(),
                    weight: 10,
                    address: backend.address.to_string(),
                })
                .into(),
        });
        let handle = Handle(Rc::new(Kept {
            balancer: RefCell::new(Balancer::new("node", setups.collect(), check, 0)),
            servers: backends.iter().map(|b| (b.name, b.address)).collect(),
            started: Instant::now(),
        }));
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = Tokio.bind(loopback).await.expect("loopback has ports");
        let api = Tokio::local_addr(&socket).expect("a bound socket has an address");
        spawn_local(serve_api(Tokio, socket, handle.clone()));
        let mut proxies = BTreeMap::new();
        for pool in pools {
            let socket = Tokio.bind(loopback).await.expect("loopback has ports");
            let address = Tokio::local_addr(&socket).expect("a bound socket has an address");
            proxies.insert(pool.name, address);
            spawn_local(serve_proxy(Tokio, socket, handle.clone(), pool.name.into()));
        }
        Self { name, kind: Kind::Fake(handle), api, proxies, backends, trace: String::new() }
    }

    fn real(
        name: &'static str,
        pools: &[Pool],
        check: CheckTiming,
        backends: [Rc<Backend>; 2],
    ) -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let api = loopback(free_port());
        let proxies: BTreeMap<_, _> =
            pools.iter().map(|pool| (pool.name, loopback(free_port()))).collect();
        let mut config = format!(
            "global\n  nbthread 1\n  node node\n  stats socket ipv4@{api} level admin\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 50s\n  \
             timeout server 130s\n"
        );
        for pool in pools {
            let (name, address) = (pool.name, proxies[pool.name]);
            let _ = writeln!(config, "frontend in-{name}\n  bind {address}");
            let _ = writeln!(config, "  default_backend {name}");
        }
        for pool in pools {
            let CheckTiming { interval_ms, fall, rise } = check;
            let _ = writeln!(config, "backend {}", pool.name);
            if pool.check {
                let _ = writeln!(config, "  option httpchk GET /check");
                let _ = writeln!(config, "  default-server check inter {interval_ms}ms");
                let _ = writeln!(config, "  default-server fall {fall} rise {rise}");
            }
            if pool.cut_when_down {
                let _ = writeln!(config, "  default-server on-marked-down shutdown-sessions");
            }
            for (member, backend) in ["m1", "m2"].iter().zip(&backends) {
                let _ = writeln!(config, "  server {member} {} weight 10", backend.address);
            }
        }
        let kind = Kind::Real(Haproxy::start(&config));
        Self { name, kind, api, proxies, backends, trace: String::new() }
    }

    /// Writes a line into the trace.
    pub(crate) fn note(&mut self, line: impl AsRef<str>) {
        self.trace.push_str(line.as_ref());
        self.trace.push('\n');
    }

    /// Sends bytes to the runtime API and reads until it closes.
    pub(crate) async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.api).await.expect("the runtime API accepts");
        // A line that is too long is not read to its end.
        let _ = stream.write_all(bytes.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut reply = Vec::new();
        // The real thing resets the connection when it leaves bytes unread: that is a close too.
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8(reply).expect("HAProxy speaks ASCII")
    }

    /// Sends one line to the runtime API.
    pub(crate) async fn api(&self, line: &str) -> String {
        self.raw(&format!("{line}\n")).await
    }

    /// Sends a command that is to succeed: it answers with an empty line.
    pub(crate) async fn command(&mut self, line: &str) {
        let reply = self.api(line).await;
        self.note(format!("{line}: {reply:?}"));
    }

    /// A member's row of `show stat`, by column.
    pub(crate) async fn stat(&self, pool: &str, member: &str) -> BTreeMap<String, String> {
        stat_row(&self.api("show stat").await, pool, member)
    }

    /// A member's row of `show servers state`, by column.
    pub(crate) async fn state(&self, pool: &str, member: &str) -> BTreeMap<String, String> {
        let reply = self.api("show servers state").await;
        let mut lines = reply.lines().skip(1);
        let header = lines.next().expect("there is a header").trim_start_matches("# ");
        let row = lines.find(|row| {
            let mut cells = row.split(' ').skip(1);
            cells.next() == Some(pool) && cells.nth(1) == Some(member)
        });
        let row = row.unwrap_or_else(|| panic!("no row for {pool}/{member} in {reply}"));
        header.split(' ').zip(row.split(' ')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    /// Notes what an operator reads of a member in both tables.
    pub(crate) async fn look(&mut self, pool: &str, member: &str) {
        let (stat, state) = (self.stat(pool, member).await, self.state(pool, member).await);
        let mut line = format!("{pool}/{member}:");
        for column in ["status", "weight", "scur", "check_status", "check_code", "last_chk"] {
            let _ = write!(line, " {column}={}", stat[column].trim_start_matches("* "));
        }
        for column in ["srv_op_state", "srv_admin_state", "srv_uweight", "srv_check_health"] {
            let _ = write!(line, " {}={}", column.trim_start_matches("srv_"), state[column]);
        }
        self.note(line);
    }

    /// Notes every cell of both tables, with `#` for a measure.
    pub(crate) async fn tables(&mut self) {
        for (command, separator) in [("show servers state", ' '), ("show stat", ',')] {
            let reply = self.api(command).await;
            let mut lines = reply.lines().skip_while(|line| !line.starts_with('#'));
            let header = lines.next().expect("there is a header").to_owned();
            let columns: Vec<&str> = header.split(separator).filter(|cell| *cell != "#").collect();
            for row in lines.filter(|row| !row.is_empty()) {
                let cells: Vec<String> = row
                    .split(separator)
                    .zip(&columns)
                    .map(|(cell, column)| normal(column, cell, &self.backends))
                    .collect();
                self.trace.push_str(&cells.join(&separator.to_string()));
                self.trace.push('\n');
            }
            self.note(header);
        }
    }

    /// Waits until `show stat` says this of a member, and notes it.
    pub(crate) async fn becomes(&mut self, pool: &str, member: &str, status: &str) {
        let what = format!("{pool}/{member} {status} on {}", self.name);
        eventually(&what, async || {
            (self.stat(pool, member).await["status"] == status).then_some(())
        })
        .await;
        self.note(format!("{pool}/{member} becomes {status}"));
    }

    /// Waits until a column of `show stat` has this value for a member, and notes it.
    pub(crate) async fn reads(&mut self, pool: &str, member: &str, column: &str, value: &str) {
        let what = format!("{pool}/{member} {column}={value} on {}", self.name);
        eventually(&what, async || (self.stat(pool, member).await[column] == value).then_some(()))
            .await;
        self.note(format!("{pool}/{member} reads {column}={value}"));
    }

    /// A new client connection to a pool's frontend.
    pub(crate) async fn client(&self, pool: &str) -> SendRequest<Full<Bytes>> {
        client(self.proxies[pool]).await
    }

    /// One request on a connection of its own, and what came of it.
    pub(crate) async fn get(&self, pool: &str, path: &str) -> String {
        let mut client = self.client(pool).await;
        get_on(&mut client, path).await
    }

    /// A request that a back-end holds; returns when the back-end has it.
    pub(crate) async fn hold(&self, pool: &str, backend: usize) -> JoinHandle<String> {
        let before = self.backends[backend].requests.get();
        let mut client = self.client(pool).await;
        let held = spawn_local(async move { get_on(&mut client, "/hold").await });
        let arrived = async || (self.backends[backend].requests.get() > before).then_some(());
        eventually("the held request", arrived).await;
        held
    }

    /// Makes a back-end healthy, or its application and its health check answer 503.
    pub(crate) fn set_healthy(&self, backend: usize, healthy: bool) {
        let backend = &self.backends[backend];
        backend.healthy.set(healthy);
        if let Kind::Fake(handle) = &self.kind {
            let answer = if healthy { CheckAnswer::Ok } else { CheckAnswer::Error(503) };
            handle.with(|balancer, now_ms| balancer.set_answer(now_ms, backend.name, answer));
        }
    }

    /// Reloads the balancer and waits for the new process to answer.
    pub(crate) async fn reload(&mut self) {
        let before = info(&self.api("show info").await, "Pid");
        match &self.kind {
            Kind::Fake(handle) => handle.with(Balancer::reload),
            Kind::Real(haproxy) => haproxy.reload(),
        }
        let another = async || {
            // The old process may answer a little longer, and for a moment neither may.
            for _ in 0..5 {
                TcpStream::connect(self.api).await.ok()?;
                let reply = self.api("show info").await;
                if reply.is_empty() || info(&reply, "Pid") == before {
                    return None;
                }
            }
            Some(())
        };
        eventually("the new process", another).await;
        self.note("reloaded: another Pid");
    }
}

/// Columns that measure time, rates, bytes or connections: of those only the form is compared.
const MEASURES: &[&str] = &[
    "srv_time_since_last_change",
    "smax",
    "slim",
    "bin",
    "bout",
    "lastchg",
    "downtime",
    "rate",
    "rate_max",
    "check_duration",
    "req_rate",
    "req_rate_max",
    "lastsess",
    "qtime",
    "ctime",
    "rtime",
    "ttime",
    "conn_rate",
    "conn_rate_max",
    "conn_tot",
    "srv_icur",
    "qtime_max",
    "ctime_max",
    "rtime_max",
    "ttime_max",
    "idle_conn_cur",
    "safe_conn_cur",
    "used_conn_cur",
    "need_conn_est",
    "h1_open_connections",
    "h1_open_streams",
    "h1_total_connections",
    "h1_total_streams",
    "h1_bytes_in",
    "h1_bytes_out",
];

/// A cell as both arms would write it: ports by the back-end's name, measures by their form.
fn normal(column: &str, cell: &str, backends: &[Rc<Backend>; 2]) -> String {
    if MEASURES.contains(&column) && cell.parse::<u64>().is_ok() {
        return "#".into();
    }
    let mut cell = cell.trim_start_matches("* ").to_owned();
    for backend in backends {
        cell = cell.replace(&backend.address.port().to_string(), backend.name);
    }
    cell
}

/// A value of `show info`.
fn info(reply: &str, key: &str) -> String {
    let line = reply.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {key} in {reply}")).into()
}

/// A row of `show stat`, by column.
pub(crate) fn stat_row(reply: &str, pool: &str, member: &str) -> BTreeMap<String, String> {
    let mut lines = reply.lines();
    let header = lines.next().expect("there is a header").trim_start_matches("# ");
    let prefix = format!("{pool},{member},");
    let row = lines.find(|row| row.starts_with(&prefix));
    let row = row.unwrap_or_else(|| panic!("no row for {pool}/{member} in {reply}"));
    assert_eq!(header.split(',').count(), row.split(',').count(), "cells of {row}");
    header.split(',').zip(row.split(',')).map(|(k, v)| (k.into(), v.into())).collect()
}

async fn client(at: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(at).await.expect("the proxy accepts");
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (client, connection) = shaken.expect("HTTP needs no handshake");
    spawn_local(connection);
    client
}

/// One request on an open connection: status, what HAProxy's own answers carry, and the body.
pub(crate) async fn get_on(client: &mut SendRequest<Full<Bytes>>, path: &str) -> String {
    client.ready().await.expect("the connection is open");
    let request = Request::get(path).header("host", "farm.example").body(Full::default());
    let response = client.send_request(request.expect("the request is well formed")).await;
    let response = response.expect("the proxy answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.expect("the answer is complete").to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    let own = ["content-length", "cache-control", "content-type"];
    let own = own.map(|name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("-"));
    if body.starts_with('<') {
        format!("{status} {own:?} {body:?}")
    } else {
        format!("{status} {body}")
    }
}
