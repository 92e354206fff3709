//! The texts of `show info`, `show servers state` and `show stat`, read by their headers: the
//! columns differ between versions.
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use memchr::{memchr, memmem};

use crate::balancer::BalancerError;
use crate::names::{MemberName, PoolName};
use crate::procedure::readings::{
    AdminState, CheckState, Epoch, MemberId, MemberReading, NodeReading, OperState,
};

use super::table::{Columns, Rows, Wanted};

/// The farm's members on a node.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// All of them, in the order given.
    ids: Vec<MemberId>,
    /// Their places in it, by pool and name.
    places: BTreeMap<PoolName, BTreeMap<MemberName, usize>>,
}

impl Roster {
    /// Of these members, each with its pool and name.
    pub(super) fn new(members: Vec<(MemberId, MemberName)>) -> Self {
        let mut this = Self::default();
        for (place, (id, name)) in members.into_iter().enumerate() {
            this.places.entry(id.pool.clone()).or_default().insert(name, place);
            this.ids.push(id);
        }
        this
    }

    fn place(&self, (pool, name): (&str, &str)) -> Option<usize> {
        self.places.get(pool)?.get(name).copied()
    }
}

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

/// What both tables looked like: a process prints the same columns and rows with every answer.
#[derive(Debug)]
pub(super) struct Shape {
    states: Columns<8>,
    stat: Columns<11>,
    /// Of each row of `show stat` its pool and name, and its place in the roster.
    rows: Vec<(String, String, Option<usize>)>,
}

impl Shape {
    pub(super) const fn new() -> Self {
        let states = [
            "be_name",
            "srv_name",
            "srv_op_state",
            "srv_admin_state",
            "srv_uweight",
            "srv_check_state",
            "srv_check_result",
            "srv_agent_state",
        ];
        let stat = [
            "pxname", "svname", "qcur", "scur", "stot", "econ", "eresp", "status", "bck",
            "tracked", "hrsp_5xx",
        ];
        Self {
            states: Columns::new("show servers state", ' ', states),
            stat: Columns::new("show stat", ',', stat),
            rows: Vec::new(),
        }
    }
}

/// The place in the roster of a row of `show stat`: what it was in the last answer, if the row is
/// the same.
fn place_of(
    rows: &mut Vec<(String, String, Option<usize>)>,
    row: usize,
    name: (&str, &str),
    roster: &Roster,
) -> Option<usize> {
    if let Some((pool, member, place)) = rows.get(row)
        && (&**pool, &**member) == name
    {
        return *place;
    }
    rows.truncate(row);
    let place = roster.place(name);
    rows.push((name.0.to_owned(), name.1.to_owned(), place));
    place
}

/// One row of `show servers state`.
struct StateRow<'a> {
    /// Pool and member.
    name: (&'a str, &'a str),
    admin: AdminState,
    oper: OperState,
    weight: u32,
    check_state: u32,
    check_result: u32,
    agent_state: u32,
    /// `show stat` lists it too.
    in_stat: bool,
}

fn garbled(what: impl Into<String>) -> BalancerError {
    BalancerError::Garbled(what.into())
}

/// Reads the answer to all three commands.
pub(super) fn read(
    answer: &str,
    roster: &Roster,
    shape: &mut Shape,
) -> Result<Facts, BalancerError> {
    let (info, rest) = paragraph(answer).unwrap_or((answer, ""));
    let (epoch, lived_ms) = life(info)?;
    let (states, stat) = paragraph(rest)
        .ok_or_else(|| garbled("`show servers state` and `show stat` are missing"))?;
    let mut states = state_rows(states, &mut shape.states)?;
    let mut facts = Facts {
        reading: NodeReading { epoch, lived_ms, members: Vec::new() },
        agents: BTreeSet::new(),
        tracked: BTreeMap::new(),
    };
    read_stat(stat, roster, &mut states, shape, &mut facts)?;
    for StateRow { name: (pool, name), .. } in states.iter().filter(|row| !row.in_stat) {
        if roster.place((pool, name)).is_some() {
            let words = format!("{pool}/{name} is in one of `show servers state`, `show stat`");
            return Err(garbled(words));
        }
    }
    Ok(facts)
}

/// What comes before the first empty line, and what after.
fn paragraph(text: &str) -> Option<(&str, &str)> {
    let end = memmem::find(text.as_bytes(), b"\n\n")?;
    Some((&text[..end], &text[end + 2..]))
}

/// The process's life: its number and its start, both the same in every answer until a reload; and
/// how long it has lasted, in milliseconds.
fn life(info: &str) -> Result<(Epoch, u64), BalancerError> {
    // The first line is the product's name, so every field follows a line's end.
    let field = |begins: &str| {
        let at = memmem::find(info.as_bytes(), begins.as_bytes());
        let value = at.and_then(|at| info[at + begins.len()..].lines().next());
        value.map(str::trim).ok_or_else(|| {
            let name = begins.trim_matches(['\n', ':', ' ']);
            let seen: String = info.trim().chars().take(200).collect();
            garbled(format!("`show info` has no `{name}` (HAProxy 2.6 and later have): {seen}"))
        })
    };
    let pid = field("\nPid: ")?;
    let start = field("\nStart_time_sec: ")?;
    let up_s = field("\nUptime_sec: ")?;
    let up_s: u64 =
        up_s.parse().map_err(|_| garbled(format!("`Uptime_sec` is `{up_s}`, no number")))?;
    Ok((Epoch(format!("pid {pid} since {start}").into()), up_s.saturating_mul(1_000)))
}

