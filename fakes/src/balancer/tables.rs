//! `show servers state`, `show info` and their like, with every column of HAProxy 2.6.
//!
//! A rehearsal reads these tables some thousand times a second: rows are written into one string,
//! piece by piece, without formatting machinery. The pieces between the cells that we model are the
//! real thing's own, zeros and all.
use super::member::{CheckAnswer, Member};
use super::stat::Sum;
use super::state::seconds_between;
use super::{Balancer, MAINT, VERSION};

/// Room for one member's rows in both tables: no reallocation while they are written.
const ROW_BYTES: usize = 768;
/// Room for `show info`, headers and the rows of pools.
const REST_BYTES: usize = 8 * 1024;

/// Where the wall clock of `Start_time_sec` begins: 2026-01-01, any instant would do.
const EPOCH_S: u64 = 1_767_225_600;

const STATE_HEADER: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state \
     srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status \
     srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id \
     srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr \
     srv_agent_addr srv_agent_port\n";

/// Appends a number in decimal.
pub(crate) fn number(out: &mut String, n: u64) {
    if n < 10 {
        return out.push(char::from(b'0' + n as u8)); // most cells are
    }
    out.push_str(itoa::Buffer::new().format(n));
}

/// Appends numbers, each followed by a separator.
pub(crate) fn numbers<const N: usize>(out: &mut String, separator: char, list: [u64; N]) {
    for n in list {
        number(out, n);
        out.push(separator);
    }
}

impl Balancer {
    /// Room for all three tables.
    pub(crate) fn room(&self) -> usize {
        self.members.len() * ROW_BYTES + REST_BYTES
    }

    /// HAProxy numbers proxies in the configuration's order: the socket's own is 1, then come our
    /// frontends, then our backends.
    pub(crate) fn backend_id(&self, pool: usize) -> u64 {
        2 + (self.pools.len() + pool) as u64
    }

    pub(crate) fn show_servers_state(&self, now_ms: u64, rest: &[&str], out: &mut String) {
        let Some(pools) = self.chosen(rest, out) else { return };
        out.push_str(STATE_HEADER);
        for pool in pools {
            for (place, index) in self.pools[pool].members.clone().enumerate() {
                let member = &self.members[index];
                self.state_row(pool, place, member, now_ms, out);
            }
        }
    }

    /// The pools that an optional name chooses; `None` when it has been answered.
    fn chosen(&self, rest: &[&str], out: &mut String) -> Option<std::ops::Range<usize>> {
        let Some(name) = rest.first() else { return Some(0..self.pools.len()) };
        let pool = self.pool_index(name);
        if pool.is_none() {
            out.push_str("Can't find backend.\n");
        }
        pool.map(|i| i..i + 1)
    }

    fn state_row(&self, pool: usize, place: usize, member: &Member, now_ms: u64, out: &mut String) {
        let (ip, port) = member.address.rsplit_once(':').unwrap_or((&member.address, "0"));
        numbers(out, ' ', [self.backend_id(pool)]);
        out.push_str(&member.pool);
        out.push(' ');
        numbers(out, ' ', [place as u64 + 1]);
        out.push_str(&member.name);
        out.push(' ');
        out.push_str(ip);
        out.push(' ');
        let (status, result) = member.check_codes();
        numbers(
            out,
            ' ',
            [
                member.oper as u64,
                u64::from(member.admin),
                u64::from(member.weight),
                u64::from(member.weight_initial),
                seconds_between(member.last_change_ms, now_ms),
                status,
                result,
                u64::from(member.check.health),
                member.check_bits(),
                member.agent_bits(),
            ],
        );
        out.push_str("0 0 - ");
        out.push_str(port);
        out.push_str(" - 0 0 - - 0\n");
    }

    pub(crate) fn show_servers_conn(&self, rest: &[&str], out: &mut String) {
        let Some(pools) = self.chosen(rest, out) else { return };
        out.push_str(
            "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est \
             unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[1]\n",
        );
        for pool in pools {
            for (place, index) in self.pools[pool].members.clone().enumerate() {
                let member = &self.members[index];
                let (ip, port) = member.address.rsplit_once(':').unwrap_or((&member.address, "0"));
                let (in_flight, id) = (member.counters.in_flight, self.backend_id(pool));
                out.push_str(&format!(
                    "{}/{} {id}/{} {ip} {port} - 5000 {in_flight} {in_flight} {in_flight} \
                     0 0 -1 0 0\n",
                    member.pool,
                    member.name,
                    place + 1
                ));
            }
        }
    }

    pub(crate) fn show_backend(&self, out: &mut String) {
        out.push_str("# name\n");
        for pool in &self.pools {
            out.push_str(&pool.name);
            out.push('\n');
        }
    }

