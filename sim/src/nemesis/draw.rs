//! Draws a schedule from a seed: a random subset of families, each with a random number of faults,
//! each fault aimed first at a step and then at an effect in it.
//!
//! Drawn evenly over time, nearly all faults would fall into steps 3 and 6; drawn evenly over
//! effects, the many drains would hide the one install of Service Center.
//!
//! Every family, and every fault within it, has a key of its own, so that leaving one out leaves
//! the others as they were.
use evenkeel::plan::Plan;
use evenkeel::plan::model::Stage;
use evenkeel::procedure::action::JobKind;

use crate::random::{Keyed, Stream};

use super::choice::Word;
use super::{Choice, Effect, Family, Kind, Schedule, Trigger};

/// A second in milliseconds.
pub const SECOND: u64 = 1_000;
/// A minute in milliseconds.
pub const MINUTE: u64 = 60 * SECOND;

/// No longer than steps 4 and 9 take where nothing disturbs them: what comes later meets the step
/// after that, or never comes.
const SHORT_STEP_MS: u64 = 25;
/// A family strikes in this share of seeds, where the choice leaves it open. Not every fault that
/// is drawn meets its trigger, and every family should fire in 40 to 80 of 100 seeds.
const FAMILY_STRIKES: (u64, u64) = (13, 20);
/// Faults of a family in a seed in which it strikes, at most.
const FAULTS_MAX: u64 = 3;

/// Effects of a kind within a step: which of them, counted from the begin of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The kind.
    pub effect: Effect,
    /// The first of them, from 1 on.
    pub first: u32,
    /// The last of them.
    pub last: u32,
}

/// A kind of upgrade job: how many there are, and on which servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAim {
    /// The kind.
    pub kind: JobKind,
    /// The servers, in the order of the plan.
    pub servers: Vec<String>,
}

/// What faults can be aimed at, by a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aims {
    /// The effects of each step that has any: the step, and its effects.
    pub steps: Vec<(u8, Vec<Aim>)>,
    /// Upgrade jobs.
    pub jobs: Vec<JobAim>,
    /// Front-ends.
    pub front_ends: Vec<String>,
    /// Those that are upgraded last.
    pub loaded: Vec<String>,
    /// The pure controller, where there is one, or the front-end that is the controller.
    pub controller: String,
    /// Balancer nodes.
    pub nodes: Vec<String>,
    /// Pools, each with its servers.
    pub pools: Vec<(String, Vec<String>)>,
}

impl Aims {
    /// The aims of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let farm = &plan.farm;
        let names = |list: &[evenkeel::names::ServerName]| -> Vec<String> {
            list.iter().map(ToString::to_string).collect()
        };
        let pools = farm.pools.iter().map(|pool| {
            let behind = farm.front_ends.iter().filter(|it| it.members.contains_key(&pool.name));
            (pool.name.to_string(), behind.map(|it| it.name.to_string()).collect())
        });
        Self {
            steps: steps(plan),
            jobs: jobs(&[&plan.updating_stages, &plan.loaded_stages]),
            front_ends: farm.front_ends.iter().map(|it| it.name.to_string()).collect(),
            loaded: names(&plan.loaded),
            controller: farm.controller.to_string(),
            nodes: farm.balancers.iter().map(|it| it.name.to_string()).collect(),
            pools: pools.collect(),
        }
    }
}

/// The effects of each step, at least: retries and reloads add to them.
fn steps(plan: &Plan) -> Vec<(u8, Vec<Aim>)> {
    // One action changes all members of a half on a node.
    let nodes = plan.farm.balancers.len() as u32;
    let (updating, loaded) = (plan.updating.len() as u32, plan.loaded.len() as u32);
    let aim = |effect, first, last| Aim { effect, first, last };
    let early = jobs(&[&plan.updating_stages]);
    let count = |kind: JobKind| {
        early.iter().find(|job| job.kind == kind).map_or(0, |job| job.servers.len() as u32)
    };
    let starts = |job: &JobAim, before: u32| {
        aim(Effect::Start(job.kind), before + 1, before + job.servers.len() as u32)
    };
    let late = jobs(&[&plan.loaded_stages]);
    vec![
        (1, vec![aim(Effect::Drain, 1, nodes)]),
        (2, vec![aim(Effect::Disable, 1, loaded)]),
        (3, early.iter().map(|job| starts(job, 0)).collect()),
        (4, vec![aim(Effect::Test, 1, updating)]),
        (5, vec![aim(Effect::Admit, 1, nodes), aim(Effect::Drain, nodes + 1, 2 * nodes)]),
        (6, late.iter().map(|job| starts(job, count(job.kind))).collect()),
        (
            7,
            vec![
                aim(Effect::Start(JobKind::EnsureDeploymentService), 1, loaded),
                aim(Effect::Enable, 1, loaded),
            ],
        ),
        (8, vec![aim(Effect::Test, updating + 1, updating + loaded)]),
        (9, vec![aim(Effect::Admit, nodes + 1, 2 * nodes)]),
    ]
}

/// Kinds of upgrade jobs with the servers that have them.
fn jobs(stages: &[&Vec<Stage>]) -> Vec<JobAim> {
    let kinds = [
        JobKind::ControllerUpgrade,
        JobKind::FrontEndUpgrade,
        JobKind::ServiceCenterInstall,
        JobKind::Publish,
    ];
    let servers: Vec<_> =
        stages.iter().flat_map(|stages| stages.iter()).flat_map(|stage| &stage.servers).collect();
    let of = |kind| {
        let servers = servers.iter().filter(|it| it.kinds.contains(&kind));
        JobAim { kind, servers: servers.map(|it| it.server.to_string()).collect() }
    };
    kinds.into_iter().map(of).filter(|job| !job.servers.is_empty()).collect()
}

