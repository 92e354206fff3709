//! Everything that is known of a run while it goes on: the oracle, the watch for triggers, the
//! last events, and what the world must do about them.
mod users;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use evenkeel::journal::tell::Teller;
use evenkeel::journal::{self, HoldReason, Request, WayOut};
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::ledger;
use serde::Serialize;

use crate::fabric::Fabric;
use crate::nemesis::watch::{Strike, Watch};
use crate::nemesis::{Fault, Trigger, atlas};
use crate::oracle::{Oracle, Sight, Struck};
use crate::traffic::Users;

use super::Points;
use super::strike::Later;
use super::witness::{Asked, Witness};

/// Events kept for a report: what led to a violation is rarely further back.
const LAST_EVENTS: usize = 20;

/// Something that the world has to do, or to know.
#[derive(Debug)]
pub(super) enum Message {
    /// Something is due at an instant.
    Later(u64, Later),
    /// A machine is up again.
    Up(String),
    /// The orchestrator was killed or stopped, and is away for this long.
    Away(u64),
    /// The run holds.
    Held(HoldReason),
    /// It holds no more.
    Released,
    /// The orchestrator sent bytes for the n-th time to where an effect is under way.
    Sent(u64),
    /// An answer has met what was to befall it, a fault of this place in the schedule.
    Befell(usize),
    /// The orchestrator has heard of somebody whom something late is for.
    Heard(SocketAddr),
    /// A process that does not hold the run changes something.
    Stray {
        /// Which, counted from 1.
        process: u64,
        /// Where.
        to: SocketAddr,
    },
    /// The orchestrator's process ended by itself.
    Ended(Result<evenkeel::journal::Verdict, String>),
}

/// The record of one run, shared by all who add to it.
#[derive(Clone)]
pub(super) struct Recorder(Rc<RefCell<Inner>>);

struct Inner {
    fabric: Option<Fabric>,
    oracle: Option<Oracle>,
    watch: Watch,
    teller: Teller,
    users: Users,
    /// The faults that struck, by their places in the schedule.
    struck: BTreeMap<usize, Hit>,
    /// Entries of the atlas that kept a fault from striking.
    trimmed: BTreeSet<&'static str>,
    witness: Option<Box<dyn Witness>>,
    /// Faults that took servers down, by their places, with those that are not up again.
    crashed: BTreeMap<usize, BTreeSet<String>>,
    /// The step that the run is in.
    step: u8,
    /// Why it holds.
    held: Option<HoldReason>,
    /// What that hold offers people to do about it.
    offered: Vec<WayOut>,
    /// What people asked for, with the place of the fault that made them.
    asked: Vec<(Request, usize)>,
    last: VecDeque<String>,
    /// The last events before the first violation.
    before_violation: Option<Vec<String>>,
    exchanges: u64,
    records: u64,
    /// Records that the disk has.
    durable: u64,
    killed: Vec<Points>,
    healed_at_ms: Option<u64>,
    send: tokio::sync::mpsc::UnboundedSender<Message>,
}

/// What a record holds in the end.
pub(super) struct Recorded {
    pub(super) oracle: Oracle,
    pub(super) before_violation: Vec<String>,
    pub(super) exchanges: u64,
    pub(super) struck: BTreeMap<usize, Hit>,
    pub(super) killed: Vec<Points>,
    pub(super) trimmed: BTreeSet<&'static str>,
    pub(super) healed_at_ms: Option<u64>,
}

/// A fault of the schedule that struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// When.
    pub at_ms: u64,
    /// The last happening before it, as the trigger that would have struck at that.
    pub after: Option<Trigger>,
    /// When it first changed something, and in which step of the run (1 to 9).
    pub changed: Option<(u64, u8)>,
}

