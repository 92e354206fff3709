//! The texts of `show info`, `show servers state` and `show stat`, read by their headers: the
//! columns differ between versions.
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::balancer::BalancerError;
use crate::names::{MemberName, PoolName};
use crate::procedure::readings::{
    AdminState, CheckState, Epoch, MemberId, MemberReading, NodeReading, OperState,
};

/// The farm's members by pool and name.
pub(super) type Roster = BTreeMap<PoolName, BTreeMap<MemberName, MemberId>>;

/// What one observation told, with what concerns this adapter alone.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) reading: NodeReading,
    /// Members whose agent check runs.
    pub(super) agents: BTreeSet<MemberId>,
    /// Members that follow another server's state, and that server (`pool/name`).
    pub(super) tracked: BTreeMap<MemberId, String>,
}

/// Bits of `srv_check_state` and `srv_agent_state` (HAProxy: `enum chk_state`).
mod check_bits {
    pub(super) const CONFIGURED: u32 = 2;
    pub(super) const ENABLED: u32 = 4;
    pub(super) const PAUSED: u32 = 8;
}

/// Values of `srv_check_result` (doc/management.txt, "show servers state").
mod check_result {
    pub(super) const FAILED: u32 = 2;
    pub(super) const PASSED: u32 = 3;
    pub(super) const CONDITIONALLY_PASSED: u32 = 4;
}

/// One row of `show servers state`.
struct StateRow {
    admin: AdminState,
    oper: OperState,
    weight: u32,
    check_state: u32,
    check_result: u32,
    agent_state: u32,
}

fn garbled(what: impl Into<String>) -> BalancerError {
    BalancerError::Garbled(what.into())
}

/// Reads the answer to all three commands.
pub(super) fn read(answer: &str, roster: &Roster) -> Result<Facts, BalancerError> {
    let (info, rest) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let (epoch, lived_ms) = life(info)?;
    let (states, stat) = rest
        .split_once("\n\n")
        .ok_or_else(|| garbled("`show servers state` and `show stat` are missing"))?;
    let states = states_by_name(states)?;
    let mut facts = Facts {
        reading: NodeReading { epoch, lived_ms, members: BTreeMap::new() },
        agents: BTreeSet::new(),
        tracked: BTreeMap::new(),
    };
    read_stat(stat, roster, &states, &mut facts)?;
    for (pool, members) in roster {
        for (name, id) in members {
            let in_states = states.contains_key(&(pool.as_str(), name.as_str()));
            if in_states != facts.reading.members.contains_key(id) {
                let words = format!("{pool}/{name} is in one of `show servers state`, `show stat`");
                return Err(garbled(words));
            }
        }
    }
    Ok(facts)
}

/// The process's life: its number and its start, both the same in every answer until a reload; and
/// how long it has lasted, in milliseconds.
fn life(info: &str) -> Result<(Epoch, u64), BalancerError> {
    let field = |name: &str| {
        let mut lines = info.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim()))
    };
    let missing = |name: &str| {
        let seen: String = info.trim().chars().take(200).collect();
        garbled(format!("`show info` has no `{name}` (HAProxy 2.6 and later have): {seen}"))
    };
    let pid = field("Pid").ok_or_else(|| missing("Pid"))?;
    let start = field("Start_time_sec").ok_or_else(|| missing("Start_time_sec"))?;
    let up_s = field("Uptime_sec").ok_or_else(|| missing("Uptime_sec"))?;
    let up_s: u64 =
        up_s.parse().map_err(|_| garbled(format!("`Uptime_sec` is `{up_s}`, no number")))?;
    Ok((Epoch(format!("pid {pid} since {start}").into()), up_s.saturating_mul(1_000)))
}

