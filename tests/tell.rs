//! The promise of what is told: every event has its line for people and its object for programs,
//! and a hold says what is safe and which commands help.
use evenkeel::journal::tell::{JSON_VERSION, Teller, command, json};
use evenkeel::journal::{Event, Record, WayOut};
use proptest::prelude::*;

mod support;
use support::events::{self, KINDS_OF_EVENT, arbitrary, instant, samples};

const PLAN: &str = "retail.plan";

fn record(event: Event) -> Record {
    Record { ordinal: 7, at: instant(), event }
}

/// Every sample as it is told by a teller that knows of no earlier event.
fn told() -> Vec<(Event, String)> {
    let tell = |event: Event| {
        let text = Teller::new(PLAN).tell(&record(event.clone()));
        (event, text)
    };
    samples().into_iter().map(tell).collect()
}

/// Goal: no event is silent, and the words for each are read over when they change. Method: one
/// snapshot of every sample, after checking that the samples have every kind.
#[test]
fn every_event_has_a_line() {
    let kinds: std::collections::BTreeSet<_> = samples().iter().map(events::kind).collect();
    assert_eq!(kinds, (0..KINDS_OF_EVENT).collect(), "the samples have every kind");
    let mut all = String::new();
    for (event, text) in told() {
        assert!(text.starts_with("2026-03-01T02:00:00Z  "), "{text}");
        assert!(text.lines().next().is_some_and(|line| line.len() > 24), "{event:?}: {text}");
        all.push_str(&text);
        all.push('\n');
    }
    insta::assert_snapshot!(all);
}

/// Goal: whoever reads of a server's event reads its name. Method: every sample that names one.
#[test]
fn a_line_names_its_server() {
    let server = events::server();
    let named = |event: &Event| {
        let json = serde_json::to_value(event).expect("an event has a JSON form");
        json.to_string().contains(&format!("\"{server}\"")) && !matches!(event, Event::Baseline(_))
    };
    let mut count = 0;
    for (event, text) in told().into_iter().filter(|(event, _)| named(event)) {
        assert!(text.contains(server.as_str()), "{event:?}: {text}");
        count += 1;
    }
    assert!(count > 30, "most samples name one: {count}");
}

/// Goal: a hold prints what is safe and each way out with the exact command. Method: every reason.
#[test]
fn a_hold_prints_what_is_safe_and_each_way_out() {
    for reason in events::hold_reasons() {
        let ways_out = events::ways_out();
        let event = Event::Held { reason, ways_out: ways_out.clone() };
        let text = Teller::new(PLAN).tell(&record(event));
        assert!(text.contains("HOLD: ") && text.contains("\n    safe: "), "{text}");
        for way in &ways_out {
            assert!(text.contains(&command(PLAN, way)), "{way:?}: {text}");
        }
    }
}

/// Goal: the commands printed can be pasted into a shell as they are. Method: each way out of a
/// plan and a server with awkward names.
#[test]
fn a_printed_command_can_be_pasted() {
    let server = || "fe 03's".into();
    assert_eq!(
        command("my plans/retail.plan", &WayOut::Retry { server: Some(server()) }),
        r"evenkeel resume 'my plans/retail.plan' --retry 'fe 03'\''s'"
    );
    assert_eq!(
        command(PLAN, &WayOut::LeaveOut { server: "fe-03".into(), overloads: None }),
        "evenkeel resume retail.plan --leave-out fe-03"
    );
    assert_eq!(command(PLAN, &WayOut::Abort), "evenkeel abort retail.plan");
}

