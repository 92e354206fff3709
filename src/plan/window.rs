//! When to begin: the times of day at which either half carries the load for as long as the
//! upgrade takes, by the curve of the farm file's `[load]`.
//!
//! A start at a slot's beginning is judged by each zone's highest slot until the upgrade ends. A
//! start between two slots' beginnings is covered by the windows of both: at any instant the load
//! is no more than in one of them.
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::farm::load::DAY_MINUTES;
use crate::farm::{Farm, Load};

use super::capacity;
use super::model::{Phase, PhaseCapacity};
use super::refuse::{self, Refusal, Split};
use super::share::Shares;
use super::takes::Takes;

/// A time of day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeOfDay {
    minutes: u32,
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let none = || format!("`{text}` is no time of day");
        let (hours, minutes) = text.split_once(':').ok_or_else(none)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| none());
        let minutes = 60 * number(hours)? + number(minutes)?;
        (minutes < DAY_MINUTES).then_some(Self { minutes }).ok_or_else(none)
    }
}

impl TimeOfDay {
    /// The minute of the day that comes so many minutes after this time.
    #[must_use]
    pub fn after(self, minutes: u32) -> u32 {
        (self.minutes + minutes) % DAY_MINUTES
    }
}

/// When to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartWindow {
    /// The earliest start around the best from which on every one is good; the best itself when
    /// any time of the day is.
    pub from: TimeOfDay,
    /// The latest.
    pub until: TimeOfDay,
    /// Where the load is least.
    pub best: TimeOfDay,
    /// Any time of the day is good.
    pub all_day: bool,
    /// How long the upgrade is assumed to take.
    pub takes: Takes,
}

impl StartWindow {
    /// A minute of the day, in UTC, is in it.
    #[must_use]
    pub fn contains(&self, minute: u32) -> bool {
        let after = (minute % DAY_MINUTES + DAY_MINUTES - self.from.minutes) % DAY_MINUTES;
        after < self.minutes()
    }

    /// How many minutes of the day are in it; the last start is a minute.
    #[must_use]
    pub fn minutes(&self) -> u32 {
        let long = (self.until.minutes + DAY_MINUTES - self.from.minutes) % DAY_MINUTES;
        if self.all_day { DAY_MINUTES } else { long + 1 }
    }
}

/// A split for the load of the chosen window.
pub(super) struct Chosen {
    /// The farm with that load.
    pub(super) farm: Farm,
    pub(super) split: Split,
    /// `None` when no window holds and a person wants the plan all the same.
    pub(super) window: Option<StartWindow>,
}

/// Starts by slot, each with the load of every zone of the farm until the upgrade ends.
struct Starts<'f> {
    farm: &'f Farm,
    load: &'f Load,
    loads_rps: Vec<Vec<u32>>,
}

/// The best window, and the split for it; the quietest one when a plan is forced and none holds.
///
/// # Errors
/// No window holds, or no split does whatever the load.
pub(super) fn choose(
    farm: &Farm,
    load: &Load,
    takes: Takes,
    forced: bool,
) -> Result<Chosen, Vec<Refusal>> {
    let starts = Starts::of(farm, load, takes.minutes);
    let order = starts.quietest_first();
    let mut failed: Vec<&Vec<u32>> = Vec::new();
    for start in &order {
        let loads = &starts.loads_rps[*start];
        // What does not hold with less load in every zone does not hold with more.
        if failed.iter().any(|less| less.iter().zip(loads).all(|(less, more)| less <= more)) {
            continue;
        }
        let there = with_loads(farm, loads);
        match refuse::split(&Shares::of(&there), false) {
            Ok(split) => {
                let window = Some(starts.around(*start, &split.updating, takes));
                return Ok(Chosen { farm: there, split, window });
            }
            Err(_) => failed.push(loads),
        }
    }
    let quietest = order[0];
    let there = with_loads(farm, &starts.loads_rps[quietest]);
    let shares = Shares::of(&there);
    // What no load can mend is refused for what it is.
    let split = refuse::split(&shares, true)?;
    let refused = starts.no_window(quietest, &shares, &split, &takes);
    if !forced {
        return Err(refused);
    }
    let split = Split { updating: split.updating, refused };
    Ok(Chosen { farm: there, split, window: None })
}

/// The farm with each zone's highest load of the day.
pub(super) fn at_peak(farm: &Farm, load: &Load) -> Farm {
    with_loads(farm, &Starts::of(farm, load, DAY_MINUTES).loads_rps[0])
}

