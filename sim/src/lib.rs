//! The rehearsal: Evenkeel's orchestrator, unchanged, against a simulated farm under injected faults.
#![forbid(unsafe_code)]

pub mod disk;
