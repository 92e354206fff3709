//! The tap on the orchestrator's wires: counts what it sends while an effect is under way, so that a
//! crash can be aimed at every single request, and tells when a host was heard of again.
//!
//! Streams must be `Send` (hyper-util asks for it) although a run never leaves its thread, hence
//! the lock.
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::UnboundedSender;

use super::record::Message;

/// The tap on the orchestrator's wires.
#[derive(Clone, Debug)]
pub(super) struct Tap(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Where the effects under way go, by their intents' numbers.
    effects: BTreeMap<u64, Vec<SocketAddr>>,
    /// How often bytes were sent to where an effect was under way.
    sent: u64,
    /// Which of these times somebody waits for.
    armed: BTreeSet<u64>,
    /// Of whom the next word is waited for.
    awaited: BTreeSet<SocketAddr>,
    send: UnboundedSender<Message>,
}

impl Tap {
    /// A tap that tells of these times of sending, counted from 1.
    pub(super) fn new(armed: BTreeSet<u64>, send: UnboundedSender<Message>) -> Self {
        let (effects, awaited) = (BTreeMap::new(), BTreeSet::new());
        Self(Arc::new(Mutex::new(Inner { effects, sent: 0, armed, awaited, send })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // One thread: a poisoned lock is a panic that has failed the run already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An effect is about to leave.
    pub(super) fn effect_begins(&self, id: u64, receivers: Vec<SocketAddr>) {
        self.inner().effects.insert(id, receivers);
    }

    /// What came of it is durable.
    pub(super) fn effect_ended(&self, id: u64) {
        self.inner().effects.remove(&id);
    }

    /// The process is dead, and with it what it had under way.
    pub(super) fn died(&self) {
        let mut inner = self.inner();
        inner.effects.clear();
        inner.awaited.clear();
    }

    /// Tells of the next word of these.
    pub(super) fn await_word_of(&self, whom: impl Iterator<Item = SocketAddr>) {
        self.inner().awaited.extend(whom);
    }

    /// How often bytes were sent to where an effect was under way.
    pub(super) fn sent(&self) -> u64 {
        self.inner().sent
    }

    fn wrote(&self, peer: SocketAddr) {
        let mut inner = self.inner();
        if inner.effects.values().flatten().any(|it| *it == peer) {
            inner.sent += 1;
            let nth = inner.sent;
            if inner.armed.contains(&nth) {
                inner.tell(Message::Sent(nth));
            }
        }
    }

    fn heard(&self, peer: SocketAddr) {
        let mut inner = self.inner();
        if !inner.awaited.is_empty() && inner.awaited.remove(&peer) {
            inner.tell(Message::Heard(peer));
        }
    }
}

impl Inner {
    /// The world's loop may be gone already, when a run is being torn down.
    fn tell(&self, message: Message) {
        let _gone = self.send.send(message);
    }
}

/// A connection of the orchestrator's, tapped.
#[derive(Debug)]
pub(super) struct Tapped<S> {
    stream: S,
    peer: SocketAddr,
    tap: Tap,
}

impl<S> Tapped<S> {
    pub(super) fn new(stream: S, peer: SocketAddr, tap: Tap) -> Self {
        Self { stream, peer, tap }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.tap.heard(self.peer);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        if written > 0 {
            self.tap.wrote(self.peer);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
