//! A task on a host.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

/// A task on a host. Dropping it lets the task run on; a crash of its host ends it.
///
/// As a future it is the task's result, or `None` when the task was aborted, its host crashed, or
/// it panicked (which fails the run anyway).
#[derive(Debug)]
pub struct Task<T = ()> {
    handle: JoinHandle<T>,
}

impl<T> Task<T> {
    pub(super) fn new(handle: JoinHandle<T>) -> Self {
        Self { handle }
    }

    /// Ends the task at its next await: a polite stop, with its connections closed by FIN.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Whether it has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.handle).poll(context).map(Result::ok)
    }
}
