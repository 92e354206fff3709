//! What is swept: the values of each axis, and the combinations of them that the farm file's own
//! reader takes.
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use evenkeel::farm::policy::{AfterDeadline, Policy};
use evenkeel::farm::{self, Farm};

use crate::scenario::Scenario;

const SECOND: u64 = 1_000;
/// Most values of an axis: a sweep is their product.
const VALUES_MAX: usize = 20;
/// Most splits compared.
const SPLITS_MAX: usize = 4;

/// A drain's deadline, and what happens when it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long a drain may take.
    pub ms: u64,
    /// What happens then.
    pub after: AfterDeadline,
}

impl fmt::Display for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ms, word(self.after))
    }
}

/// The words of the farm file for what happens after the deadline.
const AFTER: [(&str, AfterDeadline); 3] =
    [("wait", AfterDeadline::Wait), ("hold", AfterDeadline::Hold), ("cut", AfterDeadline::Cut)];

/// The farm file's word.
#[must_use]
pub fn word(after: AfterDeadline) -> &'static str {
    AFTER.iter().find(|(_, it)| *it == after).expect("every choice has a word").0
}

/// A setting without its soak: what is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The drain deadline.
    pub drain: Drain,
    /// Between two readings of a balancer while something drains.
    pub poll_ms: u64,
    /// The same while nothing does: as many times as much as in the policy.
    pub calm_poll_ms: u64,
    /// The quiet window.
    pub quiet_ms: u64,
    /// Which split: 0 is the plan's.
    pub split: usize,
}

impl Timing {
    /// The policy's own.
    #[must_use]
    pub fn present(policy: &Policy) -> Self {
        Self {
            drain: Drain { ms: policy.drain_ms_max, after: policy.drain_after_deadline },
            poll_ms: policy.balancer_poll_draining_ms,
            calm_poll_ms: policy.balancer_poll_ms,
            quiet_ms: policy.quiet_window_ms,
            split: 0,
        }
    }

    /// A policy with these values.
    #[must_use]
    pub fn policy(&self, present: &Policy) -> Policy {
        Policy {
            drain_ms_max: self.drain.ms,
            drain_after_deadline: self.drain.after,
            balancer_poll_draining_ms: self.poll_ms,
            balancer_poll_ms: self.calm_poll_ms,
            quiet_window_ms: self.quiet_ms,
            ..present.clone()
        }
    }
}

/// The values of every axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Drain deadlines.
    pub drain: Vec<Drain>,
    /// Poll intervals while draining.
    pub poll_ms: Vec<u64>,
    /// Quiet windows.
    pub quiet_ms: Vec<u64>,
    /// Soaks: not simulated in full, see [`super::windows`].
    pub soak_ms: Vec<u64>,
    /// How many splits, the plan's included.
    pub splits: usize,
}

/// What a user wrote for an axis; `None` where the default is wanted.
#[derive(Clone, Debug, Default)]
pub struct Words<'a> {
    /// `MS` or `MS:wait|hold|cut`, separated by commas.
    pub drain: Option<&'a str>,
    /// Milliseconds, separated by commas, as are the next two.
    pub poll_ms: Option<&'a str>,
    /// Quiet windows.
    pub quiet_ms: Option<&'a str>,
    /// Soaks.
    pub soak_ms: Option<&'a str>,
    /// How many splits.
    pub splits: Option<&'a str>,
}

impl Grid {
    /// Around a policy: drains that wait or cut, from what IIS lets a request take down to a quarter;
    /// intervals from half to five times the default; soaks up to what known delayed failures take.
    #[must_use]
    pub fn around(policy: &Policy) -> Self {
        let drain = |s: u64, after| Drain { ms: s * SECOND, after };
        let (wait, cut) = (AfterDeadline::Wait, AfterDeadline::Cut);
        Self {
            drain: with(
                Timing::present(policy).drain,
                [drain(60, wait), drain(120, cut), drain(60, cut), drain(30, cut)],
            ),
            poll_ms: with(policy.balancer_poll_draining_ms, [500, 1_000, 2_000, 5_000]),
            quiet_ms: with(policy.quiet_window_ms, [2_000, 5_000, 10_000]),
            soak_ms: with(policy.soak_ms, [600 * SECOND, 1_200 * SECOND, 1_800 * SECOND]),
            splits: 2,
        }
    }

