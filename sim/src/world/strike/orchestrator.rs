//! Faults of the orchestrator's own process and machine.
use std::rc::Rc;

use crate::nemesis::fault::OrchestratorFault;

use super::{Blow, Breaker, Over};
use crate::world::record::Message;

impl Breaker {
    pub(super) fn orchestrator(&self, fault: &OrchestratorFault) -> Blow {
        match fault {
            OrchestratorFault::OrchestratorCrash { away_ms, fate } => {
                self.machine.kill(*fate);
                self.recorder.send(Message::Killed(*away_ms));
                Blow::lasting(*away_ms)
            }
        }
    }

    pub(super) fn end_orchestrator(
        self: &Rc<Self>,
        place: usize,
        fault: &OrchestratorFault,
    ) -> Over {
        match fault {
            OrchestratorFault::OrchestratorCrash { .. } => {
                // Before its first word: a claim is judged by what is known to be over.
                self.recorder.ended(self.shared.now_ms(), place);
                self.start_orchestrator();
                Over::ToldByOthers
            }
        }
    }
}
