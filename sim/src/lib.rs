//! The rehearsal: Evenkeel's orchestrator, unchanged, against a simulated farm under injected faults.
//!
//! The map, from the ground up:
//!
//! * [`random`] — keyed draws: every choice of a run, from its seed.
//! * [`fabric`] — the network: hosts, links, crash, partition, time that skips.
//! * [`disk`] — the disk under the journal: lost and torn writes, full disk.
//! * [`traffic`] — the users' requests.
//! * [`nemesis`] — faults as data: the catalogue, and the schedule of a seed.
//! * [`oracle`] — what must hold on ground truth, one file per invariant.
//! * [`sabotage`] — known bugs, planted to test the harness.
//! * [`scenario`] — what is rehearsed: a plan, a farm or a scenario file.
//! * [`world`] — a farm of doubles and an orchestrator: one run.
//! * [`failure`] — a failure as a file; [`shrink`] — made small.
//! * [`profile`] — what access logs tell of a farm's load.
//! * [`tune`] — a sweep of drain and poll timing, with a recommendation.
//! * [`campaign`] — many runs; [`report`] — what is said about them; [`cli`] — the command line.
#![forbid(unsafe_code)]

pub mod campaign;
pub mod cli;
pub mod disk;
pub mod fabric;
pub mod failure;
pub mod nemesis;
pub mod oracle;
pub mod profile;
pub mod random;
pub mod report;
pub mod sabotage;
pub mod scenario;
pub mod shrink;
pub mod traffic;
pub mod tune;
pub mod world;
