//! Faults of the network between the orchestrator and the farm.
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::Trigger;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "latency",
        family: Family::Link,
        reason: "a congested link delays every packet for a while",
        source: "apple/foundationdb, testing.rst: delayed channels",
        needs_person: false,
        draw: latency,
    },
    Kind {
        name: "loss",
        family: Family::Link,
        reason: "a bad cable loses packets, which are sent again some hundred milliseconds later",
        source: "tigerbeetle/tigerbeetle, src/vopr.zig: packet loss; sent again: general \
                 experience of TCP",
        needs_person: false,
        draw: loss,
    },
    Kind {
        name: "partition",
        family: Family::Link,
        reason: "a switch restarts, and nothing gets through to a host for some minutes",
        source: "jepsen-io/jepsen, nemesis/combined.clj: one node is cut off",
        needs_person: false,
        draw: partition,
    },
    Kind {
        name: "one-way-partition",
        family: Family::Link,
        reason: "a firewall or a route is wrong one way: requests arrive and answers do not, or the \
                 other way round",
        source: "tigerbeetle/tigerbeetle, src/vopr.zig: asymmetric partitions",
        needs_person: false,
        draw: one_way_partition,
    },
    Kind {
        name: "long-partition",
        family: Family::Link,
        reason: "a line is down until somebody has come and mended it",
        source: "jepsen-io/jepsen, nemesis/combined.clj: one node is cut off; for long: general \
                 experience",
        needs_person: true,
        draw: long_partition,
    },
    Kind {
        name: "lost-response",
        family: Family::Link,
        reason: "a connection breaks after the request was carried out and before its answer came",
        source: "general experience of networks",
        needs_person: false,
        draw: lost_response,
    },
    Kind {
        name: "reset-mid-response",
        family: Family::Link,
        reason: "a process dies while it answers: its kernel resets the connection after half of it",
        source: "general experience of processes that die",
        needs_person: false,
        draw: reset_mid_response,
    },
    Kind {
        name: "silence-mid-response",
        family: Family::Link,
        reason: "a middlebox forgets a connection: an answer begins and never ends",
        source: "general experience of middleboxes; PierreZ/moonpool: half-open connections",
        needs_person: false,
        draw: silence_mid_response,
    },
    Kind {
        name: "garbage",
        family: Family::Link,
        reason: "something else answers in the host's place, or an answer ends in its midst: its \
                 bytes are not what the protocol allows",
        source: "general experience of proxies and of truncated answers",
        needs_person: false,
        draw: garbage,
    },
];

/// Which way nothing gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the orchestrator to the host.
    Requests,
    /// From the host to the orchestrator.
    Answers,
}

/// What is wrong with an answer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Garbage {
    /// They end in their midst, in good order.
    Truncated,
    /// They are no text of any protocol.
    Noise,
}

