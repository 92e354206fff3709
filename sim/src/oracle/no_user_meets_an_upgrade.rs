//! **No user meets an upgrade**: no member gets new requests while its server is touched and unfit.
//!
//! Why: between the first command that changes software and the proof that it is whole, a server
//! answers 503, errors, or pages of two versions.
//!
//! Allowed to fail:
//! * within the bound after a reload of the node, which loses drains: the orchestrator learns of
//!   it from its next reading ([`super::Bounds::reload`]);
//! * for a fit server that crashed by itself: while it is down, and within the bound after it came
//!   back ([`super::Bounds::back`]), since the balancer admits it before its services are ready;
//! * for a server that an operator disabled, which may have stopped its Deployment Service, within
//!   the bound in which it is enabled again ([`super::Faults::edit_excuse`]);
//! * for a server whose applications broke by themselves, all else being well: within the bound in
//!   which its tests find it ([`super::Bounds::sick`]), and as long as its pool has nobody to spare:
//!   who came back upgraded is nobody's relief before he could have been proven anew
//!   ([`super::Faults::proven_end`]);
//! * for a server that had its upgrade behind it, crashed by itself and came back, as long as no
//!   fit member of the pool gets requests on that node, and until the first of those that do was
//!   read to, and could have been proven ([`super::Faults::proven_end`]): service goes before proof,
//!   and taking the last one out would leave users with nothing.
//!
//! Sabotage that breaks it: skip the drain; admit before the tests; do not assert again after a
//! reload.
use super::excuse::Excuse;
use super::ground::{Member, MemberKey, Server};
use super::{Context, Finding, Ground, Invariant, Span, longest};

pub(super) struct NoUserMeetsAnUpgrade;

impl Invariant for NoUserMeetsAnUpgrade {
    fn name(&self) -> &'static str {
        "no_user_meets_an_upgrade"
    }

    fn sentence(&self) -> &'static str {
        "no member gets new requests while its server is touched and unfit"
    }

    fn over(&mut self, _span: Span, ground: &Ground, context: &Context) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (key, member) in &ground.members {
            let server = ground.server_of(member);
            if !member.eligible() || server.fit(&ground.target) {
                continue;
            }
            let faults = &context.faults;
            findings.push(Finding {
                from_ms: None,
                subject: format!("{} {} {}", key.node, key.pool, key.member),
                what: format!(
                    "{} on {} sends requests to {}: {}",
                    key.pool,
                    key.node,
                    member.server,
                    unfitness(server, &ground.target)
                ),
                excuse: longest(
                    [
                        faults.reload_excuse(&key.node),
                        faults.crash_excuse(&member.server),
                        faults.edit_excuse(&member.server),
                        last_one_excuse(key, member, ground, context),
                        sick_excuse(key, member, ground, context),
                    ]
                    .into_iter()
                    .flatten(),
                ),
            });
        }
        findings
    }
}

/// The only member that serves, whole but for its restart after a crash of its own.
fn last_one_excuse(
    key: &MemberKey,
    member: &Member,
    ground: &Ground,
    context: &Context,
) -> Option<Excuse> {
    let server = ground.server_of(member);
    context.faults.crashed_at(&member.server)?;
    let begun = server.being_changed() || !server.unfinished.is_empty();
    let others = ground.members.iter().filter(|(other, beside)| {
        other.node == key.node
            && other.pool == key.pool
            && beside.eligible()
            && stands_in(ground.server_of(beside), ground)
    });
    // The first of them counts.
    let relieved_ms = others.map(|(_, beside)| relieved_ms(beside, ground, context));
    let excuse = match relieved_ms.min() {
        None => Excuse::lasting("front-end-crash", &member.server),
        Some(relieved_ms) => Excuse::until("front-end-crash", &member.server, relieved_ms),
    };
    (!begun).then_some(excuse)
}

/// What a half-deployed one serves is neither version: it stands in for nobody.
fn stands_in(server: &Server, ground: &Ground) -> bool {
    server.fit(&ground.target) && !server.half_deployed()
}

/// From when on anybody may leave for a fit member that gets requests: its node has to be read since it
/// does, and one that was touched and is whole again has yet to be proven.
fn relieved_ms(beside: &Member, ground: &Ground, context: &Context) -> u64 {
    let (server, faults) = (ground.server_of(beside), &context.faults);
    let serves_ms = beside.eligible_since_ms.unwrap_or(ground.now_ms);
    let read_ms = faults.end(serves_ms, faults.bounds.react);
    let unproven_ms = server.ready_since_ms.filter(|_| server.touched);
    unproven_ms.map_or(read_ms, |ms| faults.proven_end(&beside.server, ms, true).max(read_ms))
}

/// A server whose applications broke, all else being well: within the bound after that, and as
/// long as its pool would fall under its floor without it, and until that was seen to be over: by a
/// reading of the node, and by the proof of those who came back.
fn sick_excuse(
    key: &MemberKey,
    member: &Member,
    ground: &Ground,
    context: &Context,
) -> Option<Excuse> {
    let broke_at_ms = ground.server_of(member).broke_at_ms;
    let excuse = context.faults.sick_excuse(&member.server, broke_at_ms)?;
    let others = ground.members.iter().filter(|(other, beside)| {
        other.node == key.node
            && other.pool == key.pool
            && beside.server != member.server
            && stands_in(ground.server_of(beside), ground)
    });
    let relief = others.filter(|(_, beside)| beside.eligible());
    let mut seen_ms: Vec<u64> =
        relief.map(|(_, beside)| relieved_ms(beside, ground, context)).collect();
    seen_ms.sort_unstable();
    let floor = context.floors.get(&key.pool).copied().unwrap_or(1).max(1) as usize;
    let Some(spared_ms) = seen_ms.get(floor - 1) else {
        return Some(Excuse::lasting(&excuse.fault, &member.server));
    };
    longest([Excuse::until(&excuse.fault, &member.server, *spared_ms), excuse])
}

/// Why a touched server is unfit, for people.
pub(super) fn unfitness(server: &super::ground::Server, target: &str) -> String {
    if server.down_since_ms.is_some() {
        return "its machine is down".into();
    }
    if let Some(job) = server.jobs.values().next() {
        return format!("{} runs on it", job.kind);
    }
    if !super::ground::same_version(&server.version, target) {
        return format!("it runs {}", server.version);
    }
    if let Some(kind) = server.unfinished.first() {
        return format!("{kind} has yet to be done on it");
    }
    if server.deploying_since_ms.is_some() {
        return "applications are being deployed to it".into();
    }
    if server.modules_missing {
        return "deployment has skipped modules".into();
    }
    if !server.initialised() {
        return "its Deployment Service is not initialised".into();
    }
    format!("its applications are {:?}", server.applications).to_lowercase()
}
