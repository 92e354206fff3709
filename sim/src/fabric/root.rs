//! The future that does everything: polls the hosts' tasks, drains their packets, moves time.
//!
//! Hosts are polled first come, first served: whoever is woken queues up. When none is left, their
//! packets are drained into the engine's queue and the root sleeps until the earliest is due; if a
//! host's own timer comes first, tokio wakes that host, and with it the root.
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{Instant, Sleep};

use super::{Ending, Fabric, Finished, Setup, engine, panics};

/// How often the tasks may be polled within one instant before the run counts as stuck. A start of
/// 200 hosts takes some thousands; a loop that yields gets there in a fraction of a second.
const POLLS_PER_INSTANT_MAX: u64 = 100_000;

/// The latest deadline: tokio's timers fire after 30 years at the latest, whatever they were set
/// to.
const DEADLINE_MS_MAX: u64 = 29 * 365 * 24 * 3_600 * 1_000;

/// The slot of the body; host n has slot n + 1.
const BODY: usize = 0;

/// Who is to be polled.
pub(super) struct Ready {
    queue: Mutex<VecDeque<usize>>,
    root: Mutex<Option<Waker>>,
    /// While the root is polled it looks at the queue by itself.
    polling: AtomicBool,
}

impl Ready {
    fn new() -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
            root: Mutex::new(None),
            polling: AtomicBool::new(false),
        }
    }

    fn pop(&self) -> Option<usize> {
        self.queue.lock().expect("nothing panics with the queue locked").pop_front()
    }

    fn is_empty(&self) -> bool {
        self.queue.lock().expect("nothing panics with the queue locked").is_empty()
    }

    fn register(&self, waker: &Waker) {
        let mut root = self.root.lock().expect("nothing panics with the waker locked");
        if !root.as_ref().is_some_and(|root| root.will_wake(waker)) {
            *root = Some(waker.clone());
        }
    }

    fn wake_root(&self) {
        if let Some(root) = &*self.root.lock().expect("nothing panics with the waker locked") {
            root.wake_by_ref();
        }
    }
}

/// Queues one host (or the body) for polling.
pub(super) struct SlotWaker {
    slot: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl SlotWaker {
    pub(super) fn new(slot: usize, ready: Arc<Ready>) -> Self {
        Self { slot, queued: AtomicBool::new(false), ready }
    }

    pub(super) fn mark(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let mut queue = self.ready.queue.lock().expect("nothing panics with the queue locked");
            queue.push_back(self.slot);
            drop(queue);
            if !self.ready.polling.load(Ordering::Acquire) {
                self.ready.wake_root();
            }
        }
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.mark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.mark();
    }
}

/// What is polled under one waker: a host's tasks.
struct Slot {
    mark: Arc<SlotWaker>,
    waker: Waker,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Slot {
    fn new(mark: Arc<SlotWaker>) -> Self {
        Self { waker: mark.clone().into(), mark, future: None }
    }
}

struct Root<'body, T> {
    body: Option<Pin<Box<dyn Future<Output = T> + 'body>>>,
    slots: Vec<Slot>,
    ready: Arc<Ready>,
    start: Instant,
    deadline_ms: u64,
    sleep: Pin<Box<Sleep>>,
    sleep_ms: u64,
    now_ms: u64,
    polls: u64,
    /// Kept for its room.
    woken: Vec<Waker>,
    /// Whose poll it is, for the blame.
    current: usize,
}

pub(super) fn run<T, F: Future<Output = T>>(
    setup: Setup,
    body: impl FnOnce(Fabric) -> F,
) -> Finished<T> {
    let ready = Arc::new(Ready::new());
    let runtime = runtime(setup.seed, &ready);
    let deadline_ms = setup.deadline_ms.min(DEADLINE_MS_MAX);
    let installed = engine::install(setup, ready.clone());
    let _watch = panics::Watch::begin();
    let result = runtime.block_on(async {
        let set = LocalSet::new();
        let body = async { body(Fabric::new()).await };
        let body: Pin<Box<dyn Future<Output = T>>> = Box::pin(set.run_until(body));
        let mut root = Root::new(body, ready, deadline_ms);
        let result = poll_fn(|context| root.poll(context)).await;
        root.tear_down();
        drop(root);
        drop(set);
        // A destructor may panic too.
        panicked("the end of the run".to_owned()).unwrap_or(result)
    });
    let finished = engine::with(|engine| Finished {
        result,
        simulated_ms: engine.now_ms,
        packets: engine.record.packets,
        connections: engine.connections,
        events: engine.record.events,
        digest: engine.record.digest,
    });
    drop(installed);
    finished
}

fn runtime(seed: u64, ready: &Arc<Ready>) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    // Everything runs inside the root's poll, which drains what it leaves. Only a task that a
    // library spawned on the runtime itself can leave packets or a panic behind.
    let ready = ready.clone();
    builder.on_thread_park(move || {
        if engine::is_unsent() || panics::noted() {
            ready.wake_root();
        }
    });
    builder.build().expect("a runtime without I/O needs nothing from the system")
}

fn panicked<T>(task: String) -> Option<Ending<T>> {
    panics::noted()
        .then(|| Ending::Panicked { message: panics::take().expect("noted with its words"), task })
}

