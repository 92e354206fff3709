//! Dates and times of day in access logs, as milliseconds since 1970 UTC.
use jiff::civil;
use jiff::tz::TimeZone;

/// A day's milliseconds. Access logs know no leap seconds.
pub(super) const DAY_MS: i64 = 86_400_000;

/// Days read before: the same day stands in line after line.
#[derive(Debug, Default)]
pub(super) struct Days {
    text: Vec<u8>,
    day_ms: i64,
}

impl Days {
    /// The beginning of a day given as `16/Nov/2026`.
    #[inline]
    pub(super) fn slashed(&mut self, text: &[u8]) -> Option<i64> {
        self.remembered(text, |text| {
            let [d1, d2, b'/', m1, m2, m3, b'/', year @ ..] = text else { return None };
            let month = MONTHS.iter().position(|month| **month == [*m1, *m2, *m3])?;
            begin(number(year)?, month as i64 + 1, number(&[*d1, *d2])?)
        })
    }

    /// The beginning of a day given as `2026-11-16`.
    #[inline]
    pub(super) fn dashed(&mut self, text: &[u8]) -> Option<i64> {
        self.remembered(text, |text| {
            let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
            begin(number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)
        })
    }

    #[inline]
    fn remembered(&mut self, text: &[u8], read: fn(&[u8]) -> Option<i64>) -> Option<i64> {
        if self.text != text {
            self.day_ms = read(text)?;
            self.text.clear();
            self.text.extend_from_slice(text);
        }
        Some(self.day_ms)
    }
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

fn number(digits: &[u8]) -> Option<i64> {
    // A year has four digits.
    if digits.len() > 4 {
        return None;
    }
    super::entry::number(digits).and_then(|number| i64::try_from(number).ok())
}

fn begin(year: i64, month: i64, day: i64) -> Option<i64> {
    let small = |number: i64| i8::try_from(number).ok();
    let date = civil::Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    let midnight = date.to_zoned(TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_millisecond())
}

/// Milliseconds from midnight of `hh:mm:ss`.
#[inline]
pub(super) fn time_of_day(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let two = |tens: &u8, ones: &u8, below: i64| {
        let number = number(&[*tens, *ones])?;
        (number < below).then_some(number)
    };
    let (hours, minutes) = (two(h1, h2, 24)?, two(m1, m2, 60)?);
    // A leap second is written as :60 by some.
    let seconds = two(s1, s2, 61)?;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000)
}

/// Seconds ahead of UTC of `+0100` or `+01:00`.
#[must_use]
pub fn utc_offset_s(text: &[u8]) -> Option<i64> {
    let (sign, h1, h2, m1, m2) = match text {
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (sign, h1, h2, m1, m2),
        _ => return None,
    };
    let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    let seconds = (hours * 60 + minutes) * 60;
    // No place on earth is 15 hours from UTC.
    let on_earth = hours < 15 && minutes < 60;
    match sign {
        b'+' if on_earth => Some(seconds),
        b'-' if on_earth => Some(-seconds),
        _ => None,
    }
}
