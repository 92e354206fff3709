//! What the tests share: a pair of hosts, a server that answers lines, a client that asks.
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_fakes::listen::Listen;
use evenkeel_sim::fabric::{At, Ending, Fabric, HostId, Setup, Stream, Task, run};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// A deadline that no test comes near unless something hangs: an hour of simulated time.
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// Where the server of a pair listens.
pub(crate) const SERVER: &str = "10.0.0.2:80";

pub(crate) fn server_address() -> SocketAddr {
    SERVER.parse().unwrap()
}

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) fabric: Fabric,
    pub(crate) client: HostId,
    pub(crate) server: HostId,
}

impl Pair {
    pub(crate) fn new(fabric: Fabric) -> Self {
        let client = fabric.add_host("client", [10, 0, 0, 1].into());
        let server = fabric.add_host("server", [10, 0, 0, 2].into());
        Self { fabric, client, server }
    }

    /// The client's network.
    pub(crate) fn near(&self) -> At {
        self.fabric.at(self.client)
    }

    /// The server's network.
    pub(crate) fn far(&self) -> At {
        self.fabric.at(self.server)
    }

    pub(crate) async fn connect(&self) -> io::Result<Stream> {
        self.near().connect(server_address()).await
    }

    /// Binds on the server and connects: the client's end and the server's.
    pub(crate) async fn connected(&self) -> (Stream, Stream) {
        let mut socket = self.far().bind(server_address()).await.unwrap();
        let (near, far) = futures_util::future::join(self.connect(), At::accept(&mut socket)).await;
        (near.unwrap(), far.unwrap().0)
    }

    /// Starts a server that answers each line by the same line, and counts what it was asked.
    pub(crate) fn serve_lines(&self) -> (Task<io::Result<()>>, Rc<Cell<u64>>) {
        let (at, asked) = (self.far(), Rc::new(Cell::new(0)));
        let task = self.fabric.spawn(self.server, serve_lines(at, asked.clone()));
        (task, asked)
    }
}

/// Runs a body on a pair, to its end.
pub(crate) fn check<T, F: Future<Output = T>>(body: impl FnOnce(Pair) -> F) -> T {
    let finished = run(Setup::new(1, HOUR_MS), |fabric| body(Pair::new(fabric)));
    finished.result.unwrap()
}

/// The same, for a run that is meant not to end by itself.
pub(crate) fn ending<T, F: Future<Output = T>>(body: impl FnOnce(Pair) -> F) -> Ending<T> {
    run(Setup::new(1, HOUR_MS), |fabric| body(Pair::new(fabric))).result
}

pub(crate) async fn serve_lines(at: At, asked: Rc<Cell<u64>>) -> io::Result<()> {
    let mut socket = at.bind(server_address()).await?;
    loop {
        let (stream, _) = At::accept(&mut socket).await?;
        // Not through the fabric: a server's own tasks must be its host's too.
        tokio::task::spawn_local(answer_lines(stream, asked.clone()));
    }
}

async fn answer_lines(stream: Stream, asked: Rc<Cell<u64>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        asked.set(asked.get() + 1);
        stream.get_mut().write_all(line.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

/// Sends a line and reads the answer.
pub(crate) async fn ask(stream: &mut Stream, line: &str) -> io::Result<String> {
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut answer = vec![0; line.len() + 1];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap().trim_end().to_owned())
}

/// Waits at most this long.
pub(crate) async fn within<T>(limit_ms: u64, future: impl Future<Output = T>) -> Option<T> {
    timeout(Duration::from_millis(limit_ms), future).await.ok()
}

pub(crate) async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Lets every task that is ready have its turn: a server binds, an aborted task ends.
pub(crate) async fn turn() {
    tokio::task::yield_now().await;
}

/// The kind of error a result must be.
#[track_caller]
pub(crate) fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}
