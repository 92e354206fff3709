//! A campaign told on stdout as it goes, to people or to programs, and what is kept of it for later.
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use crate::campaign::{Campaign, Summary, Told};
use crate::failure::Case;
use crate::oracle::Bounds;
use crate::report::page::Page;
use crate::report::{json, text};

use super::keep::Violated;

/// Excuses printed; the others are in `--json`.
const EXCUSES_SHOWN: usize = 10;

/// How a campaign is told.
pub(super) struct Telling {
    /// One JSON object a run, and one for all of them.
    pub(super) to_program: bool,
    /// A page about it is wanted.
    pub(super) page: bool,
    /// Something is wanted of it beside the answers: it goes on when nobody reads those any more.
    pub(super) to_the_end: bool,
}

/// A campaign that was told.
pub(super) struct Ended {
    /// What was told, all together.
    pub(super) summary: Summary,
    /// What was broken.
    pub(super) violated: Violated,
    /// The page, if one is wanted.
    pub(super) page: Option<String>,
    /// Whether all of it could be told.
    pub(super) written: io::Result<()>,
}

/// What is kept of runs: a campaign's memory does not grow with its seeds.
#[derive(Default)]
struct Heard {
    runs: u64,
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
#[allow(clippy::disallowed_methods)] // how long the machine takes is told, and decides nothing
pub(super) fn tell(
    campaign: &Campaign<'_>,
    telling: &Telling,
    trace: Option<Box<dyn Write>>,
) -> Ended {
    let mut out = io::stdout().lock();
    let progress = io::stderr().is_terminal() && !io::stdout().is_terminal();
    let count = campaign.seeds.end() - campaign.seeds.start() + 1;
    let mut written = Ok(());
    let mut heard = Heard { page: telling.page.then(Page::default), ..Heard::default() };
    if !telling.to_program {
        written = writeln!(out, "{}", text::head(campaign));
    }
    let begun = Instant::now();
    let summary = campaign.run_until(trace, |told: &Told| {
        heard.take(campaign, told);
        let line = match telling.to_program {
            true => json::run(campaign, told),
            false => text::run(campaign, told),
        };
        if written.is_ok() {
            written = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        if progress {
            eprint!("\r{} of {count}", heard.runs);
        }
        match written.is_ok() || telling.to_the_end {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()), // the others would be told to nobody
        }
    });
    let wall_s = begun.elapsed().as_secs_f64();
    if progress {
        eprintln!();
    }
    let Heard { bounds, violated, mut excuses, more, page, .. } = heard;
    if more > 0 {
        excuses.push(format!("and {more} more: --json has them all"));
    }
    let all = match (telling.to_program, bounds) {
        (true, _) => json::summary(campaign, &summary, wall_s) + "\n",
        (false, Some(bounds)) => text::summary(campaign, &summary, &bounds, &excuses, wall_s),
        (false, None) => String::new(),
    };
    let written = written.and_then(|()| write!(out, "{all}")).and_then(|()| out.flush());
    let page = page.map(|page| page.html(campaign, &summary, &excuses, wall_s));
    Ended { summary, violated, page, written }
}
