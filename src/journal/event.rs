//! The one typed stream of events: the journal keeps it, the terminal prints it, `--json` writes it.
//!
//! Progress is a fold of these (`procedure::progress`), so everything the procedure must remember
//! over a crash is an event here.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::farm::Version;
use crate::names::{NodeName, PoolName, ServerName};
use crate::procedure::action::{Action, JobKind};
use crate::procedure::readings::{JobReading, MemberId, MemberReading, TestReading};

use super::way_out::WayOut;

/// Something that happened, or is about to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A process took up the run.
    Began {
        /// The plan's hash; a journal belongs to one plan.
        plan_hash: String,
        /// The program.
        program: String,
        /// It takes up a run that was begun before.
        resumed: bool,
        /// SHA-256 of the rehearsal's certificate that it was shown; `None` when none was required.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<String>,
    },
    /// How everything stood before step 1.
    Baseline(Baseline),
    /// An action is about to leave.
    Intent {
        /// Its number in this journal.
        id: u64,
        /// The action.
        action: Action,
    },
    /// What came of an action.
    Outcome {
        /// The intent's number.
        id: u64,
        /// What came of it.
        result: ActionResult,
    },
    /// A job on a server ended, or the server never heard of it.
    JobEnded {
        /// The server.
        server: ServerName,
        /// The job's kind.
        kind: JobKind,
        /// Our id for it.
        job: String,
        /// What the server said.
        reading: JobReading,
    },
    /// A server reached a milestone; the evidence is the raw readings that showed it.
    Reached {
        /// The server.
        server: ServerName,
        /// The milestone.
        milestone: Milestone,
        /// The readings, for people.
        evidence: String,
    },
    /// The farm reached a milestone.
    FarmReached {
        /// The milestone.
        milestone: FarmMilestone,
        /// The readings, for people.
        evidence: String,
    },
    /// A server cannot go on by itself.
    Failed {
        /// The server.
        server: ServerName,
        /// Why.
        reason: ServerFailure,
    },
    /// A person decided something.
    Decided(Request),
    /// The step the run is in, computed from all of the above: written for people.
    Step {
        /// 1 to 9.
        step: u8,
    },
    /// A gate waits for approval.
    AtGate {
        /// The step before which it stands.
        step: u8,
    },
    /// No progress from here on, protection only.
    Held {
        /// Why.
        reason: HoldReason,
        /// What a person can do about it now.
        ways_out: Vec<WayOut>,
    },
    /// The reason for a hold is gone.
    Released,
    /// Something worth knowing that changes nothing.
    Noticed(Notice),
    /// The run ended.
    Ended {
        /// How.
        verdict: Verdict,
    },
}

/// How everything stood before step 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Every member on every node.
    pub members: Vec<(NodeName, MemberId, MemberReading)>,
    /// Every server's Enabled flag.
    pub enabled: BTreeMap<ServerName, bool>,
    /// Every server's version.
    pub versions: BTreeMap<ServerName, Version>,
    /// Whether every server's Deployment Service starts with the machine.
    pub automatic: BTreeMap<ServerName, bool>,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum ActionResult {
    /// Done, and read back; `evidence` is what was read.
    Done {
        /// For people.
        evidence: String,
    },
    /// Tests ran; what they found, and the start of the services they ran against.
    Tested {
        /// What they found.
        reading: TestReading,
        /// The installed version they ran against, when known.
        version: Option<Version>,
        /// The mark of the service start they ran against, when known.
        start: Option<String>,
    },
    /// The world said no, and nothing was changed.
    Refused {
        /// Its words.
        why: String,
    },
    /// It was asked for and answered, and what is read is not what was asked for: the balancer
    /// declined, or somebody said yes and did nothing.
    NoEffect {
        /// The answer, or what was read.
        why: String,
    },
    /// The answer was lost: it may or may not have been done.
    Unknown {
        /// What was seen instead of an answer.
        why: String,
    },
}

