//! The farm's nodes and servers over any network.
//!
//! A listener stays bound while its server is off: a refused connection is modelled by closing an
//! accepted one at once, without a byte; the balancer's own checks get the refusal they would get.
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;

use crate::balancer::{Balancer, Reach, serve_api, serve_proxy};
use crate::front_end::{FrontEnd, shell, verbs, web};
use crate::http::{Answer, Request, Silence, serve_connection};
use crate::listen::Listen;

use super::{Farm, Shared};

/// After an accept that failed: long enough to be no busy loop, short enough to be no outage.
const ACCEPT_AGAIN_MS: u64 = 10;
/// A client of the shell that has not sent its line by then never will.
const CALL_MS_MAX: u64 = 30_000;
/// What the command that carries a verb to a server exits with when it cannot: as ssh does.
const NO_CONNECTION: i32 = 255;

/// Where a server's web server is, by the server's name.
pub type Resolve = Rc<dyn Fn(&str) -> SocketAddr>;

/// A balancer node of a shared farm.
#[derive(Clone)]
struct Node {
    shared: Shared,
    name: Rc<str>,
    resolve: Resolve,
}

impl Reach for Node {
    fn with<R>(&self, act: impl FnOnce(&mut Balancer, u64) -> R) -> R {
        self.shared.with(|farm| {
            let now_ms = farm.now_ms();
            let node = farm.nodes.get_mut(&*self.name).expect("a node that is served is there");
            act(node, now_ms)
        })
    }

    fn resolve(&self, server: &str) -> Option<SocketAddr> {
        Some((self.resolve)(server))
    }

    fn heard(&self, line: &str) {
        self.shared.log_request(|| format!("{} runtime API {}", self.name, line.trim()));
    }
}

/// Serves the web server of one front-end (console, SOAP, pings, applications) and its shell, for
/// as long as it is polled. A pure controller has no web server: its `http` stays unbound.
///
/// # Errors
/// An address cannot be bound.
pub async fn serve_server<L: Listen>(
    shared: Shared,
    listen: L,
    server: &str,
    http: SocketAddr,
    shell: Option<SocketAddr>,
) -> io::Result<()> {
    let serves = shared.with(|farm| farm.servers.get(server).is_some_and(|it| it.serves()));
    let http = if serves { Some(listen.bind(http).await?) } else { None };
    let shell = match shell {
        Some(shell) => Some(listen.bind(shell).await?),
        None => None,
    };
    let (web_shared, server) = (shared.clone(), server.to_owned());
    let web_server = server.clone();
    // Both sockets live and die with this future.
    let web = async {
        match http {
            Some(socket) => serve_web::<L>(web_shared, socket, web_server).await,
            None => std::future::pending().await,
        }
    };
    let shell = async {
        match shell {
            Some(socket) => serve_shell::<L>(shared, socket, Some(server)).await,
            None => std::future::pending().await,
        }
    };
    futures_util::future::join(web, shell).await;
    Ok(())
}

/// Serves one front-end's web server on a bound socket.
pub async fn serve_web<L: Listen>(shared: Shared, mut socket: L::Socket, server: String) {
    let server: Rc<str> = server.into();
    loop {
        let Some(stream) = accept::<L>(&mut socket).await else { continue };
        if !answers(&shared, &server) {
            continue; // refused, as far as a listener can refuse
        }
        let (shared, server) = (shared.clone(), server.clone());
        spawn_local(serve_connection(stream, move |request| {
            handle(shared.clone(), server.clone(), request)
        }));
    }
}

fn answers(shared: &Shared, server: &str) -> bool {
    shared.look(|farm| {
        farm.servers
            .get(server)
            .is_some_and(|it| it.applications() != crate::ledger::ApplicationState::Off)
    })
}

async fn handle(shared: Shared, server: Rc<str>, request: Request) -> Result<Answer, Silence> {
    let life = |farm: &Farm| farm.servers.get(&*server).map(FrontEnd::life).unwrap_or_default();
    // Most requests are for pings and pages: nothing is to be drawn from them.
    let (asked, begun) = shared.look(|farm| (web::read(farm, &server, &request), life(farm)));
    let (answer, begun) = match asked {
        web::Asked::Page(page) => (page, begun),
        web::Asked::Console => {
            shared.with(|farm| (web::answer(farm, &server, &request), life(farm)))
        }
    };
    let is_console =
        request.path.get(..14).is_some_and(|p| p.eq_ignore_ascii_case("/ServiceCenter"));
    if is_console {
        shared.log_request(|| {
            let status = answer.as_ref().map_or("no answer".into(), |it| it.status.to_string());
            format!("{server} console {:?} {} -> {status}", request.method, request.path)
        });
    }
    let answer = answer.ok_or(Silence)?;
    if answer.after_ms == 0 {
        return Ok(answer);
    }
    tokio::time::sleep(Duration::from_millis(answer.after_ms)).await;
    shared.look(|farm| web::after_waiting(farm, &server, begun, answer)).ok_or(Silence)
}

