//! The farm file as it is written for a served farm: the same file, comments and all, with the
//! served addresses, the shell client as host commands, and times that go with the speed.
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::places::Places;

/// Times of a policy that a faster farm makes shorter: key, default, and the least that still
/// makes sense on a machine that does other things too. All in milliseconds. The drain's deadline
/// is not among them: users' requests do not get faster.
const TIMES: [(&str, u64, u64); 17] = [
    ("balancer_poll_ms", 5_000, 500),
    ("balancer_poll_draining_ms", 1_000, 200),
    ("flags_poll_ms", 15_000, 1_000),
    ("jobs_poll_ms", 15_000, 500),
    ("quiet_window_ms", 5_000, 1_000),
    ("warm_up_ms", 30_000, 1_000),
    ("idle_window_ms", 60_000, 2_000),
    ("soak_ms", 30 * 60_000, 5_000),
    ("soak_test_every_ms", 60_000, 1_000),
    ("upgrade_ms_max", 45 * 60_000, 60_000),
    ("service_center_ms_max", 45 * 60_000, 60_000),
    ("publish_ms_max", 240 * 60_000, 60_000),
    ("initialise_ms_max", 10 * 60_000, 60_000),
    ("idle_ms_max", 60 * 60_000, 60_000),
    ("test_ms_max", 10 * 60_000, 30_000),
    ("switch_ms_max", 10 * 60_000, 60_000),
    ("unknown_ms_max", 15 * 60_000, 60_000),
];

/// What a written farm file says beside the places.
pub(super) struct Settings<'a> {
    /// Path of this program.
    pub(super) program: &'a str,
    /// The environment variable with the console's password.
    pub(super) password_env: &'a str,
    /// By how much durations are divided.
    pub(super) speed: u64,
}

/// Edits a farm file's text.
///
/// # Errors
/// It is no TOML, or no table where a farm file has one.
pub(super) fn farm_file(
    text: &str,
    places: &Places,
    settings: &Settings<'_>,
) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    each(&mut document, "front_end", |table, name| {
        if let Some(at) = places.servers.get(name) {
            set(table, "address", at.ip().to_string());
            set(table, "port", i64::from(at.port()));
        }
    })?;
    if let Some(pure) = document.get_mut("pure_controller").and_then(Item::as_table_like_mut) {
        set(pure, "address", places.shell.ip().to_string());
    }
    each(&mut document, "balancer", |table, name| {
        if let Some(node) = places.nodes.get(name) {
            set(table, "api", node.api.to_string());
        }
    })?;
    each(&mut document, "pool", |table, name| {
        let mut traffic = InlineTable::new();
        for (node, place) in &places.nodes {
            if let Some(at) = place.traffic.get(name) {
                traffic.insert(node, at.to_string().into());
            }
        }
        set(table, "traffic", traffic);
    })?;
    let mut password = InlineTable::new();
    password.insert("env", settings.password_env.into());
    set(section(&mut document, "service_center")?, "password", password);
    let host = section(&mut document, "host")?;
    for verb in ["start", "job", "version", "service", "reboot"] {
        let argv = [settings.program.to_owned(), "shell".to_owned(), places.shell.to_string()];
        set(host, verb, argv.into_iter().collect::<Array>());
    }
    if settings.speed > 1 {
        shorten(section(&mut document, "policy")?, settings.speed);
    }
    Ok(document.to_string())
}

fn shorten(policy: &mut dyn TableLike, speed: u64) {
    for (key, default_ms, least_ms) in TIMES {
        let given = policy.get(key).and_then(Item::as_integer);
        let given = given.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(default_ms);
        let ms = (given / speed).max(least_ms).min(given);
        set(policy, key, i64::try_from(ms).unwrap_or(i64::MAX));
    }
}

/// Visits the tables of a list by their names, however the list is written.
fn each(
    document: &mut DocumentMut,
    list: &str,
    mut visit: impl FnMut(&mut dyn TableLike, &str),
) -> Result<(), String> {
    let mut visit = |table: &mut dyn TableLike| {
        let name = table.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
        visit(table, &name);
    };
    match document.get_mut(list) {
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter_mut().for_each(|table| visit(table));
            Ok(())
        }
        Some(Item::Value(Value::Array(array))) => {
            let tables = array.iter_mut().filter_map(Value::as_inline_table_mut);
            tables.for_each(|table| visit(table));
            Ok(())
        }
        _ => Err(format!("there is no list of {list} tables")),
    }
}

/// A table at the top, made when it is not there.
fn section<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut dyn TableLike, String> {
    document
        .entry(name)
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_like_mut()
        .ok_or_else(|| format!("{name} is not a table"))
}

/// Sets a value; what is written around it, such as a comment, stays.
fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}
