//! HTTP/1.1 exchanges with a named address, the Host header and SNI being another name.
//!
//! Connections are kept alive and taken from a pool keyed by *address*: a front-end is reached
//! under its zone's public name, which the resolver would turn into the balancer. The pool is our
//! own because hyper-util's hides the difference that matters most here: whether a request that
//! failed had left. One that had is [`HttpError::Lost`] and never sent again.
mod pool;
mod tls;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};

use crate::farm::Scheme;
use crate::net::{Deadlines, dial_within};
use crate::ports::{Address, Dial};

use pool::Pool;
pub use tls::Trust;

/// Largest body taken: a page of Service Center with every server of a large farm is a tenth of it.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A connection idle for longer is closed: servers close theirs after 30 s, and a request must not
/// meet that close on its way.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// One request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Where the connection goes.
    pub to: &'a Address,
    /// Clear text or TLS.
    pub scheme: Scheme,
    /// The Host header, with a port where one belongs; without it, the name asked for by SNI.
    pub host_name: &'a str,
    /// The method.
    pub method: Method,
    /// Path and query, starting with `/`.
    pub path: &'a str,
    /// Further headers.
    pub headers: &'a [(HeaderName, &'a str)],
    /// The body; empty for none.
    pub body: Bytes,
}

impl<'a> Request<'a> {
    /// A GET without further headers.
    #[must_use]
    pub fn get(to: &'a Address, scheme: Scheme, host_name: &'a str, path: &'a str) -> Self {
        let (method, headers, body) = (Method::GET, &[], Bytes::new());
        Self { to, scheme, host_name, method, path, headers, body }
    }

    fn message(&self) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
        let unfit = |what: &str| HttpError::Unfit(format!("{what} cannot be put in a request"));
        let mut message = hyper::Request::new(Full::new(self.body.clone()));
        *message.method_mut() = self.method.clone();
        *message.uri_mut() = self.path.parse::<Uri>().map_err(|_| unfit(self.path))?;
        let headers = message.headers_mut();
        let host = HeaderValue::from_str(self.host_name).map_err(|_| unfit(self.host_name))?;
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static("evenkeel"));
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(value).map_err(|_| unfit(name.as_str()))?;
            headers.insert(name, value);
        }
        Ok(message)
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most [`BODY_BYTES_MAX`].
    pub body: Bytes,
}

impl Response {
    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        // Whole texts, nearly all that come, are looked through much faster by this.
        let whole = str::from_utf8(&self.body).map(std::borrow::Cow::Borrowed);
        whole.unwrap_or_else(|_| String::from_utf8_lossy(&self.body))
    }

    /// A header's value, where it is text.
    #[must_use]
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request never left: refused, no route, unknown name, TLS not agreed, silence.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The request may have been carried out: read again before anything is sent again.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// What came is no HTTP, or too much of it. The request may have been carried out.
    #[error("the answer cannot be read: {0}")]
    Garbled(String),
    /// The request cannot be written as HTTP; nothing was sent.
    #[error("{0}")]
    Unfit(String),
}

/// Makes exchanges over a network. Lives in a `LocalSet`: connections are driven by tasks of it.
#[derive(Debug)]
pub struct HttpClient<D: Dial> {
    dial: D,
    trust: Trust,
    deadlines: Deadlines,
    pool: Pool,
}

/// What became of a request on one connection.
enum Sent {
    /// It left, and this came of it.
    Yes(Result<Response, HttpError>),
    /// The connection was found closed before a byte of it left.
    No(hyper::Request<Full<Bytes>>),
}

impl<D: Dial> HttpClient<D> {
    /// A client that trusts the machine's certificate authorities and has the default deadlines.
    pub fn new(dial: D) -> Self {
        Self {
            dial,
            trust: Trust::default(),
            deadlines: Deadlines::default(),
            pool: Pool::default(),
        }
    }

    /// Trusts other certificate authorities.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Waits as long as this.
    #[must_use]
    pub fn waiting(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// Sends a request and reads its whole answer, whatever its status.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn request(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let mut message = request.message()?;
        while let Some(connection) = self.pool.take(&request) {
            match self.send(&request, connection, message).await {
                Sent::Yes(result) => return result,
                Sent::No(unsent) => message = unsent,
            }
        }
        let connection = self.connect(&request).await?;
        match self.send(&request, connection, message).await {
            Sent::Yes(result) => result,
            Sent::No(_) => Err(HttpError::Unreachable(format!(
                "{}: closed the connection at once",
                request.to
            ))),
        }
    }

    /// Sends on one connection, and keeps it when it can carry another request.
    async fn send(
        &self,
        request: &Request<'_>,
        mut connection: SendRequest<Full<Bytes>>,
        message: hyper::Request<Full<Bytes>>,
    ) -> Sent {
        let exchange = async {
            if connection.ready().await.is_err() {
                return Sent::No(message);
            }
            match connection.try_send_request(message).await {
                Ok(response) => Sent::Yes(read(request, response).await),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => Sent::No(unsent),
                    None => Sent::Yes(Err(explain(request.to, error.error()))),
                },
            }
        };
        let sent = tokio::time::timeout(self.deadlines.exchange, exchange).await;
        let sent = sent.unwrap_or_else(|_| {
            let within = self.deadlines.exchange.as_secs_f32();
            Sent::Yes(Err(HttpError::Lost(format!("{}: no answer within {within} s", request.to))))
        });
        match &sent {
            Sent::Yes(Ok(_)) => self.pool.put(request, connection),
            // What happened to one connection has happened to its idle neighbours, which do not
            // know yet: the next request must not find out at the price of another deadline.
            Sent::Yes(Err(_)) => self.pool.forget(request.to),
            Sent::No(_) => {}
        }
        sent
    }

    /// Opens a connection, with TLS where asked for.
    async fn connect(&self, request: &Request<'_>) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        let opening = async {
            let stream = dial_within(&self.dial, request.to, self.deadlines).await?;
            match request.scheme {
                Scheme::Http => pool::handshake(stream).await,
                Scheme::Https => {
                    pool::handshake(self.trust.wrap(stream, request.host_name).await?).await
                }
            }
        };
        let within = self.deadlines.dial * 2; // the dial has its own deadline; TLS gets as long again
        match tokio::time::timeout(within, opening).await {
            Ok(opened) => opened.map_err(HttpError::Unreachable),
            Err(_) => {
                Err(HttpError::Unreachable(format!("{}: TLS was not agreed in time", request.to)))
            }
        }
    }
}

/// Reads the whole answer, within the bound.
async fn read(
    request: &Request<'_>,
    response: hyper::Response<Incoming>,
) -> Result<Response, HttpError> {
    let (head, mut incoming) = response.into_parts();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| explain(request.to, &error))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > BODY_BYTES_MAX {
            let (path, to) = (request.path, request.to);
            let words = format!("{to}{path}: a body of more than {BODY_BYTES_MAX} bytes");
            return Err(HttpError::Garbled(words));
        }
        // Nearly every body is one frame, which need not be copied.
        if first.is_empty() { first = data } else { rest.extend_from_slice(&data) }
    }
    let body = if rest.is_empty() { first } else { [first, rest.freeze()].concat().into() };
    Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
}

/// Sorts hyper's errors: everything but unreadable bytes is an answer lost on its way.
fn explain(to: &Address, error: &hyper::Error) -> HttpError {
    let mut words = format!("{to}: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    if error.is_parse() { HttpError::Garbled(words) } else { HttpError::Lost(words) }
}

#[cfg(test)]
mod tests;