/// Serves a shell on a bound socket: one server's, or, without a server, the whole farm's, where
/// `EVENKEEL_SERVER` says which is meant.
pub async fn serve_shell<L: Listen>(shared: Shared, mut socket: L::Socket, server: Option<String>) {
    loop {
        let Some(mut stream) = accept::<L>(&mut socket).await else { continue };
        let (shared, server) = (shared.clone(), server.clone());
        spawn_local(async move {
            let wait = Duration::from_millis(CALL_MS_MAX);
            let call = tokio::time::timeout(wait, shell::read_call(&mut stream)).await;
            let Ok(Ok(env)) = call else { return };
            if let Some(reply) = run(&shared, server.as_deref(), &env) {
                // The verb was carried out, whether or not its answer arrives.
                let _lost = shell::write_reply(&mut stream, &reply).await;
            }
        });
    }
}

/// `None`: the machine is down and says nothing.
fn run(shared: &Shared, own: Option<&str>, env: &BTreeMap<String, String>) -> Option<shell::Reply> {
    let meant = env.get("EVENKEEL_SERVER").map(String::as_str);
    let server = own.or(meant).unwrap_or_default();
    // Most calls only read: nothing is to be drawn from them.
    let read = shared.look(|farm| {
        let up = farm.servers.get(server).is_some_and(FrontEnd::is_up);
        up.then(|| verbs::read(farm, server, env)).flatten()
    });
    let act = |farm: &mut Farm| match farm.servers.get(server).map(|it| it.is_up()) {
        Some(true) => Some(verbs::run(farm, server, env)),
        Some(false) if own.is_some() => None,
        up => {
            let why = if up.is_some() { "its machine is down" } else { "no such server" };
            let stderr = format!("connect to {server:?}: {why}\n");
            Some(verbs::Outcome { exit_code: NO_CONNECTION, stderr, ..Default::default() })
        }
    };
    let reply = read.or_else(|| shared.with(act));
    shared.log_request(|| {
        let value = |name: &str| env.get(name).map_or("-", String::as_str);
        let code = reply.as_ref().map_or("no answer".into(), |it| it.exit_code.to_string());
        let (verb, kind) = (value("EVENKEEL_VERB"), value("EVENKEEL_KIND"));
        let job = value("EVENKEEL_JOB");
        format!("{server} shell {verb} {kind} {job} -> {code}")
    });
    reply.map(shell::Reply::from)
}

pub(super) async fn accept<L: Listen>(socket: &mut L::Socket) -> Option<L::Stream> {
    match L::accept(socket).await {
        Ok((stream, _)) => Some(stream),
        Err(_) => {
            tokio::time::sleep(Duration::from_millis(ACCEPT_AGAIN_MS)).await;
            None
        }
    }
}

/// Serves a balancer node: its runtime API, and where users' requests for its pools arrive.
///
/// # Errors
/// An address cannot be bound.
pub async fn serve_node<L: Listen>(
    shared: Shared,
    listen: L,
    node: &str,
    api: SocketAddr,
    proxies: Vec<(String, SocketAddr)>,
    resolve: Resolve,
) -> io::Result<()> {
    let api = listen.bind(api).await?;
    let mut sockets = Vec::new();
    for (pool, at) in proxies {
        sockets.push((pool, listen.bind(at).await?));
    }
    serve_node_on(shared, listen, node, api, sockets, resolve).await;
    Ok(())
}

/// Serves a balancer node on bound sockets.
pub async fn serve_node_on<L: Listen>(
    shared: Shared,
    listen: L,
    node: &str,
    api: L::Socket,
    proxies: Vec<(String, L::Socket)>,
    resolve: Resolve,
) {
    let node = Node { shared, name: node.into(), resolve };
    let proxies = proxies
        .into_iter()
        .map(|(pool, socket)| serve_proxy(listen.clone(), socket, node.clone(), pool));
    // All sockets live and die with this future.
    let proxies = futures_util::future::join_all(proxies);
    futures_util::future::join(serve_api(listen.clone(), api, node.clone()), proxies).await;
}
