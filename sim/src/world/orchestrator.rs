//! The orchestrator on a host of its own: started, killed, started again on what its disk kept.
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel::drive::{self, Mind, OnHold, Options, World};
use evenkeel::journal::{Event, Journal, Record, Request, Wanted};
use evenkeel::ports::{Address, Inbox, WallClock};
use jiff::{SignedDuration, Timestamp};

use crate::disk::Disk;
use crate::fabric::UnderWay;
use crate::nemesis::fault::Fate;
use crate::random::Keyed;
use crate::sabotage::Planted;
use crate::sabotage::ports::{Launching, LoginScript, Memory, PortBug, Storing, Wiretap};
use crate::scenario::Scenario;

use super::network::{Network, Shells};
use super::record::Recorder;
use super::tap::Tap;
use super::watched::Watched;
use super::{Fabric, PASSWORD, Points, Shared};

/// When a rehearsal begins, by its wall clock: a Saturday night. Any instant would do.
const BEGINS: &str = "2026-01-10T22:00:00Z";

/// When a second orchestrator comes, where nobody holds the lock.
const SECOND_COMES: Duration = Duration::from_secs(90);

/// Whoever sees what a life of the orchestrator writes down.
#[derive(Clone)]
pub(super) struct Watchers {
    /// Sees every record right after it is durable.
    pub(super) record: Rc<dyn Fn(&Record)>,
    /// Is told which record (counted from 1) was handed to the disk, before it is synced.
    pub(super) written: Rc<dyn Fn(u64)>,
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
    planted: Option<Planted>,
    memory: Memory,
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
        planted: Option<Planted>,
        tap: Tap,
    ) -> Self {
        Self {
            planted,
            memory: Memory::default(),
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
        if self.bug() == Some(PortBug::NoLock) && life == 1 {
            let (machine, watchers) = (self.clone(), watchers.clone());
            self.fabric.spawn(self.network.orchestrator, async move {
                tokio::time::sleep(SECOND_COMES).await;
                // Whatever comes of it, the world listens to the first.
                let _ = machine.live(watchers).await;
            });
        }
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
        let disk = Watched::new(self.disk.file(), written);
        let storage = Storing::new(disk, self.bug());
        let (journal, records) = Journal::open(storage).map_err(|error| error.to_string())?;
        // What a killed process had handed to the disk, and not seen synced, may be there.
        let unseen = usize::try_from(self.recorder.records()).expect("a journal fits in memory");
        records.get(unseen..).unwrap_or_default().iter().for_each(&*watch);
        let wires = Wiretap::new(
            self.network.dial(&self.fabric, &self.tap),
            self.bug(),
            self.memory.clone(),
            self.lives.get() <= 1,
            self.front(),
        );
        let people =
            People { script: Rc::default(), loops: self.bug() == Some(PortBug::LoginLoop) };
        let (machine, script) = (self.clone(), Rc::clone(&people.script));
        let world = World {
            dial: wires.clone(),
            launcher: Launching::new(Shells(wires), self.bug()),
            journal,
            records,
            wall: Wall(self.shared.clone()),
            inbox: people,
            password: PASSWORD.to_owned().into(),
            watch: Box::new(move |record| {
                script.borrow_mut().hear(record, |what| machine.request(what, record.at));
                watch(record);
            }),
        };
        let mind = self.planted.map_or_else(Mind::default, Planted::mind);
        let requests = self.approvals();
        let options = Options { on_hold: OnHold::Wait, requests, certificate: None, mind };
        drive::run(&self.scenario.plan, &self.scenario.plan_hash, world, options)
            .await
            .map_err(|error| error.to_string())
    }

    /// All gates are approved beforehand: a rehearsal waits for nobody.
    fn approvals(&self) -> Vec<Request> {
        let gates = self.scenario.plan.farm.policy.gates.iter();
        gates.map(|step| self.request(Wanted::Approve { step: *step }, begins())).collect()
    }

    fn request(&self, what: Wanted, at: Timestamp) -> Request {
        Request {
            what,
            who: "rehearsal".into(),
            ticket: None,
            plan_hash: self.scenario.plan_hash.clone(),
            at,
        }
    }

    /// The bug around a port that is planted in this run.
    fn bug(&self) -> Option<PortBug> {
        self.planted.and_then(Planted::port)
    }

    /// Where a balancer takes users' requests.
    fn front(&self) -> Option<Address> {
        let pools = &self.scenario.plan.farm.pools;
        pools.iter().find_map(|pool| pool.traffic.values().next())?.parse().ok()
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

/// Nobody asks for anything while a rehearsal runs, but a script that is planted.
struct People {
    script: Rc<RefCell<LoginScript>>,
    loops: bool,
}

impl Inbox for People {
    fn take(&mut self) -> io::Result<Vec<Request>> {
        let asked = self.script.borrow_mut().take();
        Ok(asked.into_iter().filter(|_| self.loops).collect())
    }

    fn must_be_asked(&self) -> bool {
        self.loops
    }
}
