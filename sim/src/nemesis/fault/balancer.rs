//! Faults of balancer nodes.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind};
use crate::nemesis::draw::{Draw, SECOND};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::{Effect, Trigger};

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[Kind {
    name: "balancer-reload",
    family: Family::Balancer,
    reason: "a reload starts a new process, which knows nothing of drains and weights",
    source: "reference/load-balancers.md 6, H1",
    needs_person: false,
    draw: balancer_reload,
}];

/// What can go wrong with a balancer node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum BalancerFault {
    /// A node is reloaded.
    BalancerReload {
        /// The node.
        node: String,
    },
}

impl BalancerFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::BalancerReload { .. } => "balancer-reload",
        }
    }
}

impl fmt::Display for BalancerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BalancerReload { node } => write!(f, "{node} is reloaded"),
        }
    }
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
    let fault = BalancerFault::BalancerReload { node: draw.node() };
    Planned { trigger, fault: Fault::Balancer(fault) }
}
