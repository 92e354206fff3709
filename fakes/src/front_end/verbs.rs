//! The host verbs: what a script on a server does when the orchestrator's command templates call
//! it. Input are environment variables, output is `key=value` lines and an exit code.
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::farm::Farm;
use crate::ledger::ServiceState;

use super::jobs::{JobState, Kind};

/// Wrong use: a variable is missing or makes no sense. Nothing was done.
const USAGE: i32 = 2;
/// Values longer than this are no names of ours.
const VALUE_BYTES_MAX: usize = 1_000;

/// What a verb leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit code.
    pub exit_code: i32,
    /// `key=value` lines.
    pub stdout: String,
    /// Words, when it failed.
    pub stderr: String,
}

type Environment = BTreeMap<String, String>;

/// Carries out the verb of an environment on a server that is up.
pub fn run(farm: &mut Farm, server: &str, env: &Environment) -> Outcome {
    if let Some(outcome) = read(farm, server, env) {
        return outcome;
    }
    let result = verb(farm, server, env);
    farm.settle();
    outcome(server, result)
}

/// What a verb answers that only reads; `None` for every other.
pub(crate) fn read(farm: &Farm, server: &str, env: &Environment) -> Option<Outcome> {
    let result = match env.get("EVENKEEL_VERB")?.as_str() {
        "job" => value(env, "EVENKEEL_JOB").and_then(|id| job(farm, server, id)),
        "version" => version(farm, server),
        "service" => service(farm, server),
        _ => return None,
    };
    Some(outcome(server, meant_for(server, env).and(result)))
}

fn outcome(server: &str, result: Result<String, String>) -> Outcome {
    match result {
        Ok(stdout) => Outcome { stdout, ..Outcome::default() },
        Err(words) => Outcome {
            exit_code: USAGE,
            stderr: format!("{server}: {words}\n"),
            ..Outcome::default()
        },
    }
}

fn verb(farm: &mut Farm, server: &str, env: &Environment) -> Result<String, String> {
    meant_for(server, env)?;
    match value(env, "EVENKEEL_VERB")? {
        "start" => start(farm, server, env),
        "reboot" => {
            farm.restart(server);
            Ok("accepted=yes\n".into())
        }
        other => Err(format!(
            "EVENKEEL_VERB is {other:?}; it is one of start, job, version, service, reboot"
        )),
    }
}

fn meant_for(server: &str, env: &Environment) -> Result<(), String> {
    match env.get("EVENKEEL_SERVER").filter(|meant| *meant != server) {
        Some(meant) => Err(format!("this is {server}, not {meant}")),
        None => Ok(()),
    }
}

fn value<'a>(env: &'a Environment, name: &str) -> Result<&'a str, String> {
    let value = env.get(name).ok_or_else(|| format!("{name} is missing"))?;
    if value.is_empty() || value.len() > VALUE_BYTES_MAX || value.contains(char::is_control) {
        return Err(format!("{name} is empty, too long or not one line"));
    }
    Ok(value)
}

fn start(farm: &mut Farm, server: &str, env: &Environment) -> Result<String, String> {
    let id = value(env, "EVENKEEL_JOB")?;
    let name = value(env, "EVENKEEL_KIND")?;
    let version = value(env, "EVENKEEL_VERSION")?;
    let kind = Kind::from_name(name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        format!("EVENKEEL_KIND is {name:?}; it is one of {names}")
    })?;
    farm.on_server(server, |front_end, around| front_end.start_job(around, id, kind, version))
        .ok_or("no such server")??;
    Ok("accepted=yes\n".into())
}

fn job(farm: &Farm, server: &str, id: &str) -> Result<String, String> {
    let front_end = farm.servers.get(server).ok_or("no such server")?;
    let Some(job) = front_end.job(id) else { return Ok("status=never\n".into()) };
    let mut lines = match job.state() {
        JobState::Running => "status=running\n".to_owned(),
        JobState::Interrupted => "status=interrupted\n".to_owned(),
        JobState::Exited(code) => format!("status=exited\nexit_code={code}\n"),
    };
    for line in job.output() {
        let _ = writeln!(lines, "output={line}");
    }
    Ok(lines)
}

fn version(farm: &Farm, server: &str) -> Result<String, String> {
    let front_end = farm.servers.get(server).ok_or("no such server")?;
    Ok(format!("version={}\n", front_end.version()))
}

fn service(farm: &Farm, server: &str) -> Result<String, String> {
    let front_end = farm.servers.get(server).ok_or("no such server")?;
    let yes = |is: bool| if is { "yes" } else { "no" };
    let state = front_end.service_state();
    let boot = match farm.truth.tells_boot {
        true => format!("boot={}\n", front_end.life().boots),
        false => String::new(),
    };
    Ok(format!(
        "running={}\nautomatic={}\ninitialised={}\nstart={}\n{boot}",
        yes(state != ServiceState::Stopped),
        yes(front_end.automatic()),
        yes(state == ServiceState::Initialised),
        front_end.start_mark(),
    ))
}
