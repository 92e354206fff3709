//! Servers by command templates: a verb is rendered, run by a [`Launcher`], and its answer read
//! strictly, so that a template which answers something else is found before it is believed.
mod answer;
pub mod process;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::farm;
use crate::farm::Version;
use crate::names::ServerName;
use crate::ports::{Command, Finished, Launcher};
use crate::procedure::action::JobKind;
use crate::procedure::readings::{JobReading, ServiceReading, VersionReading};

use answer::Answer;

/// How long one command may take. Verbs return at once, long work being started as a job; a slow
/// remote shell's login takes a few seconds.
pub const COMMAND_MAX: Duration = Duration::from_secs(60);

/// Characters of a command's standard error that an error keeps, from its end: the cause is there.
const STDERR_CHARS_MAX: usize = 2_000;

/// Why a verb told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The command was never started.
    #[error("the command could not be started: {0}")]
    Unreachable(String),
    /// The command may have been carried out: ask for the job before starting it again.
    #[error("the command's answer was lost: {0}")]
    Lost(String),
    /// The command ended with an error.
    #[error("the command failed with {}: {stderr}", ending(*exit_code))]
    Failed {
        /// Its exit code; `None` when a signal ended it.
        exit_code: Option<i32>,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// The command answered something else than the verb asks for.
    #[error("the command's answer cannot be read: {0}")]
    Garbled(String),
}

fn ending(exit_code: Option<i32>) -> String {
    exit_code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}

/// The servers of a farm.
#[derive(Clone, Debug)]
pub struct Host<L: Launcher> {
    launcher: L,
    templates: farm::Host,
    version_to: Version,
    command_max: Duration,
}

/// A server and the address its commands go to.
#[derive(Clone, Copy)]
struct Target<'a> {
    server: &'a ServerName,
    address: &'a str,
}

impl<L: Launcher> Host<L> {
    /// Servers reached by these templates and upgraded to this version.
    pub fn new(launcher: L, templates: &farm::Host, version_to: Version) -> Self {
        Self { launcher, templates: templates.clone(), version_to, command_max: COMMAND_MAX }
    }

    /// Waits as long as this for a command.
    #[must_use]
    pub fn waiting(self, command_max: Duration) -> Self {
        Self { command_max, ..self }
    }

    /// Starts a job; a job id that the server knows is not started again.
    ///
    /// # Errors
    /// See [`HostError`]. After [`HostError::Lost`] the job may run.
    pub async fn start(
        &self,
        server: &ServerName,
        address: &str,
        kind: JobKind,
        job: &str,
    ) -> Result<(), HostError> {
        let version = self.version_to.to_string();
        let values = [("job", job), ("kind", kind.as_str()), ("version", version.as_str())];
        let template = &self.templates.start;
        let mut answer = self.run("start", template, Target { server, address }, &values).await?;
        accepted(&mut answer)?;
        answer.end()
    }

    /// What became of a job.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn job(
        &self,
        server: &ServerName,
        address: &str,
        job: &str,
    ) -> Result<JobReading, HostError> {
        let (template, target) = (&self.templates.job, Target { server, address });
        self.run("job", template, target, &[("job", job)]).await?.job()
    }

    /// The installed version.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn version(
        &self,
        server: &ServerName,
        address: &str,
    ) -> Result<VersionReading, HostError> {
        let (template, target) = (&self.templates.version, Target { server, address });
        self.run("version", template, target, &[]).await?.version()
    }

    /// The Deployment Service's state.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn service(
        &self,
        server: &ServerName,
        address: &str,
    ) -> Result<ServiceReading, HostError> {
        let (template, target) = (&self.templates.service, Target { server, address });
        self.run("service", template, target, &[]).await?.service()
    }

    /// Restarts the machine.
    ///
    /// # Errors
    /// See [`HostError`]. After [`HostError::Lost`] it may be restarting.
    pub async fn reboot(&self, server: &ServerName, address: &str) -> Result<(), HostError> {
        let (template, target) = (&self.templates.reboot, Target { server, address });
        let mut answer = self.run("reboot", template, target, &[]).await?;
        accepted(&mut answer)?;
        answer.end()
    }

    async fn run(
        &self,
        verb: &'static str,
        template: &[String],
        target: Target<'_>,
        values: &[(&str, &str)],
    ) -> Result<Answer, HostError> {
        let command = command(verb, template, target, values);
        let finished =
            match tokio::time::timeout(self.command_max, self.launcher.launch(command)).await {
                Ok(finished) => finished.map_err(explain)?,
                Err(_) => {
                    let within = self.command_max.as_secs_f32();
                    return Err(HostError::Lost(format!("`{verb}` did not end within {within} s")));
                }
            };
        let Finished { exit_code, stdout, stderr } = finished;
        match exit_code {
            Some(0) => Answer::parse(verb, &stdout),
            _ => Err(HostError::Failed { exit_code, stderr: tail(&stderr) }),
        }
    }
}

/// A template with its placeholders filled in, and the same values in the environment. Braces that
/// are no placeholder of ours stay: scripts have their own.
fn command(
    verb: &str,
    template: &[String],
    target: Target<'_>,
    values: &[(&str, &str)],
) -> Command {
    let mut named = vec![("server", target.server.as_str()), ("address", target.address)];
    named.extend(values);
    let fill = |argument: &String| {
        let mut filled = String::with_capacity(argument.len());
        let mut rest = argument.as_str();
        // One pass, so that a value which looks like a placeholder is left as it is.
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open..];
            let hit = named.iter().find_map(|(name, value)| {
                let after = rest[1..].strip_prefix(name)?.strip_prefix('}')?;
                Some((value, after))
            });
            match hit {
                Some((value, after)) => {
                    filled.push_str(value);
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled + rest
    };
    let mut env: BTreeMap<_, _> = named
        .iter()
        .map(|(name, value)| (format!("EVENKEEL_{}", name.to_uppercase()), (*value).to_owned()))
        .collect();
    env.insert("EVENKEEL_VERB".into(), verb.to_owned());
    Command { argv: template.iter().map(fill).collect(), env }
}

fn accepted(answer: &mut Answer) -> Result<(), HostError> {
    if answer.yes_or_no("accepted")? {
        return Ok(());
    }
    Err(HostError::Garbled(
        "accepted=no: a verb that is not carried out ends with another exit code than 0".into(),
    ))
}

/// Whether the command was started, by the kind of error.
fn explain(error: io::Error) -> HostError {
    match error.kind() {
        io::ErrorKind::InvalidData => HostError::Garbled(error.to_string()),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => HostError::Lost(error.to_string()),
        _ => HostError::Unreachable(error.to_string()),
    }
}

/// The end of a text.
fn tail(text: &str) -> String {
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(STDERR_CHARS_MAX);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests;
