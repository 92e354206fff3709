//! Events of every kind: a sample of each for what people read, arbitrary ones for storage.
use evenkeel::farm::Version;
use evenkeel::journal::{
    ActionResult, Baseline, Event, FarmMilestone, HoldReason, Milestone, Notice, Overload, Request,
    ServerFailure, Verdict, Wanted, WayOut,
};
use evenkeel::names::{NodeName, PoolName, ServerName};
use evenkeel::procedure::action::{Action, JobKind, MemberChange};
use evenkeel::procedure::readings::{
    AdminState, CheckState, JobReading, MemberId, MemberReading, OperState, TestReading,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

/// The server that every sample about a server names.
pub(crate) fn server() -> ServerName {
    "fe-03".into()
}

/// An instant.
pub(crate) fn instant() -> Timestamp {
    Timestamp::from_second(1_772_330_400).expect("it is within range")
}

/// Every job kind.
pub(crate) const KINDS: [JobKind; 5] = [
    JobKind::ControllerUpgrade,
    JobKind::FrontEndUpgrade,
    JobKind::ServiceCenterInstall,
    JobKind::Publish,
    JobKind::EnsureDeploymentService,
];

fn version() -> Version {
    "11.36.1.43500".parse().expect("it is a version")
}

fn member() -> MemberId {
    MemberId { pool: "retail".into(), server: server() }
}

fn member_reading() -> MemberReading {
    MemberReading {
        admin: AdminState(8),
        oper: OperState::Running,
        check: CheckState::Passing,
        in_flight: 3,
        arrivals: 4_711,
        errors: 1,
        weight: 100,
        backup: false,
        status: "UP".into(),
    }
}

/// A request for something.
pub(crate) fn request(what: Wanted) -> Request {
    Request {
        what,
        who: "maria".into(),
        ticket: Some("CHG-4711".into()),
        plan_hash: "ab".repeat(32),
        at: instant(),
    }
}

/// Everything that can be wanted.
pub(crate) fn wanted() -> Vec<Wanted> {
    vec![
        Wanted::Approve { step: 3 },
        Wanted::Hold,
        Wanted::Abort,
        Wanted::FallBack,
        Wanted::Retry { server: None },
        Wanted::Retry { server: Some(server()) },
        Wanted::ByHand { server: server() },
        Wanted::LeaveOut { server: server() },
    ]
}

/// Every way out.
pub(crate) fn ways_out() -> Vec<WayOut> {
    vec![
        WayOut::Retry { server: None },
        WayOut::Retry { server: Some(server()) },
        WayOut::ByHand { server: server() },
        WayOut::LeaveOut { server: server(), overloads: None },
        WayOut::LeaveOut {
            server: server(),
            overloads: Some(Overload { server: "fe-05".into(), load_rps: 65, capacity_rps: 60 }),
        },
        WayOut::Abort,
        WayOut::FallBack,
    ]
}

/// Every reason for a hold.
pub(crate) fn hold_reasons() -> Vec<HoldReason> {
    let (server, node, what) = (server(), NodeName::from("lb-1"), "flag of fe-03".to_owned());
    vec![
        HoldReason::ServerFailed { server: server.clone() },
        HoldReason::DrainOverdue { server: server.clone() },
        HoldReason::SwitchOverdue,
        HoldReason::SoakBad { finding: "fe-03: 90 errors in 1000".into() },
        HoldReason::SomebodyElse { what: what.clone() },
        HoldReason::DeploymentUnderLoad { server: server.clone() },
        HoldReason::TooFew { server: server.clone() },
        HoldReason::CannotLeave { server: server.clone() },
        HoldReason::KeptOut { server: server.clone() },
        HoldReason::FloorLost { node: node.clone(), pool: "retail".into() },
        HoldReason::BalancerUnknown { node: node.clone() },
        HoldReason::BalancerIgnores { node },
        HoldReason::ConsoleUnknown,
        HoldReason::ConsoleIgnores { server: server.clone() },
        HoldReason::LoginRefused { why: "Invalid username or password.".into() },
        HoldReason::ServerUnknown { server },
        HoldReason::UnknownWord { what: "thread state `Snoozing`".into() },
        HoldReason::GuardRefused { what },
        HoldReason::Asked,
        HoldReason::FellBack,
    ]
}

/// Every reason why a server cannot go on.
pub(crate) fn failures() -> Vec<ServerFailure> {
    let kind = JobKind::FrontEndUpgrade;
    vec![
        ServerFailure::JobFailed { kind, code: Some(1603), output: "Fatal error".into() },
        ServerFailure::JobFailed { kind, code: None, output: String::new() },
        ServerFailure::JobOverdue { kind },
        ServerFailure::WrongVersion { version: version() },
        ServerFailure::NotRebooted,
        ServerFailure::NotInitialised,
        ServerFailure::NotDeployed { seen: "Deployment Worker 1: Error".into() },
        ServerFailure::TestsFailed { failure: "GET /Shop: 503".into() },
    ]
}

/// Every action.
pub(crate) fn actions() -> Vec<Action> {
    let (server, node) = (server(), NodeName::from("lb-1"));
    let changes = [
        MemberChange::Drain,
        MemberChange::Admit,
        MemberChange::Maintain,
        MemberChange::Weight(50),
        MemberChange::Cut,
    ];
    let balancer =
        |change| Action::Balancer { node: node.clone(), members: vec![member()], change };
    let start = |kind| Action::Start { server: server.clone(), kind, job: "ek-fe-03-1".into() };
    let mut actions: Vec<_> = changes.map(balancer).into();
    actions.extend(KINDS.map(start));
    actions.extend([
        Action::Flag { via: "fe-01".into(), server: server.clone(), enabled: false },
        Action::Flag { via: "fe-01".into(), server: server.clone(), enabled: true },
        Action::Reboot {
            server: server.clone(),
            start: Some("7@12".into()),
            boot: Some("3".into()),
        },
        Action::Test { server: server.clone() },
        Action::Nudge { node: node.clone(), pool: "retail".into() },
    ]);
    actions
}

fn results() -> Vec<ActionResult> {
    let tested = |passed, failure: Option<&str>| ActionResult::Tested {
        reading: TestReading { passed, requests: 9, failure: failure.map(str::to_owned) },
        version: Some(version()),
        start: Some("1".into()),
    };
    vec![
        ActionResult::Done { evidence: "DRAIN, 0 in flight".into() },
        ActionResult::Done { evidence: String::new() },
        tested(true, None),
        tested(false, Some("GET /Shop: 503")),
        ActionResult::Refused { why: "No such server.".into() },
        ActionResult::NoEffect { why: "Permission denied".into() },
        ActionResult::Unknown { why: "connection reset".into() },
    ]
}

fn milestones() -> Vec<Milestone> {
    vec![
        Milestone::Quiet,
        Milestone::Disabled { start: None },
        Milestone::Disabled { start: Some("638".into()) },
        Milestone::Touched,
        Milestone::Upgraded { version: version() },
        Milestone::DeploymentServiceEnsured,
        Milestone::Deployed,
        Milestone::Proven { version: version(), start: "1".into() },
        Milestone::Unproven,
        Milestone::TakingTraffic,
        Milestone::Restored,
    ]
}

const FARM_MILESTONES: [FarmMilestone; 5] = [
    FarmMilestone::SwitchBegan,
    FarmMilestone::Switched,
    FarmMilestone::SoakBegan,
    FarmMilestone::Soaked,
    FarmMilestone::FellBack,
];

fn notices() -> Vec<Notice> {
    let node = NodeName::from("lb-1");
    vec![
        Notice::EpochEnded { node: node.clone() },
        Notice::Drifted { node, member: member() },
        Notice::FlagCameBack { server: server() },
        Notice::Rescued { server: server(), pool: PoolName::from("retail") },
        Notice::RescueEnded { server: server() },
        Notice::DeployingUnderLoad { server: server() },
        Notice::JobInVain {
            server: server(),
            kind: JobKind::FrontEndUpgrade,
            why: "the host reads version 11.28.0.40211".into(),
        },
        Notice::Rebooted { server: server() },
        Notice::Recovered { server: server() },
        Notice::NotPossible { want: Wanted::Abort, why: "fe-03 is touched".into() },
        Notice::Unreadable { what: "console of fe-01".into(), why: "timed out".into() },
    ]
}

fn verdicts() -> Vec<Verdict> {
    vec![
        Verdict::Done { left_out: Vec::new() },
        Verdict::Done { left_out: vec![server()] },
        Verdict::Aborted,
        Verdict::Holding { reason: Some(HoldReason::Asked) },
        Verdict::Holding { reason: None },
        Verdict::Refused { why: vec!["fe-03 is disabled".into()] },
    ]
}

fn baseline() -> Baseline {
    Baseline {
        members: vec![("lb-1".into(), member(), member_reading())],
        enabled: [(server(), true)].into(),
        versions: [(server(), version())].into(),
        automatic: [(server(), true)].into(),
    }
}

/// At least one event of every kind, with every kind of what is in it.
pub(crate) fn samples() -> Vec<Event> {
    let mut events = vec![
        Event::Began {
            plan_hash: "ab".repeat(32),
            program: "evenkeel 0.1.0".into(),
            resumed: false,
            certificate: None,
        },
        Event::Began {
            plan_hash: "ab".repeat(32),
            program: "evenkeel 0.1.0".into(),
            resumed: false,
            certificate: Some("cd".repeat(32)),
        },
        Event::Began {
            plan_hash: "ab".repeat(32),
            program: "evenkeel 0.1.0".into(),
            resumed: true,
            certificate: None,
        },
        Event::Baseline(baseline()),
        Event::AtGate { step: 3 },
        Event::AtGate { step: 6 },
        Event::Released,
    ];
    let evidence = || "read twice".to_owned();
    let readings = [
        JobReading::Never,
        JobReading::Running,
        JobReading::Interrupted,
        JobReading::Exited { code: 0, output: String::new() },
        JobReading::Exited { code: 1, output: "no space".into() },
    ];
    events.extend((1..).zip(actions()).map(|(id, action)| Event::Intent { id, action }));
    events.extend((1..).zip(results()).map(|(id, result)| Event::Outcome { id, result }));
    events.extend(readings.map(|reading| Event::JobEnded {
        server: server(),
        kind: JobKind::Publish,
        job: "ek-1".into(),
        reading,
    }));
    events.extend(milestones().into_iter().map(|milestone| Event::Reached {
        server: server(),
        milestone,
        evidence: evidence(),
    }));
    events.extend(
        FARM_MILESTONES.map(|milestone| Event::FarmReached { milestone, evidence: evidence() }),
    );
    events.extend(failures().into_iter().map(|reason| Event::Failed { server: server(), reason }));
    events.extend(wanted().into_iter().map(|what| Event::Decided(request(what))));
    events.extend((1..=9).map(|step| Event::Step { step }));
    let mut ways_out = ways_out();
    events.extend(hold_reasons().into_iter().map(|reason| {
        // All of them once, and each reason without any: snapshots are read by people.
        Event::Held { reason, ways_out: std::mem::take(&mut ways_out) }
    }));
    events.extend(notices().into_iter().map(Event::Noticed));
    events.extend(verdicts().into_iter().map(|verdict| Event::Ended { verdict }));
    events
}

/// A number for every kind of event. No wildcard: a new kind does not compile until it has a
/// number here, and then [`samples`] must have it.
pub(crate) fn kind(event: &Event) -> usize {
    match event {
        Event::Began { .. } => 0,
        Event::Baseline(_) => 1,
        Event::Intent { .. } => 2,
        Event::Outcome { .. } => 3,
        Event::JobEnded { .. } => 4,
        Event::Reached { .. } => 5,
        Event::FarmReached { .. } => 6,
        Event::Failed { .. } => 7,
        Event::Decided(_) => 8,
        Event::Step { .. } => 9,
        Event::AtGate { .. } => 10,
        Event::Held { .. } => 11,
        Event::Released => 12,
        Event::Noticed(_) => 13,
        Event::Ended { .. } => 14,
    }
}

/// How many kinds there are.
pub(crate) const KINDS_OF_EVENT: usize = 15;

/// Arbitrary events: the samples, and those that carry text with any text at all in it.
pub(crate) fn arbitrary() -> impl Strategy<Value = Event> {
    // Not `any::<String>()`, which has no control characters in it.
    let text =
        || proptest::collection::vec(any::<char>(), 0..40).prop_map(|it| it.into_iter().collect());
    let name = || text().prop_map(|text: String| ServerName::from(text));
    prop_oneof![
        select(samples()),
        (text(), text(), any::<bool>(), proptest::option::of(text())).prop_map(
            |(plan_hash, program, resumed, certificate)| Event::Began {
                plan_hash,
                program,
                resumed,
                certificate,
            }
        ),
        (any::<u64>(), name(), text(), select(&KINDS[..])).prop_map(|(id, server, job, kind)| {
            Event::Intent { id, action: Action::Start { server, kind, job } }
        }),
        (any::<u64>(), text())
            .prop_map(|(id, why)| Event::Outcome { id, result: ActionResult::Refused { why } }),
        (name(), text(), text(), any::<i32>()).prop_map(|(server, job, output, code)| {
            let reading = JobReading::Exited { code, output };
            Event::JobEnded { server, kind: JobKind::Publish, job, reading }
        }),
        (name(), text(), any::<[u16; 4]>()).prop_map(|(server, evidence, [a, b, c, d])| {
            let version = format!("{a}.{b}.{c}.{d}").parse().expect("it is a version");
            Event::Reached { server, milestone: Milestone::Upgraded { version }, evidence }
        }),
        (text(), proptest::option::of(text()), name()).prop_map(|(who, ticket, server)| {
            Event::Decided(Request { who, ticket, ..request(Wanted::ByHand { server }) })
        }),
        (text(), proptest::collection::vec(name(), 0..3)).prop_map(|(what, servers)| {
            let leave_out = |server| WayOut::LeaveOut { server, overloads: None };
            let ways_out = servers.into_iter().map(leave_out).collect();
            Event::Held { reason: HoldReason::SomebodyElse { what }, ways_out }
        }),
        (text(), text()).prop_map(|(what, why)| Event::Noticed(Notice::Unreadable { what, why })),
        (proptest::collection::btree_map(name(), any::<bool>(), 0..4), any::<u64>(), any::<u16>())
            .prop_map(|(enabled, arrivals, admin)| {
                let mut baseline = Baseline { enabled, ..baseline() };
                baseline.members[0].2.arrivals = arrivals;
                baseline.members[0].2.admin = AdminState(admin);
                Event::Baseline(baseline)
            }),
        proptest::collection::vec(text(), 0..4)
            .prop_map(|why| Event::Ended { verdict: Verdict::Refused { why } }),
    ]
}
