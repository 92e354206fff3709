//! What goes wrong, as data: faults, what triggers them, and the schedule of one run.
//!
//! * [`fault`] — the catalogue: one file a family, each fault with its reason and its source.
//! * [`trigger`] — when a fault strikes: at an instant or, better, at a happening.
//! * [`schedule`] — the faults of one run, which round-trip through TOML.
//! * [`choice`] — which faults a campaign may use.
//! * [`draw`] — a schedule from a seed: a random subset of families, aimed by step and by effect.
//! * [`watch`] — tells when a trigger has come.
//! * [`atlas`] — what may not be injected, since nobody could survive it.
//!
//! A fault is aimed at a happening (an effect about to leave, a job that began) rather than at an
//! instant: nearly all of the time of an upgrade is spent waiting for installers, and nearly all
//! of the danger is not.
pub mod atlas;
pub mod choice;
pub mod draw;
pub mod fault;
pub mod schedule;
pub mod trigger;
pub mod watch;

pub use choice::{Choice, Source};
pub use fault::{Family, Fault, Kind};
pub use schedule::{Planned, Schedule};
pub use trigger::{Effect, Trigger};

#[cfg(test)]
mod tests;
