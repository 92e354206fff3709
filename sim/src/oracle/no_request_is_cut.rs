//! **No request is cut**: every request of a user's that was sent to a server is answered by it.
//!
//! Why: a drain that is not waited for costs users their work in the middle of it; zones that are
//! "always served" may still lose every long report.
//!
//! Judged by the users' requests in flight: a server that stops to answer (its application pools
//! are stopped, its machine goes down) loses those that it has, also those that an earlier
//! balancer process had sent and the present one does not count; a command cuts what it names.
//!
//! Not a failure is a cut by the policy's own word: `drain_after_deadline = "cut"`, on a member
//! that has got no new requests for `drain_ms_max`.
//!
//! Allowed to fail:
//! * for a server that a fault took down, from then until it is up again and for the bound after;
//! * at the instant at which the applications of a server break by themselves: what they were at is
//!   answered with errors;
//! * after a reload of the node, or another change behind the orchestrator's back: requests that
//!   were sent within its bound ([`super::Bounds::reload`]) live for as long as requests can,
//!   and an installer that was started before anybody could read of it
//!   ([`super::Bounds::react`]) knows nothing of them.
//!
//! Sabotage that breaks it: skip the wait of a drain; one zero is quiet; ignore the epoch.
use std::collections::BTreeMap;

use evenkeel::farm::policy::AfterDeadline;
use evenkeel_fakes::ledger::{Entry, Event};

use super::{Context, Excuse, Finding, Ground, Invariant, Lost, MemberKey, Sight, longest};
use crate::traffic::REQUEST_MS_MAX;

#[derive(Default)]
pub(super) struct NoRequestIsCut {
    /// Since when members get no new requests by command.
    closed: BTreeMap<MemberKey, u64>,
}

impl Invariant for NoRequestIsCut {
    fn name(&self) -> &'static str {
        "no_request_is_cut"
    }

    fn sentence(&self) -> &'static str {
        "no user's request in flight is cut, but by the policy's own deadline"
    }

    fn saw(&mut self, sight: &Sight<'_>, ground: &Ground, context: &Context) -> Vec<Finding> {
        match sight {
            Sight::Lost(lost) => vec![finding(
                &lost.member,
                format!("{} was sent {}, and stopped to answer", lost.server, requests(lost)),
                longest(
                    [
                        context.faults.crash_excuse(&lost.server),
                        breaking(&lost.server, ground, context),
                        late_requests(lost, ground, context),
                    ]
                    .into_iter()
                    .flatten(),
                ),
            )],
            Sight::Entry(entry) => self.entry(entry, ground, context),
            _ => Vec::new(),
        }
    }
}

impl NoRequestIsCut {
    fn entry(&mut self, entry: &Entry, ground: &Ground, context: &Context) -> Vec<Finding> {
        let key = |node: &String, pool: &String, member: &String| MemberKey {
            node: node.clone(),
            pool: pool.clone(),
            member: member.clone(),
        };
        match &entry.event {
            Event::MemberAdmin { node, pool, member, admin } => {
                let key = key(node, pool, member);
                match admin {
                    0 => _ = self.closed.remove(&key),
                    _ => _ = self.closed.entry(key).or_insert(entry.at_ms),
                }
                Vec::new()
            }
            Event::MemberCut { node, pool, member, requests: 1.. } => {
                let key = key(node, pool, member);
                let policy = &context.policy;
                let overdue = self
                    .closed
                    .get(&key)
                    .is_some_and(|since_ms| entry.at_ms >= since_ms + policy.drain_ms_max);
                if overdue && policy.drain_after_deadline == AfterDeadline::Cut {
                    return Vec::new();
                }
                let server = ground.members.get(&key).map_or("a stranger", |it| &*it.server);
                let what = format!("what {server} had in flight was cut by command");
                vec![finding(&key, what, context.faults.reload_excuse(node))]
            }
            _ => Vec::new(),
        }
    }
}

fn requests(lost: &Lost) -> String {
    match lost.requests {
        1 => "a request".to_owned(),
        n => format!("{n} requests"),
    }
}

fn finding(member: &MemberKey, what: String, excuse: Option<Excuse>) -> Finding {
    let MemberKey { node, pool, member } = member;
    Finding {
        from_ms: None,
        subject: format!("{node} {pool} {member}"),
        what: format!("{what} ({pool} on {node})"),
        excuse,
    }
}

/// The applications of a server break just now.
fn breaking(server: &str, ground: &Ground, context: &Context) -> Option<Excuse> {
    let broke_at_ms = ground.servers.get(server)?.broke_at_ms;
    context.faults.sick_excuse(server, broke_at_ms.filter(|at_ms| *at_ms == ground.now_ms))
}

/// Requests that a node sent after its state was changed live on after that was put right; whoever
/// starts a job once he could have read of the change waits for them.
fn late_requests(lost: &Lost, ground: &Ground, context: &Context) -> Option<Excuse> {
    let faults = &context.faults;
    let jobs = &ground.servers.get(&lost.server)?.jobs;
    let job_since_ms = jobs.values().map(|job| job.since_ms).min();
    let unread = |at_ms: u64| {
        let react = faults.bounds.react;
        job_since_ms.is_none_or(|it| at_ms == u64::MAX || it <= faults.end(at_ms, react))
    };
    let upsets = faults.upset_excuses(&lost.member.node).filter(|(at_ms, _)| unread(*at_ms));
    longest(upsets.map(|(_, excuse)| {
        let until_ms = excuse.until_ms.map(|until_ms| until_ms + REQUEST_MS_MAX);
        Excuse { until_ms, ..excuse }
    }))
}
