//! The farm file's tables, one function each.
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::names::{MemberName, NodeName, PoolName};

use super::walk::{Table, Walk};
use super::{
    ApplicationTest, BalancerKind, BalancerNode, FrontEnd, Generation, Half, Host, Labels, Pages,
    Pool, PoolMode, PureController, Scheme, Secret, ServiceCenter, Zone, clear_secret, template,
};

/// Longest name. Service Center's and HAProxy's own limits are higher.
const NAME_CHARS_MAX: usize = 64;

/// The farm's name: it becomes a file name (of the lock), so it is as plain as one.
pub(super) fn farm_name(t: &mut Table<'_, '_>) -> String {
    let name = t.text("name", "the farm's name");
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = name.chars().all(plain) && !name.starts_with(['.', '-']);
    if !good || name.len() > NAME_CHARS_MAX {
        let help = "a file is named after it: up to 64 letters, digits, `.`, `_` and `-`, \
            beginning with a letter or digit";
        t.wrong("name", "cannot be a farm's name", help);
    }
    name
}

/// A name as people give them: no line breaks, not like an option of a command.
fn name(t: &mut Table<'_, '_>, meaning: &str) -> String {
    let name = t.text("name", meaning);
    let good = name.trim() == name && !name.starts_with('-') && !name.contains(char::is_control);
    if !good || name.chars().count() > NAME_CHARS_MAX {
        let help = "up to 64 characters, without a leading `-`, blanks around it or line breaks";
        t.wrong("name", "cannot be a name", help);
    }
    name
}

/// A name that goes into HAProxy's commands, with the characters that it allows in names.
fn is_haproxy_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
        && name.len() <= NAME_CHARS_MAX
}

const HAPROXY_NAME: &str = "HAProxy's names are letters, digits, `-`, `_`, `.` and `:`; give the \
    name as its configuration has it";

/// A host name or IP address, alone.
fn address(t: &mut Table<'_, '_>, key: &'static str, meaning: &str) -> String {
    let address = t.text(key, meaning);
    if !address.is_empty() && !is_host(&address) {
        let help = "a host name or IP address alone, without scheme, port or path";
        t.wrong(key, "is no address", help);
    }
    address
}

fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    text.parse::<Ipv6Addr>().is_ok() || (text.chars().all(plain) && !text.starts_with(['-', '.']))
}

/// `host:port`, IPv6 addresses in brackets.
fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host_good = match bracketed {
            Some(host) => host.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(':') && is_host(host),
        };
        host_good && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// The controller when it is no front-end.
pub(super) fn pure_controller(t: &mut Table<'_, '_>) -> Option<PureController> {
    let meaning = "the controller, when it serves no users";
    let mut t = t.opt_table("pure_controller", "pure_controller", meaning)?;
    let controller = PureController {
        name: name(&mut t, "the controller's name").into(),
        address: address(&mut t, "address", "its own host name or IP address"),
    };
    t.end();
    Some(controller)
}

/// A deployment zone.
pub(super) fn zone(mut t: Table<'_, '_>) -> Zone {
    let zone = Zone {
        name: name(&mut t, "the zone's name in Service Center").into(),
        public_name: address(&mut t, "public_name", "the host name users reach the zone by"),
        deployment_address: t
            .opt_text("deployment_address", "the zone's Deployment Zone Address in Service Center"),
        load_rps: t.number_u32(
            "load_rps",
            1..=u32::MAX,
            "users' requests per second at the time of the upgrade (1 when there are next to none)",
        ),
        may_go_down: t.flag("may_go_down", false, "whether users may find the zone down meanwhile"),
        modules: t
            .opt_texts("modules", "modules whose `_ping.html` shows what is deployed")
            .unwrap_or_default(),
    };
    for (index, module) in zone.modules.iter().enumerate() {
        if module.is_empty() || module.contains(['/', '?', '#', ' ']) {
            let path = format!("{}[{index}]", t.path("modules"));
            let message = format!("`{module}` is no module's name");
            t.walk.wrong(&path, message, "give the name alone, as in `https://host/NAME/`");
        }
    }
    t.end();
    zone
}

