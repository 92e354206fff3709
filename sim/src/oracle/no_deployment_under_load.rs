//! **No deployment under load**: nothing is deployed to a server that gets users' requests.
//!
//! Why: deployment replaces applications under their users; keeping it away from the serving half
//! is what step 2 of the procedure is for.
//!
//! Allowed to fail, for a front-end that enabled itself by starting its Deployment Service, or that
//! an operator enabled:
//! * within the bound in which the flag is read and the server disabled or taken out
//!   ([`super::Bounds::flag`]), and as long as a fault keeps consoles from doing that, or none that
//!   tells can be reached;
//! * where old consoles fail on a new database, or go on showing what was so before it, and did
//!   before that bound was over: until it is over since the job ended well that brought the first new
//!   one, and was read to have;
//! * where deployment began before that bound was over: while some pool of it has nobody to stand
//!   in, no other fit living member in rotation, or the others could not carry the users without it;
//!   and within the bound in which that is read and the server taken out ([`super::Bounds::react`]).
//!   Another one that enabled itself and was deployed to stands in for nobody: users who are moved
//!   to it meet the same.
//!
//! For whoever was admitted early, since a pool had nobody: while that is so, or the others could not
//! carry the users without it; and within the bound in which it leaves again after that
//! ([`super::Bounds::rescue`]). The job that deploys had begun by then, and old consoles that fail on
//! the new database could not have disabled it.
//!
//! And within the bound after a reload of the node that put the server back.
//!
//! Sabotage that breaks it: skip step 2; do not watch the flags; admit before deployment is idle.
use std::collections::BTreeMap;

use evenkeel_fakes::truth::OldConsole;

use super::ground::{Member, MemberKey};
use super::{Context, Excuse, Finding, Ground, Invariant, Span, longest};

#[derive(Default)]
pub(super) struct NoDeploymentUnderLoad {
    /// The revision of members that was looked at last.
    revision: Option<u64>,
    /// When some pool of a server was last known to have nobody without it, or not enough.
    needed_ms: BTreeMap<String, u64>,
}

impl Invariant for NoDeploymentUnderLoad {
    fn name(&self) -> &'static str {
        "no_deployment_under_load"
    }

    fn sentence(&self) -> &'static str {
        "nothing is deployed to a server that gets users' requests"
    }

    fn over(&mut self, span: Span, ground: &Ground, context: &Context) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.note_needed(span, ground);
        for (key, member) in &ground.members {
            let server = ground.server_of(member);
            if !member.eligible() || server.deploying_since_ms.is_none() {
                continue;
            }
            let faults = &context.faults;
            let is_needed = nobody_stands_in(&member.server, ground);
            let stays = is_needed || context.demand.needs(&member.server, ground);
            if stays {
                self.needed_ms.insert(member.server.clone(), span.to_ms);
            }
            let early = !server.touched && context.updating.contains(&member.server);
            let needed_ms = self.needed_ms.get(&member.server).copied();
            let rescued = needed_ms.filter(|_| early).map(|needed_ms| {
                let end_ms = faults.end(needed_ms, faults.bounds.rescue);
                Excuse::until("rescue", &member.server, end_ms)
            });
            let began_ms = server.deploying_since_ms;
            let enabled = server.enabled_itself_at_ms.map(|at_ms| {
                let end_ms = flag_end(at_ms, ground, context);
                let too_soon = end_ms.is_none_or(|end_ms| began_ms <= Some(end_ms));
                // Whoever has come to stand in is read first, and then it leaves.
                let relieved_ms = needed_ms
                    .filter(|needed_ms| too_soon && *needed_ms >= at_ms)
                    .map(|needed_ms| faults.end(needed_ms, faults.bounds.react));
                match end_ms.filter(|_| !(stays && too_soon)) {
                    Some(end_ms) => {
                        let end_ms = end_ms.max(relieved_ms.unwrap_or(0));
                        Excuse::until("self-enabling", &member.server, end_ms)
                    }
                    None => Excuse::lasting("self-enabling", &member.server),
                }
            });
            findings.push(Finding {
                from_ms: None,
                subject: format!("{} {} {}", key.node, key.pool, member.server),
                what: format!(
                    "applications are deployed to {} while {} on {} sends it requests",
                    member.server, key.pool, key.node
                ),
                excuse: longest(
                    (faults.reload_excuse(&key.node).into_iter()).chain(enabled).chain(rescued),
                ),
            });
        }
        findings
    }
}

impl NoDeploymentUnderLoad {
    /// Notes who is alone in a pool, and who could stand in where nobody is.
    fn note_needed(&mut self, span: Span, ground: &Ground) {
        if self.revision.replace(ground.revision) == Some(ground.revision) {
            return;
        }
        for members in ground.lanes().into_values() {
            for (_, member) in &members {
                if !others_serve(&member.server, &members, ground) {
                    self.needed_ms.insert(member.server.clone(), span.to_ms);
                }
            }
        }
    }
}

/// When the flag of a server that was enabled at an instant must be read and set; `None` while no
/// console tells what is so.
fn flag_end(at_ms: u64, ground: &Ground, context: &Context) -> Option<u64> {
    let end_ms = context.faults.flag_end(at_ms);
    let tell_nothing = context.old_console != OldConsole::Works;
    let silent_ms = ground.database_new_at_ms.filter(|_| tell_nothing);
    if silent_ms.is_none_or(|silent_ms| silent_ms > end_ms) {
        return Some(end_ms);
    }
    let back_ms = ground.console_published_at_ms? + context.policy.jobs_poll_ms;
    Some(end_ms.max(context.faults.flag_end(back_ms)))
}

/// In some pool and node of a server no other member that could stand in gets requests.
fn nobody_stands_in(server: &str, ground: &Ground) -> bool {
    ground.lanes().values().any(|members| {
        members.iter().any(|(_, it)| it.server == server) && !others_serve(server, members, ground)
    })
}

/// Beside a server, some fit living member of these gets requests that is not half deployed itself.
fn others_serve(server: &str, members: &[(&MemberKey, &Member)], ground: &Ground) -> bool {
    let mut others = members.iter().filter(|(_, it)| it.server != server);
    others.any(|(_, it)| {
        it.eligible() && ground.ready(&it.server) && !ground.server_of(it).half_deployed()
    })
}
