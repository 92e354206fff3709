//! What befalls the next bytes between two hosts: a lost answer, half of one, one that nobody could
//! read. Each strikes one connection; packets of others pass.
use bytes::{Bytes, BytesMut};
use turmoil_net::{Packet, TcpSegment, Transport};

use super::HostId;
use super::engine::{Engine, tcp};
use super::mend::ends;
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

impl Engine {
    /// What is to befall this packet: the first with bytes after a mishap was asked for.
    pub(super) fn mishap(&mut self, from: HostId, to: HostId, packet: &Packet) -> Option<Mishap> {
        if tcp(packet).payload.is_empty() || !self.is_passable(from, to) {
            return None;
        }
        self.link(from, to).mishaps.pop_front()
    }

    /// Lets it befall this packet.
    pub(super) fn befall(&mut self, from: HostId, to: HostId, mut packet: Packet, mishap: Mishap) {
        let flow = ends(&packet);
        let segment = tcp_mut(&mut packet);
        match mishap {
            Mishap::Lost => {
                self.record.packet(self.now_ms, &packet, Fate::Lost);
                self.sever(from, to, flow);
            }
            Mishap::Reset => {
                halve(segment, false);
                self.route(from, to, packet);
                self.sever(from, to, flow);
            }
            Mishap::Silence | Mishap::Cut => {
                halve(segment, mishap == Mishap::Cut);
                self.silenced.insert(flow);
                self.route(from, to, packet);
            }
            Mishap::Noise => {
                segment.payload = noise(&segment.payload);
                self.route(from, to, packet);
            }
        }
    }

    /// Whether a packet is of a connection on which nothing comes through any more one way. It
    /// ends when the receiver gives up: its kernel's goodbye resets both ends.
    pub(super) fn is_silenced(&mut self, from: HostId, to: HostId, packet: &Packet) -> bool {
        let flow = ends(packet);
        if self.silenced.contains(&flow) {
            return true;
        }
        let (back, flags) = ((flow.1, flow.0), tcp(packet).flags);
        let over = flags.syn || flags.fin || flags.rst;
        if over && self.silenced.remove(&back) && flags.fin {
            self.sever(from, to, flow);
            return true;
        }
        false
    }
}

fn tcp_mut(packet: &mut Packet) -> &mut TcpSegment {
    match &mut packet.payload {
        Transport::Tcp(segment) => segment,
        Transport::Udp(_) => unreachable!("no host of the fabric has UDP sockets"),
    }
}

/// Leaves the first half of a segment's bytes, with or without an end after them.
fn halve(segment: &mut TcpSegment, end: bool) {
    segment.payload.truncate(segment.payload.len() / 2);
    segment.flags.fin = end;
}

/// As many bytes, each with its high bit set: no text of any protocol here.
fn noise(bytes: &[u8]) -> Bytes {
    bytes.iter().map(|byte| byte | 0x80).collect::<BytesMut>().freeze()
}
