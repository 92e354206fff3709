//! One end of a TCP connection: its states and its two directions.
//!
//! Pure: packets and calls in, packets and answers out. `sockets` finds the connection that a packet
//! is for, `linux.rs` of the tests holds the answers against the real thing.
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::ReadBuf;

use super::packet::{End, Segment};

/// How much waits to be sent, and how much a receiver takes before it is read: what Linux begins
/// with, more or less.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;
/// A receiver tells of what was read when that makes half of its room free, unless it sends
/// something anyway.
const TELL_READ_BYTES: usize = BUFFER_BYTES / 2;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its opening waits for an answer.
    Dialled,
    /// An opening was answered; the listener gets it when the other side has said so.
    HalfOpen,
    /// Open, in both directions or one.
    Open,
    /// Broken off, with the error that its holder has yet to hear.
    Broken(Option<ErrorKind>),
}

/// Who holds a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A program.
    Stream,
    /// A listening socket, whose program has not accepted it yet.
    Listener,
    /// The kernel alone: half open, or closed by its program and not yet by the other side.
    Kernel,
}

/// What becomes of what an end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// It is sent.
    Heard,
    /// The connection is being broken off at both ends: nothing of it passes but their resets.
    Severed,
    /// Nothing of it arrives any more, and nobody is told.
    Silenced,
}

