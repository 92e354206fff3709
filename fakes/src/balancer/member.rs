//! One member of a pool: administrative and operational state, its health check, its counters.
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::CheckTiming;
use super::trouble::Agent;

/// One pool of the configuration.
#[derive(Clone, Debug)]
pub struct PoolSetup {
    /// Its name (HAProxy: backend).
    pub name: String,
    /// Its members are health-checked.
    pub health_check: bool,
    /// `on-marked-down shutdown-sessions`: what is in flight to a member is cut when it goes down
    /// or into maintenance. HAProxy's default is that it finishes.
    pub cut_when_down: bool,
    /// Its members.
    pub members: Vec<MemberSetup>,
}

/// One member of the configuration.
#[derive(Clone, Debug)]
pub struct MemberSetup {
    /// Its name in the balancer (HAProxy: server).
    pub name: String,
    /// The farm's server behind it, by its name in the farm file.
    pub server: String,
    /// Its configured weight, 0 to 256.
    pub weight: u32,
    /// `IP:PORT`, as the tables show it.
    pub address: String,
}

/// What a health check of a server gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckAnswer {
    /// An answer of 2xx or 3xx.
    Ok,
    /// An answer with another status.
    Error(u16),
    /// The connection is refused.
    NoConnection,
    /// None within the time-out of checks: without `timeout check` that is `inter`.
    NoAnswer,
}

impl CheckAnswer {
    /// The check passes.
    #[must_use]
    pub fn passes(self) -> bool {
        self == Self::Ok
    }
}

/// The place of a member among all members of its balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub usize);

/// HAProxy's operational state (`srv_op_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oper {
    /// 0: gets nothing.
    Stopped = 0,
    /// 2: gets requests, unless drained.
    Running = 2,
    /// 3: gets no new requests (`set server … health stopping`).
    Stopping = 3,
}

/// What went to a member in the life of this process. A traffic model writes here what it models,
/// the proxy what it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests sent to it (`lbtot`; with the retries `stot`).
    pub arrivals: u64,
    /// Requests it is working on (`scur`).
    pub in_flight: u64,
    /// Its answers of 5xx (`hrsp_5xx`).
    pub errors: u64,
    /// Its answers of 3xx.
    pub answers_3xx: u64,
    /// Its answers of 4xx.
    pub answers_4xx: u64,
    /// Further attempts to connect, after failed ones (`wretr`).
    pub retries: u64,
    /// Requests for which no connection could be opened (`econ`).
    pub failed_connections: u64,
    /// Requests that were cut or whose connection broke before an answer (`eresp`).
    pub failed_responses: u64,
    /// Requests whose client gave up (`cli_abrt`).
    pub client_aborts: u64,
    /// Bytes of requests, if whoever counts knows.
    pub bytes_in: u64,
    /// Bytes of answers, if whoever counts knows.
    pub bytes_out: u64,
    /// When the last request arrived, if whoever counts knows.
    pub last_arrival_ms: Option<u64>,
}

impl Counters {
    /// Answers of 2xx: what is left of the arrivals.
    pub(crate) fn answers_2xx(&self) -> u64 {
        let others = self.in_flight
            + self.errors
            + self.answers_3xx
            + self.answers_4xx
            + self.failed_connections
            + self.failed_responses
            + self.client_aborts;
        self.arrivals.saturating_sub(others)
    }
}

/// A member's health check.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// The pool is health-checked.
    pub(crate) configured: bool,
    /// `enable health` and `disable health`.
    pub(crate) enabled: bool,
    /// 0 … rise+fall−1; from `rise` on it counts as healthy.
    pub(crate) health: u32,
    /// What the next check will get, if its server has time for it.
    pub(crate) answer: CheckAnswer,
    /// What a check gets because of its server's load; `None` while that lets every check pass.
    pub(crate) strain: Option<CheckAnswer>,
    /// What the last one got; `None` before the first.
    pub(crate) last: Option<CheckAnswer>,
    /// The instant of its first check: the others follow at whole intervals.
    pub(crate) phase_ms: u64,
    /// The next check that changes something.
    pub(crate) due_ms: Option<u64>,
    /// Failed checks that mattered (`chkfail`).
    pub(crate) failed: u64,
    /// What makes it fail and pass in turns: it fails while one of these does so.
    pub(crate) flappings: Vec<Flapping>,
}

