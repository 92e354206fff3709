//! `rehearse --certificate FILE`: what a campaign found, bound to the plan and the program.
use std::path::Path;

use evenkeel::certificate::{Certificate, Demand, FORMAT, Program, Seeds, Source, Verdicts};
use evenkeel::cli::world::SystemClock;
use evenkeel::place::Place;
use evenkeel::ports::WallClock as _;

use crate::campaign::{Campaign, Summary};
use crate::scenario::Scenario;

use super::{Exit, spare};

/// Where the certificate will be written: that it can be is known before the campaign. A campaign
/// that is killed writes none.
pub(super) fn place(
    path: Option<&Path>,
    scenario: &Scenario,
) -> Result<Option<(String, Place)>, Exit> {
    let Some(path) = path else { return Ok(None) };
    spare(path, &scenario.path)?;
    match Place::reserve(path) {
        Ok(place) => Ok(Some((path.display().to_string(), place))),
        Err(error) => Err(unwritten(&path.display().to_string(), &error)),
    }
}

/// Writes the certificate, and says what would speak against it.
pub(super) fn write(
    (path, place): (String, Place),
    campaign: &Campaign<'_>,
    summary: &Summary,
) -> Exit {
    let certificate = of(campaign, summary);
    if let Err(error) = place.save(&certificate.text()) {
        return unwritten(&path, &error);
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
        rehearsed_at: SystemClock.now(),
    }
}

fn unwritten(path: &str, error: &std::io::Error) -> Exit {
    eprintln!("{path}: the certificate cannot be written: {error}");
    Exit::Failed
}
