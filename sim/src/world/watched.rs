//! The journal's disk, watched: tells of each record that is handed to it, before it is synced.
use std::io;
use std::rc::Rc;

use evenkeel::ports::Storage;

use crate::disk::DiskFile;

use super::record::Recorder;

/// The disk.
pub(super) struct Watched {
    file: DiskFile,
    written: Rc<dyn Fn(u64)>,
    /// Whole records in the file; `None` before they were counted.
    records: Option<u64>,
    /// Is told how many of them are durable.
    recorder: Recorder,
}

impl Watched {
    /// `written` is told which record it was, counted from 1.
    pub(super) fn new(file: DiskFile, written: Rc<dyn Fn(u64)>, recorder: Recorder) -> Self {
        Self { file, written, records: None, recorder }
    }
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Storage for Watched {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = match self.records {
            Some(records) => records,
            None => lines(&self.file.read()?),
        };
        self.file.append(bytes)?;
        let after = before + lines(bytes);
        self.records = Some(after);
        (before + 1..=after).for_each(|nth| (self.written)(nth));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()?;
        let records = match self.records {
            Some(records) => records,
            None => lines(&self.file.read()?),
        };
        self.recorder.durable(records);
        Ok(())
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        self.file.read()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.records = None;
        self.file.truncate(length)
    }
}
