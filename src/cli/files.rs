//! Reading farm files and plans for subcommands: mistakes are told once, here.
use std::io::{IsTerminal, stderr};
use std::path::Path;

use serde_json::{Value, json};

use crate::farm::{self, FarmErrors, LoadedFarm};
use crate::plan::{self, Plan, Refusal, Takes};

use super::{Exit, answer, complain};

/// Version of what `--json` writes for `check` and `plan`.
pub(crate) const JSON_FORMAT: u32 = 1;

/// Reads a farm file, or tells its mistakes.
pub(crate) fn farm(path: &Path, json: bool) -> Result<LoadedFarm, Exit> {
    farm::load(path).map_err(|errors| {
        if json {
            answer(&json!({ "v": JSON_FORMAT, "mistakes": mistakes(&errors) }).to_string());
        } else {
            complain(&errors.report(stderr().is_terminal()));
        }
        Exit::WrongUse
    })
}

fn mistakes(errors: &FarmErrors) -> Vec<Value> {
    let one = |mistake: &farm::Mistake| {
        let (line, column) = errors.place(mistake).unzip();
        json!({
            "line": line, "column": column, "message": mistake.message, "help": mistake.help,
        })
    };
    errors.mistakes.iter().map(one).collect()
}

/// Makes a plan, or tells why it is refused.
pub(crate) fn build(
    path: &Path,
    loaded: &LoadedFarm,
    force: Option<String>,
    takes: Option<Takes>,
    json: bool,
) -> Result<Plan, Exit> {
    plan::build_taking(loaded, force, takes).map_err(|refusals| {
        if json {
            answer(&json!({ "v": JSON_FORMAT, "refusals": refusals }).to_string());
        } else {
            complain(&refused(path, &refusals));
        }
        Exit::WrongUse
    })
}

fn refused(path: &Path, refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        text.push_str(&super::wrapped("refused: ", &refusal.what));
        text.push('\n');
        text.push_str(&super::wrapped("   help: ", &refusal.help));
        text.push('\n');
    }
    let forced = if refusals.iter().all(|refusal| refusal.can_be_forced) {
        "; `evenkeel plan --force REASON` plans it all the same and marks the plan"
    } else {
        ""
    };
    text.push_str(&format!("{}: no plan is safe, nothing was touched{forced}", path.display()));
    text
}

/// Reads a plan, or tells what is wrong with it.
pub(crate) fn plan(path: &Path) -> Result<Plan, Exit> {
    plan::load(path).map_err(|error| {
        complain(&format!("evenkeel: {error}"));
        Exit::WrongUse
    })
}
