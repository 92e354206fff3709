//! Faults of balancer nodes.
//!
//! Not rows of their own: a ready from maintenance that is optimistic, checks with rise and fall
//! and an old worker that nobody sees are how the double is, in every run; a lost answer after the
//! change was made is the link's.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting, Upset};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::{Effect, Trigger};

const fn kind(
    name: &'static str,
    reason: &'static str,
    source: &'static str,
    draw: fn(&mut Draw<'_>) -> Planned,
) -> Kind {
    Kind { name, family: Family::Balancer, reason, source, needs_person: false, draw }
}

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    kind(
        "balancer-reload",
        "a reload starts a new process, which knows nothing of drains and weights, counts from zero \
         and cannot see what the old one still carries",
        "haproxy/haproxy#2085; seen with HAProxy 2.6.12 (tests/fidelity.rs, a reload)",
        balancer_reload,
    ),
    kind(
        "stale-state-file",
        "a reload takes members' states from a file that was saved long before",
        "seen with HAProxy 2.6.12; alike: haproxy/haproxy#1412, haproxy/haproxy#2103",
        stale_state_file,
    ),
    kind(
        "agent-overrides",
        "an agent check is switched on, and what it says overrides the operator",
        "docs.haproxy.org/2.6/configuration.html, agent-check",
        agent_overrides,
    ),
    kind(
        "ok-without-effect",
        "a change of state is answered OK and does nothing, as on a server that tracks another",
        "seen with HAProxy 2.6.12: `set server … state ready` on a server with `track`",
        ok_without_effect,
    ),
    kind(
        "prose-for-error",
        "the socket's level is lowered, or members are called otherwise, for a while: commands are \
         refused with prose",
        "docs.haproxy.org/2.6/management.html, 9.3; words: tests/fidelity/refusals.txt",
        prose_for_error,
    ),
    kind(
        "api-crowded",
        "others hold the connections that `stats maxconn` allows: each of ours waits its turn",
        "docs.haproxy.org/2.6/configuration.html, stats maxconn; that it waits is inferred",
        api_crowded,
    ),
    kind(
        "node-down",
        "a node's process dies and is started again, or another machine takes over: its state is lost",
        "inferred: the runtime API is one process's (docs.haproxy.org/2.6/management.html, 9.3)",
        node_down,
    ),
    Kind {
        needs_person: true,
        ..kind(
            "node-lost",
            "a node is away for longer than anybody waits",
            "general experience of machines that do not come back",
            node_lost,
        )
    },
    kind(
        "counters-cleared",
        "somebody clears all counters: what was counted goes back to zero in the same process",
        "docs.haproxy.org/2.6/management.html, clear counters all",
        counters_cleared,
    ),
    kind(
        "health-flapping",
        "a member's health check fails and passes in turns, though its applications serve",
        "general experience of health checks; docs.haproxy.org/2.6/configuration.html, rise, fall",
        health_flapping,
    ),
];

/// What an agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentSays {
    /// Cancels a drain.
    Ready,
    /// Drains.
    Drain,
}

/// With which words commands are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prose {
    /// `Permission denied`
    PermissionDenied,
    /// `No such server.`
    NoSuchServer,
}

/// What can go wrong with a balancer node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum BalancerFault {
    /// A node is reloaded.
    BalancerReload {
        /// The node.
        node: String,
    },
    /// A node's state is saved, and loaded by a reload some time later.
    StaleStateFile {
        /// The node.
        node: String,
        /// How old the file is then.
        age_ms: u64,
    },
    /// A server gets an agent on a node.
    AgentOverrides {
        /// The node.
        node: String,
        /// The server.
        server: String,
        /// What the agent says.
        says: AgentSays,
        /// How long.
        for_ms: u64,
    },
    /// Changes of state are answered OK and do nothing.
    OkWithoutEffect {
        /// The node.
        node: String,
        /// How long.
        for_ms: u64,
    },
    /// Commands that change something are refused.
    ProseForError {
        /// The node.
        node: String,
        /// With which words.
        prose: Prose,
        /// Only those for members of this server, so that of a line of commands a part is carried
        /// out; absent: all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// How long.
        for_ms: u64,
    },
    /// Connections to the runtime API wait.
    ApiCrowded {
        /// The node.
        node: String,
        /// How long each waits.
        wait_ms: u64,
        /// How long that goes on.
        for_ms: u64,
    },
    /// A node's process is down.
    NodeDown {
        /// The node.
        node: String,
        /// How long.
        for_ms: u64,
    },
    /// A node's process is down for longer than anybody waits.
    NodeLost {
        /// The node.
        node: String,
        /// How long.
        for_ms: u64,
    },
    /// A node's counters are cleared.
    CountersCleared {
        /// The node.
        node: String,
    },
    /// A server's health checks on a node fail and pass in turns.
    HealthFlapping {
        /// The node.
        node: String,
        /// The server.
        server: String,
        /// How long each turn is.
        turn_ms: u64,
        /// How long that goes on.
        for_ms: u64,
    },
}

