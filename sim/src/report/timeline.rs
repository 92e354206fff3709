//! Every server's state in fixed columns, one row a change: what a failure looks like at a glance.
//!
//! ```text
//!              fe-1    fe-2
//! 0:00:04.120  Ro SIE  Ro SIE
//! 0:00:06.033  -*cUsD  Ro SIE
//! ```
use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use evenkeel_fakes::ledger::{ApplicationState, ServiceState};

use crate::oracle::Ground;
use crate::oracle::ground::{Server, same_version};
use crate::world::{Witness, clock};

/// What the letters mean, a column each.
pub const LEGEND: &str = "\
rotation: R everywhere, r somewhere, - nowhere · software: o untouched, * touched, n at the \
target and not whole, N whole at it · job: c controller f front-end s Service Center p publish e ensure service · web: S serves, \
U unavailable, B broken, . off, X machine down · service: I initialised, s starting, . stopped · \
flag: E enabled, D disabled";

/// Rows kept: the last of them lead to the violation.
const ROWS_MAX: usize = 60;

/// Collects rows as a run goes on.
#[derive(Clone, Default)]
pub struct Timeline(Rc<RefCell<Rows>>);

#[derive(Default)]
struct Rows {
    names: Vec<String>,
    last: Vec<String>,
    rows: Vec<(u64, String)>,
}

impl Witness for Timeline {
    fn ground(&mut self, at_ms: u64, ground: &Ground) {
        let rows = &mut *self.0.borrow_mut();
        let states: Vec<String> =
            ground.servers.iter().map(|(name, server)| state(name, server, ground)).collect();
        if states == rows.last {
            return;
        }
        if rows.names.is_empty() {
            rows.names = ground.servers.keys().cloned().collect();
        }
        let mut row = String::new();
        for (state, name) in states.iter().zip(&rows.names) {
            write!(row, "  {state:<width$}", width = width(name)).expect("a String can be written");
        }
        // Of one instant only the last state: the others are nobody's to see.
        if rows.rows.last().is_some_and(|(last_ms, _)| *last_ms == at_ms) {
            rows.rows.pop();
        }
        rows.rows.push((at_ms, row));
        rows.last = states;
    }
}

impl Timeline {
    /// The rows up to an instant, under the servers' names.
    #[must_use]
    pub fn text(&self, until_ms: u64) -> String {
        let rows = self.0.borrow();
        let mut text = format!("{:<11}", "");
        for name in &rows.names {
            write!(text, "  {name:<width$}", width = width(name)).expect("a String can be written");
        }
        let shown: Vec<_> = rows.rows.iter().filter(|(at_ms, _)| *at_ms <= until_ms).collect();
        let left_out = shown.len().saturating_sub(ROWS_MAX);
        if left_out > 0 {
            write!(text, "\n({left_out} earlier rows left out)").expect("a String can be written");
        }
        for (at_ms, row) in &shown[left_out..] {
            write!(text, "\n{:<11}{}", clock(*at_ms), row.trim_end())
                .expect("a String can be written");
        }
        text
    }
}

/// A state's six letters, or a longer name.
fn width(name: &str) -> usize {
    name.len().max(6)
}

fn state(name: &str, server: &Server, ground: &Ground) -> String {
    let members = ground.members.values().filter(|member| member.server == name);
    let (eligible, all) = members
        .fold((0, 0), |(eligible, all), member| (eligible + u32::from(member.eligible()), all + 1));
    let rotation = match eligible {
        0 => '-',
        _ if eligible == all => 'R',
        _ => 'r',
    };
    let software = match server.touched {
        false => 'o',
        true if server.whole_at(&ground.target) => 'N',
        true if same_version(&server.version, &ground.target) => 'n',
        true => '*',
    };
    let job = server.jobs.values().next().map_or(' ', |job| job.kind.chars().next().unwrap_or(' '));
    let web = match (server.down_since_ms, server.applications) {
        (Some(_), _) => 'X',
        (None, ApplicationState::Serving) => 'S',
        (None, ApplicationState::Unavailable) => 'U',
        (None, ApplicationState::Broken) => 'B',
        (None, ApplicationState::Off) => '.',
    };
    let service = match server.service {
        ServiceState::Initialised => 'I',
        ServiceState::Starting => 's',
        ServiceState::Stopped => '.',
    };
    let flag = if server.enabled { 'E' } else { 'D' };
    [rotation, software, job, web, service, flag].into_iter().collect()
}