/// A check that fails and passes in turns, the first of which fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flapping {
    pub(crate) tag: u64,
    pub(crate) from_ms: u64,
    pub(crate) turn_ms: u64,
    pub(crate) until_ms: u64,
}

impl Flapping {
    /// This turn is one that fails.
    fn fails_at(self, at_ms: u64) -> bool {
        at_ms < self.until_ms && ((at_ms - self.from_ms) / self.turn_ms).is_multiple_of(2)
    }
}

impl Check {
    /// Whose flapping turns a check of now, the first to fail after one that passed.
    pub(crate) fn failed_by(&self, at_ms: u64) -> Option<u64> {
        let turned = self.answer.passes() && self.last.is_none_or(CheckAnswer::passes);
        self.flappings.iter().find(|it| turned && it.fails_at(at_ms)).map(|it| it.tag)
    }

    /// What a check gets at an instant.
    pub(crate) fn answer_at(&self, at_ms: u64) -> CheckAnswer {
        let fails = self.flappings.iter().any(|it| it.fails_at(at_ms));
        match (fails, self.strain) {
            (true, _) => CheckAnswer::NoConnection,
            (false, Some(strained)) if self.answer.passes() => strained,
            (false, _) => self.answer,
        }
    }
}

/// One member.
#[derive(Debug)]
pub struct Member {
    /// Its pool.
    pub pool: Arc<str>,
    /// Its name in the balancer.
    pub name: Arc<str>,
    /// The farm's server behind it.
    pub server: Arc<str>,
    /// Administrative state, HAProxy's bits: 1 maintenance, 8 drain.
    pub admin: u16,
    /// Operational state.
    pub oper: Oper,
    /// Current weight.
    pub weight: u32,
    /// Configured weight.
    pub weight_initial: u32,
    /// Its traffic in the life of this process.
    pub counters: Counters,
    /// `IP:PORT` as the tables show it.
    pub address: Arc<str>,
    pub(crate) check: Check,
    /// Its agents, the latest last.
    pub(crate) agents: Vec<Agent>,
    /// The agent's next check that changes something.
    pub(crate) agent_due_ms: Option<u64>,
    pub(crate) timing: CheckTiming,
    pub(crate) last_change_ms: u64,
    pub(crate) down_s: u64,
    /// Times it went down or into maintenance (`chkdown`).
    pub(crate) down_transitions: u64,
    /// Smooth round robin's account.
    pub(crate) credit: i64,
    /// Requests of the proxy in flight: each can be cut.
    pub(crate) in_flight: BTreeMap<u64, oneshot::Sender<()>>,
}

/// `SRV_ADMF_FMAINT`
pub(crate) const MAINT: u16 = 1;
/// `SRV_ADMF_FDRAIN`
pub(crate) const DRAIN: u16 = 8;

impl Member {
    pub(crate) fn new(
        pool: &Arc<str>,
        setup: MemberSetup,
        checked: bool,
        timing: CheckTiming,
        now_ms: u64,
    ) -> Self {
        Self {
            pool: pool.clone(),
            name: setup.name.into(),
            server: setup.server.into(),
            admin: 0,
            oper: Oper::Running,
            weight: setup.weight,
            weight_initial: setup.weight,
            counters: Counters::default(),
            address: setup.address.into(),
            check: Check {
                configured: checked,
                enabled: checked,
                health: timing.rise,
                answer: CheckAnswer::Ok,
                strain: None,
                last: None,
                phase_ms: now_ms,
                due_ms: None,
                failed: 0,
                flappings: Vec::new(),
            },
            agents: Vec::new(),
            agent_due_ms: None,
            timing,
            last_change_ms: now_ms,
            down_s: 0,
            down_transitions: 0,
            credit: 0,
            in_flight: BTreeMap::new(),
        }
    }

    /// It would get a new request now, when its turn comes.
    #[must_use]
    pub fn eligible(&self) -> bool {
        self.admin & (MAINT | DRAIN) == 0 && self.oper == Oper::Running && self.weight > 0
    }

    /// It counts as up: it would get requests if it were also ready and had a weight.
    #[must_use]
    pub fn up(&self) -> bool {
        self.oper == Oper::Running
    }

    /// The agent that is asked, if it has one.
    pub(crate) fn agent(&self) -> Option<Agent> {
        self.agents.last().copied()
    }

    /// The highest health: everything has passed for long enough.
    pub(crate) fn health_max(&self) -> u32 {
        self.timing.rise + self.timing.fall - 1
    }
}
