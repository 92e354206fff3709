//! Carries faults out: the schedule's words become changes of farm, network and orchestrator.
//!
//! One file a family, under the name that the family has in the catalogue.
mod balancer;
mod correlated;
mod database;
mod front_end;
mod link;
mod orchestrator;
mod people;
mod service_center;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use evenkeel::journal::Record;
use evenkeel::procedure::action::Action;
use evenkeel_fakes::balancer::SavedState;
use evenkeel_fakes::farm::Shared;

use crate::fabric::{Fabric, Latency};
use crate::nemesis::Fault;
use crate::nemesis::watch::Strike;

use super::Site;
use super::network::Network;
use super::orchestrator::{Machine, Watchers};
use super::record::{Message, Recorder};

/// What is left to do about a fault at a later instant.
#[derive(Clone, Debug)]
pub(super) enum Later {
    /// The fault itself.
    Strike(Strike),
    /// What lasted is over.
    End {
        /// Its place in the schedule.
        place: usize,
        /// The fault.
        fault: Fault,
    },
    /// A server that has booted is on the network again.
    OnNetwork(String),
}

/// How a fault goes on after it struck.
pub(super) struct Blow {
    /// How long until the world ends it; `None` when there is nothing to end.
    lasts_ms: Option<u64>,
    /// It changed something when it struck; else when a double says that it met it.
    changed: bool,
}

impl Blow {
    /// Struck, changed something, and nothing is left to do.
    pub(super) const ONCE: Self = Self { lasts_ms: None, changed: true };
    /// Lies in wait until a double meets it.
    pub(super) const ARMED: Self = Self { lasts_ms: None, changed: false };

    /// Struck, and nothing is left to do.
    pub(super) fn once_if(changed: bool) -> Self {
        Self { lasts_ms: None, changed }
    }

    /// Changed something, and is ended after a while.
    pub(super) fn lasting(for_ms: u64) -> Self {
        Self { lasts_ms: Some(for_ms), changed: true }
    }
}

/// Whoever breaks the world.
pub(super) struct Breaker {
    pub(super) fabric: Fabric,
    pub(super) network: Network,
    pub(super) shared: Shared,
    pub(super) recorder: Recorder,
    pub(super) machine: Machine,
    links: Latency,
    strains: RefCell<Vec<link::Strain>>,
    /// State files of nodes, by the place of the fault that saved them.
    saved: RefCell<BTreeMap<usize, SavedState>>,
    /// Servers that have no power.
    powerless: RefCell<Powerless>,
    /// When what lasts is to end, by places in the schedule.
    ends_ms: RefCell<BTreeMap<usize, u64>>,
}

impl Breaker {
    pub(super) fn new(site: Site, machine: Machine, links: Latency) -> Self {
        let Site { fabric, network, shared, recorder } = site;
        let (strains, saved) = (RefCell::default(), RefCell::default());
        let (powerless, ends_ms) = (RefCell::default(), RefCell::default());
        Self {
            fabric,
            network,
            shared,
            recorder,
            machine,
            links,
            strains,
            saved,
            powerless,
            ends_ms,
        }
    }

    /// Starts the orchestrator on what its disk holds.
    pub(super) fn start_orchestrator(self: &Rc<Self>) {
        let (watcher, writer) = (self.clone(), self.clone());
        self.machine.start(Watchers {
            record: Rc::new(move |record| watcher.watch(record)),
            written: Rc::new(move |nth| writer.written(nth)),
        });
    }

    /// A record was handed to the disk, which has not synced it.
    fn written(&self, nth: u64) {
        let now_ms = self.shared.now_ms();
        for strike in self.recorder.written(now_ms, nth) {
            self.strike(strike);
        }
    }

    /// The orchestrator has sent something to where an effect is under way.
    pub(super) fn sent(&self, nth: u64) {
        let now_ms = self.shared.now_ms();
        for strike in self.recorder.sent(now_ms, nth) {
            self.strike(strike);
        }
    }

    /// A record is durable, and what it announces has not happened yet.
    fn watch(&self, record: &Record) {
        // Brings ground truth to this instant before the claim is judged.
        let now_ms = self.shared.with(|farm| farm.now_ms());
        self.machine.recorded(&record.event);
        for strike in self.recorder.journal(now_ms, record) {
            self.strike(strike);
        }
    }

