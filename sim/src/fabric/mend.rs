//! The forged packets that make up for defects of turmoil-net 0.1.0.
//!
//! | | the kernel | Linux | mended by |
//! |---|---|---|---|
//! | K1 | an accepted connection keeps its listener's port: binding again fails while any lingers | binds | `purge` at a crash, `clear_port` at a bind |
//! | K2 | a half-open connection that gets a reset is never freed | freed | delivering the missing ACK just before the reset |
//! | K3 | a stream dropped while the other side still sends: both wait for ever | the sender gets a reset | noting the drop, answering the next data with resets |
//! | K4 | a reset throws away received bytes not yet read | they are read first | `Link::due_ms`: resets arrive at least 1 ms later |
//!
//! All of it works from outside because the kernel checks no sequence number of a reset: the four
//! numbers of the connection and the flag are enough. Each end must get its own.
use std::net::SocketAddr;

use bytes::Bytes;
use turmoil_net::{NetstatState, Packet, TcpFlags, TcpSegment, Transport};

use super::HostId;
use super::engine::{Engine, Flow, tcp, touch};

/// A packet without payload.
fn forged(from: SocketAddr, to: SocketAddr, flags: TcpFlags, ack: u32) -> Packet {
    Packet {
        src: from.ip(),
        dst: to.ip(),
        ttl: 64,
        payload: Transport::Tcp(TcpSegment {
            src_port: from.port(),
            dst_port: to.port(),
            seq: 0,
            ack,
            flags,
            // As large as it gets: an ACK also tells how much may be sent.
            window: u16::MAX,
            payload: Bytes::new(),
        }),
    }
}

/// A reset.
pub(super) fn reset(from: SocketAddr, to: SocketAddr) -> Packet {
    forged(from, to, TcpFlags { rst: true, ..TcpFlags::default() }, 0)
}

/// Whether a segment brings nothing but an acknowledgement.
fn is_bare_acknowledgement(segment: &TcpSegment) -> bool {
    let TcpFlags { syn, fin, rst, .. } = segment.flags;
    !(syn || fin || rst) && segment.payload.is_empty()
}

/// The ends of a packet's connection: the sender's, the receiver's.
pub(super) fn ends(packet: &Packet) -> Flow {
    let segment = tcp(packet);
    (SocketAddr::new(packet.src, segment.src_port), SocketAddr::new(packet.dst, segment.dst_port))
}

/// A connection, named the same from both ends.
pub(super) fn either_way((left, right): Flow) -> Flow {
    if left <= right { (left, right) } else { (right, left) }
}

impl Engine {
    /// Notes half-open connections as they come and go at the server (K2).
    pub(super) fn note_handshake(&mut self, packet: &Packet) {
        let segment = tcp(packet);
        if segment.flags.syn && segment.flags.ack {
            self.half_open.insert(ends(packet), segment.seq.wrapping_add(1));
        } else if segment.flags.rst && !self.half_open.is_empty() {
            // The listener was closed: the kernel freed it by itself.
            self.half_open.remove(&ends(packet));
        }
    }

    /// A packet arrives at its destination's kernel.
    pub(super) fn arrive(&mut self, packet: Packet) {
        let (sender, receiver) = ends(&packet);
        let flow = (receiver, sender);
        let segment = tcp(&packet);
        let (flags, is_data) = (segment.flags, !segment.payload.is_empty());
        if flags.rst {
            self.complete_before_reset(flow);
            self.abandoned.remove(&flow);
            self.count_severed(flow);
        } else if flags.ack && !flags.syn && !self.half_open.is_empty() {
            self.half_open.remove(&flow);
        }
        if !self.abandoned.is_empty() && !flags.rst {
            if is_data && self.abandoned.remove(&flow) {
                self.refuse(flow);
                return;
            }
            if flags.fin {
                self.abandoned.remove(&flow);
            }
        }
        self.deliver(packet);
    }

    /// Hands a packet to its destination's kernel.
    pub(super) fn deliver(&mut self, packet: Packet) {
        let bare = is_bare_acknowledgement(tcp(&packet));
        self.enter().deliver(packet);
        if bare {
            self.acknowledged = true;
        } else {
            touch();
        }
    }

    /// K2: a half-open connection is completed before a reset ends it, because the kernel frees
    /// only completed ones. The server accepts it and reads a reset.
    fn complete_before_reset(&mut self, (server, client): Flow) {
        if let Some(ack) = self.half_open.remove(&(server, client)) {
            let flags = TcpFlags { ack: true, ..TcpFlags::default() };
            self.deliver(forged(client, server, flags, ack));
        }
    }

    /// K3: data for a connection whose owner is gone: both ends are reset.
    fn refuse(&mut self, (local, peer): Flow) {
        self.deliver(reset(peer, local));
        let from = self.host_at(local.ip()).expect("the packet arrived here");
        if let Some(to) = self.host_at(peer.ip()) {
            self.route(from, to, reset(local, peer));
        }
    }

    /// K1: resets every connection of a dead host in its kernel, so that its address is free.
    /// Half-open ones are skipped: closing their listener frees them.
    pub(super) fn purge(&mut self, host: HostId) {
        let ip = self.host(host).ip;
        for (flow, _) in self.connections_of(host, |state| state != NetstatState::SynReceived) {
            self.deliver(reset(flow.1, flow.0));
        }
        self.abandoned.retain(|flow| flow.0.ip() != ip);
        self.half_open.retain(|flow, _| flow.0.ip() != ip);
        self.silenced.retain(|flow| flow.0.ip() != ip && flow.1.ip() != ip);
    }

    /// K1: resets the connections on a port that linger after their owner closed them, both ends,
    /// so that it can be bound again as SO_REUSEADDR allows.
    ///
    /// # Errors
    /// Why the port stays taken: as on Linux because somebody listens there, or, unlike there,
    /// because an accepted connection is still in use.
    pub(super) fn clear_port(&mut self, host: HostId, port: u16) -> Result<(), &'static str> {
        self.drain();
        let ip = self.host(host).ip;
        let mut entries = turmoil_net::netstat(ip).entries.into_iter();
        if entries.any(|entry| entry.local.port() == port && entry.peer.is_none()) {
            return Err("somebody listens there");
        }
        let on_port = self.connections_of(host, |_| true).into_iter();
        let on_port: Vec<_> = on_port.filter(|(flow, _)| flow.0.port() == port).collect();
        let in_use = [NetstatState::Established, NetstatState::SynReceived];
        if on_port.iter().any(|(_, state)| in_use.contains(state)) {
            return Err("a connection accepted there is still open");
        }
        for ((local, peer), _) in on_port {
            self.abandoned.remove(&(local, peer));
            self.deliver(reset(peer, local));
            if let Some(to) = self.host_at(peer.ip()) {
                self.route(host, to, reset(local, peer));
            }
        }
        // The kernel frees what was reset when it is drained.
        self.drain();
        Ok(())
    }

    /// The connections in a host's kernel with their states, those that `wanted` accepts.
    pub(super) fn connections_of(
        &mut self,
        host: HostId,
        wanted: impl Fn(NetstatState) -> bool,
    ) -> Vec<(Flow, NetstatState)> {
        let ip = self.host(host).ip;
        self.enter();
        let entries = turmoil_net::netstat(ip).entries.into_iter();
        entries
            .filter(|entry| entry.local.ip() == ip)
            .filter_map(|entry| Some(((entry.local, entry.peer?), entry.state?)))
            .filter(|(_, state)| wanted(*state))
            .collect()
    }
}
