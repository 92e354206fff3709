//! The world of a production run: this machine's clock, names and lock folders.
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::journal::lock::{self, Holder, LockError};
use crate::ports::WallClock;

/// This machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[allow(clippy::disallowed_methods)] // this is the port through which all others read it
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // Finer digits tell people nothing. Outside the range of years there is nothing to round.
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// The user who runs the command, also behind `sudo`: who decided, where `--as` says nothing.
pub(crate) fn user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("SUDO_USER"), variable("USER").or_else(|| variable("LOGNAME"))) {
        (Some(person), Some(user)) => format!("{person} (as {user})"),
        (Some(user), None) | (None, Some(user)) => user,
        (None, None) => "an unnamed user".to_owned(),
    }
}

/// This process, as the holder of a farm.
pub(crate) fn this_process(plan: &Path) -> Holder {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty());
    Holder {
        pid: std::process::id(),
        host: host.unwrap_or_else(|| "this machine".to_owned()),
        user: user(),
        plan: plan.to_owned(),
        since: SystemClock.now(),
    }
}

/// The folders in which this user's locks live.
///
/// # Errors
/// A folder cannot be made, or is not the user's own.
pub(crate) fn lock_folders() -> Result<Vec<PathBuf>, LockError> {
    lock::folders(|name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from))
}
