//! Everything that goes wrong in one run, as data that is written down, shrunk and replayed.
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fault::PeopleFault;
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

impl Schedule {
    /// The gates that nobody approves before the run waits at them. Whatever else a late approval is
    /// triggered by may never come, and a run that nobody approves ends never.
    #[must_use]
    pub fn approved_late(&self) -> BTreeSet<u8> {
        let late = |planned: &Planned| match (&planned.trigger, &planned.fault) {
            (
                Trigger::AtGate { step: at, .. },
                Fault::People(PeopleFault::LateApproval { step }),
            ) if at == step => Some(*step),
            _ => None,
        };
        self.planned.iter().filter_map(late).collect()
    }
}
