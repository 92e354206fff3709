//! Faults of balancer nodes, carried out on the doubles.
use evenkeel_fakes::balancer::{AgentWord, Balancer, Refusal};

use crate::nemesis::fault::BalancerFault;
use crate::nemesis::fault::balancer::{AgentSays, Prose};

use super::{Blow, Breaker, Over};

impl Breaker {
    pub(super) fn balancer(&self, place: usize, fault: &BalancerFault) -> Blow {
        use BalancerFault as F;
        let tag = place as u64;
        let on = |node: &str, act: &dyn Fn(&mut Balancer, u64)| {
            self.shared.with(|farm| farm.on_node(node, act));
        };
        match fault {
            F::BalancerReload { node } => {
                on(node, &|it, now_ms| it.reload(now_ms));
                Blow::ONCE
            }
            F::StaleStateFile { node, age_ms } => {
                let saved = self.shared.with(|farm| farm.on_node(node, |it, _| it.save_state()));
                self.saved.borrow_mut().insert(place, saved);
                Blow { lasts_ms: Some(*age_ms), changed: false }
            }
            F::AgentOverrides { node, server, says, for_ms } => {
                let says = match says {
                    AgentSays::Ready => AgentWord::Ready,
                    AgentSays::Drain => AgentWord::Drain,
                };
                on(node, &|it, now_ms| it.set_agent(now_ms, server, Some(says), tag));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::OkWithoutEffect { node, for_ms } => {
                on(node, &|it, _| it.ignore_states(Some(tag)));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::ProseForError { node, prose, for_ms } => {
                let refusal = match prose {
                    Prose::PermissionDenied => Refusal::PermissionDenied,
                    Prose::NoSuchServer => Refusal::NoSuchServer,
                };
                on(node, &|it, _| it.refuse_changes(Some((refusal, tag))));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::ApiCrowded { node, wait_ms, for_ms } => {
                on(node, &|it, _| it.delay_api(Some((*wait_ms, tag))));
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            F::NodeDown { node, for_ms } | F::NodeLost { node, for_ms } => {
                on(node, &|it, now_ms| it.stop(now_ms));
                Blow::lasting(*for_ms)
            }
            F::CountersCleared { node } => {
                on(node, &|it, now_ms| _ = it.command(now_ms, "clear counters all"));
                Blow::ONCE
            }
            F::HealthFlapping { node, server, turn_ms, for_ms } => {
                on(node, &|it, now_ms| it.flap(now_ms, server, *turn_ms, now_ms + for_ms));
                Blow::lasting(*for_ms)
            }
        }
    }

    pub(super) fn end_balancer(&self, place: usize, fault: &BalancerFault) -> Over {
        use BalancerFault as F;
        let on = |node: &str, act: &dyn Fn(&mut Balancer, u64)| {
            self.shared.with(|farm| farm.on_node(node, act));
        };
        match fault {
            F::BalancerReload { .. } | F::CountersCleared { .. } => {
                unreachable!("{fault} has no end of its own")
            }
            F::StaleStateFile { node, .. } => {
                // Before what it changes is judged.
                self.recorder.ended(self.shared.now_ms(), place);
                let saved = self.saved.borrow_mut().remove(&place);
                let saved = saved.expect("what ends has begun");
                on(node, &|it, now_ms| it.reload_with(now_ms, &saved));
                self.recorder.changed(self.shared.now_ms(), place);
                return Over::ToldByOthers;
            }
            F::AgentOverrides { node, server, .. } => {
                on(node, &|it, now_ms| it.set_agent(now_ms, server, None, 0));
            }
            F::OkWithoutEffect { node, .. } => on(node, &|it, _| it.ignore_states(None)),
            F::ProseForError { node, .. } => on(node, &|it, _| it.refuse_changes(None)),
            F::ApiCrowded { node, .. } => on(node, &|it, _| it.delay_api(None)),
            F::NodeDown { node, .. } | F::NodeLost { node, .. } => {
                self.recorder.ended(self.shared.now_ms(), place);
                on(node, &|it, now_ms| it.start(now_ms));
                return Over::ToldByOthers;
            }
            F::HealthFlapping { .. } => {}
        }
        Over::Now
    }
}
