//! Which program this is, as exactly as a build can tell (`build.rs`).
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::farm::short;

/// A build of the orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The package's version.
    pub version: String,
    /// SHA-256 over the orchestrator's sources and the versions of its libraries, in hex.
    pub sources: String,
    /// The commit that last changed them, for people; unknown when it was built outside of its
    /// repository, or from sources that were of no commit yet.
    pub commit: Option<String>,
}

impl Program {
    /// The program that runs.
    #[must_use]
    pub fn this() -> Self {
        let commit = env!("EVENKEEL_COMMIT");
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sources: env!("EVENKEEL_SOURCES").to_owned(),
            commit: (!commit.is_empty()).then(|| commit.to_owned()),
        }
    }

    /// Whether both are built from the same. The commit does not count: the same sources are the
    /// same program, from a clone or an archive, before they are committed or after.
    #[must_use]
    pub fn is_built_as(&self, other: &Self) -> bool {
        (&self.version, &self.sources) == (&other.version, &other.sources)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.commit.as_deref().map_or("unknown", short);
        let sources = short(&self.sources);
        write!(f, "evenkeel {} (sources {sources}, commit {commit})", self.version)
    }
}
