//! What a certificate vouches for, objection by objection, and its file.
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::farm::policy::{Faults, Rehearsal};
use crate::place::Place;

fn now() -> Timestamp {
    "2026-03-01T02:00:00Z".parse().expect("an instant")
}

/// What `policy.rehearsal` asks in these tests.
const WANTED: Rehearsal = Rehearsal { seeds_min: 10, faults: Faults::Light, age_h_max: 24 };

/// A certificate that just vouches.
fn good() -> Certificate {
    Certificate {
        format: FORMAT,
        plan_hash: "ab".repeat(32),
        program: Program::this(),
        scenario: Source { file: "retail.plan".into(), hash: hash_of(b"{}") },
        faults: "light".into(),
        seeds: Seeds { first: 0, count: 10 },
        verdicts: Verdicts { done: 6, held: 4, violated: 0 },
        simulated_ms: 72_000_000,
        struck: BTreeMap::from([("latency".to_owned(), 5)]),
        gaps: 0,
        rehearsed_at: now() - SignedDuration::from_hours(24),
    }
}

fn objections(certificate: &Certificate) -> Vec<Objection> {
    let (plan_hash, program) = ("ab".repeat(32), Program::this());
    certificate.objections(&Demand {
        plan_hash: &plan_hash,
        rehearsal: &WANTED,
        program: &program,
        now: now(),
    })
}

/// The only objection after a change to a certificate that just vouches.
fn after(change: impl FnOnce(&mut Certificate)) -> Objection {
    let mut certificate = good();
    change(&mut certificate);
    let mut found = objections(&certificate);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Goal: nothing more is asked than the policy asks. Method: exactly the fewest seeds, the least
/// faults, the oldest age; then more of each.
#[test]
fn exactly_what_the_policy_asks_is_enough_and_so_is_more() {
    assert_eq!(objections(&good()), []);
    let more = Certificate {
        faults: "full".into(),
        seeds: Seeds { first: 7, count: 1_000 },
        rehearsed_at: now(),
        ..good()
    };
    assert_eq!(objections(&more), []);
}

/// Goal: each mistake is found, and no other is told with it. Method: one step over each bound.
#[test]
fn each_mistake_is_found_alone() {
    let objection = after(|it| it.plan_hash = "cd".repeat(32));
    assert!(matches!(objection, Objection::OtherPlan { .. }), "{objection:?}");
    let objection = after(|it| it.program.version = "0.0.9".into());
    assert!(matches!(objection, Objection::OtherProgram { .. }), "{objection:?}");
    let objection = after(|it| it.program.sources = "cd".repeat(32));
    assert!(matches!(objection, Objection::OtherProgram { .. }), "{objection:?}");
    let objection = after(|it| it.verdicts.violated = 1);
    assert_eq!(objection, Objection::Violated { violated: 1, runs: 10 });
    let objection = after(|it| it.verdicts = Verdicts { done: 0, held: 10, violated: 0 });
    assert_eq!(objection, Objection::NoneDone { runs: 10 });
    let objection = after(|it| it.gaps = 3);
    assert_eq!(objection, Objection::Gaps { gaps: 3 });
    let objection = after(|it| it.seeds.count = 9);
    assert_eq!(objection, Objection::TooFewSeeds { seeds: 9, wanted: 10 });
    for faults in ["none", "latency,front-end-crash"] {
        let objection = after(|it| it.faults = faults.into());
        assert_eq!(
            objection,
            Objection::OtherFaults { faults: faults.into(), wanted: Faults::Light }
        );
    }
    let second = SignedDuration::from_secs(1);
    let objection = after(|it| it.rehearsed_at -= second);
    assert_eq!(objection, Objection::TooOld { age_h: 25, age_h_max: 24 });
    let objection = after(|it| it.rehearsed_at = now() + SignedDuration::from_mins(5) + second);
    assert!(matches!(objection, Objection::FromTheFuture { .. }), "{objection:?}");
}

/// Goal: two builds of the same sources are one program. Method: another commit, and none.
#[test]
fn the_commit_does_not_count() {
    for commit in [None, Some("0123456789ab".to_owned())] {
        let mut certificate = good();
        certificate.program.commit = commit;
        assert_eq!(objections(&certificate), []);
    }
}

/// Goal: a build knows what it was built from. Method: the fingerprint is one.
#[test]
fn this_program_has_a_fingerprint() {
    let Program { sources, commit, .. } = Program::this();
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(sources.len() == 64 && is_hex(&sources), "{sources}");
    assert!(commit.is_none_or(|commit| commit.len() >= 40 && is_hex(&commit)));
}

/// Goal: a file holds what was written, says what it is not, and nothing is left beside it.
/// Method: write one over another file, read it.
#[test]
fn a_file_holds_what_was_written() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("retail.certificate");
    std::fs::write(&path, "something else").expect("there is room");
    let place = Place::reserve(&path).expect("there is room");
    assert_eq!(std::fs::read(&path).expect("it is there"), b"something else");
    place.save(&good().text()).expect("there is room");
    let (read, hash) = load(&path).expect("it was written a moment ago");
    assert_eq!(read, good());
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert_eq!(hash, hash_of(text.as_bytes()));
    assert!(text.contains("not against forgery"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 1);
}

/// Goal: what is no certificate of ours is refused by a reader that needs little memory. Method: each kind of
/// wrong file, with the words that tell it from the others.
#[test]
fn a_file_that_is_not_one_is_refused() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("retail.certificate");
    let refused = |text: &str| {
        std::fs::write(&path, text).expect("there is room");
        load(&path).expect_err("it is no certificate").to_string()
    };
    let text = good().text();
    let cases = [
        (String::new(), "is not a certificate"),
        (" ".repeat(70_000), "longer than 65536 bytes"),
        (
            text.replace("\"violated\": 0", "\"violated\": 0, \"excused\": 1"),
            "unknown field `excused`",
        ),
        (text.replace("\"about\"", "\"note\""), "unknown field `note`"),
        (text.replace("\"format\": 2", "\"format\": 1"), "is a certificate of format 1"),
        (text.replace("\"format\": 2", "\"format\": 3"), "is a certificate of format 3"),
        (text.replace("\"format\": 2,", ""), "it has no format"),
        (text.replace("\"count\": 10", "\"count\": 1000"), "was changed after it was written"),
    ];
    for (text, words) in cases {
        let error = refused(&text);
        assert!(error.contains(words), "{error}");
        assert!(error.contains("nothing was touched"), "{error}");
    }
    std::fs::remove_file(&path).expect("it is there");
    let error = load(&path).expect_err("it is not there").to_string();
    assert!(error.contains("cannot be read"), "{error}");
}
