//! The runtime API: one line in, the reply out.
use super::member::{Member, MemberIndex};
use super::words;
use super::{Balancer, VERSION};

/// What a connection to the runtime API may do: `operator` and `user` lower it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    User,
    Operator,
    #[default]
    Admin,
}

/// One connection to the runtime API.
#[derive(Clone, Debug, Default)]
pub struct Session {
    level: Level,
    /// `prompt`: the connection stays open, and every reply ends in `> `.
    pub interactive: bool,
    /// `quit`: nothing more is answered.
    pub over: bool,
}

impl Balancer {
    /// The runtime API's whole reply to one line on a connection of its own; commands may be
    /// joined by `;`.
    pub fn command(&mut self, now_ms: u64, line: &str) -> String {
        self.api_connections += 1;
        let mut out = String::new();
        self.command_in(&mut Session::default(), now_ms, line, &mut out);
        out
    }

    /// A connection to the runtime API: for how many milliseconds it waits before its commands are
    /// read; `None` when the process is down and refuses it.
    pub fn connected(&mut self) -> Option<u64> {
        if !self.is_up() {
            return None;
        }
        self.api_connections += 1;
        Some(self.api_wait_ms())
    }

    /// Appends the reply to one line of a connection.
    pub fn command_in(&mut self, session: &mut Session, now_ms: u64, line: &str, out: &mut String) {
        self.advance(now_ms);
        for command in line.split([';', '\n']) {
            let command = command.strip_suffix('\r').unwrap_or(command);
            let words: Vec<&str> = command.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
            if words.first() == Some(&"quit") {
                session.over = true;
                return;
            }
            self.answer(session, now_ms, &words, out);
            out.push_str(if session.interactive { "\n> " } else { "\n" });
        }
    }

    fn answer(&mut self, session: &mut Session, now_ms: u64, words: &[&str], out: &mut String) {
        match words {
            ["show", "info"] => self.show_info(now_ms, out),
            ["show", "servers", "state", rest @ ..] => self.show_servers_state(now_ms, rest, out),
            ["show", "servers", "conn", rest @ ..] => self.show_servers_conn(rest, out),
            ["show", "stat", rest @ ..] => self.show_stat(now_ms, rest, words, out),
            ["show", "backend", ..] => self.show_backend(out),
            ["show", "version", ..] => {
                out.push_str(VERSION);
                out.push('\n');
            }
            ["show", "cli", "level", ..] => out.push_str(match session.level {
                Level::User => "user\n",
                Level::Operator => "operator\n",
                Level::Admin => "admin\n",
            }),
            ["clear", "counters", "all", ..] if session.level < Level::Admin => {
                out.push_str("Permission denied\n");
            }
            ["clear", "counters", "all", ..] => self.clear_counters(),
            ["prompt", ..] => session.interactive = !session.interactive,
            ["operator", ..] if session.level < Level::Operator => {
                out.push_str("Permission denied\n");
            }
            ["operator", ..] => session.level = Level::Operator,
            ["user", ..] => session.level = Level::User,
            ["get", "weight", rest @ ..] => match self.target(rest.first()) {
                Ok(index) => show_weight(&self.members[index.0], out),
                Err(words) => out.push_str(words),
            },
            _ => {
                let Some(change) = Change::parse(words) else {
                    return words::unknown(words, out);
                };
                if session.level < Level::Admin {
                    return out.push_str("Permission denied\n");
                }
                let member = self.target(change.target).ok();
                if let Some(words) = self.refusal(member) {
                    return out.push_str(words);
                }
                if let Err(words) = self.carry_out(now_ms, change) {
                    out.push_str(words);
                }
            }
        }
    }

