//! Policy: every time, limit and choice of a run, each default with its reason.
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a run does when a drain's deadline passes with requests still in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterDeadline {
    /// Go on waiting; after as long again as a switch may take, hold.
    Wait,
    /// Hold; a person decides.
    Hold,
    /// Cut what is left.
    Cut,
}

/// What a run does when the soak finds the new version bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterBadSoak {
    /// Traffic back to loaded at once, then hold.
    FallBack,
    /// Hold; a person decides.
    Hold,
}

/// What is done about the Scheduler Service while versions are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Left running; the plan warns.
    Leave,
}

/// Which faults a rehearsal has: each has those of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Faults {
    /// Nothing goes wrong.
    None,
    /// What no person need be called for.
    Light,
    /// Everything.
    Full,
}

impl Faults {
    /// Every choice with its word.
    pub const WORDS: [(&'static str, Self); 3] =
        [("none", Self::None), ("light", Self::Light), ("full", Self::Full)];
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, faults)| faults == self);
        f.write_str(word.expect("every choice has a word").0)
    }
}

/// What rehearsal `apply --require-rehearsal` wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rehearsal {
    /// Fewest seeds.
    pub seeds_min: u32,
    /// Fewest faults.
    pub faults: Faults,
    /// Oldest age, in hours.
    pub age_h_max: u32,
}

impl Default for Rehearsal {
    fn default() -> Self {
        // A thousand seeds meet each fault family hundreds of times; a week-old farm file is still this farm's.
        Self { seeds_min: 1_000, faults: Faults::Full, age_h_max: 168 }
    }
}

/// Every time in milliseconds, every share in percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Between two readings of a balancer node.
    pub balancer_poll_ms: u64,
    /// The same while something drains or switches.
    pub balancer_poll_draining_ms: u64,
    /// Between two readings of the servers' Enabled flags.
    pub flags_poll_ms: u64,
    /// Between two readings of a job, a version, a service or deployment threads.
    pub jobs_poll_ms: u64,
    /// Age from which a reading counts as unknown, as a multiple of its poll interval.
    pub stale_after_polls: u32,
    /// How long arrivals must stand still and nothing be in flight for a member to be quiet.
    pub quiet_window_ms: u64,
    /// How long a server must have been up before others go because it serves.
    pub warm_up_ms: u64,
    /// How long a drain may take.
    pub drain_ms_max: u64,
    /// What happens then.
    pub drain_after_deadline: AfterDeadline,
    /// How long one upgrade job on a server may take.
    pub upgrade_ms_max: u64,
    /// How long Service Center and System Components may take to install.
    pub service_center_ms_max: u64,
    /// How long `publish` may take.
    pub publish_ms_max: u64,
    /// How long services may take to initialise, and a server to come back from a reboot.
    pub initialise_ms_max: u64,
    /// How long deployment threads may take to idle.
    pub idle_ms_max: u64,
    /// How often a job is tried, counting the first.
    pub job_attempts_max: u32,
    /// Readings in a row that must show every thread idle.
    pub idle_reads: u32,
    /// Time over which those readings must stretch.
    pub idle_window_ms: u64,
    /// Requests that warm a server up before its tests count.
    pub test_warm_up: u32,
    /// Passes in a row that make a test passed.
    pub test_passes: u32,
    /// How long the tests may keep failing after a start before the server counts as failed.
    pub test_ms_max: u64,
    /// How long both versions may serve at step 5.
    pub switch_ms_max: u64,
    /// How long the new version serves before step 6.
    pub soak_ms: u64,
    /// Between two test rounds of the soak.
    pub soak_test_every_ms: u64,
    /// What happens when it shows the new version bad.
    pub soak_when_bad: AfterBadSoak,
    /// Errors per thousand requests of a member, over the baseline, that count as bad.
    pub soak_errors_permille_max: u32,
    /// Servers of a half upgraded at a time.
    pub parallel_max: u32,
    /// Capacity kept free on every server, in percent.
    pub margin_percent: u32,
    /// Steps before which a person must approve.
    pub gates: Vec<u8>,
    /// What is done about the Scheduler Service.
    pub scheduler: Scheduler,
    /// How long a system may stay unreadable before the run holds.
    pub unknown_ms_max: u64,
    /// What rehearsal a run wants, when it is asked for one.
    pub rehearsal: Rehearsal,
}

impl Policy {
    /// Age in milliseconds from which a reading counts as unknown that is taken this often.
    #[must_use]
    pub fn stale_ms(&self, interval_ms: u64) -> u64 {
        interval_ms * u64::from(self.stale_after_polls)
    }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

impl Default for Policy {
    fn default() -> Self {
        Self {
            balancer_poll_ms: 5 * SECOND, // a reload is noticed within one health check cycle
            balancer_poll_draining_ms: SECOND, // a drain's end is worth a reading a second, nothing else is
            flags_poll_ms: 15 * SECOND,        // a page each: the console serves people too
            jobs_poll_ms: 15 * SECOND,         // jobs take minutes
            stale_after_polls: 3,              // one lost answer is no news, three are
            quiet_window_ms: 5 * SECOND, // longer than a keep-alive client's usual pause between requests
            warm_up_ms: 30 * SECOND, // pages are compiled and caches filled by the first requests
            drain_ms_max: 2 * MINUTE, // IIS executes a request for up to 110 s
            drain_after_deadline: AfterDeadline::Wait,
            upgrade_ms_max: 45 * MINUTE, // binaries and configuration, three times the usual
            service_center_ms_max: 45 * MINUTE,
            publish_ms_max: 4 * 60 * MINUTE, // a large factory takes hours
            initialise_ms_max: 10 * MINUTE,  // three rounds of the Configuration Tool's 180 s
            idle_ms_max: 60 * MINUTE,        // catch-up deployment takes up to 30 min
            job_attempts_max: 2, // installers are safe to run again; twice the same failure is no accident
            idle_reads: 4,
            idle_window_ms: MINUTE, // the Deployment Service retries pending modules every 30 s
            test_warm_up: 2,        // modules load on first access
            test_passes: 3,
            test_ms_max: 10 * MINUTE,
            switch_ms_max: 10 * MINUTE,
            soak_ms: 30 * MINUTE, // known delayed failures take half an hour
            soak_test_every_ms: MINUTE,
            soak_when_bad: AfterBadSoak::FallBack,
            soak_errors_permille_max: 20,
            parallel_max: 1,
            margin_percent: 20,
            gates: vec![3, 6], // the commit, and the end of fall-back
            scheduler: Scheduler::Leave,
            unknown_ms_max: 15 * MINUTE, // a console is republished in minutes
            rehearsal: Rehearsal::default(),
        }
    }
}
