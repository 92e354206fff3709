//! One call about one plan: the plan, its run's folder, and the requests that the call makes.
use std::path::{Path, PathBuf};

use super::args::{Approve, WhoArgs};
use super::world::{self, SystemClock};
use super::{Exit, complain};
use crate::journal::run_folder::RunFolder;
use crate::journal::standing::Standing;
use crate::journal::{Request, Wanted, steps};
use crate::names::ServerName;
use crate::plan::{self, Plan};
use crate::ports::WallClock as _;

/// A plan that was read, and where its run lives.
pub(crate) struct Session {
    /// The plan's path as the person gave it, for commands that are printed.
    pub(crate) shown: String,
    /// Its real path: a link to a plan leads to the same run.
    pub(crate) path: PathBuf,
    pub(crate) plan: Plan,
    pub(crate) hash: String,
    pub(crate) folder: RunFolder,
}

impl Session {
    /// Reads a plan; a complaint is printed when it cannot be.
    pub(crate) fn open(path: &Path) -> Result<Self, Exit> {
        let refuse = |why: &dyn std::fmt::Display| {
            complain(&format!("evenkeel: {why}"));
            Exit::WrongUse
        };
        let real = std::fs::canonicalize(path).map_err(|error| {
            refuse(&format_args!("{}: {error}; nothing was touched", path.display()))
        })?;
        let plan = plan::load(&real).map_err(|error| refuse(&error))?;
        let hash = plan.hash();
        let folder = RunFolder::of(&real);
        Ok(Self { shown: path.display().to_string(), path: real, plan, hash, folder })
    }

    /// A request of this call.
    pub(crate) fn request(&self, what: Wanted, who: &WhoArgs) -> Request {
        Request {
            what,
            who: who.who.clone().unwrap_or_else(world::user),
            ticket: who.ticket.clone(),
            plan_hash: self.hash.clone(),
            at: SystemClock.now(),
        }
    }

    /// What is wanted by `--approve`; a complaint is printed for a step without a gate.
    pub(crate) fn approvals(&self, approve: Option<&Approve>) -> Result<Vec<Wanted>, Exit> {
        let gates = &self.plan.farm.policy.gates;
        let asked = match approve {
            None => return Ok(Vec::new()),
            Some(Approve::All) => gates,
            Some(Approve::Steps(asked)) => asked,
        };
        if let Some(step) = asked.iter().find(|step| !gates.contains(step)) {
            let gates: Vec<_> = gates.iter().map(|step| steps::title(*step)).collect();
            complain(&format!(
                "evenkeel: no gate stands before step {}; this plan's gates: {}",
                steps::title(*step),
                if gates.is_empty() { "none".to_owned() } else { gates.join(", ") },
            ));
            return Err(Exit::WrongUse);
        }
        Ok(asked.iter().map(|step| Wanted::Approve { step: *step }).collect())
    }

    /// A server of the plan by its name; a complaint is printed when it has none of that name.
    pub(crate) fn server(&self, name: &str) -> Result<ServerName, Exit> {
        let farm = &self.plan.farm;
        let mut servers: Vec<&ServerName> = farm.front_ends.iter().map(|it| &it.name).collect();
        servers.extend(farm.pure_controller.as_ref().map(|it| &it.name));
        if let Some(server) = servers.iter().find(|server| server.as_str() == name) {
            return Ok((*server).clone());
        }
        let names: Vec<_> = servers.iter().map(|server| server.as_str()).collect();
        complain(&format!("evenkeel: `{name}` is no server of this plan: {}", names.join(", ")));
        Err(Exit::WrongUse)
    }

    /// The journal's plan must be this one: a journal belongs to one plan.
    pub(crate) fn check_journal_is_ours(&self, standing: &Standing) -> Result<(), Exit> {
        match &standing.plan_hash {
            Some(hash) if *hash != self.hash => {
                complain(&format!(
                    "evenkeel: the run in {} was begun with another plan than {} now holds.\n\
                     Put the plan back as it was to go on with that run, or write the new plan to \
                     another file.",
                    self.folder.path().display(),
                    self.shown,
                ));
                Err(Exit::WrongUse)
            }
            _ => Ok(()),
        }
    }
}
