//! Schedules are data, families are independent, and triggers come when they say.
use std::collections::BTreeSet;
use std::path::Path;

use evenkeel::journal::{ActionResult, Event};
use evenkeel::procedure::action::{Action, JobKind, MemberChange};
use evenkeel::procedure::readings::MemberId;
use evenkeel_fakes::ledger;
use evenkeel_fakes::truth::Truth;
use proptest::prelude::*;

use crate::oracle::{Bounds, Faults, Ground, Struck};
use crate::random::Keyed;
use crate::scenario::Scenario;
use crate::world::{Order, Outcome, rehearse};

use super::choice::Word;
use super::draw::{Aim, Aims, Draw, JobAim, Target, schedule};
use super::fault::{
    BalancerFault, FrontEndFault, OrchestratorFault, ServiceCenterFault, front_end, kinds,
    service_center,
};
use super::watch::Watch;
use super::*;

/// The aims of a small farm, by hand: a plan needs a whole farm file.
fn aims() -> Aims {
    let aim = |effect, count| Aim { effect, count };
    let job = |kind, servers: &[&str]| JobAim {
        kind,
        servers: servers.iter().map(ToString::to_string).collect(),
    };
    Aims {
        steps: vec![
            (1, vec![aim(Effect::Drain, 2)]),
            (2, vec![aim(Effect::Disable, 2)]),
            (3, vec![aim(Effect::Start(JobKind::FrontEndUpgrade), 1)]),
            (5, vec![aim(Effect::Admit, 2), aim(Effect::Drain, 2)]),
            (6, vec![aim(Effect::Start(JobKind::FrontEndUpgrade), 2)]),
            (7, vec![aim(Effect::Enable, 1)]),
        ],
        jobs: vec![
            job(JobKind::ControllerUpgrade, &["fe-1"]),
            job(JobKind::FrontEndUpgrade, &["fe-2", "fe-3", "fe-4"]),
            job(JobKind::ServiceCenterInstall, &["fe-1"]),
        ],
        front_ends: (1..=4).map(|n| format!("fe-{n}")).collect(),
        loaded: vec!["fe-3".into(), "fe-4".into()],
        controller: "fe-1".into(),
        nodes: vec!["lb-1".into(), "lb-2".into()],
        pools: vec![("web".into(), (1..=4).map(|n| format!("fe-{n}")).collect())],
        gates: vec![3, 6],
    }
}

