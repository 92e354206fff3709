//! `show stat`, with every column of HAProxy 2.6: a frontend a pool, its servers, its backend.
use super::member::{CheckAnswer, Member, Oper};
use super::state::seconds_between;
use super::tables::{number, numbers};
use super::words;
use super::{Balancer, FRONTEND_PREFIX, MAINT, Pool};

const STAT_HEADER: &str = include_str!("stat_header.txt");

/// What goes through a pool: the sum over its members, and what nobody could serve.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) in_flight: u64,
    assigned: u64,
    retries: u64,
    answers_2xx: u64,
    answers_3xx: u64,
    answers_4xx: u64,
    errors: u64,
    failed_connections: u64,
    failed_responses: u64,
    bytes_in: u64,
    bytes_out: u64,
    last_arrival_ms: Option<u64>,
    usable: u64,
    weight: u64,
}

impl Sum {
    /// What a pool got, also what nobody could serve.
    pub(crate) fn requests(&self, unserved: u64) -> u64 {
        self.assigned + unserved
    }
}

/// Which rows of `show stat` are wanted.
struct Filter {
    proxy: Option<i64>,
    types: i64,
    server: i64,
    no_maint: bool,
    up: bool,
}

impl Filter {
    fn wants(&self, proxy: u64, kind: u32) -> bool {
        self.proxy.is_none_or(|p| p < 0 || p == proxy as i64) && self.types & (1 << kind) != 0
    }
}

const FRONTEND: u32 = 0;
const BACKEND: u32 = 1;
const SERVER: u32 = 2;

impl Balancer {
    /// `show stat [PROXY TYPES SERVER] [no-maint] [up]`
    pub(crate) fn show_stat(&self, now_ms: u64, rest: &[&str], all: &[&str], out: &mut String) {
        let mut filter = Filter { proxy: None, types: -1, server: -1, no_maint: false, up: false };
        let mut flags = rest;
        if let [proxy, types, server, more @ ..] = rest {
            let named = self.proxy_id(proxy).map_or_else(|| atoi(proxy), |id| id as i64);
            if named == 0 {
                return out.push_str("No such proxy.\n");
            }
            filter.proxy = Some(named);
            (filter.types, filter.server) = (atoi(types), atoi(server));
            flags = more;
        }
        for flag in flags {
            match *flag {
                "typed" | "json" | "desc" => return words::unknown(all, out),
                "no-maint" => filter.no_maint = true,
                "up" => filter.up = true,
                _ => {}
            }
        }
        out.push_str(STAT_HEADER);
        for i in 0..self.pools.len() {
            if filter.wants(2 + i as u64, FRONTEND) {
                self.frontend_row(i, out);
            }
        }
        for i in 0..self.pools.len() {
            self.pool_rows(i, &filter, now_ms, out);
        }
    }

    fn proxy_id(&self, name: &str) -> Option<u64> {
        let frontend = self
            .pools
            .iter()
            .position(|p| name.strip_prefix(FRONTEND_PREFIX).is_some_and(|rest| rest == &*p.name));
        frontend.map(|i| 2 + i as u64).or_else(|| self.pool_index(name).map(|i| self.backend_id(i)))
    }

    pub(crate) fn sum(&self, pool: &Pool) -> Sum {
        let mut sum = Sum::default();
        for member in &self.members[pool.members.clone()] {
            let counters = &member.counters;
            sum.in_flight += counters.in_flight;
            sum.assigned += counters.arrivals;
            sum.retries += counters.retries;
            sum.answers_2xx += counters.answers_2xx();
            sum.answers_3xx += counters.answers_3xx;
            sum.answers_4xx += counters.answers_4xx;
            sum.errors += counters.errors;
            sum.failed_connections += counters.failed_connections;
            sum.failed_responses += counters.failed_responses;
            sum.bytes_in += counters.bytes_in;
            sum.bytes_out += counters.bytes_out;
            sum.last_arrival_ms = sum.last_arrival_ms.max(counters.last_arrival_ms);
            if member.eligible() {
                sum.usable += 1;
                sum.weight += u64::from(member.weight);
            }
        }
        sum
    }

    fn pool_rows(&self, i: usize, filter: &Filter, now_ms: u64, out: &mut String) {
        let (pool, id) = (&self.pools[i], self.backend_id(i));
        if filter.wants(id, SERVER) {
            for (place, index) in pool.members.clone().enumerate() {
                let member = &self.members[index];
                let hidden = (filter.server != -1 && filter.server != place as i64 + 1)
                    || (filter.no_maint && member.admin & MAINT != 0)
                    || (filter.up && member.down_for_good());
                if !hidden {
                    member.stat_row(id, place as u64 + 1, now_ms, out);
                }
            }
        }
        if filter.wants(id, BACKEND) {
            self.backend_row(i, filter, now_ms, out);
        }
    }

