//! `evenkeel-sim rehearse`: a campaign of seeds over one file, told as it goes.
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::campaign::crash_points::CrashPoints;
use crate::campaign::{Campaign, Summary, Told};
use crate::nemesis::Choice;
use crate::oracle::Bounds;
use crate::report::{json, text};
use crate::scenario::Scenario;

use super::Exit;
use super::crash_points::{self, Which};

/// Seeds of a campaign for which nobody said how many: half a minute's worth, and each family of
/// faults strikes in about ten of them.
const SEEDS: u64 = 20;
/// Excuses printed; the others are in `--json`.
const EXCUSES_SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  evenkeel-sim rehearse scenarios/retail.toml
  evenkeel-sim rehearse my-farm.plan.json --seeds 200 --jobs 4
  evenkeel-sim rehearse scenarios/tiny.toml --seed 17 --faults front-end-crash,balancer-reload
  evenkeel-sim rehearse scenarios/tiny.toml --crash-points --jobs 2

A run is decided by the file, its seed and --faults alone: the same on any machine.
Exit codes: 0 no violation, 2 wrong use or invalid file, 4 an invariant was broken.")]
pub(super) struct Args {
    /// A plan, a farm file or a scenario: told apart by what is in it
    #[arg(value_name = "PLAN|FARM|SCENARIO")]
    file: PathBuf,
    /// How many seeds to run [default: 20, or 1 with --seed]
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroU64>,
    /// The first seed [default: 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// What may go wrong: none, light (nobody need be called), full, or families of faults or
    /// single kinds, each in every seed
    #[arg(long, value_name = "none|light|full|FAMILY,…", default_value_t = Choice::Full)]
    faults: Choice,
    /// How many seeds to run at a time
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
    /// Kills the orchestrator at every point of a run without other faults: one crash at each, two
    /// (`pairs`), or those given, as a failure prints them
    #[arg(
        long, value_name = "all|pairs|POINT[+POINT]", num_args = 0..=1, require_equals = true,
        default_missing_value = "all", conflicts_with_all = ["seeds", "faults", "json", "trace"]
    )]
    crash_points: Option<Which>,
    /// One JSON object a run, and one for all of them
    #[arg(long)]
    json: bool,
    /// Writes every packet, change, record and fault of the first seed to a file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Exit {
    let scenario = match Scenario::load(&args.file) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("{error}");
            return Exit::WrongUse;
        }
    };
    let first = args.seed.unwrap_or(0);
    if let Some(which) = &args.crash_points {
        let campaign = CrashPoints { scenario: &scenario, seed: first, jobs: args.jobs };
        return crash_points::run(&campaign, which);
    }
    let count = match (args.seeds, args.seed) {
        (Some(count), _) => count.get(),
        (None, Some(_)) => 1,
        (None, None) => SEEDS,
    };
    let Some(last) = first.checked_add(count - 1) else {
        eprintln!("there is no seed {first} + {}: seeds end at {}", count - 1, u64::MAX);
        return Exit::WrongUse;
    };
    let trace: Option<Box<dyn Write>> = match &args.trace {
        None => None,
        Some(path) => match File::create(path) {
            Ok(file) => Some(Box::new(BufWriter::new(file))),
            Err(error) => {
                eprintln!("{}: the trace cannot be written: {error}", path.display());
                return Exit::Failed;
            }
        },
    };
    let campaign = Campaign {
        scenario: &scenario,
        seeds: first..=last,
        faults: args.faults.clone(),
        jobs: args.jobs,
    };
    match tell(&campaign, trace, args.json) {
        Ok(summary) if summary.violated > 0 => Exit::Violation,
        Ok(_) => Exit::Good,
        // Whoever read the answers has gone; there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Failed,
        Err(error) => {
            eprintln!("the answers cannot be written: {error}");
            Exit::Failed
        }
    }
}

/// Runs a campaign and tells it on stdout.
fn tell(
    campaign: &Campaign<'_>,
    trace: Option<Box<dyn Write>>,
    to_program: bool,
) -> io::Result<Summary> {
    let mut out = io::stdout().lock();
    let progress = io::stderr().is_terminal() && !io::stdout().is_terminal();
    let count = campaign.seeds.end() - campaign.seeds.start() + 1;
    let (mut written, mut excuses, mut wall) = (Ok(()), Vec::new(), Duration::ZERO);
    let mut bounds: Option<Bounds> = None;
    let mut runs = 0;
    if !to_program {
        writeln!(out, "{}", text::head(campaign))?;
    }
    let summary = campaign.run(trace, |told: &Told| {
        runs += 1;
        wall += told.wall;
        bounds = Some(told.outcome.bounds);
        excuses.extend(text::excuses(&told.outcome));
        let line = match to_program {
            true => json::run(campaign, told),
            false => text::run(campaign, told),
        };
        if written.is_ok() {
            written = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        if progress {
            eprint!("\r{runs} of {count}");
        }
    });
    if progress {
        eprintln!();
    }
    written?;
    let wall_s = wall.as_secs_f64();
    if to_program {
        writeln!(out, "{}", json::summary(campaign, &summary, wall_s))?;
    } else if let Some(bounds) = bounds {
        let more = excuses.len().saturating_sub(EXCUSES_SHOWN);
        excuses.truncate(EXCUSES_SHOWN);
        if more > 0 {
            excuses.push(format!("and {more} more: --json has them all"));
        }
        write!(out, "{}", text::summary(campaign, &summary, &bounds, &excuses, wall_s))?;
    }
    Ok(summary)
}
