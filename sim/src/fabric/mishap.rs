//! What befalls the next bytes between two hosts: a lost answer, half of one, one that nobody could
//! read. Each strikes one connection; packets of others pass.
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::HostId;
use super::connection::Voice;
use super::engine::Engine;
use super::packet::{Packet, Segment};
use super::record::Fate;

/// What befalls the next bytes from one host to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// They do not arrive, and their connection is reset at both ends.
    Lost,
    /// Half of them arrive, then their connection is reset at both ends.
    Reset,
    /// Half of them arrive, and nothing after them until the receiver gives up.
    Silence,
    /// Half of them arrive, then an orderly end.
    Cut,
    /// As many arrive, but no byte of them is ASCII.
    Noise,
}

/// A mishap that was asked for, and who is told when it happens. He is told in the midst of the
/// network's work, so that all he can do is to note it.
pub(super) struct Awaited {
    pub(super) mishap: Mishap,
    pub(super) tell: Box<dyn Fn()>,
}

impl fmt::Debug for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mishap.fmt(f)
    }
}

impl Engine {
    /// What is to befall this packet: the first with bytes after a mishap was asked for.
    pub(super) fn mishap(&mut self, from: HostId, to: HostId, packet: &Packet) -> Option<Mishap> {
        if packet.bytes().is_empty() || !self.is_passable(from, to) {
            return None;
        }
        let Awaited { mishap, tell } = self.link(from, to).mishaps.pop_front()?;
        tell();
        Some(mishap)
    }

    /// Lets it befall this packet.
    pub(super) fn befall(&mut self, mut packet: Packet, mishap: Mishap) {
        let (sender, receiver) = (packet.from, packet.to);
        match mishap {
            Mishap::Lost => {
                self.record(&packet, Fate::Lost);
                self.sever(sender, receiver);
            }
            Mishap::Reset => {
                halve(&mut packet, false);
                self.route(packet);
                self.sever(sender, receiver);
            }
            Mishap::Silence | Mishap::Cut => {
                halve(&mut packet, mishap == Mishap::Cut);
                if let Some(connection) = self.sockets.find(sender, receiver) {
                    connection.voice = Voice::Silenced;
                }
                self.route(packet);
            }
            Mishap::Noise => {
                if let Segment::Data { bytes, .. } = &mut packet.segment {
                    *bytes = noise(bytes);
                }
                self.route(packet);
            }
        }
    }

    /// Whether a packet is the goodbye of who waited for somebody whom a mishap has silenced: it
    /// gives up, and the connection is broken off at both ends.
    pub(super) fn answers_silence(&mut self, packet: &Packet) -> bool {
        let gives_up = packet.is_end()
            && (self.sockets.find(packet.to, packet.from))
                .is_some_and(|connection| connection.voice == Voice::Silenced);
        if gives_up {
            self.sever(packet.from, packet.to);
        }
        gives_up
    }
}

/// Leaves the first half of a packet's bytes, with or without an end after them.
fn halve(packet: &mut Packet, ends: bool) {
    if let Segment::Data { bytes, end, .. } = &mut packet.segment {
        bytes.truncate(bytes.len() / 2);
        *end = ends;
    }
}

/// As many bytes, each with its high bit set: no text of any protocol here.
fn noise(bytes: &[u8]) -> Bytes {
    bytes.iter().map(|byte| byte | 0x80).collect::<BytesMut>().freeze()
}