    /// `backend/server`, each by name or by `#` and its number.
    fn target(&self, word: Option<&&str>) -> Result<MemberIndex, &'static str> {
        let named = word.and_then(|word| word.split_once('/'));
        let Some((pool, name)) = named.filter(|(pool, name)| !pool.is_empty() && !name.is_empty())
        else {
            return Err("Require 'backend/server'.\n");
        };
        let place = match pool.strip_prefix('#') {
            Some(id) => (0..self.pools.len()).find(|&i| id.parse() == Ok(self.backend_id(i))),
            None => self.pool_index(pool),
        };
        let members = self.pools[place.ok_or("No such backend.\n")?].members.clone();
        let index = match name.strip_prefix('#') {
            Some(id) => members.clone().find(|&i| id.parse() == Ok(i - members.start + 1)),
            None => members.clone().find(|&i| &*self.members[i].name == name),
        };
        index.map(MemberIndex).ok_or("No such server.\n")
    }

    fn carry_out(&mut self, now_ms: u64, change: Change<'_>) -> Result<(), &'static str> {
        let index = self.target(change.target)?;
        let member = &self.members[index.0];
        let (argument, _) = change.arguments.split_first().unwrap_or((&"", &[]));
        match change.what {
            What::Set => return self.set(now_ms, index, change.arguments),
            What::Weight => {
                let weight = parse_weight(argument, member.weight_initial)?;
                self.change(index.0, now_ms, |member| {
                    member.weight = weight;
                    false
                });
            }
            What::EnableAgent if member.agents.is_empty() => {
                return Err("Agent was not configured on this server, cannot enable.\n");
            }
            What::EnableAgent | What::DisableAgent => {
                let enabled = matches!(change.what, What::EnableAgent);
                let agents = &mut self.members[index.0].agents;
                agents.iter_mut().for_each(|agent| agent.enabled = enabled);
            }
            What::EnableHealth if !member.check.configured => {
                return Err("Health check was not configured on this server, cannot enable.\n");
            }
            What::EnableHealth => self.members[index.0].check.enabled = true,
            What::DisableHealth => self.members[index.0].check.enabled = false,
            What::EnableServer => self.change(index.0, now_ms, |m| m.set_ready(now_ms)),
            What::DisableServer => self.change(index.0, now_ms, |m| m.set_maint(now_ms)),
            What::ShutdownSessions => self.cut(index),
        }
        self.reschedule(index.0, now_ms);
        Ok(())
    }

    /// `set server b/s …`
    fn set(
        &mut self,
        now_ms: u64,
        index: MemberIndex,
        arguments: &[&str],
    ) -> Result<(), &'static str> {
        match arguments {
            ["weight", rest @ ..] => {
                let initial = self.members[index.0].weight_initial;
                let weight = parse_weight(rest.first().unwrap_or(&""), initial)?;
                self.change(index.0, now_ms, |member| {
                    member.weight = weight;
                    false
                });
            }
            ["state", "ready" | "drain" | "maint", ..] if self.ignores_state() => return Ok(()),
            ["state", "ready", ..] => self.change(index.0, now_ms, |m| m.set_ready(now_ms)),
            ["state", "drain", ..] => self.change(index.0, now_ms, |m| m.set_drain(now_ms)),
            ["state", "maint", ..] => self.change(index.0, now_ms, |m| m.set_maint(now_ms)),
            ["state", ..] => {
                return Err("'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n");
            }
            ["health", health @ ("up" | "stopping" | "down"), ..] => {
                self.change(index.0, now_ms, |member| member.set_health(now_ms, health));
            }
            ["health", ..] => {
                return Err("'set server <srv> health' expects 'up', 'stopping', or 'down'.\n");
            }
            ["agent" | "agent-send", ..] => {
                return Err("agent checks are not enabled on this server.\n");
            }
            ["fqdn", _, ..] => {
                return Err(
                    "set server <b>/<s> fqdn failed because no resolution is configured.\n",
                );
            }
            _ => return Err(USAGE_SET_SERVER),
        }
        self.reschedule(index.0, now_ms);
        Ok(())
    }
}

const USAGE_SET_SERVER: &str = "usage: set server <backend>/<server> addr | agent | agent-addr | \
     agent-port | agent-send | check-addr | check-port | fqdn | health | ssl | state | weight\n";

/// A command that changes one member.
struct Change<'a> {
    what: What,
    target: Option<&'a &'a str>,
    arguments: &'a [&'a str],
}

enum What {
    Set,
    Weight,
    EnableAgent,
    DisableAgent,
    EnableHealth,
    DisableHealth,
    EnableServer,
    DisableServer,
    ShutdownSessions,
}

impl<'a> Change<'a> {
    fn parse(words: &'a [&'a str]) -> Option<Self> {
        let (what, rest) = match words {
            ["set", "server", rest @ ..] => (What::Set, rest),
            ["set", "weight", rest @ ..] => (What::Weight, rest),
            ["enable", "agent", rest @ ..] => (What::EnableAgent, rest),
            ["disable", "agent", rest @ ..] => (What::DisableAgent, rest),
            ["enable", "health", rest @ ..] => (What::EnableHealth, rest),
            ["disable", "health", rest @ ..] => (What::DisableHealth, rest),
            ["enable", "server", rest @ ..] => (What::EnableServer, rest),
            ["disable", "server", rest @ ..] => (What::DisableServer, rest),
            ["shutdown", "sessions", "server", rest @ ..] => (What::ShutdownSessions, rest),
            _ => return None,
        };
        Some(Self { what, target: rest.first(), arguments: rest.get(1..).unwrap_or(&[]) })
    }
}

/// `server_parse_weight_change_request`, with its missing line ends.
fn parse_weight(text: &str, initial: u32) -> Result<u32, &'static str> {
    if text.is_empty() {
        return Err("Require <weight> or <weight%>.\n");
    }
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err("Empty weight string empty or preceded by garbage");
    }
    let (number, rest) = text.split_at(sign + digits);
    // More digits than fit are as good as the greatest number: both are out of every range.
    let number: i64 = number.parse().unwrap_or(i64::MAX);
    if rest == "%" {
        if number < 0 {
            return Err("Relative weight must be positive.\n");
        }
        let relative = i64::from(initial) * number.min(25_600) / 100;
        return Ok(relative.min(256) as u32);
    }
    match u32::try_from(number) {
        Ok(weight @ 0..=256) if rest.is_empty() => Ok(weight),
        Ok(0..=256) => Err("Trailing garbage in weight string"),
        _ => Err("Absolute weight can only be between 0 and 256 inclusive.\n"),
    }
}

fn show_weight(member: &Member, out: &mut String) {
    super::tables::number(out, u64::from(member.weight));
    out.push_str(" (initial ");
    super::tables::number(out, u64::from(member.weight_initial));
    out.push_str(")\n");
}
