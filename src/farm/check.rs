//! What only the whole farm can tell: names that refer to nothing, duplicates, zones that cannot
//! be split, versions that do not go upward.
use std::collections::{BTreeMap, BTreeSet};

use super::walk::{Walk, list, nearest};
use super::{Farm, Half, Stack, Version, check_front_ends};

/// Lowest versions the balanced upgrade exists for (the public guide).
const LOWEST_DOTNET: &str = "4.2";
const LOWEST_J2EE: &str = "4.2.4.79";

/// Checks a farm whose parts have been read.
pub(super) fn whole(farm: &Farm, walk: &mut Walk) {
    versions(farm, walk);
    duplicates(farm, walk);
    controller(farm, walk);
    zones(farm, walk);
    check_front_ends::all(farm, walk);
    pools(farm, walk);
    tests(farm, walk);
    load(farm, walk);
}

fn versions(farm: &Farm, walk: &mut Walk) {
    let absent = |version: Version| version.parts() == [0; 4];
    let (text, stack) = match farm.stack {
        Stack::Dotnet => (LOWEST_DOTNET, ".NET"),
        Stack::J2ee => (LOWEST_J2EE, "J2EE"),
    };
    let lowest: Version = text.parse().expect("the constant is a version");
    let (from, to) = (farm.version_from, farm.version_to);
    if !absent(from) && from < lowest {
        let message = format!(
            "{from} is below {text}, the lowest version that this upgrade exists for on {stack}"
        );
        let help = "upgrade with downtime to a newer version first";
        walk.wrong("version_from", message, help);
    }
    if !absent(from) && !absent(to) && to <= from {
        let message = format!("{to} is not above {from}: an upgrade goes upward");
        walk.wrong("version_to", message, format!("give a version above {from}"));
    }
}

/// Adds a mistake for each value that was there before.
pub(super) fn twice(walk: &mut Walk, what: &str, items: impl Iterator<Item = (String, String)>) {
    let mut seen = BTreeMap::new();
    for (path, value) in items {
        if value.is_empty() {
            continue;
        }
        match seen.get(&value) {
            None => {
                seen.insert(value, path);
            }
            Some(first) => {
                let owner = walk.owner(first);
                let message = format!("{what} `{value}` is given twice: {owner} has it too");
                walk.wrong(&path, message, "give each its own, or delete one of the two");
            }
        }
    }
}

fn duplicates(farm: &Farm, walk: &mut Walk) {
    let pure = farm.pure_controller.iter();
    let servers = pure
        .clone()
        .map(|pure| ("pure_controller.name".to_owned(), pure.name.to_string()))
        .chain(named("front_end", farm.front_ends.iter().map(|server| server.name.to_string())));
    twice(walk, "the server name", servers);
    twice(
        walk,
        "the zone name",
        named("zone", farm.zones.iter().map(|zone| zone.name.to_string())),
    );
    twice(
        walk,
        "the node name",
        named("balancer", farm.balancers.iter().map(|n| n.name.to_string())),
    );
    twice(
        walk,
        "the pool name",
        named("pool", farm.pools.iter().map(|pool| pool.name.to_string())),
    );
    let addresses = farm.front_ends.iter().enumerate().map(|(index, server)| {
        let address = match server.address.as_str() {
            "" => String::new(),
            address => format!("{address}:{}", server.port),
        };
        (format!("front_end[{index}].address"), address)
    });
    twice(walk, "the address", addresses);
    let apis = farm.balancers.iter().enumerate();
    twice(walk, "the api", apis.map(|(i, node)| (format!("balancer[{i}].api"), node.api.clone())));
    for pool in &farm.pools {
        let members = farm.front_ends.iter().enumerate().filter_map(|(index, server)| {
            let member = server.members.get(&pool.name)?;
            Some((format!("front_end[{index}].members.{}", pool.name), member.to_string()))
        });
        twice(walk, &format!("the member name in pool {}", pool.name), members);
    }
    for (index, test) in farm.tests.iter().enumerate() {
        if farm.tests[..index].contains(test) {
            let message = "this test is given twice".to_owned();
            walk.wrong(&format!("test[{index}]"), message, "delete one of the two");
        }
    }
}

