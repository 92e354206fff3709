//! The clock that Service Center shows at the side of every page: by it a page is known to be
//! rendered just now, and not to come from a cache.
//!
//! Neither its format nor its place is documented, so the last time of day on a page is taken for
//! it only once it has been seen to run: a text that stands still from the start is no clock. All
//! servers of a farm share time zone and, to a few seconds, the time (a requirement of the
//! product), so what one console's clock showed judges the others' pages too.
use std::ops::Range;

use tokio::time::{Duration, Instant};

/// Seconds of a day.
const DAY_S: i64 = 86_400;
/// A clock is seen to run over at least this long: shorter, and one that shows minutes may not
/// have moved.
const RUNS_AFTER_S: i64 = 30;
/// Servers' clocks and ours may differ by this much from one reading to another.
const TOLERANCE_S: i64 = 5;

/// What is known of the farm's clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// A reading, until it is seen to run.
    first: Option<Shown>,
    /// It runs: the reading that was furthest ahead.
    runs: Option<Shown>,
    /// The last reading that was behind: a clock that was set back runs on.
    behind: Option<Shown>,
}

#[derive(Clone, Copy, Debug)]
struct Shown {
    at: Instant,
    of_day_s: i64,
}

impl Shown {
    /// How far a reading is behind what this one lets expect, in seconds; negative when ahead.
    fn behind_s(self, at: Instant, of_day_s: i64) -> i64 {
        let expected_s = self.of_day_s + seconds(at.duration_since(self.at));
        let ahead_s = (of_day_s - expected_s).rem_euclid(DAY_S);
        if ahead_s > DAY_S / 2 { DAY_S - ahead_s } else { -ahead_s }
    }
}

impl Clock {
    /// Takes in a page that was asked for at `asked` and is here now; says by how many seconds it
    /// is too old.
    pub(super) fn see(&mut self, asked: Instant, body: &[u8]) -> Option<u64> {
        let (of_day_s, step_s) = time_of_day(body)?;
        let now = Instant::now();
        let read = Shown { at: now, of_day_s };
        let in_step = |then: Shown| {
            let far_enough = seconds(now.duration_since(then.at)) >= RUNS_AFTER_S.max(step_s);
            // One that shows minutes is a minute behind at most, and so is a text for a minute.
            let moved = then.of_day_s != of_day_s;
            far_enough && moved && then.behind_s(now, of_day_s).abs() <= step_s + TOLERANCE_S
        };
        let Some(ahead) = self.runs else {
            if self.first.is_some_and(in_step) {
                self.runs = Some(read);
            } else if self.first.is_none_or(|then| then.behind_s(now, of_day_s).abs() > step_s) {
                self.first = Some(read);
            }
            return None;
        };
        // It was rendered after it was asked for.
        let behind_s = ahead.behind_s(asked, of_day_s);
        if behind_s > step_s + TOLERANCE_S {
            if !self.behind.is_some_and(in_step) {
                let stood = |then: Shown| then.of_day_s == of_day_s;
                self.behind = self.behind.filter(|then| stood(*then)).or(Some(read));
                return Some(behind_s.unsigned_abs());
            }
            self.runs = Some(read);
        } else if ahead.behind_s(now, of_day_s) < 0 {
            self.runs = Some(read);
        }
        self.behind = None;
        None
    }
}

fn seconds(length: Duration) -> i64 {
    i64::try_from(length.as_secs()).expect("a run ends within an aeon")
}

/// Two pages are the same but for the time that they show.
pub(super) fn same_but_for_clock(a: &[u8], b: &[u8]) -> bool {
    match (place(a), place(b)) {
        (Some(in_a), Some(in_b)) => {
            in_a == in_b && a[..in_a.start] == b[..in_b.start] && a[in_a.end..] == b[in_b.end..]
        }
        _ => a == b,
    }
}

