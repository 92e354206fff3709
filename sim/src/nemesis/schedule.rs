//! Everything that goes wrong in one run, as data that is written down, shrunk and replayed.
use serde::{Deserialize, Serialize};

use super::{Fault, Trigger};

/// A fault and when it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub fault: Fault,
}

/// Everything that goes wrong in one run.
///
/// In TOML:
///
/// ```toml
/// [[planned]]
/// trigger = { when = "intent-in-step", step = 8, effect = "test", nth = 2, after_ms = 0 }
/// fault = { family = "balancer", kind = "balancer-reload", node = "lb-1" }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The faults, in the order in which they were drawn.
    #[serde(default)]
    pub planned: Vec<Planned>,
}