/// `show servers state` by (pool, member).
fn states_by_name(text: &str) -> Result<BTreeMap<(&str, &str), StateRow>, BalancerError> {
    let mut lines = text.lines();
    let version = lines.next().unwrap_or_default();
    if version != "1" {
        return Err(garbled(format!("`show servers state` has format `{version}`, not `1`")));
    }
    let header = lines.next().and_then(|line| line.strip_prefix("# "));
    let header = header.ok_or_else(|| garbled("`show servers state` has no header"))?;
    const COLUMNS: [&str; 8] = [
        "be_name",
        "srv_name",
        "srv_op_state",
        "srv_admin_state",
        "srv_uweight",
        "srv_check_state",
        "srv_check_result",
        "srv_agent_state",
    ];
    let at = positions(header.split(' '), COLUMNS, "show servers state")?;
    let mut rows = BTreeMap::new();
    let mut fields = Vec::new();
    for line in lines {
        split_at_spaces(line, &mut fields);
        let [pool, name, numbers @ ..] = at.map(|at| fields.get(at).copied().unwrap_or_default());
        let mut parsed = [0; 6];
        for ((slot, number), column) in parsed.iter_mut().zip(numbers).zip(&COLUMNS[2..]) {
            // All in decimal, the bit fields too.
            *slot = number.parse().map_err(|_| {
                garbled(format!("`show servers state`: {pool}/{name} has {column} `{number}`"))
            })?;
        }
        let [oper, admin, weight, check_state, check_result, agent_state] = parsed;
        let oper = oper_state(oper)
            .ok_or_else(|| garbled(format!("{pool}/{name} has srv_op_state {oper}")))?;
        let admin = u16::try_from(admin)
            .map_err(|_| garbled(format!("{pool}/{name} has srv_admin_state {admin}")))?;
        let admin = AdminState(admin);
        let row = StateRow { admin, oper, weight, check_state, check_result, agent_state };
        rows.insert((pool, name), row);
    }
    Ok(rows)
}

fn oper_state(number: u32) -> Option<OperState> {
    match number {
        0 => Some(OperState::Stopped),
        1 => Some(OperState::Starting),
        2 => Some(OperState::Running),
        3 => Some(OperState::Stopping),
        _ => None,
    }
}

/// `show stat`'s rows of the farm's members, joined with their states.
fn read_stat(
    text: &str,
    roster: &Roster,
    states: &BTreeMap<(&str, &str), StateRow>,
    facts: &mut Facts,
) -> Result<(), BalancerError> {
    let text = text.trim_start_matches('\n');
    let (header, rows) = text.split_once('\n').unwrap_or((text, ""));
    let header = header.strip_prefix("# ").ok_or_else(|| {
        let seen: String = header.chars().take(200).collect();
        garbled(format!("`show stat` has no header: {seen}"))
    })?;
    const COLUMNS: [&str; 10] = [
        "pxname", "svname", "qcur", "scur", "stot", "econ", "eresp", "status", "tracked",
        "hrsp_5xx",
    ];
    let at = positions(header.split(','), COLUMNS, "show stat")?;
    let wanted = at.iter().max().map_or(0, |last| last + 1);
    let mut rows = Rows { text: rows, wanted };
    let mut fields = Vec::new();
    while rows.next(&mut fields) {
        let [pool, name, qcur, scur, stot, econ, eresp, status, tracked, hrsp_5xx] =
            at.map(|at| fields.get(at).map_or("", AsRef::as_ref));
        let Some(id) = roster.get(pool).and_then(|members| members.get(name)) else { continue };
        let Some(state) = states.get(&(pool, name)) else { continue };
        let count = |column: &str, text: &str| match text {
            "" => Ok(0), // a counter that does not apply to this row
            text => text
                .parse::<u64>()
                .map_err(|_| garbled(format!("`show stat`: {pool}/{name} has {column} `{text}`"))),
        };
        if state.agent_state & check_bits::ENABLED != 0 {
            facts.agents.insert(id.clone());
        }
        if !tracked.is_empty() || state.admin.inherited() {
            let followed = if tracked.is_empty() { "another server" } else { tracked };
            facts.tracked.insert(id.clone(), followed.to_owned());
        }
        let followed = tracked.split_once('/').and_then(|followed| states.get(&followed));
        let member = MemberReading {
            admin: state.admin,
            oper: state.oper,
            check: check(followed.unwrap_or(state), status),
            // Requests in this member's own queue are its to answer, so they count as in flight.
            in_flight: count("scur", scur)? + count("qcur", qcur)?,
            arrivals: count("stot", stot)?,
            errors: count("hrsp_5xx", hrsp_5xx)? + count("econ", econ)? + count("eresp", eresp)?,
            weight: state.weight,
            status: status.to_owned(),
        };
        facts.reading.members.insert(id.clone(), member);
    }
    Ok(())
}

