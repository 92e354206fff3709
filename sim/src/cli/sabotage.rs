//! `evenkeel-sim sabotage`: plants every known bug and counts the seeds until it is caught, as a
//! table in Markdown.
use std::io::{self, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::campaign::in_order;
use crate::nemesis::Choice;
use crate::sabotage::hunt::{Hunt, Row};
use crate::sabotage::{self, Bug, Sabotage};

use super::{Exit, answered};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  evenkeel-sim sabotage scenarios/six.toml --jobs 2
  evenkeel-sim sabotage scenarios/six.toml --only skip-disable,drain-everybody --starts 1

Exit codes: 0 every bug was caught, by an invariant that was expected to, and the guard held;
1 the table could not be written; 2 wrong use or invalid file; 4 otherwise.")]
pub(super) struct Args {
    /// A plan, a farm file or a scenario
    #[arg(value_name = "PLAN|FARM|SCENARIO")]
    file: PathBuf,
    /// Seeds after which a bug counts as not caught
    #[arg(long, value_name = "N", default_value = "1000")]
    seeds: NonZeroU64,
    /// How often each hunt is repeated, with other seeds
    #[arg(long, value_name = "N", default_value = "10")]
    starts: NonZeroU64,
    /// Seeds under which the guard must keep a bug of `decide` from doing harm
    #[arg(long, value_name = "N", default_value = "100")]
    guarded: u64,
    /// Which faults may strike beside; without it those that suit each bug
    #[arg(long, value_name = "none|light|full|FAMILY,…")]
    faults: Option<Choice>,
    /// Only these
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = super::rehearse::sabotage)]
    only: Vec<&'static Sabotage>,
    /// Bugs hunted at the same time
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
}

pub(super) fn run(args: &Args) -> Exit {
    let scenario = match super::load(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let hunt = Hunt {
        scenario: &scenario,
        faults: args.faults.clone(),
        seeds_max: args.seeds.get(),
        starts: args.starts.get(),
        guarded: args.guarded,
        // One in each of the threads that are broken off when nobody reads any more.
        jobs: NonZeroUsize::MIN,
    };
    let bugs: Vec<&'static Sabotage> = match args.only.is_empty() {
        true => sabotage::all().collect(),
        false => args.only.clone(),
    };
    match tell(&hunt, &bugs, args.jobs) {
        Ok(true) => Exit::Good,
        Ok(false) => Exit::Violation,
        Err(error) => answered(Err(error)),
    }
}

/// Hunts so many bugs at a time, and tells each. Says whether all came out as expected.
fn tell(hunt: &Hunt<'_>, bugs: &[&'static Sabotage], jobs: NonZeroUsize) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| sabotage | the bug | seeds to catch: median, worst of {} | caught first by | guard on, \
         {} seeds |\n|---|---|---|---|---|",
        hunt.starts, hunt.guarded
    )?;
    let (mut as_expected, mut written) = (true, Ok(()));
    let hunted = |nth: u64| {
        let nth = usize::try_from(nth).expect("a list fits in memory");
        let mut row = None;
        hunt.all(&bugs[nth..=nth], |it| row = Some(it.clone()));
        row.expect("every bug that is hunted has its row")
    };
    in_order(jobs, bugs.len() as u64, hunted, |row: Row| {
        as_expected &= row.as_expected();
        written = writeln!(out, "{}", line(hunt, &row)).and_then(|()| out.flush());
        match &written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()), // the others would be told to nobody
        }
    });
    written.map(|()| as_expected)
}

fn line(hunt: &Hunt<'_>, row: &Row) -> String {
    let seeds = match row.seeds() {
        Some(seeds) => format!("{}, {}", seeds[(seeds.len() - 1) / 2], seeds[seeds.len() - 1]),
        None => {
            let missed = row.catches.iter().filter(|it| it.is_none()).count();
            format!("**not caught** in {missed} hunts of {} seeds", hunt.seeds_max)
        }
    };
    let mut by: Vec<(usize, &str)> =
        row.caught_by().into_iter().map(|(invariant, hunts)| (hunts, invariant)).collect();
    by.sort_by_key(|(hunts, _)| std::cmp::Reverse(*hunts));
    let by: Vec<String> = by
        .into_iter()
        .map(|(hunts, invariant)| match hunts == row.catches.len() {
            true => format!("`{invariant}`"),
            false => format!("`{invariant}` {hunts}"),
        })
        .collect();
    let guarded = match (&row.guarded, row.sabotage.bug) {
        (Some(it), _) if it.harmed.is_empty() => {
            format!("{} refused, {} harmless", it.refused, it.harmless)
        }
        (Some(it), _) => format!("**{} violated**, first seed {}", it.harmed.len(), it.harmed[0]),
        (None, Bug::Undone(_)) => "nothing to refuse".to_owned(),
        (None, _) => "behind the guard".to_owned(),
    };
    let mut seeds = seeds;
    if let Some(seed) = row.red_without.first() {
        let red = row.red_without.len();
        seeds += &format!("; **{red} seeds are red without it**, first {seed}");
    }
    let (name, sentence) = (row.sabotage.name, row.sabotage.sentence);
    format!("| `{name}` | {sentence} | {seeds} | {} | {guarded} |", by.join(", "))
}
