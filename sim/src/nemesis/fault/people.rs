//! What people do meanwhile.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting, Upset};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::{Effect, Trigger};

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "abort",
        family: Family::People,
        reason: "somebody calls the night off, whether that is still possible or not",
        source: "general experience of operators; argoproj/argo-rollouts#1259",
        needs_person: true,
        draw: abort,
    },
    Kind {
        name: "hold",
        family: Family::People,
        reason: "somebody wants to look at something first, and lets the run go on later",
        source: "argoproj/argo-rollouts#2866: a pause, so that a person can look",
        needs_person: false,
        draw: hold,
    },
    Kind {
        name: "fall-back",
        family: Family::People,
        reason: "users complain of the new version, and somebody wants the old one back",
        source: "general experience of upgrades; OutSystems/docs-product, upgrade-platform.md",
        needs_person: true,
        draw: fall_back,
    },
    Kind {
        name: "retry",
        family: Family::People,
        reason: "somebody answers a hold: what failed is to be tried again",
        source: "argoproj/argo-rollouts#3120, OctopusDeploy/Issues#4383",
        needs_person: true,
        draw: retry,
    },
    Kind {
        name: "by-hand",
        family: Family::People,
        reason: "somebody answers a hold: he has done that server's jobs himself",
        source: "general experience of operators",
        needs_person: true,
        draw: by_hand,
    },
    Kind {
        name: "leave-out",
        family: Family::People,
        reason: "somebody answers a hold: the run is to go on without that server",
        source: "OctopusDeploy/Issues#1452, OctopusDeploy/Issues#5891",
        needs_person: true,
        draw: leave_out,
    },
    Kind {
        name: "late-approval",
        family: Family::People,
        reason: "whoever has to approve a step is not there when the run waits for it",
        source: "argoproj/argo-rollouts#2866: a pause, so that a person can look",
        needs_person: false,
        draw: late_approval,
    },
    Kind {
        name: "console-edit",
        family: Family::People,
        reason: "an operator who knows nothing of the upgrade enables or disables a server",
        source: "general experience; the button: OutSystems/docs-product, \
                 balanced-app-deploy.md",
        needs_person: true,
        draw: console_edit,
    },
    Kind {
        name: "third-party-edit",
        family: Family::People,
        reason: "an operator, or a script of his, changes a member at the runtime API by hand",
        source: "kestra.io, blueprint haproxy-backend-drain-gate: a nightly timer",
        needs_person: true,
        draw: third_party_edit,
    },
];

/// What somebody makes of a server's members on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Maintenance.
    Maint,
    /// Drained.
    Drain,
    /// Ready.
    Ready,
    /// Of another weight.
    Weight(u32),
}

/// What people do meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PeopleFault {
    /// Somebody asks for an abort.
    Abort,
    /// Somebody asks for a hold, and ends it.
    Hold {
        /// After so long.
        for_ms: u64,
    },
    /// Somebody asks for a fall-back.
    FallBack,
    /// Somebody answers the hold that there is: again.
    Retry,
    /// Somebody has done the jobs of the server that the hold is about, as it offers, and says so.
    ByHand,
    /// Somebody answers the hold that there is: without that server.
    LeaveOut,
    /// Somebody approves a step, who did not do so beforehand, as all others are approved.
    LateApproval {
        /// 1 to 9.
        step: u8,
    },
    /// An operator enables or disables a server at a console.
    ConsoleEdit {
        /// The server.
        server: String,
        /// What it becomes.
        enabled: bool,
    },
    /// Somebody else changes a server's members on a node.
    ThirdPartyEdit {
        /// The node.
        node: String,
        /// The server.
        server: String,
        /// To what.
        edit: Edit,
    },
}

impl PeopleFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Hold { .. } => "hold",
            Self::FallBack => "fall-back",
            Self::Retry => "retry",
            Self::ByHand => "by-hand",
            Self::LeaveOut => "leave-out",
            Self::LateApproval { .. } => "late-approval",
            Self::ConsoleEdit { .. } => "console-edit",
            Self::ThirdPartyEdit { .. } => "third-party-edit",
        }
    }

    /// The server whose flag it changes.
    pub(super) fn edits(&self) -> Option<&str> {
        match self {
            Self::ConsoleEdit { server, .. } => Some(server),
            _ => None,
        }
    }

    /// Nodes whose state it changes behind the orchestrator's back, and when.
    pub(super) fn upsets(&self) -> Option<(&str, Upset)> {
        match self {
            Self::ThirdPartyEdit { node, .. } => Some((node, Upset::AtOnce)),
            _ => None,
        }
    }
}

