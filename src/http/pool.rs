//! Connections kept alive between requests, by the address they go to.
use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::farm::Scheme;
use crate::ports::Address;

use super::{IDLE_MAX, Request};

/// A connection that waits for its next request.
#[derive(Debug)]
struct Idle {
    connection: SendRequest<Full<Bytes>>,
    scheme: Scheme,
    /// The name TLS was agreed for; empty in clear text, where any Host may follow any other.
    tls_name: String,
    since: Instant,
}

/// Idle connections; the most recently used last, so that the spare ones age and go.
#[derive(Debug, Default)]
pub(super) struct Pool(RefCell<BTreeMap<Address, Vec<Idle>>>);

fn tls_name<'a>(request: &Request<'a>) -> &'a str {
    match request.scheme {
        Scheme::Http => "",
        Scheme::Https => request.host_name,
    }
}

impl Pool {
    /// Takes a connection that fits the request, dropping those that have been idle too long or
    /// that the server has closed.
    pub(super) fn take(&self, request: &Request<'_>) -> Option<SendRequest<Full<Bytes>>> {
        let mut pool = self.0.borrow_mut();
        let idle = pool.get_mut(request.to)?;
        idle.retain(|idle| idle.since.elapsed() < IDLE_MAX && !idle.connection.is_closed());
        let at = idle.iter().rposition(|idle| {
            idle.scheme == request.scheme && idle.tls_name == tls_name(request)
        })?;
        Some(idle.remove(at).connection)
    }

    /// Keeps a connection after a whole answer.
    pub(super) fn put(&self, request: &Request<'_>, connection: SendRequest<Full<Bytes>>) {
        if connection.is_closed() {
            return;
        }
        let tls_name = tls_name(request).to_owned();
        let idle = Idle { connection, scheme: request.scheme, tls_name, since: Instant::now() };
        let mut pool = self.0.borrow_mut();
        match pool.get_mut(request.to) {
            Some(idles) => idles.push(idle),
            None => drop(pool.insert(request.to.clone(), vec![idle])),
        }
    }

    /// Closes every idle connection to an address.
    pub(super) fn forget(&self, to: &Address) {
        self.0.borrow_mut().remove(to);
    }
}

/// Speaks HTTP on a fresh stream. The task that drives it ends with the connection.
pub(super) async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::task::spawn_local(async move {
        // Its error reaches the exchange that met it; an idle connection's is nobody's news.
        let _ = connection.await;
    });
    Ok(sender)
}
