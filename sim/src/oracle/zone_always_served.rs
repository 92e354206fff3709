//! **A zone is always served**: at every instant, in every pool of every zone on every node, a fit
//! member that serves gets new requests.
//!
//! Why: this is what "no downtime" means; a pool without such a member refuses users, or shows
//! them a server in the middle of an upgrade.
//!
//! Allowed to fail, for the pool alone:
//! * where the farm file says that the pool may go down;
//! * while a member of it has crashed by itself and no fit living member exists in it: one to which
//!   the start of its upgrade was sent is none, though it may not have heard of it yet; nor is an
//!   upgraded one before the applications are published, where the plan has a job for that: it has
//!   yet to be deployed to, and would be so under load;
//! * within the detection bound after one crashed: health check (`fall` + 1 intervals), one poll
//!   of the node, and the effect that brings another one in ([`super::Bounds::death`]);
//! * the same for one whose applications broke by themselves, which only its tests tell
//!   ([`super::Bounds::sick`]);
//! * within the proving bound after the first of its members became whole, and could be read to be:
//!   a loaded one also to be out of rotation on every node, without which its Deployment Service may
//!   not be started ([`super::Faults::shown_out_ms`]);
//! * where the one that is left is a loaded one to which deployment began before its upgrade, while
//!   no console tells that it is over, if none did when the other crashed or broke, and within the
//!   bound in which one is asked again ([`super::Faults::told_end`]);
//! * within the bound after a reload of the node, or after somebody else changed a member there: an
//!   agent does so anew when another that was heard in its place goes;
//! * while the node's process is down, when the node serves nobody at all: users reach another one,
//!   where there is one, and every invariant holds there as always; and within the bound of a
//!   reload after it is up again;
//! * while the checks of a member flap that would serve otherwise, and until it is back;
//! * while members that would serve fail their checks under more load than they can carry all
//!   together, for as long as [`super::capacity_covers_load`] excuses that load, and until nobody
//!   waits any more who came meanwhile and a member that passes is back: a cascade has one cause,
//!   and is judged once;
//! * after an operator disabled a member, which may have stopped its Deployment Service, within the
//!   bound in which it is enabled and proven again ([`super::Faults::edit_excuse`]).
//!
//! Sabotage that breaks it: drain the last member; stop loaded before updating is started at step
//! 5; no rescue.
use std::collections::BTreeMap;

use super::ground::{Member, MemberKey};
use super::{Context, Excuse, Finding, Ground, Invariant, Span, capacity_covers_load, longest};

#[derive(Default)]
pub(super) struct ZoneAlwaysServed {
    /// Servers that failed their checks under more load than they can carry: until when, as far as
    /// that was excused, and by what.
    crowded: BTreeMap<String, (u64, Excuse)>,
}

impl Invariant for ZoneAlwaysServed {
    fn name(&self) -> &'static str {
        "zone_always_served"
    }

    fn sentence(&self) -> &'static str {
        "at every instant a fit, serving member of every pool gets new requests on every node"
    }

    fn over(&mut self, span: Span, ground: &Ground, context: &Context) -> Vec<Finding> {
        let mut findings = Vec::new();
        for ((node, pool), members) in ground.lanes() {
            let served = members.iter().any(|(_, it)| it.eligible() && ground.ready(&it.server));
            if served || context.may_go_down.contains(pool) {
                continue;
            }
            let servers: Vec<&str> = members.iter().map(|(_, it)| it.server.as_str()).collect();
            let eligible: Vec<&str> =
                members.iter().filter(|(_, it)| it.eligible()).map(|(_, it)| &*it.server).collect();
            let who = match eligible.is_empty() {
                true => "nobody gets its requests".to_owned(),
                false => format!("its requests go to {}, unfit or dead", eligible.join(", ")),
            };
            findings.push(Finding {
                from_ms: None,
                subject: format!("{node} {pool}"),
                what: format!("pool {pool} on {node} is not served: {who}"),
                excuse: longest(
                    excuse(node, &servers, ground, context)
                        .into_iter()
                        .chain(self.kept_out(span, node, &members, ground, context)),
                ),
            });
        }
        findings
    }
}

