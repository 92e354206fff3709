//! `status`: where a run stands, from its journal alone, also while it runs.
use std::fmt::Write as _;

use serde::Serialize;

use super::args::StatusArgs;
use super::carry::report_unreadable;
use super::session::Session;
use super::{Exit, answer, complain, world};
use crate::farm::Half;
use crate::journal::lock::{FarmLock, Holder, LockError};
use crate::journal::standing::{ServerStanding, Standing};
use crate::journal::{WayOut, steps, tell};
use crate::names::ServerName;

/// Exit codes: 0 over and done, or on its way; 3 a person is needed: it holds, waits at a gate,
/// left something out, or nobody carries it out.
pub(crate) fn run(args: &StatusArgs) -> Exit {
    let session = match Session::open(&args.plan) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let (standing, torn) = match session.folder.read_journal() {
        Ok((records, torn)) => (Standing::of(&records), torn),
        Err(error) => return report_unreadable(&session, &error),
    };
    if let Err(exit) = session.check_journal_is_ours(&standing) {
        return exit;
    }
    let held = world::lock_folders()
        .and_then(|folders| FarmLock::held_by(&folders, &session.plan.farm.name));
    let carrier = match held {
        Ok(held) => Carrier::of(&session, held),
        Err(error) => {
            complain(&format!("evenkeel: {error}"));
            return Exit::Failed;
        }
    };
    if args.json {
        answer(&as_json(&session, &standing, &carrier, torn));
    } else {
        answer(&as_text(&session, &standing, &carrier));
    }
    exit_of(&standing, &carrier)
}

/// Who carries the run out now.
enum Carrier {
    Nobody,
    /// The farm is held, by this plan's run.
    Run(Option<Box<Holder>>),
    /// The farm is held by another plan's run.
    Other(Box<Holder>),
}

impl Carrier {
    fn of(session: &Session, held: Option<LockError>) -> Self {
        match held {
            Some(LockError::Held { holder: Some(holder), .. }) if holder.plan != session.path => {
                Self::Other(holder)
            }
            Some(LockError::Held { holder, .. }) => Self::Run(holder),
            Some(LockError::Unusable { .. }) | None => Self::Nobody,
        }
    }
}

fn exit_of(standing: &Standing, carrier: &Carrier) -> Exit {
    use crate::journal::Verdict;
    let left_out =
        matches!(&standing.ended, Some(Verdict::Done { left_out }) if !left_out.is_empty());
    let waits = standing.hold.is_some() || standing.gate.is_some();
    let begun = standing.plan_hash.is_some();
    let refused = matches!(standing.ended, Some(Verdict::Refused { .. }));
    let abandoned = begun && !standing.is_over() && !refused && !matches!(carrier, Carrier::Run(_));
    if left_out || waits || abandoned { Exit::PersonNeeded } else { Exit::Done }
}

#[derive(Serialize)]
struct Json<'a> {
    v: u32,
    plan: &'a str,
    running: bool,
    holder: Option<&'a Holder>,
    torn: bool,
    step_name: Option<&'static str>,
    safe: &'static str,
    ways_out: Vec<JsonWayOut<'a>>,
    standing: &'a Standing,
}

#[derive(Serialize)]
struct JsonWayOut<'a> {
    #[serde(flatten)]
    way: &'a WayOut,
    command: String,
}

fn as_json(session: &Session, standing: &Standing, carrier: &Carrier, torn: bool) -> String {
    let ways = standing.hold.iter().flat_map(|hold| &hold.ways_out);
    let json = Json {
        v: tell::JSON_VERSION,
        plan: &session.shown,
        running: matches!(carrier, Carrier::Run(_)),
        holder: match carrier {
            Carrier::Nobody => None,
            Carrier::Run(holder) => holder.as_deref(),
            Carrier::Other(holder) => Some(holder),
        },
        torn,
        step_name: standing.step.map(steps::name),
        safe: tell::safe(standing),
        ways_out: ways
            .map(|way| JsonWayOut { way, command: tell::command(&session.shown, way) })
            .collect(),
        standing,
    };
    serde_json::to_string(&json).expect("every key of a status is a string")
}

