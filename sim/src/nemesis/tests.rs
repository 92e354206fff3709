//! Schedules are data, families are independent, and triggers come when they say.
use evenkeel::journal::{ActionResult, Event};
use evenkeel::procedure::action::Action;
use evenkeel::procedure::readings::MemberId;
use proptest::prelude::*;

use crate::random::Keyed;

use super::draw::{Aims, schedule};
use super::watch::Watch;
use super::*;

/// The aims of a small farm, by hand: a plan needs a whole farm file.
fn aims() -> Aims {
    Aims::by_hand(
        vec![
            (Effect::Drain, 8),
            (Effect::Admit, 8),
            (Effect::Disable, 2),
            (Effect::Start(JobKind::FrontEndUpgrade), 3),
        ],
        vec![(JobKind::FrontEndUpgrade, 3, vec!["fe-2".into(), "fe-3".into()])],
        vec!["fe-1".into(), "fe-2".into()],
        vec!["lb-1".into()],
    )
}

proptest! {
    /// Goal: a schedule written down is the same schedule. Method: through JSON and back.
    #[test]
    fn schedules_survive_being_written_down(seed: u64) {
        let drawn = schedule(&Keyed::new(seed), &Choice::Families(Family::ALL.into()), &aims());
        let text = serde_json::to_string(&drawn).expect("a schedule is data");
        prop_assert_eq!(serde_json::from_str::<Schedule>(&text).expect("what was written"), drawn);
    }

    /// Goal: leaving a family out leaves the others alone. Method: compare each family's faults
    /// in `full` with those in a choice of fewer.
    #[test]
    fn families_are_drawn_independently(seed: u64) {
        let keyed = Keyed::new(seed);
        let of = |choice: Choice, family| -> Vec<Planned> {
            let drawn = schedule(&keyed, &choice, &aims()).planned;
            drawn.into_iter().filter(|planned| planned.fault.family() == family).collect()
        };
        for family in Choice::Light.families() {
            prop_assert_eq!(of(Choice::Light, family), of(Choice::Full, family));
            let full = of(Choice::Full, family);
            if !full.is_empty() {
                prop_assert_eq!(of(Choice::Families([family].into()), family), full);
            }
        }
    }
}

/// Goal: `full` strikes with each family in about half of the seeds, a named family in all.
/// Method: count over 1,000 seeds; five standard deviations are 80.
#[test]
fn families_strike_in_half_of_the_seeds_or_when_named_in_all() {
    for family in Family::ALL {
        let struck = |choice: &Choice| {
            (0..1_000)
                .filter(|seed| {
                    let drawn = schedule(&Keyed::new(*seed), choice, &aims());
                    drawn.planned.iter().any(|planned| planned.fault.family() == family)
                })
                .count()
        };
        let in_full = struck(&Choice::Full);
        assert!((420..580).contains(&in_full), "{} in {in_full} of 1,000", family.name());
        assert_eq!(struck(&Choice::Families([family].into())), 1_000);
        assert_eq!(struck(&Choice::None), 0);
    }
}

/// Goal: a trigger comes at its n-th happening, once. Method: three drains and their outcomes.
#[test]
fn triggers_come_at_their_nth_happening_and_once() {
    let reload = Fault::BalancerReload { node: "lb-1".into() };
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
    for text in ["none", "light", "full", "latency,front-end-crash"] {
        assert_eq!(text.parse::<Choice>().expect(text).to_string(), text);
    }
    let mistake = "latency,gremlins".parse::<Choice>().expect_err("gremlins are no family");
    assert!(mistake.contains("`gremlins`") && mistake.contains("balancer-reload"), "{mistake}");
}