impl ZoneAlwaysServed {
    /// The excuses of members that would serve, were it not for checks of theirs that flap, or that
    /// load lets fail.
    fn kept_out(
        &mut self,
        span: Span,
        node: &str,
        members: &[(&MemberKey, &Member)],
        ground: &Ground,
        context: &Context,
    ) -> Vec<Excuse> {
        let faults = &context.faults;
        let would_serve = |it: &Member| it.admin == 0 && it.weight > 0 && ground.ready(&it.server);
        let overloaded = context.demand.overloaded(ground, |it| it.node_up && would_serve(it));
        let mut excuses = Vec::new();
        for (_, member) in members.iter().filter(|(_, it)| !it.up && would_serve(it)) {
            let server = &member.server;
            excuses.extend(faults.flap_excuse(node, server));
            if !overloaded.contains_key(server.as_str()) {
                excuses.extend(self.crowded.get(server).map(|(since_ms, cause)| {
                    let empty_ms = since_ms.saturating_add(context.demand.wait_ms_max);
                    let end_ms = faults.end(empty_ms, faults.bounds.back);
                    Excuse { until_ms: Some(end_ms), ..cause.clone() }
                }));
                continue;
            }
            if let Some(cause) = capacity_covers_load::excuse(server, ground, context) {
                let until_ms = cause.until_ms.map_or(span.to_ms, |ms| ms.min(span.to_ms));
                self.crowded.insert(server.clone(), (until_ms, cause.clone()));
                excuses.push(cause);
            }
        }
        excuses
    }
}

fn excuse(node: &str, servers: &[&str], ground: &Ground, context: &Context) -> Option<Excuse> {
    let faults = &context.faults;
    // Whoever was ready since, and is not any more, has another reason.
    let since = |server: &str, at_ms: u64| {
        let it = &ground.servers[server];
        it.ready_since_ms.is_some() || it.changed_ms.is_none_or(|changed_ms| changed_ms <= at_ms)
    };
    let crashes = servers
        .iter()
        .filter_map(|server| faults.crashed_at(server).map(|died_ms| (died_ms, *server)))
        .filter(|(died_ms, server)| since(server, *died_ms))
        .map(|(died_ms, server)| (died_ms, server, "front-end-crash", faults.bounds.death));
    let broken = servers.iter().filter_map(|server| {
        let broke_at_ms = ground.servers[*server].broke_at_ms.filter(|ms| since(server, *ms))?;
        Some((broke_at_ms, *server, faults.sickness(server)?, faults.bounds.sick))
    });
    let mut excuses: Vec<Excuse> = faults.reload_excuse(node).into_iter().collect();
    // Whoever has been ready since before somebody changed his flag is missing for another reason.
    let edited = servers.iter().filter(|server| {
        let ready_ms = ground.servers[**server].ready_since_ms;
        ready_ms.is_none_or(|ready_ms| faults.edited_at_ms(server).is_some_and(|ms| ms <= ready_ms))
    });
    excuses.extend(edited.filter_map(|server| faults.edit_excuse(server)));
    for (died_ms, server, name, bound) in crashes.max_by_key(|it| it.0).into_iter().chain(broken) {
        // Whoever is whole has yet to be proven before he may serve; the first of them counts.
        let proven_ms = servers.iter().filter_map(|server| {
            let it = &ground.servers[*server];
            // What was sent to it may arrive yet, whatever it answers meanwhile.
            if !it.touched && context.sent_to.contains(*server) {
                return None;
            }
            let ready_ms = it.ready_since_ms?;
            // Step 7 begins on a loaded one only when every node shows that nobody is sent there.
            let has_step_7 = it.touched && !context.updating.contains(*server);
            let begin_ms = match has_step_7 {
                true => faults.shown_out_ms(ready_ms, it.ensured_at_ms),
                // What it serves is not what it is to be tested with: that is deployed to its whole
                // half once it is published, and nobody's threads count before.
                false if it.touched => ready_ms.max(context.published_ms(ground)?),
                false => ready_ms,
            };
            // Deployment began on it under load: it comes back between deployments alone, and only
            // a console tells that none goes on.
            let told_ms = match it.half_deployed() && !context.updating.contains(*server) {
                true => faults.told_end(ready_ms.max(died_ms), bound),
                false => 0,
            };
            Some(faults.proven_end(server, begin_ms, it.touched).max(told_ms))
        });
        let proven_ms = proven_ms.min();
        excuses.push(match proven_ms {
            None => Excuse::lasting(name, server),
            Some(proven_ms) => {
                let until_ms = proven_ms.max(faults.end(died_ms, bound));
                Excuse::until(name, server, until_ms)
            }
        });
    }
    longest(excuses)
}
