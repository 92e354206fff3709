//! Faults of the orchestrator's own process and machine.
use std::rc::Rc;

use crate::nemesis::fault::OrchestratorFault;

use super::{Blow, Breaker, Over};
use crate::world::record::Message;

/// Whoever starts a second process.
const WHO: &str = "somebody else";

impl Breaker {
    pub(super) fn orchestrator(&self, place: usize, fault: &OrchestratorFault) -> Blow {
        match fault {
            OrchestratorFault::OrchestratorCrash { away_ms, fate }
            | OrchestratorFault::CrashWhileWriting { away_ms, fate }
            | OrchestratorFault::CrashDuringResume { away_ms, fate } => {
                self.machine.kill(*fate);
                self.away(*away_ms);
                // Its tasks are dropped first, so that nobody starts it again in the same instant.
                Blow::lasting((*away_ms).max(1))
            }
            OrchestratorFault::Pause { for_ms } => {
                self.machine.freeze();
                self.away(*for_ms);
                Blow::lasting(*for_ms)
            }
            OrchestratorFault::ClockJump { by_s } => {
                self.machine.set_clock_off_by(by_s * 1_000);
                Blow::ONCE
            }
            OrchestratorFault::DiskFull { room_bytes, for_ms } => {
                self.machine.break_disk(place, Some(*room_bytes));
                self.away(*for_ms);
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            OrchestratorFault::SyncFails { for_ms } => {
                self.machine.break_disk(place, None);
                self.away(*for_ms);
                Blow { lasts_ms: Some(*for_ms), changed: false }
            }
            OrchestratorFault::SecondOrchestrator { first_stands_ms } => {
                let request = self.machine.start_another(WHO);
                self.recorder.asked(self.shared.now_ms(), place, request);
                if *first_stands_ms > 0 {
                    self.machine.freeze();
                    self.away(*first_stands_ms);
                }
                let lasts_ms = Some(*first_stands_ms).filter(|ms| *ms > 0);
                Blow { lasts_ms, changed: false }
            }
        }
    }

    /// Nobody protects and nothing goes on for so long: that counts for no hold.
    fn away(&self, for_ms: u64) {
        self.recorder.send(Message::Away(for_ms));
    }

    pub(super) fn end_orchestrator(
        self: &Rc<Self>,
        place: usize,
        fault: &OrchestratorFault,
    ) -> Over {
        match fault {
            OrchestratorFault::OrchestratorCrash { .. }
            | OrchestratorFault::CrashWhileWriting { .. }
            | OrchestratorFault::CrashDuringResume { .. } => {
                // Before its first word: a claim is judged by what is known to be over.
                self.recorder.ended(self.shared.now_ms(), place);
                self.start_orchestrator();
                Over::ToldByOthers
            }
            OrchestratorFault::Pause { .. } | OrchestratorFault::SecondOrchestrator { .. } => {
                self.machine.thaw();
                Over::Now
            }
            OrchestratorFault::DiskFull { .. } | OrchestratorFault::SyncFails { .. } => {
                self.recorder.ended(self.shared.now_ms(), place);
                if self.machine.mend_disk(place) {
                    self.start_orchestrator();
                }
                Over::ToldByOthers
            }
            OrchestratorFault::ClockJump { .. } => {
                unreachable!("{fault} has no end of its own")
            }
        }
    }
}
