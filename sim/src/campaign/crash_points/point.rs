//! A point at which the orchestrator is killed, as a word: `record-17-1s`, `sent-5-late-1h`.
use std::fmt;
use std::str::FromStr;

use crate::nemesis::fault::{Fate, OrchestratorFault};
use crate::nemesis::{Fault, Planned, Schedule, Trigger};
use crate::world::Points;

/// What the orchestrator has just done when it is killed. Each is counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// It has handed a record to the disk, which has not synced it: what was done is not known to
    /// have been done.
    Write(u64),
    /// A record is durable, and nothing has followed from it: an intent's effect has not left.
    Record(u64),
    /// It has sent bytes to where an effect of its own is under way, with this fate.
    Sent(u64, Fate),
}

/// How long it stays away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Away {
    /// A second: a supervisor starts it again.
    Second,
    /// An hour: a person does.
    Hour,
}

impl Away {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Second, Self::Hour];

    fn ms(self) -> u64 {
        match self {
            Self::Second => 1_000,
            Self::Hour => 3_600_000,
        }
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "1s",
            Self::Hour => "1h",
        }
    }
}

/// A crash of the orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// When.
    pub place: Place,
    /// For how long.
    pub away: Away,
}

impl Place {
    /// Which of its kind it is, counted from 1.
    fn nth(self) -> u64 {
        match self {
            Self::Write(nth) | Self::Record(nth) | Self::Sent(nth, _) => nth,
        }
    }
}

/// One of so many equal parts of all points, each with places from all over the run: what is played
/// on several machines, or one part after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    nth: u64,
    of: u64,
}

impl Part {
    /// All points are one part.
    pub const WHOLE: Self = Self { nth: 1, of: 1 };

    /// A point is of this part. Whatever happens at one place is of the same.
    #[must_use]
    pub fn has(self, point: &Point) -> bool {
        point.place.nth() % self.of == self.nth % self.of
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.nth, self.of)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(nth, of)| {
            let (nth, of): (u64, u64) = (nth.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&nth).then_some(Self { nth, of })
        });
        numbers.ok_or_else(|| format!("`{text}` is no part: the third of eight is 3/8"))
    }
}

/// What points have in common that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A record is lost, kept or torn.
    Write,
    /// A record is durable.
    Record,
    /// Something was sent.
    Sent(Fate),
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write => f.write_str("write"),
            Self::Record => f.write_str("record"),
            Self::Sent(fate) => write!(f, "sent-{}", fate.name()),
        }
    }
}

impl Point {
    /// Every point after `from` of a run that got as far as `to`, with one length of absence.
    pub fn all(from: Points, to: Points, away: Away) -> impl Iterator<Item = Self> {
        let records = from.records + 1..=to.records;
        let sent = from.sent + 1..=to.sent;
        let of_sent = |nth| Fate::ALL.into_iter().map(move |fate| Place::Sent(nth, fate));
        let places = records.flat_map(|nth| [Place::Write(nth), Place::Record(nth)]);
        places.chain(sent.flat_map(of_sent)).map(move |place| Self { place, away })
    }

    /// What it is counted with.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.place {
            Place::Write(_) => Class::Write,
            Place::Record(_) => Class::Record,
            Place::Sent(_, fate) => Class::Sent(fate),
        }
    }

    fn planned(self) -> Planned {
        let (trigger, fate) = match self.place {
            Place::Write(nth) => (Trigger::Write { nth }, Fate::default()),
            Place::Record(nth) => (Trigger::Record { nth }, Fate::default()),
            Place::Sent(nth, fate) => (Trigger::Sent { nth }, fate),
        };
        let fault = OrchestratorFault::OrchestratorCrash { away_ms: self.away.ms(), fate };
        Planned { trigger, fault: Fault::Orchestrator(fault) }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Write(nth) => write!(f, "write-{nth}")?,
            Place::Record(nth) => write!(f, "record-{nth}")?,
            Place::Sent(nth, fate) => write!(f, "sent-{nth}-{}", fate.name())?,
        }
        write!(f, "-{}", self.away.name())
    }
}

impl FromStr for Point {
    type Err = String;

    /// # Errors
    /// Says how points are written.
    fn from_str(text: &str) -> Result<Self, String> {
        let point = || {
            let away = Away::ALL
                .into_iter()
                .find_map(|away| Some((text.strip_suffix(away.name())?, away)));
            let (text, away) = away?;
            let (kind, text) = text.strip_suffix('-')?.split_once('-')?;
            let (nth, fate) = text.split_once('-').unwrap_or((text, ""));
            let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
            let place = match (kind, fate) {
                ("write", "") => Place::Write(nth),
                ("record", "") => Place::Record(nth),
                ("sent", fate) => {
                    Place::Sent(nth, Fate::ALL.into_iter().find(|it| it.name() == fate)?)
                }
                _ => return None,
            };
            Some(Self { place, away })
        };
        point().ok_or_else(|| {
            format!(
                "`{text}` is no crash point: they are written as write-17-1s, record-17-1h, \
                 sent-5-never-arrived-1s, sent-5-unanswered-1s, sent-5-late-1h"
            )
        })
    }
}

/// One crash, or two of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crashes(pub Vec<Point>);

impl Crashes {
    /// What goes wrong.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule { planned: self.0.iter().map(|point| point.planned()).collect() }
    }
}

impl fmt::Display for Crashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&words.join("+"))
    }
}

impl FromStr for Crashes {
    type Err = String;

    /// # Errors
    /// Says how points are written.
    fn from_str(text: &str) -> Result<Self, String> {
        text.split('+').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what a failure prints is what the command line reads. Method: every point of a small
    /// run, alone and in pairs, there and back; and what is none.
    #[test]
    fn points_are_read_as_they_are_printed() {
        let to = Points { records: 3, sent: 3 };
        let points: Vec<Point> = Away::ALL
            .into_iter()
            .flat_map(|away| Point::all(Points::default(), to, away))
            .collect();
        assert_eq!(points.len(), 2 * (2 * 3 + 3 * 3));
        for (point, other) in points.iter().zip(points.iter().rev()) {
            for crashes in [Crashes(vec![*point]), Crashes(vec![*point, *other])] {
                assert_eq!(crashes.to_string().parse(), Ok(crashes));
            }
        }
        for wrong in ["", "record-17", "record-0-1s", "sent-5-1s", "write-3-late-1s", "record-1-1d"]
        {
            assert!(wrong.parse::<Crashes>().is_err(), "{wrong}");
        }
    }
}