/// A front-end.
pub(super) fn front_end(mut t: Table<'_, '_>) -> FrontEnd {
    let members =
        t.text_map("members", true, "its member name in each pool: `{ pool = \"member\" }`");
    for (pool, member) in &members {
        if member.is_empty() || !is_haproxy_name(member) {
            let path = format!("{}.{pool}", t.path("members"));
            let message = format!("`{member}` cannot be a member's name");
            t.walk.wrong(&path, message, HAPROXY_NAME);
        }
    }
    let role = [("updating", Half::Updating), ("loaded", Half::Loaded)];
    let port = t.opt_number("port", 1..=65_535, "the TCP port on which it serves HTTP or HTTPS");
    let front_end = FrontEnd {
        name: name(&mut t, "the server's name in Service Center").into(),
        address: address(&mut t, "address", "its own host name or IP address"),
        port: port.map_or(80, |port| u16::try_from(port).expect("the range is one of ports")),
        zones: t.texts("zones", "the zones it belongs to").into_iter().map(Into::into).collect(),
        members: members
            .into_iter()
            .map(|(pool, member)| (PoolName::from(pool), MemberName::from(member)))
            .collect(),
        capacity_rps: t.number_u32(
            "capacity_rps",
            1..=u32::MAX,
            "requests per second it carries at most",
        ),
        role: t.opt_choice("role", &role, "the half it is pinned to"),
    };
    t.end();
    front_end
}

/// A balancer process.
pub(super) fn balancer(mut t: Table<'_, '_>) -> BalancerNode {
    let kind = [("haproxy", BalancerKind::Haproxy)];
    let api_meaning = "HAProxy's runtime API: `host:port`, or `unix:/path/to.sock`";
    let node = BalancerNode {
        name: name(&mut t, "the node's name in this file").into(),
        kind: t.opt_choice("kind", &kind, "the balancer's product").unwrap_or_default(),
        api: t.text("api", api_meaning),
        state_survives_reload: t.flag(
            "state_survives_reload",
            false,
            "whether drains survive its reloads, by a state file that is kept current",
        ),
    };
    let good = match node.api.strip_prefix("unix:") {
        Some(path) => path.starts_with('/'),
        None => is_host_and_port(&node.api),
    };
    if !node.api.is_empty() && !good {
        t.wrong("api", "is no address of a runtime API", format!("`api` is {api_meaning}"));
    }
    t.end();
    node
}

/// A pool.
pub(super) fn pool(mut t: Table<'_, '_>) -> Pool {
    let mode = [("http", PoolMode::Http), ("tcp", PoolMode::Tcp)];
    let traffic_meaning = "where users' requests arrive, `host:port` by node";
    let share = t.opt_number(
        "load_share",
        0..=u64::from(u32::MAX),
        "its share of the zone's load, relative to the zone's other pools",
    );
    let floor =
        t.opt_number("floor", 1..=u64::from(u32::MAX), "the fewest members that must serve");
    let number =
        |n: Option<u64>| n.map_or(1, |n| u32::try_from(n).expect("the range is one of u32"));
    let pool = Pool {
        name: name(&mut t, "the pool's name in the balancer").into(),
        zone: t.text("zone", "the zone whose users it serves").into(),
        load_share: number(share),
        nodes: nodes(&mut t),
        traffic: traffic(&mut t, traffic_meaning),
        mode: t.opt_choice("mode", &mode, "how it forwards").unwrap_or_default(),
        health_check: t.flag(
            "health_check",
            true,
            "whether the balancer checks its members' health",
        ),
        sticky: t.flag("sticky", false, "whether clients stick to members"),
        tracks: t
            .opt_text("tracks", "the pool whose members' state its own follow")
            .map(Into::into),
        agent_check: t.flag("agent_check", false, "whether an agent sets its members' state"),
        floor: number(floor),
    };
    if !is_haproxy_name(pool.name.as_str()) {
        t.wrong("name", "cannot be a pool's name", HAPROXY_NAME);
    }
    t.end();
    pool
}

