//! The policy table: every key optional, every value within what can work.
use super::policy::{AfterBadSoak, AfterDeadline, Faults, Policy, Scheduler};
use super::walk::Table;

/// Longest time: a run that waits a week for something waits for ever, and sums stay far from
/// overflow.
const MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Shortest poll interval: below it a balancer or console serves us more than users.
const POLL_MS_MIN: u64 = 100;
/// Highest margin: what is left must carry something.
const MARGIN_PERCENT_MAX: u64 = 90;

/// Reads the policy.
pub(super) fn policy(mut t: Table<'_, '_>) -> Policy {
    let mut policy = Policy::default();
    intervals(&mut t, &mut policy);
    deadlines(&mut t, &mut policy);
    counts(&mut t, &mut policy);
    choices(&mut t, &mut policy);
    rehearsal(&mut t, &mut policy);
    consistent(&mut t, &policy);
    t.end();
    policy
}

fn ms(t: &mut Table<'_, '_>, key: &'static str, slot: &mut u64, min: u64, meaning: &str) {
    let meaning = format!("{meaning}, in milliseconds");
    if let Some(value) = t.opt_number(key, min..=MS_MAX, &meaning) {
        *slot = value;
    }
}

fn count(
    t: &mut Table<'_, '_>,
    key: &'static str,
    slot: &mut u32,
    range: (u32, u32),
    meaning: &str,
) {
    let range = u64::from(range.0)..=u64::from(range.1);
    if let Some(value) = t.opt_number(key, range, meaning) {
        *slot = u32::try_from(value).expect("the range is one of u32");
    }
}

fn intervals(t: &mut Table<'_, '_>, p: &mut Policy) {
    let poll = POLL_MS_MIN;
    ms(
        t,
        "balancer_poll_ms",
        &mut p.balancer_poll_ms,
        poll,
        "time between two readings of a balancer node",
    );
    let meaning = "the same while something drains or switches";
    ms(t, "balancer_poll_draining_ms", &mut p.balancer_poll_draining_ms, poll, meaning);
    ms(
        t,
        "flags_poll_ms",
        &mut p.flags_poll_ms,
        poll,
        "time between two readings of Enabled flags",
    );
    ms(
        t,
        "jobs_poll_ms",
        &mut p.jobs_poll_ms,
        poll,
        "time between two readings of jobs and services",
    );
    let meaning = "time for which a member must have no arrivals and nothing in flight to be quiet";
    ms(t, "quiet_window_ms", &mut p.quiet_window_ms, poll, meaning);
    let meaning = "time for which a server must have been up before others go because it serves";
    ms(t, "warm_up_ms", &mut p.warm_up_ms, 0, meaning);
    let meaning = "time over which the idle readings must stretch";
    ms(t, "idle_window_ms", &mut p.idle_window_ms, 0, meaning);
    let meaning = "time for which the new version serves before step 6";
    ms(t, "soak_ms", &mut p.soak_ms, 0, meaning);
    let meaning = "time between two test rounds of the soak";
    ms(t, "soak_test_every_ms", &mut p.soak_test_every_ms, poll, meaning);
}

fn deadlines(t: &mut Table<'_, '_>, p: &mut Policy) {
    // A deadline of under a second would pass before anything could be read twice.
    let second = 1_000;
    ms(t, "drain_ms_max", &mut p.drain_ms_max, second, "how long a drain may take");
    ms(t, "upgrade_ms_max", &mut p.upgrade_ms_max, second, "how long an upgrade job may take");
    let meaning = "how long Service Center and System Components may take to install";
    ms(t, "service_center_ms_max", &mut p.service_center_ms_max, second, meaning);
    ms(t, "publish_ms_max", &mut p.publish_ms_max, second, "how long `publish` may take");
    let meaning = "how long services may take to initialise";
    ms(t, "initialise_ms_max", &mut p.initialise_ms_max, second, meaning);
    let meaning = "how long deployment threads may take to idle";
    ms(t, "idle_ms_max", &mut p.idle_ms_max, second, meaning);
    let meaning = "how long tests may keep failing after a start";
    ms(t, "test_ms_max", &mut p.test_ms_max, second, meaning);
    let meaning = "how long both versions may serve at step 5";
    ms(t, "switch_ms_max", &mut p.switch_ms_max, second, meaning);
    let meaning = "how long a system may stay unreadable before the run holds";
    ms(t, "unknown_ms_max", &mut p.unknown_ms_max, second, meaning);
}

