//! One farm for many tasks, on tokio's clock: real time in a demonstration, simulated time in a
//! rehearsal.
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::ledger::Entry;

use super::{Farm, Load};

/// Says how many milliseconds have passed since the farm was built; it never goes back.
pub type Clock = Box<dyn Fn() -> u64>;
/// Who is told of every change, with the farm as it is after it.
pub type Observer = Box<dyn FnMut(&Farm, &Entry)>;
/// Who is told of every request: when, in milliseconds since the farm was built, and what.
pub type RequestLog = Box<dyn FnMut(u64, &str)>;

struct Inner {
    farm: RefCell<Farm>,
    clock: Clock,
    observer: RefCell<Option<Observer>>,
    request_log: RefCell<Option<RequestLog>>,
    wake: Notify,
    /// Nothing is due before this instant: most requests come while nothing is, and to find out
    /// is to ask every server and member.
    due_ms: Cell<Option<u64>>,
    /// What the clock task sleeps until; it is woken when something earlier came up.
    armed_ms: Cell<Option<u64>>,
}

/// A handle on a farm. Every use of it first advances the farm to the present.
#[derive(Clone)]
pub struct Shared(Rc<Inner>);

impl Shared {
    /// The farm's clock starts now, at what it says itself (0 for a new farm).
    #[must_use]
    pub fn new(farm: Farm) -> Self {
        let started = Instant::now()
            .checked_sub(Duration::from_millis(farm.now_ms()))
            .expect("a farm is not older than the clock");
        let clock = move || {
            u64::try_from(started.elapsed().as_millis()).expect("a run ends within an aeon")
        };
        Self::on_clock(farm, Box::new(clock))
    }

    /// The farm goes by a clock of its host's making: where its tasks run on several runtimes, the
    /// instants of one mean nothing to another.
    #[must_use]
    pub fn on_clock(farm: Farm, clock: Clock) -> Self {
        Self(Rc::new(Inner {
            due_ms: Cell::new(farm.next_due_ms()),
            farm: RefCell::new(farm),
            clock,
            observer: RefCell::new(None),
            request_log: RefCell::new(None),
            wake: Notify::new(),
            armed_ms: Cell::new(None),
        }))
    }

    /// Milliseconds since the farm was built.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.0.clock)()
    }

    /// Advances the farm to the present, lets `act` work on it, and tells the observer of
    /// everything that changed. Never called from within itself, nor from an observer.
    pub fn with<R>(&self, act: impl FnOnce(&mut Farm) -> R) -> R {
        self.advance();
        let mut farm = self.0.farm.borrow_mut();
        let result = act(&mut farm);
        farm.settle();
        self.tell(&mut farm);
        self.0.due_ms.set(farm.next_due_ms());
        self.arm();
        result
    }

    /// Advances the farm to the present and looks at it, at anything but what the load writes: users'
    /// requests are modelled up to here when somebody asks for that.
    pub fn look<R>(&self, look: impl FnOnce(&Farm) -> R) -> R {
        let now_ms = self.now_ms();
        if self.is_due(now_ms) {
            self.advance();
        }
        let mut farm = self.0.farm.borrow_mut();
        farm.wait(now_ms);
        look(&farm)
    }

    /// Puts a model of users' requests behind the balancers' counters.
    pub fn set_load(&self, load: Box<dyn Load>) {
        self.with(|farm| farm.set_load(load));
    }

    /// Sets who is told of every change, in order, with the farm as it is right after it. Changes
    /// of one happening (a job's end starts services) are told one after the other, with the farm
    /// as it is after the whole of it.
    pub fn observe(&self, observer: Observer) {
        *self.0.observer.borrow_mut() = Some(observer);
    }

    /// Sets who is told of every request to a console, a shell or a runtime API, in a line.
    pub fn log_requests(&self, log: RequestLog) {
        *self.0.request_log.borrow_mut() = Some(log);
    }

    /// Tells of a request; the line is made only when somebody listens.
    pub(crate) fn log_request(&self, line: impl FnOnce() -> String) {
        if let Some(log) = self.0.request_log.borrow_mut().as_mut() {
            log(self.now_ms(), &line());
        }
    }

    /// Keeps the farm going by itself: sleeps until something is due, and lets it happen. One task
    /// of the farm's own runs this, so that what is due happens also while nobody asks.
    pub async fn run_clock(&self) -> ! {
        loop {
            self.advance();
            let due_ms = self.0.due_ms.get();
            self.0.armed_ms.set(due_ms);
            let woken = self.0.wake.notified();
            match due_ms {
                Some(due_ms) => {
                    let wait_ms = due_ms.saturating_sub(self.now_ms());
                    let _elapsed = timeout(Duration::from_millis(wait_ms), woken).await;
                }
                None => woken.await,
            }
        }
    }

    fn advance(&self) {
        let now_ms = self.now_ms();
        let mut farm = self.0.farm.borrow_mut();
        if !self.is_due(now_ms) {
            farm.pass(now_ms);
            return;
        }
        while farm.step(now_ms) {
            self.tell(&mut farm);
        }
        self.0.due_ms.set(farm.next_due_ms());
    }

    fn is_due(&self, now_ms: u64) -> bool {
        self.0.due_ms.get().is_some_and(|due_ms| due_ms <= now_ms)
    }

    fn tell(&self, farm: &mut Farm) {
        let entries = farm.take_entries();
        if entries.is_empty() {
            return;
        }
        if let Some(observer) = self.0.observer.borrow_mut().as_mut() {
            for entry in &entries {
                observer(farm, entry);
            }
        }
    }

    /// Wakes the clock task, when something is due before what it sleeps until.
    fn arm(&self) {
        let due_ms = self.0.due_ms.get();
        let earlier = match (due_ms, self.0.armed_ms.get()) {
            (Some(due_ms), Some(armed_ms)) => due_ms < armed_ms,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            self.0.armed_ms.set(due_ms);
            self.0.wake.notify_one();
        }
    }
}
