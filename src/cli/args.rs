//! The whole command line as types: every subcommand, flag and example of `evenkeel`.
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::carry::How;
use crate::journal::steps;

/// Exit codes, printed by `--help`; they are a promise to scripts.
const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 failed · 2 wrong use or invalid file, nothing touched · 3 holding or left \
something out, a person is needed · 4 a rehearsal found a violation";

/// Upgrades OutSystems Platform Server on a highly loaded farm with no downtime.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Validate a farm file; with --live also compare it with the farm itself.
    Check(CheckArgs),
    /// Decide who goes first, show capacity, hazards and policy, and write the plan.
    Plan(PlanArgs),
    /// Write the nine steps with this farm's names, for people to follow.
    Runbook(RunbookArgs),
    /// Carry a plan out.
    Apply(ApplyArgs),
    /// Go on with a run: answer its gate or hold, or take it up again after it was killed.
    Resume(ResumeArgs),
    /// Stop a run's progress; it keeps observing and protecting.
    #[command(after_help = "Example:\n  evenkeel hold retail.plan --as maria --ticket CHG-4711")]
    Hold(RequestArgs),
    /// Restore the baseline and end, while nothing has been upgraded yet.
    #[command(after_help = "Example:\n  evenkeel abort retail.plan --as maria --ticket CHG-4711")]
    Abort(RequestArgs),
    /// Put traffic back on the loaded half, until the first of them is touched.
    #[command(
        after_help = "Example:\n  evenkeel fall-back retail.plan --as maria --ticket CHG-4711"
    )]
    FallBack(RequestArgs),
    /// Tell where a run stands.
    Status(StatusArgs),
    /// Tell everything that happened in a run, from its journal.
    History(HistoryArgs),
    /// Runs `evenkeel-NAME`, or `evenkeel-sim NAME`.
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evenkeel check retail.farm.toml --live")]
pub struct CheckArgs {
    /// The farm file.
    #[arg(value_name = "FARM")]
    pub farm: PathBuf,
    /// Also log in everywhere, read everything and run each template's harmless verb; changes
    /// nothing, lists what differs from the file.
    #[arg(long)]
    pub live: bool,
    /// Answer as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evenkeel plan retail.farm.toml -o retail.plan\n  \
                        evenkeel plan retail.farm.toml -o retail.plan --takes 2h30m")]
pub struct PlanArgs {
    /// The farm file.
    #[arg(value_name = "FARM")]
    pub farm: PathBuf,
    /// Where to write the plan.
    #[arg(short, long, value_name = "PLAN")]
    pub output: PathBuf,
    /// Plan although it is refused, for this reason; the plan is marked with it.
    #[arg(long, value_name = "REASON")]
    pub force: Option<String>,
    /// How long the upgrade takes, such as 2h30m, for the start window of a farm file with a
    /// `[load]`; estimated from policy when left out.
    #[arg(long, value_name = "DURATION", value_parser = takes_minutes)]
    pub takes: Option<u32>,
    /// Answer as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The longest upgrade: a week. Beyond a day the time of day at which it begins says nothing.
const TAKES_MINUTES_MAX: i64 = 7 * 24 * 60;

/// A duration in whole minutes, rounded up.
fn takes_minutes(text: &str) -> Result<u32, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| "give hours and minutes, such as 2h30m".to_owned())?;
    let seconds = duration.as_secs() + i64::from(duration.subsec_nanos() > 0);
    let minutes = seconds.saturating_add(59).div_euclid(60);
    match u32::try_from(minutes) {
        Ok(short @ 1..) if minutes <= TAKES_MINUTES_MAX => Ok(short),
        _ => Err("an upgrade takes from a minute to a week".to_owned()),
    }
}

/// Arguments of `runbook`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evenkeel runbook retail.plan > retail.md")]
pub struct RunbookArgs {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// One self-contained HTML page instead of Markdown.
    #[arg(long)]
    pub html: bool,
}