impl fmt::Display for PeopleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort => f.write_str("somebody asks for an abort"),
            Self::Hold { for_ms } => write!(f, "somebody holds the run for {}", Lasting(*for_ms)),
            Self::FallBack => f.write_str("somebody asks for the old version"),
            Self::Retry => f.write_str("somebody answers a hold: retry"),
            Self::ByHand => {
                f.write_str("somebody answers a hold: the server's jobs are done by hand")
            }
            Self::LeaveOut => f.write_str("somebody answers a hold: leave the server out"),
            Self::LateApproval { step } => write!(f, "somebody approves step {step} at last"),
            Self::ConsoleEdit { server, enabled } => {
                let what = if *enabled { "enables" } else { "disables" };
                write!(f, "an operator {what} {server} at a console")
            }
            Self::ThirdPartyEdit { node, server, edit } => match edit {
                Edit::Maint => write!(f, "somebody sets {server} on {node} to maint"),
                Edit::Drain => write!(f, "somebody sets {server} on {node} to drain"),
                Edit::Ready => write!(f, "somebody sets {server} on {node} to ready"),
                Edit::Weight(weight) => {
                    write!(f, "somebody sets {server}'s weight on {node} to {weight}")
                }
            },
        }
    }
}

fn planned(trigger: Trigger, fault: PeopleFault) -> Planned {
    Planned { trigger, fault: Fault::People(fault) }
}

/// Half of them while it is possible.
fn abort(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.ratio(1, 2) {
        true => {
            let step = draw.between(1, 2) as u8;
            Trigger::Step { step, after_ms: draw.between(0, 5_000) }
        }
        false => draw.moment(),
    };
    planned(trigger, PeopleFault::Abort)
}

fn hold(draw: &mut Draw<'_>) -> Planned {
    let for_ms = draw.between(1, 10) * MINUTE;
    planned(draw.moment(), PeopleFault::Hold { for_ms })
}

/// Nearly all of them while it is possible: in the midst of the switch, and in the soak.
fn fall_back(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.below(4) {
        0 | 1 => {
            let nth = draw.between(1, draw.aims.nodes.len() as u64) as u32;
            let after_ms = draw.between(0, 30) * SECOND;
            Trigger::Outcome { effect: Effect::Admit, nth, after_ms }
        }
        2 => Trigger::Step { step: 5, after_ms: draw.between(1, 30) * MINUTE },
        _ => draw.moment(),
    };
    planned(trigger, PeopleFault::FallBack)
}

fn retry(draw: &mut Draw<'_>) -> Planned {
    planned(during_a_hold(draw), PeopleFault::Retry)
}

fn by_hand(draw: &mut Draw<'_>) -> Planned {
    planned(while_a_server_holds(draw), PeopleFault::ByHand)
}

fn leave_out(draw: &mut Draw<'_>) -> Planned {
    planned(while_a_server_holds(draw), PeopleFault::LeaveOut)
}

/// Minutes after the run has begun to wait: whoever is called at night has to wake up first.
fn late_approval(draw: &mut Draw<'_>) -> Planned {
    let gates = &draw.aims.gates;
    // On a farm without gates the run waits at none, and this does nothing.
    let step = if gates.is_empty() { 1 } else { *draw.one(gates) };
    let after_ms = draw.between(1, 20) * MINUTE;
    planned(Trigger::AtGate { step, after_ms }, PeopleFault::LateApproval { step })
}

fn console_edit(draw: &mut Draw<'_>) -> Planned {
    let server = draw.front_end();
    // Loaded servers are Disabled through most of the run, the others are not.
    let usual = draw.aims.loaded.contains(&server);
    let enabled = if draw.stream.ratio(3, 4) { usual } else { !usual };
    planned(draw.moment(), PeopleFault::ConsoleEdit { server, enabled })
}

/// The same, soon in the first hold that is about a server: many such holds pass by themselves.
fn while_a_server_holds(draw: &mut Draw<'_>) -> Trigger {
    Trigger::HeldForServer { nth: 1, after_ms: draw.between(10, 240) * SECOND }
}

/// Some minutes into a hold: whoever is called at night has to wake up first.
fn during_a_hold(draw: &mut Draw<'_>) -> Trigger {
    let nth = if draw.stream.ratio(3, 4) { 1 } else { 2 };
    Trigger::Held { nth, after_ms: draw.between(1, 12) * MINUTE }
}

/// Half of them soon after a change of ours.
fn third_party_edit(draw: &mut Draw<'_>) -> Planned {
    let trigger = match draw.stream.ratio(1, 2) {
        true => {
            let effect = *draw.one(&[Effect::Drain, Effect::Admit]);
            let nth = draw.nth(effect);
            Trigger::Outcome { effect, nth, after_ms: draw.between(0, 30) * SECOND }
        }
        false => draw.moment(),
    };
    let edits = [Edit::Maint, Edit::Drain, Edit::Ready, Edit::Weight(0), Edit::Weight(200)];
    let fault = PeopleFault::ThirdPartyEdit {
        node: draw.node(),
        server: draw.front_end(),
        edit: *draw.one(&edits),
    };
    planned(trigger, fault)
}
