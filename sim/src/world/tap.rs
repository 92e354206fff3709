//! The tap on the orchestrator's wires: counts what it sends while an effect is under way, so that a
//! crash can be aimed at every single request, tells when a host was heard of again, whether a
//! server was asked by whoever tests, and whether a process changes something that does not hold
//! the run.
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

/// The tap on the wires of one process of the orchestrator's.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    inner: Arc<Mutex<Inner>>,
    /// Whose wires these are, counted from 1.
    process: u64,
}

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
    /// Intents of tests whose server was sent a test's request.
    tested: BTreeSet<u64>,
    /// The process that holds the run.
    holder: Option<u64>,
    processes: u64,
    /// The processes up to this one lost their power: what their last tasks write leaves no host.
    cut_off: u64,
    send: UnboundedSender<Message>,
}

impl Tap {
    /// A tap that tells of these times of sending, counted from 1.
    pub(super) fn new(armed: BTreeSet<u64>, send: UnboundedSender<Message>) -> Self {
        let inner = Inner {
            effects: BTreeMap::new(),
            sent: 0,
            armed,
            awaited: BTreeSet::new(),
            tested: BTreeSet::new(),
            holder: None,
            processes: 0,
            cut_off: 0,
            send,
        };
        Self { inner: Arc::new(Mutex::new(inner)), process: 0 }
    }

    /// The wires of another process, which holds the run if no other does.
    pub(super) fn of_another_process(&self) -> Self {
        let mut inner = self.inner();
        inner.processes += 1;
        let process = inner.processes;
        inner.holder.get_or_insert(process);
        Self { inner: self.inner.clone(), process }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // One thread: a poisoned lock is a panic that has failed the run already.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An effect is about to leave.
    pub(super) fn effect_begins(&self, id: u64, receivers: Vec<SocketAddr>) {
        self.inner().effects.insert(id, receivers);
    }

    /// What came of it is durable.
    pub(super) fn effect_ended(&self, id: u64) {
        let mut inner = self.inner();
        inner.effects.remove(&id);
        inner.tested.remove(&id);
    }

    /// Whether an effect's receiver was sent a request for an application's page.
    pub(super) fn tested(&self, id: u64) -> bool {
        self.inner().tested.contains(&id)
    }

    /// The process is dead, and with it what it had under way. Returns the tests for which it had
    /// asked their servers: their outcomes may be on the disk already.
    pub(super) fn died(&self) -> BTreeSet<u64> {
        let mut inner = self.inner();
        inner.effects.clear();
        inner.awaited.clear();
        inner.holder = None;
        std::mem::take(&mut inner.tested)
    }

    /// The power of every process so far is cut.
    pub(super) fn cut_power(&self) {
        let mut inner = self.inner();
        inner.cut_off = inner.processes;
    }

    /// Tells of the next word of these.
    pub(super) fn await_word_of(&self, whom: impl Iterator<Item = SocketAddr>) {
        self.inner().awaited.extend(whom);
    }

    /// How often bytes were sent to where an effect was under way.
    pub(super) fn sent(&self) -> u64 {
        self.inner().sent
    }

    /// The process whose wires these are, if it lives and does not hold the run.
    pub(super) fn stray(&self) -> Option<u64> {
        self.inner().is_stray(self.process).then_some(self.process)
    }

    fn wrote(&self, peer: SocketAddr, bytes: &[u8]) {
        let mut inner = self.inner();
        if self.process <= inner.cut_off {
            return;
        }
        if inner.is_stray(self.process) && changes_something(bytes) {
            inner.tell(Message::Stray { process: self.process, to: peer });
        }
        let mut to_effect = false;
        let Inner { effects, tested, .. } = &mut *inner;
        for (id, receivers) in effects {
            if receivers.contains(&peer) {
                to_effect = true;
                if asks_for_a_page(bytes) {
                    tested.insert(*id);
                }
            }
        }
        if to_effect {
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

/// A request changes something: a runtime API's command, a console's form, a shell's start or
/// reboot. Logging in changes nothing.
fn changes_something(bytes: &[u8]) -> bool {
    let has = |words: &str| memmem(bytes, words.as_bytes());
    match bytes {
        [b'{', ..] => has(r#""EVENKEEL_VERB":"start""#) || has(r#""EVENKEEL_VERB":"reboot""#),
        _ if bytes.starts_with(b"POST ") => !has("Login"),
        _ => bytes.starts_with(b"set ") || bytes.starts_with(b"shutdown "),
    }
}

/// A request for an application's page: neither a console's nor a ping.
fn asks_for_a_page(bytes: &[u8]) -> bool {
    bytes.starts_with(b"GET /")
        && !bytes.starts_with(b"GET /ServiceCenter")
        && !bytes.split(|byte| *byte == b'\r').next().is_some_and(|line| memmem(line, b"_ping"))
}

fn memmem(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

impl Inner {
    /// A process that lives, while another holds the run.
    fn is_stray(&self, process: u64) -> bool {
        process > self.cut_off && self.holder != Some(process)
    }

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
            self.tap.wrote(self.peer, &bytes[..written]);
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
