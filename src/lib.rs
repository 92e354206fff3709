//! Evenkeel: upgrades OutSystems Platform Server on a highly loaded farm with no downtime.
//!
//! The map, in the order a run goes through it:
//!
//! * [`names`] — newtypes for the names a farm file gives to things.
//! * [`farm`] — the farm file: model, parsing, validation.
//! * [`plan`] — the split, capacity in each phase, hazards, the plan file.
//! * [`procedure`] — pure: what is known, what is true of it, what to do next. No I/O, no clock.
//! * [`drive`] — the loop around the procedure: observe, decide, guard, start, record.
//! * [`certificate`] — what a rehearsal found, bound to a plan and a program.
//! * [`journal`] — what was intended and what came of it, durably.
//! * [`place`] — a file that is written whole, or not at all.
//! * [`ports`] — the traits through which the drive reaches the world.
//! * [`net`], [`http`], [`secret`] — what the adapters share: connections, exchanges, secrets.
//! * [`balancer`], [`service_center`], [`host`], [`probe`] — adapters, real protocols.
//! * [`runbook`] — the procedure written out for people, with the farm's own names.
//! * [`cli`] — the command line, one file per subcommand.
#![forbid(unsafe_code)]

pub mod balancer;
pub mod certificate;
pub mod cli;
pub mod drive;
pub mod farm;
pub mod host;
pub mod http;
pub mod journal;
pub mod names;
pub mod net;
pub mod place;
pub mod plan;
pub mod ports;
pub mod probe;
pub mod procedure;
pub mod runbook;
pub mod secret;
pub mod service_center;
