//! How long an upgrade takes: given by a person, or estimated from what policy says of its parts.
use serde::{Deserialize, Serialize};

use crate::farm::Farm;

/// How much less than its deadline a job usually takes: policy's deadlines of installers are three
/// times the usual (`farm::policy_reasons`), and so is that of services to initialise.
const USUAL_PART: u64 = 3;
/// The same of deployment that catches up: up to 30 minutes of a deadline of 60.
const DEPLOYMENT_PART: u64 = 2;

/// How long an upgrade is assumed to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takes {
    /// All of it, in minutes.
    pub minutes: u32,
    /// Where that is from; nothing when a person said it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A part of the estimate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What is done.
    pub what: String,
    /// How long it takes, in minutes.
    pub minutes: u32,
}

impl Takes {
    /// What a person said.
    #[must_use]
    pub fn given(minutes: u32) -> Self {
        Self { minutes, parts: Vec::new() }
    }

    /// What policy leads one to expect: installers at their usual time, the whole of the soak, each
    /// drain at its deadline. Waiting at gates is not in it: nobody knows how long people take.
    #[must_use]
    pub fn estimated(farm: &Farm) -> Self {
        let policy = &farm.policy;
        let upgrade_ms = policy.upgrade_ms_max / USUAL_PART;
        // The controller is upgraded alone; the others of each half by `parallel_max`, of which
        // the last of a half may be fewer.
        let controllers = u64::from(farm.pure_controller.is_some());
        let others = farm.front_ends.len() as u64 + controllers - 1;
        let parallel = u64::from(policy.parallel_max.max(1));
        let rounds = others.div_ceil(parallel) + u64::from(parallel > 1);
        let mut parts = vec![
            part("two drains", 2 * policy.drain_ms_max),
            part("the controller", upgrade_ms),
            part("Service Center", policy.service_center_ms_max / USUAL_PART),
            part("the other servers", rounds * upgrade_ms),
        ];
        if farm.host.publish {
            parts.push(part("publishing", policy.publish_ms_max));
        }
        let start_ms = policy.initialise_ms_max / USUAL_PART;
        let deploy_ms = policy.idle_ms_max / DEPLOYMENT_PART;
        parts.push(part("start and deployment of both halves", 2 * (start_ms + deploy_ms)));
        parts.push(part("the soak", policy.soak_ms));
        let minutes = parts.iter().fold(0_u32, |sum, part| sum.saturating_add(part.minutes));
        Self { minutes, parts }
    }
}

fn part(what: &str, ms: u64) -> Part {
    let minutes = u32::try_from(ms.div_ceil(60_000)).unwrap_or(u32::MAX);
    Part { what: what.to_owned(), minutes }
}
