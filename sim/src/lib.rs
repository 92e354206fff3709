//! The rehearsal: Evenkeel's orchestrator, unchanged, against a simulated farm under injected faults.
#![forbid(unsafe_code)]

pub mod nemesis;
pub mod oracle;
pub mod random;
pub mod traffic;
