//! **One version in rotation**: the members of a pool that get new requests run one version.
//!
//! Why: two versions behind one address break mobile clients' over-the-air upgrades, and screens
//! whose requests meet both.
//!
//! Not a failure is the switch of step 5: every member that is upgraded first is whole at the
//! target version, lost to a fault, or left out because a person asked for it, and both versions
//! serve for `policy.switch_ms_max` at most, however often the orchestrator changes its mind, and
//! one bound for the effect that ends it. Only a person who has traffic moved again, back or forth,
//! gives it that time anew; and nobody ends it while the orchestrator is out.
//!
//! Allowed to fail:
//! * a rescue, since service goes before one version: from the crash of a member of the pool on, or of
//!   its applications, until it is ready again, was proven where its software had been changed, and
//!   whoever stood in for it has left ([`super::Bounds::prove`], [`super::Bounds::rescue`]);
//! * the same from the deployment on that began on a member because it had enabled itself, until its
//!   upgrade: what it serves meanwhile is neither version;
//! * the same while a crashed server is gone that shares another pool with a member of this one, until
//!   it was proven where its software had been changed, and whoever stands in there, and so in all of
//!   his pools, has left again ([`super::Bounds::prove`], [`super::Bounds::rescue`]);
//! * while one that is not upgraded yet stands in for servers that a person had left out, who was told
//!   whom that overloads, and those who stay could not carry its users without it;
//! * a rescue because an operator disabled a member, which may have stopped its Deployment Service,
//!   within the bound in which it is enabled and proven again ([`super::Faults::edit_excuse`]);
//! * while a node is down, and within the bound of a switch after it is up again: nobody is stopped
//!   before whoever follows takes traffic on every node;
//! * a rescue because a member's checks flap, until the bound after they have ceased to;
//! * within the bound after a reload of the node, which puts everybody back.
//!
//! Sabotage that breaks it: admit each updating server as soon as it is proven; never stop loaded.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel::journal::{Event, Wanted};

use super::excuse::Bound;
use super::{Context, Excuse, Finding, Ground, Invariant, Span, longest};

/// Since when two versions serve in a pool on a node, and for how long they did before.
#[derive(Default)]
struct Mixed {
    since_ms: Option<u64>,
    before_ms: u64,
}

#[derive(Default)]
pub(super) struct OneVersionInRotation {
    lanes: BTreeMap<String, Mixed>,
}

impl Invariant for OneVersionInRotation {
    fn name(&self) -> &'static str {
        "one_version_in_rotation"
    }

    fn sentence(&self) -> &'static str {
        "the members of a pool that get new requests run one version, but for the switch"
    }

    fn told(&mut self, event: &Event, ground: &Ground, _context: &Context) -> Vec<Finding> {
        let moves =
            |what: &Wanted| matches!(what, Wanted::Retry { server: None } | Wanted::FallBack);
        if let Event::Decided(request) = event
            && moves(&request.what)
        {
            for mixed in self.lanes.values_mut() {
                mixed.before_ms = 0;
                mixed.since_ms = mixed.since_ms.map(|_| ground.now_ms);
            }
        }
        Vec::new()
    }

    fn over(&mut self, span: Span, ground: &Ground, context: &Context) -> Vec<Finding> {
        let mut findings = Vec::new();
        for ((node, pool), members) in ground.lanes() {
            let servers: Vec<&str> = members.iter().map(|(_, it)| it.server.as_str()).collect();
            let needed = servers.iter().copied().filter(|it| !context.left_out.contains(*it));
            let versions: BTreeSet<&str> = members
                .iter()
                .filter(|(_, it)| it.eligible())
                .map(|(_, it)| ground.server_of(it).version.as_str())
                .collect();
            let subject = format!("{node} {pool}");
            let mixed = self.lanes.entry(subject.clone()).or_default();
            if versions.len() < 2 {
                // What is excused to its end takes nothing from the time that the switch has.
                if let Some(since_ms) = mixed.since_ms.take()
                    && !excuse(node, &servers, ground, context)
                        .is_some_and(|it| it.covers(span.from_ms))
                {
                    let out_ms = context.faults.out_ms(since_ms, span.from_ms);
                    mixed.before_ms += (span.from_ms - since_ms).saturating_sub(out_ms);
                }
                continue;
            }
            let since_ms = *mixed.since_ms.get_or_insert(span.from_ms);
            let switch_ends_ms = switch_end(since_ms, mixed.before_ms, needed, ground, context);
            if span.to_ms <= switch_ends_ms {
                continue;
            }
            let versions: Vec<&str> = versions.into_iter().collect();
            findings.push(Finding {
                subject,
                what: format!("pool {pool} on {node} serves {} at once", versions.join(" and ")),
                // The switch itself needs no excuse; what follows it does.
                from_ms: Some(switch_ends_ms.max(span.from_ms)),
                excuse: excuse(node, &servers, ground, context),
            });
        }
        findings
    }
}

