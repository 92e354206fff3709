//! Who is upgraded when. The public guide only says "the controller and the updating front-ends";
//! the order within is ours.
use crate::farm::Farm;
use crate::names::ServerName;
use crate::procedure::action::JobKind;

use super::model::{ServerJobs, Stage};

/// Step 3: the controller first and alone; with a pure controller, which has no Service Center,
/// the first updating front-end next and alone; then the others; then `publish`, once.
pub(super) fn updating(farm: &Farm, updating: &[ServerName]) -> Vec<Stage> {
    let mut stages = Vec::new();
    let Some((first, others)) = updating.split_first() else { return stages };
    if let Some(controller) = &farm.pure_controller {
        stages.push(alone(&controller.name, vec![JobKind::ControllerUpgrade]));
        stages.push(alone(first, vec![JobKind::FrontEndUpgrade, JobKind::ServiceCenterInstall]));
    } else {
        stages.push(alone(first, vec![JobKind::ControllerUpgrade, JobKind::ServiceCenterInstall]));
    }
    stages.extend(together(others));
    if farm.host.publish {
        stages.push(alone(first, vec![JobKind::Publish]));
    }
    stages
}

/// Step 6: all of the loaded half. Ensuring the Deployment Service (step 7) is the procedure's.
pub(super) fn loaded(loaded: &[ServerName]) -> Vec<Stage> {
    together(loaded).into_iter().collect()
}

fn alone(server: &ServerName, kinds: Vec<JobKind>) -> Stage {
    Stage { servers: vec![ServerJobs { server: server.clone(), kinds }] }
}

fn together(servers: &[ServerName]) -> Option<Stage> {
    let jobs = |server: &ServerName| ServerJobs {
        server: server.clone(),
        kinds: vec![JobKind::FrontEndUpgrade],
    };
    (!servers.is_empty()).then(|| Stage { servers: servers.iter().map(jobs).collect() })
}
