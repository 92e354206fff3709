//! The loop around the procedure: observe, decide, guard, start, record.
//!
//! Nothing blocks it: long work is started on the servers and from then on part of the view. What
//! is concluded is durable before anything is done because of it; an intent is durable before its
//! action leaves, and an outcome before the next decision.
mod absorb;
mod exchange;
mod heed;
mod mind;
mod people;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::journal::{Event, HoldReason, Journal, JournalError, Record, Request, Verdict};
use crate::plan::Plan;
use crate::ports::{Dial, Inbox, Launcher, Storage, WallClock};
use crate::procedure::action::Action;
use crate::procedure::decide;
use crate::procedure::layout::Layout;
use crate::procedure::polls::{self, Poll};
use crate::procedure::progress::{Direction, Progress};
use crate::procedure::view::{Question, View};

use exchange::{Adapters, Completion, Exchange};
pub use mind::Mind;

/// The world a run acts on.
pub struct World<D: Dial, L: Launcher, S: Storage, W: WallClock, I: Inbox> {
    /// The network.
    pub dial: D,
    /// Commands on servers.
    pub launcher: L,
    /// The journal, open, with what it held.
    pub journal: Journal<S>,
    /// What the journal held when it was opened.
    pub records: Vec<Record>,
    /// Wall time.
    pub wall: W,
    /// People's requests.
    pub inbox: I,
    /// The console's password.
    pub password: SecretString,
    /// Sees every record right after it is durable: terminal, `--json`, rehearsal.
    pub watch: Box<dyn FnMut(&Record)>,
}

/// What a run does when only a person can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHold {
    /// Wait, observing and protecting.
    Wait,
    /// End, saying that nobody protects from then on.
    Exit,
}

/// Choices of one call of `apply` or `resume`.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do when only a person can help.
    pub on_hold: OnHold,
    /// Requests given on the command line, carried out first.
    pub requests: Vec<Request>,
    /// SHA-256 of the rehearsal's certificate that was required and found good, for the journal.
    pub certificate: Option<String>,
    /// What decides and what guards.
    pub mind: Mind,
}

