//! The network of a rehearsal: sockets, links and hosts under a scheduler that skips time.
//!
//! [`run`] builds a tokio runtime with a paused clock and one root future that does everything:
//! it polls the hosts' tasks until none has anything to do, puts the packets that they left with
//! their sockets into a queue ordered by (due instant, number), and sleeps until the earliest is
//! due. Nothing ticks, so the paused clock jumps straight to the next packet or timer, and a day in
//! which nothing happens costs nothing. Nothing is looked at but who has something to send, so that
//! a packet costs as much among a thousand hosts as among two.
//!
//! * [`Fabric`] — the handle: hosts, their tasks, links, crash, partition, lost responses.
//! * [`At`] — one host's network: implements `evenkeel::ports::Dial` and
//!   `evenkeel_fakes::listen::Listen`.
//! * `root` — the future that polls the hosts and moves time; `engine` — hosts, queue, delivery;
//!   `packet`, `connection`, `sockets` — TCP as programs see it; `stream` — the sockets that programs
//!   hold; `link` — latency, loss, order, what is held back; `faults` — crash, partition, broken
//!   connections; `mishap` — what befalls single answers; `yields` — the order of tasks; `record`,
//!   `digest`, `panics` — what the names say.
//!
//! # What a packet may meet
//!
//! Loss is delay: packets between two hosts never overtake each other, and what a partition or a
//! dead host keeps from arriving is *held* and goes on its way afterwards. A link's latency is a
//! whole number of milliseconds, at least one, because tokio's timers know nothing finer.
//!
//! What a program sees of TCP is what Linux shows it, and `sim/tests/fabric/linux.rs` runs the same
//! steps on both. Left out, because no program here could tell: acknowledgements that nobody waits
//! for, the minute for which Linux keeps the port of who closed first (TIME_WAIT), keep-alive probes,
//! a limit on connections that wait to be accepted, the two minutes after which a dial that nobody
//! answers ends by itself (whoever dials here has a deadline), and the pauses between the times that
//! a kernel sends again: what was held arrives as soon as it can.
//!
//! # Example
//!
//! ```
//! use evenkeel_sim::fabric::{Ending, Setup, run};
//!
//! let finished = run(Setup::new(7, 60_000), |fabric| async move {
//!     let host = fabric.add_host("lb-1", [10, 0, 0, 1].into());
//!     let task = fabric.spawn(host, async { tokio::time::sleep(std::time::Duration::from_secs(9)).await });
//!     task.await;
//!     fabric.now_ms()
//! });
//! assert!(matches!(finished.result, Ending::Ended(9_000)));
//! ```
mod connection;
mod digest;
mod engine;
mod faults;
mod handle;
mod link;
mod mishap;
mod packet;
mod panics;
mod record;
mod root;
mod sockets;
mod stream;
mod task;
mod yields;

use std::fmt;
use std::future::Future;
use std::io::Write;

pub use digest::Digest;
pub use handle::{Fabric, UnderWay};
pub use link::{Direction, Latency};
pub use mishap::Mishap;
pub use stream::{At, Socket, Stream};
pub use task::Task;

/// A host of the fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(usize);

/// What a run is built from.
pub struct Setup {
    /// Decides every latency, and tokio's own choices.
    pub seed: u64,
    /// The run ends as [`Ending::Stuck`] at this simulated instant. Without it, a run in which
    /// nothing is pending would sleep for ever. At most 29 years, since tokio's timers end at 30.
    pub deadline_ms: u64,
    /// The latency of every link without one of its own.
    pub links: Latency,
    /// Explores the order of tasks: some polls of sockets answer "later" and wake their task at once.
    pub yields: bool,
    /// Gets a line for every packet and note, for comparing two runs. The digest covers the same.
    pub trace: Option<Box<dyn Write>>,
}

impl Setup {
    /// A run with this seed and deadline, over links of 1 ms, without a trace.
    #[must_use]
    pub fn new(seed: u64, deadline_ms: u64) -> Self {
        Self { seed, deadline_ms, links: Latency::default(), yields: false, trace: None }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Setup")
            .field("seed", &self.seed)
            .field("deadline_ms", &self.deadline_ms)
            .field("links", &self.links)
            .field("yields", &self.yields)
            .field("trace", &self.trace.is_some())
            .finish()
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending<T> {
    /// The body returned.
    Ended(T),
    /// The root deadline passed, or the tasks kept each other busy without time going on.
    Stuck {
        /// Which of the two, and where.
        why: String,
    },
    /// A task panicked: a bug of the code under test or of the simulation.
    Panicked {
        /// The panic's words and place.
        message: String,
        /// The host whose task it was, or `the body`.
        task: String,
    },
}

impl<T> Ending<T> {
    /// What the body returned.
    ///
    /// # Panics
    /// The run did not end by itself; the message says how it did. For tests.
    #[track_caller]
    pub fn unwrap(self) -> T {
        match self {
            Self::Ended(value) => value,
            Self::Stuck { why } => panic!("the run is stuck: {why}"),
            Self::Panicked { message, task } => panic!("{task} panicked: {message}"),
        }
    }
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Finished<T> {
    /// How it ended.
    pub result: Ending<T>,
    /// How much simulated time it took.
    pub simulated_ms: u64,
    /// Packets that entered the network.
    pub packets: u64,
    /// Connections that a dial or connect completed.
    pub connections: u64,
    /// Packets and notes: the number of the last event in the trace.
    pub events: u64,
    /// The fingerprint of all of them.
    pub digest: Digest,
}

/// Runs a body on a network of its own, to its end, a panic or the deadline.
///
/// Runs on different threads, and one after the other on the same thread, are independent.
///
/// # Panics
/// A run is already going on on this thread.
pub fn run<T, F: Future<Output = T>>(setup: Setup, body: impl FnOnce(Fabric) -> F) -> Finished<T> {
    root::run(setup, body)
}
