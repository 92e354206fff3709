//! The users of a farm: many at once, through every balancer node, who notice every request that
//! is not answered as it should be.
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::eventually;

/// Users that always have a request in flight.
const USERS: usize = 40;
/// How long their requests take at the front-end: enough that all users' overlap.
const SHORT_MS: u64 = 40;
/// How long the long requests take: longer than any drain could be without waiting for them.
const LONG_MS: u64 = 5_000;
/// Long requests begin in volleys, on every entrance, so that a balancer that takes turns cannot,
/// in step with the users, leave a member of small weight without any.
const VOLLEY: usize = 4;
/// Between two volleys, with up to half as much again. Some two hundred long requests are in
/// flight at any time.
const VOLLEY_EVERY_MS: u64 = 300;
/// After that, a request counts as failed.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Where users arrive: a pool on a balancer node.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    /// The balancer node.
    pub(crate) node: &'static str,
    /// `host:port` of the balancer.
    pub(crate) address: String,
    /// The zone's public name.
    pub(crate) host: &'static str,
    /// The application.
    pub(crate) module: &'static str,
}

/// A long request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Long {
    /// How long the front-end takes for it.
    pub(crate) ms: u64,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Who answered it.
    pub(crate) server: String,
}

impl Long {
    /// It was cut, and the balancer has sent it again to another member.
    pub(crate) fn was_cut(&self) -> bool {
        // Twice its time, less what a double that is stopped saves of the first.
        (self.ended - self.began).as_millis() >= u128::from(self.ms) * 19 / 10
    }
}

/// What users have seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests answered as they should be.
    pub(crate) answered: usize,
    /// Requests that were not, with what happened.
    pub(crate) failed: Vec<String>,
    /// Requests sent a second time: a kept connection had been closed, and not a byte of an answer
    /// had come. Every browser and every HTTP library does so with a GET (RFC 9112, 9.3.1).
    pub(crate) sent_again: usize,
    /// Long requests among the answered.
    pub(crate) long: Vec<Long>,
    /// Fewest requests seen in flight at once, not counting the first and the last second.
    pub(crate) in_flight_min: usize,
}

/// Users at work. They stop with this value.
pub(crate) struct Users {
    shared: Rc<Shared>,
}

struct Shared {
    entrances: Vec<Entrance>,
    tally: RefCell<Tally>,
    in_flight: Cell<usize>,
    stop: Cell<bool>,
}

impl Drop for Users {
    fn drop(&mut self) {
        self.shared.stop.set(true);
    }
}

impl Users {
    /// Lets them begin; inside a `LocalSet`.
    pub(crate) fn start(entrances: Vec<Entrance>) -> Self {
        let shared = Rc::new(Shared {
            entrances,
            tally: RefCell::new(Tally { in_flight_min: usize::MAX, ..Tally::default() }),
            in_flight: Cell::new(0),
            stop: Cell::new(false),
        });
        for user in 0..USERS {
            spawn_local(use_the_farm(shared.clone(), user));
        }
        spawn_local(begin_long_requests(shared.clone()));
        Self { shared }
    }

    /// Waits until they have had this many answers.
    pub(crate) async fn answered(&self, count: usize) {
        let what = format!("{count} answers");
        eventually(&what, async || (self.shared.tally.borrow().answered >= count).then_some(()))
            .await;
    }

    /// Begins some more requests that take long, on every entrance of a balancer node.
    pub(crate) fn begin_long(&self, node: &str, ms: u64, each: usize) {
        for (at, entrance) in self.shared.entrances.iter().enumerate() {
            for _ in 0..if entrance.node == node { each } else { 0 } {
                spawn_local(ask_long(self.shared.clone(), at, ms));
            }
        }
    }

    /// Waits until every request that is in flight now has ended, and tells what they have seen.
    pub(crate) async fn stop(self) -> Tally {
        self.shared.stop.set(true);
        let none_left = async || (self.shared.in_flight.get() == 0).then_some(());
        eventually("the last requests to end", none_left).await;
        self.shared.tally.take()
    }
}

async fn use_the_farm(shared: Rc<Shared>, user: usize) {
    // Each keeps a connection to every entrance, as browsers do.
    let mut connections: Vec<Option<Connection>> = Vec::new();
    connections.resize_with(shared.entrances.len(), || None);
    for turn in user.. {
        if shared.stop.get() {
            return;
        }
        let entrance = turn % connections.len();
        ask(&shared, entrance, &mut connections[entrance], SHORT_MS).await;
    }
}

async fn begin_long_requests(shared: Rc<Shared>) {
    for turn in 0.. {
        // Out of step with everybody: the same pause comes back only after a hundred turns.
        let extra_ms = turn as u64 * 37 % 100 * VOLLEY_EVERY_MS / 200;
        tokio::time::sleep(Duration::from_millis(VOLLEY_EVERY_MS + extra_ms)).await;
        if shared.stop.get() {
            return;
        }
        if turn > 10 {
            let mut tally = shared.tally.borrow_mut();
            tally.in_flight_min = tally.in_flight_min.min(shared.in_flight.get());
        }
        for entrance in 0..shared.entrances.len() {
            for _ in 0..VOLLEY {
                spawn_local(ask_long(shared.clone(), entrance, LONG_MS));
            }
        }
    }
}

