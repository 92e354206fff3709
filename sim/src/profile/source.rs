//! A log on disk, plain or gzip, as bytes.
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// What gzip files begin with (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What is read of a compressed file at a time.
const COMPRESSED_BYTES: usize = 64 << 10;

/// Opens a log; `counted` wraps the file's own bytes, compressed as they are. Whether it is gzip
/// is told by its content; members after each other, as log rotation leaves them, are one log.
///
/// # Errors
/// The file cannot be opened or read.
pub fn open<R: Read + 'static>(
    path: &Path,
    counted: impl FnOnce(File) -> R,
) -> io::Result<Box<dyn Read>> {
    let mut counted = counted(File::open(path)?);
    let mut magic = Vec::new();
    (&mut counted).take(GZIP.len() as u64).read_to_end(&mut magic)?;
    let gzip = magic == GZIP;
    // Not by going back: a pipe cannot.
    let counted = Cursor::new(magic).chain(counted);
    Ok(if gzip {
        let buffered = BufReader::with_capacity(COMPRESSED_BYTES, counted);
        Box::new(MultiGzDecoder::new(buffered))
    } else {
        Box::new(counted)
    })
}
