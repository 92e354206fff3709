//! Several faults at once, by one cause.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Kind;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[];

/// Several faults at once, by one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum CorrelatedFault {}

impl CorrelatedFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match *self {}
    }
}

impl fmt::Display for CorrelatedFault {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
