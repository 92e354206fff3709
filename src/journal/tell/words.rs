//! The words for everything that is told with nothing but itself.
use crate::journal::{
    ActionResult, Baseline, FarmMilestone, Milestone, Notice, ServerFailure, Verdict,
};
use crate::procedure::action::{Action, MemberChange};
use crate::procedure::readings::{JobReading, MemberId, TestReading};

/// Longest text of the world's that is told on a line; the journal has all of it.
const QUOTE_CHARS_MAX: usize = 300;

/// Text of the world's, fit for a line: its white space is one space, and it is not endless.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, word) in text.split(|c: char| c.is_whitespace() || c.is_control()).enumerate() {
        if count > 0 && !word.is_empty() && !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A line without control characters, which could break it or rewrite a terminal.
pub(super) fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn baseline(baseline: &Baseline) -> String {
    let disabled = baseline.enabled.values().filter(|enabled| !**enabled).count();
    format!(
        "baseline: {} servers ({disabled} disabled in Service Center), {} memberships over all \
         nodes",
        baseline.versions.len(),
        baseline.members.len(),
    )
}

/// An action, as an order.
#[must_use]
pub fn action(action: &Action) -> String {
    match action {
        Action::Balancer { node, members, change } => {
            let change = match change {
                MemberChange::Drain => "drain".to_owned(),
                MemberChange::Admit => "admit".to_owned(),
                MemberChange::Maintain => "put into maintenance".to_owned(),
                MemberChange::Weight(weight) => format!("set weight {weight} of"),
                MemberChange::Cut => "cut what is in flight to".to_owned(),
            };
            let member = |member: &MemberId| format!("{} in pool {}", member.server, member.pool);
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{node}: {change} {}", members.join(", "))
        }
        Action::Flag { via, server, enabled } => {
            let verb = if *enabled { "enable" } else { "disable" };
            format!("Service Center of {via}: {verb} {server}")
        }
        Action::Start { server, kind, job } => format!("{server}: start {} ({job})", kind.as_str()),
        Action::Reboot { server, .. } => format!("{server}: restart the machine"),
        Action::Test { server } => format!("{server}: run the application tests"),
        Action::Nudge { node, pool } => {
            format!("{node}: send a request of ours to pool {pool}, which has no arrivals")
        }
    }
}

pub(super) fn outcome(id: u64, of: Option<&Action>, result: &ActionResult) -> String {
    let what = of.map_or_else(|| "an action of an earlier record".to_owned(), action);
    let came = match result {
        ActionResult::Done { evidence } if evidence.is_empty() => "done".to_owned(),
        ActionResult::Done { evidence } => format!("done ({})", one_line(evidence)),
        ActionResult::Tested { reading, .. } => tested(reading),
        ActionResult::Refused { why } => format!("refused: {}", one_line(why)),
        ActionResult::NoEffect { why } => format!("without effect: {}", one_line(why)),
        ActionResult::Unknown { why } => {
            format!("not known whether it was done ({}); it will be read", one_line(why))
        }
    };
    format!("#{id} {what}: {came}")
}

fn tested(reading: &TestReading) -> String {
    match (&reading.failure, reading.passed) {
        (_, true) => format!("passed, {} requests", reading.requests),
        (Some(failure), false) => format!("failed: {}", one_line(failure)),
        (None, false) => "did not pass".to_owned(),
    }
}

pub(super) fn job_end(reading: &JobReading) -> String {
    match reading {
        JobReading::Never => "was never started there".to_owned(),
        JobReading::Running => "is running".to_owned(),
        JobReading::Interrupted => "was interrupted: the machine went down".to_owned(),
        JobReading::Exited { code: 0, .. } => "ended well".to_owned(),
        JobReading::Exited { code, output } => format!("ended with {code}{}", said(output)),
    }
}

fn said(output: &str) -> String {
    let output = one_line(output);
    if output.is_empty() { output } else { format!(": {output}") }
}

