//! Yields: some polls of a socket answer "later" although they could go on, and wake their task at
//! once.
//!
//! tokio runs the tasks of one thread first come, first served, so that seeds alone would try one
//! order of tasks only. A task that yields goes to the back of the queue: whatever else is ready
//! comes before it, at the same instant. Which polls yield is drawn per socket, so that a seed
//! repeats, and what happens on one socket leaves the draws of the others alone.
use std::task::Context;

use super::HostId;
use super::engine::{self, Engine};
use crate::random::Stream;

/// A poll yields in this share of cases, in a run that explores the order of tasks.
const YIELDS: (u64, u64) = (1, 8);

/// The yields of one socket.
#[derive(Debug)]
pub(super) struct Yields {
    host: HostId,
    /// `None` in a run that does not explore the order of tasks.
    draws: Option<Stream>,
    /// The last poll yielded, so this one goes on.
    yielded: bool,
}

impl Yields {
    /// Those of a host's next socket.
    pub(super) fn of(engine: &mut Engine, host: HostId) -> Self {
        let draws = engine.yields.then(|| {
            let entry = engine.host_mut(host);
            entry.sockets += 1;
            // Without formatting machinery: a run opens some ten thousand sockets.
            let name = [&*entry.name, " ", &entry.sockets.to_string()].concat();
            engine.keyed.stream("yield", &name)
        });
        Self { host, draws, yielded: false }
    }

    /// Whether this poll is to answer "later"; then its task is woken already.
    #[inline]
    pub(super) fn now(&mut self, context: &Context<'_>) -> bool {
        let Some(draws) = &mut self.draws else { return false };
        if self.yielded {
            self.yielded = false;
            return false;
        }
        self.yielded = draws.ratio(YIELDS.0, YIELDS.1);
        if self.yielded {
            context.waker().wake_by_ref();
            engine::with(|engine| engine.record.yielded(engine.now_ms, self.host));
        }
        self.yielded
    }
}
