//! `evenkeel-sim tune`: sweeps drain and poll timing, tells figures, recommends a policy.
use std::io::{self, IsTerminal, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Instant;

use crate::nemesis::Choice;
use crate::report::tuning::{Told, csv, html, json, text};
use crate::scenario::Scenario;
use crate::tune::grid::{Grid, Words};
use crate::tune::{Progress, Sweep};

use super::output::{self, Output};
use super::{Exit, answered};

/// Seeds of those that are not dropped: Student's interval is a fifth wider than with any number.
const SEEDS: &str = "12";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  evenkeel-sim tune scenarios/retail.toml --jobs 2 --report retail-timing.html
  evenkeel-sim tune my-farm.plan --csv timing.csv --json
  evenkeel-sim tune scenarios/tiny.toml --drain 120000,60000:cut --poll-ms 500,1000 --seeds 6

Every setting is rehearsed under the same seeds, without faults and with; losing settings are
dropped early, and long waits that no setting changes are left out and added to the time. The
values are those of [policy]; each axis has its default around the policy of the farm. What is
recommended is in the answer, with the lines for [policy]. The same file, seed, values and
--faults give the same answer on any machine, whatever --jobs.
Exit codes: 0 told, 1 a file could not be written, 2 wrong use or invalid file, nothing was run.")]
pub(super) struct Args {
    /// A plan, a farm file or a scenario
    #[arg(value_name = "PLAN|FARM|SCENARIO")]
    file: PathBuf,
    /// Drain deadlines in milliseconds, each with what happens then if not the policy's
    #[arg(long, value_name = "MS[:wait|hold|cut],…")]
    drain: Option<String>,
    /// Poll intervals of a balancer while draining; the calm one follows in the policy's ratio
    #[arg(long, value_name = "MS,…")]
    poll_ms: Option<String>,
    /// Quiet windows
    #[arg(long, value_name = "MS,…")]
    quiet_ms: Option<String>,
    /// Soaks
    #[arg(long, value_name = "MS,…")]
    soak_ms: Option<String>,
    /// How many splits: the plan's, and those next to it with the next best margin [default: 2]
    #[arg(long, value_name = "N")]
    splits: Option<String>,
    /// What may go wrong in every second run; light needs nobody to be called, so that runs end
    #[arg(long, value_name = "none|light|full|FAMILY,…", default_value_t = Choice::Light)]
    faults: Choice,
    /// Seeds of the settings that are not dropped
    #[arg(long, value_name = "N", default_value = SEEDS)]
    seeds: NonZeroU64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// How many runs at a time
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Writes every setting with its figures as comma-separated values
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Writes a page with heat maps, curves and every setting
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

#[allow(clippy::disallowed_methods)] // how long the machine takes is told, and decides nothing
pub(super) fn run(args: &Args) -> Exit {
    let scenario = match super::load(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    if args.seed.checked_add(args.seeds.get()).is_none() {
        eprintln!(
            "there are no {} seeds from {} on: they end at {}",
            args.seeds,
            args.seed,
            u64::MAX
        );
        return Exit::WrongUse;
    }
    let words = Words {
        drain: args.drain.as_deref(),
        poll_ms: args.poll_ms.as_deref(),
        quiet_ms: args.quiet_ms.as_deref(),
        soak_ms: args.soak_ms.as_deref(),
        splits: args.splits.as_deref(),
    };
    let grid = match Grid::read(&words, &scenario.plan.farm.policy) {
        Ok(grid) => grid,
        Err(mistakes) => return refused(&mistakes),
    };
    let places = match places(args, &scenario) {
        Ok(places) => places,
        Err(exit) => return exit,
    };
    let sweep = Sweep {
        scenario: &scenario,
        grid: &grid,
        faults: args.faults.clone(),
        seed_first: args.seed,
        seeds: args.seeds,
        jobs: args.jobs,
    };
    let begun = Instant::now();
    let terminal = io::stderr().is_terminal();
    let tuning = sweep.run(|progress| {
        if terminal {
            show(progress);
        }
    });
    if terminal {
        eprintln!();
    }
    let tuning = match tuning {
        Ok(tuning) => tuning,
        Err(mistakes) => return refused(&mistakes),
    };
    let wall_s = begun.elapsed().as_secs_f64();
    tell(args, &Told::new(&sweep, &tuning), wall_s, places)
}

/// Where the table and the page will be written: that they can be is known before a long sweep.
fn places(args: &Args, scenario: &Scenario) -> Result<[Option<Output>; 2], Exit> {
    let (csv, report) = (args.csv.as_deref(), args.report.as_deref());
    output::apart(&[csv, report])?;
    Ok([output::reserve(csv, scenario)?, output::reserve(report, scenario)?])
}

fn refused(mistakes: &[String]) -> Exit {
    mistakes.iter().for_each(|mistake| eprintln!("{mistake}"));
    eprintln!("nothing was run");
    Exit::WrongUse
}

fn show(progress: Progress) {
    let Progress { round, timings, done, of } = progress;
    eprint!("\rround {round}: {timings} settings, {done} of {of} runs   ");
}

fn tell(args: &Args, told: &Told<'_>, wall_s: f64, places: [Option<Output>; 2]) -> Exit {
    let mut exit = Exit::Good;
    for (place, what) in places.iter().zip([csv::csv(told), html::html(told)]) {
        let Some(place) = place else { continue };
        exit = exit.max(output::save(place, &what));
    }
    let answer = match args.json {
        true => json::json(told) + "\n",
        false => text::text(told, wall_s),
    };
    exit.max(answered(io::stdout().write_all(answer.as_bytes())))
}
