//! **The result is true**: what the journal claims of a server when it claims it, and the verdict,
//! agree with ground truth; a soak that is over has lasted as long as the policy says.
//!
//! Why: people decide on the journal; a resumed run does too.
//!
//! Allowed to fail: for a server that crashed, or a node that was reloaded, so shortly before that
//! the best orchestrator could not have known; so for one whose applications broke, whose flag an
//! operator changed, or that enabled itself by starting its Deployment Service.
//!
//! Sabotage that breaks it: forget the soak; trust a stale page; record an outcome that was not read back.
use evenkeel::journal::{Event, FarmMilestone, Milestone, Wanted};
use evenkeel::names::ServerName;

use super::everyone_ends_upgraded::members_changed;
use super::ground::{Server, same_version};
use super::no_user_meets_an_upgrade::unfitness;
use super::{Context, Excuse, Finding, Ground, Invariant, RunVerdict, longest};

#[derive(Default)]
pub(super) struct ResultIsTrue {
    /// When the soak began, the last time that it did.
    soak_began_ms: Option<u64>,
}

impl Invariant for ResultIsTrue {
    fn name(&self) -> &'static str {
        "result_is_true"
    }

    fn sentence(&self) -> &'static str {
        "what the journal claims, and the verdict, agree with ground truth"
    }

    fn told(&mut self, event: &Event, ground: &Ground, context: &Context) -> Vec<Finding> {
        if let Event::FarmReached { milestone, .. } = event {
            let mut findings = Vec::from_iter(self.soak(*milestone, ground.now_ms, context));
            match milestone {
                FarmMilestone::Soaked => findings.extend(gone_in_the_soak(ground, context)),
                FarmMilestone::Switched | FarmMilestone::FellBack => {
                    findings.extend(still_at_work(*milestone, ground, context));
                }
                FarmMilestone::SwitchBegan | FarmMilestone::SoakBegan => {}
            }
            return findings;
        }
        let Event::Reached { server: name, milestone, .. } = event else { return Vec::new() };
        let Some(server) = ground.servers.get(name.as_str()) else {
            return vec![Finding {
                from_ms: None,
                subject: name.to_string(),
                what: format!("the journal speaks of {name}, which is not of the farm"),
                excuse: None,
            }];
        };
        let wrong = contradiction(name.as_str(), server, milestone, ground);
        let busy = || (*milestone == Milestone::Quiet).then(|| is_busy(name.as_str(), context));
        let Some(wrong) = wrong.or_else(|| busy().flatten()) else {
            return Vec::new();
        };
        let faults = &context.faults;
        let upsets = upsets(name.as_str(), ground, context);
        // It was read before its service, which had just started, enabled it.
        let enabled_ms = server.enabled_itself_at_ms;
        let enabled = enabled_ms.filter(|_| matches!(milestone, Milestone::Disabled { .. }));
        let enabled = enabled.map(|at_ms| {
            Excuse::until("self-enabling", name.as_str(), faults.end(at_ms, faults.bounds.react))
        });
        vec![Finding {
            from_ms: None,
            subject: format!("{name} {milestone:?}"),
            what: format!("the journal claims {milestone:?} of {name}, but {wrong}"),
            excuse: longest(
                upsets
                    .chain(enabled)
                    .chain(context.faults.crash_excuse(name.as_str()))
                    .chain(context.faults.edit_excuse(name.as_str()))
                    .chain(context.faults.sick_excuse(name.as_str(), server.broke_at_ms)),
            ),
        }]
    }

    fn at_end(&mut self, verdict: &RunVerdict, ground: &Ground, context: &Context) -> Vec<Finding> {
        match verdict {
            RunVerdict::Aborted => {
                let mut findings = members_changed(ground, context, &[]);
                findings.extend(touched(ground, "the run was aborted"));
                let front_ends = ground.servers.iter().filter(|(_, it)| it.front_end);
                let spoilt = front_ends.filter(|(name, _)| !context.left_out.contains(*name));
                findings.extend(spoilt.filter_map(|(name, it)| {
                    let wrong = match (it.enabled, it.initialised()) {
                        (false, _) => "is still Disabled",
                        (true, false) => "has no Deployment Service that works",
                        (true, true) => return None,
                    };
                    Some(Finding {
                        from_ms: None,
                        subject: name.clone(),
                        what: format!("the run was aborted, and {name} {wrong}"),
                        excuse: longest(
                            [context.faults.edit_excuse(name), context.faults.crash_excuse(name)]
                                .into_iter()
                                .flatten(),
                        ),
                    })
                }));
                findings
            }
            RunVerdict::Refused { .. } => {
                let mut findings = members_changed(ground, context, &[]);
                findings.extend(touched(ground, "the run was refused"));
                findings
            }
            RunVerdict::Done { left_out } => left_out
                .iter()
                .filter(|name| {
                    let server = ServerName::from(name.as_str());
                    !context.faults.asked(&Wanted::LeaveOut { server })
                })
                .map(|name| Finding {
                    from_ms: None,
                    subject: name.clone(),
                    what: format!("{name} was left out, and nobody asked for it"),
                    excuse: None,
                })
                .collect(),
            // The other verdicts claim nothing of the farm.
            RunVerdict::Held { .. } | RunVerdict::Stuck | RunVerdict::Broken { .. } => Vec::new(),
        }
    }
}