    /// Carries a fault out now. One whose object is gone (an orchestrator that is away, an old
    /// server that is upgraded by now) does not strike, nor one that the atlas forbids.
    pub(super) fn strike(&self, strike: Strike) {
        let Strike { place, fault, action, .. } = strike;
        if !self.has_object(&fault) {
            return;
        }
        // Brings the users to this instant: what they meet until now is no consequence of it.
        let now_ms = self.shared.with(|farm| farm.now_ms());
        if !self.recorder.may_strike(now_ms, &fault) {
            return;
        }
        self.recorder.began(now_ms, place, &fault);
        let blow = match &fault {
            Fault::Link(it) => self.link(place, it, action.as_ref()),
            Fault::Balancer(it) => self.balancer(place, it),
            Fault::ServiceCenter(it) => self.service_center(place, it),
            Fault::FrontEnd(it) => self.front_end(place, it),
            Fault::Database(it) => self.database(place, it),
            Fault::Orchestrator(it) => self.orchestrator(place, it),
            Fault::People(it) => self.people(place, it),
            Fault::Correlated(it) => self.correlated(place, it),
        };
        if blow.changed {
            self.recorder.changed(now_ms, place);
        }
        if let Some(lasts_ms) = blow.lasts_ms {
            let ends_ms = now_ms + lasts_ms;
            self.ends_ms.borrow_mut().insert(place, ends_ms);
            self.recorder.send(Message::Later(ends_ms, Later::End { place, fault }));
        }
    }

    /// What lasts is ended now, and was to last longer: the farm heals.
    fn ends_early(&self, place: usize) -> bool {
        self.ends_ms.borrow().get(&place).is_some_and(|ends_ms| self.shared.now_ms() < *ends_ms)
    }

    /// Mends what has no end of its own, at the end of a run's first phase; `None` for what is not
    /// there to be mended: it happened once, or was met and is over.
    pub(super) fn mend(&self, fault: &Fault) -> Option<Over> {
        match fault {
            Fault::FrontEnd(it) => self.mend_front_end(it),
            _ => None,
        }
    }

    /// What a fault would strike is there.
    fn has_object(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Orchestrator(_) => self.machine.is_alive(),
            Fault::Database(fault) => self.is_still_old(fault),
            Fault::FrontEnd(fault) => self.is_installing(fault),
            _ => true,
        }
    }

    /// Ends what lasted.
    pub(super) fn end(self: &Rc<Self>, place: usize, fault: &Fault) {
        let over = match fault {
            Fault::Link(it) => self.end_link(place, it),
            Fault::FrontEnd(it) => self.end_front_end(place, it),
            Fault::Orchestrator(it) => self.end_orchestrator(place, it),
            Fault::People(it) => self.end_people(place, it),
            Fault::Correlated(it) => self.end_correlated(place, it),
            Fault::Balancer(it) => self.end_balancer(place, it),
            Fault::ServiceCenter(_) | Fault::Database(_) => {
                unreachable!("{fault} has no end of its own")
            }
        };
        if over == Over::Now {
            self.recorder.ended(self.shared.now_ms(), place);
        }
    }
}

/// Servers that faults keep down, with the places of those faults in the schedule.
#[derive(Debug, Default)]
struct Powerless(BTreeMap<String, BTreeSet<usize>>);

impl Powerless {
    /// The fault of a place takes a server's power.
    fn cut(&mut self, server: &str, place: usize) {
        self.0.entry(server.to_owned()).or_default().insert(place);
    }

    /// These faults keep a server down no longer. Whether its power comes back: no other does.
    fn restore(&mut self, server: &str, is_over: impl Fn(usize) -> bool) -> bool {
        let Some(places) = self.0.get_mut(server) else { return true };
        places.retain(|place| !is_over(*place));
        places.is_empty()
    }
}

/// When something is over whose end was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Now.
    Now,
    /// Somebody else says when: a machine has yet to boot.
    ToldByOthers,
}