/// A server's milestone, as what is now true of it.
#[must_use]
pub fn milestone(milestone: &Milestone) -> String {
    match milestone {
        Milestone::Quiet => "drained and quiet in every pool, on every node".to_owned(),
        Milestone::Disabled { .. } => "disabled in Service Center, read back".to_owned(),
        Milestone::Touched => "touched: its software is about to change".to_owned(),
        Milestone::Upgraded { version } => format!("upgraded, runs {version}"),
        Milestone::DeploymentServiceEnsured => {
            "Deployment Service automatic, running and initialised, front-end enabled".to_owned()
        }
        Milestone::Deployed => "deployment threads idle".to_owned(),
        Milestone::Proven { version, .. } => {
            format!("proven fit to serve: its tests passed at {version}")
        }
        Milestone::Unproven => "no longer proven".to_owned(),
        Milestone::TakingTraffic => "takes users' requests on every node, in every pool".to_owned(),
        Milestone::Restored => "as the baseline had it".to_owned(),
    }
}

pub(super) fn farm_milestone(milestone: FarmMilestone) -> &'static str {
    match milestone {
        FarmMilestone::SwitchBegan => "the switch begins: updating servers are being admitted",
        FarmMilestone::Switched => "switched: only updating servers serve",
        FarmMilestone::SoakBegan => "the soak begins",
        FarmMilestone::Soaked => "the soak found nothing",
        FarmMilestone::FellBack => "fallen back: the loaded half serves again",
    }
}

/// Why a server cannot go on by itself.
#[must_use]
pub fn failure(failure: &ServerFailure) -> String {
    match failure {
        ServerFailure::JobFailed { kind, code, output } => {
            let ended =
                code.map_or("left no exit code".into(), |code| format!("ended with {code}"));
            format!("{} {ended}{}", kind.as_str(), said(output))
        }
        ServerFailure::JobOverdue { kind } => {
            format!("{} has run longer than policy allows", kind.as_str())
        }
        ServerFailure::WrongVersion { version } => {
            format!("its jobs ended well, but it runs {version}, which is not the target")
        }
        ServerFailure::NotRebooted => {
            "its machine was told to restart, and was not seen to have done so".to_owned()
        }
        ServerFailure::NotInitialised => {
            "its services did not initialise in time, or it did not come back".to_owned()
        }
        ServerFailure::NotDeployed { seen } => {
            format!("its deployment did not finish: {}", one_line(seen))
        }
        ServerFailure::TestsFailed { failure } => {
            format!("its application tests keep failing: {}", one_line(failure))
        }
    }
}

pub(super) fn notice(notice: &Notice) -> String {
    match notice {
        Notice::EpochEnded { node } => {
            format!(
                "{node} was started, reloaded or failed over a moment ago: its counters are \
                 forgotten, our state is asserted again, and requests that an earlier process may \
                 still have in flight are waited for"
            )
        }
        Notice::Drifted { node, member } => format!(
            "{node}: {} in pool {} was not as we left it; it is put right once",
            member.server, member.pool
        ),
        Notice::FlagCameBack { server } => {
            format!("{server} is enabled in Service Center again; it will be disabled")
        }
        Notice::Rescued { server, pool } => {
            format!("rescue: {server} is admitted early, because pool {pool} is under its floor")
        }
        Notice::RescueEnded { server } => {
            format!("rescue ended: the pools hold without {server}")
        }
        Notice::DeployingUnderLoad { server } => format!(
            "deployment began on {server} while it serves users: it counts as unfit from now on"
        ),
        Notice::JobInVain { server, kind, why } => format!(
            "{server}: {} ended well, but {}; it is done again",
            kind.as_str(),
            one_line(why)
        ),
        Notice::Rebooted { server } => format!("{server}'s machine has restarted"),
        Notice::Recovered { server } => {
            format!("{server} is well again, what kept it has passed: it goes on")
        }
        Notice::NotPossible { want, why } => {
            format!("not possible now: {}: {}", super::wanted(want), one_line(why))
        }
        Notice::Unreadable { what, why } => format!("{what} cannot be read: {}", one_line(why)),
    }
}

/// How a run ended.
#[must_use]
pub fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Done { left_out } if left_out.is_empty() => {
            "done: every server runs the target version and is as the baseline had it".to_owned()
        }
        Verdict::Done { left_out } => {
            let names: Vec<_> = left_out.iter().map(|server| server.as_str()).collect();
            format!("done, but for the servers left out: {}", names.join(", "))
        }
        Verdict::Aborted => "aborted: the baseline is restored".to_owned(),
        Verdict::Holding { .. } => "left holding: nobody protects the farm from here on".to_owned(),
        Verdict::Refused { why } => {
            let why: Vec<_> = why.iter().map(|it| one_line(it)).collect();
            format!("refused before step 1, nothing was touched: {}", why.join("; "))
        }
    }
}
