//! Only the windows that matter are simulated: step 1, the switch, steps 8 and 9.
//!
//! Between them a run waits for installers, for `publish` and for the soak, and no drain, poll or
//! quiet window decides how long. So those waits are shortened, the soak to two minutes, and what was
//! left out is added to the time of the upgrade: for every stage of the plan the rounds that it
//! takes at `parallel_max` servers at a time, each as long as its jobs.
//!
//! Two things keep a shortened installer like the real one. It lasts longer than a server takes to
//! initialise and be deployed to, so that what was over before the next servers' turn still is. And
//! it stops its server's services at the same instant (`stops_after_percent` rises as the job
//! shrinks): requests that a false quiet left in flight have as long to finish as they really have.
//!
//! What is added is exact where nothing goes wrong, but for when a job's end is read: within one
//! `jobs_poll_ms` a round. A job that a fault has repeated counts at its shortened length.
use evenkeel::plan::{Plan, Stage};
use evenkeel::procedure::action::JobKind;
use evenkeel_fakes::truth::Truth;

use crate::random::Keyed;
use crate::scenario::Scenario;

/// Service Center's installer and `publish`, after which nobody waits for anything but their end,
/// take a tenth of their time.
const SHORTENED_TIMES: u64 = 10;
/// Services stop before so much of a job is over, so that there is a job left after it.
const STOPS_PERCENT_MAX: u64 = 90;
/// What an installer lasts at least, over initialising and deploying: polls, and idle windows.
const INSTALLER_MARGIN_MS: u64 = 60_000;
/// Simulated soak: a few rounds of its tests.
const SOAK_SIMULATED_MS: u64 = 120_000;

/// A scenario without its long waits.
pub(super) struct Windows {
    /// What is rehearsed.
    pub(super) scenario: Scenario,
    /// What was left out of it, in milliseconds.
    pub(super) left_out_ms: u64,
    /// Rounds of jobs: when each is seen to have ended is known to a poll.
    pub(super) rounds: u64,
}

/// Leaves the long waits out. The soak is the scenario's policy's.
pub(super) fn of(whole: &Scenario) -> Windows {
    // Durations are no variants: every seed has the same.
    let truth = whole.truth(&Keyed::new(0));
    let mut scenario = whole.clone();
    let mut set = |name: &str, value: u64| {
        let value = i64::try_from(value).expect("durations of a scenario are whole TOML numbers");
        scenario.truth.insert(name.into(), value.into());
    };
    let percent = u64::from(truth.stops_after_percent);
    let stops_percent = stops_percent(&truth);
    let installer = |ms: u64| match percent {
        0 => ms.min(installer_ms_min(&truth)),
        percent => ms * percent / stops_percent,
    };
    set("stops_after_percent", stops_percent);
    set("controller_upgrade_ms", installer(truth.controller_upgrade_ms));
    set("front_end_upgrade_ms", installer(truth.front_end_upgrade_ms));
    set("service_center_install_ms", truth.service_center_install_ms / SHORTENED_TIMES);
    set("publish_ms", truth.publish_ms / SHORTENED_TIMES);
    let soak_ms = scenario.plan.farm.policy.soak_ms;
    scenario.plan.farm.policy.soak_ms = soak_ms.min(SOAK_SIMULATED_MS);
    scenario.plan_hash = scenario.plan.hash();
    let soak_left_out_ms = soak_ms.saturating_sub(SOAK_SIMULATED_MS);
    let shortened = scenario.truth(&Keyed::new(0));
    let jobs = |truth| jobs_ms(&whole.plan, truth);
    let left_out_ms = soak_left_out_ms + (jobs(&truth) - jobs(&shortened));
    Windows { scenario, left_out_ms, rounds: stages(&whole.plan).map(|(_, rounds)| rounds).sum() }
}

fn installer_ms_min(truth: &Truth) -> u64 {
    truth.deploy_ms + truth.initialise_ms + INSTALLER_MARGIN_MS
}

/// After how much of a shortened installer services stop: the most that leaves it long enough.
fn stops_percent(truth: &Truth) -> u64 {
    let percent = u64::from(truth.stops_after_percent);
    let shorter = truth.front_end_upgrade_ms.min(truth.controller_upgrade_ms);
    let most = shorter * percent / installer_ms_min(truth);
    most.min(STOPS_PERCENT_MAX).max(percent)
}

/// Every stage with its rounds.
fn stages(plan: &Plan) -> impl Iterator<Item = (&Stage, u64)> {
    let at_a_time = u64::from(plan.farm.policy.parallel_max);
    let all = plan.updating_stages.iter().chain(&plan.loaded_stages);
    all.map(move |stage| (stage, (stage.servers.len() as u64).div_ceil(at_a_time)))
}

/// How long the upgrade waits for jobs: servers of a stage have the same jobs.
fn jobs_ms(plan: &Plan, truth: &Truth) -> u64 {
    let of_kind = |kind: &JobKind| match kind {
        JobKind::ControllerUpgrade => truth.controller_upgrade_ms,
        JobKind::FrontEndUpgrade => truth.front_end_upgrade_ms,
        JobKind::ServiceCenterInstall => truth.service_center_install_ms,
        JobKind::Publish => truth.publish_ms,
        // Step 7's: none of a stage's.
        JobKind::EnsureDeploymentService => 0,
    };
    let of_stage = |(stage, rounds): (&Stage, u64)| {
        let jobs = stage.servers.first().map_or(&[][..], |server| &server.kinds);
        rounds * jobs.iter().map(of_kind).sum::<u64>()
    };
    stages(plan).map(of_stage).sum()
}
