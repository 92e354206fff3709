//! The file of a trace. A run is not stopped by a full disk: what could not be written is told after it.
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::scenario::Scenario;

use super::Exit;
use super::output::spare;

/// A trace's file, shared by the run that writes it and whoever tells how that went.
#[derive(Clone)]
pub(super) struct TraceFile {
    path: PathBuf,
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    file: BufWriter<File>,
    /// The first error, after which nothing is written.
    error: Option<io::Error>,
}

impl TraceFile {
    /// Where a trace is written, if anywhere. What is there is gone from then on.
    pub(super) fn open(path: Option<&Path>, scenario: &Scenario) -> Result<Option<Self>, Exit> {
        let Some(path) = path else { return Ok(None) };
        spare(path, scenario)?;
        match File::create(path) {
            Ok(file) => {
                let inner = Inner { file: BufWriter::new(file), error: None };
                let inner = Rc::new(RefCell::new(inner));
                Ok(Some(Self { path: path.to_owned(), inner }))
            }
            Err(error) => {
                eprintln!(
                    "{}: the trace cannot be written: {error}; nothing was run. Give another path",
                    path.display()
                );
                Err(Exit::Failed)
            }
        }
    }

    /// Says when not all of it is in the file.
    pub(super) fn close(self) -> Exit {
        let inner = &mut *self.inner.borrow_mut();
        let written = match inner.error.take() {
            Some(error) => Err(error),
            None => inner.file.flush(),
        };
        match written {
            Ok(()) => Exit::Good,
            Err(error) => {
                eprintln!(
                    "{}: the trace is not whole: {error}. The same seed writes it again",
                    self.path.display()
                );
                Exit::Failed
            }
        }
    }
}

impl Write for TraceFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.error.is_none() {
            inner.error = inner.file.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
