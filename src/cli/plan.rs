//! `evenkeel plan FARM -o PLAN`: decides who goes first and tells what that means.
use serde_json::json;

use crate::journal::run_folder::RunFolder;
use crate::plan::{self, Plan, Takes};

use super::args::PlanArgs;
use super::{Exit, answer, complain, files, plan_text};

/// Makes and writes a plan.
pub(crate) fn run(args: &PlanArgs) -> Exit {
    if args.force.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        complain("evenkeel: `--force` wants a reason: it is kept in the plan");
        return Exit::WrongUse;
    }
    let same = |path: &std::path::Path| path.canonicalize().ok();
    if same(&args.output).is_some_and(|output| Some(output) == same(&args.farm)) {
        complain("evenkeel: the plan would overwrite its farm file; give `-o` another path");
        return Exit::WrongUse;
    }
    let made = files::farm(&args.farm, args.json).and_then(|loaded| {
        if args.takes.is_some() && loaded.farm.load.is_none() {
            complain(
                "evenkeel: `--takes` is for a farm file with a `[load]` section, which \
                     `evenkeel-sim profile` writes of access logs; nothing was touched",
            );
            return Err(Exit::WrongUse);
        }
        let takes = args.takes.map(Takes::given);
        files::build(&args.farm, &loaded, args.force.clone(), takes, args.json)
    });
    let plan = match made {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let begun = RunFolder::of(&args.output).journal().exists();
    let other = |there: Plan| there.hash() != plan.hash();
    if begun && plan::load(&args.output).is_ok_and(other) {
        complain(&format!(
            "evenkeel: a run of {0} was begun, and needs the plan that is there to go on; nothing was \
             touched: give `-o` another path",
            args.output.display()
        ));
        return Exit::WrongUse;
    }
    if let Err(error) = plan::save(&plan, &args.output) {
        complain(&format!("evenkeel: {error}"));
        return Exit::Failed;
    }
    if args.json {
        let file = args.output.display().to_string();
        answer(
            &json!({
                "v": files::JSON_FORMAT, "file": file, "hash": plan.hash(), "plan": plan,
            })
            .to_string(),
        );
    } else {
        answer(&plan_text::told(&plan, &args.output));
    }
    Exit::Done
}
