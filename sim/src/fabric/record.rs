//! What happened, packet by packet: folded into the digest, and written out where a trace is
//! wanted.
use std::fmt;
use std::io::Write;

use super::HostId;
use super::digest::Digest;
use super::engine::Host;
use super::packet::{End, Packet};

/// What becomes of a packet that enters the network.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It arrives at this instant.
    DueMs(u64),
    /// It waits until a partition heals or a dead host returns.
    Held,
    /// Its sender is dead.
    Dead,
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
            Self::Severed => u64::MAX - 2,
            Self::Lost => u64::MAX - 3,
            Self::Silenced => u64::MAX - 4,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DueMs(due_ms) => write!(out, "due {due_ms}"),
            Self::Held => out.write_str("held"),
            Self::Dead => out.write_str("dead"),
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

    /// A dial to an address that no host has.
    pub(super) fn nowhere(&mut self, now_ms: u64, host: HostId) {
        self.events += 1;
        self.packets += 1;
        self.digest.word(now_ms);
        self.digest.word(NOWHERE - host.0 as u64);
        if let Some(trace) = &mut self.trace {
            let line =
                writeln!(trace, "{now_ms:>12} {:>8} host {} dials nowhere", self.events, host.0);
            line.expect("the trace can be written");
        }
    }

    /// A packet that enters the network.
    pub(super) fn packet(&mut self, hosts: &[Host], now_ms: u64, packet: &Packet, fate: Fate) {
        self.events += 1;
        self.packets += 1;
        let digest = &mut self.digest;
        digest.word(now_ms);
        digest.word(fate.word());
        digest.word(end_word(packet.from));
        digest.word(end_word(packet.to));
        digest.word(packet.word());
        digest.bytes(packet.bytes());
        if self.trace.is_some() {
            self.write(hosts, now_ms, packet, fate);
        }
    }

    /// Kept out of line: most runs are not traced.
    #[cold]
    fn write(&mut self, hosts: &[Host], now_ms: u64, packet: &Packet, fate: Fate) {
        let trace = self.trace.as_mut().expect("called for a traced run only");
        let line = writeln!(
            trace,
            "{now_ms:>12} {:>8} {}:{} > {}:{} [{}] len {} {fate}",
            self.events,
            hosts[packet.from.host.0].name,
            packet.from.port,
            hosts[packet.to.host.0].name,
            packet.to.port,
            packet.letters(),
            packet.bytes().len(),
        );
        line.expect("the trace can be written");
    }
}

/// Less the host's number: a word far from those of fates and of yields.
const NOWHERE: u64 = u64::MAX / 2;

fn end_word(end: End) -> u64 {
    (end.host.0 as u64) << 16 | u64::from(end.port)
}