/// The host that an action goes to.
fn peer(action: &Action) -> String {
    match action {
        Action::Balancer { node, .. } | Action::Nudge { node, .. } => node.to_string(),
        Action::Flag { via: server, .. }
        | Action::Start { server, .. }
        | Action::Reboot { server, .. }
        | Action::Test { server } => server.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::nemesis::{Schedule, Source};
    use crate::oracle::RunVerdict;
    use crate::scenario::Scenario;
    use crate::world::{Asked, Order, Witness, rehearse};

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
        /// The run of the farm of six with these faults.
        fn of(schedule: &str) -> Self {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/six.toml");
            let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
            let schedule: Schedule = toml::from_str(schedule).expect("a schedule");
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

        fn asks_between(&self, from_ms: u64, to_ms: u64) -> bool {
            self.asked.borrow().iter().any(|at_ms| (from_ms..to_ms).contains(at_ms))
        }
    }

    /// Goal: a machine that two faults let stand still goes on when the longer one is over. Method: a
    /// pause of ten minutes, in it one of half a minute; nobody is asked before the end of the first.
    #[test]
    fn a_pause_within_a_pause_does_not_end_it() {
        let story = Story::of(
            r#"
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 1000 }
            fault = { family = "orchestrator", kind = "pause", for_ms = 600000 }
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 20000 }
            fault = { family = "orchestrator", kind = "pause", for_ms = 30000 }
            "#,
        );
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
        let story = Story::of(
            r#"
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 1000 }
            fault = { family = "orchestrator", kind = "pause", for_ms = 600000 }
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 20000 }
            fault = { family = "orchestrator", kind = "orchestrator-crash", away_ms = 1000 }
            "#,
        );
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
        let story = Story::of(
            r#"
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 1000 }
            fault = { family = "front-end", kind = "front-end-crash", server = "fe-4", back_after_ms = 120000 }
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 20000 }
            fault = { family = "correlated", kind = "rack-crash", servers = ["fe-3", "fe-4"], for_ms = 720000 }
            "#,
        );
        let dark_ms = story.once("fault 1: ");
        for server in ["fe-3", "fe-4"] {
            let up_ms = story.when(&format!("{server} machine up")).into_iter().min();
            assert!(up_ms.is_some_and(|up_ms| up_ms >= dark_ms + 720_000), "{server}: {up_ms:?}");
        }
    }

    /// Goal: a rack's power does not mend a server that is broken. Method: in a rack without power a
    /// server crashes for good; when the power is back, only the other one comes back with it.
    #[test]
    fn a_broken_server_does_not_come_back_with_its_rack() {
        let story = Story::of(
            r#"
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 1000 }
            fault = { family = "correlated", kind = "rack-crash", servers = ["fe-3", "fe-4"], for_ms = 120000 }
            [[planned]]
            trigger = { when = "step", step = 3, after_ms = 20000 }
            fault = { family = "front-end", kind = "front-end-crash", server = "fe-4" }
            "#,
        );
        let dark_ms = story.once("fault 0: ");
        let up_soon = |server: &str| {
            let up_ms = story.when(&format!("{server} machine up")).into_iter().min();
            up_ms.is_some_and(|up_ms| up_ms < dark_ms + 300_000)
        };
        assert!(up_soon("fe-3") && !up_soon("fe-4"));
    }

    /// Goal: nothing flaps any more when the farm has healed. Method: an installer that fails for
    /// ever holds the run; just before the farm heals, checks of a member begin to flap.
    #[test]
    fn checks_stop_to_flap_when_the_farm_heals() {
        let story = Story::of(
            r#"
            [[planned]]
            trigger = { when = "held", nth = 1, after_ms = 1190000 }
            fault = { family = "balancer", kind = "health-flapping", node = "lb-1", server = "fe-4", turn_ms = 15000, for_ms = 90000 }
            [[planned]]
            trigger = { when = "at", at_ms = 0 }
            fault = { family = "front-end", kind = "installer-fails", server = "fe-1", job = "controller-upgrade", code = 2, times = 4294967295 }
            "#,
        );
        let healed_ms = story.once("the farm heals");
        assert_eq!(story.once("fault 0 is over"), healed_ms);
        let down = story.when("lb-1 shop/fe-4 down");
        let (before, after) = (healed_ms - 10_000..healed_ms, healed_ms..healed_ms + 90_000);
        assert!(down.iter().any(|at_ms| before.contains(at_ms)), "{down:?}");
        assert!(!down.iter().any(|at_ms| after.contains(at_ms)), "{down:?}");
    }
}
