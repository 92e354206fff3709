//! The splits that are compared: the plan's, and those next to it with the next best margin.
//!
//! Next to it is a split in which one server changes its half, or two change places. Splits in which
//! servers that look alike (same pools, capacity, pin) change places are the same.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel::farm::{Farm, FrontEnd, Half};
use evenkeel::names::ServerName;
use evenkeel::plan::{Phase, Plan};

use crate::scenario::Scenario;

/// Most splits that are looked at: each is a plan to be made.
const CANDIDATES_MAX: usize = 200;

/// One partition of the front-ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Those that are upgraded first.
    pub updating: BTreeSet<ServerName>,
    /// Load of the busiest server over its capacity while one half serves, in percent.
    pub busiest_percent: u32,
}

/// The plan's split and the next best, `count` in all where there are so many.
pub(super) fn of(scenario: &Scenario, count: usize) -> Vec<Split> {
    let farm = &scenario.plan.farm;
    let first = Split::of(&scenario.plan);
    let mut others: Vec<(usize, Split)> = neighbours(farm, &first.updating)
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter_map(|updating| {
            let scenario = scenario.with_farm(pinned(farm, &updating)).ok()?;
            let split = Split::of(&scenario.plan);
            let half = split.updating.len();
            Some((half.abs_diff(farm.front_ends.len() - half), split))
        })
        .collect();
    // Of equal margins the more even halves, and of those the first of the farm file.
    others.sort_by_key(|(uneven, split)| (split.busiest_percent, *uneven));
    let others = others.into_iter().map(|(_, split)| split);
    std::iter::once(first).chain(others).take(count).collect()
}

impl Split {
    fn of(plan: &Plan) -> Self {
        let halves = plan.capacity.iter().filter(|it| it.phase != Phase::Whole);
        Self {
            updating: plan.updating.iter().cloned().collect(),
            busiest_percent: halves.map(|it| it.busiest_percent).max().unwrap_or(0),
        }
    }
}

/// A farm of which every server is pinned to its half; the controller is so by itself.
pub(super) fn pinned(farm: &Farm, updating: &BTreeSet<ServerName>) -> Farm {
    let mut farm = farm.clone();
    for server in &mut farm.front_ends {
        let half = if updating.contains(&server.name) { Half::Updating } else { Half::Loaded };
        server.role = (server.name != farm.controller).then_some(half);
    }
    farm
}

/// One server moved, or two that change places; each shape once.
fn neighbours(farm: &Farm, updating: &BTreeSet<ServerName>) -> Vec<BTreeSet<ServerName>> {
    let free: Vec<&ServerName> = farm
        .front_ends
        .iter()
        .filter(|it| it.role.is_none() && it.name != farm.controller)
        .map(|it| &it.name)
        .collect();
    let toggled = |servers: &[&ServerName]| {
        let mut other = updating.clone();
        for server in servers {
            if !other.remove(*server) {
                other.insert((*server).clone());
            }
        }
        other
    };
    let moves = free.iter().map(|server| toggled(&[server]));
    let swaps = free.iter().enumerate().flat_map(|(place, a)| {
        let others = free[place + 1..].iter();
        let places = others.filter(|b| updating.contains(*a) != updating.contains(**b));
        places.map(|b| toggled(&[a, b])).collect::<Vec<_>>()
    });
    let mut shapes = BTreeSet::from([shape(farm, updating)]);
    moves.chain(swaps).filter(|other| shapes.insert(shape(farm, other))).collect()
}

/// How many of the servers that look alike are updating.
fn shape(farm: &Farm, updating: &BTreeSet<ServerName>) -> Vec<usize> {
    let looks = |it: &FrontEnd| {
        let pools: Vec<String> = it.members.keys().map(ToString::to_string).collect();
        (pools, it.capacity_rps, it.role, it.name == farm.controller)
    };
    let mut counts = BTreeMap::new();
    for server in &farm.front_ends {
        *counts.entry(looks(server)).or_default() += usize::from(updating.contains(&server.name));
    }
    counts.into_values().collect()
}
