//! The back-ends behind both arms, served by the test.
use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use evenkeel_fakes::listen::{Listen, Tokio};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::task::spawn_local;

/// A server that the test serves itself.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) healthy: Cell<bool>,
    /// Requests that are no health checks.
    pub(crate) requests: Cell<u64>,
    released: Cell<bool>,
    releases: Notify,
}

impl Backend {
    pub(crate) async fn start(name: &'static str) -> Rc<Self> {
        let mut socket = Tokio.bind(([127, 0, 0, 1], 0).into()).await.expect("loopback has ports");
        let address = Tokio::local_addr(&socket).expect("a bound socket has an address");
        let backend = Rc::new(Self {
            name,
            address,
            healthy: Cell::new(true),
            requests: Cell::new(0),
            released: Cell::new(false),
            releases: Notify::new(),
        });
        let serving = backend.clone();
        spawn_local(async move {
            while let Ok((stream, _)) = Tokio::accept(&mut socket).await {
                let backend = serving.clone();
                let service = service_fn(move |request| {
                    let backend = backend.clone();
                    async move { Ok::<_, Infallible>(backend.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                spawn_local(connection);
            }
        });
        backend
    }

    /// `/hold…` answers only after [`Backend::release`]: a slow request that ends when the test
    /// wants it to.
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path != "/check" {
            self.requests.set(self.requests.get() + 1);
        }
        while path.starts_with("/hold") && !self.released.get() {
            self.releases.notified().await;
        }
        let host = request.headers().get("host").and_then(|h| h.to_str().ok()).unwrap_or("-");
        let mut response = Response::new(Full::new(format!("{} for {host}", self.name).into()));
        if !self.healthy.get() {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }

    /// Lets held requests, and those that come, be answered.
    pub(crate) fn release(&self) {
        self.released.set(true);
        self.releases.notify_waiters();
    }

    /// Holds requests that come from now on.
    pub(crate) fn hold_again(&self) {
        self.released.set(false);
    }
}
