//! The counters: what is kept of all the lines.
use std::collections::BTreeSet;

use super::curve::{Curve, SlotMinutes};
use super::entry::{Place, Request};
use super::gaps::Gaps;
use super::histogram::{GAP_MS, GAP_MS_MAX, Histogram, Longest, SERVICE_MS};

/// Bad lines, and names that are no zone's, shown as samples.
const SAMPLES_MAX: usize = 5;
/// How much of a bad line is shown.
const SAMPLE_CHARS_MAX: usize = 120;
/// What is said of a request beyond the days that are counted.
const TOO_MANY_DAYS: &str = "on another day than the 400 that came first";

/// Instants that a log can be of, in milliseconds since 1970 UTC: up to the year 2200.
const INSTANTS_MS: std::ops::Range<i64> = 0..7_258_118_400_000;
/// What is said of a request at another.
const NO_DAY: &str = "on a day before 1970 or after 2199";

/// What was counted beside the load itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines, of every kind.
    pub lines: u64,
    /// Users' requests that belong to a zone.
    pub requests: u64,
    /// Those of them that a client or a time limit ended: in the curve, not in the times.
    pub aborted: u64,
    /// Health checks, broken connections and the balancer's own answers.
    pub no_users: u64,
    /// Requests that belong to no zone.
    pub zoneless: u64,
    /// Some pools or hosts of those.
    pub zoneless_names: BTreeSet<String>,
    /// Lines that cannot be read.
    pub bad: u64,
    /// Some of them.
    pub samples: Vec<Sample>,
    /// From the first request's arrival to the last one's, in milliseconds since 1970 UTC.
    pub span_ms: Option<(i64, i64)>,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The log.
    pub log: String,
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: &'static str,
    /// Its beginning, fit for a terminal.
    pub text: String,
}

/// One zone's load.
#[derive(Debug)]
pub(super) struct ZoneTally {
    pub(super) requests: u64,
    pub(super) curve: Curve,
    pub(super) service: Histogram,
    pub(super) longest: Longest,
    pub(super) gaps: Histogram,
}

/// All counters.
#[derive(Debug)]
pub(super) struct Tally {
    slot: SlotMinutes,
    zones: Vec<ZoneTally>,
    gaps: Gaps,
    counts: Counts,
}

impl Tally {
    /// Nothing counted yet, for so many zones.
    pub(super) fn new(zones: usize, slot: SlotMinutes) -> Self {
        let zone = || ZoneTally {
            requests: 0,
            curve: Curve::new(slot),
            service: Histogram::new(&SERVICE_MS),
            longest: Longest::default(),
            gaps: Histogram::new(&GAP_MS),
        };
        let zones = (0..zones).map(|_| zone()).collect();
        Self { slot, zones, gaps: Gaps::new(), counts: Counts::default() }
    }

    /// A slot's length.
    pub(super) fn slot(&self) -> SlotMinutes {
        self.slot
    }

    /// The zones' load.
    pub(super) fn zones(&self) -> &[ZoneTally] {
        &self.zones
    }

    /// What was counted beside it.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Counts a request of a zone, or of none.
    ///
    /// # Errors
    /// It is bad, for this reason, and was not counted.
    #[inline]
    pub(super) fn request(
        &mut self,
        request: &Request<'_>,
        zone: Option<usize>,
    ) -> Result<(), &'static str> {
        let Some(zone) = zone else {
            self.zoneless(request.place);
            return Ok(());
        };
        if !INSTANTS_MS.contains(&request.start_ms) {
            return Err(NO_DAY);
        }
        let zone = &mut self.zones[zone];
        if !zone.curve.add(request.start_ms) {
            return Err(TOO_MANY_DAYS);
        }
        zone.requests += 1;
        self.counts.lines += 1;
        self.counts.requests += 1;
        if request.aborted {
            self.counts.aborted += 1;
        } else {
            zone.service.add(request.took_ms);
            zone.longest.add(request.took_ms);
        }
        let gap = request
            .sender
            .and_then(|sender| self.gaps.request(sender, request.start_ms, request.took_ms));
        if let Some(gap_ms) = gap.filter(|gap_ms| *gap_ms <= GAP_MS_MAX) {
            zone.gaps.add(gap_ms);
        }
        let (first, last) = self.counts.span_ms.unwrap_or((request.start_ms, request.start_ms));
        self.counts.span_ms = Some((first.min(request.start_ms), last.max(request.start_ms)));
        Ok(())
    }

    fn zoneless(&mut self, place: Place<'_>) {
        self.counts.lines += 1;
        self.counts.zoneless += 1;
        let name = match place {
            Place::Pool(name) | Place::Host(name) => name,
            Place::Unsaid => return,
        };
        // Most are of the same few: a name is made only while there is room for it.
        if self.counts.zoneless_names.len() < SAMPLES_MAX {
            self.counts.zoneless_names.insert(shown(name));
        }
    }

    /// Counts a line that no user caused.
    pub(super) fn no_users(&mut self) {
        self.counts.lines += 1;
        self.counts.no_users += 1;
    }

    /// Counts a line that says nothing of requests.
    pub(super) fn remark(&mut self) {
        self.counts.lines += 1;
    }

    /// Counts a line that cannot be read.
    pub(super) fn bad(&mut self, log: &str, line: u64, why: &'static str, text: &[u8]) {
        self.counts.lines += 1;
        self.counts.bad += 1;
        if self.counts.samples.len() < SAMPLES_MAX {
            let sample = Sample { log: log.to_owned(), line, why, text: shown(text) };
            self.counts.samples.push(sample);
        }
    }
}

/// The beginning of foreign bytes, fit for a terminal.
fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(4 * SAMPLE_CHARS_MAX)];
    let text = String::from_utf8_lossy(cut);
    text.chars().take(SAMPLE_CHARS_MAX).map(|c| if c.is_control() { '.' } else { c }).collect()
}