impl ResultIsTrue {
    fn soak(
        &mut self,
        milestone: FarmMilestone,
        now_ms: u64,
        context: &Context,
    ) -> Option<Finding> {
        if milestone == FarmMilestone::SoakBegan {
            self.soak_began_ms = Some(now_ms);
        }
        let lasted_ms = self.soak_began_ms.map_or(0, |since_ms| now_ms - since_ms);
        let soak_ms = context.policy.soak_ms;
        (milestone == FarmMilestone::Soaked && lasted_ms < soak_ms).then(|| Finding {
            from_ms: None,
            subject: "soak".to_owned(),
            what: format!("the journal claims a soak of {soak_ms} ms after {lasted_ms} ms"),
            excuse: None,
        })
    }
}

/// Users wait for a server's answers.
fn is_busy(server: &str, context: &Context) -> Option<String> {
    let requests = context.unanswered.get(server)?;
    Some(format!("{requests} of its users' requests are not answered"))
}

/// Changes of a server's members behind the orchestrator's back.
fn upsets<'a>(
    server: &'a str,
    ground: &'a Ground,
    context: &'a Context,
) -> impl Iterator<Item = Excuse> + 'a {
    let faults = &context.faults;
    let members = ground.members.iter().filter(move |(_, it)| it.server == server);
    members
        .flat_map(|(key, it)| {
            [faults.reload_excuse(&key.node), faults.flap_excuse(&key.node, &it.server)]
        })
        .flatten()
}

/// Servers of the half that traffic is said to have left, which get requests or have some to answer.
fn still_at_work<'a>(
    milestone: FarmMilestone,
    ground: &'a Ground,
    context: &'a Context,
) -> impl Iterator<Item = Finding> + 'a {
    let first_leaves = milestone == FarmMilestone::FellBack;
    let leaves = ground.servers.iter().filter(move |(name, it)| {
        let first = context.updating.contains(*name);
        it.front_end && first == first_leaves && !context.left_out.contains(*name)
    });
    leaves.filter_map(move |(name, _)| {
        let in_rotation = || ground.in_rotation(name).then(|| "it gets new requests".to_owned());
        let wrong = in_rotation().or_else(|| is_busy(name, context))?;
        Some(Finding {
            from_ms: None,
            subject: format!("{milestone:?} {name}"),
            what: format!(
                "the journal claims {milestone:?}, and of {name} that is not so: {wrong}"
            ),
            excuse: longest(upsets(name, ground, context).chain(context.faults.crash_excuse(name))),
        })
    })
}

/// Servers that were to be watched and do not serve when the soak is said to be over: a machine that
/// has just gone may not be known to have, and one whose tests have just begun to fail.
fn gone_in_the_soak<'a>(
    ground: &'a Ground,
    context: &'a Context,
) -> impl Iterator<Item = Finding> + 'a {
    let policy = &context.policy;
    let age_ms_max = policy.stale_ms(policy.jobs_poll_ms);
    let known_ms = age_ms_max + context.faults.bounds.lost_ms;
    let watched = context.updating.iter().filter(|name| !context.left_out.contains(*name));
    let gone = watched.filter(move |name| {
        let changed_ms = ground.servers.get(*name).and_then(|it| it.changed_ms);
        !ground.ready(name) && changed_ms.is_none_or(|ms| ms + known_ms < ground.now_ms)
    });
    gone.map(|name| Finding {
        from_ms: None,
        subject: format!("soak {name}"),
        what: format!("the journal says that the soak is over, and {name} does not serve"),
        excuse: context.faults.sick_excuse(name, ground.servers[name].broke_at_ms),
    })
}

fn touched(ground: &Ground, how: &str) -> Vec<Finding> {
    ground
        .servers
        .iter()
        .filter(|(_, it)| it.touched)
        .map(|(name, _)| Finding {
            from_ms: None,
            subject: format!("{name} touched"),
            what: format!("{how}, and {name} was touched"),
            excuse: None,
        })
        .collect()
}

/// What of a claim is not so.
#[must_use]
pub fn contradiction(
    name: &str,
    server: &Server,
    milestone: &Milestone,
    ground: &Ground,
) -> Option<String> {
    let wrong = |is: bool, why: &str| is.then(|| why.to_owned());
    match milestone {
        Milestone::Quiet => wrong(ground.in_rotation(name), "it gets new requests somewhere"),
        Milestone::Disabled { .. } => wrong(server.enabled, "it is Enabled"),
        Milestone::Upgraded { version } => wrong(
            !same_version(&server.version, &version.to_string()),
            &format!("it runs {}", server.version),
        ),
        Milestone::DeploymentServiceEnsured => wrong(
            !server.initialised() || (server.front_end && !server.enabled),
            "its Deployment Service is not initialised, or it is Disabled",
        ),
        Milestone::Deployed => {
            wrong(server.deploying_since_ms.is_some(), "applications are being deployed to it")
        }
        Milestone::Proven { version, .. } => {
            if !same_version(&server.version, &version.to_string()) {
                return Some(format!("it runs {}", server.version));
            }
            wrong(!server.whole_at(&ground.target), &unfitness(server, &ground.target))
        }
        // Written before the command leaves, and when a start was seen: both are caution, no claim.
        Milestone::Touched | Milestone::Unproven => None,
        Milestone::TakingTraffic | Milestone::Restored => wrong(
            !ground
                .members
                .values()
                .filter(|it| it.server == name)
                .all(super::ground::Member::eligible),
            "it is out of rotation somewhere",
        ),
    }
}