/// What a server can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "milestone")]
pub enum Milestone {
    /// Drained and quiet, in every pool and on every node.
    Quiet,
    /// Disabled in Service Center, read back.
    Disabled {
        /// The mark of the service start it was read with: as long as the service is not started
        /// again, it stays disabled even while no console can be read.
        start: Option<String>,
    },
    /// A software-changing command is about to be sent to it for the first time.
    Touched,
    /// Every upgrade job of its stage has ended well, and it runs the target version.
    Upgraded {
        /// The version read.
        version: Version,
    },
    /// Its Deployment Service is Automatic, running, initialised, and the server Enabled.
    DeploymentServiceEnsured,
    /// Deployment threads idle by the rule, `_ping.html` ids as a proven server's.
    Deployed,
    /// Its tests passed since its last start, at this version: it is fit.
    Proven {
        /// The version.
        version: Version,
        /// The mark of the service start.
        start: String,
    },
    /// It was started again since it was proven, or its tests fail.
    Unproven,
    /// Seen to take users' requests on every node and in every pool.
    TakingTraffic,
    /// As the baseline had it.
    Restored,
}

/// What the farm can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FarmMilestone {
    /// Step 5 begins: updating servers are being admitted.
    SwitchBegan,
    /// Only updating servers serve.
    Switched,
    /// The soak begins.
    SoakBegan,
    /// The soak found nothing.
    Soaked,
    /// Traffic is back on loaded.
    FellBack,
}

/// Why a server cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum ServerFailure {
    /// A job ended badly as often as policy allows.
    JobFailed {
        /// The job's kind.
        kind: JobKind,
        /// The last exit code; `None` when it left none.
        code: Option<i32>,
        /// The last lines it wrote.
        output: String,
    },
    /// A job has run longer than policy allows.
    JobOverdue {
        /// The job's kind.
        kind: JobKind,
    },
    /// The jobs ended well, and the version is another than the target.
    WrongVersion {
        /// The version read.
        version: Version,
    },
    /// It was told to restart as often as policy allows, and did not.
    NotRebooted,
    /// Services did not initialise in time, or the server did not come back.
    NotInitialised,
    /// Deployment threads did not idle in time, or one is in error.
    NotDeployed {
        /// What was seen last.
        seen: String,
    },
    /// Tests keep failing.
    TestsFailed {
        /// The first failure.
        failure: String,
    },
}

/// Why a run holds. Each has a predicate over ground truth that the rehearsal checks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum HoldReason {
    /// A server cannot go on by itself.
    ServerFailed {
        /// The server.
        server: ServerName,
    },
    /// A drain has outlived its deadline.
    DrainOverdue {
        /// The server.
        server: ServerName,
    },
    /// Both versions served longer than policy allows; traffic is back on loaded.
    SwitchOverdue,
    /// The soak found the new version bad.
    SoakBad {
        /// What it found.
        finding: String,
    },
    /// A member, flag or service that we hold was changed by somebody else, again.
    SomebodyElse {
        /// What was changed.
        what: String,
    },
    /// Deployment has begun on a loaded server before its upgrade, and nobody can take over its
    /// users for good: others are too few, cannot carry the load, or have to be upgraded themselves.
    DeploymentUnderLoad {
        /// The server.
        server: ServerName,
    },
    /// A server that was admitted early cannot leave for its own upgrade: others were left out, and
    /// those who stay could not carry its users.
    TooFew {
        /// The server.
        server: ServerName,
    },
    /// A server cannot leave rotation for its upgrade: for long, too few others of a pool have served.
    CannotLeave {
        /// The server.
        server: ServerName,
    },
    /// Everything else is as it was, and its checks have kept a member of a server out, off and on, for
    /// too long.
    KeptOut {
        /// The server.
        server: ServerName,
    },
    /// A pool is under its floor and no fit member is left to admit.
    FloorLost {
        /// The node.
        node: NodeName,
        /// The pool.
        pool: PoolName,
    },
    /// A balancer node has not been readable for too long.
    BalancerUnknown {
        /// The node.
        node: NodeName,
    },
    /// A balancer node has answered for too long that it changes members, or that it does not, and
    /// they are as before.
    BalancerIgnores {
        /// The node.
        node: NodeName,
    },
    /// No console answers for too long.
    ConsoleUnknown,
    /// A console has answered for too long that it sets a server's Enabled flag, and it is as before.
    ConsoleIgnores {
        /// Whose flag.
        server: ServerName,
    },
    /// The console refused the login; it is not tried again until a person says so.
    LoginRefused {
        /// Its words.
        why: String,
    },
    /// A server has not been readable for too long.
    ServerUnknown {
        /// The server.
        server: ServerName,
    },
    /// The world used a word the farm file does not know.
    UnknownWord {
        /// Where and which.
        what: String,
    },
    /// The guard refused what the procedure decided: a defect of the program.
    GuardRefused {
        /// What, and why.
        what: String,
    },
    /// A person asked for it.
    Asked,
    /// The run fell back; a person decides whether to finish the switch again.
    FellBack,
}

