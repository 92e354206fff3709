//! The rate curve: requests of each slot of a day, of several days the busiest.
use std::str::FromStr;

use evenkeel::farm::load::DAY_MINUTES;

use super::clock::DAY_MS;

/// Days counted apart: a year and a month. A clock that jumped, or a broken year, would else cost
/// memory for each day it invents.
pub(super) const DAYS_MAX: usize = 400;

/// How long a slot is: a part of a day without a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMinutes(u32);

impl SlotMinutes {
    /// Its minutes.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// Slots of a day.
    fn a_day(self) -> usize {
        usize::try_from(DAY_MINUTES / self.0).expect("a day has fewer than 1,441 slots")
    }
}

impl FromStr for SlotMinutes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minutes = text.parse().map_err(|_| "not a number of minutes".to_owned())?;
        if !DAY_MINUTES.is_multiple_of(minutes) {
            return Err(format!("a day of {DAY_MINUTES} minutes is no multiple of {minutes}"));
        }
        Ok(Self(minutes))
    }
}

/// One zone's requests, slot by slot, each day for itself.
#[derive(Debug)]
pub(super) struct Curve {
    slot: SlotMinutes,
    days: Vec<(i64, Box<[u64]>)>,
    /// Where the day was found the last time: logs go on where they were.
    last: usize,
}

impl Curve {
    /// No request yet.
    pub(super) fn new(slot: SlotMinutes) -> Self {
        Self { slot, days: Vec::new(), last: 0 }
    }

    /// Counts a request; false when it would be on a day too many.
    #[inline]
    pub(super) fn add(&mut self, at_ms: i64) -> bool {
        let day = at_ms.div_euclid(DAY_MS);
        if self.days.get(self.last).is_none_or(|(of, _)| *of != day) {
            self.last = match self.days.iter().position(|(of, _)| *of == day) {
                Some(place) => place,
                None if self.days.len() == DAYS_MAX => return false,
                None => {
                    let slots = vec![0; self.slot.a_day()].into_boxed_slice();
                    self.days.push((day, slots));
                    self.days.len() - 1
                }
            };
        }
        let slot = at_ms.rem_euclid(DAY_MS) / (60_000 * i64::from(self.slot.0));
        self.days[self.last].1[usize::try_from(slot).expect("a remainder is not negative")] += 1;
        true
    }

    /// The busiest value of each slot over all days.
    pub(super) fn busiest(&self) -> Vec<u64> {
        let slots = 0..self.slot.a_day();
        slots.map(|slot| self.days.iter().map(|(_, day)| day[slot]).max().unwrap_or(0)).collect()
    }

    /// The highest of them in requests per second, rounded up.
    pub(super) fn peak_rps(&self) -> u64 {
        let peak = self.busiest().into_iter().max().unwrap_or(0);
        peak.div_ceil(60 * u64::from(self.slot.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(minutes: &str) -> Curve {
        Curve::new(minutes.parse().expect("minutes"))
    }

    /// Goal: a slot has what came within it, and of several days the most. Method: requests on
    /// both sides of each border, on two days, the second before the first.
    #[test]
    fn of_several_days_each_slot_has_its_busiest() {
        let mut curve = curve("720");
        for at_ms in [0, DAY_MS / 2 - 1, DAY_MS / 2, DAY_MS - 1, -1, -2, -3, -DAY_MS] {
            assert!(curve.add(at_ms));
        }
        assert_eq!(curve.busiest(), [2, 3]);
        assert_eq!(curve.peak_rps(), 1, "rounded up");
    }

    /// Goal: days cannot eat the memory. Method: one day more than there may be.
    #[test]
    fn a_day_too_many_is_refused() {
        let mut curve = curve("1");
        for day in 0..DAYS_MAX as i64 {
            assert!(curve.add(day * DAY_MS));
        }
        assert!(!curve.add(DAYS_MAX as i64 * DAY_MS));
        assert!(curve.add(1), "the days that there are still count");
    }

    /// Goal: slots divide the day. Method: some that do and some that do not.
    #[test]
    fn slots_divide_the_day() {
        for good in ["1", "15", "60", "1440"] {
            assert!(good.parse::<SlotMinutes>().is_ok(), "{good}");
        }
        for bad in ["0", "7", "2880", "-15", "x"] {
            assert!(bad.parse::<SlotMinutes>().is_err(), "{bad}");
        }
    }
}
