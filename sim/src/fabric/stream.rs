//! Sockets that carry their host.
//!
//! turmoil-net finds the kernel of a call by a "current host" of the thread, and numbers its
//! sockets per kernel: a stream polled or dropped while another host is current reads another
//! host's socket, or closes its listener. So every socket here sets its host in every poll and in
//! its drop, and it does not matter which task on which host holds it.
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::listen::Listen;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

use super::HostId;
use super::engine::{self, Engine, touch};
use super::yields::Yields;

/// Half of turmoil-net's receive buffer: a read this large makes its kernel send a window update.
const WINDOW_UPDATE_BYTES: usize = 32 * 1024;

/// As much as turmoil-net's receive buffer holds: no read brings more.
const READ_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// What a socket reads into. turmoil-net zeroes a reader's whole spare room before it looks
    /// whether anything came, which for a page of 500 bytes into a buffer of 32 KiB costs more than
    /// all the rest of its way; this room is zeroed once.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into());
}

/// One host's network.
#[derive(Clone, Copy, Debug)]
pub struct At {
    host: HostId,
    kernel: turmoil_net::HostId,
    run: u64,
}

impl At {
    pub(super) fn new(engine: &Engine, host: HostId) -> Self {
        Self { host, kernel: engine.host(host).kernel, run: engine.run }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> HostId {
        self.host
    }

    /// Makes the host current for the calls that follow.
    #[inline]
    fn enter(self) {
        turmoil_net::set_current(self.kernel);
    }

    fn open(self, to: SocketAddr) -> Connecting {
        let yields = engine::with(|engine| {
            engine.enter();
            Yields::of(engine, self.host)
        });
        Connecting { at: self, inner: Some(Box::pin(TcpStream::connect(to))), yields }
    }

    fn listen(self, at: SocketAddr) -> io::Result<TcpListener> {
        self.enter();
        // Bound at the first poll: turmoil-net's bind awaits nothing.
        let mut binding = std::pin::pin!(TcpListener::bind(at));
        match binding.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(bound) => bound,
            Poll::Pending => unreachable!("turmoil-net binds without waiting"),
        }
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
        let at = *self;
        let connecting = resolve(to).map(|to| at.open(to));
        async move { connecting?.await }
    }
}

impl Listen for At {
    type Stream = Stream;
    type Socket = Socket;

    async fn bind(&self, at: SocketAddr) -> io::Result<Socket> {
        engine::with(|engine| {
            engine.enter();
        });
        let bound = match self.listen(at) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let cleared = engine::with(|engine| engine.clear_port(self.host, at.port()));
                cleared
                    .map_err(|why| {
                        io::Error::new(io::ErrorKind::AddrInUse, format!("{at} is taken: {why}"))
                    })
                    .and_then(|()| self.listen(at))
            }
            other => other,
        };
        let yields = engine::with(|engine| Yields::of(engine, self.host));
        Ok(Socket { at: *self, inner: Some(bound?), yields })
    }

    fn local_addr(socket: &Socket) -> io::Result<SocketAddr> {
        socket.at.enter();
        socket.listener().local_addr()
    }

    async fn accept(socket: &mut Socket) -> io::Result<(Stream, SocketAddr)> {
        let (stream, peer) = poll_fn(|context| {
            if socket.yields.now(context) {
                return Poll::Pending;
            }
            socket.at.enter();
            socket.listener().poll_accept(context)
        })
        .await?;
        Ok((Stream::new(socket.at, stream), peer))
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        self.open(to).await
    }
}

/// Drops a socket of turmoil-net with its host current; one that outlives its run is forgotten,
/// since the kernel that it belongs to is gone.
fn release<T>(at: At, inner: Option<T>) {
    if engine::is_live(at.run) {
        at.enter();
        drop(inner);
        touch();
    } else {
        std::mem::forget(inner);
    }
}

/// A connection being made.
struct Connecting {
    at: At,
    inner: Option<Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>>,
    yields: Yields,
}

impl Future for Connecting {
    type Output = io::Result<Stream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        if self.yields.now(context) {
            return Poll::Pending;
        }
        self.at.enter();
        touch();
        let inner = self.inner.as_mut().expect("there until dropped");
        inner.as_mut().poll(context).map_ok(|stream| {
            engine::with(|engine| engine.connections += 1);
            Stream::new(self.at, stream)
        })
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        release(self.at, self.inner.take());
    }
}

/// A listening socket of one host.
#[derive(Debug)]
pub struct Socket {
    at: At,
    inner: Option<TcpListener>,
    yields: Yields,
}

impl Socket {
    fn listener(&self) -> &TcpListener {
        self.inner.as_ref().expect("there until dropped")
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        release(self.at, self.inner.take());
    }
}

/// A connection of one host.
#[derive(Debug)]
pub struct Stream {
    at: At,
    inner: Option<TcpStream>,
    /// Whether a read has seen the end or an error: then dropping it leaves no sender behind.
    ended: bool,
    yields: Yields,
}

impl Stream {
    fn new(at: At, stream: TcpStream) -> Self {
        let yields = engine::with(|engine| Yields::of(engine, at.host));
        Self { at, inner: Some(stream), ended: false, yields }
    }

    #[inline]
    fn enter(&mut self) -> Pin<&mut TcpStream> {
        self.at.enter();
        Pin::new(self.inner.as_mut().expect("there until dropped"))
    }

    /// This end's address.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.at.enter();
        self.inner.as_ref().expect("there until dropped").local_addr()
    }

    /// The other end's address.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.at.enter();
        self.inner.as_ref().expect("there until dropped").peer_addr()
    }

    /// Prepares for a drop before the end of the other's bytes.
    fn leave(&mut self) {
        let mut byte = [0];
        let mut peeked = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        match self.enter().poll_peek(&mut context, &mut peeked) {
            // Unread bytes: the kernel answers them with a reset and throws away what was written
            // but not drained. A real one has sent that long ago.
            Poll::Ready(Ok(1..)) => engine::with(Engine::drain),
            // The end or a reset is there, only unread.
            Poll::Ready(_) => {}
            // The other side may go on sending, and must be told that nobody reads it (K3).
            Poll::Pending => {
                if let (Ok(local), Ok(peer)) = (self.local_addr(), self.peer_addr()) {
                    engine::with(|engine| engine.abandoned.insert((local, peer)));
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.ended && engine::is_live(self.at.run) {
            self.leave();
        }
        release(self.at, self.inner.take());
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
        READ.with_borrow_mut(|room| {
            let wanted = buffer.remaining().min(READ_BYTES_MAX);
            let mut read = ReadBuf::new(&mut room[..wanted]);
            let polled = self.enter().poll_read(context, &mut read);
            match &polled {
                Poll::Ready(Ok(())) => {
                    let read = read.filled();
                    buffer.put_slice(read);
                    self.ended |= read.is_empty() && wanted > 0;
                    if read.len() >= WINDOW_UPDATE_BYTES {
                        touch();
                    }
                }
                Poll::Ready(Err(_)) => self.ended = true,
                Poll::Pending => {}
            }
            polled
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
        touch();
        self.enter().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Written bytes are the kernel's: there is nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        touch();
        self.enter().poll_shutdown(context)
    }
}
