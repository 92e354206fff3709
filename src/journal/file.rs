//! The journal on a real disk: an append-only file that only its owner can read.
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::ports::Storage;

/// Longest journal that is read. A run of a large farm writes a few megabytes; a gigabyte is no
/// journal of ours.
pub const JOURNAL_BYTES_MAX: u64 = 1 << 30;

/// An append-only file, locked for as long as it is open.
#[derive(Debug)]
pub struct FileStorage {
    file: File,
}

impl FileStorage {
    /// Opens the file, or creates it (mode 0600) and makes its name durable.
    ///
    /// The file itself is locked too, beside the farm's lock: two processes that were given
    /// different lock folders must still not write one journal.
    ///
    /// # Errors
    /// The disk says no; `WouldBlock` when another process has it open for writing.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o600);
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create_new(true).open(path)?;
                file.sync_all()?;
                sync_folder_of(path)?;
                file
            }
            other => other?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("another process is writing {}", path.display()),
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for FileStorage {
    /// Closing is not enough: a command that is being started shares the open file until its program
    /// begins, and would hold the lock for that moment.
    fn drop(&mut self) {
        let _closing_is_next = self.file.unlock();
    }
}

impl Storage for FileStorage {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        use std::io::Seek as _;
        let mut file = &self.file;
        file.rewind()?;
        read_bounded(file)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

/// Reads a journal that somebody else may be writing; `None` when there is none.
///
/// # Errors
/// The disk says no, or the file is longer than [`JOURNAL_BYTES_MAX`].
pub fn read_only(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match File::open(path) {
        Ok(file) => read_bounded(&file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_bounded(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(JOURNAL_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > JOURNAL_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {JOURNAL_BYTES_MAX} bytes: this is no journal of a run"),
        ));
    }
    Ok(bytes)
}

/// Makes a new, renamed or removed name durable.
///
/// # Errors
/// The disk says no.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
