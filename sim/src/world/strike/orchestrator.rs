//! Faults of the orchestrator's own process and machine.
use std::rc::Rc;

use crate::nemesis::fault::OrchestratorFault;

use super::{Blow, Breaker, Over};
use crate::world::record::Message;

/// Whoever starts a second process.
const WHO: &str = "somebody else";
/// What comes of it.
const REFUSED: &str = "the second orchestrator is refused by the lock of the first; what it asked \
                       for is posted";

impl Breaker {
    pub(super) fn orchestrator(&self, place: usize, fault: &OrchestratorFault) -> Blow {
        match fault {
            OrchestratorFault::OrchestratorCrash { away_ms, fate }
            | OrchestratorFault::CrashWhileWriting { away_ms, fate }
            | OrchestratorFault::CrashDuringResume { away_ms, fate } => {
                for stood in self.machine.kill(*fate) {
                    self.recorder.ended(self.shared.now_ms(), stood);
                }
                self.away(*away_ms);
                // Its tasks are dropped first, so that nobody starts it again in the same instant.
                Blow::lasting((*away_ms).max(1))
            }
            OrchestratorFault::Pause { for_ms } => {
                self.stand_still(place, *for_ms);
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
                let request = self.machine.refuse_another(WHO);
                self.recorder.asked(self.shared.now_ms(), place, request);
                self.recorder.note(self.shared.now_ms(), REFUSED);
                if *first_stands_ms > 0 {
                    self.stand_still(place, *first_stands_ms);
                }
                let lasts_ms = Some(*first_stands_ms).filter(|ms| *ms > 0);
                Blow { lasts_ms, changed: false }
            }
        }
    }

    /// The machine stands still for so long, or for longer because of another fault.
    fn stand_still(&self, place: usize, for_ms: u64) {
        self.machine.freeze(place, self.shared.now_ms() + for_ms);
        self.away(for_ms);
    }

    /// Nobody protects and nothing goes on for so long, or for as long as the machine stands still:
    /// that counts for no hold.
    fn away(&self, for_ms: u64) {
        let now_ms = self.shared.now_ms();
        let until_ms = self.machine.stands_until_ms().max(now_ms + for_ms);
        self.recorder.send(Message::Away(until_ms - now_ms));
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
                match self.machine.thaw(place) {
                    true => Over::Now,
                    // It was over when the process was killed.
                    false => Over::ToldByOthers,
                }
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