impl Recorder {
    pub(super) fn new(
        oracle: Oracle,
        watch: Watch,
        users: Users,
        witness: Option<Box<dyn Witness>>,
        send: tokio::sync::mpsc::UnboundedSender<Message>,
    ) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            fabric: None,
            oracle: Some(oracle),
            watch,
            teller: Teller::new("PLAN"),
            users,
            struck: BTreeMap::new(),
            trimmed: BTreeSet::new(),
            witness,
            crashed: BTreeMap::new(),
            step: 1,
            held: None,
            offered: Vec::new(),
            asked: Vec::new(),
            last: VecDeque::new(),
            before_violation: None,
            exchanges: 0,
            records: 0,
            durable: 0,
            killed: Vec::new(),
            healed_at_ms: None,
            send,
        })))
    }

    /// The run begins on this network.
    pub(super) fn begin(&self, fabric: &Fabric) {
        let mut inner = self.0.borrow_mut();
        inner.fabric = Some(fabric.clone());
        let strikes = inner.watch.begin();
        inner.later(strikes);
    }

    /// Ground truth has changed.
    pub(super) fn ledger(&self, farm: &Farm, entry: &ledger::Entry) {
        let inner = &mut *self.0.borrow_mut();
        inner.tell(entry.at_ms, &entry.event.to_string());
        inner.queues_looked_at(entry.at_ms);
        inner.oracle().entry(entry);
        inner.show(entry);
        inner.servers_changed(entry.at_ms, farm, &entry.event);
        inner.members_changed(&entry.event);
        if let ledger::Event::Up { server } = &entry.event {
            for place in inner.up_again(server) {
                inner.ended(entry.at_ms, place);
            }
            inner.send(Message::Up(server.clone()));
        }
        if let ledger::Event::FaultMet { tag } = entry.event {
            inner.changed(entry.at_ms, tag as usize);
        }
        let strikes = inner.watch.ledger(entry.at_ms, &entry.event);
        inner.later(strikes);
        inner.look();
    }

    /// The journal has a record. Faults that strike at once are returned: they come before
    /// anything else happens.
    pub(super) fn journal(&self, now_ms: u64, record: &journal::Record) -> Vec<Strike> {
        let inner = &mut *self.0.borrow_mut();
        let line = inner.teller.tell(record);
        // Its wall time is left out: every line here begins with simulated time.
        inner.tell(now_ms, line.split_once("  ").map_or(&*line, |(_, words)| words));
        let durable = record.ordinal < inner.durable;
        inner.requests_looked_at(&record.event);
        inner.oracle().told(now_ms, &record.event, durable);
        if let Some(witness) = &mut inner.witness {
            let oracle = inner.oracle.as_ref().expect("nothing happens after the end");
            witness.claimed(now_ms, &record.event, oracle.ground(), &inner.users.traffic());
        }
        match &record.event {
            journal::Event::Held { reason, ways_out } => {
                inner.held = Some(reason.clone());
                inner.offered.clone_from(ways_out);
                inner.send(Message::Held(reason.clone()));
            }
            journal::Event::Released => {
                inner.held = None;
                inner.offered.clear();
                inner.send(Message::Released);
            }
            journal::Event::Step { step } => inner.step = *step,
            journal::Event::Decided(request) => inner.obeyed(now_ms, request),
            _ => {}
        }
        inner.records = record.ordinal + 1;
        let mut strikes = inner.watch.recorded(now_ms, record.ordinal + 1);
        strikes.extend(inner.watch.journal(now_ms, &record.event));
        inner.look();
        let (at_once, later) = strikes.into_iter().partition(|strike| strike.at_ms <= now_ms);
        inner.later(later);
        at_once
    }

    /// Whether the atlas lets a fault strike now.
    pub(super) fn may_strike(&self, now_ms: u64, fault: &Fault) -> bool {
        let inner = &mut *self.0.borrow_mut();
        let oracle = inner.oracle.as_ref().expect("nothing happens after the end");
        let Some(entry) = atlas::forbids(fault, oracle.ground(), oracle.faults()) else {
            return true;
        };
        inner.trimmed.insert(entry.name);
        inner.tell(now_ms, &format!("not injected ({}): {fault}", entry.name));
        false
    }

    /// The n-th record of the journal was handed to the disk, which has not synced it.
    pub(super) fn written(&self, now_ms: u64, nth: u64) -> Vec<Strike> {
        self.0.borrow_mut().watch.written(now_ms, nth)
    }

    /// The orchestrator sent bytes for the n-th time to where an effect is under way.
    pub(super) fn sent(&self, now_ms: u64, nth: u64) -> Vec<Strike> {
        self.0.borrow_mut().watch.sent(now_ms, nth)
    }

    /// Records of the journal that are durable and were taken up here.
    pub(super) fn records(&self) -> u64 {
        self.0.borrow().records
    }

    /// The disk has so many records for good.
    pub(super) fn durable(&self, records: u64) {
        self.0.borrow_mut().durable = records;
    }

    /// The server of a test was asked for an application's page.
    pub(super) fn tested(&self, now_ms: u64, intent: u64) {
        self.0.borrow_mut().oracle().saw(now_ms, &Sight::Tested { intent });
    }

    /// A process that does not hold the run changes something.
    pub(super) fn stray(&self, now_ms: u64, process: u64, to: &str) {
        let inner = &mut *self.0.borrow_mut();
        inner.oracle().saw(now_ms, &Sight::Stray { process, to });
        inner.look();
    }

    /// The orchestrator was killed when it had got so far.
    pub(super) fn killed(&self, points: Points) {
        self.0.borrow_mut().killed.push(points);
    }

    /// A fault of the schedule strikes now.
    pub(super) fn began(&self, now_ms: u64, place: usize, fault: &Fault) {
        let inner = &mut *self.0.borrow_mut();
        inner.tell(now_ms, &format!("fault {place}: {fault}"));
        let after = inner.watch.latest().cloned();
        inner.struck.insert(place, Hit { at_ms: now_ms, after, changed: None });
        // What queues have turned away by now is no consequence of it.
        inner.queues_looked_at(now_ms);
        inner.oracle().strike(now_ms, Struck::Began { place, fault: fault.clone() });
        inner.look();
    }

    /// It changed something.
    pub(super) fn changed(&self, now_ms: u64, place: usize) {
        self.0.borrow_mut().changed(now_ms, place);
    }

    /// It is over.
    pub(super) fn ended(&self, now_ms: u64, place: usize) {
        self.0.borrow_mut().ended(now_ms, place);
    }

    /// Somebody asks the run for something, because of a fault.
    pub(super) fn asked(&self, now_ms: u64, place: usize, request: Request) {
        let inner = &mut *self.0.borrow_mut();
        inner.oracle().strike(now_ms, Struck::Asked { what: request.what.clone() });
        inner.asked.push((request, place));
    }

    /// Kinds of jobs that a server has left to do, by ground truth.
    pub(super) fn unfinished(&self, server: &str) -> BTreeSet<String> {
        let inner = self.0.borrow();
        let oracle = inner.oracle.as_ref().expect("nothing happens after the end");
        oracle.ground().servers[server].unfinished.clone()
    }

    /// Why the run holds; `None` when it does not.
    pub(super) fn held(&self) -> Option<HoldReason> {
        self.0.borrow().held.clone()
    }

    /// Whether the run holds, and offers this as a way out.
    pub(super) fn offers(&self, way: &WayOut) -> bool {
        self.0.borrow().offered.contains(way)
    }

    /// It took a server down, and is over when all such servers are up again.
    pub(super) fn crashed(&self, place: usize, server: &str) {
        self.0.borrow_mut().crashed.entry(place).or_default().insert(server.to_owned());
    }

    /// The person who was called to a hold answers it.
    pub(super) fn answered(&self, now_ms: u64, request: &Request) {
        let inner = &mut *self.0.borrow_mut();
        inner.tell(now_ms, &format!("{} asks: {:?}", request.who, request.what));
        inner.oracle().strike(now_ms, Struck::Asked { what: request.what.clone() });
    }

    /// No fault strikes from now on; those that are not over are returned, with their places.
    pub(super) fn end_of_faults(&self, now_ms: u64) -> Vec<(usize, Fault)> {
        let inner = &mut *self.0.borrow_mut();
        inner.healed_at_ms = Some(now_ms);
        inner.watch.end();
        let open = inner.oracle().end_of_faults(now_ms);
        inner.look();
        open
    }

    /// What queues turned away since the last change of ground truth is told.
    pub(super) fn looks_at_queues(&self, now_ms: u64) {
        let inner = &mut *self.0.borrow_mut();
        inner.queues_looked_at(now_ms);
        inner.look();
    }

    /// The run never came to an end by itself; its network is gone already.
    pub(super) fn stuck(&self, at_ms: u64, why: &str) {
        let inner = &mut *self.0.borrow_mut();
        inner.fabric = None;
        inner.tell(at_ms, &format!("stuck: {why}"));
    }

    /// Something worth knowing for whoever reads the last events.
    pub(super) fn note(&self, now_ms: u64, line: &str) {
        self.0.borrow_mut().tell(now_ms, line);
    }

    /// The world's loop has to do, or to know, something.
    pub(super) fn send(&self, message: Message) {
        self.0.borrow().send(message);
    }

    /// The orchestrator's process ended by itself.
    pub(super) fn process_ended(&self, how: Result<evenkeel::journal::Verdict, String>) {
        self.0.borrow().send(Message::Ended(how));
    }

    /// A request reached a double.
    pub(super) fn exchange(&self, now_ms: u64, line: &str) {
        let inner = &mut *self.0.borrow_mut();
        inner.exchanges += 1;
        if let Some(witness) = &mut inner.witness {
            Asked::of(line).into_iter().for_each(|whom| witness.asked(now_ms, whom));
        }
        if let Some(fabric) = &inner.fabric {
            fabric.note(line);
        }
    }

    /// The run is over: what is known of it.
    pub(super) fn take(&self) -> Recorded {
        let inner = &mut *self.0.borrow_mut();
        Recorded {
            oracle: inner.oracle.take().expect("a run is over once"),
            before_violation: inner
                .before_violation
                .take()
                .unwrap_or_else(|| inner.last.iter().cloned().collect()),
            exchanges: inner.exchanges,
            struck: std::mem::take(&mut inner.struck),
            trimmed: std::mem::take(&mut inner.trimmed),
            killed: std::mem::take(&mut inner.killed),
            healed_at_ms: inner.healed_at_ms,
        }
    }
}