fn with_loads(farm: &Farm, loads_rps: &[u32]) -> Farm {
    let mut farm = farm.clone();
    for (zone, load_rps) in farm.zones.iter_mut().zip(loads_rps) {
        zone.load_rps = *load_rps;
    }
    farm
}

impl<'f> Starts<'f> {
    fn of(farm: &'f Farm, load: &'f Load, takes_minutes: u32) -> Self {
        let slots = load.slots();
        let takes = usize::try_from(takes_minutes.div_ceil(load.slot_minutes));
        let takes = takes.unwrap_or(slots).clamp(1, slots);
        let highest = |start: usize| {
            let zones = farm.zones.iter();
            let zones = zones.map(|zone| {
                let Some(measured) = load.zones.iter().find(|it| it.zone == zone.name) else {
                    return zone.load_rps;
                };
                let slots = (start..start + takes).map(|slot| slot % slots);
                let most = slots.map(|slot| measured.requests_per_slot[slot]).max();
                // A load of nothing would make every capacity endless.
                load.rps(most.unwrap_or(0)).max(1)
            });
            zones.collect()
        };
        Self { farm, load, loads_rps: (0..slots).map(highest).collect() }
    }

    /// Every start, that with the least load first, of equals the earliest.
    fn quietest_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.loads_rps.len()).collect();
        order.sort_by_key(|start| {
            self.loads_rps[*start].iter().map(|rps| u64::from(*rps)).sum::<u64>()
        });
        order
    }

    fn time(&self, start: usize) -> TimeOfDay {
        let slot = u32::try_from(start).expect("a day has at most 1,440 slots");
        TimeOfDay { minutes: slot * self.load.slot_minutes }
    }

    /// Whether both halves carry the load of a start's window.
    fn holds(&self, start: usize, updating: &[bool]) -> bool {
        let there = with_loads(self.farm, &self.loads_rps[start]);
        let shares = Shares::of(&there);
        [Phase::OnLoaded, Phase::OnUpdating].into_iter().all(|phase| {
            let utilisation = shares.utilisation(&capacity::serving(updating, phase));
            utilisation.into_iter().all(|share| Shares::within(share, shares.limit()))
        })
    }

    /// The starts around the best one that hold, without a gap.
    fn around(&self, best: usize, updating: &[bool], takes: Takes) -> StartWindow {
        let slots = self.loads_rps.len();
        let good: BTreeSet<usize> =
            (0..slots).filter(|start| self.holds(*start, updating)).collect();
        let reach = |step: usize| {
            let away = (1..slots).map(|by| (best + by * step) % slots);
            away.take_while(|start| good.contains(start)).last().unwrap_or(best)
        };
        let all_day = good.len() == slots;
        let (from, until) = if all_day { (best, best) } else { (reach(slots - 1), reach(1)) };
        let (from, until) = (self.time(from), self.time(until));
        StartWindow { from, until, best: self.time(best), all_day, takes }
    }

    /// Why no window holds: each zone that is over its capacity in the quietest, half by half.
    fn no_window(
        &self,
        quietest: usize,
        shares: &Shares<'_>,
        split: &Split,
        takes: &Takes,
    ) -> Vec<Refusal> {
        let figures = capacity::of(shares, &split.updating);
        let over = |it: &&PhaseCapacity| {
            it.phase != Phase::Whole && it.members > 0 && it.load_rps > it.capacity_rps
        };
        let over: Vec<&PhaseCapacity> = figures.iter().filter(over).collect();
        if over.is_empty() {
            return split.refused.clone(); // Over by less than a request a second.
        }
        let policy = &self.farm.policy;
        let refusal = |it: &PhaseCapacity| Refusal {
            what: format!(
                "no time of day is quiet enough for an upgrade of {}: in the quietest, begun at {} \
                 UTC, {} has up to {} requests/s, and while the {} half carries everything its {} \
                 can have {} within the {} % that policy allows",
                hours(takes.minutes),
                self.time(quietest),
                it.zone,
                it.load_rps,
                if it.phase == Phase::OnLoaded { "loaded" } else { "updating" },
                match it.members {
                    1 => "one member".to_owned(),
                    members => format!("{members} members"),
                },
                it.capacity_rps,
                100 - policy.margin_percent,
            ),
            help: format!(
                "add servers or capacity, make the upgrade shorter (`policy.parallel_max` is {}; say \
                 `--takes` if it is known to take less), or lower `policy.margin_percent` (now {})",
                policy.parallel_max, policy.margin_percent
            ),
            can_be_forced: true,
        };
        over.into_iter().map(refusal).collect()
    }
}

/// Minutes as people say them.
#[must_use]
pub fn hours(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
