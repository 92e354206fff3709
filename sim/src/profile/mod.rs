//! What access logs tell of a farm's load: the `[load]` section of a farm file.
//!
//! Logs are read once, in constant memory: a buffer, a table of fixed size and a few counters a
//! day and zone, whatever the number of lines and clients.
//!
//! * [`source`] — files, plain or gzip; `lines` — bounded lines out of them.
//! * [`format`] — which format a log has, by its content; `haproxy`, `nginx`, `iis` — its lines.
//! * [`zones`] — whose request it was.
//! * `tally` — the counters: `curve`, `histogram`, `gaps`.
//! * [`section`] — the section, out of the counters and as text.
mod clock;
mod curve;
mod entry;
pub mod format;
mod gaps;
mod haproxy;
mod histogram;
mod iis;
mod lines;
mod nginx;
pub mod section;
pub mod source;
mod tally;
#[cfg(test)]
mod tests;
pub mod zones;

use std::io::{self, Cursor, Read};

use entry::Line;
use format::Format;
use lines::{Lines, Piece};
use tally::Tally;
use zones::Zones;

pub use clock::utc_offset_s;
pub use curve::SlotMinutes;
pub use lines::LINE_BYTES_MAX;
pub use tally::{Counts, Sample};

/// Bytes by which a format is recognised: many lines, also where the first are long or broken.
const HEAD_BYTES: u64 = 64 << 10;

/// Logs being counted.
#[derive(Debug)]
pub struct Profile {
    zones: Zones,
    tally: Tally,
}

/// Why a log cannot be counted.
#[derive(Debug)]
pub enum LogError {
    /// It cannot be read on: the disk's or the compression's error.
    Unreadable(io::Error),
    /// No line at its beginning is one of a known format.
    Unrecognised,
}

impl Profile {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(zones: Zones, slot: SlotMinutes) -> Self {
        let tally = Tally::new(zones.names().len(), slot);
        Self { zones, tally }
    }

    /// Counts one log, called `name` in samples of bad lines. `format` is recognised when it is
    /// not given; local times are `utc_offset_s` ahead of UTC where the format does not say.
    ///
    /// # Errors
    /// The log cannot be read to its end, or is in no known format. What was counted stays.
    pub fn read(
        &mut self,
        name: &str,
        mut log: impl Read,
        format: Option<Format>,
        utc_offset_s: i64,
    ) -> Result<Format, LogError> {
        let mut head = Vec::new();
        (&mut log).take(HEAD_BYTES).read_to_end(&mut head).map_err(LogError::Unreadable)?;
        let recognised = format.or_else(|| format::recognise(&head));
        let format = match recognised {
            Some(format) => format,
            None => return Err(LogError::Unrecognised),
        };
        let mut parser = format.parser(utc_offset_s);
        let mut lines = Lines::new(Cursor::new(head).chain(log));
        let mut number = 0;
        while let Some(piece) = lines.next().map_err(LogError::Unreadable)? {
            number += 1;
            match piece {
                Piece::TooLong(begin) => {
                    self.tally.bad(name, number, lines::TOO_LONG, begin);
                }
                Piece::Whole(line) => match parser.line(line) {
                    Line::Request(request) => {
                        let zone = self.zones.of(request.place);
                        if let Err(why) = self.tally.request(&request, zone) {
                            self.tally.bad(name, number, why, line);
                        }
                    }
                    Line::NoUsers => self.tally.no_users(),
                    Line::Remark => self.tally.remark(),
                    Line::Bad(why) => self.tally.bad(name, number, why, line),
                },
            }
        }
        Ok(format)
    }

    /// What was counted beside the load itself.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        self.tally.counts()
    }

    /// The zones, with the requests of each and the highest rate of any slot in requests per
    /// second, rounded up.
    pub fn peaks(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        let zones = self.zones.names().iter().zip(self.tally.zones());
        zones.map(|(name, zone)| (name.as_str(), zone.requests, zone.curve.peak_rps()))
    }
}
