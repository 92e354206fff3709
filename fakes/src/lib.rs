//! Test doubles of an OutSystems farm. They depend on nothing of Evenkeel's orchestrator, so that a
//! wrong belief in an adapter is not repeated here.
//!
//! * [`spec`] — the small reader of farm files: what the doubles need of one.
//! * [`truth`] — the variants: what the public documents leave open, one choice each.
//! * [`ledger`] — ground truth: every change of state, in order, for an oracle or a person.
//! * [`farm`] — all doubles of one farm behind one clock.
//! * [`balancer`] — HAProxy in HTTP mode: state machine, runtime API, proxy.
//! * [`service_center`] — the console and its SOAP services, one instance per front-end.
//! * [`front_end`] — services, installer, deployment, pings, application, shell.
//! * [`database`] — what all of them share.
//! * [`trouble`] — what goes wrong with consoles, controller and database for a while.
//! * [`http`] — requests in, answers out: HTTP/1.1 over any stream.
//! * [`program`] — the `evenkeel-fakes` program.
//! * [`listen`] — the trait over which the doubles are served: tokio or a simulated network.
#![forbid(unsafe_code)]

pub mod balancer;
pub mod database;
pub mod farm;
pub mod front_end;
pub mod http;
pub mod ledger;
pub mod listen;
pub mod program;
pub mod service_center;
pub mod spec;
pub mod trouble;
pub mod truth;
