//! The orchestrator on a host of its own: started, killed, started again on what its disk kept.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel::drive::{self, Mind, OnHold, Options, World};
use evenkeel::journal::{Event, HoldReason, Journal, Record, Request, Wanted};
use evenkeel::ports::{Address, WallClock};
use jiff::{SignedDuration, Timestamp};

use crate::disk::Disk;
use crate::fabric::UnderWay;
use crate::nemesis::fault::Fate;
use crate::random::Keyed;
use crate::sabotage::Planted;
use crate::sabotage::ports::{Launching, Memory, PortBug, Storing, Wiretap};
use crate::scenario::Scenario;

use super::healing::Healing;
use super::network::{Network, Shells};
use super::people::Post;
use super::record::Recorder;
use super::tap::Tap;
use super::watched::Watched;
use super::{Fabric, PASSWORD, Points, Shared, Site};

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
    /// What people have asked for.
    post: Post,
    /// Steps that nobody approves beforehand.
    approved_late: Rc<BTreeSet<u8>>,
    /// By how much its wall clock is wrong.
    clock_off_ms: Rc<Cell<i64>>,
    /// The faults that let it stand still, by their places in the schedule, with their ends: it goes
    /// on when there is none.
    frozen: Rc<RefCell<BTreeMap<usize, u64>>>,
    /// The fault that its disk suffers from, by its place in the schedule.
    disk_fault: Rc<Cell<Option<usize>>>,
    /// The process ended by itself because of its disk.
    given_up: Rc<Cell<bool>>,
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
        site: Site,
        planted: Option<Planted>,
        tap: Tap,
        approved_late: BTreeSet<u8>,
    ) -> Self {
        let Site { fabric, network, shared, recorder } = site;
        Self {
            planted,
            memory: Memory::default(),
            tap,
            post: Post::default(),
            approved_late: Rc::new(approved_late),
            clock_off_ms: Rc::default(),
            frozen: Rc::default(),
            disk_fault: Rc::default(),
            given_up: Rc::default(),
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
        let tap = self.tap.of_another_process();
        let disk = Watched::new(self.disk.file(), written, self.recorder.clone());
        let storage = Storing::new(disk, self.bug());
        let (journal, records) = Journal::open(storage).map_err(|error| error.to_string())?;
        // What a killed process had handed to the disk, and not seen synced, may be there.
        let unseen = usize::try_from(self.recorder.records()).expect("a journal fits in memory");
        records.get(unseen..).unwrap_or_default().iter().for_each(&*watch);
        let wires = Wiretap::new(
            self.network.dial(&self.fabric, &tap),
            self.bug(),
            self.memory.clone(),
            self.lives.get() <= 1,
            self.front(),
        );
        // Somebody's script that answers a refused login by letting it be tried again.
        let loops = self.bug() == Some(PortBug::LoginLoop);
        let (machine, mut tries, of_process) = (self.clone(), 0, tap);
        let world = World {
            dial: wires.clone(),
            launcher: Launching::new(Shells::new(wires, self.network.shells.clone()), self.bug()),
            journal,
            records,
            wall: Wall { shared: self.shared.clone(), off_ms: self.clock_off_ms.clone() },
            inbox: self.post.inbox(loops),
            password: PASSWORD.to_owned().into(),
            watch: Box::new(move |record| {
                if loops && is_refused_login(&record.event) && tries < LOOP_TRIES_MAX {
                    tries += 1;
                    machine.post.put(machine.request("a script", RETRY_ALL, record.at));
                }
                if let Some(process) = of_process.stray() {
                    machine.recorder.stray(machine.shared.now_ms(), process, "the journal");
                }
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

    /// Gates are approved beforehand, except where a fault says that somebody comes later.
    fn approvals(&self) -> Vec<Request> {
        let gates = self.scenario.plan.farm.policy.gates.iter();
        gates
            .filter(|step| !self.approved_late.contains(step))
            .map(|step| self.request("rehearsal", Wanted::Approve { step: *step }, begins()))
            .collect()
    }

    /// The gates that somebody is late to approve.
    pub(super) fn approved_late(&self) -> impl Iterator<Item = u8> {
        self.approved_late.iter().copied()
    }

    /// Somebody asks for something; the orchestrator takes it when it next looks.
    pub(super) fn ask(&self, who: &str, what: Wanted) -> Request {
        // By his own clock, which is right.
        let wall = Wall { shared: self.shared.clone(), off_ms: Rc::default() };
        let request = self.request(who, what, wall.now());
        self.post.put(request.clone());
        request
    }

    /// Another process was started on the same plan, and the farm's lock has refused it, whether the
    /// first one runs or stands still. What is played of it is what it leaves behind: it hands over
    /// what it was to ask for, as `apply` does. Itself and the lock are tested on real processes
    /// (`tests/one_writer.rs`).
    pub(super) fn refuse_another(&self, who: &str) -> Request {
        assert!(self.is_alive(), "the lock dies with its process");
        let step = self.scenario.plan.farm.policy.gates.first().copied().unwrap_or(1);
        self.ask(who, Wanted::Approve { step })
    }

    /// The machine stands still because of the fault of a place, until an instant at least.
    pub(super) fn freeze(&self, place: usize, until_ms: u64) {
        let mut frozen = self.frozen.borrow_mut();
        if frozen.is_empty() {
            self.fabric.freeze(self.network.orchestrator);
        }
        frozen.insert(place, until_ms);
    }

    /// Until when it stands still; 0 when it runs.
    pub(super) fn stands_until_ms(&self) -> u64 {
        self.frozen.borrow().values().copied().max().unwrap_or(0)
    }

    /// That fault is over: it goes on, if no other lets it stand still. False when the fault was over
    /// before, since the process was killed.
    pub(super) fn thaw(&self, place: usize) -> bool {
        let mut frozen = self.frozen.borrow_mut();
        let lasted = frozen.remove(&place).is_some();
        if lasted && frozen.is_empty() {
            self.fabric.thaw(self.network.orchestrator);
        }
        lasted
    }

    /// Its wall clock jumps.
    pub(super) fn set_clock_off_by(&self, ms: i64) {
        self.clock_off_ms.set(self.clock_off_ms.get() + ms);
    }

    /// The disk takes only so much more from now on; `None`: it fails to sync. Nothing happens to a
    /// disk that suffers already.
    pub(super) fn break_disk(&self, place: usize, room_bytes: Option<usize>) {
        if self.disk_fault.get().is_some() {
            return;
        }
        self.disk_fault.set(Some(place));
        match room_bytes {
            Some(room) => self.disk.set_capacity_bytes(Some(self.disk.seen().len() + room)),
            None => self.disk.set_syncs_fail(true),
        }
    }

    /// The disk that a fault broke is as before. Whether a process that gave up is to be started.
    pub(super) fn mend_disk(&self, place: usize) -> bool {
        if self.disk_fault.get() != Some(place) {
            return false;
        }
        self.disk_fault.set(None);
        self.disk.set_capacity_bytes(None);
        self.disk.set_syncs_fail(false);
        self.given_up.replace(false)
    }

    /// The process has ended by itself with these words: the fault of its disk that it gave up for,
    /// by its place in the schedule; `None` when there was no reason to.
    pub(super) fn gave_up(&self, why: &str) -> Option<usize> {
        let place = self.disk_fault.get().filter(|_| why.contains("the disk says"))?;
        self.life.take();
        self.died();
        self.given_up.set(true);
        Some(place)
    }

    /// Its process is no more.
    fn died(&self) {
        for intent in self.tap.died() {
            self.recorder.tested(self.shared.now_ms(), intent);
        }
    }

    fn request(&self, who: &str, what: Wanted, at: Timestamp) -> Request {
        Request {
            what,
            who: who.to_owned(),
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

    /// Draws which of these broken servers heal.
    pub(super) fn heal(&self, now_ms: u64, broken: &BTreeSet<String>) -> Healing {
        Healing::new(now_ms, broken, &self.scenario, &self.keyed)
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
            Event::Outcome { id, .. } => {
                if self.tap.tested(*id) {
                    self.recorder.tested(self.shared.now_ms(), *id);
                }
                self.tap.effect_ended(*id);
            }
            _ => {}
        }
    }

    /// The orchestrator has heard of somebody again: what is late for him arrives now.
    pub(super) fn heard_of(&self, peer: SocketAddr) {
        self.fabric.send_on(&mut self.late.borrow_mut(), peer);
    }

    /// Kills the orchestrator, with what its disk had not been asked to sync. Whatever lets it stand
    /// still is over with that: the places of those faults are returned.
    pub(super) fn kill(&self, fate: Fate) -> impl Iterator<Item = usize> + use<> {
        self.life.take().expect("only what lives is killed");
        self.recorder.killed(Points { records: self.recorder.records(), sent: self.tap.sent() });
        // No packet leaves from here on, and nothing more is written.
        self.fabric.cut_power(self.network.orchestrator);
        self.tap.cut_power();
        self.died();
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
        self.frozen.take().into_keys()
    }
}

/// The rehearsal's wall clock: it goes with simulated time, and may be wrong.
#[derive(Clone)]
struct Wall {
    shared: Shared,
    off_ms: Rc<Cell<i64>>,
}

fn begins() -> Timestamp {
    BEGINS.parse().expect("the beginning is an instant")
}

impl WallClock for Wall {
    fn now(&self) -> Timestamp {
        let ms = i64::try_from(self.shared.now_ms()).expect("a run ends within an aeon");
        begins() + SignedDuration::from_millis(ms + self.off_ms.get())
    }
}

/// A script gives up after this many tries, so that a run ends: long after the damage is done.
const LOOP_TRIES_MAX: u32 = 100;
/// A script's answer to everything.
const RETRY_ALL: Wanted = Wanted::Retry { server: None };

fn is_refused_login(event: &Event) -> bool {
    matches!(event, Event::Held { reason: HoldReason::LoginRefused { .. }, .. })
}