/// When the switch that may be under way in this pool must be over; 0 when it is none. It waits for
/// these of the pool's servers.
fn switch_end<'a>(
    since_ms: u64,
    before_ms: u64,
    servers: impl Iterator<Item = &'a str>,
    ground: &Ground,
    context: &Context,
) -> u64 {
    let faults = &context.faults;
    let ready = servers.filter(|server| context.updating.contains(*server)).all(|name| {
        ground.servers[name].whole_at(&ground.target)
            || faults.crashed_at(name).is_some()
            || faults.upgrade_spoilt(name)
    });
    let react = faults.bounds.react;
    let switch = context.policy.switch_ms_max.saturating_sub(before_ms);
    let left = Bound { waits_ms: react.waits_ms + switch, ..react };
    if ready { faults.end(since_ms, left) } else { 0 }
}

fn excuse(node: &str, servers: &[&str], ground: &Ground, context: &Context) -> Option<Excuse> {
    let faults = &context.faults;
    let relieved_ms = |server, since_ms| relieved_ms(server, since_ms, ground, context);
    let dead = servers.iter().filter_map(|server| {
        let died_ms = faults.crashed_at(server)?;
        Some(Excuse::until("front-end-crash", server, relieved_ms(server, died_ms)))
    });
    let sick = servers.iter().filter_map(|server| {
        let broke_ms = ground.servers[*server].broke_at_ms?;
        Some(Excuse::until(faults.sickness(server)?, server, relieved_ms(server, broke_ms)))
    });
    let half_deployed = servers.iter().filter(|server| ground.servers[**server].half_deployed());
    let half_deployed = half_deployed.map(|server| Excuse::lasting("self-enabling", server));
    // Upgraded, it relieves nobody before it was proven anew, be that in this pool or beside it.
    let gone = beside(servers, ground).into_iter().filter_map(|server| {
        let died_ms = faults.crashed_at(server)?;
        Some(Excuse::until("front-end-crash", server, relieved_ms(server, died_ms)))
    });
    let edited = servers.iter().filter_map(|server| faults.edit_excuse(server));
    let left_out = servers.iter().find(|server| context.left_out.contains(**server));
    let stands_in = |server: &&str| {
        !ground.servers[*server].touched
            && ground.in_rotation(server)
            && context.demand.needs(server, ground)
    };
    let left_out = left_out.filter(|_| servers.iter().any(stands_in));
    let left_out = left_out.map(|server| Excuse::lasting("leave-out", server));
    longest(
        faults
            .reload_excuse(node)
            .into_iter()
            .chain(dead)
            .chain(gone)
            .chain(sick)
            .chain(half_deployed)
            .chain(left_out)
            .chain(edited)
            .chain(faults.flap_rescue_excuse(node))
            .chain(faults.lost_node_excuse()),
    )
}

/// By when whoever stood in for a server has left again that something befell at an instant; never, as
/// long as it has not been ready since.
fn relieved_ms(server: &str, since_ms: u64, ground: &Ground, context: &Context) -> u64 {
    let faults = &context.faults;
    let it = &ground.servers[server];
    let Some(ready_ms) = it.ready_after(since_ms) else { return u64::MAX };
    let fit_ms = if it.touched { faults.proven_end(server, ready_ms, true) } else { ready_ms };
    faults.end(fit_ms, faults.bounds.rescue)
}

/// Servers that share any pool with one of these that gets requests.
fn beside<'a>(servers: &[&'a str], ground: &'a Ground) -> BTreeSet<&'a str> {
    let lanes = ground.lanes().into_values();
    let theirs = lanes.filter(|members| {
        members.iter().any(|(_, it)| it.eligible() && servers.contains(&&*it.server))
    });
    theirs.flatten().map(|(_, it)| it.server.as_str()).collect()
}
