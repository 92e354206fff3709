//! Which loopback ports everything got. Ports that we serve are bound at once and stay bound;
//! those of a real HAProxy are picked free and left to it.
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::listen::{Listen, Tokio};
use crate::spec::Spec;

/// One balancer node's ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodePlace {
    pub(super) api: SocketAddr,
    /// Where users' requests arrive, by pool.
    pub(super) traffic: BTreeMap<String, SocketAddr>,
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The web server of each front-end.
    pub(super) servers: BTreeMap<String, SocketAddr>,
    pub(super) nodes: BTreeMap<String, NodePlace>,
    /// The shell of the whole farm.
    pub(super) shell: SocketAddr,
    pub(super) control: SocketAddr,
}

/// What is bound already.
pub(super) struct Sockets {
    pub(super) servers: BTreeMap<String, TcpListener>,
    pub(super) apis: BTreeMap<String, TcpListener>,
    pub(super) traffic: BTreeMap<(String, String), TcpListener>,
    pub(super) shell: TcpListener,
    pub(super) control: TcpListener,
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn bind(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Tokio.bind(loopback(port)).await?;
    let at = Tokio::local_addr(&socket)?;
    Ok((socket, at))
}

/// The pools a node carries.
pub(super) fn pools_of<'a>(spec: &'a Spec, node: &'a str) -> impl Iterator<Item = &'a str> {
    let carried = spec.pools.iter().filter(move |pool| {
        pool.nodes.is_empty() || pool.nodes.iter().any(|carrier| carrier == node)
    });
    carried.map(|pool| pool.name.as_str())
}

/// Binds a port for everything. `keep_nodes`: the nodes' ports are ours to serve.
///
/// # Errors
/// There are not that many free ports, or the control port is taken.
pub(super) async fn bind_all(
    spec: &Spec,
    control: u16,
    keep_nodes: bool,
) -> io::Result<(Places, Sockets)> {
    let (shell_socket, shell) = bind(0).await?;
    let (control_socket, control) = bind(control).await?;
    let mut places = Places { servers: BTreeMap::new(), nodes: BTreeMap::new(), shell, control };
    let mut sockets = Sockets {
        servers: BTreeMap::new(),
        apis: BTreeMap::new(),
        traffic: BTreeMap::new(),
        shell: shell_socket,
        control: control_socket,
    };
    for front_end in &spec.front_ends {
        let (socket, at) = bind(0).await?;
        places.servers.insert(front_end.name.clone(), at);
        sockets.servers.insert(front_end.name.clone(), socket);
    }
    for balancer in &spec.balancers {
        let (socket, api) = bind(0).await?;
        sockets.apis.insert(balancer.name.clone(), socket);
        let mut traffic = BTreeMap::new();
        for pool in pools_of(spec, &balancer.name) {
            let (socket, at) = bind(0).await?;
            traffic.insert(pool.to_owned(), at);
            sockets.traffic.insert((balancer.name.clone(), pool.to_owned()), socket);
        }
        places.nodes.insert(balancer.name.clone(), NodePlace { api, traffic });
    }
    if !keep_nodes {
        // Only now, so that none of these ports was given out twice.
        sockets.apis.clear();
        sockets.traffic.clear();
    }
    Ok((places, sockets))
}
