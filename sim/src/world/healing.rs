//! The second phase of a run, after TigerBeetle's simulator: in the first anything may break; then
//! a sufficient core heals for good, the rest stays broken, and no new fault strikes.
//!
//! The first phase ends when a run has held for as long as it takes to call a person. That person
//! comes now: what can be mended is mended and tried again, the rest is left out. A run that ends
//! before needs no second phase.
//!
//! Sufficient is a core with which every pool can be served and the upgrade go on: whoever has a
//! job that the whole farm needs, and in each half at least one member of every pool. Which of the
//! others heal is drawn by seed.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel::journal::{HoldReason, Wanted};
use evenkeel::names::ServerName;
use evenkeel::procedure::action::JobKind;

use crate::nemesis::Fault;
use crate::random::Keyed;
use crate::scenario::Scenario;

/// How long the person takes to answer a hold, and then to see that the answer was of no use.
pub(super) const ANSWER_MS: u64 = 60_000;
/// A healed run that has not ended by then never will: every job of the longest, several times.
pub(super) const LIVENESS_MS_MAX: u64 = 12 * 3_600_000;
/// How often the same reason is answered by another try.
const TRIES_MAX: u32 = 3;

/// What heals, and what the person who was called has answered so far.
pub(super) struct Healing {
    /// When the second phase began.
    pub(super) since_ms: u64,
    /// Servers that stay broken.
    pub(super) broken: BTreeSet<String>,
    /// Servers of the loaded half.
    loaded: Vec<ServerName>,
    /// How often a reason was answered.
    answers: BTreeMap<HoldReason, u32>,
}

impl Healing {
    /// Draws who of these broken servers stays so.
    pub(super) fn new(
        since_ms: u64,
        broken: &BTreeSet<String>,
        scenario: &Scenario,
        keyed: &Keyed,
    ) -> Self {
        let mut stays = BTreeSet::new();
        for server in broken {
            // Drawn for each, so that another broken server leaves the others' draws alone.
            let unlucky = keyed.ratio("healing", server, 0, (1, 2));
            if unlucky && can_be_spared(server, &stays, scenario) {
                stays.insert(server.clone());
            }
        }
        let loaded = scenario.plan.loaded.clone();
        Self { since_ms, broken: stays, loaded, answers: BTreeMap::new() }
    }

    /// A fault is mended now: it is no server's, or one's that heals.
    pub(super) fn mends(&self, fault: &Fault) -> bool {
        fault.fells().into_iter().chain(fault.spoils()).all(|it| !self.broken.contains(it))
    }

    /// Whose Deployment Services the person stops, as the hold says: no console tells whether they
    /// are disabled, or only that they are not, and another try was of no use.
    pub(super) fn services_to_stop(&self, reason: &HoldReason) -> &[ServerName] {
        let tried = self.answers.get(reason).is_some_and(|count| *count > 1);
        let of_consoles =
            matches!(reason, HoldReason::ConsoleUnknown | HoldReason::ConsoleIgnores { .. });
        if of_consoles && tried { &self.loaded } else { &[] }
    }

    /// Whose Deployment Service the person starts if it does not run: another try was of no use, and so
    /// the machine is looked at.
    pub(super) fn service_to_start<'a>(&self, reason: &'a HoldReason) -> Option<&'a ServerName> {
        let tried = self.answers.get(reason).is_some_and(|count| *count > 1);
        match reason {
            HoldReason::ServerFailed { server } => {
                (tried && !self.broken.contains(server.as_str())).then_some(server)
            }
            _ => None,
        }
    }

    /// What the person asks for, whom the run called for this reason; `None` when he can think of
    /// nothing any more.
    pub(super) fn answer(&mut self, reason: &HoldReason) -> Option<Wanted> {
        let count = self.answers.entry(reason.clone()).or_default();
        *count += 1;
        let nth = *count;
        let again = |server: Option<&ServerName>| {
            (nth <= TRIES_MAX).then(|| Wanted::Retry { server: server.cloned() })
        };
        match reason {
            HoldReason::ServerFailed { server } | HoldReason::ServerUnknown { server } => {
                let leave_out = Wanted::LeaveOut { server: server.clone() };
                match self.broken.contains(server.as_str()) {
                    true if nth == 1 => Some(leave_out),
                    true => again(Some(server)),
                    false if nth == TRIES_MAX + 1 => Some(leave_out),
                    false => again(Some(server)),
                }
            }
            HoldReason::DrainOverdue { server } if nth == TRIES_MAX + 1 => {
                Some(Wanted::LeaveOut { server: server.clone() })
            }
            _ => again(None),
        }
    }
}

/// The farm can go on without a server and those that stay broken already.
fn can_be_spared(server: &str, broken: &BTreeSet<String>, scenario: &Scenario) -> bool {
    let plan = &scenario.plan;
    let stages = plan.updating_stages.iter().chain(&plan.loaded_stages);
    let jobs = stages.flat_map(|stage| &stage.servers).filter(|it| it.server.as_str() == server);
    let needed = jobs.flat_map(|it| &it.kinds).any(|kind| {
        matches!(
            kind,
            JobKind::ControllerUpgrade | JobKind::ServiceCenterInstall | JobKind::Publish
        )
    });
    let half_of = |name: &str| plan.updating.iter().any(|it| it.as_str() == name);
    let front_ends = &scenario.spec.front_ends;
    let Some(it) = front_ends.iter().find(|it| it.name == server) else { return false };
    let stands_in = |pool: &String| {
        front_ends.iter().any(|other| {
            other.name != server
                && other.members.contains_key(pool)
                && half_of(&other.name) == half_of(server)
                && !broken.contains(&other.name)
        })
    };
    !needed && it.members.keys().all(stands_in)
}
