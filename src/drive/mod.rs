//! The loop around the procedure: observe, decide, guard, start, record.
use secrecy::SecretString;

use crate::journal::{Journal, JournalError, Record, Request, Verdict};
use crate::plan::Plan;
use crate::ports::{Dial, Inbox, Launcher, Storage, WallClock};

/// The world a run acts on.
pub struct World<D: Dial, L: Launcher, S: Storage, W: WallClock, I: Inbox> {
    /// The network.
    pub dial: D,
    /// Commands on servers.
    pub launcher: L,
    /// The journal, open, with what it held.
    pub journal: Journal<S>,
    /// What the journal held when it was opened.
    pub records: Vec<Record>,
    /// Wall time.
    pub wall: W,
    /// People's requests.
    pub inbox: I,
    /// The console's password.
    pub password: SecretString,
    /// Sees every record right after it is durable: terminal, `--json`, rehearsal.
    pub watch: Box<dyn FnMut(&Record)>,
}

/// What a run does when only a person can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHold {
    /// Wait, observing and protecting.
    Wait,
    /// End, saying that nobody protects from then on.
    Exit,
}

/// Choices of one call of `apply` or `resume`.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do when only a person can help.
    pub on_hold: OnHold,
    /// Requests given on the command line, carried out first.
    pub requests: Vec<Request>,
}

/// A run that could not go on because of this machine, not of the farm.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal cannot be written: nothing more may leave.
    #[error("the journal cannot be written, so nothing more was done: {0}")]
    Journal(#[from] JournalError),
    /// The requests folder cannot be read.
    #[error("people's requests cannot be read: {0}")]
    Inbox(#[from] std::io::Error),
}

/// Carries a plan out, from wherever its journal says it stands, to a verdict.
///
/// # Errors
/// The journal or the requests folder of this machine fails; the farm stays as it is.
pub async fn run<D: Dial, L: Launcher, S: Storage, W: WallClock, I: Inbox>(
    plan: &Plan,
    plan_hash: &str,
    world: World<D, L, S, W, I>,
    options: Options,
) -> Result<Verdict, DriveError> {
    let _ = (plan, plan_hash, world, options);
    unreachable!("written next")
}
