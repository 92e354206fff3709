//! One writer: a lock for each farm, which names its holder and dies with its process.
//!
//! It is an advisory lock of the operating system on a file, so a killed process leaves none
//! behind, and nothing is ever judged by age or by a process number that may have been used again.
//! Where several people run upgrades from one machine, each under an account of their own,
//! `EVENKEEL_LOCK_DIR` names a folder that they share; by default the folder is the user's own.
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::run_folder::{make_private, own_uid};

/// Who holds a farm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// The machine it runs on.
    pub host: String,
    /// The user.
    pub user: String,
    /// The plan it carries out.
    pub plan: PathBuf,
    /// Since when, wall time.
    pub since: Timestamp,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, host, user, plan, since } = self;
        let plan = plan.display();
        write!(f, "process {pid} of {user} on {host}, carrying out {plan} since {since:.0}")
    }
}

/// Why a farm's lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("farm {farm} is held by {}", holder_words(.holder.as_deref()))]
    Held {
        /// The farm.
        farm: String,
        /// Who; `None` in the instant before it has written its name.
        holder: Option<Box<Holder>>,
    },
    /// The lock's file or folder cannot be used.
    #[error("the lock {} cannot be used: {error}", .path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

fn holder_words(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "a process that has only just begun".to_owned(), Holder::to_string)
}

/// A held lock; dropping it, or the death of the process, releases it.
#[derive(Debug)]
pub struct FarmLock {
    files: Vec<File>,
}

impl FarmLock {
    /// Takes a farm's lock in every one of the folders, and writes the holder's name into it.
    ///
    /// # Errors
    /// Somebody holds it, or a file cannot be used.
    pub fn acquire(folders: &[PathBuf], farm: &str, holder: &Holder) -> Result<Self, LockError> {
        assert!(!folders.is_empty(), "a lock lives somewhere");
        let mut lock = Self { files: Vec::with_capacity(folders.len()) };
        for folder in folders {
            let path = folder.join(file_name(farm));
            let unusable = |error| LockError::Unusable { path: path.clone(), error };
            let (file, writable) = open(&path).map_err(unusable)?;
            match try_lock(&file) {
                Ok(()) if writable => {}
                Ok(()) => return Err(unusable(io::ErrorKind::PermissionDenied.into())),
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&file).map(Box::new);
                    return Err(LockError::Held { farm: farm.to_owned(), holder });
                }
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
            write_holder(&file, holder).map_err(unusable)?;
            lock.files.push(file);
        }
        Ok(lock)
    }

    /// Who holds a farm's lock now; `None` when nobody does.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn held_by(folders: &[PathBuf], farm: &str) -> Result<Option<LockError>, LockError> {
        for folder in folders {
            let path = folder.join(file_name(farm));
            let unusable = |error| LockError::Unusable { path: path.clone(), error };
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unusable(error)),
            };
            // A shared lock does not get in another looker's way, and is let go at once.
            match file.try_lock_shared() {
                Ok(()) => file.unlock().map_err(unusable)?,
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&file).map(Box::new);
                    return Ok(Some(LockError::Held { farm: farm.to_owned(), holder }));
                }
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
        Ok(None)
    }
}

impl Drop for FarmLock {
    fn drop(&mut self) {
        for file in &self.files {
            // The next one to come must not read our name in the instant before it writes its own.
            // When it fails that name is stale for that instant, which harms nobody.
            let _ = file.set_len(0);
            // Closing is not enough: a command that is being started shares the open file until its
            // program begins, and would hold the lock for that moment.
            let _ = file.unlock();
        }
    }
}

/// The folders in which locks live, made and checked: `EVENKEEL_LOCK_DIR` alone when it is set;
/// else `/tmp/evenkeel-UID`, and `$XDG_RUNTIME_DIR/evenkeel` too where there is one: a session
/// has that variable and a service or `sudo` often has not, and the two must meet.
///
/// # Errors
/// A folder cannot be made, or is not the user's own.
pub fn folders(environment: impl Fn(&str) -> Option<PathBuf>) -> Result<Vec<PathBuf>, LockError> {
    let unusable = |path: &Path, error| LockError::Unusable { path: path.to_owned(), error };
    if let Some(folder) = environment("EVENKEEL_LOCK_DIR") {
        if !folder.is_dir() {
            make_private(&folder).map_err(|error| unusable(&folder, error))?;
        }
        return Ok(vec![folder]);
    }
    // Not TMPDIR, which may differ between two sessions of one user.
    let temporary = Path::new("/tmp");
    let uid = own_uid(temporary).map_err(|error| unusable(temporary, error))?;
    let mut folders = vec![temporary.join(format!("evenkeel-{uid}"))];
    folders.extend(
        environment("XDG_RUNTIME_DIR").filter(|it| it.is_dir()).map(|it| it.join("evenkeel")),
    );
    for folder in &folders {
        make_private(folder).map_err(|error| unusable(folder, error))?;
    }
    Ok(folders)
}

/// A farm's lock file: names that a file cannot have are spelt in percent signs.
fn file_name(farm: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut name = String::with_capacity(farm.len() + 5);
    for byte in farm.bytes() {
        if plain(byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    name + ".lock"
}

/// Opens a lock file, making it when there is none. The second value is false when it is another
/// user's: good for seeing who holds it, not for holding it.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    // What a shared folder lets others do is for its umask to say; the user's own is 0700.
    options.read(true).write(true).mode(0o666);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match options.clone().create_new(true).open(path) {
                // Somebody made it at this very moment.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Ok((options.open(path)?, true))
                }
                made => Ok((made?, true)),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok((File::open(path)?, false))
        }
        opened => Ok((opened?, true)),
    }
}

/// Takes the lock. A second look after a moment tells a holder from somebody who only looked
/// ([`FarmLock::held_by`]), which takes microseconds.
#[allow(clippy::disallowed_methods)] // before a run begins, on a real machine: no simulated time
fn try_lock(file: &File) -> Result<(), TryLockError> {
    const LOOKS: u32 = 5;
    const BETWEEN_LOOKS: std::time::Duration = std::time::Duration::from_millis(10);
    for _ in 1..LOOKS {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_LOOKS),
            other => return other,
        }
    }
    file.try_lock()
}

fn write_holder(mut file: &File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_string(holder).expect("a holder's fields all have a JSON form");
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{text}")
}

fn read_holder(mut file: &File) -> Option<Holder> {
    // Far longer than any holder's line: a longer file is not ours to read.
    const HOLDER_BYTES_MAX: u64 = 64 * 1024;
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