fn nodes(t: &mut Table<'_, '_>) -> Vec<NodeName> {
    let meaning = "the balancer nodes that carry it; all when left out";
    let nodes = t.opt_texts("nodes", meaning);
    if nodes.as_ref().is_some_and(Vec::is_empty) {
        t.wrong("nodes", "is an empty list", "name a node, or delete the line: then all carry it");
    }
    nodes.unwrap_or_default().into_iter().map(Into::into).collect()
}

fn traffic(t: &mut Table<'_, '_>, meaning: &str) -> BTreeMap<NodeName, String> {
    let traffic = t.text_map("traffic", false, meaning);
    for (node, at) in &traffic {
        if !is_host_and_port(at) {
            let path = format!("{}.{node}", t.path("traffic"));
            t.walk.wrong(
                &path,
                format!("`{at}` is no `host:port`"),
                format!("`traffic` is {meaning}"),
            );
        }
    }
    traffic.into_iter().map(|(node, at)| (node.into(), at)).collect()
}

/// An application test.
pub(super) fn test(mut t: Table<'_, '_>) -> ApplicationTest {
    let path_meaning = "path and query of a GET, beginning with `/`";
    let status = t.opt_number("expect_status", 100..=599, "the HTTP status that passes");
    let test = ApplicationTest {
        zone: t.text("zone", "the zone whose servers it runs on").into(),
        path: t.text("path", path_meaning),
        expect_status: status.map_or(200, |code| u16::try_from(code).expect("three digits")),
        expect_text: t.opt_text("expect_text", "text that the body must contain"),
    };
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if !test.path.is_empty() && (!test.path.starts_with('/') || test.path.contains(odd)) {
        t.wrong("path", "is no path", format!("`path` is {path_meaning}, percent-encoded"));
    }
    t.end();
    test
}

/// Service Center's console.
pub(super) fn service_center(t: &mut Table<'_, '_>) -> ServiceCenter {
    let mut console = ServiceCenter {
        scheme: Scheme::default(),
        user: String::new(),
        password: Secret::Env(String::new()),
        address: None,
        generation: Generation::default(),
        pages: Pages::default(),
        labels: Labels::default(),
    };
    let meaning = "how to log in to Service Center's console";
    let Some(mut t) = t.table("service_center", "service_center", meaning) else { return console };
    let scheme = [("http", Scheme::Http), ("https", Scheme::Https)];
    let generation = [("environment", Generation::Environment), ("platform", Generation::Platform)];
    console.scheme = t.opt_choice("scheme", &scheme, "`http` or `https`").unwrap_or_default();
    console.user = t.text("user", "the console's user");
    console.password = secret(&mut t);
    console.address = t.opt_text("address", "an address of the console, for people");
    console.generation =
        t.opt_choice("generation", &generation, "which page names it has").unwrap_or_default();
    if let Some(mut pages) = t.opt_table("pages", "service_center.pages", "page names of its own") {
        let meaning = "a path below `/ServiceCenter/`";
        console.pages = Pages {
            login: pages.opt_text("login", meaning),
            servers: pages.opt_text("servers", meaning),
            health: pages.opt_text("health", meaning),
        };
        pages.end();
    }
    if let Some(table) = t.opt_table("labels", "service_center.labels", "texts of its own") {
        console.labels = labels(table);
    }
    t.end();
    console
}

/// The password's source.
fn secret(t: &mut Table<'_, '_>) -> Secret {
    let meaning = "where the password comes from: `{ env = \"NAME\" }`, `{ file = \"PATH\" }` or \
        `{ command = [\"PROGRAM\", …] }`";
    let nowhere = Secret::Env(String::new());
    if let Some(value) = t.get("password")
        && value.get_ref().as_table().is_none()
    {
        t.walk.masked.push(value.span());
        let help = format!("write {meaning}; change the password, which this file has shown");
        t.wrong("password", "is given in clear", help);
        return nowhere;
    }
    let Some(mut p) = t.table("password", "service_center.password", meaning) else {
        return nowhere;
    };
    let env = p.opt_text("env", "the name of an environment variable").map(|name| {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(good)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            let span = p.walk.span(&p.path("env"));
            p.walk.masked.push(span);
            let help = "give the variable's name, not the password: letters, digits and `_`";
            p.wrong("env", "names no environment variable", help);
        }
        Secret::Env(name)
    });
    let file = p.opt_text("file", "a file whose first line is the password").map(|path| {
        if path.is_empty() {
            p.wrong("file", "is empty", "give the path of a file whose first line is the password");
        }
        Secret::File(path)
    });
    let command = p.opt_texts("command", "program and arguments").map(|argv| {
        if argv.first().is_none_or(String::is_empty) {
            p.wrong("command", "has no program", "give program and arguments as a list");
        }
        clear_arguments(&mut p, "command", &argv);
        Secret::Command(argv)
    });
    let path = p.path("").trim_end_matches('.').to_owned();
    p.end();
    let mut given = [env, file, command].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(source), None) => source,
        _ => {
            let message = "`password` of service_center must have exactly one source".to_owned();
            t.walk.wrong(&path, message, format!("give {meaning}"));
            nowhere
        }
    }
}

