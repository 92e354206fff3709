//! Faults as stories tell them.
use super::*;

pub(super) fn crash(n: u32) -> Fault {
    Fault::FrontEnd(FrontEndFault::FrontEndCrash { server: fe(n), back_after_ms: None })
}

pub(super) fn failing_installer(n: u32) -> Fault {
    let job = JobKind::FrontEndUpgrade;
    Fault::FrontEnd(FrontEndFault::InstallerFails { server: fe(n), job, code: 2, times: 1 })
}

pub(super) fn away() -> Fault {
    Fault::Orchestrator(OrchestratorFault::OrchestratorCrash { away_ms: 1, fate: Fate::default() })
}
