//! `evenkeel-sim rehearse`: a campaign of seeds over one file, told as it goes.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel::place::Place;

use crate::campaign::crash_points::{CrashPoints, Part};
use crate::campaign::{Campaign, Summary, Told};
use crate::failure::Case;
use crate::nemesis::Choice;
use crate::oracle::Bounds;
use crate::report::page::Page;
use crate::report::{json, text};
use crate::sabotage::{self, GuardSwitch, Planted, Sabotage};

use super::crash_points::{self, Which};
use super::trace_file::TraceFile;
use super::{Exit, certificate, keep, reserve, spare};

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
  evenkeel-sim rehearse my-farm.plan --seeds 200 --jobs 4 --report my-farm.html
  evenkeel-sim rehearse scenarios/tiny.toml --seed 17 --faults front-end-crash,balancer-reload
  evenkeel-sim rehearse scenarios/tiny.toml --crash-points --jobs 2

A run is decided by the file, its seed and --faults alone: the same on any machine.
Exit codes: 0 no violation, 1 something could not be written, 2 wrong use or invalid file, 4 an
invariant was broken, or a campaign of 1,000 seeds or more left a gap in what it should have reached.")]
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
    /// invariant; 0 leaves it as it is
    #[arg(long, value_name = "N", default_value_t = SHRINK_RUNS)]
    shrink_runs: u32,
    /// Where violations are kept [default: the folder `regressions` beside the file]
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
    let first = args.seed.unwrap_or(0);
    if let Some(which) = &args.crash_points {
        let campaign = CrashPoints { scenario: &scenario, seed: first, jobs: args.jobs };
        return crash_points::run(&campaign, which, args.part);
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
    let certificate = match certificate::place(args.certificate.as_deref(), &scenario) {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    // That they can be written is known before a long campaign.
    let report = reserve(args.report.as_deref(), &scenario.path);
    let (report, traced) = match (report, open(args.trace.as_deref(), &scenario.path)) {
        (Ok(report), Ok(traced)) => (report, traced),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let trace = traced.as_ref().map(|traced| Box::new(traced.clone()) as Box<dyn Write>);
    let campaign = Campaign {
        scenario: &scenario,
        seeds: first..=last,
        faults: args.faults.clone(),
        planted: args.sabotage.map(|sabotage| Planted { sabotage, guard: args.guard }),
        jobs: args.jobs,
    };
    let (summary, violated, written) = tell(&campaign, trace, args.json, report);
    // Also when nobody reads the answers any more: the campaign was run to its end.
    let certified = certificate.map(|place| certificate::write(place, &campaign, &summary));
    let written = written.map_err(|error| named(&error, "the answers cannot be written"));
    let kept = match args.shrink_runs {
        0 => Ok(()),
        runs_max => {
            let beside = args.file.parent().unwrap_or(Path::new("")).join("regressions");
            let folder = args.failures.as_deref().unwrap_or(&beside);
            keep_each(violated, runs_max, folder, args.json)
        }
    };
    let told = written.and(kept).and(traced.map_or(Ok(()), |traced| traced.told()));
    let exit = match told {
        Ok(()) => certified.unwrap_or(Exit::Good),
        // Whoever read the answers has gone; there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Failed,
        Err(error) => {
            eprintln!("{error}");
            Exit::Failed
        }
    };
    // Whatever could not be written: that the farm is not safe counts more.
    match summary.violated > 0 || !summary.gaps(&args.faults).is_empty() {
        true => Exit::Violation,
        false => exit,
    }
}

fn open(path: Option<&Path>, rehearsed: &Path) -> Result<Option<TraceFile>, Exit> {
    let Some(path) = path else { return Ok(None) };
    spare(path, rehearsed)?;
    match File::create(path) {
        Ok(file) => Ok(Some(TraceFile::new(path, file))),
        Err(error) => {
            eprintln!("{}: the trace cannot be written: {error}", path.display());
            Err(Exit::Failed)
        }
    }
}

/// The first violation of each invariant.
type Violated = BTreeMap<&'static str, Case>;

/// Shrinks and keeps violations. What is told about them is for people: where programs read
/// stdout, it goes to stderr.
fn keep_each(violated: Violated, runs_max: u32, folder: &Path, to_program: bool) -> io::Result<()> {
    for (invariant, case) in violated {
        let kept = keep::keep(&case, invariant, runs_max, folder);
        let (path, told) = kept.map_err(|error| {
            named(&error, &format!("{}: the failure cannot be kept", folder.display()))
        })?;
        let told = format!("\n{told}\nkept in {}", path.display());
        match to_program {
            true => eprintln!("{told}"),
            // Whoever reads may have gone: it is kept all the same.
            false => _ = writeln!(io::stdout(), "{told}"),
        }
    }
    Ok(())
}

/// The same error, with what it kept from being done.
fn named(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// What is kept of runs: a campaign's memory does not grow with its seeds.
#[derive(Default)]
struct Heard {
    runs: u64,
    wall: Duration,
    bounds: Option<Bounds>,
    violated: Violated,
    excuses: Vec<String>,
    /// Excuses beyond those.
    more: usize,
    page: Option<Page>,
}

impl Heard {
    fn take(&mut self, campaign: &Campaign<'_>, told: &Told) {
        self.runs += 1;
        self.wall += told.wall;
        self.bounds = Some(told.outcome.bounds);
        if let Some(page) = &mut self.page {
            page.take(campaign, told);
        }
        if let Some(violation) = told.outcome.judgement.violations.first() {
            self.violated.entry(violation.invariant).or_insert_with(|| Case {
                scenario: campaign.scenario.clone(),
                without: Vec::new(),
                seed: told.outcome.seed,
                schedule: told.outcome.schedule.clone(),
                planted: campaign.planted,
            });
        }
        let mut of_run = text::excuses(&told.outcome);
        let room = EXCUSES_SHOWN - self.excuses.len();
        self.more += of_run.len().saturating_sub(room);
        of_run.truncate(room);
        self.excuses.extend(of_run);
    }
}

/// Runs a campaign and tells it on stdout.
fn tell(
    campaign: &Campaign<'_>,
    trace: Option<Box<dyn Write>>,
    to_program: bool,
    report: Option<Place>,
) -> (Summary, Violated, io::Result<()>) {
    let mut out = io::stdout().lock();
    let progress = io::stderr().is_terminal() && !io::stdout().is_terminal();
    let count = campaign.seeds.end() - campaign.seeds.start() + 1;
    let mut written = Ok(());
    let mut heard = Heard { page: report.as_ref().map(|_| Page::default()), ..Heard::default() };
    if !to_program {
        written = writeln!(out, "{}", text::head(campaign));
    }
    let summary = campaign.run(trace, |told: &Told| {
        heard.take(campaign, told);
        let line = match to_program {
            true => json::run(campaign, told),
            false => text::run(campaign, told),
        };
        if written.is_ok() {
            written = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        if progress {
            eprint!("\r{} of {count}", heard.runs);
        }
    });
    if progress {
        eprintln!();
    }
    let Heard { wall, bounds, violated, mut excuses, more, page, .. } = heard;
    let wall_s = wall.as_secs_f64();
    if more > 0 {
        excuses.push(format!("and {more} more: --json has them all"));
    }
    if to_program {
        let line = json::summary(campaign, &summary, wall_s);
        written = written.and_then(|()| writeln!(out, "{line}"));
    } else if let Some(bounds) = bounds {
        let mut text = text::summary(campaign, &summary, &bounds, &excuses, wall_s);
        for gap in summary.gaps(&campaign.faults) {
            text.push_str(&format!("gap: {gap}\n"));
        }
        written = written.and_then(|()| write!(out, "{text}"));
    }
    if let (Some(place), Some(page)) = (report, page) {
        let saved = place.save(&page.html(campaign, &summary, &excuses, wall_s));
        let saved = saved.map_err(|error| io::Error::other(format!("the report: {error}")));
        written = written.and(saved);
    }
    (summary, violated, written)
}
