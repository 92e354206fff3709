//! The rehearsal: Evenkeel's orchestrator against a simulated farm, under injected faults.
//!
//! * [`fabric`] — time-skipping network over turmoil-net: hosts, links, crash, partition.
//! * [`random`] — keyed randomness: a draw depends on its name, never on what was drawn before.
#![forbid(unsafe_code)]

pub mod fabric;
pub mod random;
