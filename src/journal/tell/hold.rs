//! Holds and gates told: the reason, what is safe, and each way out with the command for it.
use crate::journal::standing::Standing;
use crate::journal::{FarmMilestone, HoldReason, WayOut, steps};

use super::words::{one_line, printable};

/// A hold: its reason, what is safe, and each way out with its command; several lines.
#[must_use]
pub fn hold(plan: &str, reason: &HoldReason, ways_out: &[WayOut], standing: &Standing) -> String {
    let safe = match reason {
        HoldReason::FloorLost { .. } => {
            "nothing more is touched and what was begun is finished, but nobody fit serves that \
             pool: bring one of its front-ends back"
        }
        _ => safe(standing),
    };
    let mut lines = vec![format!("HOLD: {}", why(reason, standing)), format!("    safe: {safe}")];
    if *reason == HoldReason::ConsoleUnknown {
        lines.push(
            "    to do: bring a console back; where old ones fail until the new one is installed, \
             stop the Deployment Service of each loaded front-end, so that nothing is deployed to \
             it"
            .into(),
        );
    }
    if matches!(reason, HoldReason::ConsoleIgnores { .. }) {
        lines.push(
            "    to do: where old consoles go on showing what was so before the database changed, stop \
             that front-end's Deployment Service, so that nothing is deployed to it"
                .into(),
        );
    }
    for way in ways_out {
        lines.push(format!("    way out: {}", command(plan, way)));
        lines.push(format!("             {}", way_out(way)));
    }
    if ways_out.is_empty() {
        lines.push("    no way out is possible now; the run goes on by itself when it can".into());
    }
    let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n")
}

/// A gate that waits, with the command that approves it; two lines.
#[must_use]
pub fn gate(plan: &str, step: u8) -> String {
    let ends = match step {
        3 => {
            ": from here on servers' software changes, and the run can no longer be aborted. \
              Confirm that application deployments are frozen"
        }
        6 => ": from here on loaded servers change, and the run can no longer fall back",
        _ => "",
    };
    let plan = quoted(plan);
    format!(
        "GATE before step {}{ends}\n    to go on: evenkeel resume {plan} --approve {}",
        steps::title(step),
        steps::name(step),
    )
}

pub(super) fn left_holding(plan: &str, standing: &Standing) -> String {
    format!(
        "left holding: NOBODY PROTECTS THE FARM from here on\n    safe: {}\n    to go on: evenkeel \
         resume {}",
        safe(standing),
        quoted(plan),
    )
}

/// Why a run holds, in a sentence.
fn why(reason: &HoldReason, standing: &Standing) -> String {
    match reason {
        HoldReason::ServerFailed { server } => {
            let failed = standing.servers.get(server).and_then(|it| it.failed.as_ref());
            let why = failed.map(|it| format!(": {}", super::failure(it))).unwrap_or_default();
            format!("{server} cannot go on by itself{why}")
        }
        HoldReason::DrainOverdue { server } => {
            format!("{server} still has requests in flight after its drain deadline")
        }
        HoldReason::SwitchOverdue => {
            "both versions served longer than policy allows; traffic is on the loaded half".into()
        }
        HoldReason::SoakBad { finding } => {
            format!("the soak found the new version bad: {}", one_line(finding))
        }
        HoldReason::SomebodyElse { what } => {
            format!("somebody else is changing this farm: {}", one_line(what))
        }
        HoldReason::DeploymentUnderLoad { server } => format!(
            "deployment has begun on {server} before its upgrade, and nobody can take over its users \
             for good; a retry lets it serve until its turn comes"
        ),
        HoldReason::TooFew { server } => format!(
            "{server} stands in for servers that were left out, and without it those who stay could \
             not carry the users; a retry has it leave for its upgrade all the same"
        ),
        HoldReason::CannotLeave { server } => format!(
            "{server} cannot leave rotation for its upgrade, since too few others serve a pool of it; \
             it leaves as soon as they do"
        ),
        HoldReason::KeptOut { server } => format!(
            "everything else is done, and health checks have kept {server} out of rotation, off and on, \
             for too long; the run ends as soon as it serves"
        ),
        HoldReason::FloorLost { node, pool } => {
            format!("pool {pool} on {node} is under its floor and no fit server is left to admit")
        }
        HoldReason::BalancerUnknown { node } => {
            format!("balancer node {node} has not been readable for too long")
        }
        HoldReason::BalancerIgnores { node } => format!(
            "balancer node {node} answers, and changes of members have had no effect for too long; \
             `evenkeel history` has its words. They are tried again until they have one"
        ),
        HoldReason::ConsoleIgnores { server } => format!(
            "{server}'s Enabled flag is set in Service Center again and again, and has stayed as it \
             is for too long. It is tried until it changes"
        ),
        HoldReason::ConsoleUnknown => "no console to be believed has answered for too long".into(),
        HoldReason::LoginRefused { why } => format!(
            "Service Center refused the login, which is not tried again by itself: {}",
            one_line(why)
        ),
        HoldReason::ServerUnknown { server } => {
            format!("{server} has not been readable for too long")
        }
        HoldReason::UnknownWord { what } => {
            format!("a word that the farm file does not know: {}", one_line(what))
        }
        HoldReason::GuardRefused { what } => format!(
            "the guard stopped an action before it left, a defect of this program: {}",
            one_line(what)
        ),
        HoldReason::Asked => "a person asked for it".to_owned(),
        HoldReason::FellBack => {
            "the run fell back; a person decides whether to finish the switch again".to_owned()
        }
    }
}

