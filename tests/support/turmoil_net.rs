//! The umbrella crate `turmoil` as a network for the orchestrator and the doubles: the check that
//! nothing rests on a peculiarity of the rehearsal's own fabric.
//!
//! Values work only inside a host of a `turmoil::Sim`, which knows by itself whose code is running.
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::listen::Listen;
use turmoil::net::{TcpListener, TcpStream};

/// The network of the `turmoil` host whose code is running.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turmoil;

impl Dial for Turmoil {
    type Stream = TcpStream;

    fn dial(&self, to: &Address) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        let to = to.clone();
        async move {
            match to {
                Address::Tcp(host, port) => TcpStream::connect((host.as_str(), port)).await,
                Address::Unix(path) => {
                    let what = format!("turmoil has no UNIX sockets: {}", path.display());
                    Err(io::Error::new(io::ErrorKind::Unsupported, what))
                }
            }
        }
    }
}

impl Listen for Turmoil {
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