fn named(
    kind: &str,
    names: impl Iterator<Item = String>,
) -> impl Iterator<Item = (String, String)> {
    names.enumerate().map(move |(index, name)| (format!("{kind}[{index}].name"), name))
}

/// What names refer to.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    FrontEnd,
    Zone,
    Node,
    Pool,
}

impl Kind {
    /// Its key in the file.
    fn key(self) -> &'static str {
        match self {
            Self::FrontEnd => "front_end",
            Self::Zone => "zone",
            Self::Node => "balancer",
            Self::Pool => "pool",
        }
    }

    fn called(self) -> &'static str {
        match self {
            Self::FrontEnd => "front-end",
            Self::Zone => "zone",
            Self::Node => "balancer node",
            Self::Pool => "pool",
        }
    }
}

/// Adds a mistake when a name refers to nothing.
pub(super) fn refers(walk: &mut Walk, path: &str, name: &str, kind: Kind, known: &[&str]) {
    if name.is_empty() || known.contains(&name) || walk.names_blurred(kind.key()) {
        return;
    }
    let known: &[&str] =
        &known.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
    let kind = kind.called();
    let help = match nearest(name, known) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("name one of those in this file ({}), or add it", list(known)),
    };
    walk.wrong(path, format!("there is no {kind} `{name}`"), help);
}

fn controller(farm: &Farm, walk: &mut Walk) {
    let name = &farm.controller;
    let front_end = farm.front_ends.iter().position(|server| server.name == *name);
    match (&farm.pure_controller, front_end) {
        (None, None) => {
            let known: Vec<&str> = farm.front_ends.iter().map(|s| s.name.as_str()).collect();
            refers(walk, "controller", name.as_str(), Kind::FrontEnd, &known);
            if let Some(place) = walk.mistakes.last_mut()
                && place.message == format!("there is no front-end `{name}`")
                && !place.help.starts_with("did you mean")
            {
                place.help = "name a front-end, or describe the controller in `[pure_controller]` \
                    when it serves no users"
                    .into();
            }
        }
        (Some(pure), None) if pure.name != *name && !name.as_str().is_empty() => {
            let message =
                format!("the controller is `{name}`, and `[pure_controller]` is `{}`", pure.name);
            walk.wrong("controller", message, "give both the same name");
        }
        (Some(_), Some(_)) => {
            let message = format!(
                "the controller `{name}` is a front-end, and there is a `[pure_controller]` too"
            );
            walk.wrong("pure_controller", message, "delete one of the two");
        }
        _ => {}
    }
    if let Some(index) = front_end
        && farm.front_ends[index].role == Some(Half::Loaded)
    {
        let message = format!("the controller `{name}` is pinned to the loaded half");
        let help = "delete `role`: the controller is upgraded first, so it is updating";
        walk.wrong(&format!("front_end[{index}].role"), message, help);
    }
}

/// Whether the `zones` or `members` of any front-end could not be read.
fn membership_blurred(walk: &Walk, key: &str) -> bool {
    let part = format!("].{key}");
    walk.blurred.iter().any(|path| path.starts_with("front_end[") && path.contains(&part))
}

fn zones(farm: &Farm, walk: &mut Walk) {
    for (index, zone) in farm.zones.iter().enumerate() {
        let path = format!("zone[{index}]");
        if zone.name.as_str().is_empty() {
            continue;
        }
        let servers: Vec<_> =
            farm.front_ends.iter().filter(|server| server.zones.contains(&zone.name)).collect();
        let counted = !walk.names_blurred("front_end") && !membership_blurred(walk, "zones");
        match servers.as_slice() {
            _ if !counted => {}
            [] => {
                let message = format!("zone `{}` has no front-end", zone.name);
                let help = "name it in the `zones` of its front-ends, or delete it";
                walk.wrong(&path, message, help);
            }
            [only] if !zone.may_go_down => {
                let message = format!(
                    "zone `{}` has one front-end, `{}`: it goes down while that is upgraded",
                    zone.name, only.name
                );
                let help = "add a front-end to it, or accept that with `may_go_down = true`";
                walk.wrong(&path, message, help);
            }
            _ => {}
        }
        let mut pools = farm.pools.iter().filter(|pool| pool.zone == zone.name).peekable();
        if walk.is_blurred("pool") {
            continue;
        }
        if pools.peek().is_none() {
            let message = format!("zone `{}` has no pool", zone.name);
            walk.wrong(&path, message, "add a `[[pool]]` with this zone");
        } else if pools.all(|pool| pool.load_share == 0) {
            let message = format!("no pool of zone `{}` has a share of its load", zone.name);
            walk.wrong(&path, message, "give one of them a `load_share` over 0");
        }
    }
}

