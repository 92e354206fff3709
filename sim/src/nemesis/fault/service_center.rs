//! Faults of Service Center.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Kind;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[];

/// Faults of Service Center.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ServiceCenterFault {}

impl ServiceCenterFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match *self {}
    }
}

impl fmt::Display for ServiceCenterFault {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
