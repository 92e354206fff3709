//! Load against capacity in every phase and zone, also with the worst member lost.
use crate::names::ZoneName;

use super::model::{Phase, PhaseCapacity};
use super::share::{Shares, percent};

/// Figures of every phase and zone, phase by phase.
pub(super) fn of(shares: &Shares<'_>, updating: &[bool]) -> Vec<PhaseCapacity> {
    let phases = [Phase::Whole, Phase::OnLoaded, Phase::OnUpdating];
    let zones = || shares.farm.zones.iter();
    let pairs = phases.into_iter().flat_map(|phase| zones().map(move |zone| (phase, &zone.name)));
    pairs.map(|(phase, zone)| one(shares, &serving(updating, phase), phase, zone)).collect()
}

/// Who serves in a phase.
pub(super) fn serving(updating: &[bool], phase: Phase) -> Vec<bool> {
    let serves = |updating: &bool| match phase {
        Phase::Whole => true,
        Phase::OnLoaded => !updating,
        Phase::OnUpdating => *updating,
    };
    updating.iter().map(serves).collect()
}

fn one(shares: &Shares<'_>, serving: &[bool], phase: Phase, zone: &ZoneName) -> PhaseCapacity {
    let members = members(shares, serving, zone);
    PhaseCapacity {
        phase,
        zone: zone.clone(),
        load_rps: load_rps(shares, zone),
        members: u32::try_from(members.len()).expect("a farm file is under a megabyte"),
        capacity_rps: capacity_rps(shares, serving, zone),
        busiest_percent: percent(busiest(shares, serving, zone)),
        busiest_percent_one_lost: one_lost(shares, serving, zone).map(percent),
    }
}

fn load_rps(shares: &Shares<'_>, zone: &ZoneName) -> u32 {
    let zone = shares.farm.zones.iter().find(|other| other.name == *zone);
    zone.expect("zones are the farm's own").load_rps
}

/// Serving front-ends of a zone.
pub(super) fn members(shares: &Shares<'_>, serving: &[bool], zone: &ZoneName) -> Vec<usize> {
    let of_zone = |pool: &usize| shares.farm.pools[*pool].zone == *zone;
    let serves =
        |server: &usize| serving[*server] && shares.server_pools[*server].iter().any(of_zone);
    (0..serving.len()).filter(serves).collect()
}

/// The highest utilisation of a zone's members.
pub(super) fn busiest(shares: &Shares<'_>, serving: &[bool], zone: &ZoneName) -> f64 {
    let utilisation = shares.utilisation(serving);
    let members = members(shares, serving, zone);
    members.into_iter().map(|server| utilisation[server]).fold(0.0, f64::max)
}

/// The same with the one server lost whose loss is worst for this zone; `None` when a pool of the
/// zone would be empty.
pub(super) fn one_lost(shares: &Shares<'_>, serving: &[bool], zone: &ZoneName) -> Option<f64> {
    let mut worst = 0.0;
    for lost in (0..serving.len()).filter(|server| serving[*server]) {
        let mut left = serving.to_vec();
        left[lost] = false;
        let counts = shares.counts(&left);
        let pools = shares.farm.pools.iter().zip(&counts);
        if pools.into_iter().any(|(pool, count)| pool.zone == *zone && *count == 0) {
            return None;
        }
        worst = f64::max(worst, busiest(shares, &left, zone));
    }
    (worst > 0.0).then_some(worst)
}

/// How much of this zone's load its members could carry within the margin, the other zones' load
/// being what it is. All of a zone's pools grow together.
fn capacity_rps(shares: &Shares<'_>, serving: &[bool], zone: &ZoneName) -> u32 {
    let counts = shares.counts(serving);
    let mut times = f64::INFINITY;
    for server in members(shares, serving, zone) {
        let (mut own, mut others) = (0.0, 0.0);
        for pool in &shares.server_pools[server] {
            let load = shares.member_rps(*pool, &counts);
            let of_zone = shares.farm.pools[*pool].zone == *zone;
            *(if of_zone { &mut own } else { &mut others }) += load;
        }
        let free = shares.capacity_rps(server) * shares.limit() - others;
        if own > 0.0 {
            times = times.min(free / own);
        }
    }
    if !times.is_finite() {
        return 0; // Nobody serves.
    }
    // Rounded down, never rosier than the truth; the cast saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let capacity = (times.max(0.0) * f64::from(load_rps(shares, zone)) + 1e-6).floor() as u32;
    capacity
}
