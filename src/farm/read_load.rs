//! The farm file's `[load]` table: curves of the right length, histograms that ascend.
use toml::Spanned;
use toml::de::DeValue;

use super::load::{DAY_MINUTES, LONGEST_MAX};
use super::walk::Table;
use super::{Load, ZoneLoad};

/// The greatest number taken: TOML's own limit is higher, and no log has that many requests.
const NUMBER_MAX: u64 = 1_000_000_000_000_000;

/// The load over a day.
pub(super) fn load(mut t: Table<'_, '_>) -> Load {
    let measured = t.text("measured", "where the figures are from");
    let meaning = "how long a slot is: 1,440 minutes are a multiple of it";
    let minutes = t.number_u32("slot_minutes", 1..=DAY_MINUTES, meaning);
    let divides = DAY_MINUTES.is_multiple_of(minutes);
    if !divides {
        let message = format!("must divide a day of {DAY_MINUTES} minutes, and is {minutes}");
        t.wrong("slot_minutes", &message, "give 15, or what `evenkeel-sim profile` wrote");
    }
    // The length of a curve is judged by a good slot only.
    let good = divides && !t.walk.is_blurred("load.slot_minutes");
    let slots = good.then_some(DAY_MINUTES / minutes);
    let zones = t.tables("zone", true, "a zone's load", |t| zone(t, slots));
    t.end();
    Load { measured, slot_minutes: minutes, zones }
}

fn zone(mut t: Table<'_, '_>, slots: Option<u32>) -> ZoneLoad {
    let zone = ZoneLoad {
        zone: t.text("zone", "the zone whose load it is").into(),
        requests_per_slot: curve(&mut t, slots),
        service_ms: histogram(&mut t, "service_ms", "how long requests take"),
        longest_ms: longest(&mut t),
        keep_alive_gap_ms: histogram(
            &mut t,
            "keep_alive_gap_ms",
            "time from an answer to the next request",
        ),
    };
    t.end();
    zone
}

fn curve(t: &mut Table<'_, '_>, slots: Option<u32>) -> Vec<u64> {
    let (key, meaning) = ("requests_per_slot", "requests of each slot of a day in UTC");
    t.require(key, meaning);
    let Some(curve) = numbers(t, key, meaning) else { return Vec::new() };
    if let Some(slots) = slots
        && u32::try_from(curve.len()) != Ok(slots)
    {
        let message = format!("must have {slots} numbers, one a slot, and has {}", curve.len());
        t.wrong(key, &message, "a day has 1,440 minutes; see `slot_minutes`");
    } else if curve.iter().all(|requests| *requests == 0) {
        t.wrong(key, "has no request", "leave the zone out: `load_rps` counts for it then");
    }
    curve
}

fn longest(t: &mut Table<'_, '_>) -> Vec<u64> {
    let (key, meaning) = ("longest_ms", "the longest requests in milliseconds, descending");
    let longest = numbers(t, key, meaning).unwrap_or_default();
    if longest.len() > LONGEST_MAX {
        let message = format!("must have {LONGEST_MAX} numbers at most, and has {}", longest.len());
        t.wrong(key, &message, format!("`{key}` is {meaning}"));
    }
    if !longest.is_sorted_by(|longer, shorter| longer >= shorter) {
        t.wrong(key, "must descend", format!("`{key}` is {meaning}"));
    }
    longest
}

fn histogram(t: &mut Table<'_, '_>, key: &'static str, what: &str) -> Vec<(u64, u64)> {
    let meaning = format!("{what}: `[upper bound in ms, count]`, bounds ascending");
    let pairs = list(t, key, &meaning, "a pair of whole numbers", pair).unwrap_or_default();
    if let Some(at) = pairs.windows(2).position(|two| two[0].0 >= two[1].0) {
        let (path, upper) = (format!("{}[{}]", t.path(key), at + 1), pairs[at + 1].0);
        let message = format!("bounds of `{key}` must ascend, and {upper} is not above the last");
        t.walk.wrong(&path, message, format!("`{key}` is {meaning}"));
    }
    pairs
}

fn numbers(t: &mut Table<'_, '_>, key: &'static str, meaning: &str) -> Option<Vec<u64>> {
    list(t, key, meaning, "a whole number", whole)
}

/// A list, each item read by `read`; `None` when it is not there, or any item is a mistake.
fn list<T>(
    t: &mut Table<'_, '_>,
    key: &'static str,
    meaning: &str,
    expected: &str,
    read: impl Fn(&DeValue<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let value = t.get(key)?.get_ref();
    let Some(items) = value.as_array() else {
        t.wrong_type(key, value, "a list", meaning);
        return None;
    };
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{}[{index}]", t.path(key));
        t.walk.spans.insert(path.clone(), Spanned::span(item));
        match read(item.get_ref()) {
            Some(item) => found.push(item),
            None => {
                let message = format!(
                    "`{key}` of {} must hold {expected} from 0 to {NUMBER_MAX} in each place",
                    t.called()
                );
                t.walk.wrong(&path, message, format!("`{key}` is {meaning}"));
            }
        }
    }
    (found.len() == items.len()).then_some(found)
}

fn pair(value: &DeValue<'_>) -> Option<(u64, u64)> {
    let mut numbers = value.as_array()?.iter().map(|number| whole(number.get_ref()));
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(upper), Some(count), None) => Some((upper?, count?)),
        _ => None,
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    let number = u64::from_str_radix(number.as_str(), number.radix()).ok()?;
    (number <= NUMBER_MAX).then_some(number)
}