impl<'body, T> Root<'body, T> {
    fn new(
        body: Pin<Box<dyn Future<Output = T> + 'body>>,
        ready: Arc<Ready>,
        deadline_ms: u64,
    ) -> Self {
        let start = Instant::now();
        let slot = Slot::new(Arc::new(SlotWaker::new(BODY, ready.clone())));
        slot.mark.mark();
        let sleep = tokio::time::sleep_until(start + Duration::from_millis(deadline_ms));
        Self {
            body: Some(body),
            slots: vec![slot],
            ready,
            start,
            deadline_ms,
            sleep: Box::pin(sleep),
            sleep_ms: deadline_ms,
            now_ms: 0,
            polls: 0,
            woken: Vec::new(),
            current: BODY,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ending<T>> {
        self.ready.register(context.waker());
        self.ready.polling.store(true, Ordering::Release);
        let polled = self.advance(context);
        self.ready.polling.store(false, Ordering::Release);
        polled
    }

    /// Does everything that can be done now and sets the sleep to the next thing after it.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Ending<T>> {
        loop {
            self.read_clock();
            engine::with(|engine| engine.advance(self.now_ms));
            self.wake();
            while let Some(slot) = self.ready.pop() {
                if let Some(ending) = self.poll_slot(slot) {
                    return Poll::Ready(ending);
                }
            }
            // A task outside of the hosts' sets may have panicked.
            if let Some(ending) = panicked("a task of no host".to_owned()) {
                return Poll::Ready(ending);
            }
            let next_ms = engine::with(|engine| {
                engine.drain();
                engine.next_ms()
            });
            self.wake();
            if !self.ready.is_empty() {
                continue;
            }
            if self.now_ms >= self.deadline_ms {
                let why =
                    format!("nothing had ended it by its deadline of {} ms", self.deadline_ms);
                return Poll::Ready(Ending::Stuck { why });
            }
            self.set_sleep(next_ms.unwrap_or(self.deadline_ms).min(self.deadline_ms));
            if self.sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Wakes the tasks that wait for what has come about, outside of the engine: what they are
    /// woken by may use it.
    fn wake(&mut self) {
        engine::with(|engine| engine.take_woken(&mut self.woken));
        self.woken.drain(..).for_each(Waker::wake);
    }

    fn read_clock(&mut self) {
        let now_ms = u64::try_from((Instant::now() - self.start).as_millis())
            .expect("tokio's timers end after 30 years");
        if now_ms != self.now_ms {
            self.now_ms = now_ms;
            self.polls = 0;
        }
    }

    fn set_sleep(&mut self, until_ms: u64) {
        if self.sleep_ms != until_ms {
            self.sleep_ms = until_ms;
            self.sleep.as_mut().reset(self.start + Duration::from_millis(until_ms));
        }
    }

    /// Polls a host's tasks, or the body, and then does what that asked for.
    fn poll_slot(&mut self, index: usize) -> Option<Ending<T>> {
        self.current = index;
        self.polls += 1;
        self.add_slots(index);
        let slot = &mut self.slots[index];
        slot.mark.queued.store(false, Ordering::Release);
        // Whoever lets it go on has it polled.
        if index != BODY && engine::with(|engine| engine.hosts[index - 1].frozen) {
            return None;
        }
        let waker = slot.waker.clone();
        let mut context = Context::from_waker(&waker);
        let mut ended = None;
        if index == BODY {
            ended = self.poll_body(&mut context);
        } else if let Some(future) = &mut slot.future {
            let _never_ready = future.as_mut().poll(&mut context);
        }
        if panics::noted() {
            return panicked(self.name(index));
        }
        if ended.is_some() {
            return ended;
        }
        self.bury_crashed();
        (self.polls > POLLS_PER_INSTANT_MAX).then(|| Ending::Stuck {
            why: format!(
                "its tasks were polled {POLLS_PER_INSTANT_MAX} times at {} ms without time going \
                 on, the last of them on {}",
                self.now_ms,
                self.name(index)
            ),
        })
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Option<Ending<T>> {
        let body = self.body.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Some(Ending::Ended(value)),
            // The hook has noted what it was.
            Ok(Poll::Pending) | Err(_) => None,
        }
    }

    /// Makes the slots of hosts that were added since, and the future of a host that is polled for
    /// the first time since it was added or crashed.
    fn add_slots(&mut self, index: usize) {
        if index == BODY || self.slots.get(index).is_some_and(|slot| slot.future.is_some()) {
            return;
        }
        let (tasks, marks) = engine::with(|engine| {
            let marks = engine.hosts[self.slots.len() - 1..].iter().map(|host| host.waker.clone());
            (engine.hosts[index - 1].tasks.clone(), marks.collect::<Vec<_>>())
        });
        self.slots.extend(marks.into_iter().map(Slot::new));
        self.slots[index].future =
            Some(Box::pin(async move { tasks.run_until(std::future::pending()).await }));
    }

    /// Drops the tasks of hosts whose power was cut. It happens here, where no task is being
    /// polled, so that a task may cut the power of its own host.
    fn bury_crashed(&mut self) {
        for (host, done) in engine::with(|engine| std::mem::take(&mut engine.crashes)) {
            let tasks = engine::with(|engine| engine.bury(host));
            if let Some(slot) = self.slots.get_mut(host.0 + 1) {
                slot.future = None;
            }
            drop(tasks);
            // What the destructors emitted goes while the host is still dead.
            engine::with(engine::Engine::drain);
            if let Some(done) = done {
                let _nobody_waits = done.send(());
            }
        }
    }

    fn name(&self, index: usize) -> String {
        match index {
            BODY => "the body".to_owned(),
            host => engine::with(|engine| engine.hosts[host - 1].name.clone()),
        }
    }

    /// Drops every task while the engine is still there for their destructors.
    fn tear_down(&mut self) {
        self.body = None;
        self.slots.clear();
        let hosts = engine::with(|engine| engine.hosts.len());
        for host in 0..hosts {
            let tasks = engine::with(|engine| {
                std::mem::replace(&mut engine.hosts[host].tasks, std::rc::Rc::new(LocalSet::new()))
            });
            drop(tasks);
        }
    }
}
