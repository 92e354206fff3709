//! `evenkeel-sim rehearse --crash-points`: a crash of the orchestrator at every point of a run.
use std::io::{self, BufWriter, IsTerminal, Write};
use std::str::FromStr;
use std::time::Instant;

use crate::campaign::crash_points::{CrashPoints, Crashes};
use crate::report::crash_points as told;

use super::Exit;

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

/// Runs and tells them. Exit 4 when one of them went wrong.
pub(super) fn run(campaign: &CrashPoints<'_>, which: &Which) -> Exit {
    match tell(campaign, which) {
        Ok(0) => Exit::Good,
        Ok(_) => Exit::Violation,
        // Whoever read the answers has gone; there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Failed,
        Err(error) => {
            eprintln!("the answers cannot be written: {error}");
            Exit::Failed
        }
    }
}

/// Says how many went wrong.
#[allow(clippy::disallowed_methods)] // how long the machine takes is told, and decides nothing
fn tell(campaign: &CrashPoints<'_>, which: &Which) -> io::Result<usize> {
    let mut out = BufWriter::new(io::stdout().lock());
    let begun = Instant::now();
    let undisturbed = campaign.undisturbed();
    writeln!(out, "{}", told::head(campaign, &undisturbed))?;
    out.flush()?;
    let progress = io::stderr().is_terminal();
    let show = |of: usize| {
        move |done: u64| {
            if progress {
                eprint!("\r{done} of {of}");
            }
        }
    };
    let findings = match which {
        Which::All => {
            let points = CrashPoints::points(undisturbed.points);
            campaign.singles(&points, show(points.len()))
        }
        Which::Pairs => {
            let points = CrashPoints::points(undisturbed.points);
            campaign.pairs(&points, show(points.len()))
        }
        Which::These(crashes) => campaign.these(crashes.clone()),
    };
    if progress {
        eprintln!();
    }
    let wall_s = begun.elapsed().as_secs_f64();
    write!(out, "{}", told::findings(campaign, &findings, wall_s))?;
    out.flush()?;
    Ok(findings.failures.len())
}
