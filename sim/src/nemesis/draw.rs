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

/// Effects of a kind within a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The kind.
    pub effect: Effect,
    /// How many of them there are in that step, at least, where nothing goes wrong.
    pub count: u32,
}

/// One effect of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The step.
    pub step: u8,
    /// The kind.
    pub effect: Effect,
    /// Which of this kind in this step, from 1 on.
    pub nth: u32,
}

impl Target {
    /// So long after its intent.
    #[must_use]
    pub fn intent(self, after_ms: u64) -> Trigger {
        let Self { step, effect, nth } = self;
        Trigger::IntentInStep { step, effect, nth, after_ms }
    }

    /// So long after its outcome.
    #[must_use]
    pub fn outcome(self, after_ms: u64) -> Trigger {
        let Self { step, effect, nth } = self;
        Trigger::OutcomeInStep { step, effect, nth, after_ms }
    }
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
    /// Upgrade jobs, in the order in which a server has them.
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
    /// Steps before which a person must approve.
    pub gates: Vec<u8>,
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
            gates: farm.policy.gates.clone(),
        }
    }

    /// The last job before a front-end's deployment threads are judged, and the server that does
    /// it: its own, or that by which all applications are published to the updating half.
    ///
    /// # Panics
    /// The plan has no job for that server.
    #[must_use]
    pub fn last_job(&self, server: &str) -> (JobKind, &str) {
        let is = |it: &String| it == server;
        let publishes = |kind| kind == JobKind::Publish && !self.loaded.iter().any(is);
        let concerns = |job: &&JobAim| job.servers.iter().any(is) || publishes(job.kind);
        let last = self.jobs.iter().rfind(concerns).expect("every front-end is upgraded");
        let by = last.servers.iter().find(|it| is(it)).unwrap_or(&last.servers[0]);
        (last.kind, by)
    }

    /// Effects of a kind that come in earlier steps, where nothing goes wrong.
    fn before(&self, step: u8, effect: Effect) -> u32 {
        let earlier = self.steps.iter().filter(|(it, _)| *it < step).flat_map(|(_, aims)| aims);
        earlier.filter(|aim| aim.effect == effect).map(|aim| aim.count).sum()
    }
}

/// The effects of each step, at least: retries and reloads add to them, and tests of those who are
/// proven recur from step 3 on.
fn steps(plan: &Plan) -> Vec<(u8, Vec<Aim>)> {
    // One action changes all members of a half on a node.
    let nodes = plan.farm.balancers.len() as u32;
    let loaded = plan.loaded.len() as u32;
    let aim = |effect, count| Aim { effect, count };
    let starts = |stages| -> Vec<Aim> {
        let jobs = jobs(&[stages]);
        jobs.iter().map(|job| aim(Effect::Start(job.kind), job.servers.len() as u32)).collect()
    };
    vec![
        (1, vec![aim(Effect::Drain, nodes)]),
        (2, vec![aim(Effect::Disable, loaded)]),
        (3, starts(&plan.updating_stages)),
        // Of the last server that the step before waited for: the others may be ahead of it.
        (4, vec![aim(Effect::Test, 1)]),
        (5, vec![aim(Effect::Admit, nodes), aim(Effect::Drain, nodes)]),
        (6, starts(&plan.loaded_stages)),
        // Of the last server again. In about half of the farms services enable their servers, and
        // no button is pressed.
        (7, vec![aim(Effect::Start(JobKind::EnsureDeploymentService), 1), aim(Effect::Enable, 1)]),
        (8, vec![aim(Effect::Test, loaded)]),
        (9, vec![aim(Effect::Admit, nodes)]),
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

    /// An effect: first its step, evenly, then its kind, then which of them.
    pub fn target(&mut self) -> Target {
        let aims = self.aims;
        let (step, of_step) = self.one(&aims.steps);
        let aim = self.one(of_step);
        self.one_of(*step, aim)
    }

    /// An effect of a kind: first its step, evenly.
    ///
    /// # Panics
    /// No step has effects of this kind.
    pub fn target_of(&mut self, effect: Effect) -> Target {
        let steps = self.aims.steps.iter();
        let aims = steps.flat_map(|(step, aims)| aims.iter().map(|aim| (*step, aim)));
        let of_kind: Vec<(u8, &Aim)> = aims.filter(|(_, aim)| aim.effect == effect).collect();
        assert!(!of_kind.is_empty(), "no step has a {effect} that faults could be aimed at");
        let (step, aim) = *self.one(&of_kind);
        self.one_of(step, aim)
    }

    fn one_of(&mut self, step: u8, aim: &Aim) -> Target {
        let nth = self.between(1, u64::from(aim.count.max(1))) as u32;
        Target { step, effect: aim.effect, nth }
    }

    /// Which effect of a kind, counted from the begin of the run.
    pub fn nth(&mut self, effect: Effect) -> u32 {
        let Target { step, nth, .. } = self.target_of(effect);
        self.aims.before(step, effect) + nth
    }

    /// A moment of the run: at an effect (before it leaves, while it is done, just after, a while
    /// later), or some time after a step began.
    pub fn moment(&mut self) -> Trigger {
        let target = self.target();
        match self.stream.below(6) {
            0 => target.intent(0),
            1 => target.intent(self.between(1, 10)),
            2 => target.outcome(0),
            // A while later such a step is over, and with step 9 the run.
            3 if is_short(target.step) => target.intent(self.between(1, SHORT_STEP_MS)),
            3 => target.outcome(self.between(1, 30) * SECOND),
            _ => self.in_a_step(),
        }
    }

    /// Some time after the last step began.
    pub fn last_step(&mut self) -> Trigger {
        Trigger::Step { step: 9, after_ms: self.between(0, SHORT_STEP_MS) }
    }

    /// Some time after a step began: soon, or in its midst.
    pub fn in_a_step(&mut self) -> Trigger {
        let step = self.between(1, 9) as u8;
        let longest_ms = match step {
            // Installers, and the soak, take their time.
            3 | 5 | 6 => 20 * MINUTE,
            _ if is_short(step) => SHORT_STEP_MS,
            _ => MINUTE,
        };
        let longest_ms =
            if self.stream.ratio(1, 2) { longest_ms } else { longest_ms.min(5 * SECOND) };
        Trigger::Step { step, after_ms: self.between(0, longest_ms) }
    }
}

/// A step of a few exchanges: the last tests, and the last members admitted.
fn is_short(step: u8) -> bool {
    matches!(step, 4 | 9)
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