/// What is safe where a run stands: the table "when it fails" of the guide to holds.
#[must_use]
pub fn safe(standing: &Standing) -> &'static str {
    let touched = standing.servers.values().any(|server| server.touched);
    match standing.step.unwrap_or(1) {
        ..=3 if !touched => "no server's software was touched; every server is fit to serve",
        ..=4 => {
            "the loaded half serves, disabled in Service Center; touched servers stay out of \
             rotation"
        }
        5 if standing.has(FarmMilestone::FellBack) => {
            "both halves are fit to serve; the loaded half does"
        }
        5 => "both halves are fit to serve",
        6..=8 => "the proven half serves; touched loaded servers stay out of rotation",
        _ => "every server in rotation is proven at the target version",
    }
}

/// What a way out does.
#[must_use]
pub fn way_out(way: &WayOut) -> String {
    match way {
        WayOut::Retry { server: Some(server) } => {
            format!("tries {server} again from where it stands")
        }
        WayOut::Retry { server: None } => "goes on from where the run stands".to_owned(),
        WayOut::ByHand { server } => {
            format!("once you have done {server}'s work by hand: verifies it and goes on")
        }
        WayOut::LeaveOut { server, overloads } => {
            let short = overloads.as_ref().map(|it| {
                format!(
                    "; {} then gets {} requests/s and can answer {}: some of them are answered \
                     late or not at all, until the load falls",
                    it.server, it.load_rps, it.capacity_rps
                )
            });
            let short = short.unwrap_or_default();
            format!("goes on without {server}, which is not upgraded and stays out of rotation (in an abort, as it is){short}")
        }
        WayOut::Abort => "restores the baseline and ends the run".to_owned(),
        WayOut::FallBack => "moves traffic to the loaded half again, also to servers to which deployment began, then \
                              holds"
            .to_owned(),
    }
}

/// The command that takes a way out.
#[must_use]
pub fn command(plan: &str, way: &WayOut) -> String {
    let plan = quoted(plan);
    let server = |option: &str, server: &crate::names::ServerName| {
        format!("evenkeel resume {plan} --{option} {}", quoted(server.as_str()))
    };
    match way {
        WayOut::Retry { server: Some(name) } => server("retry", name),
        WayOut::Retry { server: None } => format!("evenkeel resume {plan} --retry"),
        WayOut::ByHand { server: name } => server("by-hand", name),
        WayOut::LeaveOut { server: name, .. } => server("leave-out", name),
        WayOut::Abort => format!("evenkeel abort {plan}"),
        WayOut::FallBack => format!("evenkeel fall-back {plan}"),
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