/// What can go wrong on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LinkFault {
    /// Every packet between the orchestrator and these hosts is late.
    Latency {
        /// Hosts by name; all of them when empty.
        hosts: BTreeSet<String>,
        /// How much.
        extra_ms: u64,
        /// How long.
        for_ms: u64,
    },
    /// Packets between the orchestrator and these hosts are lost, and sent again.
    Loss {
        /// Hosts by name; all of them when empty.
        hosts: BTreeSet<String>,
        /// How many of a thousand.
        permille: u64,
        /// How long.
        for_ms: u64,
    },
    /// Nothing gets through between the orchestrator and a host.
    Partition {
        /// The host.
        host: String,
        /// How long.
        for_ms: u64,
    },
    /// Nothing gets through one way.
    OneWayPartition {
        /// The host.
        host: String,
        /// Which way.
        way: Way,
        /// How long.
        for_ms: u64,
    },
    /// Nothing gets through between the orchestrator and a host, for so long that people must know.
    LongPartition {
        /// The host.
        host: String,
        /// How long.
        for_ms: u64,
    },
    /// The next answer to the orchestrator does not arrive.
    LostResponse {
        /// The host whose answer; `None` for the one that the triggering effect goes to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// The connection of the next answer to the orchestrator is reset in its midst.
    ResetMidResponse {
        /// The host whose answer; `None` for the one that the triggering effect goes to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// The next answer to the orchestrator begins and never ends.
    SilenceMidResponse {
        /// The host whose answer; `None` for the one that the triggering effect goes to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// The next answer to the orchestrator is not what the protocol allows.
    Garbage {
        /// The host whose answer; `None` for the one that the triggering effect goes to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// What is wrong with it.
        form: Garbage,
    },
}

impl LinkFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Loss { .. } => "loss",
            Self::Partition { .. } => "partition",
            Self::OneWayPartition { .. } => "one-way-partition",
            Self::LongPartition { .. } => "long-partition",
            Self::LostResponse { .. } => "lost-response",
            Self::ResetMidResponse { .. } => "reset-mid-response",
            Self::SilenceMidResponse { .. } => "silence-mid-response",
            Self::Garbage { .. } => "garbage",
        }
    }

    /// It lies in wait for an answer: until one comes, nothing happens.
    pub(super) fn waits_for_an_answer(&self) -> bool {
        match self {
            Self::LostResponse { .. }
            | Self::ResetMidResponse { .. }
            | Self::SilenceMidResponse { .. }
            | Self::Garbage { .. } => true,
            Self::Latency { .. }
            | Self::Loss { .. }
            | Self::Partition { .. }
            | Self::OneWayPartition { .. }
            | Self::LongPartition { .. } => false,
        }
    }

    /// For how long nothing gets through between the orchestrator and a host, one way at least.
    pub(super) fn cuts_off_ms(&self, name: &str) -> Option<u64> {
        match self {
            Self::Partition { host, for_ms }
            | Self::OneWayPartition { host, for_ms, .. }
            | Self::LongPartition { host, for_ms } => (host == name).then_some(*for_ms),
            Self::Latency { .. }
            | Self::Loss { .. }
            | Self::LostResponse { .. }
            | Self::ResetMidResponse { .. }
            | Self::SilenceMidResponse { .. }
            | Self::Garbage { .. } => None,
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |hosts: &BTreeSet<String>| {
            let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
            if names.is_empty() { "everybody".to_owned() } else { names.join(", ") }
        };
        match self {
            Self::Latency { hosts, extra_ms, for_ms } => {
                let (to, lasting) = (names(hosts), Lasting(*for_ms));
                write!(f, "links to {to} are {extra_ms} ms slower for {lasting}")
            }
            Self::Loss { hosts, permille, for_ms } => {
                let (to, lasting) = (names(hosts), Lasting(*for_ms));
                write!(f, "links to {to} lose {permille} of 1,000 packets for {lasting}")
            }
            Self::Partition { host, for_ms } | Self::LongPartition { host, for_ms } => {
                write!(f, "{host} is cut off for {}", Lasting(*for_ms))
            }
            Self::OneWayPartition { host, way: Way::Requests, for_ms } => {
                write!(f, "requests do not reach {host} for {}", Lasting(*for_ms))
            }
            Self::OneWayPartition { host, way: Way::Answers, for_ms } => {
                write!(f, "{host}'s answers do not arrive for {}", Lasting(*for_ms))
            }
            Self::LostResponse { host } => write!(f, "{} is lost", Next(host)),
            Self::ResetMidResponse { host } => {
                write!(f, "{} is reset in its midst", Next(host))
            }
            Self::SilenceMidResponse { host } => {
                write!(f, "{} falls silent in its midst", Next(host))
            }
            Self::Garbage { host, form: Garbage::Truncated } => {
                write!(f, "{} ends in its midst", Next(host))
            }
            Self::Garbage { host, form: Garbage::Noise } => write!(f, "{} is noise", Next(host)),
        }
    }
}

/// Whose next answer, in words.
struct Next<'a>(&'a Option<String>);

