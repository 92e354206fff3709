//! Connections: the operating system's network, addresses as text, and the deadlines that every
//! adapter keeps, because a dial to a dead machine hangs for ever.
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::ports::{Address, Dial};

/// How long an adapter waits for the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection to open, TLS included.
    pub dial: Duration,
    /// For a request and its whole answer on an open connection.
    pub exchange: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            // One lost SYN is sent again after 1 s and after 3 s; a third loss is a dead machine.
            dial: Duration::from_secs(5),
            // Module pages compile on first access and take ten seconds; IIS cuts at 110 s, but
            // nothing an adapter asks for may hold a reading back that long.
            exchange: Duration::from_secs(20),
        }
    }
}

/// Dials within the deadline.
///
/// # Errors
/// What the network said, or that it said nothing in time. Either way nothing was sent.
pub(crate) async fn dial_within<D: Dial>(
    dial: &D,
    to: &Address,
    deadlines: Deadlines,
) -> Result<D::Stream, String> {
    match tokio::time::timeout(deadlines.dial, dial.dial(to)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("{to}: {error}")),
        Err(_) => Err(format!("{to}: no connection within {} s", deadlines.dial.as_secs_f32())),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// # Errors
    /// Says what is wrong when the text is neither `host:port` nor `unix:/path`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(PathBuf::from(path)))
            } else {
                Err(format!("`{text}` is no address: a UNIX socket's path starts with `/`"))
            };
        }
        let no_address = || format!("`{text}` is no address: `host:port` or `unix:/path` is");
        let (host, port) = text.rsplit_once(':').ok_or_else(no_address)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner,
            None if host.contains(':') => return Err(no_address()), // IPv6 needs its brackets
            None => host,
        };
        match port.parse() {
            Ok(port) if port > 0 && !host.is_empty() => Ok(Self::Tcp(host.to_owned(), port)),
            _ => Err(no_address()),
        }
    }
}

/// The operating system's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

/// A connection of the operating system.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A UNIX socket.
    Unix(UnixStream),
}

impl Dial for Tokio {
    type Stream = Stream;

    fn dial(&self, to: &Address) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        let to = to.clone();
        async move {
            match to {
                Address::Tcp(host, port) => {
                    let stream = TcpStream::connect((host.as_str(), port)).await?;
                    // Requests are small and alone: waiting to fill a segment only adds 40 ms.
                    stream.set_nodelay(true)?;
                    Ok(Stream::Tcp(stream))
                }
                Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            }
        }
    }
}

/// Calls the same method on whichever stream it is.
macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            Self::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an address means the same when written and read. Method: round trips, and texts that
    /// look like addresses and are none.
    #[test]
    fn addresses_read_back_as_written() {
        for text in ["fe-1:80", "10.0.0.4:9999", "[::1]:8080", "unix:/run/haproxy/admin.sock"] {
            let address: Address = text.parse().expect("an address");
            assert_eq!(address.to_string(), text);
        }
        for text in ["fe-1", "fe-1:", ":80", "fe-1:0", "fe-1:65536", "::1:80", "unix:relative", ""]
        {
            assert!(text.parse::<Address>().is_err(), "{text} was taken for an address");
        }
    }

    /// Goal: a refused connection is told from silence, and both end. Method: a listener that is
    /// closed again, and a dial that never answers on a paused clock.
    #[tokio::test(start_paused = true)]
    async fn a_dial_into_silence_ends_at_its_deadline() {
        #[derive(Clone)]
        struct Silence;
        impl Dial for Silence {
            type Stream = Stream;
            fn dial(
                &self,
                _: &Address,
            ) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
                std::future::pending()
            }
        }
        let to = Address::Tcp("fe-1".into(), 80);
        let begun = tokio::time::Instant::now();
        let words = dial_within(&Silence, &to, Deadlines::default()).await.expect_err("silence");
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        assert_eq!(words, "fe-1:80: no connection within 5 s");
    }
}
