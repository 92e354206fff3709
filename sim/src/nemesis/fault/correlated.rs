//! Several faults at once, by one cause.
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "rack-crash",
        family: Family::Correlated,
        reason: "a rack loses its power: its front-ends go down together, its balancer node loses \
                 the control network with them, and all come back together",
        source: "general experience of racks; apple/foundationdb, testing.rst: machines and data \
                 centres",
        needs_person: true,
        draw: rack_crash,
    },
    Kind {
        name: "rack-cut-off",
        family: Family::Correlated,
        reason: "a rack's management switch restarts: its hosts go on serving and cannot be reached",
        source: "general experience of management networks; jepsen-io/jepsen, \
                 nemesis/combined.clj: halves",
        needs_person: false,
        draw: rack_cut_off,
    },
    Kind {
        name: "control-network",
        family: Family::Correlated,
        reason: "the orchestrator's own line is down: it sees nobody, and everybody goes on",
        source: "jepsen-io/jepsen, nemesis/combined.clj: one node is cut off",
        needs_person: true,
        draw: control_network,
    },
    Kind {
        name: "failover",
        family: Family::Correlated,
        reason: "a balancer machine under pressure: its process is started anew by a watchdog while \
                 the links around it are congested",
        source: "haproxy/haproxy#2085: a restart forgets; congestion besides: general experience",
        needs_person: false,
        draw: failover,
    },
];

/// Front-ends of a rack, at most.
const RACK_SERVERS_MAX: u64 = 4;

/// Several faults at once, by one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum CorrelatedFault {
    /// A rack loses its power for a while.
    RackCrash {
        /// Its balancer node: cut off, and with a new process afterwards.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        /// Its front-ends.
        servers: BTreeSet<String>,
        /// How long until the power is back.
        for_ms: u64,
    },
    /// The orchestrator cannot reach a rack.
    RackCutOff {
        /// Its balancer node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        /// Its front-ends.
        servers: BTreeSet<String>,
        /// How long.
        for_ms: u64,
    },
    /// The orchestrator can reach nobody.
    ControlNetwork {
        /// How long.
        for_ms: u64,
    },
    /// A node is reloaded while every link is slow.
    Failover {
        /// The node.
        node: String,
        /// How much slower.
        extra_ms: u64,
        /// How long.
        for_ms: u64,
    },
}

impl CorrelatedFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::RackCrash { .. } => "rack-crash",
            Self::RackCutOff { .. } => "rack-cut-off",
            Self::ControlNetwork { .. } => "control-network",
            Self::Failover { .. } => "failover",
        }
    }

    /// Servers that it makes unable to serve by itself, until it is over.
    pub(super) fn fells(&self) -> Vec<&str> {
        match self {
            Self::RackCrash { servers, .. } => servers.iter().map(String::as_str).collect(),
            Self::RackCutOff { .. } | Self::ControlNetwork { .. } | Self::Failover { .. } => {
                Vec::new()
            }
        }
    }

    /// Nodes whose state it changes behind the orchestrator's back.
    pub(super) fn upsets(&self) -> Option<&str> {
        match self {
            Self::RackCrash { node: Some(node), .. } | Self::Failover { node, .. } => Some(node),
            Self::RackCrash { node: None, .. }
            | Self::RackCutOff { .. }
            | Self::ControlNetwork { .. } => None,
        }
    }

    /// For how long nothing gets through between the orchestrator and a host.
    pub(super) fn cuts_off_ms(&self, host: &str) -> Option<u64> {
        let is = |node: &Option<String>| node.as_deref() == Some(host);
        match self {
            Self::RackCrash { node, for_ms, .. } => is(node).then_some(*for_ms),
            Self::RackCutOff { node, servers, for_ms } => {
                (is(node) || servers.contains(host)).then_some(*for_ms)
            }
            Self::ControlNetwork { for_ms } => Some(*for_ms),
            Self::Failover { .. } => None,
        }
    }
}

impl fmt::Display for CorrelatedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rack = |node: &Option<String>, servers: &BTreeSet<String>| {
            let hosts = node.iter().chain(servers);
            hosts.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::RackCrash { node, servers, for_ms } => {
                write!(f, "a rack goes down for {}: {}", Lasting(*for_ms), rack(node, servers))
            }
            Self::RackCutOff { node, servers, for_ms } => {
                write!(f, "a rack is cut off for {}: {}", Lasting(*for_ms), rack(node, servers))
            }
            Self::ControlNetwork { for_ms } => {
                write!(f, "the control network is down for {}", Lasting(*for_ms))
            }
            Self::Failover { node, extra_ms, for_ms } => {
                let lasting = Lasting(*for_ms);
                write!(f, "{node} is reloaded, and links are {extra_ms} ms slower for {lasting}")
            }
        }
    }
}

/// A rack: front-ends that stand beside each other in the farm file, at most a third of them but
/// one at least, and half of the time a node.
fn rack(draw: &mut Draw<'_>) -> (Option<String>, BTreeSet<String>) {
    let node = draw.stream.ratio(1, 2).then(|| draw.node());
    let all = draw.aims.front_ends.len() as u64;
    let count = draw.between(1, (all / 3).clamp(1, RACK_SERVERS_MAX));
    let first = draw.between(0, all - count) as usize;
    let servers = draw.aims.front_ends[first..first + count as usize].iter().cloned().collect();
    (node, servers)
}

fn rack_crash(draw: &mut Draw<'_>) -> Planned {
    let (node, servers) = rack(draw);
    let for_ms = draw.between(2 * MINUTE, 12 * MINUTE);
    let fault = CorrelatedFault::RackCrash { node, servers, for_ms };
    Planned { trigger: draw.moment(), fault: Fault::Correlated(fault) }
}

fn rack_cut_off(draw: &mut Draw<'_>) -> Planned {
    let (node, servers) = rack(draw);
    let for_ms = draw.between(10 * SECOND, 3 * MINUTE);
    let fault = CorrelatedFault::RackCutOff { node, servers, for_ms };
    Planned { trigger: draw.moment(), fault: Fault::Correlated(fault) }
}

/// Two in three are short; the others come near the time after which a run holds, or exceed it.
fn control_network(draw: &mut Draw<'_>) -> Planned {
    let for_ms = match draw.stream.ratio(2, 3) {
        true => draw.between(10 * SECOND, 5 * MINUTE),
        false => draw.between(12 * MINUTE, 25 * MINUTE),
    };
    let fault = CorrelatedFault::ControlNetwork { for_ms };
    Planned { trigger: draw.moment(), fault: Fault::Correlated(fault) }
}

fn failover(draw: &mut Draw<'_>) -> Planned {
    let (node, extra_ms) = (draw.node(), draw.between(50, 1_000));
    let for_ms = draw.between(10 * SECOND, 2 * MINUTE);
    let fault = CorrelatedFault::Failover { node, extra_ms, for_ms };
    Planned { trigger: draw.moment(), fault: Fault::Correlated(fault) }
}