impl fmt::Display for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(host) => write!(f, "{host}'s next answer"),
            None => f.write_str("the effect's answer"),
        }
    }
}

/// Everybody, or one host.
fn hosts(draw: &mut Draw<'_>) -> BTreeSet<String> {
    match draw.stream.ratio(1, 2) {
        true => BTreeSet::new(),
        false => BTreeSet::from([draw.host()]),
    }
}

fn latency(draw: &mut Draw<'_>) -> Planned {
    let fault = LinkFault::Latency {
        hosts: hosts(draw),
        extra_ms: draw.between(50, 1_500),
        for_ms: draw.between(10 * SECOND, 5 * MINUTE),
    };
    Planned { trigger: draw.moment(), fault: Fault::Link(fault) }
}

fn loss(draw: &mut Draw<'_>) -> Planned {
    let fault = LinkFault::Loss {
        hosts: hosts(draw),
        permille: draw.between(20, 300),
        for_ms: draw.between(10 * SECOND, 5 * MINUTE),
    };
    Planned { trigger: draw.moment(), fault: Fault::Link(fault) }
}

/// A host, half of the time a node: there are few of them, and they are read all the time.
fn one_host(draw: &mut Draw<'_>) -> String {
    if draw.stream.ratio(1, 2) { draw.node() } else { draw.host() }
}

fn partition(draw: &mut Draw<'_>) -> Planned {
    let (host, for_ms) = (one_host(draw), draw.between(5 * SECOND, 3 * MINUTE));
    let fault = LinkFault::Partition { host, for_ms };
    Planned { trigger: draw.moment(), fault: Fault::Link(fault) }
}

fn one_way_partition(draw: &mut Draw<'_>) -> Planned {
    let way = *draw.one(&[Way::Requests, Way::Answers]);
    let (host, for_ms) = (one_host(draw), draw.between(5 * SECOND, 3 * MINUTE));
    let fault = LinkFault::OneWayPartition { host, way, for_ms };
    Planned { trigger: draw.moment(), fault: Fault::Link(fault) }
}

/// From just below the time after which a run holds to twice that.
fn long_partition(draw: &mut Draw<'_>) -> Planned {
    let (host, for_ms) = (one_host(draw), draw.between(12 * MINUTE, 30 * MINUTE));
    let fault = LinkFault::LongPartition { host, for_ms };
    Planned { trigger: draw.moment(), fault: Fault::Link(fault) }
}

/// Three in four strike an answer of an effect, which takes several requests; the others one to a
/// reading some time later: a node's, since nodes are read all the time.
fn answer(draw: &mut Draw<'_>) -> (Trigger, Option<String>) {
    let target = draw.target();
    match draw.stream.ratio(3, 4) {
        true => {
            let after_ms = if draw.stream.ratio(1, 2) { 0 } else { draw.between(1, 30) };
            (target.intent(after_ms), None)
        }
        false => {
            let after_ms = draw.between(0, 10) * SECOND;
            (target.outcome(after_ms), Some(draw.node()))
        }
    }
}

fn lost_response(draw: &mut Draw<'_>) -> Planned {
    let (trigger, host) = answer(draw);
    Planned { trigger, fault: Fault::Link(LinkFault::LostResponse { host }) }
}

fn reset_mid_response(draw: &mut Draw<'_>) -> Planned {
    let (trigger, host) = answer(draw);
    Planned { trigger, fault: Fault::Link(LinkFault::ResetMidResponse { host }) }
}

fn silence_mid_response(draw: &mut Draw<'_>) -> Planned {
    let (trigger, host) = answer(draw);
    Planned { trigger, fault: Fault::Link(LinkFault::SilenceMidResponse { host }) }
}

fn garbage(draw: &mut Draw<'_>) -> Planned {
    let form = *draw.one(&[Garbage::Truncated, Garbage::Noise]);
    let (trigger, host) = answer(draw);
    Planned { trigger, fault: Fault::Link(LinkFault::Garbage { host, form }) }
}