fn as_text(session: &Session, standing: &Standing, carrier: &Carrier) -> String {
    let plan = &session.shown;
    if standing.plan_hash.is_none() {
        let begin =
            format!("The run of {plan} was never begun; `evenkeel apply {plan}` begins it.");
        return match carrier {
            Carrier::Other(holder) => format!("{begin}\nThe farm is held by {holder}."),
            _ => begin,
        };
    }
    let mut lines = vec![match (standing.step, &standing.ended) {
        (_, Some(verdict)) => format!("The run of {plan}: {}", tell::verdict(verdict)),
        (Some(step), None) => format!("The run of {plan} is in step {}", steps::title(step)),
        (None, None) => format!("The run of {plan} was begun"),
    }];
    lines.extend(carrier_line(session, standing, carrier));
    if let Some(step) = standing.gate {
        lines.push(tell::gate(plan, step));
    }
    if let Some(hold) = &standing.hold {
        lines.push(format!(
            "since {:.0}  {}",
            hold.since,
            tell::hold(plan, &hold.reason, &hold.ways_out, standing)
        ));
    } else if !standing.is_over() {
        lines.push(format!("    safe: {}", tell::safe(standing)));
    }
    lines.push("Servers:".to_owned());
    lines.extend(server_lines(session, standing));
    if !standing.in_flight.is_empty() {
        let running = matches!(carrier, Carrier::Run(_));
        let title = if running { "On its way:" } else { "Left without an outcome:" };
        lines.push(title.to_owned());
        let told = |(id, action)| format!("  #{id} {}", tell::action(action));
        lines.extend(standing.in_flight.iter().map(told));
    }
    if let Some(last) = standing.last {
        lines.push(format!("Last of {} records: {last:.0}", standing.records));
    }
    lines.join("\n")
}

fn carrier_line(session: &Session, standing: &Standing, carrier: &Carrier) -> Option<String> {
    match carrier {
        Carrier::Run(Some(holder)) => {
            let Holder { pid, user, host, since, .. } = &**holder;
            Some(format!("    carried out by process {pid} of {user} on {host} since {since:.0}"))
        }
        Carrier::Run(None) => Some("    carried out by a process that has just begun".to_owned()),
        _ if standing.is_over() => None,
        Carrier::Nobody => Some(format!(
            "    NOBODY CARRIES IT OUT, and nobody protects the farm; to go on: evenkeel resume {}",
            session.shown
        )),
        Carrier::Other(holder) => {
            Some(format!("    nobody carries it out: the farm is held by {holder}"))
        }
    }
}

fn server_lines(session: &Session, standing: &Standing) -> Vec<String> {
    let plan = &session.plan;
    let untold = ServerStanding::default();
    let halves = plan.updating.iter().map(|it| (it, Half::Updating));
    let halves = halves.chain(plan.loaded.iter().map(|it| (it, Half::Loaded)));
    let pure = plan.farm.pure_controller.iter().map(|it| (&it.name, None));
    let servers: Vec<(&ServerName, Option<Half>)> =
        pure.chain(halves.map(|(name, half)| (name, Some(half)))).collect();
    let width = servers.iter().map(|(name, _)| name.as_str().chars().count()).max().unwrap_or(0);
    let line = |(name, half): &(&ServerName, Option<Half>)| {
        let half = match half {
            Some(Half::Updating) => "updating",
            Some(Half::Loaded) => "loaded",
            None => "controller",
        };
        let stage = stage(standing.servers.get(*name).unwrap_or(&untold));
        format!("  {name:width$}  {half:10}  {stage}")
    };
    servers.iter().map(line).collect()
}

/// A server's stage in a few words: what matters most about it now.
fn stage(server: &ServerStanding) -> String {
    let reached = match server.milestones.last() {
        Some(milestone) => tell::milestone(milestone),
        None => "not begun".to_owned(),
    };
    let mut text = match (&server.failed, server.job, server.left_out) {
        (_, _, true) => "left out".to_owned(),
        (Some(failure), ..) => format!("CANNOT GO ON: {}", tell::failure(failure)),
        (None, Some(kind), _) => format!("{} runs", kind.as_str()),
        (None, None, _) => reached,
    };
    if server.touched && server.left_out {
        write!(text, ", touched").expect("text grows");
    }
    text
}