impl BalancerFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::BalancerReload { .. } => "balancer-reload",
            Self::StaleStateFile { .. } => "stale-state-file",
            Self::AgentOverrides { .. } => "agent-overrides",
            Self::OkWithoutEffect { .. } => "ok-without-effect",
            Self::ProseForError { .. } => "prose-for-error",
            Self::ApiCrowded { .. } => "api-crowded",
            Self::NodeDown { .. } => "node-down",
            Self::NodeLost { .. } => "node-lost",
            Self::CountersCleared { .. } => "counters-cleared",
            Self::HealthFlapping { .. } => "health-flapping",
        }
    }

    /// Nodes whose state it changes behind the orchestrator's back, and when.
    pub(super) fn upsets(&self) -> Option<(&str, Upset)> {
        match self {
            Self::BalancerReload { node } | Self::AgentOverrides { node, .. } => {
                Some((node, Upset::AtOnce))
            }
            Self::StaleStateFile { node, .. } => Some((node, Upset::AtItsEnd)),
            Self::NodeDown { node, .. } | Self::NodeLost { node, .. } => {
                Some((node, Upset::Meanwhile))
            }
            Self::OkWithoutEffect { .. }
            | Self::ProseForError { .. }
            | Self::ApiCrowded { .. }
            | Self::CountersCleared { .. }
            | Self::HealthFlapping { .. } => None,
        }
    }

    /// The node and the server whose health checks it makes fail there.
    pub(super) fn flaps(&self) -> Option<(&str, &str)> {
        match self {
            Self::HealthFlapping { node, server, .. } => Some((node, server)),
            _ => None,
        }
    }
}

impl fmt::Display for BalancerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BalancerReload { node } => write!(f, "{node} is reloaded"),
            Self::StaleStateFile { node, age_ms } => {
                write!(f, "{node} is reloaded with a state file {} old", Lasting(*age_ms))
            }
            Self::AgentOverrides { node, server, says, for_ms } => {
                let says = match says {
                    AgentSays::Ready => "ready",
                    AgentSays::Drain => "drain",
                };
                write!(f, "{server}'s agent on {node} says {says} for {}", Lasting(*for_ms))
            }
            Self::OkWithoutEffect { node, for_ms } => {
                write!(f, "{node} answers OK without effect for {}", Lasting(*for_ms))
            }
            Self::ProseForError { node, prose, server, for_ms } => {
                let prose = match prose {
                    Prose::PermissionDenied => "Permission denied",
                    Prose::NoSuchServer => "No such server.",
                };
                let about = server.as_ref().map(|it| format!(" about {it}")).unwrap_or_default();
                write!(f, "{node} answers `{prose}`{about} for {}", Lasting(*for_ms))
            }
            Self::ApiCrowded { node, wait_ms, for_ms } => {
                write!(f, "{node}'s API takes {wait_ms} ms for {}", Lasting(*for_ms))
            }
            Self::NodeDown { node, for_ms } | Self::NodeLost { node, for_ms } => {
                write!(f, "{node} is down for {}", Lasting(*for_ms))
            }
            Self::CountersCleared { node } => write!(f, "{node}'s counters are cleared"),
            Self::HealthFlapping { node, server, turn_ms, for_ms } => {
                let (turn, long) = (Lasting(*turn_ms), Lasting(*for_ms));
                write!(f, "{server}'s checks on {node} flap every {turn} for {long}")
            }
        }
    }
}

fn planned(trigger: Trigger, fault: BalancerFault) -> Planned {
    Planned { trigger, fault: Fault::Balancer(fault) }
}

/// Just before a change of ours leaves: for what concerns our writes.
fn before_a_write(draw: &mut Draw<'_>) -> Trigger {
    let effect = *draw.one(&[Effect::Drain, Effect::Admit]);
    Trigger::Intent { effect, nth: draw.nth(effect), after_ms: 0 }
}

