//! Faults of the orchestrator's own process and machine.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::Trigger;

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    kind(
        "orchestrator-crash",
        "its machine restarts or its process is killed, between any two effects",
        "Sieve (OSDI'22): controllers crash between any two writes",
        orchestrator_crash,
    ),
    kind(
        "crash-while-writing",
        "it is killed before a record is durable, which is lost or torn",
        "tigerbeetle/tigerbeetle, src/vopr.zig: torn writes; commonwarexyz/monorepo#4339",
        crash_while_writing,
    ),
    kind(
        "crash-during-resume",
        "it is killed again while it takes the run up",
        "general experience of restarts; commonwarexyz/monorepo: repeated crashes",
        crash_during_resume,
    ),
    kind(
        "pause",
        "its virtual machine is moved, or its process stopped, and it goes on without knowing",
        "tigerbeetle/tigerbeetle, src/vopr.zig: a pause simulates VM migration",
        pause,
    ),
    kind(
        "clock-jump",
        "somebody or something sets its clock",
        "jepsen-io/jepsen, nemesis/combined.clj: clock reset, bump and strobe",
        clock_jump,
    ),
    kind(
        "disk-full",
        "somebody else fills the disk that the journal is on",
        "apple/foundationdb, testing.rst: drives fill up; berkeleydb/libdb#104: ENOSPC",
        disk_full,
    ),
    kind(
        "sync-fails",
        "the disk that the journal is on does not answer in time",
        "general experience of disks; berkeleydb/libdb#104: EIO",
        sync_fails,
    ),
    kind(
        "second-orchestrator",
        "a colleague begins the same plan, since nobody told him or the first seems to hang",
        "general experience of people who share a task",
        second_orchestrator,
    ),
];

const fn kind(
    name: &'static str,
    reason: &'static str,
    source: &'static str,
    draw: fn(&mut Draw<'_>) -> Planned,
) -> Kind {
    Kind { name, family: Family::Orchestrator, reason, source, needs_person: false, draw }
}

/// What becomes of what a process had sent, and had no answer to, when it was killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is lost on the way.
    NeverArrived,
    /// It arrives, and is answered to nobody.
    #[default]
    Unanswered,
    /// It arrives after the process that was started again has first read its receiver: it was
    /// under way in a queue, or at a proxy.
    Late,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 3] = [Self::NeverArrived, Self::Unanswered, Self::Late];

    /// Its name in schedules and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverArrived => "never-arrived",
            Self::Unanswered => "unanswered",
            Self::Late => "late",
        }
    }
}

/// What can go wrong with the orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum OrchestratorFault {
    /// It is killed, with what its disk had not been asked to sync.
    OrchestratorCrash {
        /// How long until it is started again.
        away_ms: u64,
        /// What becomes of what it had sent.
        #[serde(default)]
        fate: Fate,
    },
    /// It is killed before what it has handed to its disk is durable.
    CrashWhileWriting {
        /// How long until it is started again.
        away_ms: u64,
        /// What becomes of what it had sent.
        fate: Fate,
    },
    /// It is killed while it takes the run up.
    CrashDuringResume {
        /// How long until it is started again.
        away_ms: u64,
        /// What becomes of what it had sent.
        fate: Fate,
    },
    /// Its machine stands still and goes on.
    Pause {
        /// For so long.
        for_ms: u64,
    },
    /// Its wall clock jumps.
    ClockJump {
        /// Forth, or back.
        by_s: i64,
    },
    /// Its disk is full, until somebody makes room; then it is started again.
    DiskFull {
        /// What still fits.
        room_bytes: usize,
        /// How long it is full.
        for_ms: u64,
    },
    /// Its disk fails to make anything durable, for a while; then it is started again.
    SyncFails {
        /// How long.
        for_ms: u64,
    },
    /// Another is started on the same plan.
    SecondOrchestrator {
        /// How long the first one stands still meanwhile; 0 when it runs.
        first_stands_ms: u64,
    },
}

impl OrchestratorFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::OrchestratorCrash { .. } => "orchestrator-crash",
            Self::CrashWhileWriting { .. } => "crash-while-writing",
            Self::CrashDuringResume { .. } => "crash-during-resume",
            Self::Pause { .. } => "pause",
            Self::ClockJump { .. } => "clock-jump",
            Self::DiskFull { .. } => "disk-full",
            Self::SyncFails { .. } => "sync-fails",
            Self::SecondOrchestrator { .. } => "second-orchestrator",
        }
    }
}

