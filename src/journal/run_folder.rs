//! A run's folder beside its plan, `PLAN.run/`: the journal and people's requests.
//!
//! Whoever can write into it can approve the commit of an upgrade, so it belongs to one user.
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::file::{self, FileStorage};
use super::{JournalError, Record};

/// The folder of one plan's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder that belongs to a plan file; it need not exist yet.
    #[must_use]
    pub fn of(plan: &Path) -> Self {
        let mut path = plan.as_os_str().to_owned();
        path.push(".run");
        Self { path: path.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the journal is.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// Where requests are put.
    #[must_use]
    pub fn requests(&self) -> PathBuf {
        self.path.join("requests")
    }

    /// Makes the folder and its parts, or checks that they are ours alone.
    ///
    /// # Errors
    /// The disk says no; `PermissionDenied` when somebody else could write into it.
    pub fn create(&self) -> io::Result<()> {
        make_private(&self.path)?;
        make_private(&self.requests())
    }

    /// Opens the journal for writing; the caller holds the farm's lock.
    ///
    /// # Errors
    /// The disk says no, or another process writes it.
    pub fn open_journal(&self) -> io::Result<FileStorage> {
        FileStorage::open(&self.journal())
    }

    /// Reads the journal without taking it up: what it holds, and whether its last line is not
    /// whole. Empty when the run was never begun.
    ///
    /// # Errors
    /// The disk says no, or a record is damaged.
    pub fn read_journal(&self) -> Result<(Vec<Record>, bool), JournalError> {
        match file::read_only(&self.journal())? {
            Some(bytes) => super::read(&bytes),
            None => Ok((Vec::new(), false)),
        }
    }

    /// The journal's length in bytes, 0 when there is none: whether there is anything new to read.
    ///
    /// # Errors
    /// The disk says no.
    pub fn journal_bytes(&self) -> io::Result<u64> {
        match fs::metadata(self.journal()) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Makes a folder that only its owner can use (mode 0700), or checks that an existing one is so.
///
/// # Errors
/// The disk says no; `PermissionDenied` when it is no folder, belongs to somebody else, or is
/// open to others.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return file::sync_folder_of(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let refuse = |why: &str| {
        let why = format!("{} {why}", folder.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    };
    // The name itself: a link could lead anywhere.
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return refuse("is in the way: it is no folder");
    }
    if found.uid() != own_uid(folder)? {
        return refuse("belongs to another user");
    }
    if found.mode() & 0o077 != 0 {
        return refuse(
            "is open to other users; `chmod 700` it once you have checked what is in it",
        );
    }
    Ok(())
}

/// Our effective user id, by making a file and seeing whose it is: safe code has no other way
/// that works on every UNIX.
///
/// # Errors
/// The disk says no.
pub(super) fn own_uid(folder: &Path) -> io::Result<u32> {
    static PROBES: AtomicU32 = AtomicU32::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let probe = folder.join(format!(".evenkeel-whose-{}-{number}", std::process::id()));
    match fs::remove_file(&probe) {
        // A process of the same number that died before us may have left it.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let made = File::create_new(&probe)?.metadata();
    fs::remove_file(&probe)?;
    Ok(made?.uid())
}
