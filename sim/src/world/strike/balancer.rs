//! Faults of balancer nodes, carried out on the doubles.
use evenkeel_fakes::balancer::{AgentWord, Balancer, Refusal};

use crate::nemesis::fault::BalancerFault;
use crate::nemesis::fault::balancer::{AgentSays, Prose};

use super::{Blow, Breaker, Over};

impl Breaker {
    pub(super) fn balancer(&self, place: usize, fault: &BalancerFault) -> Blow {
        use BalancerFault as F;
        let tag = place as u64;
        match fault {
            F::BalancerReload { node } => Blow::once_if(self.on_node(node, |it, now_ms| {
                it.reload(now_ms);
                it.is_up()
            })),
            F::StaleStateFile { node, age_ms } => {
                let saved = self.on_node(node, |it, _| it.save_state());
                self.saved.borrow_mut().insert(place, saved);
                Blow { lasts_ms: Some(*age_ms), changed: false }
            }
            F::AgentOverrides { node, server, says, for_ms } => {
                let says = match says {
                    AgentSays::Ready => AgentWord::Ready,
                    AgentSays::Drain => AgentWord::Drain,
                };
                self.on_node(node, |it, now_ms| it.set_agent(now_ms, server, says, tag));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::OkWithoutEffect { node, for_ms } => {
                self.on_node(node, |it, _| it.ignore_states(tag));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::ProseForError { node, prose, server, for_ms } => {
                let refusal = match prose {
                    Prose::PermissionDenied => Refusal::PermissionDenied,
                    Prose::NoSuchServer => Refusal::NoSuchServer,
                };
                self.on_node(node, |it, _| it.refuse_changes(refusal, server.as_deref(), tag));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::ApiCrowded { node, wait_ms, for_ms } => {
                self.on_node(node, |it, _| it.delay_api(*wait_ms, tag));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::NodeDown { node, for_ms } | F::NodeLost { node, for_ms } => {
                let changed = self.on_node(node, |it, now_ms| it.stop(now_ms, tag));
                Blow { lasts_ms: Some(*for_ms), changed }
            }
            F::CountersCleared { node } => Blow::once_if(self.on_node(node, |it, now_ms| {
                if it.is_up() {
                    it.command(now_ms, "clear counters all");
                }
                it.is_up() // else nobody answers
            })),
            F::HealthFlapping { node, server, turn_ms, for_ms } => {
                self.on_node(node, |it, now_ms| {
                    it.flap(now_ms, server, *turn_ms, now_ms + for_ms, tag);
                });
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
        }
    }

    pub(super) fn end_balancer(&self, place: usize, fault: &BalancerFault) -> Over {
        use BalancerFault as F;
        let tag = place as u64;
        match fault {
            F::BalancerReload { .. } | F::CountersCleared { .. } => {
                unreachable!("{fault} has no end of its own")
            }
            F::StaleStateFile { node, .. } => {
                // Before what it changes is judged.
                self.recorder.ended(self.shared.now_ms(), place);
                let saved = self.saved.borrow_mut().remove(&place);
                let saved = saved.expect("what ends has begun");
                let reloaded = self.on_node(node, |it, now_ms| {
                    it.reload_with(now_ms, &saved);
                    it.is_up()
                });
                if reloaded {
                    self.recorder.changed(self.shared.now_ms(), place);
                }
                return Over::ToldByOthers;
            }
            // Checks that were to flap until now pass by themselves from now on.
            F::HealthFlapping { .. } if !self.ends_early(place) => {}
            F::HealthFlapping { node, .. }
            | F::AgentOverrides { node, .. }
            | F::OkWithoutEffect { node, .. }
            | F::ProseForError { node, .. }
            | F::ApiCrowded { node, .. } => {
                self.on_node(node, |it, now_ms| it.end_trouble(now_ms, tag));
            }
            F::NodeDown { node, .. } | F::NodeLost { node, .. } => {
                self.recorder.ended(self.shared.now_ms(), place);
                self.on_node(node, |it, now_ms| it.start(now_ms, tag));
                return Over::ToldByOthers;
            }
        }
        Over::Now
    }

    fn on_node<R>(&self, node: &str, act: impl FnOnce(&mut Balancer, u64) -> R) -> R {
        self.shared.with(|farm| farm.on_node(node, act))
    }
}