/// A run that could not go on because of this machine, not of the farm.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal cannot be written: nothing more may leave.
    #[error("the journal cannot be written, so nothing more was done: {0}")]
    Journal(#[from] JournalError),
    /// The requests folder cannot be read.
    #[error("people's requests cannot be read: {0}")]
    Inbox(#[from] std::io::Error),
    /// The journal is another plan's.
    #[error("the journal belongs to the plan {0}, not to this one: nothing was done")]
    OtherPlan(String),
}

/// Rounds of facts in one instant after which the procedure is going in circles.
const SETTLE_ROUNDS_MAX: u32 = 1_000;
/// After a failed action its node or server is left alone this long: the failure may pass, and a
/// loop of retries would be an attack.
const REST_MS: u64 = 3_000;
/// Questions asked at the same instant are answered within moments of each other: the decision
/// waits this long for the other answers once the first has come, and then is one for all of them.
const GATHER_MS: u64 = 5;
/// A wait that lasts this much longer than it was meant to was no wait: the process was stopped.
const STOPPED_MS_MIN: u64 = 10_000;
/// People's requests are looked for at least this often.
const PEOPLE_MS_MAX: u64 = 1_000;

/// Carries a plan out, from wherever its journal says it stands, to a verdict.
///
/// Runs inside a `LocalSet`: connections are driven by local tasks.
///
/// # Errors
/// The journal or the requests folder of this machine fails; the farm stays as it is.
pub async fn run<D: Dial, L: Launcher, S: Storage, W: WallClock, I: Inbox>(
    plan: &Plan,
    plan_hash: &str,
    world: World<D, L, S, W, I>,
    options: Options,
) -> Result<Verdict, DriveError> {
    let mut drive = Drive::new(plan, plan_hash, world, options.mind)?;
    drive.begin(options.certificate)?;
    drive.people(options.requests)?;
    loop {
        drive.tick();
        drive.take_requests()?;
        let actions = drive.settle()?;
        if let Some(verdict) = &drive.progress.ended {
            return Ok(verdict.clone());
        }
        drive.start(actions)?;
        let next_ms = drive.poll();
        if options.on_hold == OnHold::Exit && drive.only_a_person_can_help() {
            let reason = drive.progress.held.clone();
            drive.record(vec![Event::Ended { verdict: Verdict::Holding { reason } }])?;
            continue;
        }
        if let Woken::Late { late_ms } = drive.wait(next_ms).await? {
            drive.take_up_again(late_ms)?;
        }
    }
}

/// How a wait ended.
enum Woken {
    /// As it was meant to.
    InTime,
    /// So much later than it was meant to.
    Late {
        /// How much.
        late_ms: u64,
    },
}

type Running = FuturesUnordered<Pin<Box<dyn Future<Output = Completion>>>>;

struct Drive<D: Dial, L: Launcher, S: Storage, W: WallClock, I: Inbox> {
    layout: Rc<Layout>,
    plan_hash: String,
    mind: Mind,
    adapters: Rc<Adapters<D, L>>,
    journal: Journal<S>,
    resumed: bool,
    wall: W,
    inbox: I,
    watch: Box<dyn FnMut(&Record)>,
    began: Instant,
    progress: Progress,
    view: View,
    running: Running,
    /// When people's requests were last looked for; `None` before the first time.
    asked_people_ms: Option<u64>,
}

impl<D: Dial, L: Launcher, S: Storage, W: WallClock, I: Inbox> Drive<D, L, S, W, I> {
    fn new(
        plan: &Plan,
        plan_hash: &str,
        world: World<D, L, S, W, I>,
        mind: Mind,
    ) -> Result<Self, DriveError> {
        let layout = Rc::new(Layout::new(plan, plan_hash));
        for record in &world.records {
            if let Event::Began { plan_hash: other, .. } = &record.event
                && other != plan_hash
            {
                return Err(DriveError::OtherPlan(other.clone()));
            }
        }
        let progress = replayed(&layout, &world.records);
        let adapters = Adapters::new(layout.clone(), &world.dial, world.launcher, world.password);
        Ok(Self {
            view: View::new(&layout),
            plan_hash: plan_hash.to_owned(),
            mind,
            adapters: Rc::new(adapters),
            journal: world.journal,
            resumed: !world.records.is_empty(),
            wall: world.wall,
            inbox: world.inbox,
            watch: world.watch,
            began: Instant::now(),
            progress,
            layout,
            running: Running::new(),
            asked_people_ms: None,
        })
    }

    /// Sets the view's instant. Instants begin at 1, so that what was replayed, at 0, is before.
    fn tick(&mut self) {
        let since = self.began.elapsed().as_millis();
        self.view.now_ms = 1 + u64::try_from(since).expect("a run ends before the sun does");
    }

    fn begin(&mut self, certificate: Option<String>) -> Result<(), DriveError> {
        self.tick();
        let began = Event::Began {
            plan_hash: self.plan_hash.clone(),
            program: concat!("evenkeel ", env!("CARGO_PKG_VERSION")).to_owned(),
            resumed: self.resumed,
            certificate,
        };
        self.record(vec![began])
    }

    /// The process was stopped for a while (its machine was moved, somebody sent it a signal) and
    /// could not know. Deadlines that passed meanwhile were nobody's fault, and what it read or
    /// waits for is as old as after a crash: the run is taken up from the journal. A login that was
    /// refused is as refused as before: nobody has put it right.
    fn take_up_again(&mut self, late_ms: u64) -> Result<(), DriveError> {
        tracing::warn!(late_ms, "this process was stopped meanwhile; everything is read again");
        self.running = Running::new();
        self.progress = replayed(&self.layout, &self.journal.records()?);
        let login_refused = self.view.login_refused.take();
        self.view = View { login_refused, ..View::new(&self.layout) };
        self.began = Instant::now();
        self.asked_people_ms = None;
        self.resumed = true;
        self.begin(None)
    }

    /// Makes events durable, then folds them into progress and view.
    fn record(&mut self, events: Vec<Event>) -> Result<(), DriveError> {
        for record in self.journal.record(self.wall.now(), events)? {
            self.progress.apply(&self.layout, &record.event, self.view.now_ms);
            heed::heed(&self.layout, &mut self.view, &record.event);
            (self.watch)(&record);
        }
        Ok(())
    }

    fn take_requests(&mut self) -> Result<(), DriveError> {
        // What was asked while no process ran comes before anything that a new one does.
        if self.asked_people_ms.is_some_and(|asked| asked + PEOPLE_MS_MAX > self.view.now_ms) {
            return Ok(());
        }
        self.asked_people_ms = Some(self.view.now_ms);
        let requests = self.inbox.take()?;
        self.people(requests)
    }

    fn people(&mut self, requests: Vec<Request>) -> Result<(), DriveError> {
        for request in requests {
            let events = people::answer(&self.layout, &self.progress, &self.plan_hash, request);
            if events.iter().any(|event| matches!(event, Event::Decided(_))) {
                self.adapters.forget_refused_login();
            }
            if !events.is_empty() {
                self.record(events)?;
            }
        }
        Ok(())
    }

    /// Writes down what the readings show until nothing new follows, and returns what to do.
    fn settle(&mut self) -> Result<Vec<Action>, DriveError> {
        for _ in 0..SETTLE_ROUNDS_MAX {
            let decision = (self.mind.decide)(&self.layout, &self.progress, &self.view);
            if decision.events.is_empty() {
                return Ok(decision.actions);
            }
            for event in &decision.events {
                let vouched = (self.mind.vouch)(&self.layout, &self.progress, &self.view, event);
                if let Err(why) = vouched {
                    self.refuse(format!("{event:?}: {why}"))?;
                    return Ok(Vec::new()); // what follows from it is not to be done either
                }
            }
            self.record(decision.events)?;
        }
        panic!("the procedure concludes without end: {:?}", self.progress.held);
    }

    /// The guard has refused something: the run holds until a person answers.
    fn refuse(&mut self, what: String) -> Result<(), DriveError> {
        if matches!(self.progress.standing_hold, Some(HoldReason::GuardRefused { .. })) {
            return Ok(()); // the first refusal is what a person must see
        }
        let reason = HoldReason::GuardRefused { what };
        let ways_out = decide::ways_out(&self.layout, &self.progress, &reason);
        self.record(vec![Event::Held { reason, ways_out }])
    }

    /// Guards actions, writes their intents down with one sync, and lets them leave.
    fn start(&mut self, actions: Vec<Action>) -> Result<(), DriveError> {
        let mut intents = Vec::new();
        for action in actions {
            match (self.mind.check)(&self.layout, &self.progress, &self.view, &action) {
                Ok(()) if self.reserve(&action) => intents.push(Event::Intent {
                    id: self.progress.next_intent + intents.len() as u64,
                    action,
                }),
                Ok(()) => {}
                // The others are each as safe as without it, and may be what protects the farm.
                Err(why) => self.refuse(format!("{action:?}: {why}"))?,
            }
        }
        if intents.is_empty() {
            return Ok(());
        }
        self.record(intents.clone())?;
        for intent in intents {
            if let Event::Intent { id, action } = intent {
                self.launch(id, action);
            }
        }
        Ok(())
    }

    fn launch(&mut self, id: u64, action: Action) {
        let adapters = self.adapters.clone();
        let began_ms = self.view.now_ms;
        self.running.push(Box::pin(async move {
            let (result, seen, login_refused) = adapters.act(&action).await;
            Completion {
                began_ms,
                of: Exchange::Action { id, action, result, seen, login_refused },
            }
        }));
    }

    /// Takes the one place that a node and a server have for an action under way.
    fn reserve(&mut self, action: &Action) -> bool {
        let (node, servers) = absorb::places(&self.layout, action);
        let node_free = node.is_none_or(|node| !self.view.nodes[node].acting);
        let servers_free = servers.iter().all(|&server| !self.view.servers[server].acting);
        if !(node_free && servers_free) {
            return false;
        }
        if let Some(node) = node {
            self.view.nodes[node].acting = true;
        }
        for server in servers {
            self.view.servers[server].acting = true;
        }
        true
    }

    /// Starts every poll that is due. Returns when the next one is.
    fn poll(&mut self) -> u64 {
        let (due, next_ms) = polls::due(&self.layout, &self.progress, &self.view);
        for poll in due {
            let job = self.mark_asked(&poll);
            let adapters = self.adapters.clone();
            let began_ms = self.view.now_ms;
            self.running.push(Box::pin(async move {
                let seen = adapters.poll(&poll, job).await;
                Completion { began_ms, of: Exchange::Poll(poll, seen) }
            }));
        }
        next_ms
    }

    fn mark_asked(&mut self, poll: &Poll) -> Option<String> {
        let now_ms = self.view.now_ms;
        match *poll {
            Poll::Node(node) => {
                self.view.nodes[node].asked_ms = Some(now_ms);
                self.view.nodes[node].asking = true;
                None
            }
            Poll::Server { server, question, .. } => {
                self.view.servers[server].asked_ms[question as usize] = Some(now_ms);
                self.view.servers[server].asking[question as usize] = true;
                let job = self.progress.servers[server].job.as_ref();
                job.filter(|_| question == Question::Job).map(|job| job.id.clone())
            }
        }
    }

    /// Waits for the next answer or the next poll, and takes in every answer that comes with it.
    async fn wait(&mut self, next_ms: u64) -> Result<Woken, DriveError> {
        let now_ms = self.view.now_ms;
        let wait_ms = next_ms.saturating_sub(now_ms).clamp(1, self.patience_ms());
        let until = Instant::now() + Duration::from_millis(wait_ms);
        let first = if self.running.is_empty() {
            tokio::time::sleep_until(until).await;
            None
        } else {
            tokio::time::timeout_at(until, self.running.next()).await.ok().flatten()
        };
        self.tick();
        if let Some(late) = self.late_by(now_ms + wait_ms) {
            return Ok(late);
        }
        let mut next = first;
        // A stop while answers are gathered shows here alone: what is waited for first may be far away.
        let gathered_ms = self.view.now_ms + GATHER_MS;
        let until = Instant::now() + Duration::from_millis(GATHER_MS);
        while let Some(completion) = next {
            self.absorb(completion)?;
            next = tokio::time::timeout_at(until, self.running.next()).await.ok().flatten();
            self.tick();
        }
        Ok(self.late_by(gathered_ms).unwrap_or(Woken::InTime))
    }

    /// A wait that was to end at an instant has lasted too long.
    fn late_by(&self, until_ms: u64) -> Option<Woken> {
        let late_ms = self.view.now_ms.saturating_sub(until_ms);
        (late_ms >= STOPPED_MS_MIN).then_some(Woken::Late { late_ms })
    }

    /// How long to wait at most: a folder of requests must be looked into, a scripted inbox wakes
    /// with the polls; and that this process was stopped shows only where a wait was to end.
    fn patience_ms(&self) -> u64 {
        if self.inbox.must_be_asked() { PEOPLE_MS_MAX } else { STOPPED_MS_MIN }
    }

    /// Nothing is under way but reading, and only a person's word brings progress.
    fn only_a_person_can_help(&self) -> bool {
        let waiting = self.progress.held.is_some()
            || self.progress.at_gate.is_some_and(|gate| {
                decide::waiting_gate(&self.layout, &self.progress) == Some(gate)
            });
        let returning = self.progress.direction == Direction::FallingBack
            && !self.progress.reached(crate::journal::FarmMilestone::FellBack);
        let jobs = self.progress.servers.iter().any(|server| {
            !server.left_out && server.job.as_ref().is_some_and(|job| job.ended.is_none())
        });
        let acting = self.view.nodes.iter().any(|node| node.acting)
            || self.view.servers.iter().any(|server| server.acting);
        waiting && !returning && !acting && (!jobs || self.progress.held.is_some())
    }
}

/// What a journal says, to a process that has just begun.
fn replayed(layout: &Layout, records: &[Record]) -> Progress {
    let mut progress = Progress::new(layout);
    records.iter().for_each(|record| progress.apply(layout, &record.event, 0));
    progress
}
