//! `rehearse --certificate FILE`: what a campaign found, bound to the plan and the program.
use std::path::Path;

use evenkeel::certificate::{Certificate, Demand, FORMAT, Program, Seeds, Source, Verdicts};
use evenkeel::cli::world::SystemClock;
use evenkeel::ports::WallClock as _;

use crate::campaign::{Campaign, Summary};
use crate::scenario::Scenario;

use super::Exit;
use super::output::{Output, spare};

/// Where the certificate will be written: that it can be is known before the campaign. A campaign
/// that is killed writes none.
pub(super) fn place(path: Option<&Path>, scenario: &Scenario) -> Result<Option<Output>, Exit> {
    let Some(path) = path else { return Ok(None) };
    spare(path, scenario)?;
    Output::at(path).map(Some).map_err(|error| {
        eprintln!(
            "{}: the certificate cannot be written: {error}; nothing was run. Give another path",
            path.display()
        );
        Exit::Failed
    })
}

/// Writes the certificate, and says what would speak against it.
pub(super) fn write(output: &Output, campaign: &Campaign<'_>, summary: &Summary) -> Exit {
    let certificate = of(campaign, summary);
    let path = output.path().display();
    if let Err(error) = output.save(&certificate.text()) {
        eprintln!(
            "{path}: the certificate could not be written: {error}; what was there is still whole. \
             Rehearse again when there is room, or with another path"
        );
        return Exit::Failed;
    }
    let scenario = campaign.scenario;
    let demand = Demand {
        plan_hash: &scenario.given_plan_hash,
        rehearsal: &scenario.plan.farm.policy.rehearsal,
        program: &certificate.program,
        now: certificate.rehearsed_at,
    };
    match certificate.objections(&demand).as_slice() {
        [] => eprintln!("{path}: certificate written"),
        objections => {
            eprintln!("{path}: certificate written, but `--require-rehearsal` will refuse it:");
            objections.iter().for_each(|it| eprintln!("  {it}"));
            let gaps = summary.gaps(&campaign.faults);
            gaps.iter().for_each(|gap| eprintln!("  gap: {gap}"));
        }
    }
    Exit::Good
}

fn of(campaign: &Campaign<'_>, summary: &Summary) -> Certificate {
    let scenario = campaign.scenario;
    let struck = summary.coverage.families.iter();
    Certificate {
        format: FORMAT,
        plan_hash: scenario.given_plan_hash.clone(),
        program: Program::this(),
        scenario: Source {
            file: scenario.path.display().to_string(),
            hash: scenario.file_hash.clone(),
        },
        faults: campaign.faults.to_string(),
        seeds: Seeds { first: *campaign.seeds.start(), count: summary.runs },
        verdicts: Verdicts { done: summary.done, held: summary.held, violated: summary.violated },
        simulated_ms: summary.simulated_ms,
        struck: struck.map(|(family, runs)| (family.name().to_owned(), *runs)).collect(),
        gaps: summary.gaps(&campaign.faults).len() as u64,
        rehearsed_at: SystemClock.now(),
    }
}
