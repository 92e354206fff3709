//! The journal: what was intended and what came of it, durably, readable by anybody at any time.
//!
//! One JSON record a line, each with a CRC and the hash of the one before, synced before an effect
//! leaves. A torn last line is what a crash leaves behind and is cut off; anything else that does
//! not fit the chain is corruption and an error.
//!
//! * [`event`] — what can happen: the one typed stream.
//! * `way_out` — what a person can do about a hold.
//! * `line` — how a record is written and checked.
//! * [`file`] — the journal on a real disk.
//! * [`run_folder`] — the folder beside the plan that holds it.
//! * [`lock`] — one writer for each farm.
//! * [`requests`] — people's requests to a run, as files.
//! * [`steps`] — the nine steps' names.
//! * [`standing`] — where a run stands, folded from its journal for people.
//! * [`tell`] — events in plain words, and as `--json`.
pub mod event;
pub mod file;
mod line;
pub mod lock;
pub mod requests;
pub mod run_folder;
pub mod standing;
pub mod steps;
pub mod tell;
mod way_out;

pub use event::*;
pub use way_out::{Overload, WayOut};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ports::Storage;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place, from 0.
    pub ordinal: u64,
    /// Wall time, for people: never subtracted.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// An open journal, at its end.
///
/// It has one writer: whoever opens one holds the farm's lock ([`lock`]).
pub struct Journal<S: Storage> {
    storage: S,
    next_ordinal: u64,
    last_hash: line::LineHash,
    torn_bytes: u64,
    poisoned: bool,
}

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk says no.
    #[error("the disk says: {0}")]
    Disk(#[from] std::io::Error),
    /// A record does not fit the chain.
    #[error("record {ordinal} is damaged: {why}")]
    Damaged {
        /// Which.
        ordinal: u64,
        /// What does not fit.
        why: String,
    },
    /// An earlier write failed, and what it left behind is not known until the journal is read again.
    #[error("an earlier record could not be written; the journal must be opened again")]
    Poisoned,
}

impl<S: Storage> Journal<S> {
    /// Opens a journal, cutting off a torn tail, and returns what it holds.
    ///
    /// It is durable then: a process that gave up when its disk failed may have written records
    /// that it could not sync, and nothing may follow from a record that a crash could still take.
    ///
    /// # Errors
    /// The disk fails, or a record before the tail is damaged.
    pub fn open(mut storage: S) -> Result<(Self, Vec<Record>), JournalError> {
        let bytes = storage.read()?;
        let walked = walk(&bytes)?;
        let torn_bytes = (bytes.len() - walked.whole_bytes) as u64;
        if torn_bytes > 0 {
            tracing::warn!(
                torn_bytes,
                record = walked.records.len(),
                "the last record was torn by a crash before it was durable; it is cut off"
            );
            storage.truncate(walked.whole_bytes as u64)?;
        }
        if !bytes.is_empty() {
            storage.sync()?;
        }
        let journal = Self {
            storage,
            next_ordinal: walked.records.len() as u64,
            last_hash: walked.last_hash,
            torn_bytes,
            poisoned: false,
        };
        Ok((journal, walked.records))
    }

    /// Everything that it holds, read again.
    ///
    /// # Errors
    /// The disk fails, or what was written is damaged.
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        Ok(walk(&self.storage.read()?)?.records)
    }

    /// Bytes of a torn last record that opening cut off; zero after a clean end.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }

    /// Appends events and syncs once: when it returns they are durable.
    ///
    /// # Errors
    /// The disk fails; then nothing may be assumed of the events, and every later call fails too.
    pub fn record(
        &mut self,
        at: Timestamp,
        events: Vec<Event>,
    ) -> Result<Vec<Record>, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(512 * events.len());
        let mut records = Vec::with_capacity(events.len());
        let mut hash = self.last_hash;
        for (ordinal, event) in (self.next_ordinal..).zip(events) {
            hash = line::write(&mut bytes, ordinal, at, &event, &hash);
            records.push(Record { ordinal, at, event });
        }
        // A failed sync may have dropped the pages and a failed append may have left half a line:
        // only reading the file again tells, so nothing is written after either.
        self.poisoned = true;
        self.storage.append(&bytes)?;
        self.storage.sync()?;
        self.poisoned = false;
        self.next_ordinal += records.len() as u64;
        self.last_hash = hash;
        Ok(records)
    }
}

/// Reads a journal without opening it, for those who look at a run that somebody else carries out.
/// The second value tells that the last line is not whole: it is being written, or was torn.
///
/// # Errors
/// A record before the tail is damaged.
pub fn read(bytes: &[u8]) -> Result<(Vec<Record>, bool), JournalError> {
    let walked = walk(bytes)?;
    Ok((walked.records, walked.whole_bytes < bytes.len()))
}

struct Walked {
    records: Vec<Record>,
    last_hash: line::LineHash,
    /// Length of all whole lines; what follows is torn.
    whole_bytes: usize,
}

fn walk(bytes: &[u8]) -> Result<Walked, JournalError> {
    let mut walked = Walked { records: Vec::new(), last_hash: line::CHAIN_START, whole_bytes: 0 };
    while walked.whole_bytes < bytes.len() {
        let rest = &bytes[walked.whole_bytes..];
        let ordinal = walked.records.len() as u64;
        let damaged = |why: String| JournalError::Damaged { ordinal, why };
        let newline = rest.iter().position(|&byte| byte == b'\n');
        let text = &rest[..newline.unwrap_or(rest.len())];
        if newline.is_none() || !line::is_whole(text) {
            if newline.is_some_and(|at| at + 1 < rest.len()) {
                return Err(damaged("its checksum does not match, and records follow it".into()));
            }
            if line::swallows_a_record(text) {
                return Err(damaged("the newline after it is gone".into()));
            }
            return Ok(walked);
        }
        let record = line::parse(text, ordinal, &walked.last_hash).map_err(damaged)?;
        walked.records.push(record);
        let length = text.len() + 1;
        walked.last_hash = line::hash(&rest[..length]);
        walked.whole_bytes += length;
    }
    Ok(walked)
}
