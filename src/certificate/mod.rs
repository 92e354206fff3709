//! The certificate: what a rehearsal found, bound to the plan and the program that it rehearsed.
//!
//! `evenkeel-sim rehearse --certificate FILE` writes one, `evenkeel apply --require-rehearsal FILE`
//! wants one. It guards against mistakes: another plan, an older program, a red campaign, a
//! rehearsal of last year. It does not guard against forgery: whoever can write the file can write
//! any other, and its hash with it.
//!
//! * [`file`] — how it is written and read.
//! * [`judge`] — what speaks against it.
pub mod file;
pub mod judge;
mod program;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::farm::hex;

pub use file::{FileError, load};
pub use judge::{Demand, Objection};
pub use program::Program;

/// Version of the certificate's format. The first said nothing of gaps.
pub const FORMAT: u32 = 2;

/// What one campaign of rehearsals found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Version of this format.
    pub format: u32,
    /// Hash of the plan, as its file has it. A farm or scenario file was rehearsed by the plan
    /// that `evenkeel plan` makes of it.
    pub plan_hash: String,
    /// The program that was rehearsed.
    pub program: Program,
    /// The file that was given to `rehearse`.
    pub scenario: Source,
    /// Its `--faults`.
    pub faults: String,
    /// Its seeds.
    pub seeds: Seeds,
    /// How the runs ended.
    pub verdicts: Verdicts,
    /// Simulated time of all runs, in milliseconds.
    pub simulated_ms: u64,
    /// Runs by family of faults that struck in them.
    pub struck: BTreeMap<String, u64>,
    /// How much of what a campaign of its size and faults should reach it did not: a family that
    /// struck too rarely, a step in which one changed nothing, a situation that never came about.
    pub gaps: u64,
    /// When the campaign ended, wall time.
    pub rehearsed_at: Timestamp,
}

/// A file, and what was in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its path as it was given.
    pub file: String,
    /// SHA-256 of its bytes, in hex.
    pub hash: String,
}

/// Seeds, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// How many; each of them was run to its end.
    pub count: u64,
}

/// How runs ended. The rest ended otherwise: aborted by a person, or refused before step 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdicts {
    /// Upgraded, and as it was before.
    pub done: u64,
    /// Held for a person.
    pub held: u64,
    /// Broke an invariant, however they ended.
    pub violated: u64,
}

/// SHA-256 of bytes, in hex: what [`Source`] and the journal name a file by.
#[must_use]
pub fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