fn pools(farm: &Farm, walk: &mut Walk) {
    let zones: Vec<&str> = farm.zones.iter().map(|zone| zone.name.as_str()).collect();
    let nodes: Vec<&str> = farm.balancers.iter().map(|node| node.name.as_str()).collect();
    let names: Vec<&str> = farm.pools.iter().map(|pool| pool.name.as_str()).collect();
    for (index, pool) in farm.pools.iter().enumerate() {
        let path = format!("pool[{index}]");
        refers(walk, &format!("{path}.zone"), pool.zone.as_str(), Kind::Zone, &zones);
        for (place, node) in pool.nodes.iter().enumerate() {
            let place = format!("{path}.nodes[{place}]");
            refers(walk, &place, node.as_str(), Kind::Node, &nodes);
        }
        twice(
            walk,
            "the node",
            pool.nodes
                .iter()
                .enumerate()
                .map(|(i, node)| (format!("{path}.nodes[{i}]"), node.to_string())),
        );
        for node in pool.traffic.keys() {
            let place = format!("{path}.traffic.{node}");
            refers(walk, &place, node.as_str(), Kind::Node, &nodes);
            if !pool.nodes.is_empty() && !pool.nodes.contains(node) {
                let message = format!("pool `{}` is not carried by node `{node}`", pool.name);
                walk.wrong(&place, message, "add it to `nodes`, or delete this entry");
            }
        }
        if let Some(tracked) = &pool.tracks {
            let place = format!("{path}.tracks");
            refers(walk, &place, tracked.as_str(), Kind::Pool, &names);
            if *tracked == pool.name {
                walk.wrong(
                    &place,
                    format!("pool `{}` tracks itself", pool.name),
                    "delete `tracks`",
                );
            }
        }
        let members =
            farm.front_ends.iter().filter(|server| server.members.contains_key(&pool.name)).count();
        if pool.name.as_str().is_empty() {
            continue;
        }
        if walk.names_blurred("front_end") || membership_blurred(walk, "members") {
            continue;
        }
        if members == 0 {
            let message = format!("pool `{}` has no member", pool.name);
            walk.wrong(&path, message, "name it in the `members` of its front-ends, or delete it");
        } else if usize::try_from(pool.floor).is_ok_and(|floor| floor > members) {
            let message =
                format!("pool `{}` has a floor of {} and {members} members", pool.name, pool.floor);
            walk.wrong(&format!("{path}.floor"), message, "each half must have that many members");
        }
    }
}

fn tests(farm: &Farm, walk: &mut Walk) {
    let zones: Vec<&str> = farm.zones.iter().map(|zone| zone.name.as_str()).collect();
    for (index, test) in farm.tests.iter().enumerate() {
        refers(walk, &format!("test[{index}].zone"), test.zone.as_str(), Kind::Zone, &zones);
    }
}

fn load(farm: &Farm, walk: &mut Walk) {
    let Some(load) = &farm.load else { return };
    let zones: Vec<&str> = farm.zones.iter().map(|zone| zone.name.as_str()).collect();
    let place = |index: usize| format!("load.zone[{index}].zone");
    for (index, zone) in load.zones.iter().enumerate() {
        refers(walk, &place(index), zone.zone.as_str(), Kind::Zone, &zones);
    }
    let given = load.zones.iter().enumerate();
    twice(walk, "the load of zone", given.map(|(i, zone)| (place(i), zone.zone.to_string())));
}