/// A text's lines, as of `str::lines`, their ends found by `memchr`: rows are long and read often.
struct Lines<'a>(&'a str);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.0.as_bytes()).unwrap_or(self.0.len());
        let line = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

/// The rows of `show servers state`.
fn state_rows<'a>(
    text: &'a str,
    columns: &mut Columns<8>,
) -> Result<Vec<StateRow<'a>>, BalancerError> {
    let mut lines = Lines(text);
    let version = lines.next().unwrap_or_default();
    if version != "1" {
        return Err(garbled(format!("`show servers state` has format `{version}`, not `1`")));
    }
    let header = lines.next().and_then(|line| line.strip_prefix("# "));
    let header = header.ok_or_else(|| garbled("`show servers state` has no header"))?;
    let wanted = Wanted::at(&columns.under(header)?);
    let mut rows = Vec::new();
    for line in lines {
        let mut fields = [""; 8];
        wanted.take(line, b' ', |field, text| fields[field] = text);
        let [pool, name, numbers @ ..] = fields;
        let mut parsed = [0; 6];
        for (ix, (slot, number)) in parsed.iter_mut().zip(numbers).enumerate() {
            // All in decimal, the bit fields too.
            *slot = number.parse().map_err(|_| {
                let column = columns.name(ix + 2);
                garbled(format!("`show servers state`: {pool}/{name} has {column} `{number}`"))
            })?;
        }
        let [oper, admin, weight, check_state, check_result, agent_state] = parsed;
        let oper = oper_state(oper)
            .ok_or_else(|| garbled(format!("{pool}/{name} has srv_op_state {oper}")))?;
        let admin = u16::try_from(admin)
            .map_err(|_| garbled(format!("{pool}/{name} has srv_admin_state {admin}")))?;
        rows.push(StateRow {
            name: (pool, name),
            admin: AdminState(admin),
            oper,
            weight,
            check_state,
            check_result,
            agent_state,
            in_stat: false,
        });
    }
    Ok(rows)
}

/// Where a member's row is. Both tables are in the order of HAProxy's configuration, so it is
/// looked for where the row after the last one found is, and elsewhere only if it is not there.
fn find(states: &[StateRow<'_>], next: usize, name: (&str, &str)) -> Option<usize> {
    let is_it = |row: &StateRow<'_>| row.name == name;
    if states.get(next).is_some_and(is_it) {
        return Some(next);
    }
    states.iter().position(is_it)
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
    states: &mut [StateRow<'_>],
    shape: &mut Shape,
    facts: &mut Facts,
) -> Result<(), BalancerError> {
    let text = text.trim_start_matches('\n');
    let (header, rows) = text.split_once('\n').unwrap_or((text, ""));
    let header = header.strip_prefix("# ").ok_or_else(|| {
        let seen: String = header.chars().take(200).collect();
        garbled(format!("`show stat` has no header: {seen}"))
    })?;
    let at = shape.stat.under(header)?;
    let mut rows = Rows::new(rows, &at);
    let mut members: Vec<Option<MemberReading>> = vec![None; roster.ids.len()];
    let (mut row, mut next) = (0, 0);
    while let Some(fields) = rows.next() {
        let [pool, name, qcur, scur, stot, econ, eresp, status, bck, tracked, hrsp_5xx] =
            fields.each_ref().map(AsRef::as_ref);
        let place = place_of(&mut shape.rows, row, (pool, name), roster);
        row += 1;
        let Some(place) = place else { continue };
        let Some(ix) = find(states, next, (pool, name)) else { continue };
        next = ix + 1;
        states[ix].in_stat = true;
        let state = &states[ix];
        let count = |column: &str, text: &str| match text {
            "" => Ok(0), // a counter that does not apply to this row
            text => text
                .parse::<u64>()
                .map_err(|_| garbled(format!("`show stat`: {pool}/{name} has {column} `{text}`"))),
        };
        if state.agent_state & check_bits::ENABLED != 0 {
            facts.agents.insert(roster.ids[place].clone());
        }
        if !tracked.is_empty() || state.admin.inherited() {
            let followed = if tracked.is_empty() { "another server" } else { tracked };
            facts.tracked.insert(roster.ids[place].clone(), followed.to_owned());
        }
        let followed = tracked.split_once('/');
        let followed = followed.and_then(|followed| find(states, 0, followed));
        members[place] = Some(MemberReading {
            admin: state.admin,
            oper: state.oper,
            check: check(followed.map_or(state, |followed| &states[followed]), status),
            // Requests in this member's own queue are its to answer, so they count as in flight.
            in_flight: count("scur", scur)? + count("qcur", qcur)?,
            arrivals: count("stot", stot)?,
            errors: count("hrsp_5xx", hrsp_5xx)? + count("econ", econ)? + count("eresp", eresp)?,
            weight: state.weight,
            backup: bck == "1",
            status: status_text(status),
        });
    }
    let members = roster.ids.iter().zip(members).filter_map(|(id, read)| Some((id.clone(), read?)));
    facts.reading.members = members.collect();
    Ok(())
}

/// A status's text, of which nearly all are one of these.
fn status_text(status: &str) -> Cow<'static, str> {
    match status {
        "UP" => "UP".into(),
        "DRAIN" => "DRAIN".into(),
        "MAINT" => "MAINT".into(),
        "DOWN" => "DOWN".into(),
        other => other.to_owned().into(),
    }
}

/// What the health check says. `row` is the one that is checked: the followed server's when this
/// one tracks it.
fn check(row: &StateRow<'_>, status: &str) -> CheckState {
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

#[cfg(test)]
mod tests;
