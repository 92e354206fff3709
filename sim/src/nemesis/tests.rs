//! Schedules are data, families are independent, and triggers come when they say.
use std::collections::BTreeSet;

use evenkeel::journal::{ActionResult, Event};
use evenkeel::procedure::action::{Action, JobKind, MemberChange};
use evenkeel::procedure::readings::MemberId;
use proptest::prelude::*;

use crate::random::Keyed;

use super::choice::Word;
use super::draw::{Aim, Aims, Draw, JobAim, schedule};
use super::fault::{BalancerFault, kinds};
use super::watch::Watch;
use super::*;

/// The aims of a small farm, by hand: a plan needs a whole farm file.
fn aims() -> Aims {
    let aim = |effect, first, last| Aim { effect, first, last };
    let kind = JobKind::FrontEndUpgrade;
    Aims {
        steps: vec![
            (1, vec![aim(Effect::Drain, 1, 2)]),
            (2, vec![aim(Effect::Disable, 1, 2)]),
            (3, vec![aim(Effect::Start(kind), 1, 2)]),
            (5, vec![aim(Effect::Admit, 1, 2), aim(Effect::Drain, 3, 4)]),
        ],
        jobs: vec![JobAim { kind, servers: vec!["fe-1".into(), "fe-2".into()] }],
        front_ends: (1..=4).map(|n| format!("fe-{n}")).collect(),
        loaded: vec!["fe-3".into(), "fe-4".into()],
        controller: "fe-1".into(),
        nodes: vec!["lb-1".into(), "lb-2".into()],
        pools: vec![("web".into(), (1..=4).map(|n| format!("fe-{n}")).collect())],
    }
}

fn only(family: Family) -> Choice {
    Choice::Only(vec![Word::Family(family)])
}

fn every_family() -> Choice {
    Choice::Only(Family::ALL.map(Word::Family).to_vec())
}

proptest! {
    /// Goal: a schedule written down is the same schedule, for programs and for people. Method:
    /// through JSON and back, through TOML and back.
    #[test]
    fn schedules_survive_being_written_down(seed: u64) {
        let drawn = schedule(&Keyed::new(seed), &every_family(), &aims());
        let json = serde_json::to_string(&drawn).expect("a schedule is data");
        prop_assert_eq!(&serde_json::from_str::<Schedule>(&json).expect("what was written"), &drawn);
        let text = toml::to_string(&drawn).expect("a schedule is data");
        prop_assert_eq!(toml::from_str::<Schedule>(&text).expect("what was written"), drawn);
    }

    /// Goal: leaving a family out leaves the others alone. Method: compare each family's faults
    /// in `full` with those of the family alone.
    #[test]
    fn families_are_drawn_independently(seed: u64) {
        let keyed = Keyed::new(seed);
        let of = |choice: Choice, family| -> Vec<Planned> {
            let drawn = schedule(&keyed, &choice, &aims()).planned;
            drawn.into_iter().filter(|planned| planned.fault.family() == family).collect()
        };
        for family in Choice::Full.families() {
            let full = of(Choice::Full, family);
            if !full.is_empty() {
                prop_assert_eq!(of(only(family), family), full);
            }
        }
    }
}

/// Goal: `full` strikes with each family in about 65 of 100 seeds, a named family or kind in all.
/// Method: count over 1,000 seeds; five standard deviations are 75.
#[test]
fn families_strike_in_two_of_three_seeds_or_when_named_in_all() {
    for family in Choice::Full.families() {
        let struck = |choice: &Choice| {
            (0..1_000)
                .filter(|seed| {
                    let drawn = schedule(&Keyed::new(*seed), choice, &aims());
                    drawn.planned.iter().any(|planned| planned.fault.family() == family)
                })
                .count()
        };
        let in_full = struck(&Choice::Full);
        assert!((575..725).contains(&in_full), "{} in {in_full} of 1,000", family.name());
        assert_eq!(struck(&only(family)), 1_000);
        assert_eq!(struck(&Choice::Only(vec![Word::Kind(&family.kinds()[0])])), 1_000);
        assert_eq!(struck(&Choice::None), 0);
    }
}

/// Goal: a row of the catalogue draws its own faults, and says what people need to know. Method:
/// each row over some seeds; names, reasons and sources by hand.
#[test]
fn every_row_of_the_catalogue_draws_its_own_kind() {
    let mut names = BTreeSet::new();
    for kind in kinds() {
        assert!(names.insert(kind.name), "{} is there twice", kind.name);
        assert!(Family::ALL.iter().all(|family| family.name() != kind.name), "{}", kind.name);
        assert!(!kind.reason.is_empty() && !kind.source.is_empty(), "{}", kind.name);
        for seed in 0..100 {
            let stream = Keyed::new(seed).stream("test", kind.name);
            let planned = (kind.draw)(&mut Draw { stream, aims: &aims() });
            assert_eq!(planned.fault.kind(), kind);
            assert_eq!(planned.fault.family(), kind.family);
        }
    }
}

/// Goal: a trigger comes at its n-th happening, once. Method: three drains and their outcomes.
#[test]
fn triggers_come_at_their_nth_happening_and_once() {
    let reload = Fault::Balancer(BalancerFault::BalancerReload { node: "lb-1".into() });
    let effect = Effect::Drain;
    let mut watch = Watch::new(Schedule {
        planned: vec![
            Planned {
                trigger: Trigger::Intent { effect, nth: 2, after_ms: 0 },
                fault: reload.clone(),
            },
            Planned {
                trigger: Trigger::Outcome { effect, nth: 1, after_ms: 500 },
                fault: reload.clone(),
            },
            Planned { trigger: Trigger::At { at_ms: 9 }, fault: reload.clone() },
            Planned { trigger: Trigger::Intent { effect, nth: 4, after_ms: 0 }, fault: reload },
        ],
    });
    let drain = |id| Event::Intent {
        id,
        action: Action::Balancer {
            node: "lb-1".into(),
            members: vec![MemberId { pool: "web".into(), server: "fe-1".into() }],
            change: MemberChange::Drain,
        },
    };
    let outcome =
        |id| Event::Outcome { id, result: ActionResult::Done { evidence: String::new() } };
    let places = |strikes: Vec<watch::Strike>| -> Vec<(u64, usize)> {
        strikes.into_iter().map(|strike| (strike.at_ms, strike.place)).collect()
    };
    assert_eq!(places(watch.begin()), [(9, 2)]);
    assert_eq!(places(watch.journal(10, &drain(1))), []);
    assert_eq!(places(watch.journal(20, &drain(2))), [(20, 0)]);
    assert_eq!(places(watch.journal(30, &outcome(2))), [(530, 1)]);
    assert_eq!(places(watch.journal(40, &outcome(1))), []);
    assert_eq!(places(watch.journal(50, &drain(3))), []);
}

/// Goal: the command line's words mean what they print. Method: parse, print, parse.
#[test]
fn choices_are_read_as_they_are_printed() {
    for text in ["none", "light", "full", "latency,front-end"] {
        assert_eq!(text.parse::<Choice>().expect(text).to_string(), text);
    }
    let mistake = "latency,gremlins".parse::<Choice>().expect_err("gremlins are no family");
    assert!(mistake.contains("`gremlins`") && mistake.contains("balancer-reload"), "{mistake}");
}