/// The last time of day on a page, in seconds, and how often what shows it moves.
fn time_of_day(body: &[u8]) -> Option<(i64, i64)> {
    let at = place(body)?;
    let digits = |from: usize| i64::from(body[from] - b'0') * 10 + i64::from(body[from + 1] - b'0');
    let minutes_s = digits(at.start) * 3_600 + digits(at.start + 3) * 60;
    Some(match at.len() {
        8 => (minutes_s + digits(at.start + 6), 1),
        _ => (minutes_s, 60),
    })
}

/// Where the last `HH:MM` or `HH:MM:SS` stands.
fn place(body: &[u8]) -> Option<Range<usize>> {
    let digit = |at: usize| body.get(at).is_some_and(u8::is_ascii_digit);
    let pair = |at: usize| digit(at) && digit(at + 1);
    let mut end = body.len();
    while let Some(colon) = body[..end].iter().rposition(|byte| *byte == b':') {
        end = colon;
        let start = colon.checked_sub(2)?;
        if !pair(start) || !pair(colon + 1) || digit(colon + 3) {
            continue;
        }
        // The colon before the seconds, or the one before the minutes.
        let before = start.checked_sub(3).filter(|at| pair(*at) && body[start - 1] == b':');
        return Some(before.unwrap_or(start)..colon + 3);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    fn see(clock: &mut Clock, page: &str) -> Option<u64> {
        clock.see(Instant::now(), page.as_bytes())
    }

    /// Goal: a page from a cache is told by the clock on it, once that was seen to run. Method: a
    /// running clock, an old page, a fresh one; around midnight.
    #[tokio::test(start_paused = true)]
    async fn an_old_page_is_told_by_its_clock() {
        let mut clock = Clock::default();
        assert_eq!(see(&mut clock, "<p>23:59:00</p>"), None);
        pass(45).await;
        assert_eq!(see(&mut clock, "<p>23:59:45</p>"), None);
        pass(45).await;
        assert_eq!(see(&mut clock, "<p>00:00:30</p>"), None);
        pass(15).await;
        assert_eq!(see(&mut clock, "<p>00:00:20</p>"), Some(25));
        assert_eq!(see(&mut clock, "<p>00:00:45</p>"), None);
        assert_eq!(see(&mut clock, "<p>no clock</p>"), None);
    }

    /// Goal: a time that is no clock judges nothing. Method: a text that stands still.
    #[tokio::test(start_paused = true)]
    async fn a_time_that_stands_still_is_no_clock() {
        let mut clock = Clock::default();
        for _ in 0..20 {
            assert_eq!(see(&mut clock, "<p>last deployed at 10:31</p>"), None);
            pass(15).await;
        }
    }

    /// Goal: a clock that is set back (the end of summer time) is believed again when it runs on;
    /// a page that stands still is not. Method: both.
    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_runs_on() {
        let mut clock = Clock::default();
        for page in ["02:59:00", "02:59:40"] {
            assert_eq!(see(&mut clock, page), None);
            pass(40).await;
        }
        assert_eq!(see(&mut clock, "02:00:20"), Some(3_600));
        pass(40).await;
        assert_eq!(see(&mut clock, "02:00:20"), Some(3_640));
        assert_eq!(see(&mut clock, "02:01:00"), None);
    }

    /// Goal: minutes are read as well as seconds, and ratios are not times. Method: pieces of pages.
    #[test]
    fn times_of_day_are_found() {
        assert_eq!(time_of_day(b"a 12:34 b"), Some((45_240, 60)));
        assert_eq!(time_of_day(b"a 12:34:56 b http://x:8080/"), Some((45_296, 1)));
        assert_eq!(time_of_day(b"margin:10px; 1:2 127.0.0.1:12000"), None);
        assert!(same_but_for_clock(b"a 12:34:56 b", b"a 12:35:01 b"));
        assert!(!same_but_for_clock(b"a 12:34:56 b", b"a 12:35:01 c"));
    }
}
