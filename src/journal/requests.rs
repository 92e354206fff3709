//! People's requests to a run, as files in its folder: how one process asks another.
//!
//! A request is written under a temporary name, synced, and renamed into `requests/`, so that a
//! reader never sees half of one. Names sort by the instant of asking.
//!
//! **Delivered at least once.** [`FolderInbox::take`] returns a request and leaves its file where
//! it is; the file goes at the *next* take. By then the drive has made the decision durable
//! (`Decided`, or the notice that it is not possible), because it records what it took before it
//! asks again. A crash in between leaves the file, and the next process takes it once more: the
//! drive ignores a request whose identical `Decided` is in the journal already. Requests are
//! identical when all their fields are, and one carries the instant of its making.
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Request;
use super::file::sync_folder_of;
use super::run_folder::{RunFolder, make_private};
use crate::ports;

/// Longest request that is read: a few names and a ticket, with room to spare.
pub const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// Most requests taken at once; the rest come with the next take.
const REQUESTS_PER_TAKE_MAX: usize = 64;

/// Where requests that cannot be read are put, inside the folder.
const REFUSED: &str = "refused";

/// Delivers a request into a run's folder; durable when it returns. The folder must exist.
///
/// # Errors
/// The disk says no.
pub fn deliver(folder: &RunFolder, request: &Request) -> io::Result<PathBuf> {
    // Requests of one call may bear one instant: the count keeps their order.
    static DELIVERED: AtomicU32 = AtomicU32::new(0);
    let count = DELIVERED.fetch_add(1, Ordering::Relaxed);
    let requests = folder.requests();
    let name =
        format!("{:020}-{}-{count:04}", request.at.as_nanosecond().max(0), std::process::id());
    let temporary = requests.join(format!(".{name}.part"));
    let path = requests.join(format!("{name}.json"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let text = serde_json::to_vec(request).expect("a request's fields all have a JSON form");
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, &path)) {
        // The disk may be too full to write, but not to clean up; what stays is never read.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder_of(&path)?;
    Ok(path)
}

/// Takes requests out of a run's folder.
#[derive(Debug)]
pub struct FolderInbox {
    folder: PathBuf,
    /// Returned by the last take; removed by the next.
    taken: BTreeSet<PathBuf>,
}

impl FolderInbox {
    /// An inbox over a run's folder, which must exist.
    #[must_use]
    pub fn new(folder: &RunFolder) -> Self {
        Self { folder: folder.requests(), taken: BTreeSet::new() }
    }

    fn remove_taken(&mut self) -> io::Result<()> {
        let Some(first) = self.taken.first() else { return Ok(()) };
        for path in &self.taken {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync_folder_of(first)?;
        self.taken.clear();
        Ok(())
    }

    /// Every request file by name, which is by age.
    fn arrived(&self) -> io::Result<BTreeSet<PathBuf>> {
        let mut arrived = BTreeSet::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let hidden =
                path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.extension().is_some_and(|ending| ending == "json") {
                arrived.insert(path);
            }
        }
        Ok(arrived)
    }

    /// Puts a file that is no request out of the way, so that it is told once and never fatal.
    fn refuse(&self, path: &Path, why: &str) {
        let aside = self.folder.join(REFUSED);
        let moved = make_private(&aside)
            .and_then(|()| fs::rename(path, aside.join(path.file_name().unwrap_or_default())));
        match moved {
            Ok(()) => tracing::warn!(
                file = %path.display(),
                "this is no request ({why}); it was moved to {}", aside.display()
            ),
            Err(error) => tracing::warn!(
                file = %path.display(),
                "this is no request ({why}), and cannot be moved aside: {error}; remove it"
            ),
        }
    }
}

impl ports::Inbox for FolderInbox {
    fn take(&mut self) -> io::Result<Vec<Request>> {
        self.remove_taken()?;
        let mut requests = Vec::new();
        for path in self.arrived()?.into_iter().take(REQUESTS_PER_TAKE_MAX) {
            match read(&path) {
                Ok(request) => {
                    requests.push(request);
                    self.taken.insert(path);
                }
                Err(why) => self.refuse(&path, &why),
            }
        }
        Ok(requests)
    }
}

fn read(path: &Path) -> Result<Request, String> {
    let found = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    // A pipe would block the loop for ever, and a link could lead anywhere.
    if !found.is_file() {
        return Err("it is no plain file".into());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(REQUEST_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > REQUEST_BYTES_MAX {
        return Err(format!("it is longer than {REQUEST_BYTES_MAX} bytes"));
    }
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}
