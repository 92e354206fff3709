//! What crosses the network: packets of TCP connections, as far as a program could tell them from
//! Linux's.
//!
//! Nothing is ever lost for good (loss is delay, and packets between two hosts keep their order), so
//! no packet needs a number, and none is acknowledged but where somebody waits for it: at the
//! opening of a connection, and by a sender whose receiver's window may be full.
use bytes::Bytes;

use super::HostId;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) host: HostId,
    pub(super) port: u16,
}

/// A packet.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) segment: Segment,
}

/// What a packet brings.
#[derive(Debug)]
pub(super) enum Segment {
    /// The opening of a connection.
    Syn,
    /// The answer to that.
    SynAck,
    /// Something on an open connection; with nothing in it, a bare acknowledgement.
    Data {
        bytes: Bytes,
        /// These were the last.
        end: bool,
        /// How many bytes of the other direction were read since this was last told.
        read_bytes: usize,
    },
    /// The connection is broken off.
    Reset,
}

impl Packet {
    /// A reset.
    pub(super) const fn reset(from: End, to: End) -> Self {
        Self { from, to, segment: Segment::Reset }
    }

    /// The bytes it brings.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.segment {
            Segment::Data { bytes, .. } => bytes,
            Segment::Syn | Segment::SynAck | Segment::Reset => &[],
        }
    }

    /// Whether it opens a connection or answers that: kernels are slower to send those again.
    pub(super) const fn is_opening(&self) -> bool {
        matches!(self.segment, Segment::Syn | Segment::SynAck)
    }

    /// Whether a program's dial waits for it and nothing else.
    pub(super) const fn is_dial(&self) -> bool {
        matches!(self.segment, Segment::Syn)
    }

    pub(super) const fn is_reset(&self) -> bool {
        matches!(self.segment, Segment::Reset)
    }

    /// Whether it ends its direction in order.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self.segment, Segment::Data { end: true, .. })
    }

    /// Whether a kernel that hears nothing sends it again, as it does not with what tells nothing
    /// but that something was received, nor with a reset.
    pub(super) fn is_sent_again(&self) -> bool {
        match &self.segment {
            Segment::Syn | Segment::SynAck => true,
            Segment::Data { bytes, end, .. } => *end || !bytes.is_empty(),
            Segment::Reset => false,
        }
    }

    /// tcpdump's letters.
    pub(super) fn letters(&self) -> &'static str {
        match &self.segment {
            Segment::Syn => "S",
            Segment::SynAck => "S.",
            Segment::Data { end: true, .. } => "F.",
            Segment::Data { bytes, .. } if bytes.is_empty() => ".",
            Segment::Data { .. } => "P.",
            Segment::Reset => "R",
        }
    }

    /// Kind and numbers in one word, for the digest.
    pub(super) fn word(&self) -> u64 {
        let (kind, read_bytes) = match &self.segment {
            Segment::Syn => (0, 0),
            Segment::SynAck => (1, 0),
            Segment::Reset => (2, 0),
            Segment::Data { end, read_bytes, .. } => (3 + u64::from(*end), *read_bytes as u64),
        };
        read_bytes << 3 | kind
    }
}
