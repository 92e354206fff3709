//! The traits through which the drive reaches the world: network, processes, disk, wall clock.
//!
//! Production implements them over tokio and the operating system (`cli::world`), the rehearsal
//! over the simulation's fabric and disk.
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A host name or IP address, and a TCP port.
    Tcp(String, u16),
    /// A UNIX socket.
    Unix(PathBuf),
}

/// Opens connections. Every caller sets a deadline of its own: a dial may hang for ever.
pub trait Dial: Clone + Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects.
    ///
    /// # Errors
    /// What the network says: refused, unreachable, unknown name, `Unsupported` for a kind of
    /// address this network does not have.
    fn dial(&self, to: &Address)
    -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
}

/// A command to be run for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables added to the environment: `EVENKEEL_VERB` and its companions.
    pub env: BTreeMap<String, String>,
}

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// What it wrote to standard output, bounded.
    pub stdout: String,
    /// What it wrote to standard error, bounded.
    pub stderr: String,
}

/// Runs commands: a process in production, a connection to the fake's shell in a rehearsal.
pub trait Launcher: Clone + 'static {
    /// Runs a command to its end. The caller sets the deadline; dropping the future kills it.
    ///
    /// # Errors
    /// The command could not be started, or its answer was lost.
    fn launch(&self, command: Command) -> impl Future<Output = io::Result<Finished>> + 'static;
}

/// The disk under the journal: an append-only file.
pub trait Storage: 'static {
    /// Adds bytes at the end. They are durable only after [`Storage::sync`].
    ///
    /// # Errors
    /// The disk is full or failing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// The disk is full or failing; what was appended may or may not be there.
    fn sync(&mut self) -> io::Result<()>;

    /// Reads the whole file.
    ///
    /// # Errors
    /// The disk is failing.
    fn read(&self) -> io::Result<Vec<u8>>;

    /// Cuts the file to a length: how a torn tail is removed before appending again.
    ///
    /// # Errors
    /// The disk is failing.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// Wall time, for records only: it is written down, never subtracted.
pub trait WallClock: Clone + 'static {
    /// Now.
    fn now(&self) -> jiff::Timestamp;
}

/// Requests from people to a running orchestrator (see `journal::requests`).
pub trait Inbox: 'static {
    /// Takes every request that has arrived, oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn take(&mut self) -> io::Result<Vec<crate::journal::Request>>;

    /// Requests come from outside the program, so it must be asked every now and then; one that is
    /// scripted is asked whenever something else happens.
    fn must_be_asked(&self) -> bool {
        true
    }
}
