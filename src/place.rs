//! A file that is going to be written, whole or not at all.
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A place where something is going to be written after long work: that it can be is known before,
/// and what is there stays whole until then.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl Place {
    /// Makes sure that a file can be written there.
    ///
    /// # Errors
    /// It cannot.
    pub fn reserve(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let file = File::create(&beside)?;
        Ok(Self { path: path.to_owned(), beside, file })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written after all: the disk is full, or the folder is gone.
    pub fn save(mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.beside);
    }
}
