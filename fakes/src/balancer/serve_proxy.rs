//! The data plane on a socket: an HTTP/1.1 reverse proxy for one pool.
//!
//! Every request is balanced anew, also on one client connection. A refused connection is tried
//! again on the same member, as HAProxy does without `option redispatch`. Unlike HAProxy, an answer
//! is passed on when it is complete: an answer that breaks off becomes a 502.
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::in_flight::{Outcome, Ticket};
use super::reach::Reach;
use super::serve_api::ACCEPT_PAUSE;
use crate::listen::Listen;

/// HAProxy's default `retries`.
const RETRIES: u32 = 3;
/// HAProxy waits this long before it tries the same server again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// `timeout connect` of Debian's haproxy.cfg.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// `timeout server`: longer than the 110 s that IIS lets a request execute, so that the
/// application's own limit shows.
const ANSWER_MAX: Duration = Duration::from_secs(130);
/// `timeout client` of Debian's haproxy.cfg.
const CLIENT_MAX: Duration = Duration::from_secs(50);
/// Pages of the doubles are small; more is an error of theirs.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Headers that are about one connection, not about the message.
const HOP_BY_HOP: [HeaderName; 4] =
    [header::CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE];

/// Serves a pool's frontend for ever.
pub async fn serve_proxy<L: Listen, R: Reach>(
    listen: L,
    mut socket: L::Socket,
    reach: R,
    pool: String,
) {
    loop {
        let stream = match L::accept(&mut socket).await {
            Ok((stream, _)) => stream,
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if !reach.with(|balancer, _| balancer.is_up()) {
            continue; // refused, as far as a listener can refuse
        }
        let (listen, reach, pool) = (listen.clone(), reach.clone(), pool.clone());
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let (listen, reach, pool) = (listen.clone(), reach.clone(), pool.clone());
                async move { Ok::<_, Infallible>(forward(listen, reach, &pool, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .auto_date_header(false)
                .timer(TokioTimer::new())
                .header_read_timeout(CLIENT_MAX)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off is its own affair.
            let _ = connection.await;
        });
    }
}

/// A request that is being carried: whatever becomes of it, its end is counted.
struct Carried<R: Reach> {
    reach: R,
    ticket: Ticket,
    outcome: Outcome,
}

impl<R: Reach> Drop for Carried<R> {
    fn drop(&mut self) {
        self.reach.with(|balancer, _| balancer.finish(&self.ticket, self.outcome));
    }
}

async fn forward<L: Listen, R: Reach>(
    listen: L,
    reach: R,
    pool: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let begun = reach.with(|balancer, now_ms| {
        let (ticket, cutting) = balancer.begin(pool, now_ms)?;
        Some((balancer.member(ticket.member).server.clone(), ticket, cutting))
    });
    let Some((server, ticket, cutting)) = begun else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE);
    };
    let outcome = Outcome::ClientLeft; // until something else happened
    let mut carried = Carried { reach, ticket, outcome };
    let exchange = pin!(exchange(&listen, &carried.reach, &server, &carried.ticket, request));
    let (outcome, response) = match select(pin!(cut(cutting)), exchange).await {
        Either::Left(((), _)) => (Outcome::NoAnswer, refusal(StatusCode::BAD_GATEWAY)),
        Either::Right((Ok(response), _)) => (Outcome::Answer(response.status().as_u16()), response),
        Either::Right((Err((outcome, status)), _)) => (outcome, refusal(status)),
    };
    carried.outcome = outcome;
    response
}

/// Resolves when the request is to be cut; never, when that has become impossible.
async fn cut(cutting: oneshot::Receiver<()>) {
    if cutting.await.is_err() {
        pending::<()>().await;
    }
}

type Failure = (Outcome, StatusCode);

/// Carries a request to a server and its whole answer back.
async fn exchange<L: Listen, R: Reach>(
    listen: &L,
    reach: &R,
    server: &str,
    ticket: &Ticket,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Failure> {
    const BROKEN: Failure = (Outcome::NoAnswer, StatusCode::BAD_GATEWAY);
    let stream = connect(listen, reach, server, ticket).await?;
    let client = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = client.await.map_err(|_| BROKEN)?;
    let answer = async move {
        let response = sender.send_request(onward(request)).await.map_err(|_| BROKEN)?;
        let (mut parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| BROKEN)?;
        remove_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, Full::new(body.to_bytes())))
    };
    let answer = pin!(timeout(ANSWER_MAX, answer));
    // Driven beside the answer and dropped with it: no task outlives the request.
    match alongside(answer, connection).await {
        Ok(result) => result,
        Err(_) => Err((Outcome::NoAnswer, StatusCode::GATEWAY_TIMEOUT)),
    }
}

/// Waits for `main`, driving `other` for as long as it lasts.
async fn alongside<F: Future + Unpin>(main: F, other: impl Future) -> F::Output {
    match select(main, pin!(other)).await {
        Either::Left((output, _)) => output,
        Either::Right((_, main)) => main.await,
    }
}

async fn connect<L: Listen, R: Reach>(
    listen: &L,
    reach: &R,
    server: &str,
    ticket: &Ticket,
) -> Result<L::Stream, Failure> {
    for attempt in 0..=RETRIES {
        if attempt > 0 {
            reach.with(|balancer, _| balancer.retry(ticket));
        }
        if let Some(address) = reach.resolve(server) {
            match timeout(CONNECT_MAX, listen.connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(_)) => {}
                Err(_) => continue, // it has waited long enough
            }
        }
        if attempt < RETRIES {
            sleep(RETRY_PAUSE).await;
        }
    }
    Err((Outcome::NoConnection, StatusCode::SERVICE_UNAVAILABLE))
}

/// The request as the server sees it: the same, Host included, on another connection.
fn onward(mut request: Request<Incoming>) -> Request<Incoming> {
    remove_hop_by_hop(request.headers_mut());
    *request.version_mut() = Version::HTTP_11;
    request
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// What HAProxy says in its own name.
fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let text: &'static str = match status {
        StatusCode::BAD_GATEWAY => {
            "<html><body><h1>502 Bad Gateway</h1>\n\
             The server returned an invalid or incomplete response.\n</body></html>\n"
        }
        StatusCode::GATEWAY_TIMEOUT => {
            "<html><body><h1>504 Gateway Time-out</h1>\n\
             The server didn't respond in time.\n</body></html>\n"
        }
        _ => {
            "<html><body><h1>503 Service Unavailable</h1>\n\
             No server is available to handle this request.\n</body></html>\n"
        }
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}
