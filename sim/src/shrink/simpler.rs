//! Simpler forms of one event, the simplest first: a happening rather than an instant, at once
//! rather than later, shorter, less, once rather than always.
//!
//! Works on the event as data, so that a new kind of fault needs nothing here: what ends in `_ms`
//! is a time, and `times` counts.
use serde_json::Value;

use crate::nemesis::{Planned, Trigger};

/// Below this a time is as good as none.
const SHORT_MS: u64 = 100;

/// Simpler forms of an event; `after` is the last happening before it struck.
pub(super) fn of(planned: &Planned, after: Option<Trigger>) -> Vec<Planned> {
    let mut simpler = Vec::new();
    let is_late = planned.trigger.after_ms() > 0;
    if let Some(trigger) = after.filter(|trigger| *trigger != planned.trigger && is_late) {
        simpler.push(Planned { trigger, fault: planned.fault.clone() });
    }
    let whole = serde_json::to_value(planned).expect("an event is data");
    let mut paths = Vec::new();
    numbers(&whole, &mut Vec::new(), &mut paths);
    for (path, number) in paths {
        let name = path.last().map_or("", String::as_str);
        let less = match number {
            _ if name == "times" && number > 1 => vec![1],
            _ if name.ends_with("_ms") && number > SHORT_MS => vec![0, number / 2],
            _ => Vec::new(),
        };
        for number in less {
            let mut form = whole.clone();
            let place = path.iter().try_fold(&mut form, |value, key| value.get_mut(key));
            *place.expect("the path leads to a number") = number.into();
            // What a kind does not allow is no form of it.
            simpler.extend(serde_json::from_value::<Planned>(form).ok());
        }
    }
    simpler
}

/// Every whole number of an object, with the way to it.
fn numbers(value: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, u64)>) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        path.push(key.clone());
        match value.as_u64() {
            Some(number) => found.push((path.clone(), number)),
            None => numbers(value, path, found),
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::Fault;
    use crate::nemesis::fault::LinkFault;

    /// Goal: every form is simpler, and the simplest comes first. Method: a late spike of latency
    /// just after a step began.
    #[test]
    fn forms_are_sooner_shorter_and_less() {
        let latency = |extra_ms, for_ms| {
            Fault::Link(LinkFault::Latency { hosts: [].into(), extra_ms, for_ms })
        };
        let at = |at_ms| Trigger::At { at_ms };
        let planned = Planned { trigger: at(9_000), fault: latency(50, 60_000) };
        let step = Trigger::Step { step: 5, after_ms: 0 };
        let forms = of(&planned, Some(step.clone()));
        let (trigger, fault) = (planned.trigger, planned.fault);
        let expected = [
            Planned { trigger: step, fault: fault.clone() },
            Planned { trigger: trigger.clone(), fault: latency(50, 0) },
            Planned { trigger, fault: latency(50, 30_000) },
            Planned { trigger: at(0), fault: fault.clone() },
            Planned { trigger: at(4_500), fault },
        ];
        assert_eq!(forms, expected);
    }
}