    /// Reads what a user wrote.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn read(words: &Words<'_>, policy: &Policy) -> Result<Self, Vec<String>> {
        let mut grid = Self::around(policy);
        let mut wrong = Vec::new();
        let mut ms = |slot: &mut Vec<u64>, option: &str, text: Option<&str>| {
            let help = "whole milliseconds, as in `1000`";
            let read = text.map(|text| list(option, text, help, |word| word.parse().ok()));
            take(slot, read, &mut wrong);
        };
        ms(&mut grid.poll_ms, "--poll-ms", words.poll_ms);
        ms(&mut grid.quiet_ms, "--quiet-ms", words.quiet_ms);
        ms(&mut grid.soak_ms, "--soak-ms", words.soak_ms);
        let help = "a deadline in milliseconds and, if not the policy's, what happens then: \
                    `60000:cut`, `wait` or `hold`";
        let read = |word: &str| drain(word, policy.drain_after_deadline);
        take(
            &mut grid.drain,
            words.drain.map(|text| list("--drain", text, help, read)),
            &mut wrong,
        );
        if let Some(text) = words.splits {
            match text.parse() {
                Ok(count) if (1..=SPLITS_MAX).contains(&count) => grid.splits = count,
                _ => {
                    wrong.push(format!("--splits: `{text}` is not a number from 1 to {SPLITS_MAX}"))
                }
            }
        }
        if wrong.is_empty() { Ok(grid) } else { Err(wrong) }
    }

    /// Every combination but of soaks, for so many splits.
    fn timings(&self, policy: &Policy, splits: usize) -> Vec<Timing> {
        let calm = |poll_ms: u64| {
            let ratio = policy.balancer_poll_ms / policy.balancer_poll_draining_ms.max(1);
            poll_ms.saturating_mul(ratio.max(1))
        };
        let mut timings = Vec::new();
        for split in 0..splits {
            for drain in &self.drain {
                for poll_ms in &self.poll_ms {
                    for quiet_ms in &self.quiet_ms {
                        timings.push(Timing {
                            drain: *drain,
                            poll_ms: *poll_ms,
                            calm_poll_ms: calm(*poll_ms),
                            quiet_ms: *quiet_ms,
                            split,
                        });
                    }
                }
            }
        }
        timings
    }
}

/// The combinations that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combinations {
    /// Those that the farm file's reader takes, the present policy's first.
    pub timings: Vec<Timing>,
    /// How many it does not take.
    pub invalid: usize,
}

/// Sorts the combinations out.
///
/// # Errors
/// What the reader has against a value in every combination of it: all of that at once.
pub fn combinations(
    grid: &Grid,
    scenario: &Scenario,
    splits: usize,
) -> Result<Combinations, Vec<String>> {
    let farm = &scenario.plan.farm;
    let judged: Vec<(Timing, Mistakes)> = grid
        .timings(&farm.policy, splits)
        .into_iter()
        .map(|timing| (timing, mistakes(farm, timing.policy(&farm.policy))))
        .collect();
    let mut wrong = Mistakes::new();
    let mut judge = |has: &dyn Fn(&Timing) -> bool| {
        let with = judged.iter().filter(|(timing, _)| has(timing)).map(|(_, mistakes)| mistakes);
        wrong.extend(with.cloned().reduce(|all, one| &all & &one).unwrap_or_default());
    };
    grid.drain.iter().for_each(|drain| judge(&|it| it.drain == *drain));
    grid.poll_ms.iter().for_each(|ms| judge(&|it| it.poll_ms == *ms));
    grid.quiet_ms.iter().for_each(|ms| judge(&|it| it.quiet_ms == *ms));
    for soak_ms in &grid.soak_ms {
        wrong.extend(mistakes(farm, Policy { soak_ms: *soak_ms, ..farm.policy.clone() }));
    }
    if !wrong.is_empty() {
        return Err(wrong.into_iter().collect());
    }
    let present = Timing::present(&farm.policy);
    let (valid, invalid): (Vec<_>, Vec<_>) =
        judged.into_iter().partition(|(_, mistakes)| mistakes.is_empty());
    let others = valid.into_iter().map(|(timing, _)| timing).filter(|it| *it != present);
    let timings = std::iter::once(present).chain(others).collect();
    Ok(Combinations { timings, invalid: invalid.len() })
}

/// Sentences of the farm file's reader.
type Mistakes = BTreeSet<String>;

/// What the farm file's reader has against a policy.
fn mistakes(farm: &Farm, policy: Policy) -> Mistakes {
    let farm = Farm { policy, ..farm.clone() };
    let text = toml::to_string(&farm).expect("a farm can be written");
    match farm::parse(Path::new("the policy"), &text) {
        Ok(_) => Mistakes::new(),
        Err(errors) => {
            errors.mistakes.iter().map(|it| format!("{} ({})", it.message, it.help)).collect()
        }
    }
}

/// The policy's value first, then others.
fn with<T: PartialEq>(present: T, others: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values = vec![present];
    for other in others {
        if !values.contains(&other) {
            values.push(other);
        }
    }
    values
}

fn take<T>(slot: &mut Vec<T>, read: Option<Result<Vec<T>, Vec<String>>>, wrong: &mut Vec<String>) {
    match read {
        None => {}
        Some(Ok(values)) => *slot = values,
        Some(Err(mistakes)) => wrong.extend(mistakes),
    }
}

fn list<T: PartialEq>(
    option: &str,
    text: &str,
    help: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Vec<String>> {
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    for word in text.split(',').map(str::trim) {
        match read(word) {
            Some(value) if values.contains(&value) => {
                wrong.push(format!("{option}: `{word}` is given twice"));
            }
            Some(value) => values.push(value),
            None => wrong.push(format!("{option}: `{word}` is not {help}")),
        }
    }
    if values.len() > VALUES_MAX {
        wrong.push(format!("{option}: {} values, and {VALUES_MAX} are allowed", values.len()));
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

fn drain(word: &str, present: AfterDeadline) -> Option<Drain> {
    let Some((ms, after)) = word.split_once(':') else {
        return Some(Drain { ms: word.parse().ok()?, after: present });
    };
    let after = AFTER.iter().find(|(it, _)| *it == after)?.1;
    Some(Drain { ms: ms.parse().ok()?, after })
}
