//! Faults that overlap end each its own.
use std::path::Path;

use super::*;
use crate::nemesis::{Schedule, Source};
use crate::oracle::RunVerdict;
use crate::scenario::Scenario;
use crate::world::{Asked, Order, Witness, rehearse};

/// In the third step, and nineteen seconds later.
const SOON: &str = r#"{ when = "step", step = 3, after_ms = 1000 }"#;
const MEANWHILE: &str = r#"{ when = "step", step = 3, after_ms = 20000 }"#;

/// What was told of a run, and when the orchestrator asked anybody anything.
#[derive(Clone, Default)]
struct Story {
    told: Rc<RefCell<Vec<(u64, String)>>>,
    asked: Rc<RefCell<Vec<u64>>>,
}

impl Witness for Story {
    fn told(&mut self, at_ms: u64, line: &str) {
        self.told.borrow_mut().push((at_ms, line.to_owned()));
    }

    fn asked(&mut self, at_ms: u64, _whom: Asked) {
        self.asked.borrow_mut().push(at_ms);
    }
}

impl Story {
    /// The run of the farm of six with these faults, each after its trigger.
    fn of(planned: &[(&str, &str)]) -> Self {
        let planned = planned.iter();
        let schedule: String = planned
            .map(|(trigger, fault)| format!("[[planned]]\ntrigger = {trigger}\nfault = {fault}\n"))
            .collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/six.toml");
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let schedule: Schedule = toml::from_str(&schedule).expect("a schedule");
        let (story, faults) = (Self::default(), Source::Given(schedule));
        let witness: Option<Box<dyn Witness>> = Some(Box::new(story.clone()));
        let outcome = rehearse(Order { witness, ..Order::new(&scenario, 1, &faults) });
        let broken = matches!(outcome.verdict, RunVerdict::Broken { .. });
        assert!(!broken, "{:?}", outcome.verdict);
        story
    }

    /// When lines that begin so were told.
    fn when(&self, line: &str) -> Vec<u64> {
        let told = self.told.borrow();
        told.iter().filter(|(_, it)| it.starts_with(line)).map(|(at_ms, _)| *at_ms).collect()
    }

    /// When the only line that begins so was told.
    fn once(&self, line: &str) -> u64 {
        let [at_ms] = self.when(line)[..] else {
            panic!("{line:?} is told at {:?}", self.when(line))
        };
        at_ms
    }

    /// When a server's machine was up again for the first time.
    fn up_ms(&self, server: &str) -> Option<u64> {
        self.when(&format!("{server} machine up")).into_iter().min()
    }

    fn asks_between(&self, from_ms: u64, to_ms: u64) -> bool {
        self.asked.borrow().iter().any(|at_ms| (from_ms..to_ms).contains(at_ms))
    }
}