fn counts(t: &mut Table<'_, '_>, p: &mut Policy) {
    let meaning = "the age from which a reading counts as unknown, in poll intervals";
    count(t, "stale_after_polls", &mut p.stale_after_polls, (1, 1_000), meaning);
    let meaning = "how often a job is tried, counting the first";
    count(t, "job_attempts_max", &mut p.job_attempts_max, (1, 100), meaning);
    let meaning = "readings in a row that must show every thread idle";
    // One reading may fall between two deployments.
    count(t, "idle_reads", &mut p.idle_reads, (2, 1_000), meaning);
    let meaning = "requests that warm a server up before its tests count";
    count(t, "test_warm_up", &mut p.test_warm_up, (0, 1_000), meaning);
    let meaning = "passes in a row that make a test passed";
    count(t, "test_passes", &mut p.test_passes, (1, 1_000), meaning);
    let meaning = "errors per thousand requests, over the baseline, that count as bad";
    let slot = &mut p.soak_errors_permille_max;
    count(t, "soak_errors_permille_max", slot, (0, 1_000), meaning);
    let meaning = "servers of a half that are upgraded at a time";
    count(t, "parallel_max", &mut p.parallel_max, (1, 1_000), meaning);
    let meaning = "capacity kept free on every server, in percent";
    let max = u32::try_from(MARGIN_PERCENT_MAX).expect("a percentage");
    count(t, "margin_percent", &mut p.margin_percent, (0, max), meaning);
}

fn choices(t: &mut Table<'_, '_>, p: &mut Policy) {
    let words =
        [("wait", AfterDeadline::Wait), ("hold", AfterDeadline::Hold), ("cut", AfterDeadline::Cut)];
    let meaning = "what happens when a drain's deadline passes";
    if let Some(choice) = t.opt_choice("drain_after_deadline", &words, meaning) {
        p.drain_after_deadline = choice;
    }
    let words = [("fall-back", AfterBadSoak::FallBack), ("hold", AfterBadSoak::Hold)];
    let meaning = "what happens when the soak finds the new version bad";
    if let Some(choice) = t.opt_choice("soak_when_bad", &words, meaning) {
        p.soak_when_bad = choice;
    }
    let words = [("leave", Scheduler::Leave)];
    let meaning = "what is done about the Scheduler Service; leaving it running is all there is";
    if let Some(choice) = t.opt_choice("scheduler", &words, meaning) {
        p.scheduler = choice;
    }
    gates(t, p);
}

fn gates(t: &mut Table<'_, '_>, p: &mut Policy) {
    let Some(value) = t.get("gates") else { return };
    let help = "gates are steps, 1 to 9: `gates = [3, 6]`; `[]` for none";
    let Some(list) = value.get_ref().as_array() else {
        t.wrong("gates", "must be a list of steps", help);
        return;
    };
    p.gates.clear();
    for (index, item) in list.iter().enumerate() {
        let path = format!("{}[{index}]", t.path("gates"));
        t.walk.spans.insert(path.clone(), item.span());
        let number = item.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
        match number {
            Some(step) if (1..=9).contains(&step) && !p.gates.contains(&step) => p.gates.push(step),
            Some(step) if p.gates.contains(&step) => {
                let message = format!("`gates` of policy names step {step} twice");
                t.walk.wrong(&path, message, "keep one of the two");
            }
            _ => t.walk.wrong(
                &path,
                "`gates` of policy holds something that is no step".into(),
                help,
            ),
        }
    }
    p.gates.sort_unstable();
}

fn rehearsal(t: &mut Table<'_, '_>, p: &mut Policy) {
    let meaning = "the rehearsal a run wants";
    let Some(mut t) = t.opt_table("rehearsal", "policy.rehearsal", meaning) else { return };
    let rehearsal = &mut p.rehearsal;
    count(&mut t, "seeds_min", &mut rehearsal.seeds_min, (1, u32::MAX), "the fewest seeds");
    count(&mut t, "age_h_max", &mut rehearsal.age_h_max, (1, u32::MAX), "its oldest age, in hours");
    if let Some(faults) = t.opt_choice("faults", &Faults::WORDS, "which faults it has") {
        rehearsal.faults = faults;
    }
    t.end();
}

/// Times that only make sense together.
fn consistent(t: &mut Table<'_, '_>, p: &Policy) {
    if p.balancer_poll_draining_ms > p.balancer_poll_ms {
        let help = format!("at most {}, which is `balancer_poll_ms`", p.balancer_poll_ms);
        t.wrong("balancer_poll_draining_ms", "is longer than `balancer_poll_ms`", help);
    }
    if p.quiet_window_ms < p.balancer_poll_draining_ms {
        let help = format!(
            "at least {}, which is `balancer_poll_draining_ms`: quiet is seen between two readings",
            p.balancer_poll_draining_ms
        );
        t.wrong("quiet_window_ms", "is shorter than a poll interval", help);
    }
    if p.drain_ms_max <= p.quiet_window_ms {
        let help = format!("over {}, which is `quiet_window_ms`", p.quiet_window_ms);
        t.wrong("drain_ms_max", "ends before anything can be seen to be quiet", help);
    }
    if p.switch_ms_max <= p.balancer_poll_draining_ms {
        let help = "long enough for several readings of the balancer".to_owned();
        t.wrong("switch_ms_max", "ends before the switch can be seen", help);
    }
}
