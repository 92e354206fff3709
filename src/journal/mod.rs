//! The journal: what was intended and what came of it, durably, readable by anybody at any time.
//!
//! One JSON record a line, each with a CRC and the hash of the one before, synced before an effect
//! leaves. A torn last line is what a crash leaves behind and is cut off; anything else that does
//! not fit the chain is corruption and an error.
pub mod event;

pub use event::*;

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
pub struct Journal<S: Storage> {
    storage: S,
    next_ordinal: u64,
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
}

impl<S: Storage> Journal<S> {
    /// Opens a journal, cutting off a torn tail, and returns what it holds.
    ///
    /// # Errors
    /// The disk fails, or a record before the tail is damaged.
    pub fn open(storage: S) -> Result<(Self, Vec<Record>), JournalError> {
        Ok((Self { storage, next_ordinal: 0 }, Vec::new()))
    }

    /// Appends events and syncs once: when it returns they are durable.
    ///
    /// # Errors
    /// The disk fails; then nothing may be assumed of the events.
    pub fn record(
        &mut self,
        at: Timestamp,
        events: Vec<Event>,
    ) -> Result<Vec<Record>, JournalError> {
        let _ = (&mut self.storage, &mut self.next_ordinal, at, events);
        unreachable!("written next")
    }
}