impl fmt::Display for OrchestratorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrchestratorCrash { away_ms, fate } => killed(f, "", *away_ms, *fate),
            Self::CrashWhileWriting { away_ms, fate } => {
                killed(f, " while it writes", *away_ms, *fate)
            }
            Self::CrashDuringResume { away_ms, fate } => {
                killed(f, " while it takes the run up", *away_ms, *fate)
            }
            Self::Pause { for_ms } => {
                write!(f, "the orchestrator stands still for {}", Lasting(*for_ms))
            }
            Self::ClockJump { by_s } => {
                let way = if *by_s < 0 { "back" } else { "forth" };
                let by = Lasting(by_s.unsigned_abs() * SECOND);
                write!(f, "the orchestrator's clock jumps {way} by {by}")
            }
            Self::DiskFull { room_bytes, for_ms } => {
                let lasting = Lasting(*for_ms);
                write!(f, "the journal's disk has {room_bytes} bytes of room for {lasting}")
            }
            Self::SyncFails { for_ms } => {
                write!(f, "the journal's disk fails to sync for {}", Lasting(*for_ms))
            }
            Self::SecondOrchestrator { first_stands_ms: 0 } => {
                f.write_str("a second orchestrator is started")
            }
            Self::SecondOrchestrator { first_stands_ms } => {
                let lasting = Lasting(*first_stands_ms);
                write!(
                    f,
                    "a second orchestrator is started while the first stands still for {lasting}"
                )
            }
        }
    }
}

fn killed(f: &mut fmt::Formatter<'_>, when: &str, away_ms: u64, fate: Fate) -> fmt::Result {
    write!(f, "the orchestrator is killed{when} and away for {}", Lasting(away_ms))?;
    f.write_str(match fate {
        Fate::NeverArrived => "; what it had sent never arrives",
        Fate::Unanswered => "",
        Fate::Late => "; what it had sent arrives after it is back",
    })
}

fn planned(trigger: Trigger, fault: OrchestratorFault) -> Planned {
    Planned { trigger, fault: Fault::Orchestrator(fault) }
}

/// How long it is away, and what becomes of what it had sent.
fn absence(draw: &mut Draw<'_>) -> (u64, Fate) {
    (*draw.one(&[SECOND, 60 * MINUTE]), *draw.one(&Fate::ALL))
}

fn orchestrator_crash(draw: &mut Draw<'_>) -> Planned {
    let (away_ms, fate) = absence(draw);
    planned(draw.moment(), OrchestratorFault::OrchestratorCrash { away_ms, fate })
}

/// At any record: a run has some for itself and some for each server.
fn crash_while_writing(draw: &mut Draw<'_>) -> Planned {
    let (away_ms, fate) = absence(draw);
    let nth = draw.between(1, 20 + 20 * draw.aims.front_ends.len() as u64);
    planned(Trigger::Write { nth }, OrchestratorFault::CrashWhileWriting { away_ms, fate })
}

/// In the midst of observing, or in the midst of what follows from that.
fn crash_during_resume(draw: &mut Draw<'_>) -> Planned {
    let (away_ms, fate) = absence(draw);
    let after_ms =
        if draw.stream.ratio(1, 2) { draw.between(0, 50) } else { draw.between(0, 5_000) };
    let trigger = Trigger::Resumed { nth: 1, after_ms };
    planned(trigger, OrchestratorFault::CrashDuringResume { away_ms, fate })
}

fn pause(draw: &mut Draw<'_>) -> Planned {
    let for_ms = draw.between(30, 900) * SECOND;
    planned(draw.moment(), OrchestratorFault::Pause { for_ms })
}

fn clock_jump(draw: &mut Draw<'_>) -> Planned {
    let by_s = draw.between(60, 24 * 3_600) as i64;
    let by_s = if draw.stream.ratio(1, 2) { by_s } else { -by_s };
    planned(draw.moment(), OrchestratorFault::ClockJump { by_s })
}

fn disk_full(draw: &mut Draw<'_>) -> Planned {
    let room_bytes = draw.between(0, 2_000) as usize;
    let for_ms = draw.between(1, 15) * MINUTE;
    planned(draw.moment(), OrchestratorFault::DiskFull { room_bytes, for_ms })
}

fn sync_fails(draw: &mut Draw<'_>) -> Planned {
    let for_ms = draw.between(1, 10) * MINUTE;
    planned(draw.moment(), OrchestratorFault::SyncFails { for_ms })
}

fn second_orchestrator(draw: &mut Draw<'_>) -> Planned {
    let stands = draw.stream.ratio(1, 2);
    let first_stands_ms = if stands { draw.between(30, 600) * SECOND } else { 0 };
    planned(draw.moment(), OrchestratorFault::SecondOrchestrator { first_stands_ms })
}