/// Draws one fault.
pub struct Draw<'a> {
    /// Its choices.
    pub stream: Stream,
    /// What it can be aimed at.
    pub aims: &'a Aims,
}

impl Draw<'_> {
    /// One of a list, which is not empty.
    pub fn one<'b, T>(&mut self, of: &'b [T]) -> &'b T {
        &of[self.stream.below(of.len() as u64) as usize]
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.stream.between(low, high)
    }

    /// A front-end.
    pub fn front_end(&mut self) -> String {
        let aims = self.aims;
        self.one(&aims.front_ends).clone()
    }

    /// A front-end of those that are upgraded last.
    pub fn loaded(&mut self) -> String {
        let aims = self.aims;
        self.one(&aims.loaded).clone()
    }

    /// A balancer node.
    pub fn node(&mut self) -> String {
        let aims = self.aims;
        self.one(&aims.nodes).clone()
    }

    /// A front-end or a balancer node.
    pub fn host(&mut self) -> String {
        let aims = self.aims;
        let hosts: Vec<&String> = aims.front_ends.iter().chain(&aims.nodes).collect();
        (*self.one(&hosts)).clone()
    }

    /// An upgrade job: its kind, which of them it is, from 1 on, and its server.
    pub fn job(&mut self) -> (JobKind, u32, String) {
        let aims = self.aims;
        let job = self.one(&aims.jobs);
        let place = self.stream.below(job.servers.len() as u64) as usize;
        (job.kind, place as u32 + 1, job.servers[place].clone())
    }

    /// An effect: first its step, evenly, then its kind, then which of them, from 1 on.
    pub fn effect(&mut self) -> (Effect, u32) {
        let aims = self.aims;
        let (_, of_step) = self.one(&aims.steps);
        let aim = self.one(of_step);
        let nth = self.between(u64::from(aim.first), u64::from(aim.last.max(aim.first)));
        (aim.effect, nth as u32)
    }

    /// Which effect of a kind, from 1 on: first its step, evenly.
    pub fn nth(&mut self, effect: Effect) -> u32 {
        let steps = self.aims.steps.iter();
        let aims: Vec<&Aim> =
            steps.flat_map(|(_, aims)| aims).filter(|aim| aim.effect == effect).collect();
        if aims.is_empty() {
            return 1;
        }
        let aim = *self.one(&aims);
        self.between(u64::from(aim.first), u64::from(aim.last.max(aim.first))) as u32
    }

    /// A moment of the run: at an effect (before it leaves, while it is done, just after, a while
    /// later), or some time after a step began.
    pub fn moment(&mut self) -> Trigger {
        let (effect, nth) = self.effect();
        match self.stream.below(6) {
            0 => Trigger::Intent { effect, nth, after_ms: 0 },
            1 => Trigger::Intent { effect, nth, after_ms: self.between(1, 10) },
            2 => Trigger::Outcome { effect, nth, after_ms: 0 },
            3 => Trigger::Outcome { effect, nth, after_ms: self.between(1, 30) * SECOND },
            _ => self.in_a_step(),
        }
    }

    /// Some time after a step began: soon, or in its midst.
    pub fn in_a_step(&mut self) -> Trigger {
        let step = self.between(1, 9) as u8;
        let longest_ms = match step {
            // Installers, and the soak, take their time.
            3 | 5 | 6 => 20 * MINUTE,
            // A few exchanges: the last tests, and the last members admitted.
            4 | 9 => SHORT_STEP_MS,
            _ => MINUTE,
        };
        let longest_ms =
            if self.stream.ratio(1, 2) { longest_ms } else { longest_ms.min(5 * SECOND) };
        Trigger::Step { step, after_ms: self.between(0, longest_ms) }
    }
}

/// The schedule of a seed.
#[must_use]
pub fn schedule(keyed: &Keyed, choice: &Choice, aims: &Aims) -> Schedule {
    let mut planned = Vec::new();
    for (name, kinds, always) in groups(choice) {
        let mut stream = keyed.stream("nemesis", name);
        // Drawn also where it decides nothing, so that what follows is the same.
        let strikes = stream.ratio(FAMILY_STRIKES.0, FAMILY_STRIKES.1);
        let count = stream.between(1, FAULTS_MAX);
        if !(strikes || always) {
            continue;
        }
        for ordinal in 0..count {
            let kind = kinds[stream.below(kinds.len() as u64) as usize];
            let stream = keyed.stream(kind.name, &ordinal.to_string());
            planned.push((kind.draw)(&mut Draw { stream, aims }));
        }
    }
    Schedule { planned }
}

/// What is drawn together: its key, its kinds, and whether it strikes in every seed.
fn groups(choice: &Choice) -> Vec<(&'static str, Vec<&'static Kind>, bool)> {
    match choice {
        Choice::Only(words) => words
            .iter()
            .map(|word| match word {
                Word::Family(family) => (family.name(), family.kinds().iter().collect(), true),
                Word::Kind(kind) => (kind.name, vec![*kind], true),
            })
            .filter(|(_, kinds, _): &(_, Vec<_>, _)| !kinds.is_empty())
            .collect(),
        _ => Family::ALL
            .into_iter()
            .map(|family| {
                let kinds = choice.kinds().into_iter().filter(|kind| kind.family == family);
                (family.name(), kinds.collect::<Vec<_>>(), false)
            })
            .filter(|(_, kinds, _)| !kinds.is_empty())
            .collect(),
    }
}