/// Soon after a change of ours, when what it left matters most.
fn after_a_write(draw: &mut Draw<'_>) -> Trigger {
    let effect = *draw.one(&[Effect::Drain, Effect::Admit]);
    let nth = draw.nth(effect);
    Trigger::Outcome { effect, nth, after_ms: draw.between(0, 20) * SECOND }
}

/// A third of them in the middle of a drain.
fn balancer_reload(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.ratio(1, 3) {
        true => {
            let nth = draw.nth(Effect::Drain);
            Trigger::Outcome { effect: Effect::Drain, nth, after_ms: draw.between(0, 20) * SECOND }
        }
        false => draw.moment(),
    };
    planned(trigger, BalancerFault::BalancerReload { node: draw.node() })
}

/// Saved before a change of ours, loaded after it.
fn stale_state_file(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.ratio(1, 2) {
        true => before_a_write(draw),
        false => draw.moment(),
    };
    let age_ms = match draw.stream.ratio(1, 2) {
        true => draw.between(5 * SECOND, 2 * MINUTE),
        false => draw.between(2 * MINUTE, 30 * MINUTE),
    };
    planned(trigger, BalancerFault::StaleStateFile { node: draw.node(), age_ms })
}

fn agent_overrides(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.ratio(1, 2) {
        true => after_a_write(draw),
        false => draw.moment(),
    };
    let fault = BalancerFault::AgentOverrides {
        node: draw.node(),
        server: draw.front_end(),
        says: *draw.one(&[AgentSays::Ready, AgentSays::Drain]),
        for_ms: draw.between(10 * SECOND, 10 * MINUTE),
    };
    planned(trigger, fault)
}

fn ok_without_effect(draw: &mut Draw<'_>) -> Planned {
    let for_ms = draw.between(1, 40) * SECOND;
    let trigger = before_a_write(draw);
    planned(trigger, BalancerFault::OkWithoutEffect { node: draw.node(), for_ms })
}

fn prose_for_error(draw: &mut Draw<'_>) -> Planned {
    let prose = *draw.one(&[Prose::PermissionDenied, Prose::NoSuchServer]);
    let for_ms = draw.between(1, 40) * SECOND;
    let trigger = before_a_write(draw);
    let node = draw.node();
    // A member that the configuration calls otherwise is one among others that it knows.
    let one = prose == Prose::NoSuchServer && draw.stream.ratio(1, 2);
    let server = one.then(|| draw.front_end());
    planned(trigger, BalancerFault::ProseForError { node, prose, server, for_ms })
}

fn api_crowded(draw: &mut Draw<'_>) -> Planned {
    let trigger = draw.moment();
    let fault = BalancerFault::ApiCrowded {
        node: draw.node(),
        wait_ms: draw.between(200, 4_000),
        for_ms: draw.between(10 * SECOND, 2 * MINUTE),
    };
    planned(trigger, fault)
}

/// Shorter than the switch may take: a longer one is [`node_lost`].
fn node_down(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.ratio(1, 2) {
        true => after_a_write(draw),
        false => draw.moment(),
    };
    let for_ms = match draw.stream.ratio(1, 2) {
        true => draw.between(500, 20 * SECOND),
        false => draw.between(20 * SECOND, 4 * MINUTE),
    };
    planned(trigger, BalancerFault::NodeDown { node: draw.node(), for_ms })
}

fn node_lost(draw: &mut Draw<'_>) -> Planned {
    let trigger = draw.moment();
    let for_ms = draw.between(16 * MINUTE, 30 * MINUTE);
    planned(trigger, BalancerFault::NodeLost { node: draw.node(), for_ms })
}

/// Half of them when counters are what is waited for: while a member drains or is being admitted.
fn counters_cleared(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.ratio(1, 2) {
        true => after_a_write(draw),
        false => draw.moment(),
    };
    planned(trigger, BalancerFault::CountersCleared { node: draw.node() })
}

fn health_flapping(draw: &mut Draw<'_>) -> Planned {
    let trigger = draw.moment();
    let fault = BalancerFault::HealthFlapping {
        node: draw.node(),
        server: draw.front_end(),
        turn_ms: draw.between(2, 15) * SECOND,
        for_ms: draw.between(10 * SECOND, 90 * SECOND),
    };
    planned(trigger, fault)
}
