//! Whether the farm file still says what the plan was made from.
use std::collections::BTreeMap;

use serde_json::Value;

use crate::farm::{self, FarmErrors};

use super::Plan;

/// Differences listed; more than these say no more.
const DIFFERENCES_MAX: usize = 20;

/// Why a plan no longer fits its farm file. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum FarmChanged {
    /// The farm file cannot be read any more, or has mistakes.
    #[error("the plan's farm file can no longer be used: {0}. Mend it and plan again")]
    Unusable(#[from] FarmErrors),
    /// It says something else.
    #[error(
        "the farm file says something else than when the plan was made:\n  {}\nNothing was \
         touched. Plan again with `evenkeel plan`, or put the farm file back as it was",
        .0.join("\n  ")
    )]
    Differs(Vec<String>),
}

/// Reads the plan's farm file again and compares it with what the plan was made from.
///
/// # Errors
/// It cannot be read, has mistakes, or differs; each difference is named.
pub fn verify_farm_unchanged(plan: &Plan) -> Result<(), FarmChanged> {
    let now = farm::load(&plan.farm_file)?.farm;
    if now == plan.farm {
        return Ok(());
    }
    let json = |farm| serde_json::to_value(farm).expect("a farm has string keys only");
    let mut differences = Vec::new();
    compare("", &json(&plan.farm), &json(&now), &mut differences);
    if differences.len() > DIFFERENCES_MAX {
        let more = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("and {more} more"));
    }
    Err(FarmChanged::Differs(differences))
}

fn compare(path: &str, then: &Value, now: &Value, differences: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            let pairs = |map: &serde_json::Map<String, Value>| {
                map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
            };
            compare_maps(path, &pairs(then), &pairs(now), differences);
        }
        // Zones, front-ends, nodes and pools are known by their names, not by their places.
        (Value::Array(then), Value::Array(now)) if named(then) && named(now) => {
            let pairs = |list: &[Value]| {
                let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
                list.iter().map(|value| (name(value), value.clone())).collect()
            };
            let before = differences.len();
            compare_maps(path, &pairs(then), &pairs(now), differences);
            if differences.len() == before && then != now {
                differences.push(format!("{path}: another order"));
            }
        }
        _ if then != now => differences.push(format!("{path}: {then} when planned, {now} now")),
        _ => {}
    }
}

fn named(list: &[Value]) -> bool {
    list.iter().all(|value| value.get("name").is_some())
}

fn compare_maps(
    path: &str,
    then: &BTreeMap<String, Value>,
    now: &BTreeMap<String, Value>,
    differences: &mut Vec<String>,
) {
    let place = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, value) in then {
        match now.get(key) {
            Some(other) => compare(&place(key), value, other, differences),
            None => differences.push(format!("{}: gone", place(key))),
        }
    }
    for key in now.keys().filter(|key| !then.contains_key(*key)) {
        differences.push(format!("{}: new", place(key)));
    }
}
