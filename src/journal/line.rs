//! A journal's line: how a record is written, and how it is known to be whole.
//!
//! ```json
//! {"ordinal":7,"at":"2026-03-01T02:00:09Z","event":{"event":"released"},"prev":"9f…","crc":"5a0c11e2"}
//! ```
//!
//! * `prev` is the SHA-256 of the line before, its newline included, so that
//!   `sed -n 7p journal.jsonl | sha256sum` prints what line 8 must say. The first line says zeroes.
//! * `crc` is the CRC-32 (IEEE, as gzip has it) of every byte of the line before `,"crc"`.
use std::io::Write as _;

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Event, Record};

/// SHA-256 of a line.
pub(super) type LineHash = [u8; 32];

/// What stands for the line before the first.
pub(super) const CHAIN_START: LineHash = [0; 32];

const CRC_OPEN: &[u8] = b",\"crc\":\"";
const CRC_CLOSE: &[u8] = b"\"}";
/// Length of `,"crc":"01234567"}`.
const CRC_LEN: usize = CRC_OPEN.len() + 8 + CRC_CLOSE.len();

/// Appends a line to `out` and returns its hash: serialised once, hashed once.
pub(super) fn write(
    out: &mut Vec<u8>,
    ordinal: u64,
    at: Timestamp,
    event: &Event,
    prev: &LineHash,
) -> LineHash {
    let start = out.len();
    let memory = "writing to memory never fails";
    write!(out, "{{\"ordinal\":{ordinal},\"at\":\"{at}\",\"event\":").expect(memory);
    serde_json::to_writer(&mut *out, event).expect("every key of an event is a string");
    out.extend_from_slice(b",\"prev\":\"");
    push_hex(out, prev);
    out.push(b'"');
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(CRC_OPEN);
    push_hex(out, &crc.to_be_bytes());
    out.extend_from_slice(CRC_CLOSE);
    out.push(b'\n');
    hash(&out[start..])
}

/// The hash that the next line must name, of a line with its newline.
pub(super) fn hash(line: &[u8]) -> LineHash {
    Sha256::digest(line).into()
}

/// Whether a line, without its newline, is byte for byte what was once written.
pub(super) fn is_whole(line: &[u8]) -> bool {
    let Some(end) = line.len().checked_sub(CRC_LEN) else { return false };
    let (payload, crc) = line.split_at(end);
    let mut expected = Vec::with_capacity(CRC_LEN);
    expected.extend_from_slice(CRC_OPEN);
    push_hex(&mut expected, &crc32fast::hash(payload).to_be_bytes());
    expected.extend_from_slice(CRC_CLOSE);
    crc == expected
}

/// Whether a damaged line begins with a whole one. A torn write cannot leave this behind, but
/// for padding with zeroes: a newline was lost, and with it the border between two records.
pub(super) fn swallows_a_record(line: &[u8]) -> bool {
    let ends = line.windows(CRC_CLOSE.len()).enumerate().filter(|(_, two)| *two == CRC_CLOSE);
    ends.map(|(at, _)| at + CRC_CLOSE.len())
        .any(|end| is_whole(&line[..end]) && line[end..].iter().skip(1).any(|&byte| byte != 0))
}

/// Reads a whole line, without its newline, that must have this ordinal and follow `prev`.
///
/// # Errors
/// Says what does not fit.
pub(super) fn parse(line: &[u8], ordinal: u64, prev: &LineHash) -> Result<Record, String> {
    #[derive(Deserialize)]
    struct Line<'a> {
        ordinal: u64,
        at: Timestamp,
        event: Event,
        #[serde(borrow)]
        prev: &'a str,
    }
    let read: Line<'_> = serde_json::from_slice(line)
        .map_err(|error| format!("its line is intact, but this program cannot read it: {error}"))?;
    if read.ordinal != ordinal {
        return Err(format!("its line says it is record {}", read.ordinal));
    }
    let mut expected = Vec::with_capacity(64);
    push_hex(&mut expected, prev);
    if read.prev.as_bytes() != expected {
        return Err("it does not follow the line before it: lines were changed, removed or \
                    added by hand"
            .to_owned());
    }
    Ok(Record { ordinal, at: read.at, event: read.event })
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes
            .iter()
            .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}
