//! `evenkeel-sim rehearse`: a campaign of seeds over one file, told as it goes.
use std::fs;
use std::io::Write;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::campaign::crash_points::{CrashPoints, Part};
use crate::campaign::{Campaign, Summary};
use crate::nemesis::Choice;
use crate::sabotage::{self, GuardSwitch, Planted, Sabotage};
use crate::scenario::Scenario;

use super::crash_points::{self, Which};
use super::keep::{self, Keeping};
use super::output::{self, Output};
use super::telling::{self, Telling};
use super::trace_file::TraceFile;
use super::{Exit, answered, certificate};

/// Seeds of a campaign for which nobody said how many: half a minute's worth, and each family of
/// faults strikes in about ten of them.
const SEEDS: u64 = 20;
/// Runs spent on making a violation small: most are as small as they get after a hundred.
const SHRINK_RUNS: u32 = 200;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  evenkeel-sim rehearse scenarios/retail.toml
  evenkeel-sim rehearse my-farm.plan --seeds 200 --jobs 4 --report my-farm.html
  evenkeel-sim rehearse scenarios/tiny.toml --seed 17 --faults front-end-crash,balancer-reload
  evenkeel-sim rehearse scenarios/tiny.toml --crash-points --jobs 2

A run is decided by the file, its seed and --faults alone: the same on any machine.
Exit codes: 0 no violation, 1 something could not be written, 2 wrong use or invalid file, 4 an
invariant was broken, a campaign of 1,000 seeds or more left a gap in what it should have reached,
or a crash point that was named was not reached.")]
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
    /// Plants a known bug, to see it caught; a name that there is not lists them all
    #[arg(long, value_name = "NAME", value_parser = sabotage)]
    sabotage: Option<&'static Sabotage>,
    /// Whether the guard stands behind the planted bug
    #[arg(long, requires = "sabotage", default_value_t = GuardSwitch::On)]
    guard: GuardSwitch,
    /// How many seeds to run at a time
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
    /// Kills the orchestrator at every point of a run without other faults: one crash at each, two
    /// (`pairs`), or those given, as a failure prints them
    #[arg(
        long, value_name = "all|pairs|POINT[+POINT]", num_args = 0..=1, require_equals = true,
        default_missing_value = "all",
        conflicts_with_all = [
            "seeds", "faults", "json", "trace", "sabotage", "guard", "shrink_runs", "failures", "certificate",
        ]
    )]
    crash_points: Option<Which>,
    /// Of all crash points (with `pairs`, of all first ones) only one of so many parts, each from
    /// all over the run: 1/8 to 8/8 are all of them
    #[arg(long, value_name = "NTH/OF", requires = "crash_points")]
    part: Option<Part>,
    /// One JSON object a run, and one for all of them
    #[arg(long)]
    json: bool,
    /// How many runs may be spent on making a violation small: for the first seed that broke each
    /// invariant; 0 keeps it as it is
    #[arg(long, value_name = "N", default_value_t = SHRINK_RUNS)]
    shrink_runs: u32,
    /// Where violations are kept [default: the folder `regressions` beside the file; with --sabotage
    /// `planted`, since what a planted bug breaks is to be broken in every replay]
    #[arg(long, value_name = "FOLDER")]
    failures: Option<PathBuf>,
    /// Writes what this campaign found as one page that needs nothing else
    #[arg(long, value_name = "FILE.html", conflicts_with = "crash_points")]
    report: Option<PathBuf>,
    /// Writes every packet, change, record and fault of the first seed to a file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Writes what this campaign found, bound to the plan and the program, for `evenkeel apply
    /// --require-rehearsal`; a red campaign too, which `apply` refuses. It guards against
    /// mistakes, not against forgery
    #[arg(long, value_name = "FILE", conflicts_with = "sabotage")]
    certificate: Option<PathBuf>,
}

/// The sabotage of a name.
pub(super) fn sabotage(name: &str) -> Result<&'static Sabotage, String> {
    Sabotage::named(name).ok_or_else(|| {
        let names: Vec<&str> = sabotage::all().map(|it| it.name).collect();
        format!("there is no such sabotage: {}", names.join(", "))
    })
}

