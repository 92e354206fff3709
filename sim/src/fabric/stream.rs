//! Sockets that carry their host.
//!
//! A socket knows which host's it is, so it does not matter which task on which host holds it.
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::listen::Listen;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::HostId;
use super::engine::{self, Engine};
use super::packet::End;
use super::sockets::Key;
use super::yields::Yields;

/// One host's network.
#[derive(Clone, Copy, Debug)]
pub struct At {
    host: HostId,
    run: u64,
}

impl At {
    pub(super) fn new(engine: &Engine, host: HostId) -> Self {
        Self { host, run: engine.run }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    fn open(self, to: SocketAddr) -> Connecting {
        let yields = engine::with(|engine| Yields::of(engine, self.host));
        Connecting { at: self, to, dialled: None, yields }
    }
}

/// The address that a host name or an IP address in a text stands for.
fn resolve(address: &Address) -> io::Result<SocketAddr> {
    match address {
        Address::Tcp(host, port) => host
            .parse::<IpAddr>()
            .ok()
            .or_else(|| engine::with(|engine| engine.names.get(host).copied()))
            .map(|ip| SocketAddr::new(ip, *port))
            .ok_or_else(|| {
                let what = format!("no host of the rehearsal has the name {host}");
                io::Error::new(io::ErrorKind::NotFound, what)
            }),
        Address::Unix(path) => {
            let what = format!("a rehearsal has no UNIX sockets: {}", path.display());
            Err(io::Error::new(io::ErrorKind::Unsupported, what))
        }
    }
}

impl Dial for At {
    type Stream = Stream;

    fn dial(&self, to: &Address) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        let connecting = resolve(to).map(|to| self.open(to));
        async move { connecting?.await }
    }
}

impl Listen for At {
    type Stream = Stream;
    type Socket = Socket;

    async fn bind(&self, at: SocketAddr) -> io::Result<Socket> {
        engine::with(|engine| {
            let ip = engine.host(self.host).ip;
            if at.ip() != ip && !at.ip().is_unspecified() {
                let what = format!("{at} is no address of {}", engine.host(self.host).name);
                return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what));
            }
            let bound = engine.sockets.listen(self.host, at.port());
            let (port, number) = bound.map_err(|error| {
                io::Error::new(error.kind(), format!("{at} is taken: somebody listens there"))
            })?;
            let yields = Yields::of(engine, self.host);
            let address = SocketAddr::new(at.ip(), port);
            Ok(Socket { at: *self, address, number, yields })
        })
    }

    fn local_addr(socket: &Socket) -> io::Result<SocketAddr> {
        Ok(socket.address)
    }

    async fn accept(socket: &mut Socket) -> io::Result<(Stream, SocketAddr)> {
        poll_fn(|context| {
            if socket.yields.now(context) {
                return Poll::Pending;
            }
            engine::with(|engine| {
                let key = ready!(engine.sockets.poll_accept(socket.listener(), context))?;
                let stream = Stream::new(engine, socket.at, key);
                let peer = stream.peer;
                Poll::Ready(Ok((stream, peer)))
            })
        })
        .await
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        self.open(to).await
    }
}

/// A connection being made. It is dialled when it is first polled.
struct Connecting {
    at: At,
    to: SocketAddr,
    dialled: Option<Dialled>,
    yields: Yields,
}

/// Where a dial went.
enum Dialled {
    To(Key),
    /// No host has the address: as with a router that says nothing, only the caller's deadline
    /// ends it.
    Nowhere,
}

impl Connecting {
    fn dial(&self, engine: &mut Engine) -> io::Result<Dialled> {
        let Some(host) = engine.host_at(self.to.ip()) else {
            engine.record.nowhere(engine.now_ms, self.at.host);
            return Ok(Dialled::Nowhere);
        };
        let to = End { host, port: self.to.port() };
        engine.sockets.dial(self.at.host, to).map(Dialled::To)
    }
}

impl Future for Connecting {
    type Output = io::Result<Stream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        if self.yields.now(context) {
            return Poll::Pending;
        }
        engine::with(|engine| {
            if self.dialled.is_none() {
                self.dialled = Some(self.dial(engine)?);
            }
            let Some(Dialled::To(key)) = self.dialled else { return Poll::Pending };
            ready!(engine.sockets.connection(key).poll_open(context))?;
            // From here on it is the stream's to close.
            self.dialled = Some(Dialled::Nowhere);
            engine.connections += 1;
            Poll::Ready(Ok(Stream::new(engine, self.at, key)))
        })
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(Dialled::To(key)) = self.dialled
            && engine::is_live(self.at.run)
        {
            engine::with(|engine| engine.close(key));
        }
    }
}

/// A listening socket of one host.
#[derive(Debug)]
pub struct Socket {
    at: At,
    address: SocketAddr,
    number: u64,
    yields: Yields,
}

impl Socket {
    fn listener(&self) -> (End, u64) {
        (End { host: self.at.host, port: self.address.port() }, self.number)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if engine::is_live(self.at.run) {
            engine::with(|engine| engine.close_listener(self.listener()));
        }
    }
}

/// A connection of one host.
#[derive(Debug)]
pub struct Stream {
    at: At,
    key: Key,
    peer: SocketAddr,
    yields: Yields,
}

impl Stream {
    fn new(engine: &mut Engine, at: At, key: Key) -> Self {
        let peer = engine.sockets.connection(key).peer;
        Self { at, key, peer: engine.address(peer), yields: Yields::of(engine, at.host) }
    }

    /// The other end's address.
    #[must_use]
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Reaches the engine of the run that the connection belongs to.
    fn with<R>(&self, act: impl FnOnce(&mut Engine) -> R) -> R {
        engine::with(|engine| {
            assert!(engine.run == self.at.run, "a connection is used after its run");
            act(engine)
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if engine::is_live(self.at.run) {
            engine::with(|engine| engine.close(self.key));
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.yields.now(context) {
            return Poll::Pending;
        }
        self.with(|engine| {
            let connection = engine.sockets.connection(self.key);
            ready!(connection.poll_read(context, buffer))?;
            if connection.tells_read() {
                engine.sockets.touch(self.key);
            }
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.yields.now(context) {
            return Poll::Pending;
        }
        self.with(|engine| {
            let taken = ready!(engine.sockets.connection(self.key).poll_write(context, bytes))?;
            engine.sockets.touch(self.key);
            Poll::Ready(Ok(taken))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written bytes are the kernel's: there is nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|engine| {
            engine.sockets.connection(self.key).end();
            engine.sockets.touch(self.key);
        });
        Poll::Ready(Ok(()))
    }
}
