//! How a fault keeps the orchestrator from acting in time: what moves the ends of excuses.
use crate::nemesis::Fault;
use crate::nemesis::fault::{BalancerFault, CorrelatedFault, LinkFault, OrchestratorFault};

use super::Bounds;
use super::bounds::TRIPS;

/// The longest delay of a packet that is lost as often as a link may lose it: sent again after 200,
/// 400 and 800 ms.
const LOST_PACKET_MS: u64 = 1_400;
/// The longest that an answer is waited for that never ends: a command's on a server. A node's and
/// a console's take a third of it.
pub(super) const SILENCE_MS: u64 = 60_000;

/// Something that keeps the orchestrator from acting in time.
#[derive(Clone, Debug)]
pub(super) struct Disturbance {
    pub(super) from_ms: u64,
    /// `u64::MAX` while it lasts.
    pub(super) until_ms: u64,
    pub(super) costs: Cost,
    /// With whom; with everybody when empty.
    pub(super) with: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Cost {
    /// Its own length: nothing is done meanwhile.
    Outage,
    /// So much, once.
    Once(u64),
    /// So much for every exchange.
    EachExchange(u64),
}

/// How a fault keeps the orchestrator from acting in time; `None` when it does not.
pub(super) fn disturbance(fault: &Fault, at_ms: u64, bounds: &Bounds) -> Option<Disturbance> {
    match fault {
        Fault::Link(fault) => Some(link(fault, at_ms, bounds)),
        Fault::Orchestrator(fault) => orchestrator(fault, at_ms),
        Fault::Correlated(fault) => correlated(fault, at_ms, bounds),
        Fault::Balancer(fault) => balancer(fault, at_ms, bounds),
        Fault::ServiceCenter(_) | Fault::FrontEnd(_) | Fault::Database(_) | Fault::People(_) => {
            None
        }
    }
}

fn link(fault: &LinkFault, at_ms: u64, bounds: &Bounds) -> Disturbance {
    let with = |names: &[&String]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (for_ms, costs, with) = match fault {
        LinkFault::Latency { hosts, extra_ms, for_ms } => {
            (*for_ms, Cost::EachExchange(TRIPS * extra_ms), hosts.iter().cloned().collect())
        }
        LinkFault::Loss { hosts, for_ms, .. } => {
            (*for_ms, Cost::EachExchange(TRIPS * LOST_PACKET_MS), hosts.iter().cloned().collect())
        }
        LinkFault::Partition { host, for_ms }
        | LinkFault::OneWayPartition { host, for_ms, .. }
        | LinkFault::LongPartition { host, for_ms } => {
            (for_ms + bounds.lost_ms, Cost::Outage, with(&[host]))
        }
        LinkFault::LostResponse { host }
        | LinkFault::ResetMidResponse { host }
        | LinkFault::Garbage { host, .. } => {
            (bounds.lost_ms, Cost::Once(bounds.lost_ms), host.iter().cloned().collect())
        }
        LinkFault::SilenceMidResponse { host } => {
            let silent_ms = SILENCE_MS + bounds.lost_ms;
            (silent_ms, Cost::Once(silent_ms), host.iter().cloned().collect())
        }
    };
    Disturbance { from_ms: at_ms, until_ms: at_ms + for_ms, costs, with }
}

fn balancer(fault: &BalancerFault, at_ms: u64, bounds: &Bounds) -> Option<Disturbance> {
    match fault {
        // Nothing that is sent has an effect meanwhile, and then somebody rests.
        BalancerFault::OkWithoutEffect { node, for_ms }
        | BalancerFault::ProseForError { node, for_ms, .. } => Some(Disturbance {
            from_ms: at_ms,
            until_ms: at_ms + for_ms + bounds.lost_ms,
            costs: Cost::Outage,
            with: vec![node.clone()],
        }),
        // An effect has a reading before it and one after it.
        BalancerFault::ApiCrowded { node, wait_ms, for_ms } => Some(Disturbance {
            from_ms: at_ms,
            until_ms: at_ms + for_ms + wait_ms,
            costs: Cost::EachExchange(2 * wait_ms),
            with: vec![node.clone()],
        }),
        BalancerFault::BalancerReload { .. }
        | BalancerFault::StaleStateFile { .. }
        | BalancerFault::AgentOverrides { .. }
        | BalancerFault::NodeDown { .. }
        | BalancerFault::NodeLost { .. }
        | BalancerFault::CountersCleared { .. }
        | BalancerFault::HealthFlapping { .. } => None,
    }
}

fn orchestrator(fault: &OrchestratorFault, at_ms: u64) -> Option<Disturbance> {
    let (costs, with) = (Cost::Outage, Vec::new());
    let outage = Disturbance { from_ms: at_ms, until_ms: u64::MAX, costs, with };
    match fault {
        // A full or failing disk ends it at the next thing that it would write down.
        OrchestratorFault::OrchestratorCrash { .. }
        | OrchestratorFault::CrashWhileWriting { .. }
        | OrchestratorFault::CrashDuringResume { .. }
        | OrchestratorFault::Pause { .. }
        | OrchestratorFault::DiskFull { .. }
        | OrchestratorFault::SyncFails { .. } => Some(outage),
        OrchestratorFault::SecondOrchestrator { first_stands_ms } => {
            (*first_stands_ms > 0).then_some(outage)
        }
        OrchestratorFault::ClockJump { .. } => None,
    }
}

fn correlated(fault: &CorrelatedFault, at_ms: u64, bounds: &Bounds) -> Option<Disturbance> {
    let (for_ms, costs, with) = match fault {
        // Its servers are down, which is an excuse of their own.
        CorrelatedFault::RackCrash { node, for_ms, .. } => {
            (for_ms + bounds.lost_ms, Cost::Outage, vec![node.clone()?])
        }
        CorrelatedFault::RackCutOff { node, servers, for_ms } => {
            let with = node.iter().chain(servers).cloned().collect();
            (for_ms + bounds.lost_ms, Cost::Outage, with)
        }
        CorrelatedFault::ControlNetwork { for_ms } => {
            (for_ms + bounds.lost_ms, Cost::Outage, Vec::new())
        }
        CorrelatedFault::Failover { extra_ms, for_ms, .. } => {
            (*for_ms, Cost::EachExchange(TRIPS * extra_ms), Vec::new())
        }
    };
    Some(Disturbance { from_ms: at_ms, until_ms: at_ms + for_ms, costs, with })
}
