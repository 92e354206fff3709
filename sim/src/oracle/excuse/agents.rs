//! Agents of one member, of which the last to come is the one that is heard.
use crate::nemesis::Fault;
use crate::nemesis::fault::BalancerFault;
use crate::nemesis::fault::balancer::AgentSays;

use super::{Faults, Incident};

impl Faults {
    /// When what changes a node's state at once last did so: when it struck, and an agent once more when
    /// another goes that came after it and said otherwise. What it says then nobody could have read.
    pub(super) fn upset_at_ms(&self, it: &Incident) -> u64 {
        let later = self.incidents.iter().rev().take_while(|other| other.place != it.place);
        let gone_ms = later.filter(|other| hides(&other.fault, &it.fault)).filter_map(|other| {
            let gone_ms = other.until_ms?;
            it.until_ms.is_none_or(|over_ms| gone_ms < over_ms).then_some(gone_ms)
        });
        gone_ms.max().unwrap_or(it.from_ms)
    }
}

/// While the one is there, the other is not heard, which says something else of the same member.
fn hides(one: &Fault, other: &Fault) -> bool {
    match (agent(one), agent(other)) {
        (Some((member, says)), Some((of, said))) => member == of && says != said,
        _ => false,
    }
}

/// The node and the server that an agent is of, and what it says.
fn agent(fault: &Fault) -> Option<((&str, &str), AgentSays)> {
    match fault {
        Fault::Balancer(BalancerFault::AgentOverrides { node, server, says, .. }) => {
            Some(((node, server), *says))
        }
        _ => None,
    }
}
