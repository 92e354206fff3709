//! The rehearsal: Evenkeel's orchestrator, unchanged, against a simulated farm under injected faults.
//!
//! * [`fabric`] — the network: hosts, links, crash, partition, time that skips.
//! * [`disk`] — the disk under the journal: lost and torn writes, full disk.
//! * [`random`] — keyed draws: every choice of a run, from its seed.
//! * [`traffic`] — the users' requests.
//! * [`nemesis`] — faults as data, and the schedule of a seed.
//! * [`oracle`] — what must hold on ground truth, one file per invariant.
//! * [`scenario`] — what is rehearsed: a plan, a farm or a scenario file.
//! * [`world`] — a farm of doubles and an orchestrator: one run.
#![forbid(unsafe_code)]

pub mod disk;
pub mod fabric;
pub mod nemesis;
pub mod oracle;
pub mod random;
pub mod scenario;
pub mod traffic;
pub mod world;
