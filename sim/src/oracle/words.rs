//! What the words of ground truth mean: kinds of jobs, exit codes, versions.
use evenkeel::farm::Version;

/// Kinds of jobs after whose start a server counts as touched. `ensure-deployment-service` only
/// starts a service, and `publish` changes applications through the Deployment Services.
pub(super) fn changes_software(kind: &str) -> bool {
    kind != ENSURE
}

/// A job has done its work, be it that it wants a reboot after it.
pub(super) fn ended_well(code: Option<i32>) -> bool {
    matches!(code, Some(0 | 3010 | 3011))
}

/// The kind of job that starts a Deployment Service.
pub(super) const ENSURE: &str = "ensure-deployment-service";

/// The kind of job that replaces the console.
pub(super) const CONSOLE_INSTALL: &str = "service-center-install";

/// The kind of job that publishes the applications for the new version.
pub(super) const PUBLISH: &str = "publish";

/// Two texts mean the same version.
#[must_use]
pub fn same_version(a: &str, b: &str) -> bool {
    // Nearly always they are alike to the letter.
    a == b || matches!((a.parse::<Version>(), b.parse::<Version>()), (Ok(a), Ok(b)) if a == b)
}
