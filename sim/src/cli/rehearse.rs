//! `evenkeel-sim rehearse`: a campaign of seeds over one file, told as it goes.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::campaign::{Campaign, Summary, Told};
use crate::failure::Case;
use crate::nemesis::Choice;
use crate::oracle::Bounds;
use crate::report::{json, text};
use crate::sabotage::{self, GuardSwitch, Planted, Sabotage};
use crate::scenario::Scenario;

use super::{Exit, keep};

/// Seeds of a campaign for which nobody said how many: half a minute's worth, and each family of
/// faults strikes in about ten of them.
const SEEDS: u64 = 20;
/// Runs spent on making a violation small: most are as small as they get after a hundred.
const SHRINK_RUNS: u32 = 200;
/// Excuses printed; the others are in `--json`.
const EXCUSES_SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  evenkeel-sim rehearse scenarios/retail.toml
  evenkeel-sim rehearse my-farm.plan.json --seeds 200 --jobs 4
  evenkeel-sim rehearse scenarios/tiny.toml --seed 17 --faults front-end-crash,balancer-reload

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
    /// Plants a known bug, to see it caught: `evenkeel-sim sabotage` lists them
    #[arg(long, value_name = "NAME", value_parser = sabotage)]
    sabotage: Option<&'static Sabotage>,
    /// Whether the guard stands behind the planted bug
    #[arg(long, requires = "sabotage", default_value_t = GuardSwitch::On)]
    guard: GuardSwitch,
    /// How many seeds to run at a time
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
    /// One JSON object a run, and one for all of them
    #[arg(long)]
    json: bool,
    /// How many runs may be spent on making a violation small: for the first seed that broke each
    /// invariant; 0 leaves it as it is
    #[arg(long, value_name = "N", default_value_t = SHRINK_RUNS)]
    shrink_runs: u32,
    /// Where violations are kept [default: the folder `regressions` beside the file]
    #[arg(long, value_name = "FOLDER")]
    failures: Option<PathBuf>,
    /// Writes every packet, change, record and fault of the first seed to a file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// The sabotage of a name.
pub(super) fn sabotage(name: &str) -> Result<&'static Sabotage, String> {
    Sabotage::named(name).ok_or_else(|| {
        let names: Vec<&str> = sabotage::all().map(|it| it.name).collect();
        format!("there is no such sabotage: {}", names.join(", "))
    })
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
        planted: args.sabotage.map(|sabotage| Planted { sabotage, guard: args.guard }),
        jobs: args.jobs,
    };
    let told = tell(&campaign, trace, args.json).and_then(|(summary, violated)| {
        if args.shrink_runs > 0 {
            let beside = args.file.parent().unwrap_or(Path::new("")).join("regressions");
            let folder = args.failures.as_deref().unwrap_or(&beside);
            keep_each(violated, args.shrink_runs, folder, args.json)?;
        }
        Ok(summary)
    });
    match told {
        Ok(summary) if summary.violated > 0 => Exit::Violation,
        Ok(summary) => match summary.coverage.gaps(&args.faults).is_empty() {
            true => Exit::Good,
            false => Exit::Violation,
        },
        // Whoever read the answers has gone; there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Failed,
        Err(error) => {
            eprintln!("the answers cannot be written: {error}");
            Exit::Failed
        }
    }
}

/// The first violation of each invariant.
type Violated = BTreeMap<&'static str, Case>;

/// Shrinks and keeps violations. What is told about them is for people: where programs read
/// stdout, it goes to stderr.
fn keep_each(violated: Violated, runs_max: u32, folder: &Path, to_program: bool) -> io::Result<()> {
    for (invariant, case) in violated {
        let (path, told) = keep::keep(&case, invariant, runs_max, folder)?;
        let told = format!("\n{told}\nkept in {}", path.display());
        match to_program {
            true => eprintln!("{told}"),
            false => writeln!(io::stdout(), "{told}")?,
        }
    }
    Ok(())
}

/// Runs a campaign and tells it on stdout.
fn tell(
    campaign: &Campaign<'_>,
    trace: Option<Box<dyn Write>>,
    to_program: bool,
) -> io::Result<(Summary, Violated)> {
    let mut out = io::stdout().lock();
    let progress = io::stderr().is_terminal() && !io::stdout().is_terminal();
    let count = campaign.seeds.end() - campaign.seeds.start() + 1;
    let (mut written, mut excuses, mut wall) = (Ok(()), Vec::new(), Duration::ZERO);
    let mut bounds: Option<Bounds> = None;
    let mut violated = Violated::new();
    let mut runs = 0;
    if !to_program {
        writeln!(out, "{}", text::head(campaign))?;
    }
    let summary = campaign.run(trace, |told: &Told| {
        runs += 1;
        wall += told.wall;
        bounds = Some(told.outcome.bounds);
        if let Some(violation) = told.outcome.judgement.violations.first() {
            violated.entry(violation.invariant).or_insert_with(|| Case {
                scenario: campaign.scenario.clone(),
                without: Vec::new(),
                seed: told.outcome.seed,
                schedule: told.outcome.schedule.clone(),
            });
        }
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
        for gap in summary.coverage.gaps(&campaign.faults) {
            writeln!(out, "gap: {gap}")?;
        }
    }
    Ok((summary, violated))
}