impl Inner {
    fn oracle(&mut self) -> &mut Oracle {
        self.oracle.as_mut().expect("nothing happens after the end")
    }

    /// The world's loop may be gone already, when a run is being torn down.
    fn send(&self, message: Message) {
        let _gone = self.send.send(message);
    }

    /// A server is up again: the faults that are over with that.
    fn up_again(&mut self, server: &str) -> Vec<usize> {
        self.crashed.values_mut().for_each(|down| _ = down.remove(server));
        self.crashed.extract_if(.., |_, down| down.is_empty()).map(|(place, _)| place).collect()
    }

    fn later(&self, strikes: Vec<Strike>) {
        for strike in strikes {
            self.send(Message::Later(strike.at_ms, Later::Strike(strike)));
        }
    }

    fn changed(&mut self, now_ms: u64, place: usize) {
        let step = self.step;
        self.oracle().met(now_ms, place);
        let hit = self.struck.get_mut(&place).expect("only what struck can change something");
        hit.changed.get_or_insert((now_ms, step));
    }

    /// The run does what somebody asked for.
    fn obeyed(&mut self, now_ms: u64, request: &Request) {
        let of_fault = self.asked.iter().find(|(asked, _)| asked == request);
        if let Some(&(_, place)) = of_fault {
            self.changed(now_ms, place);
        }
    }