    pub(crate) fn show_info(&self, now_ms: u64, out: &mut String) {
        let up_s = self.aged_s + seconds_between(self.started_ms, now_ms);
        let sums: Vec<Sum> = self.pools.iter().map(|pool| self.sum(pool)).collect();
        let requests: u64 = sums.iter().zip(&self.pools).map(|(s, p)| s.requests(p.unserved)).sum();
        let in_flight: u64 = sums.iter().map(|s| s.in_flight).sum();
        out.push_str("Name: HAProxy\nVersion: ");
        out.push_str(VERSION);
        out.push_str("\nRelease_date: 2026/10/17\nNbthread: 1\nNbproc: 1\nProcess_num: 1\nPid: ");
        number(out, u64::from(self.pid));
        out.push_str("\nUptime: ");
        number(out, up_s / 86_400);
        out.push_str("d ");
        number(out, up_s / 3_600 % 24);
        out.push('h');
        two_digits(out, up_s / 60 % 60);
        out.push('m');
        two_digits(out, up_s % 60);
        out.push_str("s\nUptime_sec: ");
        number(out, up_s);
        out.push_str(INFO_LIMITS);
        number(out, in_flight);
        out.push_str("\nCumConns: ");
        number(out, self.api_connections + requests);
        out.push_str("\nCumReq: ");
        number(out, self.api_connections + requests);
        out.push_str(INFO_RATES);
        out.push_str(&self.name);
        out.push_str("\nStopping: 0\nJobs: ");
        number(out, 3 + self.pools.len() as u64 + in_flight);
        out.push_str("\nUnstoppable Jobs: 1\nListeners: ");
        number(out, 2 + self.pools.len() as u64);
        out.push_str(INFO_REST);
        out.push_str(VERSION);
        out.push_str("\nMemmax_bytes: 0\nPoolAlloc_bytes: 105968\nPoolUsed_bytes: 105968\n");
        out.push_str("Start_time_sec: ");
        number(out, EPOCH_S + self.started_ms / 1_000 - self.aged_s);
        out.push_str("\nTainted: 0\n");
    }
}

const INFO_LIMITS: &str = "\nMemmax_MB: 0\nPoolAlloc_MB: 0\nPoolUsed_MB: 0\nPoolFailed: 0\n\
     Ulimit-n: 20000\nMaxsock: 20000\nMaxconn: 9984\nHard_maxconn: 9984\nCurrConns: ";
const INFO_RATES: &str = "\nMaxSslConns: 0\nCurrSslConns: 0\nCumSslConns: 0\nMaxpipes: 0\n\
     PipesUsed: 0\nPipesFree: 0\nConnRate: 0\nConnRateLimit: 0\nMaxConnRate: 0\nSessRate: 0\n\
     SessRateLimit: 0\nMaxSessRate: 0\nSslRate: 0\nSslRateLimit: 0\nMaxSslRate: 0\n\
     SslFrontendKeyRate: 0\nSslFrontendMaxKeyRate: 0\nSslFrontendSessionReuse_pct: 0\n\
     SslBackendKeyRate: 0\nSslBackendMaxKeyRate: 0\nSslCacheLookups: 0\nSslCacheMisses: 0\n\
     CompressBpsIn: 0\nCompressBpsOut: 0\nCompressBpsRateLim: 0\nTasks: 17\nRun_queue: 0\n\
     Idle_pct: 100\nnode: ";
const INFO_REST: &str = "\nActivePeers: 0\nConnectedPeers: 0\nDroppedLogs: 0\nBusyPolling: 0\n\
     FailedResolutions: 0\nTotalBytesOut: 0\nTotalSplicdedBytesOut: 0\nBytesOutRate: 0\n\
     DebugCommandsIssued: 0\nCumRecvLogs: 0\nBuild info: ";

fn two_digits(out: &mut String, n: u64) {
    if n < 10 {
        out.push('0');
    }
    number(out, n);
}

impl Member {
    /// `srv_check_status` and `srv_check_result`: HAProxy's own numbers.
    fn check_codes(&self) -> (u64, u64) {
        match self.check.last {
            None => (1, 0),
            Some(CheckAnswer::Ok) => (15, 3),
            Some(CheckAnswer::NoConnection) => (8, 2),
            Some(CheckAnswer::NoAnswer) => (12, 2),
            Some(CheckAnswer::Error(_)) => (17, 2),
        }
    }

    /// `srv_agent_state`: 2 configured, 4 enabled, 16 an agent's (`CHK_ST_AGENT`).
    fn agent_bits(&self) -> u64 {
        self.agent().map_or(0, |agent| 2 + 4 * u64::from(agent.enabled) + 16)
    }

    /// `srv_check_state`: 2 configured, 4 enabled, 8 paused.
    fn check_bits(&self) -> u64 {
        let paused = self.check.enabled && self.admin & MAINT != 0;
        2 * u64::from(self.check.configured)
            + 4 * u64::from(self.check.enabled)
            + 8 * u64::from(paused)
    }
}