/// Goal: what is called safe follows where the run stands. Method: the same hold before the
/// commit, after it, in the soak and in step 6.
#[test]
fn what_is_safe_follows_the_step() {
    use evenkeel::journal::{HoldReason, Milestone};
    let touched = Event::Reached {
        server: events::server(),
        milestone: Milestone::Touched,
        evidence: String::new(),
    };
    let step = |step| Event::Step { step };
    let held = Event::Held { reason: HoldReason::Asked, ways_out: Vec::new() };
    let mut teller = Teller::new(PLAN);
    let mut told = Vec::new();
    for before in [vec![step(2)], vec![step(3), touched], vec![step(5)], vec![step(6)]] {
        before.into_iter().for_each(|event| teller.hear(&record(event)));
        let text = teller.tell(&record(held.clone()));
        let safe = text.lines().find(|line| line.contains("safe: ")).expect("it is told");
        told.push(safe.trim().to_owned());
    }
    insta::assert_snapshot!(told.join("\n"));
}

/// Goal: an outcome is told with what was intended. Method: tell both.
#[test]
fn an_outcome_names_its_action() {
    use evenkeel::journal::ActionResult;
    let mut teller = Teller::new(PLAN);
    let action = events::actions().swap_remove(0);
    teller.tell(&record(Event::Intent { id: 3, action }));
    let result = ActionResult::Done { evidence: "DRAIN".into() };
    let text = teller.tell(&record(Event::Outcome { id: 3, result }));
    assert!(text.ends_with("#3 lb-1: drain fe-03 in pool retail: done (DRAIN)"), "{text}");
}

proptest! {
    /// Goal: nothing the world says can break a line, rewrite the terminal or flood it. Method:
    /// arbitrary text in every event.
    #[test]
    fn the_worlds_words_stay_on_their_line(event in arbitrary()) {
        let allowed = |c: char| !c.is_control() || c == '\n';
        let text = Teller::new(PLAN).tell(&record(event.clone()));
        prop_assert!(text.chars().all(allowed), "{text:?}");
        let held = matches!(event, Event::Held { .. } | Event::AtGate { .. } | Event::Ended { .. });
        prop_assert!(held || text.lines().count() == 1, "{text:?}");
        prop_assert!(text.len() < 10_000);
    }

    /// Goal: `--json` is one line with version, ordinal, instant and event, and nothing is lost.
    /// Method: read it back as a record.
    #[test]
    fn the_json_line_is_the_record(event in arbitrary()) {
        let record = record(event);
        let line = json(&record);
        prop_assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        prop_assert_eq!(&value["v"], JSON_VERSION);
        prop_assert_eq!(serde_json::from_value::<Record>(value).expect("it is a record"), record);
    }
}

/// Goal: whoever reads `--json` finds every word of it explained. Method: every key and every tag
/// of every sample is in docs/json.md, as code.
#[test]
fn every_word_of_json_is_documented() {
    const PAGE: &str = include_str!("../docs/json.md");
    /// Keys whose texts are tags, from a fixed set of words.
    const TAGS: [&str; 13] = [
        "event",
        "do",
        "kind",
        "result",
        "status",
        "milestone",
        "why",
        "reason",
        "way",
        "want",
        "notice",
        "verdict",
        "change",
    ];
    fn words(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    found.insert(key.clone());
                    let tag = value.as_str().filter(|_| TAGS.contains(&key.as_str()));
                    // A reason in words is no tag; tags have no spaces.
                    found.extend(tag.filter(|tag| !tag.contains(' ')).map(str::to_owned));
                    words(value, found);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| words(item, found)),
            _ => {}
        }
    }
    let mut found = std::collections::BTreeSet::new();
    let told = samples().into_iter().filter(|event| !matches!(event, Event::Baseline(_)));
    for event in told {
        words(&serde_json::to_value(event).expect("an event has a JSON form"), &mut found);
    }
    assert!(found.len() > 90, "the samples have most words: {}", found.len());
    let undocumented: Vec<_> = found
        .iter()
        .filter(|word| {
            let code = [format!("`{word}`"), format!("\"{word}\"")];
            !code.iter().any(|code| PAGE.contains(code))
        })
        .collect();
    assert!(undocumented.is_empty(), "docs/json.md lacks {undocumented:?}");
}
