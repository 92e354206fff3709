//! The farm by lines of text: faults and hands of people for demonstrations and other people's
//! tests, and the ground truth as JSON. One command a line, one line of answer.
use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::spawn_local;

use crate::front_end::jobs::Kind;
use crate::front_end::{FrontEnd, Machine};
use crate::listen::Listen;

use super::{Farm, Shared};

/// The longest command line.
const LINE_BYTES_MAX: u64 = 4 * 1024;

/// The commands, for people.
pub const COMMANDS: &str = "crash SERVER | power-on SERVER | reboot SERVER | break SERVER | \
    mend SERVER | start-service SERVER | stop-service SERVER | \
    fail-jobs SERVER KIND CODE TIMES | reload NODE | state";

/// Carries out one command and answers in one line: `ok`, JSON, or `error: …`.
pub fn command(farm: &mut Farm, line: &str) -> String {
    match act(farm, line) {
        Ok(answer) => answer,
        Err(words) => format!("error: {words}"),
    }
}

fn act(farm: &mut Farm, line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["state"] => return Ok(state(farm).to_string()),
        ["reload", node] => farm.reload(known(node, farm.nodes.keys())?),
        ["fail-jobs", server, kind, code, times] => {
            known(server, farm.servers.keys())?;
            let kind = Kind::from_name(kind).ok_or_else(|| {
                format!("{kind:?} is none of {}", Kind::ALL.map(Kind::name).join(", "))
            })?;
            let number = |text: &str| format!("{text:?} is no number");
            let code = code.parse().map_err(|_| number(code))?;
            let times = times.parse().map_err(|_| number(times))?;
            farm.fail_jobs(server, kind.name(), code, times, 0);
        }
        [verb, server] => {
            let act = match verb {
                "crash" => Farm::crash,
                "power-on" => Farm::power_on,
                "reboot" => Farm::reboot,
                "break" => |farm: &mut Farm, server: &str| farm.set_broken(server, true),
                "mend" => |farm: &mut Farm, server: &str| farm.set_broken(server, false),
                "start-service" => Farm::start_service,
                "stop-service" => Farm::stop_service,
                _ => return Err(format!("{verb:?} is none of: {COMMANDS}")),
            };
            act(farm, known(server, farm.servers.keys())?);
        }
        _ => return Err(format!("the commands are: {COMMANDS}")),
    }
    Ok("ok".into())
}

fn known(
    name: &str,
    mut names: impl Iterator<Item = impl AsRef<str>> + Clone,
) -> Result<&str, String> {
    if names.clone().any(|known| known.as_ref() == name) {
        return Ok(name);
    }
    let first = names.next().map(|known| known.as_ref().to_owned()).unwrap_or_default();
    Err(format!("there is no {name:?} in this farm; there is, for one, {first:?}"))
}

/// The ground truth of the whole farm.
#[must_use]
pub fn state(farm: &Farm) -> Value {
    let published = farm.database.published();
    let servers = farm.servers.values().map(|it| (it.name().to_owned(), server(farm, it)));
    let nodes = farm.nodes.iter().map(|(name, node)| {
        let members = node.members().map(|member| {
            json!({
                "pool": &*member.pool, "member": &*member.name, "server": &*member.server,
                "admin": member.admin, "up": member.up(), "eligible": member.eligible(),
                "weight": member.weight, "in_flight": member.counters.in_flight,
                "arrivals": member.counters.arrivals,
            })
        });
        (name.clone(), Value::Array(members.collect()))
    });
    json!({
        "now_ms": farm.now_ms(),
        "database": { "version": farm.database.version(), "generation": published.generation },
        "servers": Value::Object(servers.collect()),
        "nodes": Value::Object(nodes.collect()),
    })
}

fn server(farm: &Farm, it: &FrontEnd) -> Value {
    let machine = match it.machine() {
        Machine::Up => "up",
        Machine::Booting { .. } => "booting",
        Machine::Down => "down",
    };
    json!({
        "machine": machine,
        "version": it.version(),
        "console": it.console_build(),
        "touched": it.touched(),
        "enabled": farm.database.enabled(it.name()),
        "service": it.service_state(),
        "automatic": it.automatic(),
        "start": it.start_mark(),
        "applications": it.applications(),
        "deploying": it.deploying(),
        "pending": it.pending(farm.database.published()),
        "generation": it.deployed().generation,
        "job_runs": it.job_runs(),
    })
}

/// Serves commands on a bound socket; a connection may send several lines.
pub async fn serve<L: Listen>(shared: Shared, mut socket: L::Socket) {
    loop {
        if let Some(stream) = super::serve::accept::<L>(&mut socket).await {
            let shared = shared.clone();
            spawn_local(async move {
                // A client that goes away has said what it had to say.
                let _gone = converse(shared, stream).await;
            });
        }
    }
}

async fn converse<S>(shared: Shared, stream: S) -> io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        (&mut stream).take(LINE_BYTES_MAX).read_line(&mut line).await?;
        if !line.ends_with('\n') {
            return Ok(());
        }
        let mut answer = shared.with(|farm| command(farm, &line));
        shared.log_request(|| {
            format!("control {} -> {}", line.trim(), answer.get(..40).unwrap_or(&answer))
        });
        answer.push('\n');
        stream.get_mut().write_all(answer.as_bytes()).await?;
        stream.get_mut().flush().await?;
    }
}
