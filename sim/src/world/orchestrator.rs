//! The orchestrator on a host of its own: started, killed, started again on what its disk kept.
use std::cell::Cell;
use std::io;
use std::rc::Rc;

use evenkeel::drive::{self, OnHold, Options, World};
use evenkeel::journal::{Journal, Record, Request, Wanted};
use evenkeel::ports::{Inbox, WallClock};
use jiff::{SignedDuration, Timestamp};

use crate::disk::Disk;
use crate::random::Keyed;
use crate::scenario::Scenario;

use super::network::{Network, Shells};
use super::record::Recorder;
use super::{Fabric, PASSWORD, Shared};

/// When a rehearsal begins, by its wall clock: a Saturday night. Any instant would do.
const BEGINS: &str = "2026-01-10T22:00:00Z";

/// Sees every record right after it is durable.
pub(super) type Watcher = Rc<dyn Fn(&Record)>;

/// The orchestrator's machine.
#[derive(Clone)]
pub(super) struct Machine {
    scenario: Rc<Scenario>,
    keyed: Keyed,
    fabric: Fabric,
    network: Rc<Network>,
    shared: Shared,
    recorder: Recorder,
    disk: Disk,
    /// The process that runs, counted from 1; `None` while there is none.
    life: Rc<Cell<Option<u64>>>,
    lives: Rc<Cell<u64>>,
}

impl Machine {
    pub(super) fn new(
        scenario: Rc<Scenario>,
        keyed: Keyed,
        fabric: Fabric,
        network: Network,
        shared: Shared,
        recorder: Recorder,
    ) -> Self {
        Self {
            scenario,
            keyed,
            fabric,
            network: Rc::new(network),
            shared,
            recorder,
            disk: Disk::new(),
            life: Rc::new(Cell::new(None)),
            lives: Rc::new(Cell::new(0)),
        }
    }

    /// Starts the orchestrator on what the disk holds.
    pub(super) fn start(&self, watch: Watcher) {
        assert!(self.life.get().is_none(), "one orchestrator at a time");
        let life = self.lives.get() + 1;
        self.lives.set(life);
        self.life.set(Some(life));
        let machine = self.clone();
        self.fabric.spawn(self.network.orchestrator, async move {
            let how = machine.live(watch).await;
            // A process that was killed says nothing any more.
            if machine.life.get() == Some(life) {
                machine.recorder.process_ended(how);
            }
        });
        self.fabric.power_on(self.network.orchestrator);
    }

    /// One life, from the journal's opening to the verdict.
    async fn live(&self, watch: Watcher) -> Result<evenkeel::journal::Verdict, String> {
        let (journal, records) =
            Journal::open(self.disk.file()).map_err(|error| error.to_string())?;
        let wires = self.network.dial(&self.fabric);
        let world = World {
            dial: wires.clone(),
            launcher: Shells(wires),
            journal,
            records,
            wall: Wall(self.shared.clone()),
            inbox: Nobody,
            password: PASSWORD.to_owned().into(),
            watch: Box::new(move |record| watch(record)),
        };
        let options = Options {
            on_hold: OnHold::Wait,
            requests: self.approvals(),
            mind: drive::Mind::default(),
        };
        drive::run(&self.scenario.plan, &self.scenario.plan_hash, world, options)
            .await
            .map_err(|error| error.to_string())
    }

    /// All gates are approved beforehand: a rehearsal waits for nobody.
    fn approvals(&self) -> Vec<Request> {
        let gates = self.scenario.plan.farm.policy.gates.iter();
        gates
            .map(|step| Request {
                what: Wanted::Approve { step: *step },
                who: "rehearsal".into(),
                ticket: None,
                plan_hash: self.scenario.plan_hash.clone(),
                at: begins(),
            })
            .collect()
    }

    /// There is a process.
    pub(super) fn is_alive(&self) -> bool {
        self.life.get().is_some()
    }

    /// Kills the orchestrator, with what its disk had not been asked to sync.
    pub(super) fn kill(&self) {
        let life = self.life.take().expect("only what lives is killed");
        // No packet leaves from here on, and nothing more is written.
        self.fabric.cut_power(self.network.orchestrator);
        let kept = self.disk.crash(self.keyed.draw("disk", "crash", life));
        self.recorder.note(self.shared.now_ms(), &format!("the journal's disk: {kept:?}"));
    }
}

/// The rehearsal's wall clock: it goes with simulated time.
#[derive(Clone)]
struct Wall(Shared);

fn begins() -> Timestamp {
    BEGINS.parse().expect("the beginning is an instant")
}

impl WallClock for Wall {
    fn now(&self) -> Timestamp {
        let ms = i64::try_from(self.0.now_ms()).expect("a run ends within an aeon");
        begins() + SignedDuration::from_millis(ms)
    }
}

/// Nobody asks for anything while a rehearsal runs.
struct Nobody;

impl Inbox for Nobody {
    fn take(&mut self) -> io::Result<Vec<Request>> {
        Ok(Vec::new())
    }
}
