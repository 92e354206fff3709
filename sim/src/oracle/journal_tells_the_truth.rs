//! **The journal tells the truth**: what it says was done, read or found was so, and it is told in
//! order: an intent is on the disk before its effect leaves, an outcome follows its intent.
//!
//! Why: whoever resumes, and whoever asks next morning what happened to a server, has only the
//! journal. (What milestones and verdicts claim is `result_is_true`'s to judge.)
//!
//! * An intent has a number that no intent had before, and is durable.
//! * No job starts that no intent was of, but by somebody's hand at the machine; and a server is
//!   marked as touched before a job of its own is to change its software.
//! * No job starts on a machine that was told to restart and has not: accepted is not done.
//! * `done` means that the effect was there at some instant between intent and outcome: somebody
//!   may change it again meanwhile, and that is no lie.
//! * Tests passed: the server itself was asked since the intent.
//! * A job ended: it did, and so. One that the server never heard of never arrived, but within
//!   the time of one exchange.
//! * The baseline is how things stood, or stand by now.
//!
//! Never allowed to fail: there is no fault after which a sound program writes down what it did
//! not read.
//!
//! Sabotage that breaks it: start a job twice; count a job or a restart as done that was only
//! accepted; append without syncing; believe a stale page; test through the balancer.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel::journal::{ActionResult, Baseline, Event, Milestone, Notice};
use evenkeel::names::ServerName;
use evenkeel::procedure::action::{Action, MemberChange};
use evenkeel::procedure::readings::JobReading;
use evenkeel_fakes::ledger;

use super::excuse::Bound;
use super::ground::same_version;
use super::{Context, Finding, Ground, Invariant, Sight};

/// What became of a job on a server.
struct Job {
    since_ms: u64,
    /// `None` while it runs; in it, no code when the machine went down under it.
    ended: Option<Option<i32>>,
}

/// What servers were told to do.
#[derive(Default)]
pub(super) struct Jobs {
    /// Every job that they ever heard of, by id.
    by_id: BTreeMap<String, Job>,
    /// Who was told to restart, and has not yet.
    restarting: BTreeSet<String>,
}

impl Jobs {
    /// Takes up a change of ground truth.
    pub(super) fn entry(&mut self, entry: &ledger::Entry) {
        match &entry.event {
            ledger::Event::JobStarted { job, .. } => {
                self.by_id.insert(job.clone(), Job { since_ms: entry.at_ms, ended: None });
            }
            ledger::Event::JobEnded { job, code, .. } => {
                if let Some(job) = self.by_id.get_mut(job) {
                    job.ended = Some(*code);
                }
            }
            ledger::Event::Restarting { server } => _ = self.restarting.insert(server.clone()),
            ledger::Event::Up { server } => _ = self.restarting.remove(server),
            _ => {}
        }
    }

    /// Those that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &str> {
        self.by_id.iter().filter(|(_, job)| job.ended.is_none()).map(|(id, _)| id.as_str())
    }
}

/// An action whose outcome is not told yet.
struct Open {
    action: Action,
    /// Its effect was there at some instant since.
    seen: bool,
}

#[derive(Default)]
pub(super) struct JournalTellsTheTruth {
    open: BTreeMap<u64, Open>,
    numbers: BTreeSet<u64>,
    /// Ids of jobs that were ever to be started.
    intended: BTreeSet<String>,
    /// Servers whose software was said to be about to change.
    touched: BTreeSet<ServerName>,
    jobs: Jobs,
}

