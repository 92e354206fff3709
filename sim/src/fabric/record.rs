//! What happened, packet by packet: folded into the digest, and written out where a trace is
//! wanted.
use std::fmt;
use std::io::Write;
use std::net::IpAddr;

use turmoil_net::{Packet, TcpSegment};

use super::HostId;
use super::digest::Digest;
use super::engine::tcp;

/// What becomes of a packet that enters the network.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It arrives at this instant.
    DueMs(u64),
    /// It waits until a partition heals or a dead host returns.
    Held,
    /// Its sender is dead.
    Dead,
    /// No host has its destination.
    Nowhere,
    /// Its connection was lost before.
    Severed,
    /// It is lost, and its connection with it.
    Lost,
    /// Nothing comes through any more on its connection.
    Silenced,
}

impl Fate {
    /// A word for the digest; instants stay far below the other fates' words.
    const fn word(self) -> u64 {
        match self {
            Self::DueMs(due_ms) => due_ms,
            Self::Held => u64::MAX,
            Self::Dead => u64::MAX - 1,
            Self::Nowhere => u64::MAX - 2,
            Self::Severed => u64::MAX - 3,
            Self::Lost => u64::MAX - 4,
            Self::Silenced => u64::MAX - 5,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DueMs(due_ms) => write!(out, "due {due_ms}"),
            Self::Held => out.write_str("held"),
            Self::Dead => out.write_str("dead"),
            Self::Nowhere => out.write_str("nowhere"),
            Self::Severed => out.write_str("severed"),
            Self::Lost => out.write_str("lost"),
            Self::Silenced => out.write_str("silenced"),
        }
    }
}

/// Counts, digest and trace of one run.
pub(super) struct Record {
    pub(super) packets: u64,
    pub(super) events: u64,
    pub(super) digest: Digest,
    trace: Option<Box<dyn Write>>,
}

impl Record {
    pub(super) fn new(trace: Option<Box<dyn Write>>) -> Self {
        Self { packets: 0, events: 0, digest: Digest::new(), trace }
    }

    /// A line of somebody else's: a change of ground truth, a decision.
    pub(super) fn note(&mut self, now_ms: u64, text: &str) {
        self.events += 1;
        self.digest.word(now_ms);
        self.digest.bytes(text.as_bytes());
        if let Some(trace) = &mut self.trace {
            let line = writeln!(trace, "{now_ms:>12} {:>8} {text}", self.events);
            line.expect("the trace can be written");
        }
    }

    /// A poll of a socket yielded.
    pub(super) fn yielded(&mut self, now_ms: u64, host: HostId) {
        self.events += 1;
        self.digest.word(now_ms);
        self.digest.word(u64::MAX - host.0 as u64);
        if let Some(trace) = &mut self.trace {
            let line = writeln!(trace, "{now_ms:>12} {:>8} host {} yields", self.events, host.0);
            line.expect("the trace can be written");
        }
    }

    /// A packet that enters the network.
    pub(super) fn packet(&mut self, now_ms: u64, packet: &Packet, fate: Fate) {
        self.events += 1;
        self.packets += 1;
        let segment = tcp(packet);
        let ports = u64::from(segment.src_port) << 16 | u64::from(segment.dst_port);
        let digest = &mut self.digest;
        digest.word(now_ms);
        digest.word(fate.word());
        address(digest, packet.src);
        address(digest, packet.dst);
        digest.word(ports << 8 | flag_bits(segment));
        digest.word(u64::from(segment.seq) << 32 | u64::from(segment.ack));
        digest.bytes(&segment.payload);
        if self.trace.is_some() {
            self.write(now_ms, packet, fate);
        }
    }

    /// Kept out of line: most runs are not traced.
    #[cold]
    fn write(&mut self, now_ms: u64, packet: &Packet, fate: Fate) {
        let segment = tcp(packet);
        let trace = self.trace.as_mut().expect("called for a traced run only");
        let line = writeln!(
            trace,
            "{now_ms:>12} {:>8} {}:{} > {}:{} [{}] seq {} ack {} len {} {fate}",
            self.events,
            packet.src,
            segment.src_port,
            packet.dst,
            segment.dst_port,
            flag_letters(segment),
            segment.seq,
            segment.ack,
            segment.payload.len(),
        );
        line.expect("the trace can be written");
    }
}

#[inline]
fn address(digest: &mut Digest, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => digest.word(u64::from(u32::from(ip))),
        IpAddr::V6(ip) => digest.bytes(&ip.octets()),
    }
}

fn flag_bits(segment: &TcpSegment) -> u64 {
    let flags = segment.flags;
    u64::from(flags.syn) << 4
        | u64::from(flags.ack) << 3
        | u64::from(flags.fin) << 2
        | u64::from(flags.rst) << 1
        | u64::from(flags.psh)
}

/// tcpdump's letters.
fn flag_letters(segment: &TcpSegment) -> String {
    let flags = segment.flags;
    let letters =
        [(flags.syn, 'S'), (flags.fin, 'F'), (flags.rst, 'R'), (flags.psh, 'P'), (flags.ack, '.')];
    letters.into_iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect()
}
