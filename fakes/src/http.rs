//! What the doubles need of HTTP: a request in, an answer out, carried over any stream by hyper.
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// The largest body a double reads: a form or a SOAP envelope is a few kilobytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A connection without a request is left after that long: IIS's `connectionTimeout`. A shorter
/// one would race with a balancer that keeps connections to its servers for reuse.
const IDLE_MS_MAX: u64 = 120_000;

/// The methods the doubles distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: a GET whose answer has no body.
    Head,
    /// POST.
    Post,
    /// Any other.
    Other,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// The path, percent signs and all.
    pub path: String,
    /// What follows the question mark; empty when there is none.
    pub query: String,
    /// The Cookie header.
    pub cookie: Option<String>,
    /// The Content-Type header.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A GET, as tests make it.
    #[must_use]
    pub fn get(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: Method::Get,
            path: path.to_owned(),
            query: query.to_owned(),
            cookie: None,
            content_type: None,
            body: Bytes::new(),
        }
    }

    /// A value of the query, decoded.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<String> {
        form_value(&self.query, name)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The Content-Type header.
    pub content_type: &'static str,
    /// The Location header, where a redirect goes.
    pub location: Option<String>,
    /// The Set-Cookie header.
    pub cookie: Option<String>,
    /// The body.
    pub body: String,
    /// How long the server takes to answer, in milliseconds.
    pub after_ms: u64,
}

impl Answer {
    /// A page.
    #[must_use]
    pub fn html(status: u16, body: String) -> Self {
        Self {
            status,
            content_type: "text/html; charset=utf-8",
            location: None,
            cookie: None,
            body,
            after_ms: 0,
        }
    }

    /// A page in the manner of IIS's own error pages: a heading with status and words.
    #[must_use]
    pub fn error(status: u16, words: &str) -> Self {
        Self::html(
            status,
            format!(
                "<!DOCTYPE html><html><head><title>{status} - {words}</title></head>\
                 <body><h2>{status} - {words}</h2></body></html>"
            ),
        )
    }

    /// A redirect, as ASP.NET writes it.
    #[must_use]
    pub fn found(location: &str) -> Self {
        let body = format!(
            "<html><head><title>Object moved</title></head><body>\r\n\
             <h2>Object moved to <a href=\"{}\">here</a>.</h2>\r\n</body></html>\r\n",
            escape(location)
        );
        Self { location: Some(location.to_owned()), ..Self::html(302, body) }
    }
}

/// Text made harmless within HTML, element or attribute.
#[must_use]
pub fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped.into()
}

/// The first value of a name in a form or query (`application/x-www-form-urlencoded`).
#[must_use]
pub fn form_value(form: &str, name: &str) -> Option<String> {
    form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// The first name in a form that ends so, with its value.
#[must_use]
pub fn form_value_ending(form: &str, ending: &str) -> Option<String> {
    form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        decode(key).ends_with(ending).then(|| decode(value))
    })
}

fn decode(text: &str) -> String {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        let code = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        at += 1;
        match (byte, code) {
            (b'+', _) => bytes.push(b' '),
            (b'%', Some(code)) => {
                bytes.push(code);
                at += 2;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first segment of a path, decoded; `None` for the root.
#[must_use]
pub fn first_segment(path: &str) -> Option<String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segment = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    (!segment.is_empty()).then(|| decode(segment))
}

/// What a handler does instead of answering: the connection ends without a byte.
#[derive(Debug)]
pub struct Silence;

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server went silent")
    }
}

impl std::error::Error for Silence {}

/// Serves one connection to its end, keep-alive and all. A handler that answers [`Silence`] ends
/// it without an answer, as a server does that is no longer there.
pub async fn serve_connection<S, H, F>(stream: S, handle: H)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Fn(Request) -> F + 'static,
    F: Future<Output = Result<Answer, Silence>> + 'static,
{
    let handle = std::rc::Rc::new(handle);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let handle = handle.clone();
        async move {
            let answer = match read(request).await {
                Ok(request) => handle(request).await?,
                Err(refusal) => refusal,
            };
            Ok::<_, Silence>(response(answer))
        }
    });
    // Half-closed clients, resets and silence all end here, and each only this connection.
    let _ended = http1::Builder::new()
        .auto_date_header(false) // hyper's own is the wall clock's
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(IDLE_MS_MAX))
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Answer> {
    let (head, body) = request.into_parts();
    let text = |name: header::HeaderName| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let method = match head.method {
        hyper::Method::GET => Method::Get,
        hyper::Method::HEAD => Method::Head,
        hyper::Method::POST => Method::Post,
        _ => Method::Other,
    };
    let (cookie, content_type) = (text(header::COOKIE), text(header::CONTENT_TYPE));
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(Answer::error(413, "Request Entity Too Large")),
    };
    Ok(Request {
        method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        cookie,
        content_type,
        body,
    })
}

fn response(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, answer.content_type)
        .header(header::SERVER, "Microsoft-IIS/10.0")
        .header(header::CACHE_CONTROL, "no-cache, no-store");
    if let Some(location) = answer.location {
        response = response.header(header::LOCATION, location);
    }
    if let Some(cookie) = answer.cookie {
        response = response.header(header::SET_COOKIE, cookie);
    }
    response.body(Full::new(Bytes::from(answer.body))).unwrap_or_else(|_: hyper::http::Error| {
        let mut broken = hyper::Response::new(Full::new(Bytes::new()));
        *broken.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: forms come back as they were typed. Method: the awkward letters, and broken escapes.
    #[test]
    fn form_values_are_decoded() {
        let form = "a=1&p%C3%A4ss%24w=x%26y+z&broken=100%&half=%4";
        assert_eq!(form_value(form, "a").as_deref(), Some("1"));
        assert_eq!(form_value(form, "päss$w").as_deref(), Some("x&y z"));
        assert_eq!(form_value(form, "broken").as_deref(), Some("100%"));
        assert_eq!(form_value(form, "half").as_deref(), Some("%4"));
        assert_eq!(form_value(form, "b"), None);
        assert_eq!(form_value_ending(form, "$w").as_deref(), Some("x&y z"));
    }

    /// Goal: no name of a farm file can become markup. Method: every letter that matters.
    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
        assert!(matches!(escape("fe-01"), std::borrow::Cow::Borrowed(_)));
    }

    /// Goal: a module is found by its path. Method: paths with and without more.
    #[test]
    fn the_first_segment_is_the_module() {
        assert_eq!(first_segment("/Shop/Home.aspx?x=/y").as_deref(), Some("Shop"));
        assert_eq!(first_segment("/Shop?x").as_deref(), Some("Shop"));
        assert_eq!(first_segment("/"), None);
    }
}
