//! Whose request it was: from a balancer's pool or a host name to a zone of the farm.
use std::collections::BTreeMap;

use evenkeel::farm::Farm;

use super::entry::Place;

/// The zones that requests may belong to.
#[derive(Clone, Debug)]
pub struct Zones {
    names: Vec<String>,
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    /// Everything is the one zone's.
    One,
    /// By pool, or by public name.
    Farm { pools: BTreeMap<Vec<u8>, usize>, hosts: Vec<(Vec<u8>, usize)> },
}

impl Zones {
    /// One zone, whose every request is.
    #[must_use]
    pub fn one(name: &str) -> Self {
        Self { names: vec![name.to_owned()], by: By::One }
    }

    /// A farm's zones, by its pools and their public names.
    #[must_use]
    pub fn of_farm(farm: &Farm) -> Self {
        let names: Vec<String> = farm.zones.iter().map(|zone| zone.name.to_string()).collect();
        let place = |zone: &str| names.iter().position(|name| name == zone);
        let pools = farm.pools.iter();
        let pools = pools.map(|pool| {
            let zone = place(pool.zone.as_str()).expect("a farm's pools are of its zones");
            (pool.name.as_str().as_bytes().to_vec(), zone)
        });
        let hosts = farm.zones.iter().enumerate();
        let hosts = hosts.map(|(zone, of)| (of.public_name.as_bytes().to_vec(), zone));
        let by = By::Farm { pools: pools.collect(), hosts: hosts.collect() };
        Self { names, by }
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The zone of a request. A line that says nothing of it is clear where there is one zone.
    #[inline]
    pub(super) fn of(&self, place: Place<'_>) -> Option<usize> {
        match (&self.by, place) {
            (By::One, _) => Some(0),
            (By::Farm { pools, .. }, Place::Pool(name)) => pools.get(name).copied(),
            (By::Farm { hosts, .. }, Place::Host(name)) => {
                let name = host(name);
                let found = hosts.iter().find(|(host, _)| host.eq_ignore_ascii_case(name));
                found.map(|(_, zone)| *zone)
            }
            (By::Farm { .. }, Place::Unsaid) => (self.names.len() == 1).then_some(0),
        }
    }
}

/// A host name without the port that a client may send with it.
fn host(name: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', name) {
        Some(colon) if name[colon + 1..].iter().all(u8::is_ascii_digit) => &name[..colon],
        _ => name,
    }
}
