//! When a fault strikes: at an instant or at a happening.
use std::fmt;

use evenkeel::procedure::action::{Action, JobKind, MemberChange};
use serde::{Deserialize, Serialize};

/// A kind of effect, as faults are aimed at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A member is drained.
    Drain,
    /// A member is admitted.
    Admit,
    /// A front-end is disabled.
    Disable,
    /// A front-end is enabled.
    Enable,
    /// A job is started.
    Start(JobKind),
    /// Application tests run.
    Test,
}

impl Effect {
    /// The kind of an action; `None` for those that faults are not aimed at.
    #[must_use]
    pub fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Balancer { change: MemberChange::Drain, .. } => Some(Self::Drain),
            Action::Balancer { change: MemberChange::Admit, .. } => Some(Self::Admit),
            Action::Flag { enabled: false, .. } => Some(Self::Disable),
            Action::Flag { enabled: true, .. } => Some(Self::Enable),
            Action::Start { kind, .. } => Some(Self::Start(*kind)),
            Action::Test { .. } => Some(Self::Test),
            Action::Balancer { .. } | Action::Reboot { .. } | Action::Nudge { .. } => None,
        }
    }
}

/// When a fault strikes. Each trigger comes once. Happenings are counted from the begin of the run
/// where nothing else is said; those of a step by the step that the journal last named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "when")]
pub enum Trigger {
    /// At an instant of the run.
    At {
        /// Milliseconds since its begin.
        at_ms: u64,
    },
    /// The n-th intent of a kind is durable, and its effect has not left yet.
    Intent {
        /// The kind.
        effect: Effect,
        /// From 1 on.
        nth: u32,
        /// How long after that: 0 is before it leaves, a few milliseconds are while it is done.
        after_ms: u64,
    },
    /// The n-th outcome of a kind is durable.
    Outcome {
        /// The kind.
        effect: Effect,
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
    /// The n-th intent of a kind within a step is durable, and its effect has not left yet.
    IntentInStep {
        /// 1 to 9.
        step: u8,
        /// The kind.
        effect: Effect,
        /// From 1 on.
        nth: u32,
        /// How long after that: 0 is before it leaves, a few milliseconds are while it is done.
        after_ms: u64,
    },
    /// The n-th outcome of a kind within a step is durable.
    OutcomeInStep {
        /// 1 to 9.
        step: u8,
        /// The kind.
        effect: Effect,
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
    /// The n-th job of a kind began, by the server's own account.
    JobStarted {
        /// The kind.
        kind: JobKind,
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
    /// The n-th job of a kind on a server began, by its own account.
    JobStartedOn {
        /// The server.
        server: String,
        /// The kind.
        kind: JobKind,
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
    /// The run entered a step for the first time.
    Step {
        /// 1 to 9.
        step: u8,
        /// How long after that.
        after_ms: u64,
    },
    /// The run waits at the gate before a step, for a person to approve it.
    AtGate {
        /// 1 to 9.
        step: u8,
        /// How long after that.
        after_ms: u64,
    },
    /// The run held for the n-th time.
    Held {
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
    /// The run held for the n-th time because of a server.
    HeldForServer {
        /// From 1 on.
        nth: u32,
        /// How long after that.
        after_ms: u64,
    },
    /// The run was taken up again for the n-th time.
    Resumed {
        /// From 1 on.
        nth: u32,
        /// How long after that: a few milliseconds are in the midst of observing.
        after_ms: u64,
    },
    /// The n-th record of the journal has been handed to the disk, which has not synced it.
    Write {
        /// From 1 on.
        nth: u64,
    },
    /// The n-th record of the journal is durable, and nothing has followed from it.
    Record {
        /// From 1 on.
        nth: u64,
    },
    /// The orchestrator has sent bytes for the n-th time to where an effect of its own is under
    /// way, and they have not arrived.
    Sent {
        /// From 1 on.
        nth: u64,
    },
}

impl Trigger {
    /// How long after its happening the fault strikes; `at_ms` for an instant.
    #[must_use]
    pub fn after_ms(&self) -> u64 {
        match self {
            Self::At { at_ms } => *at_ms,
            Self::Intent { after_ms, .. }
            | Self::Outcome { after_ms, .. }
            | Self::IntentInStep { after_ms, .. }
            | Self::OutcomeInStep { after_ms, .. }
            | Self::JobStarted { after_ms, .. }
            | Self::JobStartedOn { after_ms, .. }
            | Self::Step { after_ms, .. }
            | Self::AtGate { after_ms, .. }
            | Self::Held { after_ms, .. }
            | Self::HeldForServer { after_ms, .. }
            | Self::Resumed { after_ms, .. } => *after_ms,
            Self::Write { .. } | Self::Record { .. } | Self::Sent { .. } => 0,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain => f.write_str("drain"),
            Self::Admit => f.write_str("admit"),
            Self::Disable => f.write_str("disable"),
            Self::Enable => f.write_str("enable"),
            Self::Start(kind) => write!(f, "start of {}", kind.as_str()),
            Self::Test => f.write_str("test"),
        }
    }
}

impl fmt::Display for Trigger {
    /// For people: `20 ms after the intent of drain 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after_ms() {
            0 => f.write_str("at ")?,
            ms if ms < 1_000 => write!(f, "{ms} ms after ")?,
            ms => write!(f, "{}.{:03} s after ", ms / 1_000, ms % 1_000)?,
        }
        match self {
            Self::At { .. } => f.write_str("the begin"),
            Self::Intent { effect, nth, .. } => write!(f, "the intent of {effect} {nth}"),
            Self::Outcome { effect, nth, .. } => write!(f, "the outcome of {effect} {nth}"),
            Self::IntentInStep { step, effect, nth, .. } => {
                write!(f, "the intent of {effect} {nth} of step {step}")
            }
            Self::OutcomeInStep { step, effect, nth, .. } => {
                write!(f, "the outcome of {effect} {nth} of step {step}")
            }
            Self::JobStarted { kind, nth, .. } => {
                write!(f, "the begin of {} {nth} on its server", kind.as_str())
            }
            Self::JobStartedOn { server, kind, nth, .. } => {
                write!(f, "the begin of {} {nth} on {server}", kind.as_str())
            }
            Self::Step { step, .. } => write!(f, "the begin of step {step}"),
            Self::AtGate { step, .. } => write!(f, "the gate before step {step}"),
            Self::Held { nth, .. } => write!(f, "hold {nth}"),
            Self::HeldForServer { nth, .. } => write!(f, "hold {nth} because of a server"),
            Self::Resumed { nth, .. } => write!(f, "resume {nth}"),
            Self::Write { nth } => write!(f, "the writing of record {nth}"),
            Self::Record { nth } => write!(f, "record {nth}"),
            Self::Sent { nth } => write!(f, "sending {nth}"),
        }
    }
}
