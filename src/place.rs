//! A file that is going to be written, whole or not at all.
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A place where something is going to be written, perhaps after long work: that it can be is known
/// before, and what is there stays whole until then.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl Place {
    /// Makes sure that a file can be written there. A link stays one: what it leads to is written.
    ///
    /// # Errors
    /// It cannot; what is there is no file; or somebody else is about to write it.
    pub fn reserve(path: &Path) -> io::Result<Self> {
        let leads_nowhere = path.is_symlink() && !path.exists();
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if leads_nowhere || (path.exists() && !path.is_file()) {
            return Err(io::Error::other("what is there is no regular file"));
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        // One that a process of the same number has left behind is nobody's.
        let file = File::options().write(true).create(true).truncate(false).open(&beside)?;
        file.try_lock().map_err(|_| io::Error::other("somebody is about to write it already"))?;
        file.set_len(0)?;
        Ok(Self { path, beside, file })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nothing is lost that is no file of ours. Method: a folder, a device, a link, a neighbour
    /// whose name looks like ours, and the same place twice.
    #[test]
    fn what_is_there_stays_what_it_is() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = |name: &str| folder.path().join(name);
        assert!(Place::reserve(folder.path()).is_err());
        assert!(Place::reserve(Path::new("/dev/null")).is_err());
        fs::write(path("target"), "old").unwrap();
        fs::write(path("target.new"), "theirs").unwrap();
        std::os::unix::fs::symlink(path("target"), path("link")).unwrap();
        let place = Place::reserve(&path("link")).expect("it can be written");
        assert!(Place::reserve(&path("target")).is_err(), "twice");
        place.save("new").expect("it can be written");
        assert!(path("link").is_symlink());
        assert_eq!(fs::read_to_string(path("target")).unwrap(), "new");
        assert_eq!(fs::read_to_string(path("target.new")).unwrap(), "theirs");
        drop(Place::reserve(&path("dropped")).expect("it can be written"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
