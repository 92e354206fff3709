//! The farm's hosts on the fabric, and how the orchestrator reaches them.
//!
//! Every server and balancer node is a host of its own; so is the orchestrator. Addresses are the
//! farm file's where they are IP addresses; host names and UNIX sockets get addresses of the
//! rehearsal's own.
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use evenkeel::names::ServerName;
use evenkeel::ports::{Address, Command, Dial, Finished, Launcher};
use evenkeel::procedure::action::Action;
use evenkeel_fakes::spec::Spec;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fabric::{At, Fabric, HostId};

use super::tap::{Tap, Tapped};

/// Where a server's shell listens in a rehearsal: ssh's port.
const SHELL_PORT: u16 = 22;
/// Where the runtime API of a node listens that has a UNIX socket in production.
const API_PORT: u16 = 9_999;
/// Longest answer of a shell.
const REPLY_BYTES_MAX: u64 = 1 << 20;

/// A server's host.
#[derive(Clone, Debug)]
pub(super) struct ServerHost {
    pub(super) host: HostId,
    pub(super) http: SocketAddr,
    pub(super) shell: SocketAddr,
}

/// A balancer node's host.
#[derive(Clone, Debug)]
pub(super) struct NodeHost {
    pub(super) host: HostId,
    pub(super) api: SocketAddr,
    /// Where users' requests for a pool arrive.
    pub(super) proxies: Vec<(String, SocketAddr)>,
}

/// All hosts of a rehearsal.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) orchestrator: HostId,
    /// Where nothing listens: the farm's own clock.
    pub(super) clock: HostId,
    pub(super) servers: BTreeMap<String, ServerHost>,
    pub(super) nodes: BTreeMap<String, NodeHost>,
    /// Where an address of the farm file leads, when it is no IP address.
    routes: Arc<BTreeMap<Address, SocketAddr>>,
    /// Each server's shell: servers may have one address in the farm file, and ports of their own.
    pub(super) shells: Arc<BTreeMap<String, Address>>,
}

/// Gives every name and address of a farm a place.
struct Places<'a> {
    fabric: &'a Fabric,
    taken: Vec<IpAddr>,
    own: u16,
    routes: BTreeMap<Address, SocketAddr>,
}

impl Places<'_> {
    /// The IP address of a host that the farm file calls so; one of our own when it is a name,
    /// taken by another host, or an address that each host has for itself.
    fn ip(&mut self, address: &str) -> IpAddr {
        let usable = |ip: &IpAddr| !ip.is_loopback() && !ip.is_unspecified();
        let ip = address.parse().ok().filter(|ip| usable(ip) && !self.taken.contains(ip));
        let ip = ip.unwrap_or_else(|| {
            loop {
                let [high, low] = self.own.to_be_bytes();
                self.own += 1;
                // A block set aside for benchmarks (RFC 2544): in no farm file.
                let ip = IpAddr::V4(Ipv4Addr::new(198, 18, high, low));
                if !self.taken.contains(&ip) {
                    break ip;
                }
            }
        });
        self.taken.push(ip);
        ip
    }

    fn host(&mut self, name: &str, address: &str) -> (HostId, IpAddr) {
        let ip = self.ip(address);
        (self.fabric.add_host(name, ip), ip)
    }

    /// Notes where an address of the farm file leads. The first that claims it keeps it.
    fn route(&mut self, address: &str, port: u16, to: SocketAddr) {
        self.routes.entry(Address::Tcp(address.to_owned(), port)).or_insert(to);
    }
}

impl Network {
    /// The hosts of a farm.
    pub(super) fn new(fabric: &Fabric, spec: &Spec) -> Self {
        let mut places = Places { fabric, taken: Vec::new(), own: 1, routes: BTreeMap::new() };
        let (mut servers, mut shells) = (BTreeMap::new(), BTreeMap::new());
        let front_ends = spec.front_ends.iter().map(|it| (&it.name, &it.address, it.port));
        let controller = spec.pure_controller.iter().map(|it| (&it.name, &it.address, 80));
        for (name, address, port) in front_ends.chain(controller) {
            let (host, ip) = places.host(name, address);
            let (http, shell) = (SocketAddr::new(ip, port), SocketAddr::new(ip, SHELL_PORT));
            places.route(address, port, http);
            shells.insert(name.clone(), Address::Tcp(ip.to_string(), SHELL_PORT));
            servers.insert(name.clone(), ServerHost { host, http, shell });
        }
        let mut nodes = BTreeMap::new();
        for node in &spec.balancers {
            let (address, port) = tcp(&node.api).unwrap_or((&node.name, API_PORT));
            let (host, ip) = places.host(&node.name, address);
            let api = SocketAddr::new(ip, port);
            match node.api.strip_prefix("unix:") {
                Some(path) => _ = places.routes.insert(Address::Unix(path.into()), api),
                None => places.route(address, port, api),
            }
            let mut proxies = Vec::new();
            for pool in &spec.pools {
                let Some((address, port)) = pool.traffic.get(&node.name).and_then(|at| tcp(at))
                else {
                    continue;
                };
                let at = SocketAddr::new(ip, port);
                // Pools behind one address share its port: the balancer tells them apart by name,
                // which the doubles do not model. The first has it.
                if proxies.iter().all(|(_, taken)| *taken != at) && at != api {
                    places.route(address, port, at);
                    proxies.push((pool.name.clone(), at));
                }
            }
            nodes.insert(node.name.clone(), NodeHost { host, api, proxies });
        }
        let (orchestrator, _) = places.host("orchestrator", "");
        let (clock, _) = places.host("farm", "");
        let (routes, shells) = (Arc::new(places.routes), Arc::new(shells));
        Self { orchestrator, clock, servers, nodes, routes, shells }
    }

