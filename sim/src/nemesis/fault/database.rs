//! Faults of the shared database, and of the controller.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Kind;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[];

/// Faults of the shared database, and of the controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DatabaseFault {}

impl DatabaseFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match *self {}
    }
}

impl fmt::Display for DatabaseFault {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
