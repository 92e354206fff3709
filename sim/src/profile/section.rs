//! The `[load]` section of a farm file, out of the counters and as text.
use std::fmt::Write;

use evenkeel::farm::{Load, ZoneLoad};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Profile;

impl Profile {
    /// The section, of zones that had requests; `None` when none had. `logs` is how many files
    /// were counted.
    #[must_use]
    pub fn load(&self, logs: usize) -> Option<Load> {
        let (first, last) = self.counts().span_ms?;
        let zones = self.zones.names().iter().zip(self.tally.zones());
        let zones = zones.filter(|(_, zone)| zone.requests > 0).map(|(name, zone)| ZoneLoad {
            zone: name.as_str().into(),
            requests_per_slot: zone.curve.busiest(),
            service_ms: zone.service.buckets(),
            longest_ms: zone.longest.get().to_vec(),
            keep_alive_gap_ms: zone.gaps.buckets(),
        });
        let files = if logs == 1 { "1 file".to_owned() } else { format!("{logs} files") };
        let requests = self.counts().requests;
        let measured = format!("{} to {} UTC, {files}, {requests} requests", day(first), day(last));
        let slot_minutes = self.tally.slot().get();
        Some(Load { measured, slot_minutes, zones: zones.collect() })
    }
}

fn day(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).expect("it was read from a date of four digits");
    at.to_zoned(TimeZone::UTC).date().to_string()
}

/// The section as people read it: an hour of the curve a line.
#[must_use]
pub fn text(load: &Load) -> String {
    let mut text = format!(
        "[load]\nmeasured = {}\nslot_minutes = {}\n",
        quoted(&load.measured),
        load.slot_minutes
    );
    let an_hour = usize::try_from(60_u32.div_ceil(load.slot_minutes)).expect("at most 60");
    for zone in &load.zones {
        let numbers = |list: &[u64]| list.iter().map(u64::to_string).collect::<Vec<_>>();
        let pairs = |list: &[(u64, u64)]| {
            list.iter().map(|(upper, count)| format!("[{upper}, {count}]")).collect::<Vec<_>>()
        };
        let slots = numbers(&zone.requests_per_slot);
        let mut add = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        add("\n[[load.zone]]".into());
        add(format!("zone = {}", quoted(zone.zone.as_str())));
        add("requests_per_slot = [".into());
        slots.chunks(an_hour).for_each(|hour| add(format!("    {},", hour.join(", "))));
        add("]".into());
        add(list("service_ms", &pairs(&zone.service_ms)));
        add(list("longest_ms", &numbers(&zone.longest_ms)));
        add(list("keep_alive_gap_ms", &pairs(&zone.keep_alive_gap_ms)));
    }
    text
}

/// A list on one line while it is short, else some a line.
fn list(key: &str, items: &[String]) -> String {
    const A_LINE: usize = 8;
    if items.len() <= A_LINE {
        return format!("{key} = [{}]", items.join(", "));
    }
    let mut text = format!("{key} = [\n");
    for line in items.chunks(A_LINE) {
        writeln!(text, "    {},", line.join(", ")).expect("writing to a String does not fail");
    }
    text.push(']');
    text
}

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