impl Invariant for JournalTellsTheTruth {
    fn name(&self) -> &'static str {
        "journal_tells_the_truth"
    }

    fn sentence(&self) -> &'static str {
        "what the journal says was done, read or found was so, and it says it in order"
    }

    fn saw(&mut self, sight: &Sight<'_>, ground: &Ground, _context: &Context) -> Vec<Finding> {
        match sight {
            Sight::Entry(entry) => {
                let begins = self.unheard_of(entry).or_else(|| self.too_soon(entry));
                self.entry(entry, ground);
                return begins.into_iter().collect();
            }
            Sight::Tested { intent } => {
                if let Some(open) = self.open.get_mut(intent) {
                    open.seen |= matches!(open.action, Action::Test { .. });
                }
            }
            Sight::Lost(_) | Sight::TurnedAway(_) | Sight::Stray { .. } => {}
        }
        Vec::new()
    }

    fn told(&mut self, event: &Event, ground: &Ground, context: &Context) -> Vec<Finding> {
        let wrong = match event {
            Event::Intent { id, action } => self.intent(*id, action, ground, context),
            Event::Outcome { id, result } => self.outcome(*id, result),
            Event::JobEnded { server, job, reading, .. } => {
                let wrong = self.job(job, reading, ground.now_ms, context);
                wrong.map(|wrong| format!("the journal says of {job} on {server} that {wrong}"))
            }
            Event::Baseline(baseline) => differs(baseline, ground),
            Event::Noticed(Notice::Rebooted { server }) => {
                let restarting = self.jobs.restarting.contains(server.as_str());
                restarting.then(|| format!("{server} has restarted, says the journal, and has not"))
            }
            Event::Reached { server, milestone: Milestone::Touched, .. } => {
                self.touched.insert(server.clone());
                None
            }
            _ => None,
        };
        let finding =
            wrong.map(|what| Finding { from_ms: None, subject: what.clone(), what, excuse: None });
        finding.into_iter().collect()
    }
}

impl JournalTellsTheTruth {
    /// A job starts that was never intended.
    fn unheard_of(&self, entry: &ledger::Entry) -> Option<Finding> {
        let ledger::Event::JobStarted { server, job, .. } = &entry.event else { return None };
        let known = self.intended.contains(job) || job.starts_with(ledger::BY_HAND);
        (!known).then(|| Finding {
            from_ms: None,
            subject: job.clone(),
            what: format!("{job} is started on {server}, and no intent was of it"),
            excuse: None,
        })
    }

    /// A job starts on a machine that goes down in a moment.
    fn too_soon(&self, entry: &ledger::Entry) -> Option<Finding> {
        let ledger::Event::JobStarted { server, job, .. } = &entry.event else { return None };
        let restarting = self.jobs.restarting.contains(server);
        (restarting && !job.starts_with(ledger::BY_HAND)).then(|| Finding {
            from_ms: None,
            subject: job.clone(),
            what: format!("{job} is started on {server}, which was told to restart and has not"),
            excuse: None,
        })
    }

    fn entry(&mut self, entry: &ledger::Entry, ground: &Ground) {
        self.jobs.entry(entry);
        let may_be_an_effect = matches!(
            entry.event,
            ledger::Event::MemberAdmin { .. }
                | ledger::Event::MemberWeight { .. }
                | ledger::Event::Flag { .. }
                | ledger::Event::JobStarted { .. }
                | ledger::Event::Restarting { .. }
        );
        if may_be_an_effect {
            let Self { open, jobs, .. } = self;
            for open in open.values_mut().filter(|it| !it.seen) {
                open.seen = is_there(&open.action, ground, jobs);
            }
        }
    }

    fn intent(
        &mut self,
        id: u64,
        action: &Action,
        ground: &Ground,
        context: &Context,
    ) -> Option<String> {
        let mut unmarked = None;
        if let Action::Start { server, job, kind } = action {
            self.intended.insert(job.clone());
            if kind.touches() && !self.touched.contains(server) {
                unmarked = Some(format!(
                    "{} is to start on {server}, which is not marked as touched",
                    kind.as_str()
                ));
            }
        }
        let seen = is_there(action, ground, &self.jobs);
        self.open.insert(id, Open { action: action.clone(), seen });
        if !self.numbers.insert(id) {
            return Some(format!("intent {id} is told twice: the journal has forgotten the first"));
        }
        if !context.told_is_durable {
            return Some(format!("intent {id} is about to be carried out, and is not on the disk"));
        }
        unmarked
    }