/// Adds a mistake for each argument that carries a secret in clear.
pub(super) fn clear_arguments(t: &mut Table<'_, '_>, key: &'static str, argv: &[String]) {
    for index in 0..argv.len() {
        if clear_secret::in_argument(argv, index) {
            let path = format!("{}[{index}]", t.path(key));
            mask(t.walk, &path);
            let message = format!("`{key}` of {} carries a secret in clear", t.called());
            let help = "let the program read it from its environment or a file, and change the \
                secret, which this file has shown";
            t.walk.wrong(&path, message, help);
        }
    }
}

fn mask(walk: &mut Walk, path: &str) {
    let span = walk.span(path);
    walk.masked.push(span);
}

fn labels(mut t: Table<'_, '_>) -> Labels {
    let default = Labels::default();
    let text = |t: &mut Table<'_, '_>, key, default: String, meaning| {
        t.opt_text(key, meaning).unwrap_or(default)
    };
    let labels = Labels {
        disable: text(&mut t, "disable", default.disable, "the button that disables a server"),
        enable: text(&mut t, "enable", default.enable, "the button that enables it again"),
        enabled_mark: text(
            &mut t,
            "enabled_mark",
            default.enabled_mark,
            "the mark of an enabled server",
        ),
        disabled_mark: text(
            &mut t,
            "disabled_mark",
            default.disabled_mark,
            "that of a disabled one",
        ),
        deployment_column: text(
            &mut t,
            "deployment_column",
            default.deployment_column,
            "heading of the column with the Deployment Service",
        ),
        idle_words: t
            .opt_texts("idle_words", "words of an idle deployment thread")
            .map_or(default.idle_words, |words| words.into_iter().collect()),
        busy_words: t
            .opt_texts("busy_words", "words of a busy deployment thread")
            .map_or(default.busy_words, |words| words.into_iter().collect()),
    };
    if labels.enabled_mark == labels.disabled_mark {
        let help = "an enabled and a disabled server must look different";
        t.wrong("enabled_mark", "is the same as `disabled_mark`", help);
    }
    if labels.idle_words.is_empty() {
        t.wrong("idle_words", "is empty", "name the words, such as `Sleeping` and `Idle`");
    }
    if let Some(word) = labels.idle_words.intersection(&labels.busy_words).next() {
        let message = format!("has `{word}`, which is also in `busy_words`");
        t.wrong("idle_words", &message, "a word is idle or busy, not both");
    }
    t.end();
    labels
}

/// Command templates.
pub(super) fn host(t: &mut Table<'_, '_>) -> Host {
    let meaning = "how commands reach the servers: one template a verb";
    let mut host = Host {
        start: Vec::new(),
        job: Vec::new(),
        version: Vec::new(),
        service: Vec::new(),
        reboot: Vec::new(),
        publish: false,
    };
    let Some(mut t) = t.table("host", "host", meaning) else { return host };
    host.start = template::read(&mut t, "start", "starts a job and returns at once");
    host.job = template::read(&mut t, "job", "tells what became of a job");
    host.version = template::read(&mut t, "version", "reads the installed version");
    host.service = template::read(&mut t, "service", "reads the Deployment Service's state");
    host.reboot = template::read(&mut t, "reboot", "restarts the machine");
    host.publish = t.flag("publish", false, "whether applications are published once after step 3");
    t.end();
    host
}
