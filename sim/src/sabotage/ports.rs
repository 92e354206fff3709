//! Bugs around the ports: network, commands, disk, people. No guard sees these: it reads what they
//! bring.
//!
//! * [`wire`] — what a connection carries.
mod wire;

use std::future::Future;
use std::io;

use evenkeel::ports::{Command, Finished, Launcher, Storage};

use super::{Bug, Hunted, Sabotage};

pub use wire::{Memory, Tapped, Wiretap};

/// What is wrong around a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortBug {
    /// Command: every start is sent twice.
    StartTwice,
    /// Command: a start whose answer is lost is sent again as another job.
    RetryBlindly,
    /// Command: what became of a job is not asked.
    SkipReadBack,
    /// Disk: syncing does nothing.
    AppendWithoutSync,
    /// Disk: an intent is written with the record after it.
    EffectBeforeIntent,
    /// Network: Service Center's pages come from a cache. Threads that idle between two rounds of a
    /// deployment idle on for two minutes there, so that the journal claims the end of what goes on
    /// (`result_is_true`); and a server that has enabled itself is disabled there while applications
    /// are deployed to it under its users (`no_deployment_under_load`).
    StalePage,
    /// Network: a resumed run begins with what the one before had read. Whoever died meanwhile serves
    /// there, so that those are drained who alone are left (`zone_always_served`); and what became of
    /// a server since is not what the journal claims of it (`result_is_true`).
    ResumeWithoutObserving,
    /// Network: application tests go through the balancer.
    TestThroughTheBalancer,
    /// Network: a change of one member is sent for the pool's other members as well.
    ChangeStrangers,
    /// People: a refused login is answered by trying again.
    LoginLoop,
    /// Process: nobody holds the farm's lock.
    NoLock,
}

/// Bugs around the ports.
pub(super) const ALL: &[Sabotage] = &[
    Sabotage {
        name: "start-twice",
        sentence: "every start is sent twice, the second time under an id of its own",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Port(PortBug::StartTwice),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "retry-blindly",
        sentence: "a start whose answer was lost is sent again as another job",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Port(PortBug::RetryBlindly),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "skip-read-back",
        sentence: "a job that was accepted counts as done: what became of it is not asked",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Port(PortBug::SkipReadBack),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "append-without-sync",
        sentence: "the journal is appended to and never synced",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Port(PortBug::AppendWithoutSync),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "effect-before-intent",
        sentence: "an intent is written to the disk with the record after it",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Port(PortBug::EffectBeforeIntent),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "stale-page-trusted",
        sentence: "Service Center's pages come from a cache that is two minutes old",
        caught_by: &[
            "result_is_true",
            "no_deployment_under_load",
            "capacity_covers_load",
            "zone_always_served",
        ],
        bug: Bug::Port(PortBug::StalePage),
        hunted: Hunted::With(&["busy-idle-busy"]),
    },
    Sabotage {
        name: "resume-without-observing",
        sentence: "a resumed run begins with what the one before had read",
        caught_by: &["no_user_meets_an_upgrade", "zone_always_served", "result_is_true"],
        bug: Bug::Port(PortBug::ResumeWithoutObserving),
        hunted: Hunted::Under(&["balancer-reload", "orchestrator-crash"]),
    },
    Sabotage {
        name: "test-through-the-balancer",
        sentence: "application tests are sent to the balancer and answered by whoever serves",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Port(PortBug::TestThroughTheBalancer),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "change-strangers",
        sentence: "a drain of one member is sent for every member that the pool lists",
        caught_by: &["strangers_untouched"],
        bug: Bug::Port(PortBug::ChangeStrangers),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "login-in-a-loop",
        sentence: "a refused login is tried again at once",
        caught_by: &["run_ends_or_holds"],
        bug: Bug::Port(PortBug::LoginLoop),
        hunted: Hunted::With(&["lockout"]),
    },
    Sabotage {
        name: "no-lock",
        sentence: "a second orchestrator is started beside the first",
        caught_by: &["one_writer"],
        bug: Bug::Port(PortBug::NoLock),
        hunted: Hunted::Usually,
    },
];

/// Commands, with a bug or without.
#[derive(Clone, Debug)]
pub struct Launching<L> {
    inner: L,
    bug: Option<PortBug>,
}

impl<L> Launching<L> {
    /// These commands.
    pub fn new(inner: L, bug: Option<PortBug>) -> Self {
        Self { inner, bug }
    }
}

impl<L: Launcher> Launcher for Launching<L> {
    fn launch(&self, command: Command) -> impl Future<Output = io::Result<Finished>> + 'static {
        let Self { inner, bug } = self.clone();
        async move {
            let verb = command.env.get("EVENKEEL_VERB").map_or("", String::as_str);
            match (bug, verb) {
                (Some(PortBug::StartTwice), "start") => {
                    let first = inner.launch(command.clone()).await;
                    // Whatever comes of the second, nobody looks.
                    let _ = inner.launch(under_another_id(command)).await;
                    first
                }
                (Some(PortBug::RetryBlindly), "start") => {
                    match inner.launch(command.clone()).await {
                        Ok(finished) => Ok(finished),
                        Err(_) => inner.launch(under_another_id(command)).await,
                    }
                }
                (Some(PortBug::SkipReadBack), "job") => Ok(Finished {
                    exit_code: Some(0),
                    stdout: "status=exited\nexit_code=0\n".to_owned(),
                    stderr: String::new(),
                }),
                _ => inner.launch(command).await,
            }
        }
    }
}

/// The same command, for a job that the server has never heard of.
fn under_another_id(mut command: Command) -> Command {
    let again = |value: &mut String, id: &str| *value = value.replace(id, &format!("{id}-again"));
    if let Some(id) = command.env.get("EVENKEEL_JOB").cloned() {
        command.argv.iter_mut().for_each(|argument| again(argument, &id));
        command.env.entry("EVENKEEL_JOB".to_owned()).and_modify(|value| again(value, &id));
    }
    command
}

/// The journal's disk, with a bug or without.
#[derive(Debug)]
pub struct Storing<S> {
    inner: S,
    bug: Option<PortBug>,
    /// What is written with the next record.
    held: Vec<u8>,
}

impl<S> Storing<S> {
    /// This disk.
    pub fn new(inner: S, bug: Option<PortBug>) -> Self {
        Self { inner, bug, held: Vec::new() }
    }
}

impl<S: Storage> Storage for Storing<S> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut late = std::mem::take(&mut self.held);
        let intent = String::from_utf8_lossy(bytes).contains("\"event\":\"intent\"");
        if self.bug == Some(PortBug::EffectBeforeIntent) && intent {
            self.held = bytes.to_vec();
        } else {
            late.extend_from_slice(bytes);
        }
        if late.is_empty() { Ok(()) } else { self.inner.append(&late) }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.bug {
            Some(PortBug::AppendWithoutSync) => Ok(()),
            _ => self.inner.sync(),
        }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        self.inner.read()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }
}