    fn frontend_row(&self, i: usize, out: &mut String) {
        let sum = self.sum(&self.pools[i]);
        let unserved = self.pools[i].unserved;
        let requests = sum.requests(unserved);
        out.push_str(FRONTEND_PREFIX);
        out.push_str(&self.pools[i].name);
        out.push_str(",FRONTEND,,,");
        numbers(out, ',', [sum.in_flight, sum.in_flight, 9984, requests]);
        numbers(out, ',', [sum.bytes_in, sum.bytes_out]);
        out.push_str("0,0,0,,,,,OPEN,,,,,,,,,1,");
        numbers(out, ',', [2 + i as u64]);
        out.push_str("0,,,,0,0,0,0,,,,0,");
        let errors = sum.errors + sum.failed_connections + sum.failed_responses + unserved;
        numbers(out, ',', [sum.answers_2xx, sum.answers_3xx, sum.answers_4xx, errors]);
        out.push_str("0,,0,0,");
        number(out, requests);
        out.push_str(",,,0,0,0,0,,,,,,,,,,,,,,,,,,,,,http,,0,0,");
        number(out, requests);
        out.push_str(",0,0,0,0,,,0,0,,,,,,,0,,,,,,,,,-,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,");
        out.push_str("0,0,0,0,0,0,\n");
    }

    fn backend_row(&self, i: usize, filter: &Filter, now_ms: u64, out: &mut String) {
        let pool = &self.pools[i];
        let sum = self.sum(pool);
        let (requests, down) = (sum.requests(pool.unserved), sum.weight == 0);
        let since_s = seconds_between(pool.last_change_ms, now_ms);
        out.push_str(&pool.name);
        out.push_str(",BACKEND,0,0,");
        numbers(out, ',', [sum.in_flight, sum.in_flight, 999, requests]);
        numbers(out, ',', [sum.bytes_in, sum.bytes_out]);
        out.push_str("0,0,,");
        numbers(out, ',', [sum.failed_connections + pool.unserved, sum.failed_responses]);
        numbers(out, ',', [sum.retries, 0]);
        out.push_str(if down { "DOWN" } else { "UP" });
        if filter.no_maint || filter.up {
            let members = &self.members[pool.members.clone()];
            let up = members.iter().filter(|m| m.oper != Oper::Stopped).count();
            out.push_str(&format!(" ({up}/{})", members.len()));
        }
        out.push(',');
        numbers(out, ',', [sum.weight, sum.usable, 0]);
        out.push(',');
        let down_s = pool.down_s + if down { since_s } else { 0 };
        numbers(out, ',', [pool.down_transitions, since_s, down_s]);
        out.push_str(",1,");
        numbers(out, ',', [self.backend_id(i)]);
        out.push_str("0,,");
        number(out, sum.assigned);
        out.push_str(",,1,0,,0,,,,0,");
        let errors = sum.errors + sum.failed_connections + sum.failed_responses + pool.unserved;
        numbers(out, ',', [sum.answers_2xx, sum.answers_3xx, sum.answers_4xx, errors]);
        out.push_str("0,,,,");
        number(out, requests);
        out.push_str(",0,0,0,0,0,0,");
        last_session(sum.assigned, sum.last_arrival_ms, now_ms, out);
        out.push_str(",,,0,0,0,0,,,,,,,,,,,,,,http,roundrobin,,,,,,,0,");
        number(out, sum.assigned + sum.retries);
        out.push_str(",0,0,0,,,0,0,0,0,0,,,,,");
        number(out, sum.weight);
        out.push_str(",0,0,0,-,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,\n");
    }
}

/// C's `atoi`: what is no number is 0.
fn atoi(word: &str) -> i64 {
    let sign = usize::from(word.starts_with(['+', '-']));
    let digits = word[sign..].bytes().take_while(u8::is_ascii_digit).count();
    word[..sign + digits].parse().unwrap_or(0)
}

/// Seconds since the last request, or -1 before the first.
fn last_session(arrivals: u64, last_ms: Option<u64>, now_ms: u64, out: &mut String) {
    match last_ms {
        _ if arrivals == 0 => out.push_str("-1"),
        last_ms => number(out, last_ms.map_or(0, |last_ms| seconds_between(last_ms, now_ms))),
    }
}

