//! `apply --require-rehearsal`: whether a certificate vouches for this plan and this program.
use std::path::Path;

use serde_json::json;

use super::session::Session;
use super::world::SystemClock;
use super::{Exit, answer, complain, wrapped};
use crate::certificate::{self, Demand, Objection, Program};
use crate::farm::policy::Rehearsal;
use crate::journal::tell::JSON_VERSION;
use crate::ports::WallClock as _;

/// The SHA-256 of a certificate that vouches. What speaks against one is told, all of it at once.
pub(crate) fn by(session: &Session, file: &Path, json: bool) -> Result<String, Exit> {
    let (certificate, file_hash) = certificate::load(file).map_err(|error| {
        complain(&format!("evenkeel: {error}"));
        Exit::WrongUse
    })?;
    let demand = Demand {
        plan_hash: &session.hash,
        rehearsal: &session.plan.farm.policy.rehearsal,
        program: &Program::this(),
        now: SystemClock.now(),
    };
    let objections = certificate.objections(&demand);
    if objections.is_empty() {
        return Ok(file_hash);
    }
    if json {
        answer(&as_json(file, &objections));
    } else {
        complain(&as_text(session, file, &objections));
    }
    Err(Exit::WrongUse)
}

fn as_json(file: &Path, objections: &[Objection]) -> String {
    let refused = json!({ "certificate": file.display().to_string(), "objections": objections });
    json!({ "v": JSON_VERSION, "refused": refused }).to_string()
}

fn as_text(session: &Session, file: &Path, objections: &[Objection]) -> String {
    let mut text = String::new();
    for objection in objections {
        text.push_str(&wrapped("refused: ", &objection.to_string()));
        text.push('\n');
    }
    text.push_str(&wrapped("   help: ", &help(session, file, objections)));
    let (file, plan) = (file.display(), &session.shown);
    text.push_str(&format!("\n{file} does not vouch for {plan}; nothing was touched"));
    text
}

fn help(session: &Session, file: &Path, objections: &[Objection]) -> String {
    let Rehearsal { seeds_min, faults, .. } = &session.plan.farm.policy.rehearsal;
    let rehearse = format!(
        "`evenkeel-sim rehearse {} --seeds {seeds_min} --faults {faults} --certificate {}`",
        session.shown,
        file.display(),
    );
    let red = |it: &Objection| {
        matches!(
            it,
            Objection::Violated { .. } | Objection::NoneDone { .. } | Objection::Gaps { .. }
        )
    };
    if objections.iter().any(red) {
        format!(
            "do not apply it before it is known why: {rehearse} tells each run and how it is \
             played again"
        )
    } else {
        format!("rehearse it with the `evenkeel-sim` that was built with this program: {rehearse}")
    }
}
