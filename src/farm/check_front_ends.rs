//! What the whole farm tells about each front-end: its zones and pools must agree.
use super::check::{Kind, refers, twice};
use super::walk::{Walk, list};
use super::{Farm, FrontEnd};

/// Checks every front-end.
pub(super) fn all(farm: &Farm, walk: &mut Walk) {
    for (index, server) in farm.front_ends.iter().enumerate() {
        let path = format!("front_end[{index}]");
        zones(farm, walk, &path, server);
        members(farm, walk, &path, server);
        address(farm, walk, &path, server);
    }
}

fn called(server: &FrontEnd) -> String {
    format!("front-end `{}`", server.name)
}

fn zones(farm: &Farm, walk: &mut Walk, path: &str, server: &FrontEnd) {
    let path_zones = format!("{path}.zones");
    if walk.is_blurred(&path_zones) {
        return;
    }
    let known: Vec<&str> = farm.zones.iter().map(|zone| zone.name.as_str()).collect();
    // A farm's zones are a sorted set; the reader recorded the order of the file.
    let named = walk.names.get(&path_zones).cloned().unwrap_or_default();
    let place = |index: usize| format!("{path_zones}[{index}]");
    if named.is_empty() {
        let help = format!("name its zones ({})", list(&known));
        walk.wrong(&path_zones, format!("{} belongs to no zone", called(server)), help);
    }
    twice(walk, "the zone", named.iter().enumerate().map(|(i, zone)| (place(i), zone.clone())));
    for (index, zone) in named.iter().enumerate() {
        refers(walk, &place(index), zone, Kind::Zone, &known);
        if in_none_of_its_pools(farm, walk, path, server, zone) {
            let message =
                format!("{} is in zone `{zone}` and a member of none of its pools", called(server));
            let help = "add its member name to `members`, or take the zone away";
            walk.wrong(&place(index), message, help);
        }
    }
}

/// Whether a server is certainly in no pool of a zone of its own: an unknown pool may be a
/// misspelt one of them.
fn in_none_of_its_pools(
    farm: &Farm,
    walk: &Walk,
    path: &str,
    server: &FrontEnd,
    zone: &str,
) -> bool {
    let mut of_zone = farm.pools.iter().filter(|pool| pool.zone.as_str() == zone).peekable();
    let known = server.members.keys().all(|name| farm.pools.iter().any(|pool| pool.name == *name));
    known
        && !walk.is_blurred(&format!("{path}.members"))
        && of_zone.peek().is_some()
        && !of_zone.any(|pool| server.members.contains_key(&pool.name))
}

fn members(farm: &Farm, walk: &mut Walk, path: &str, server: &FrontEnd) {
    let known: Vec<&str> = farm.pools.iter().map(|pool| pool.name.as_str()).collect();
    for name in server.members.keys() {
        let place = format!("{path}.members.{name}");
        refers(walk, &place, name.as_str(), Kind::Pool, &known);
        let Some(pool) = farm.pools.iter().find(|pool| pool.name == *name) else { continue };
        let zone = &pool.zone;
        // Zones that are unreadable, missing or unknown are mistakes of their own.
        let judged = farm.zones.iter().any(|other| other.name == *zone)
            && !server.zones.is_empty()
            && !walk.is_blurred(&format!("{path}.zones"));
        if judged && !server.zones.contains(zone) {
            let message = format!(
                "{} is a member of pool `{name}` and not in its zone `{zone}`",
                called(server)
            );
            let help = format!("add `{zone}` to its `zones`, or take the member away");
            walk.wrong(&place, message, help);
        }
    }
}

fn address(farm: &Farm, walk: &mut Walk, path: &str, server: &FrontEnd) {
    let public = farm.zones.iter().find(|zone| {
        !server.address.is_empty() && zone.public_name.eq_ignore_ascii_case(&server.address)
    });
    if let Some(zone) = public {
        let message = format!(
            "{} has the public name of zone `{}` as its address",
            called(server),
            zone.name
        );
        let help =
            "give the server's own address: requests to the public name may reach any server";
        walk.wrong(&format!("{path}.address"), message, help);
    }
}
