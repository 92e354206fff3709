//! `evenkeel-sim rehearse --crash-points`: a crash of the orchestrator at every point of a run.
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::Instant;

use crate::campaign::crash_points::{CrashPoints, Crashes, Findings, Part};
use crate::report::crash_points as told;

use super::{Exit, answered};

/// Which crashes.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// One at every point.
    All,
    /// Two, the second at every point of the run that was taken up after the first; away for a
    /// second each time, or for an hour.
    Pairs,
    /// These.
    These(Crashes),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "pairs" => Ok(Self::Pairs),
            crashes => crashes.parse().map(Self::These),
        }
    }
}

/// Runs and tells them. Exit 4 when one of them went wrong, the run was wrong without any, or a crash
/// did not happen.
pub(super) fn run(campaign: &CrashPoints<'_>, which: &Which, part: Option<Part>) -> Exit {
    if let (Which::These(_), Some(part)) = (which, part) {
        eprintln!(
            "points that are named are no {part} of all: leave out one of the two; nothing was run"
        );
        return Exit::WrongUse;
    }
    match tell(campaign, which, part.unwrap_or(Part::WHOLE)) {
        Ok(exit) => exit,
        Err(error) => answered(Err(error)),
    }
}

/// Says whether all went well.
#[allow(clippy::disallowed_methods)] // how long the machine takes is told, and decides nothing
fn tell(campaign: &CrashPoints<'_>, which: &Which, part: Part) -> io::Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let begun = Instant::now();
    let undisturbed = campaign.undisturbed();
    writeln!(out, "{}", told::head(campaign, &undisturbed, part))?;
    out.flush()?;
    if let Some(wrong) = told::wrong_without_a_crash(campaign, &undisturbed) {
        write!(out, "{wrong}")?;
        out.flush()?;
        return Ok(Exit::Violation);
    }
    let progress = io::stderr().is_terminal() && !matches!(which, Which::These(_));
    let points = CrashPoints::points(undisturbed.points, part);
    let (mut failures, mut written) = (0, Ok(()));
    // What went wrong is told when it is known: all points of a large farm take hours.
    let mut show = |done: u64, findings: &Findings| {
        for failure in &findings.failures[failures..] {
            let text = told::failure(campaign, failure, failures);
            failures += 1;
            written = write!(out, "{text}").and_then(|()| out.flush());
            if written.is_err() {
                return ControlFlow::Break(()); // the others would be told to nobody
            }
        }
        if progress {
            eprint!("\r{done} of {}", points.len());
        }
        ControlFlow::Continue(())
    };
    let findings = match which {
        Which::All => campaign.singles(&points, &mut show),
        Which::Pairs => campaign.pairs(&points, &mut show),
        Which::These(crashes) => {
            let findings = campaign.these(crashes.clone());
            _ = show(1, &findings);
            findings
        }
    };
    if progress {
        eprintln!();
    }
    written?;
    let wall_s = begun.elapsed().as_secs_f64();
    write!(out, "{}", told::findings(&findings, wall_s))?;
    out.flush()?;
    let nothing_shown = match which {
        Which::These(crashes) if findings.missed() => {
            let points = if crashes.0.len() == 1 { "that point" } else { "both of these points" };
            format!(
                "{crashes}: this run does not reach {points}, so nothing is shown by it; how far it \
                 gets is told above"
            )
        }
        _ if findings.missed() => {
            "some crashes did not happen, as told above: nothing is shown by those runs".to_owned()
        }
        _ if findings.runs() == 0 => {
            format!("part {part} has no crash point, or none after it: no run was made")
        }
        _ if findings.failures.is_empty() => return Ok(Exit::Good),
        _ => return Ok(Exit::Violation),
    };
    eprintln!("{nothing_shown}");
    Ok(Exit::Violation)
}
