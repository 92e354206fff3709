//! Carries faults out: the schedule's words become changes of farm and fabric.
use std::collections::BTreeSet;

use evenkeel::procedure::action::Action;
use evenkeel_fakes::farm::Shared;

use crate::fabric::{Fabric, Latency};
use crate::nemesis::Fault;
use crate::nemesis::watch::Strike;
use crate::oracle::Struck;

use super::network::Network;
use super::record::Recorder;

/// What is left to do about a fault at a later instant.
#[derive(Clone, Debug)]
pub(super) enum Later {
    /// The fault itself.
    Strike(Strike),
    /// The orchestrator is started again.
    StartOrchestrator,
    /// A server is switched on again; it has yet to boot.
    SwitchOn(String),
    /// A server that has booted is on the network again.
    OnNetwork(String),
    /// Links are as before, as far as no other spike is on.
    EndLatency,
}

/// A spike of latency that is on.
#[derive(Clone, Debug)]
struct Spike {
    hosts: BTreeSet<String>,
    extra_ms: u64,
    until_ms: u64,
}

/// Whoever breaks the world.
pub(super) struct Breaker {
    pub(super) fabric: Fabric,
    pub(super) network: Network,
    pub(super) shared: Shared,
    pub(super) recorder: Recorder,
    pub(super) links: Latency,
    spikes: Vec<Spike>,
}

/// What the world's loop has to do after a strike.
pub(super) enum After {
    /// Nothing.
    Nothing,
    /// Something at a later instant.
    At(u64, Later),
    /// The orchestrator was killed and is away for this long.
    OrchestratorGone(u64),
}

impl Breaker {
    pub(super) fn new(
        fabric: Fabric,
        network: Network,
        shared: Shared,
        recorder: Recorder,
        links: Latency,
    ) -> Self {
        Self { fabric, network, shared, recorder, links, spikes: Vec::new() }
    }

    /// Carries a fault out now.
    pub(super) fn strike(&mut self, strike: Strike) -> After {
        let now_ms = self.shared.now_ms();
        self.recorder.begin_strike(strike.place);
        match strike.fault {
            Fault::Latency { hosts, extra_ms, for_ms } => {
                self.recorder.strike(now_ms, Struck::Latency { extra_ms, for_ms });
                let until_ms = now_ms + for_ms;
                self.spikes.push(Spike { hosts, extra_ms, until_ms });
                self.set_latencies(now_ms);
                After::At(until_ms, Later::EndLatency)
            }
            Fault::LostResponse { host } => {
                let host = host.or_else(|| strike.action.as_ref().map(peer));
                lose_response(&self.fabric, &self.network, &self.recorder, now_ms, host.as_deref());
                After::Nothing
            }
            Fault::OrchestratorCrash { away_ms } => After::OrchestratorGone(away_ms),
            Fault::FrontEndCrash { server, back_after_ms } => {
                self.recorder.strike(now_ms, Struck::FrontEndCrash { server: server.clone() });
                self.fabric.cut_power(self.network.servers[&server].host);
                self.shared.with(|farm| farm.crash(&server));
                match back_after_ms {
                    Some(after_ms) => After::At(now_ms + after_ms, Later::SwitchOn(server)),
                    None => After::Nothing,
                }
            }
            Fault::InstallerFails { server, kind, code, times } => {
                self.recorder.strike(now_ms, Struck::InstallerFails { server: server.clone() });
                self.shared.with(|farm| farm.fail_jobs(&server, kind.as_str(), code, times));
                After::Nothing
            }
            Fault::BalancerReload { node } => {
                self.recorder.strike(now_ms, Struck::BalancerReload { node: node.clone() });
                self.shared.with(|farm| farm.reload(&node));
                After::Nothing
            }
        }
    }

    /// Sets every link to what the spikes that are on make of it.
    pub(super) fn set_latencies(&mut self, now_ms: u64) {
        self.spikes.retain(|spike| spike.until_ms > now_ms);
        for (name, host) in self.network.peers() {
            let on = self
                .spikes
                .iter()
                .filter(|spike| spike.hosts.is_empty() || spike.hosts.contains(name));
            let extra_ms = on.map(|spike| spike.extra_ms).max().unwrap_or(0);
            let latency = Latency { base_ms: self.links.base_ms + extra_ms, ..self.links };
            self.fabric.set_latency(self.network.orchestrator, host, latency);
        }
    }
}

/// Loses the next answer of a host.
pub(super) fn lose_response(
    fabric: &Fabric,
    network: &Network,
    recorder: &Recorder,
    now_ms: u64,
    host: Option<&str>,
) {
    if let Some(host) = host.and_then(|name| network.host(name)) {
        recorder.strike(now_ms, Struck::LostResponse);
        fabric.lose_response(network.orchestrator, host);
    }
}

/// The host that an action goes to.
pub(super) fn peer(action: &Action) -> String {
    match action {
        Action::Balancer { node, .. } | Action::Nudge { node, .. } => node.to_string(),
        Action::Flag { via: server, .. }
        | Action::Start { server, .. }
        | Action::Reboot { server }
        | Action::Test { server } => server.to_string(),
    }
}