/// Goal: a machine that two faults let stand still goes on when the longer one is over. Method: a
/// pause of ten minutes, in it one of half a minute; nobody is asked before the end of the first.
#[test]
fn a_pause_within_a_pause_does_not_end_it() {
    let story = Story::of(&[
        (SOON, r#"{ family = "orchestrator", kind = "pause", for_ms = 600000 }"#),
        (MEANWHILE, r#"{ family = "orchestrator", kind = "pause", for_ms = 30000 }"#),
    ]);
    let stands_ms = story.once("fault 0: ");
    assert_eq!(story.once("fault 1 is over"), stands_ms + 49_000);
    assert_eq!(story.once("fault 0 is over"), stands_ms + 600_000);
    // What it had sent arrives.
    assert!(!story.asks_between(stands_ms + 1_000, stands_ms + 600_000));
    assert!(story.asks_between(stands_ms + 600_000, stands_ms + 660_000));
}

/// Goal: with a process its standing still is over, and that is told once. Method: a crash in a
/// pause of ten minutes; the next process asks long before the end of that.
#[test]
fn a_crash_ends_a_pause() {
    let story = Story::of(&[
        (SOON, r#"{ family = "orchestrator", kind = "pause", for_ms = 600000 }"#),
        (MEANWHILE, r#"{ family = "orchestrator", kind = "orchestrator-crash", away_ms = 1000 }"#),
    ]);
    let killed_ms = story.once("fault 1: ");
    assert_eq!(story.once("fault 0 is over"), killed_ms);
    assert_eq!(story.once("fault 1 is over"), killed_ms + 1_000);
    assert!(story.asks_between(killed_ms + 1_000, killed_ms + 60_000));
}

/// Goal: a server has power when nothing keeps it down. Method: two faults of one server, ended
/// one after the other, in both orders; one that nothing ever kept down.
#[test]
fn power_is_back_when_the_last_fault_is_over() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut powerless = Powerless::default();
        powerless.cut("fe-4", 0);
        powerless.cut("fe-4", 1);
        assert!(!powerless.restore("fe-4", |place| place == first));
        assert!(powerless.restore("fe-4", |place| place == second));
    }
    assert!(Powerless::default().restore("fe-3", |_| false));
}

/// Goal: the same on the farm: no server runs in a rack without power. Method: a server crashes
/// for two minutes, and meanwhile its rack for twelve.
#[test]
fn a_server_stays_down_with_its_rack() {
    let story = Story::of(&[
        (
            SOON,
            r#"{ family = "front-end", kind = "front-end-crash", server = "fe-4", back_after_ms = 120000 }"#,
        ),
        (
            MEANWHILE,
            r#"{ family = "correlated", kind = "rack-crash", servers = ["fe-3", "fe-4"], for_ms = 720000 }"#,
        ),
    ]);
    let dark_ms = story.once("fault 1: ");
    for server in ["fe-3", "fe-4"] {
        let up_ms = story.up_ms(server);
        assert!(up_ms.is_some_and(|up_ms| up_ms >= dark_ms + 720_000), "{server}: {up_ms:?}");
    }
}

/// Goal: a rack's power does not mend a server that is broken. Method: in a rack without power a
/// server crashes for good; when the power is back, only the other one comes back with it.
#[test]
fn a_broken_server_does_not_come_back_with_its_rack() {
    let story = Story::of(&[
        (
            SOON,
            r#"{ family = "correlated", kind = "rack-crash", servers = ["fe-3", "fe-4"], for_ms = 120000 }"#,
        ),
        (MEANWHILE, r#"{ family = "front-end", kind = "front-end-crash", server = "fe-4" }"#),
    ]);
    let dark_ms = story.once("fault 0: ");
    let up_soon = |server| story.up_ms(server).is_some_and(|up_ms| up_ms < dark_ms + 300_000);
    assert!(up_soon("fe-3") && !up_soon("fe-4"));
}

/// Goal: nothing flaps any more when the farm has healed. Method: an installer that fails for
/// ever holds the run; just before the farm heals, checks of a member begin to flap.
#[test]
fn checks_stop_to_flap_when_the_farm_heals() {
    let story = Story::of(&[
        (
            r#"{ when = "held", nth = 1, after_ms = 1190000 }"#,
            r#"{ family = "balancer", kind = "health-flapping", node = "lb-1", server = "fe-4", turn_ms = 15000, for_ms = 90000 }"#,
        ),
        (
            r#"{ when = "at", at_ms = 0 }"#,
            r#"{ family = "front-end", kind = "installer-fails", server = "fe-1", job = "controller-upgrade", code = 2, times = 4294967295 }"#,
        ),
    ]);
    let healed_ms = story.once("the farm heals");
    assert_eq!(story.once("fault 0 is over"), healed_ms);
    let down = story.when("lb-1 shop/fe-4 down");
    let (before, after) = (healed_ms - 10_000..healed_ms, healed_ms..healed_ms + 90_000);
    assert!(down.iter().any(|at_ms| before.contains(at_ms)), "{down:?}");
    assert!(!down.iter().any(|at_ms| after.contains(at_ms)), "{down:?}");
}