    fn outcome(&mut self, id: u64, result: &ActionResult) -> Option<String> {
        let Some(open) = self.open.remove(&id) else {
            return Some(format!("an outcome of intent {id} is told, which stands open no more"));
        };
        if open.seen {
            return None;
        }
        match result {
            ActionResult::Done { .. } => {
                Some(format!("the journal says that intent {id} was done, and it never was"))
            }
            ActionResult::Tested { reading, .. } if reading.passed => Some(format!(
                "the journal says that the tests of intent {id} passed, and the server was not asked"
            )),
            _ => None,
        }
    }

    fn job(
        &self,
        job: &str,
        reading: &JobReading,
        now_ms: u64,
        context: &Context,
    ) -> Option<String> {
        let it = self.jobs.by_id.get(job);
        match (reading, it) {
            (JobReading::Running, _) => Some("it ended, because it runs".to_owned()),
            (JobReading::Never, Some(it)) => {
                // It may have arrived after the server was asked.
                let one = Bound { waits_ms: 0, exchanges: 1 };
                let known_ms = context.faults.end(it.since_ms, one);
                (now_ms > known_ms).then(|| "it was never started, and it was".to_owned())
            }
            (JobReading::Never, None) => None,
            (_, None) => Some("it ended, and it was never started".to_owned()),
            (_, Some(Job { ended: None, .. })) => Some("it ended, and it runs".to_owned()),
            (JobReading::Interrupted, Some(Job { ended: Some(code), .. })) => {
                code.map(|code| format!("it was interrupted, and it ended with {code}"))
            }
            (JobReading::Exited { code, .. }, Some(Job { ended: Some(truth), .. })) => {
                (*truth != Some(*code)).then(|| format!("it ended with {code}, not with {truth:?}"))
            }
        }
    }
}

/// What an action is to bring about is so.
pub(super) fn is_there(action: &Action, ground: &Ground, jobs: &Jobs) -> bool {
    match action {
        Action::Balancer { node, members, change } => members.iter().all(|id| {
            let of_it = |key: &super::MemberKey, server: &String| {
                key.node == node.as_str()
                    && key.pool == id.pool.as_str()
                    && server == id.server.as_str()
            };
            let member = ground.members.iter().find(|(key, it)| of_it(key, &it.server));
            member.is_some_and(|(_, it)| match change {
                MemberChange::Drain => it.admin != 0,
                MemberChange::Admit => it.admin == 0,
                MemberChange::Maintain => it.admin & 1 != 0,
                MemberChange::Weight(weight) => it.weight == *weight,
                MemberChange::Cut => true,
            })
        }),
        Action::Flag { server, enabled, .. } => {
            ground.servers.get(server.as_str()).is_some_and(|it| it.enabled == *enabled)
        }
        Action::Start { job, .. } => jobs.by_id.contains_key(job),
        Action::Reboot { server, .. } => jobs.restarting.contains(server.as_str()),
        Action::Test { .. } => false,
        // It changes nothing that lasts.
        Action::Nudge { .. } => true,
    }
}

/// What of a baseline is neither how things were nor how they are.
fn differs(baseline: &Baseline, ground: &Ground) -> Option<String> {
    for (node, id, reading) in &baseline.members {
        let of_it = |(key, it): &(&super::MemberKey, &super::ground::Member)| {
            key.node == node.as_str()
                && key.pool == id.pool.as_str()
                && it.server == id.server.as_str()
        };
        let Some((_, member)) = ground.members.iter().find(of_it) else {
            return Some(format!("the baseline has {} in {}, where it is not", id.server, id.pool));
        };
        let read = (reading.admin.0, reading.weight);
        if read != (0, member.weight_first) && read != (member.admin, member.weight) {
            return Some(format!("the baseline has {} of {} wrong on {node}", id.server, id.pool));
        }
    }
    let flags = baseline.enabled.iter().filter_map(|(name, enabled)| {
        let server = ground.servers.get(name.as_str())?;
        (*enabled != server.front_end && *enabled != server.enabled).then_some(name)
    });
    let versions = baseline.versions.iter().filter_map(|(name, version)| {
        let server = ground.servers.get(name.as_str())?;
        (!same_version(&version.to_string(), &server.version)).then_some(name)
    });
    let name = flags.chain(versions).next()?;
    Some(format!("the baseline has flag or version of {name} wrong"))
}
