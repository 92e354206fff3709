//! Sabotage: known bugs, planted to test the harness.
//!
//! An oracle that has never seen a bug is not known to see any. Each sabotage is a bug that
//! somebody could write, put in the place of `decide` or around a port, with the invariants that may
//! catch it first. With the guard on, no bug of `decide` may lead to a violation: the
//! run ends in a hold, or the bug is harmless. With the guard off, the oracle must catch each.
//!
//! * [`balancer`] — drains, admissions, weights, rescue.
//! * [`console`] — Enabled flags.
//! * [`order`] — which job, when.
//! * [`proof`] — when a server counts as fit.
//! * [`undone`] — what is left undone or held for nothing, which no guard can refuse.
//! * [`ports`] — network, commands and disk.
//! * [`hunt`] — how many seeds each takes to be caught.
mod balancer;
mod console;
pub mod hunt;
mod order;
pub mod ports;
mod proof;
mod undone;

use std::fmt;

use evenkeel::drive::Mind;
use evenkeel::procedure::decide::Decision;
use evenkeel::procedure::layout::Layout;
use evenkeel::procedure::progress::Progress;
use evenkeel::procedure::view::View;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use ports::PortBug;

/// In the place of `decide`.
pub type Decide = fn(&Layout, &Progress, &View) -> Decision;

/// Where a bug is.
#[derive(Clone, Copy, Debug)]
pub enum Bug {
    /// `decide` does something wrong. The guard stands behind it.
    Decide(Decide),
    /// `decide` leaves something undone, or holds for nothing: there is nothing to refuse.
    Undone(Decide),
    /// Something around a port is wrong.
    Port(PortBug),
}

/// A known bug.
#[derive(Clone, Copy, Debug)]
pub struct Sabotage {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is wrong, as a sentence without a full stop.
    pub sentence: &'static str,
    /// The invariants that may catch it first, the most likely one before the others: what it breaks
    /// by what it is. Caught by another one it is caught by chance, or is not the bug that it is to be.
    pub caught_by: &'static [&'static str],
    /// Where it is.
    pub bug: Bug,
    /// The faults under which it is hunted.
    pub hunted: Hunted,
}

/// The faults under which a bug is hunted: those of every hunt, and for some bugs more
/// ([`hunt::faults`]).
#[derive(Clone, Copy, Debug)]
pub enum Hunted {
    /// Those.
    Usually,
    /// Beside those, kinds that bring it out.
    With(&'static [&'static str]),
    /// These kinds alone, where the others keep it from doing anything.
    Under(&'static [&'static str]),
}

impl Sabotage {
    /// The sabotage of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        all().find(|it| it.name == name)
    }
}

/// Every sabotage.
pub fn all() -> impl Iterator<Item = &'static Sabotage> {
    [balancer::ALL, console::ALL, order::ALL, proof::ALL, undone::ALL, ports::ALL]
        .into_iter()
        .flatten()
}

/// Whether the guard stands behind a planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum GuardSwitch {
    /// As in production.
    On,
    /// Everything passes: the oracle is alone.
    Off,
}

impl fmt::Display for GuardSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::On { "on" } else { "off" })
    }
}

/// A bug planted in a run: part of what the run is, as its seed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// The bug, by its name in files.
    #[serde(serialize_with = "to_name", deserialize_with = "by_name")]
    pub sabotage: &'static Sabotage,
    /// The guard.
    pub guard: GuardSwitch,
}

impl Planted {
    /// What decides and what guards with this bug in it.
    #[must_use]
    pub fn mind(self) -> Mind {
        let sound = Mind::default();
        let decide = match self.sabotage.bug {
            Bug::Decide(decide) | Bug::Undone(decide) => decide,
            Bug::Port(_) => sound.decide,
        };
        match self.guard {
            GuardSwitch::On => Mind { decide, ..sound },
            GuardSwitch::Off => {
                Mind { decide, check: |_, _, _, _| Ok(()), vouch: |_, _, _, _| Ok(()) }
            }
        }
    }

    /// The bug around a port.
    #[must_use]
    pub fn port(self) -> Option<PortBug> {
        match self.sabotage.bug {
            Bug::Port(bug) => Some(bug),
            Bug::Decide(_) | Bug::Undone(_) => None,
        }
    }
}

impl PartialEq for Sabotage {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Sabotage {}

fn to_name<S: Serializer>(it: &&'static Sabotage, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(it.name)
}

fn by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static Sabotage, D::Error> {
    let name = String::deserialize(deserializer)?;
    let unknown = || serde::de::Error::custom(format!("there is no sabotage `{name}`"));
    Sabotage::named(&name).ok_or_else(unknown)
}

/// A copy with a change: how a bug sees something else than there is.
fn with<T: Clone>(it: &T, change: impl FnOnce(&mut T)) -> T {
    let mut copy = it.clone();
    change(&mut copy);
    copy
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Goal: a name means one bug. Method: count them.
    #[test]
    fn names_are_unique_and_every_group_is_there() {
        let names: BTreeSet<&str> = all().map(|it| it.name).collect();
        assert_eq!(names.len(), all().count());
        let count = |which: fn(&Bug) -> bool| all().filter(|it| which(&it.bug)).count();
        assert!(count(|bug| matches!(bug, Bug::Decide(_))) >= 20);
        assert!(count(|bug| matches!(bug, Bug::Port(_))) >= 8);
    }
}
