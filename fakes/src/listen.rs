//! The trait over which the doubles are served: tokio on loopback, or a simulated network.
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Accepts and opens connections for one host of the farm.
pub trait Listen: Clone + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;
    /// A bound socket.
    type Socket: 'static;

    /// Binds a socket.
    ///
    /// # Errors
    /// The address is taken or not this host's.
    fn bind(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Socket>>;

    /// The address a socket is bound to (the port, when 0 was asked for).
    ///
    /// # Errors
    /// What the network says.
    fn local_addr(socket: &Self::Socket) -> io::Result<SocketAddr>;

    /// Accepts one connection.
    ///
    /// # Errors
    /// What the network says; the caller goes on accepting.
    fn accept(
        socket: &mut Self::Socket,
    ) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>>;

    /// Opens a connection, as the balancer does to a member.
    ///
    /// # Errors
    /// What the network says.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// The operating system's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Listen for Tokio {
    type Stream = TcpStream;
    type Socket = TcpListener;

    async fn bind(&self, at: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(at).await
    }

    fn local_addr(socket: &TcpListener) -> io::Result<SocketAddr> {
        socket.local_addr()
    }

    async fn accept(socket: &mut TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        socket.accept().await
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }
}