/// What the health check says. `row` is the one that is checked: the followed server's when this
/// one tracks it.
fn check(row: &StateRow, status: &str) -> CheckState {
    if row.check_state & check_bits::CONFIGURED == 0 {
        return CheckState::None;
    }
    // Stopped in maintenance; `UP 1/2`, `DRAIN 1/2`: on the way, or assumed up and not yet checked.
    let stopped =
        row.check_state & check_bits::PAUSED != 0 || row.check_state & check_bits::ENABLED == 0;
    let on_the_way = status.split(' ').any(|word| word.contains('/') && !word.ends_with(')'));
    match row.check_result {
        _ if stopped || on_the_way => CheckState::Unproven,
        check_result::PASSED | check_result::CONDITIONALLY_PASSED => CheckState::Passing,
        check_result::FAILED => CheckState::Failing,
        _ => CheckState::Unproven,
    }
}

/// Where the columns are.
fn positions<'a, const N: usize>(
    header: impl Iterator<Item = &'a str>,
    columns: [&str; N],
    table: &str,
) -> Result<[usize; N], BalancerError> {
    let mut at = [usize::MAX; N];
    for (position, name) in header.enumerate() {
        let name = name.trim();
        if let Some(column) = columns.iter().position(|column| *column == name) {
            at[column] = position;
        }
    }
    match at.iter().position(|at| *at == usize::MAX) {
        Some(missing) => Err(garbled(format!("`{table}` has no column `{}`", columns[missing]))),
        None => Ok(at),
    }
}

/// Splits a line into `fields`, by bytes: fields are short, and so is the look for each one's end.
fn split_at_spaces<'a>(line: &'a str, fields: &mut Vec<&'a str>) {
    fields.clear();
    let mut begin = 0;
    for (at, byte) in line.bytes().enumerate() {
        if byte == b' ' {
            fields.push(&line[begin..at]);
            begin = at + 1;
        }
    }
    fields.push(&line[begin..]);
}

/// Rows of comma-separated values; a quoted field may hold commas, doubled quotes and line ends.
struct Rows<'a> {
    text: &'a str,
    /// How many fields of a row are wanted: it has eighty, and those that count come first.
    wanted: usize,
}

impl<'a> Rows<'a> {
    /// Reads the wanted fields of the next row that is not empty.
    fn next(&mut self, fields: &mut Vec<Cow<'a, str>>) -> bool {
        fields.clear();
        self.text = self.text.trim_start_matches(['\n', '\r']);
        if self.text.is_empty() {
            return false;
        }
        loop {
            let (field, rest) = match self.text.strip_prefix('"') {
                Some(quoted) => unquote(quoted),
                None => {
                    // By bytes: both are ASCII, and this loop reads most of what a run reads.
                    let mut bytes = self.text.bytes();
                    let end = bytes.position(|byte| matches!(byte, b',' | b'\n'));
                    let end = end.unwrap_or(self.text.len());
                    (Cow::Borrowed(&self.text[..end]), &self.text[end..])
                }
            };
            fields.push(field);
            let more = rest.strip_prefix(',');
            if let Some(more) = more.filter(|_| fields.len() < self.wanted) {
                self.text = more;
                continue;
            }
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            // Whatever follows a closing quote up to the line's end belongs to no field; and past
            // the wanted fields the line's end is the row's, unless a quoted field may hold it.
            if more.is_none() || !line.contains('"') {
                self.text = after;
                return true;
            }
            self.text = &rest[1..];
        }
    }
}

/// A quoted field's text and what follows its closing quote.
fn unquote(quoted: &str) -> (Cow<'_, str>, &str) {
    let mut from = 0;
    while let Some(quote) = quoted[from..].find('"').map(|at| from + at) {
        if quoted[quote + 1..].starts_with('"') {
            from = quote + 2;
            continue;
        }
        let (text, rest) = (&quoted[..quote], &quoted[quote + 1..]);
        let text = if from == 0 { Cow::Borrowed(text) } else { text.replace("\"\"", "\"").into() };
        return (text, rest);
    }
    (Cow::Borrowed(quoted), "")
}

#[cfg(test)]
mod tests;
