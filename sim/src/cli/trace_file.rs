//! The file of a trace. A run is not stopped by a full disk: what could not be written is told after it.
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
    pub(super) fn new(path: &Path, file: File) -> Self {
        let inner = Inner { file: BufWriter::new(file), error: None };
        Self { path: path.to_owned(), inner: Rc::new(RefCell::new(inner)) }
    }

    /// Whether all of it is in the file.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn told(self) -> io::Result<()> {
        let inner = &mut *self.inner.borrow_mut();
        let written = match inner.error.take() {
            Some(error) => Err(error),
            None => inner.file.flush(),
        };
        written.map_err(|error| {
            let path = self.path.display();
            io::Error::new(error.kind(), format!("{path}: the trace is not whole: {error}"))
        })
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
