//! The network of a rehearsal, claim by claim.
//!
//! Each test builds the smallest network that shows its claim: mostly a client at 10.0.0.1 and a
//! server at 10.0.0.2 over links of 1 ms.
mod connections;
mod crash;
mod determinism;
mod dice;
mod linux;
mod losses;
mod mishaps;
mod partitions;
mod runs;
mod support;
mod yields;