/// A person's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is wanted.
    pub what: Wanted,
    /// Who (`--as`), by default the user that ran the command.
    pub who: String,
    /// A ticket (`--ticket`).
    pub ticket: Option<String>,
    /// The plan it is meant for.
    pub plan_hash: String,
    /// When it was made, wall time.
    pub at: jiff::Timestamp,
}

/// What a person can want of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "want")]
pub enum Wanted {
    /// Pass the gate before a step.
    Approve {
        /// The step.
        step: u8,
    },
    /// Stop progress, keep protecting.
    Hold,
    /// Restore the baseline and end.
    Abort,
    /// Traffic back to loaded.
    FallBack,
    /// Go on: a hold that was asked for ends; a failed server is tried again.
    Retry {
        /// The server; `None` for the farm.
        server: Option<ServerName>,
    },
    /// The server's jobs were done by hand.
    ByHand {
        /// The server.
        server: ServerName,
    },
    /// Go on without the server.
    LeaveOut {
        /// The server.
        server: ServerName,
    },
}

/// Something worth knowing that changes nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "notice")]
pub enum Notice {
    /// A balancer node began another epoch.
    EpochEnded {
        /// The node.
        node: NodeName,
    },
    /// A member's state was not as we left it, within an epoch.
    Drifted {
        /// The node.
        node: NodeName,
        /// The member.
        member: MemberId,
    },
    /// A disabled server's flag came back.
    FlagCameBack {
        /// The server.
        server: ServerName,
    },
    /// A fit member is admitted early because a pool is under its floor.
    Rescued {
        /// The server.
        server: ServerName,
        /// The pool.
        pool: PoolName,
    },
    /// The pool holds without the server that was admitted early.
    RescueEnded {
        /// The server.
        server: ServerName,
    },
    /// Deployment began on a server that served users: it counts as unfit until upgraded.
    DeployingUnderLoad {
        /// The server.
        server: ServerName,
    },
    /// A job ended well and has not done what it is for: it is done again.
    JobInVain {
        /// The server.
        server: ServerName,
        /// The job's kind.
        kind: JobKind,
        /// What is not as it should be.
        why: String,
    },
    /// A machine that was told to restart has done so.
    Rebooted {
        /// The server.
        server: ServerName,
    },
    /// What kept a server from going on has passed: it goes on by itself.
    Recovered {
        /// The server.
        server: ServerName,
    },
    /// A request from a person that cannot be carried out now.
    NotPossible {
        /// What was wanted.
        want: Wanted,
        /// Why not.
        why: String,
    },
    /// An exchange failed; written once per outage.
    Unreadable {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Everything is at the target version and as the baseline had it; servers left out are named.
    Done {
        /// Servers left out.
        left_out: Vec<ServerName>,
    },
    /// Aborted: the baseline is restored.
    Aborted,
    /// Left holding by `--on-hold exit`: nobody protects from here on.
    Holding {
        /// Why; `None` when it waits at a gate.
        reason: Option<HoldReason>,
    },
    /// Refused before step 1; nothing was touched.
    Refused {
        /// Why.
        why: Vec<String>,
    },
}