async fn ask_long(shared: Rc<Shared>, entrance: usize, ms: u64) {
    let began = Instant::now();
    if let Some(server) = ask(&shared, entrance, &mut None, ms).await {
        let long = Long { ms, began, ended: Instant::now(), server };
        shared.tally.borrow_mut().long.push(long);
    }
}

/// Makes one request and counts it. Returns who answered.
async fn ask(
    shared: &Shared,
    entrance: usize,
    connection: &mut Option<Connection>,
    ms: u64,
) -> Option<String> {
    shared.in_flight.set(shared.in_flight.get() + 1);
    let entrance = &shared.entrances[entrance];
    let began = Instant::now();
    let reused = connection.is_some();
    let mut seen = timeout(ANSWER_MAX, get(entrance, connection, ms)).await;
    if reused && matches!(seen, Ok(Err(Trouble::Silence(_)))) {
        shared.tally.borrow_mut().sent_again += 1;
        seen = timeout(ANSWER_MAX, get(entrance, connection, ms)).await;
    }
    let seen = seen.unwrap_or_else(|_| Err(Trouble::Wrong("no answer in time".into())));
    let seen = seen.and_then(|page| answered_by(entrance, &page));
    shared.in_flight.set(shared.in_flight.get() - 1);
    let mut tally = shared.tally.borrow_mut();
    match seen {
        Ok(server) => {
            tally.answered += 1;
            Some(server)
        }
        Err(trouble) => {
            let after = began.elapsed();
            tally.failed.push(format!("{entrance:?} after {after:?} of {ms} ms: {trouble}"));
            None
        }
    }
}

/// Who wrote a page; an error when it is not the page that was asked for.
fn answered_by(entrance: &Entrance, page: &str) -> Result<String, Trouble> {
    let wanted = page.contains(&format!("<h1>{}</h1>", entrance.module));
    let server = page
        .split_once("An OutSystems application on ")
        .and_then(|(_, rest)| rest.split_once(','))
        .map(|(server, _)| server.to_owned());
    server.filter(|_| wanted).ok_or_else(|| Trouble::Wrong(format!("another page: {page}")))
}

/// Why a request was not answered as it should be.
enum Trouble {
    /// The connection ended before a byte of the answer came.
    Silence(String),
    /// Anything else.
    Wrong(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(words) => write!(f, "not a byte of an answer: {words}"),
            Self::Wrong(words) => f.write_str(words),
        }
    }
}

/// A connection to an entrance, which may be kept.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    received: Rc<Cell<u64>>,
}

/// Sends a GET on the kept connection, or on a new one, and reads the whole answer. The connection
/// is kept when it may be used again.
async fn get(
    entrance: &Entrance,
    kept: &mut Option<Connection>,
    ms: u64,
) -> Result<String, Trouble> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => connect(&entrance.address).await.map_err(|why| Trouble::Wrong(why.to_string()))?,
    };
    let received_before = connection.received.get();
    let request = Request::get(format!("/{}/Orders.aspx?ms={ms}", entrance.module))
        .header("Host", entrance.host)
        .body(Empty::new())
        .expect("it is a request");
    let exchange = async {
        connection.sender.ready().await?;
        let answer = connection.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, body))
    };
    let exchanged: hyper::Result<_> = exchange.await;
    let (status, body) = match exchanged {
        Ok(answer) => answer,
        Err(why) if connection.received.get() == received_before => {
            return Err(Trouble::Silence(why.to_string()));
        }
        Err(why) => return Err(Trouble::Wrong(format!("the answer broke off: {why}"))),
    };
    let page = String::from_utf8_lossy(&body).into_owned();
    if status != 200 {
        return Err(Trouble::Wrong(format!("{status}: {page}")));
    }
    if connection.sender.ready().await.is_ok() {
        *kept = Some(connection);
    }
    Ok(page)
}

async fn connect(address: &str) -> Result<Connection, Box<dyn std::error::Error>> {
    let received = Rc::new(Cell::new(0));
    let stream = TcpStream::connect(address).await?;
    let stream = Counted { stream, received: received.clone() };
    let (sender, driver) = handshake(TokioIo::new(stream)).await?;
    spawn_local(async move {
        // What ends a connection is told to whoever has a request on it.
        let _ended = driver.await;
    });
    Ok(Connection { sender, received })
}

/// A stream that counts the bytes it received.
struct Counted {
    stream: TcpStream,
    received: Rc<Cell<u64>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let more = (buffer.filled().len() - before) as u64;
        self.received.set(self.received.get() + more);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
