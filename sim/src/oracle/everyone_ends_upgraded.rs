//! **Everyone ends upgraded**: a run that is done leaves every server whole at the target version,
//! Enabled, idle, the applications published where the plan says so, and every member as it was
//! before step 1; only servers left out are excepted.
//!
//! Why: "done" is what a person goes home on.
//!
//! Allowed to fail: for a server that crashed or that an operator disabled, or a node that was
//! reloaded, so shortly before the end that the best orchestrator could not have known; so for one
//! whose applications broke.
//!
//! Sabotage that breaks it: skip a server; forget a weight; end before deployment is idle.
use super::ground::Server;
use super::no_user_meets_an_upgrade::unfitness;
use super::{Context, Finding, Ground, Invariant, RunVerdict};

pub(super) struct EveryoneEndsUpgraded;

impl Invariant for EveryoneEndsUpgraded {
    fn name(&self) -> &'static str {
        "everyone_ends_upgraded"
    }

    fn sentence(&self) -> &'static str {
        "a run that is done leaves every server upgraded and everything else as it was"
    }

    fn at_end(&mut self, verdict: &RunVerdict, ground: &Ground, context: &Context) -> Vec<Finding> {
        let RunVerdict::Done { left_out } = verdict else { return Vec::new() };
        let mut findings = Vec::new();
        for (name, server) in &ground.servers {
            if left_out.contains(name) {
                continue;
            }
            if let Some(wrong) = wrong_with(server, &ground.target) {
                findings.push(Finding {
                    from_ms: None,
                    subject: name.clone(),
                    what: format!("the run is done, and {name} is not: {wrong}"),
                    excuse: super::longest(
                        [
                            context.faults.crash_excuse(name),
                            context.faults.edit_excuse(name),
                            context.faults.sick_excuse(name, server.broke_at_ms),
                        ]
                        .into_iter()
                        .flatten(),
                    ),
                });
            }
        }
        if context.published_ms(ground).is_none() {
            findings.push(Finding {
                from_ms: None,
                subject: "publish".to_owned(),
                what: "the run is done, and the applications were never published".to_owned(),
                excuse: None,
            });
        }
        findings.extend(members_changed(ground, context, left_out));
        findings
    }
}

fn wrong_with(server: &Server, target: &str) -> Option<String> {
    if !server.whole_at(target) {
        return Some(unfitness(server, target));
    }
    if let Some(job) = server.jobs.values().next() {
        return Some(format!("{} runs on it", job.kind));
    }
    (server.front_end && !server.enabled).then(|| "it is Disabled".to_owned())
}

/// Members that are not as they were before step 1.
pub(super) fn members_changed(
    ground: &Ground,
    context: &Context,
    left_out: &[String],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, member) in &ground.members {
        let as_before = member.admin == 0 && member.weight == member.weight_first && member.up;
        if as_before || left_out.contains(&member.server) {
            continue;
        }
        findings.push(Finding {
            from_ms: None,
            subject: format!("{} {} {}", key.node, key.pool, key.member),
            what: format!(
                "{} of {} on {} ended with admin state {}, weight {} ({} before), {}",
                key.member,
                key.pool,
                key.node,
                member.admin,
                member.weight,
                member.weight_first,
                if member.up { "up" } else { "down" }
            ),
            excuse: super::longest(
                [
                    context.faults.reload_excuse(&key.node),
                    context.faults.crash_excuse(&member.server),
                    context.faults.flap_excuse(&key.node, &member.server),
                ]
                .into_iter()
                .flatten(),
            ),
        });
    }
    findings
}
