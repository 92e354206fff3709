//! The simulated TCP is Linux's, as far as a program could tell: the same steps run on loopback and
//! on the fabric, and must come to the same.
//!
//! Each step that depends on the one before having arrived waits for that: by reading, or, where
//! nothing can be read, by trying again until it is so.
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_fakes::listen::{Listen, Tokio};
use evenkeel_sim::fabric::{Setup, run};
use futures_util::future::{join, poll_immediate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{HOUR_MS, Pair};

/// Two hosts, or one that plays both.
struct Sides<L> {
    near: L,
    far: L,
    /// Where the far side binds: port 0.
    address: SocketAddr,
}

impl<L: Listen> Sides<L> {
    async fn bound(&self) -> (L::Socket, SocketAddr) {
        let socket = self.far.bind(self.address).await.unwrap();
        let address = L::local_addr(&socket).unwrap();
        (socket, address)
    }

    /// The near end of a connection, and the far one.
    async fn connected(&self) -> (L::Stream, L::Stream) {
        let (mut socket, address) = self.bound().await;
        self.connected_to(&mut socket, address).await
    }

    async fn connected_to(
        &self,
        socket: &mut L::Socket,
        address: SocketAddr,
    ) -> (L::Stream, L::Stream) {
        let (near, far) = join(self.near.connect(address), L::accept(socket)).await;
        (near.unwrap(), far.unwrap().0)
    }
}

/// Steps that come to something.
trait Steps<T> {
    async fn on<L: Listen>(&self, sides: Sides<L>) -> T;
}

/// Runs the same steps on Linux and on the fabric.
#[track_caller]
fn alike<T: Debug + PartialEq>(steps: &impl Steps<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let loopback = Sides { near: Tokio, far: Tokio, address: "127.0.0.1:0".parse().unwrap() };
    let real = runtime.block_on(steps.on(loopback));
    let simulated = run(Setup::new(1, HOUR_MS), |fabric| async move {
        let pair = Pair::new(fabric);
        let address = "10.0.0.2:0".parse().unwrap();
        steps.on(Sides { near: pair.near(), far: pair.far(), address }).await
    });
    assert_eq!(simulated.result.unwrap(), real, "the fabric on the left, Linux on the right");
    real
}

fn kind_of<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// Reads until the end or an error: how many bytes came, and the error.
async fn drained<S: AsyncReadExt + Unpin>(stream: &mut S) -> (usize, Option<ErrorKind>) {
    let mut received = Vec::new();
    let ended = stream.read_to_end(&mut received).await;
    (received.len(), kind_of(ended))
}

/// Writes until that fails: the error.
async fn refused<S: AsyncWriteExt + Unpin>(stream: &mut S) -> ErrorKind {
    loop {
        if let Err(error) = stream.write_all(b"is anybody there?").await {
            return error.kind();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Goal: the ways in which a connection ends, told by what each side reads and writes afterwards.
/// Method: one connection for each, on both; what matters is asserted besides, so that the test
/// says what it is.
#[test]
fn connections_end_as_on_linux() {
    struct Ends;
    impl Steps<Vec<String>> for Ends {
        async fn on<L: Listen>(&self, sides: Sides<L>) -> Vec<String> {
            vec![
                format!("{:?}", polite(&sides).await),
                format!("{:?}", half_closed(&sides).await),
                format!("{:?}", unread(&sides).await),
                format!("{:?}", gone(&sides).await),
                format!("{:?}", own_end(&sides).await),
            ]
        }
    }
    let told = alike(&Ends);
    assert!(told[2].contains("(3000, Some(ConnectionReset))"), "{told:?}");
    assert!(told[3].contains("BrokenPipe"), "{told:?}");
}

/// The near side says something and is closed: what the far one reads.
async fn polite<L: Listen>(sides: &Sides<L>) -> (usize, Option<ErrorKind>) {
    let (mut near, mut far) = sides.connected().await;
    near.write_all(b"bye").await.unwrap();
    drop(near);
    drained(&mut far).await
}

/// The near side ends its direction and goes on reading.
async fn half_closed<L: Listen>(sides: &Sides<L>) -> impl Debug + use<L> {
    let (mut near, mut far) = sides.connected().await;
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let asked = drained(&mut far).await;
    far.write_all(b"the answer").await.unwrap();
    drop(far);
    (asked, drained(&mut near).await, kind_of(near.write_all(b"more").await))
}

/// The far side answers and is closed with the question unread: what the near one reads, twice, and
/// what becomes of what it writes then.
async fn unread<L: Listen>(sides: &Sides<L>) -> impl Debug + use<L> {
    let (mut near, mut far) = sides.connected().await;
    near.write_all(b"a request that nobody reads").await.unwrap();
    // Arrived, and still unread but for its first byte.
    far.read_u8().await.unwrap();
    far.write_all(&[1; 3_000]).await.unwrap();
    drop(far);
    let first = drained(&mut near).await;
    (first, drained(&mut near).await, kind_of(near.write_all(b"more").await))
}

/// The near side is closed, and the far one goes on writing: the errors, and what it reads then.
async fn gone<L: Listen>(sides: &Sides<L>) -> impl Debug + use<L> {
    let (near, mut far) = sides.connected().await;
    drop(near);
    let read = drained(&mut far).await;
    let first = refused(&mut far).await;
    (read, first, refused(&mut far).await, drained(&mut far).await)
}

/// The near side has ended its direction: what becomes of what it writes after that.
async fn own_end<L: Listen>(sides: &Sides<L>) -> impl Debug + use<L> {
    let (mut near, mut far) = sides.connected().await;
    near.shutdown().await.unwrap();
    let read = drained(&mut far).await;
    (read, kind_of(near.write_all(b"too late").await))
}

/// Goal: ports are taken and free when Linux's are. Method: bind while somebody listens; close the
/// listener with one connection accepted and one not, and bind again; what each of them reads.
#[test]
fn ports_are_taken_as_on_linux() {
    struct Ports;
    impl Steps<String> for Ports {
        async fn on<L: Listen>(&self, sides: Sides<L>) -> String {
            let (mut socket, address) = sides.bound().await;
            let (mut near, mut far) = sides.connected_to(&mut socket, address).await;
            let mut waiting = sides.near.connect(address).await.unwrap();
            let taken = kind_of(sides.far.bind(address).await);
            drop(socket);
            let not_accepted = drained(&mut waiting).await;
            let closed = kind_of(sides.near.connect(address).await);
            let again = kind_of(sides.far.bind(address).await.map(drop));
            far.write_all(b"unharmed").await.unwrap();
            drop(far);
            let unharmed = drained(&mut near).await;
            format!("{taken:?} {not_accepted:?} {closed:?} {again:?} {unharmed:?}")
        }
    }
    let told = alike(&Ports);
    assert!(told.starts_with("Some(AddrInUse)"), "{told}");
    assert!(told.ends_with("None (8, None)"), "{told}");
}

/// Goal: who writes faster than the other reads waits, and loses nothing. Method: 16 MB, more than
/// either's buffers hold, to a reader that begins when the writer has been stopped.
#[test]
fn a_full_window_stops_the_writer_as_on_linux() {
    struct Full;
    impl Steps<(bool, usize)> for Full {
        async fn on<L: Listen>(&self, sides: Sides<L>) -> (bool, usize) {
            let (mut near, mut far) = sides.connected().await;
            let sent: Vec<u8> = (0..16_000_000_u32).map(|number| (number % 251) as u8).collect();
            let mut writing = std::pin::pin!(async {
                far.write_all(&sent).await.unwrap();
                far.shutdown().await.unwrap();
            });
            let stopped = poll_immediate(writing.as_mut()).await.is_none();
            let mut received = Vec::new();
            let (_, read) = join(writing, near.read_to_end(&mut received)).await;
            read.unwrap();
            assert!(received == sent, "bytes were lost or reordered");
            (stopped, received.len())
        }
    }
    assert_eq!(alike(&Full), (true, 16_000_000));
}
