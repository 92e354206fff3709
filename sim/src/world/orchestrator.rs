//! The orchestrator on a host of its own: started, killed, started again on what its disk kept.
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use evenkeel::drive::{self, OnHold, Options, World};
use evenkeel::journal::{Event, Journal, Record, Request, Wanted};
use evenkeel::ports::{Inbox, Storage, WallClock};
use jiff::{SignedDuration, Timestamp};

use crate::disk::{Disk, DiskFile};
use crate::fabric::UnderWay;
use crate::nemesis::fault::Fate;
use crate::random::Keyed;
use crate::scenario::Scenario;

use super::network::{Network, Shells};
use super::record::Recorder;
use super::tap::Tap;
use super::{Fabric, PASSWORD, Points, Shared};

/// When a rehearsal begins, by its wall clock: a Saturday night. Any instant would do.
const BEGINS: &str = "2026-01-10T22:00:00Z";

/// Whoever sees what a life of the orchestrator writes down.
#[derive(Clone)]
pub(super) struct Watchers {
    /// Sees every record right after it is durable.
    pub(super) record: Rc<dyn Fn(&Record)>,
    /// Is told which record (counted from 1) was handed to the disk, before it is synced.
    pub(super) written: Rc<dyn Fn(u64)>,
}

/// The journal's disk, watched.
struct Watched {
    file: DiskFile,
    written: Rc<dyn Fn(u64)>,
    /// Whole records in the file; `None` before they were counted.
    records: Option<u64>,
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Storage for Watched {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = match self.records {
            Some(records) => records,
            None => lines(&self.file.read()?),
        };
        self.file.append(bytes)?;
        let after = before + lines(bytes);
        self.records = Some(after);
        (before + 1..=after).for_each(|nth| (self.written)(nth));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        self.file.read()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.records = None;
        self.file.truncate(length)
    }
}

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
    tap: Tap,
    /// What killed processes had sent, and what is to arrive late.
    late: Rc<RefCell<UnderWay>>,
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
        tap: Tap,
    ) -> Self {
        Self {
            tap,
            late: Rc::default(),
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
    pub(super) fn start(&self, watchers: Watchers) {
        assert!(self.life.get().is_none(), "one orchestrator at a time");
        let life = self.lives.get() + 1;
        self.lives.set(life);
        self.life.set(Some(life));
        let machine = self.clone();
        self.fabric.spawn(self.network.orchestrator, async move {
            let how = machine.live(watchers).await;
            // A process that was killed says nothing any more.
            if machine.life.get() == Some(life) {
                machine.recorder.process_ended(how);
            }
        });
        self.fabric.power_on(self.network.orchestrator);
        self.tap.await_word_of(self.late.borrow().receivers());
    }

    /// One life, from the journal's opening to the verdict.
    async fn live(&self, watchers: Watchers) -> Result<evenkeel::journal::Verdict, String> {
        let Watchers { record: watch, written } = watchers;
        let disk = Watched { file: self.disk.file(), written, records: None };
        let (journal, records) = Journal::open(disk).map_err(|error| error.to_string())?;
        // What a killed process had handed to the disk, and not seen synced, may be there.
        let unseen = usize::try_from(self.recorder.records()).expect("a journal fits in memory");
        records[unseen..].iter().for_each(&*watch);
        let wires = self.network.dial(&self.fabric, &self.tap);
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
        let options = Options { on_hold: OnHold::Wait, requests: self.approvals() };
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

    /// The journal has a record of this life.
    pub(super) fn recorded(&self, event: &Event) {
        match event {
            Event::Intent { id, action } => {
                self.tap.effect_begins(*id, self.network.receivers(action));
            }
            Event::Outcome { id, .. } => self.tap.effect_ended(*id),
            _ => {}
        }
    }


    /// The orchestrator has heard of somebody again: what is late for him arrives now.
    pub(super) fn heard_of(&self, peer: SocketAddr) {
        self.fabric.send_on(&mut self.late.borrow_mut(), peer);
    }

    /// Kills the orchestrator, with what its disk had not been asked to sync.
    pub(super) fn kill(&self, fate: Fate) {
        self.life.take().expect("only what lives is killed");
        self.recorder.killed(Points { records: self.recorder.records(), sent: self.tap.sent() });
        // No packet leaves from here on, and nothing more is written.
        self.fabric.cut_power(self.network.orchestrator);
        self.tap.died();
        self.late.take();
        match fate {
            Fate::NeverArrived => {
                drop(self.fabric.take_under_way(self.network.orchestrator));
            }
            Fate::Unanswered => {}
            Fate::Late => {
                self.late.replace(self.fabric.take_under_way(self.network.orchestrator));
            }
        }
        let writes = self.disk.counters().appends;
        let kept = self.disk.crash(self.keyed.draw("disk", "crash", writes));
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
