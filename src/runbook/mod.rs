//! The nine steps with a farm's own names, commands and pages, for people to follow.
//!
//! * [`document`] — headings, paragraphs, lists, commands; as Markdown or as an HTML page.
//! * [`haproxy`] — the balancer's commands; `commands` — those on servers.
//! * [`start`] — when to begin, in words.
//! * `before`, `first_half`, `second_half` — the text; `parts` — what its steps share.
//!
//! What the public guide does not have is marked, so that a reader can tell the vendor's
//! procedure from ours.
mod before;
mod commands;
pub mod document;
mod first_half;
pub mod haproxy;
mod parts;
mod second_half;
pub mod start;

use crate::plan::Plan;

use document::{Document, code};

/// Marks what the public guide does not have.
pub const ADDED: &str = "**[added]**";

/// The runbook of a plan.
#[must_use]
pub fn of(plan: &Plan) -> Document {
    let farm = &plan.farm;
    let mut document = Document::new(&format!("Upgrade of {} to {}", farm.name, farm.version_to));
    document.text(&format!(
        "From {} to {}, without downtime, by hand. Made from plan {} of {}. Steps follow the \
         public guide \"Balanced Platform Upgrade on Highly Loaded OutSystems Farms\"; what it \
         does not have is marked {ADDED}.",
        code(&farm.version_from.to_string()),
        code(&farm.version_to.to_string()),
        code(&plan.hash()[..12]),
        code(&plan.farm_file.display().to_string()),
    ));
    if let Some(reason) = &plan.forced {
        document.text(&format!("**This plan was refused and forced**, because: {}", code(reason)));
    }
    before::sets(&mut document, plan);
    before::hazards(&mut document, plan);
    before::before(&mut document, plan);
    first_half::one_to_five(&mut document, plan);
    second_half::soak(&mut document, plan);
    second_half::six_to_nine(&mut document, plan);
    document
}