    fn ended(&mut self, now_ms: u64, place: usize) {
        self.tell(now_ms, &format!("fault {place} is over"));
        self.oracle().strike(now_ms, Struck::Ended { place });
        self.look();
    }

    /// Shows a change of ground truth to the witness.
    fn show(&mut self, entry: &ledger::Entry) {
        if let Some(witness) = &mut self.witness {
            let oracle = self.oracle.as_ref().expect("nothing happens after the end");
            witness.ground(entry.at_ms, oracle.ground());
            let users = self.users.traffic();
            witness.changed(entry.at_ms, &entry.event, oracle.ground(), &users);
        }
    }

    /// A line for people, and for the digest.
    fn tell(&mut self, at_ms: u64, line: &str) {
        if let Some(witness) = &mut self.witness {
            witness.told(at_ms, line);
        }
        if let Some(fabric) = &self.fabric {
            fabric.note(line);
        }
        if self.last.len() == LAST_EVENTS {
            self.last.pop_front();
        }
        self.last.push_back(format!("{}  {line}", clock(at_ms)));
    }

    /// Keeps the last events when the first invariant broke.
    fn look(&mut self) {
        if self.before_violation.is_none() && !self.oracle().content() {
            self.before_violation = Some(self.last.iter().cloned().collect());
        }
    }
}

/// `h:mm:ss.mmm` since the run began.
#[must_use]
pub fn clock(at_ms: u64) -> String {
    let (s, ms) = (at_ms / 1_000, at_ms % 1_000);
    format!("{}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60)
}