    /// The orchestrator's network.
    pub(super) fn dial(&self, fabric: &Fabric, tap: &Tap) -> Wires {
        let at = fabric.at(self.orchestrator);
        Wires { at, routes: self.routes.clone(), tap: tap.clone() }
    }

    /// Where the requests of an action go.
    pub(super) fn receivers(&self, action: &Action) -> Vec<SocketAddr> {
        let server = |name: &ServerName| &self.servers[name.as_str()];
        match action {
            Action::Balancer { node, .. } => vec![self.nodes[node.as_str()].api],
            Action::Nudge { node, .. } => {
                self.nodes[node.as_str()].proxies.iter().map(|(_, at)| *at).collect()
            }
            Action::Flag { via, .. } => vec![server(via).http],
            Action::Test { server: it } => vec![server(it).http],
            Action::Start { server: it, .. } | Action::Reboot { server: it, .. } => {
                vec![server(it).shell]
            }
        }
    }

    /// A host by the name of its server or node.
    pub(super) fn host(&self, name: &str) -> Option<HostId> {
        let server = self.servers.get(name).map(|it| it.host);
        server.or_else(|| self.nodes.get(name).map(|it| it.host))
    }

    /// The server or node that has an address.
    pub(super) fn name_at(&self, at: SocketAddr) -> Option<&str> {
        let servers = self.servers.iter().map(|(name, it)| (name, it.http.ip()));
        let mut all = servers.chain(self.nodes.iter().map(|(name, it)| (name, it.api.ip())));
        all.find(|(_, ip)| *ip == at.ip()).map(|(name, _)| name.as_str())
    }

    /// Every host that the orchestrator talks to.
    pub(super) fn peers(&self) -> impl Iterator<Item = (&str, HostId)> {
        let servers = self.servers.iter().map(|(name, it)| (name.as_str(), it.host));
        servers.chain(self.nodes.iter().map(|(name, it)| (name.as_str(), it.host)))
    }
}

/// `host:port`, where it is that.
fn tcp(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']), port.parse().ok()?))
}

/// The orchestrator's way out: the fabric, with the farm file's names.
#[derive(Clone, Debug)]
pub(super) struct Wires {
    at: At,
    /// Shared: every exchange with a shell has wires of its own.
    routes: Arc<BTreeMap<Address, SocketAddr>>,
    tap: Tap,
}

impl Wires {
    fn lead(&self, to: &Address) -> Address {
        match self.routes.get(to) {
            Some(at) => Address::Tcp(at.ip().to_string(), at.port()),
            None => to.clone(),
        }
    }
}

impl Dial for Wires {
    type Stream = Tapped<<At as Dial>::Stream>;

    fn dial(
        &self,
        to: &Address,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let (at, to, tap) = (self.at, self.lead(to), self.tap.clone());
        async move {
            let stream = at.dial(&to).await?;
            let peer = stream.peer_addr();
            Ok(Tapped::new(stream, peer, tap))
        }
    }
}

/// A call of a shell, as the doubles read it.
#[derive(Serialize)]
struct Call<'a> {
    argv: &'a [String],
    env: &'a BTreeMap<String, String>,
}

/// A shell's reply, as the doubles write it.
#[derive(Deserialize)]
struct Reply {
    exit_code: i32,
    stdout: String,
    stderr: String,
}

/// Commands by the doubles' shells, over the simulated network: latency, loss and lost responses
/// apply.
#[derive(Clone, Debug)]
pub struct Shells<D> {
    dial: D,
    shells: Arc<BTreeMap<String, Address>>,
}

impl<D> Shells<D> {
    /// The shells at these addresses, by the names of their servers.
    pub fn new(dial: D, shells: Arc<BTreeMap<String, Address>>) -> Self {
        Self { dial, shells }
    }
}

impl<D: Dial> Launcher for Shells<D> {
    fn launch(&self, command: Command) -> impl Future<Output = io::Result<Finished>> + 'static {
        let dial = self.dial.clone();
        let server = command.env.get("EVENKEEL_SERVER");
        let shell = server.and_then(|server| self.shells.get(server)).cloned();
        async move {
            let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
            let shell = shell.ok_or_else(|| {
                invalid("a command without EVENKEEL_SERVER reaches no server".into())
            })?;
            let mut stream = dial.dial(&shell).await?;
            let mut line = serde_json::to_vec(&Call { argv: &command.argv, env: &command.env })?;
            line.push(b'\n');
            stream.write_all(&line).await?;
            let mut text = String::new();
            stream.take(REPLY_BYTES_MAX).read_to_string(&mut text).await?;
            let reply: Reply = serde_json::from_str(&text)
                .map_err(|error| invalid(format!("the shell's reply was lost: {error}")))?;
            Ok(Finished {
                exit_code: Some(reply.exit_code),
                stdout: reply.stdout,
                stderr: reply.stderr,
            })
        }
    }
}