fn scenario(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// A run of a scenario under these faults.
fn run(scenario: &Scenario, seed: u64, planned: Vec<Planned>) -> Outcome {
    rehearse(Order::new(scenario, seed, &Source::Given(Schedule { planned })))
}

/// One fault of a row of the catalogue.
fn drawn(row: &Kind, seed: u64, aims: &Aims) -> Planned {
    (row.draw)(&mut Draw { stream: Keyed::new(seed).stream("test", row.name), aims })
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
            let planned = drawn(kind, seed, &aims());
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

/// Goal: the second test of a step is what it says, however many tests came before that step; a
/// trigger without a step counts all of the run, as kept failures do. Method: two tests in step 7,
/// which begins, and two in step 8; triggers as they stand in files.
#[test]
fn effects_are_counted_within_their_step() {
    let text = r#"
        [[planned]]
        trigger = { when = "intent-in-step", step = 8, effect = "test", nth = 2, after_ms = 0 }
        fault = { family = "balancer", kind = "balancer-reload", node = "lb-1" }
        [[planned]]
        trigger = { when = "outcome-in-step", step = 8, effect = "test", nth = 1, after_ms = 5 }
        fault = { family = "balancer", kind = "balancer-reload", node = "lb-1" }
        [[planned]]
        trigger = { when = "intent", effect = "test", nth = 2, after_ms = 0 }
        fault = { family = "balancer", kind = "balancer-reload", node = "lb-1" }
    "#;
    let given: Schedule = toml::from_str(text).expect("it is a schedule");
    let mut watch = Watch::new(given);
    let test = |id| Event::Intent { id, action: Action::Test { server: "fe-1".into() } };
    let passed = |id| Event::Outcome { id, result: ActionResult::Done { evidence: String::new() } };
    let told = [
        (Event::Step { step: 7 }, None),
        (test(1), None),
        (test(2), Some((20, 2))),
        (passed(1), None),
        (Event::Step { step: 8 }, None),
        (test(3), None),
        (passed(2), Some((65, 1))),
        (test(4), Some((70, 0))),
    ];
    for (at_ms, (event, strikes)) in (0..).step_by(10).zip(told) {
        let struck = watch.journal(at_ms, &event);
        let places: Vec<_> = struck.iter().map(|strike| (strike.at_ms, strike.place)).collect();
        assert_eq!(places, Vec::from_iter(strikes), "{event:?}");
    }
}

/// Goal: a fault that is aimed at an effect of a step strikes in that step. Method: whole runs of
/// small farms in which the clock jumps, which nobody minds, at the first and the last effect of
/// each aim, before it leaves and after it is done; but for Enable, which some farms do themselves.
#[test]
fn faults_strike_in_the_step_that_they_are_aimed_at() {
    for name in ["tiny.toml", "six.toml", "bank.toml"] {
        let scenario = scenario(name);
        let mut targets = Vec::new();
        for (step, aims) in Aims::of(&scenario.plan).steps {
            for Aim { effect, count } in aims.into_iter().filter(|it| it.effect != Effect::Enable) {
                targets.extend([1, count].map(|nth| Target { step, effect, nth }));
            }
        }
        let fault = Fault::Orchestrator(OrchestratorFault::ClockJump { by_s: 1 });
        let planned = |trigger| Planned { trigger, fault: fault.clone() };
        let at = |it: &Target| [planned(it.intent(0)), planned(it.outcome(0))];
        for seed in 0..3 {
            let outcome = run(&scenario, seed, targets.iter().flat_map(at).collect());
            for (place, planned) in outcome.schedule.planned.iter().enumerate() {
                let step = outcome.struck.get(&place).and_then(|hit| hit.changed);
                let step = step.map(|(_, step)| step);
                let aimed = targets[place / 2].step;
                assert_eq!(step, Some(aimed), "{name}, seed {seed}: {}", planned.trigger);
            }
        }
    }
}

/// Goal: what befalls deployment threads is laid when its server's own upgrade is under way: those
/// of servers that wait for theirs are read all the time, and it would be over when they are judged.
/// Method: the last job of every server by hand, without and with a publication; the trigger comes
/// at that job and at nobody else's.
#[test]
fn threads_are_spoilt_when_they_are_about_to_be_judged() {
    let mut publishes = aims();
    publishes.jobs.push(JobAim { kind: JobKind::Publish, servers: vec!["fe-1".into()] });
    let rows = ["no-threads", "busy-idle-busy", "thread-in-error", "thread-stuck", "unknown-word"];
    let rows = service_center::KINDS.iter().filter(|row| rows.contains(&row.name));
    for (row, aims) in rows.flat_map(|row| [(row, aims()), (row, publishes.clone())]) {
        let published = aims == publishes;
        for seed in 0..100 {
            let planned = drawn(row, seed, &aims);
            let Fault::ServiceCenter(
                ServiceCenterFault::NoThreads { server, .. }
                | ServiceCenterFault::BusyIdleBusy { server, .. }
                | ServiceCenterFault::ThreadInError { server, .. }
                | ServiceCenterFault::ThreadStuck { server, .. }
                | ServiceCenterFault::UnknownWord { server, .. },
            ) = &planned.fault
            else {
                panic!("{} is no fault of threads", planned.fault)
            };
            let (by, kind) = match server.as_str() {
                "fe-1" | "fe-2" if published => ("fe-1", JobKind::Publish),
                "fe-1" => ("fe-1", JobKind::ServiceCenterInstall),
                other => (other, JobKind::FrontEndUpgrade),
            };
            let mut watch = Watch::new(Schedule { planned: vec![planned.clone()] });
            let mut begins = |server: &str| {
                let (server, job, kind) = (server.to_owned(), String::new(), kind.as_str().into());
                let event = ledger::Event::JobStarted { server, job, kind };
                watch.ledger(0, &event).len()
            };
            assert_eq!(["another", by, by].map(&mut begins), [0, 1, 0], "{}", planned.trigger);
        }
    }
}

/// Goal: a machine restarts in the midst of an installer, or not at all. Method: draws on the farm
/// whose jobs are the shortest strike before they are over; in a run a restart while nothing is
/// installed changes nothing, and one in the midst of an installer does.
#[test]
fn reboots_during_an_install_meet_an_installer() {
    let scenario = scenario("six.toml");
    let aims = Aims::of(&scenario.plan);
    let truth = scenario.truth(&Keyed::new(0));
    let shortest_ms =
        [truth.controller_upgrade_ms, truth.front_end_upgrade_ms, truth.service_center_install_ms];
    let row = front_end::KINDS.iter().find(|row| row.name == "reboot-during-install");
    for seed in 0..100 {
        let planned = drawn(row.expect("it is in the catalogue"), seed, &aims);
        let Fault::FrontEnd(FrontEndFault::RebootDuringInstall { server }) = &planned.fault else {
            panic!("{} is no restart", planned.fault)
        };
        let own =
            matches!(&planned.trigger, Trigger::JobStartedOn { server: on, .. } if on == server);
        assert!(own, "{}: {}", planned.trigger, planned.fault);
        assert!(shortest_ms.iter().all(|ms| planned.trigger.after_ms() < *ms));
    }
    let reboot = |server: &str, trigger| Planned {
        trigger,
        fault: Fault::FrontEnd(FrontEndFault::RebootDuringInstall { server: server.into() }),
    };
    let idle = Trigger::Step { step: 1, after_ms: 1_000 };
    let (kind, nth, after_ms) = (JobKind::FrontEndUpgrade, 1, 20_000);
    let busy = Trigger::JobStartedOn { server: "fe-2".into(), kind, nth, after_ms };
    let outcome = run(&scenario, 0, vec![reboot("fe-1", idle), reboot("fe-2", busy)]);
    let changed = |place| outcome.struck.get(&place).is_some_and(|hit| hit.changed.is_some());
    assert_eq!([0, 1].map(changed), [false, true]);
}

/// Goal: the atlas forbids only what leaves a pool without anybody for good. Method: one of two
/// members is to go for good while the other serves, is being upgraded, has failed to be, is down for
/// a while, is down for good.
#[test]
fn the_atlas_counts_on_whoever_is_being_upgraded() {
    let scenario = scenario("six.toml");
    let crash = Fault::FrontEnd(FrontEndFault::FrontEndCrash {
        server: "fe-5".into(),
        back_after_ms: None,
    });
    let (server, job) = ("fe-6".to_owned(), "1".to_owned());
    let kind = JobKind::FrontEndUpgrade.as_str().to_owned();
    let jobs = |_: &str| BTreeSet::from([kind.clone()]);
    let mut ground = Ground::new(&scenario.spec, |_| 100, jobs);
    let (policy, truth) = (&scenario.plan.farm.policy, Truth::default());
    let mut faults = Faults::new(Bounds::new(policy, &truth, scenario.links, 6, 2));
    assert_eq!(atlas::forbids(&crash, &ground, &faults), None, "the other member serves");
    let told = [
        (
            ledger::Event::JobStarted {
                server: server.clone(),
                job: job.clone(),
                kind: kind.clone(),
            },
            None,
        ),
        (
            ledger::Event::JobEnded {
                server: server.clone(),
                job,
                kind: kind.clone(),
                code: Some(2),
            },
            Some(&atlas::LAST_FIT_MEMBER),
        ),
        (ledger::Event::Down { server: server.clone() }, None),
    ];
    for (ordinal, (event, forbidden)) in (0..).zip(told) {
        ground.apply(&ledger::Entry { at_ms: ordinal, ordinal, event });
        assert_eq!(atlas::forbids(&crash, &ground, &faults), forbidden);
    }
    let gone = Fault::FrontEnd(FrontEndFault::FrontEndCrash { server, back_after_ms: None });
    faults.strike(2, Struck::Began { place: 0, fault: gone });
    assert_eq!(atlas::forbids(&crash, &ground, &faults), Some(&atlas::LAST_FIT_MEMBER));
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