/// Who asks, and under which ticket: recorded with every decision.
#[derive(Clone, Debug, Args)]
pub struct WhoArgs {
    /// Who decides; the user who runs the command when left out.
    #[arg(long = "as", value_name = "WHO")]
    pub who: Option<String>,
    /// The ticket the decision belongs to.
    #[arg(long, value_name = "TICKET")]
    pub ticket: Option<String>,
}

/// How a run is carried out in this terminal.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Approve gates: steps by number or name (3 or upgrade-updating), or `all`.
    #[arg(long, value_name = "STEP,…|all")]
    pub approve: Option<Approve>,
    /// Who decides, and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// What to do when only a person can help: wait, protecting the farm, or end.
    #[arg(long, value_enum, default_value_t = OnHoldArg::Wait)]
    pub on_hold: OnHoldArg,
    /// Write each event as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which gates are approved beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approve {
    /// Every gate of the plan.
    All,
    /// The gates before these steps.
    Steps(Vec<u8>),
}

impl std::str::FromStr for Approve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        text.split(',').map(steps::parse).collect::<Result<_, _>>().map(Self::Steps)
    }
}

impl RunArgs {
    /// How the run is carried out in this terminal.
    pub(crate) fn how(&self) -> How {
        How { on_hold: self.on_hold, json: self.json }
    }
}

impl RequestArgs {
    /// How the run is carried out, when this call takes it up.
    pub(crate) fn how(&self) -> How {
        How { on_hold: self.on_hold, json: self.json }
    }
}

/// What a run does when only a person can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnHoldArg {
    /// Wait, observing and protecting.
    Wait,
    /// End; nobody protects from then on.
    Exit,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  evenkeel apply retail.plan --approve 3 --as maria --ticket CHG-4711\n  \
                  evenkeel apply retail.plan --require-rehearsal retail.certificate"
)]
pub struct ApplyArgs {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Refuse to begin without this certificate of a rehearsal: of this plan and this program,
    /// without a violation, with the seeds, faults and age that `policy.rehearsal` asks. It guards
    /// against mistakes, not against forgery. `evenkeel-sim rehearse PLAN --certificate CERT`
    /// writes it.
    #[arg(long, value_name = "CERT")]
    pub require_rehearsal: Option<PathBuf>,
    /// Begin a plan that was forced although no time of day holds: the same reason as to `plan`.
    #[arg(long, value_name = "REASON")]
    pub force: Option<String>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  evenkeel resume retail.plan --approve 6 --as maria\n  \
                        evenkeel resume retail.plan --retry fe-03")]
pub struct ResumeArgs {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// How to run it.
    #[command(flatten)]
    pub run: RunArgs,
    /// Try the server again from where it stands; without a name, whatever the run holds for.
    #[arg(
        long,
        value_name = "SERVER",
        num_args = 0..=1,
        conflicts_with_all = ["by_hand", "leave_out"]
    )]
    pub retry: Option<Option<String>>,
    /// The server's jobs were done by hand: verify them instead of repeating them.
    #[arg(long, value_name = "SERVER", conflicts_with = "leave_out")]
    pub by_hand: Option<String>,
    /// Go on without the server; it stays out of rotation.
    #[arg(long, value_name = "SERVER")]
    pub leave_out: Option<String>,
}

/// Arguments of `hold`, `abort` and `fall-back`.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Who decides, and why.
    #[command(flatten)]
    pub who: WhoArgs,
    /// Where no process carries the run out, this one does: what it does when only a person can
    /// help.
    #[arg(long, value_enum, default_value_t = OnHoldArg::Wait)]
    pub on_hold: OnHoldArg,
    /// Write each event as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evenkeel status retail.plan --json")]
pub struct StatusArgs {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Answer as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  evenkeel history retail.plan | less")]
pub struct HistoryArgs {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Each event as one line of JSON.
    #[arg(long)]
    pub json: bool,
}