impl Member {
    /// The member's row of `show stat`.
    fn stat_row(&self, backend_id: u64, id: u64, now_ms: u64, out: &mut String) {
        let c = &self.counters;
        let attempts = c.arrivals + c.retries;
        let since_s = seconds_between(self.last_change_ms, now_ms);
        out.push_str(&self.pool);
        out.push(',');
        out.push_str(&self.name);
        out.push_str(",0,0,");
        numbers(out, ',', [c.in_flight, c.in_flight]);
        out.push(',');
        numbers(out, ',', [attempts, c.bytes_in, c.bytes_out]);
        out.push_str(",0,,");
        numbers(out, ',', [c.failed_connections, c.failed_responses, c.retries, 0]);
        self.status(out);
        out.push(',');
        numbers(out, ',', [u64::from(self.weight), 1, 0]);
        if self.check.enabled {
            let down_s = self.down_s + if self.oper == Oper::Stopped { since_s } else { 0 };
            numbers(out, ',', [self.check.failed, self.down_transitions, since_s, down_s]);
        } else {
            out.push_str(",,");
            number(out, since_s);
            out.push_str(",,");
        }
        out.push_str(",1,");
        numbers(out, ',', [backend_id, id]);
        out.push(',');
        number(out, c.arrivals);
        out.push_str(",,2,0,,0,");
        self.check_cells(out);
        out.push_str(",0,");
        numbers(out, ',', [c.answers_2xx(), c.answers_3xx, c.answers_4xx, c.errors]);
        out.push_str("0,,,,");
        number(out, c.answers_2xx() + c.answers_3xx + c.answers_4xx + c.errors);
        out.push(',');
        number(out, c.client_aborts);
        out.push_str(",0,,,,,");
        last_session(c.arrivals, c.last_arrival_ms, now_ms, out);
        out.push(',');
        let (last, description) = self.check_texts();
        out.push_str(last);
        out.push_str(",,0,0,0,0,,,,");
        out.push_str(description);
        out.push_str(",,");
        if self.check_shown() {
            let (rise, fall) = (u64::from(self.timing.rise), u64::from(self.timing.fall));
            numbers(out, ',', [rise, fall, u64::from(self.check.health)]);
        } else {
            out.push_str(",,,");
        }
        out.push_str(",,,");
        out.push_str(&self.address);
        out.push_str(",,http,,,,,,,,0,");
        number(out, attempts);
        out.push_str(",0,,,0,,0,0,0,0,0,0,0,");
        numbers(out, ',', [c.in_flight, c.in_flight, u64::from(self.weight)]);
        out.push_str(",,,-,0,0,0,,,,,,,,,,,,,,,,,,,,,,\n");
    }

    /// `stats_fill_sv_stats_computestate`
    fn status(&self, out: &mut String) {
        let (checked, health) = (self.check.enabled, self.check.health);
        let unproven = checked && health < self.health_max();
        let (word, steps) = match self.oper {
            _ if self.admin & MAINT != 0 => ("MAINT", None),
            Oper::Running if self.admin != 0 && self.agent().is_some_and(|it| it.enabled) => {
                ("DRAIN (agent)", None)
            }
            Oper::Running if self.admin != 0 => ("DRAIN", unproven.then_some(self.steps_up())),
            Oper::Running if !checked => ("no check", None),
            Oper::Running => ("UP", unproven.then_some(self.steps_up())),
            Oper::Stopping => ("NOLB", unproven.then_some(self.steps_up())),
            Oper::Stopped => {
                ("DOWN", (checked && health > 0).then_some((health, self.timing.rise)))
            }
        };
        out.push_str(word);
        if let Some((done, of)) = steps {
            out.push(' ');
            number(out, u64::from(done));
            out.push('/');
            number(out, u64::from(of));
        }
    }

    /// How many failed checks a member that is up still survives, plus one.
    fn steps_up(&self) -> (u32, u32) {
        ((self.check.health + 1).saturating_sub(self.timing.rise), self.timing.fall)
    }

    /// What `show stat up` leaves out.
    fn down_for_good(&self) -> bool {
        let checks_fail = !self.check.enabled || self.check.health == 0;
        self.admin & MAINT != 0 || (self.oper == Oper::Stopped && checks_fail)
    }

    fn check_shown(&self) -> bool {
        self.check.enabled && self.admin & MAINT == 0
    }

    /// `check_status,check_code,check_duration`
    fn check_cells(&self, out: &mut String) {
        if !self.check_shown() {
            return out.push_str(",,");
        }
        match self.check.last {
            None => out.push_str("INI,,"),
            Some(CheckAnswer::Ok) => out.push_str("L7OK,200,1"),
            Some(CheckAnswer::NoConnection) => out.push_str("L4CON,,0"),
            Some(CheckAnswer::Error(code)) => {
                out.push_str("L7STS,");
                number(out, u64::from(code));
                out.push_str(",1");
            }
            Some(CheckAnswer::NoAnswer) => {
                out.push_str("L7TOUT,,");
                number(out, self.timing.interval_ms);
            }
        }
    }

    /// `last_chk` and `check_desc`
    fn check_texts(&self) -> (&'static str, &'static str) {
        if !self.check_shown() {
            return ("", "");
        }
        match self.check.last {
            None => ("", "Initializing"),
            Some(CheckAnswer::Ok) => ("", "Layer7 check passed"),
            Some(CheckAnswer::NoConnection) => ("Connection refused", "Layer4 connection problem"),
            Some(CheckAnswer::NoAnswer) => ("", "Layer7 timeout"),
            Some(CheckAnswer::Error(code)) => {
                let status = hyper::StatusCode::from_u16(code).ok();
                (status.and_then(|s| s.canonical_reason()).unwrap_or(""), "Layer7 wrong status")
            }
        }
    }
}