pub(super) fn run(args: &Args) -> Exit {
    let scenario = match super::load(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    if let Some(which) = &args.crash_points {
        let seed = args.seed.unwrap_or(0);
        let campaign = CrashPoints { scenario: &scenario, seed, jobs: args.jobs };
        return crash_points::run(&campaign, which, args.part);
    }
    // That all of it can be written is known before a long campaign.
    let prepared = seeds(args).and_then(|seeds| {
        let folder = failures(args)?;
        Ok((seeds, folder, Files::of(args, &scenario)?))
    });
    let (seeds, folder, files) = match prepared {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let campaign = Campaign {
        scenario: &scenario,
        seeds,
        faults: args.faults.clone(),
        planted: args.sabotage.map(|sabotage| Planted { sabotage, guard: args.guard }),
        jobs: args.jobs,
    };
    let telling = Telling {
        to_program: args.json,
        page: files.report.is_some(),
        to_the_end: files.are_wanted(),
    };
    let trace = files.trace.as_ref().map(|it| Box::new(it.clone()) as Box<dyn Write>);
    let ended = telling::tell(&campaign, &telling, trace);
    let written = files.write(&campaign, &ended.summary, ended.page.as_deref());
    let keeping = Keeping {
        runs_max: args.shrink_runs,
        folder: &folder,
        faults: &args.faults,
        to_program: args.json,
    };
    keep::each(ended.violated, &keeping);
    let exit = written.max(answered(ended.written));
    // Whatever could not be written: that the farm is not safe counts more.
    match ended.summary.violated > 0 || !ended.summary.gaps(&args.faults).is_empty() {
        true => Exit::Violation,
        false => exit,
    }
}

fn seeds(args: &Args) -> Result<RangeInclusive<u64>, Exit> {
    let first = args.seed.unwrap_or(0);
    let count = match (args.seeds, args.seed) {
        (Some(count), _) => count.get(),
        (None, Some(_)) => 1,
        (None, None) => SEEDS,
    };
    let Some(last) = first.checked_add(count - 1) else {
        eprintln!("there is no seed {first} + {}: seeds end at {}", count - 1, u64::MAX);
        return Err(Exit::WrongUse);
    };
    Ok(first..=last)
}

/// Where violations are kept. What a planted bug breaks is kept apart from `regressions`, whose files
/// are replayed for ever and are to break nothing.
fn failures(args: &Args) -> Result<PathBuf, Exit> {
    let Some(folder) = &args.failures else {
        let apart = if args.sabotage.is_some() { "planted" } else { "regressions" };
        return Ok(args.file.parent().unwrap_or(Path::new("")).join(apart));
    };
    match fs::create_dir_all(folder) {
        Ok(()) => Ok(folder.clone()),
        Err(error) => {
            eprintln!(
                "{}: there is no such folder, and it cannot be made: {error}; nothing was run. Give \
                 another one by `--failures`",
                folder.display()
            );
            Err(Exit::Failed)
        }
    }
}

/// What is written beside the answers.
struct Files {
    certificate: Option<Output>,
    report: Option<Output>,
    trace: Option<TraceFile>,
}

impl Files {
    fn of(args: &Args, scenario: &Scenario) -> Result<Self, Exit> {
        let Args { certificate, report, trace, .. } = args;
        output::apart(&[certificate.as_deref(), report.as_deref(), trace.as_deref()])?;
        Ok(Self {
            certificate: certificate::place(certificate.as_deref(), scenario)?,
            report: output::reserve(report.as_deref(), scenario)?,
            // The last of them: it overwrites what is there at once.
            trace: TraceFile::open(trace.as_deref(), scenario)?,
        })
    }

    fn are_wanted(&self) -> bool {
        self.certificate.is_some() || self.report.is_some() || self.trace.is_some()
    }

    /// Writes them when the campaign has ended, and says which could not be written.
    fn write(self, campaign: &Campaign<'_>, summary: &Summary, page: Option<&str>) -> Exit {
        let certified = self.certificate.map(|it| certificate::write(&it, campaign, summary));
        let reported = self.report.zip(page).map(|(report, page)| output::save(&report, page));
        let traced = self.trace.map(TraceFile::close);
        [certified, reported, traced].into_iter().flatten().max().unwrap_or(Exit::Good)
    }
}