/// How far this end's own direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Open,
    /// Ends after what is unsent.
    Ending,
    Ended,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) local: End,
    pub(super) peer: End,
    pub(super) stage: Stage,
    pub(super) holder: Holder,
    pub(super) voice: Voice,
    /// The packet that its stage begins with is yet to be sent.
    greets: bool,
    speech: Speech,
    unsent: BytesMut,
    /// Bytes sent of which the other side has not told that they were read.
    unread_there_bytes: usize,
    received: VecDeque<Bytes>,
    read_bytes: usize,
    peer_ended: bool,
    /// It is among those with something to send.
    pub(super) is_listed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Connection {
    /// One that begins, with a packet to be sent.
    pub(super) fn new(local: End, peer: End, stage: Stage, holder: Holder) -> Self {
        Self {
            local,
            peer,
            stage,
            holder,
            voice: Voice::Heard,
            greets: true,
            speech: Speech::Open,
            unsent: BytesMut::new(),
            unread_there_bytes: 0,
            received: VecDeque::new(),
            read_bytes: 0,
            peer_ended: false,
            is_listed: false,
            reader: None,
            writer: None,
        }
    }

    /// What it has to send now.
    pub(super) fn next_segment(&mut self, woken: &mut Vec<Waker>) -> Option<Segment> {
        let greets = std::mem::take(&mut self.greets);
        match self.stage {
            Stage::Dialled => greets.then_some(Segment::Syn),
            Stage::HalfOpen => greets.then_some(Segment::SynAck),
            Stage::Open => self.next_data(greets, woken),
            Stage::Broken(_) => None,
        }
    }

    fn next_data(&mut self, greets: bool, woken: &mut Vec<Waker>) -> Option<Segment> {
        let bytes = self.next_bytes();
        if !bytes.is_empty() {
            woken.extend(self.writer.take());
        }
        let end = self.speech == Speech::Ending && self.unsent.is_empty();
        if end {
            self.speech = Speech::Ended;
        }
        let speaks = greets || end || !bytes.is_empty() || self.read_bytes >= TELL_READ_BYTES;
        speaks.then(|| {
            let read_bytes = std::mem::take(&mut self.read_bytes);
            Segment::Data { bytes, end, read_bytes }
        })
    }

    /// As many of the unsent bytes as the other side has room for.
    fn next_bytes(&mut self) -> Bytes {
        let room_bytes = BUFFER_BYTES - self.unread_there_bytes;
        let bytes = if self.unsent.len() <= room_bytes {
            std::mem::take(&mut self.unsent)
        } else {
            self.unsent.split_to(room_bytes)
        };
        self.unread_there_bytes += bytes.len();
        bytes.freeze()
    }

    /// Takes in what arrived on an open connection.
    pub(super) fn receive(
        &mut self,
        bytes: Bytes,
        end: bool,
        read_bytes: usize,
        woken: &mut Vec<Waker>,
    ) {
        self.unread_there_bytes -= read_bytes;
        if !bytes.is_empty() || end {
            woken.extend(self.reader.take());
        }
        if !bytes.is_empty() {
            self.received.push_back(bytes);
        }
        self.peer_ended |= end;
    }

    /// The answer to a dial has come.
    pub(super) fn open(&mut self, woken: &mut Vec<Waker>) {
        self.stage = Stage::Open;
        self.greets = true;
        woken.extend(self.reader.take());
    }

    /// Breaks it off. What was received can still be read.
    pub(super) fn break_off(&mut self, error: Option<ErrorKind>, woken: &mut Vec<Waker>) {
        self.stage = Stage::Broken(error);
        self.unsent.clear();
        woken.extend(self.reader.take());
        woken.extend(self.writer.take());
    }

    /// The error that a reset means: to a dial, that nobody listens; to who has read the other
    /// side's end, that it will not hear any more.
    pub(super) const fn reset_error(&self) -> ErrorKind {
        match self.stage {
            Stage::Dialled => ErrorKind::ConnectionRefused,
            _ if self.peer_ended => ErrorKind::BrokenPipe,
            _ => ErrorKind::ConnectionReset,
        }
    }

    /// Whether something arrived that nobody has read: who closes now resets.
    pub(super) fn has_unread(&self) -> bool {
        !self.received.is_empty()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether both directions have ended in order.
    pub(super) fn is_over(&self) -> bool {
        self.speech == Speech::Ended && self.peer_ended
    }

    /// Ends this end's direction after what is unsent.
    pub(super) fn end(&mut self) {
        if self.speech == Speech::Open {
            self.speech = Speech::Ending;
        }
    }

    /// Its program has closed it: nobody waits any more.
    pub(super) fn orphan(&mut self) {
        self.holder = Holder::Kernel;
        self.reader = None;
        self.writer = None;
        self.end();
    }

    /// How the dial went.
    pub(super) fn poll_open(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stage {
            Stage::Dialled | Stage::HalfOpen => wait(&mut self.reader, context),
            Stage::Open => Poll::Ready(Ok(())),
            Stage::Broken(error) => {
                Poll::Ready(Err(error.take().unwrap_or(ErrorKind::ConnectionReset).into()))
            }
        }
    }

    /// Reads what has arrived; at the end, nothing.
    pub(super) fn poll_read(
        &mut self,
        context: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.received.is_empty() && buffer.remaining() > 0 {
            return match &mut self.stage {
                // Also when it was broken off after that: the error is the writer's.
                _ if self.peer_ended => Poll::Ready(Ok(())),
                Stage::Broken(error) => Poll::Ready(error.take().map_or(Ok(()), |e| Err(e.into()))),
                _ => wait(&mut self.reader, context),
            };
        }
        while let Some(first) = self.received.front_mut()
            && buffer.remaining() > 0
        {
            let taken = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..taken]);
            self.read_bytes += taken;
            first.advance(taken);
            if first.is_empty() {
                self.received.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the other side must be told that there is room again.
    pub(super) const fn tells_read(&self) -> bool {
        self.read_bytes >= TELL_READ_BYTES
    }

    /// Takes as many bytes as there is room for.
    pub(super) fn poll_write(
        &mut self,
        context: &Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Stage::Broken(error) = &mut self.stage {
            return Poll::Ready(Err(error.take().unwrap_or(ErrorKind::BrokenPipe).into()));
        }
        if self.speech != Speech::Open {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let taken = bytes.len().min(BUFFER_BYTES - self.unsent.len());
        if taken == 0 && !bytes.is_empty() {
            return wait(&mut self.writer, context);
        }
        self.unsent.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }
}

/// Has the task woken when there is something new.
fn wait<T>(waiting: &mut Option<Waker>, context: &Context<'_>) -> Poll<T> {
    match waiting {
        Some(waker) => waker.clone_from(context.waker()),
        None => *waiting = Some(context.waker().clone()),
    }
    Poll::Pending
}
