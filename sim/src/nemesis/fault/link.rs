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
        source: "reference/simulation.md 1.6, packet and link: delay",
        needs_person: false,
        draw: latency,
    },
    Kind {
        name: "lost-response",
        family: Family::Link,
        reason: "a connection breaks after the request was carried out and before its answer came",
        source: "reference/simulation.md 1.6, HTTP and API: timeout after applying",
        needs_person: false,
        draw: lost_response,
    },
];

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
    /// The next answer to the orchestrator does not arrive.
    LostResponse {
        /// The host whose answer; `None` for the one that the triggering effect goes to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
}

impl LinkFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::LostResponse { .. } => "lost-response",
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { hosts, extra_ms, for_ms } => {
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                let to = if hosts.is_empty() { "everybody".to_owned() } else { hosts.join(", ") };
                write!(f, "links to {to} are {extra_ms} ms slower for {}", Lasting(*for_ms))
            }
            Self::LostResponse { host: Some(host) } => write!(f, "{host}'s next answer is lost"),
            Self::LostResponse { host: None } => f.write_str("the effect's answer is lost"),
        }
    }
}

fn latency(draw: &mut Draw<'_>) -> Planned {
    let hosts = match draw.stream.ratio(1, 2) {
        true => BTreeSet::new(),
        false => BTreeSet::from([draw.host()]),
    };
    let fault = LinkFault::Latency {
        hosts,
        extra_ms: draw.between(50, 1_500),
        for_ms: draw.between(10 * SECOND, 5 * MINUTE),
    };
    Planned { trigger: draw.moment(), fault: Fault::Link(fault) }
}

/// Three in four lose the answer to an effect, the others one to a reading some time later: a
/// node's, since nodes are read all the time.
fn lost_response(draw: &mut Draw<'_>) -> Planned {
    let (effect, nth) = draw.effect();
    let (trigger, host) = match draw.stream.ratio(3, 4) {
        true => (Trigger::Intent { effect, nth, after_ms: 0 }, None),
        false => {
            let after_ms = draw.between(0, 10) * SECOND;
            (Trigger::Outcome { effect, nth, after_ms }, Some(draw.node()))
        }
    };
    Planned { trigger, fault: Fault::Link(LinkFault::LostResponse { host }) }
}
