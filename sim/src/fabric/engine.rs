//! Hosts, links and the queue of packets; one engine per run, in a thread-local.
//!
//! It is a thread-local and not behind a handle because sockets must be `Send` (hyper-util and
//! rustls ask for it) although a run never leaves its thread: a socket carries its host's number
//! and finds the engine by itself.
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::connection::Voice;
use super::link::{Held, Latency, Link};
use super::packet::{End, Packet};
use super::record::{Fate, Record};
use super::root::{Ready, SlotWaker};
use super::sockets::{Key, Sockets};
use super::{HostId, Setup};
use crate::random::Keyed;

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    /// Numbers the runs of this thread, so that a socket which outlives its run is recognised.
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// Whether the run with this number is still going on on this thread.
pub(super) fn is_live(run: u64) -> bool {
    RUNS.get() == run && ENGINE.with_borrow(Option::is_some)
}

/// Reaches the engine of this thread's run.
#[inline]
pub(super) fn with<R>(act: impl FnOnce(&mut Engine) -> R) -> R {
    ENGINE.with_borrow_mut(|engine| {
        act(engine.as_mut().expect("a fabric runs on this thread: its parts work only inside run"))
    })
}

/// Whether a socket has something to send.
pub(super) fn is_unsent() -> bool {
    ENGINE.with_borrow(|engine| engine.as_ref().is_some_and(|engine| engine.sockets.is_unsent()))
}

/// Installs an engine; it is removed when the guard goes.
pub(super) fn install(setup: Setup, ready: Arc<Ready>) -> Installed {
    assert!(ENGINE.with_borrow(Option::is_none), "a fabric runs on this thread already");
    let run = RUNS.get() + 1;
    RUNS.set(run);
    ENGINE.set(Some(Engine::new(setup, run, ready)));
    Installed(())
}

/// Removes the engine when dropped.
pub(super) struct Installed(());

impl Drop for Installed {
    fn drop(&mut self) {
        // Taken out first: dropping it must not happen while the cell is borrowed.
        drop(ENGINE.take());
    }
}

/// A host's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    /// Running.
    On,
    /// Dead: what it still emits is dropped, what is sent to it is held.
    Off,
    /// Something was started on a dead host: it may bind and dial, but nothing passes either way
    /// until [`super::Fabric::power_on`].
    Booting,
}

/// A host.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) ip: IpAddr,
    pub(super) power: Power,
    /// It stands still: its tasks are not polled, its packets wait.
    pub(super) frozen: bool,
    /// Its tasks, and all that they spawn by `spawn_local`: what a crash drops.
    pub(super) tasks: Rc<LocalSet>,
    /// Has its tasks polled.
    pub(super) waker: Arc<SlotWaker>,
    /// Sockets opened on it in a run that explores the order of tasks.
    pub(super) sockets: u64,
    /// Links from this host, by the other host's number.
    links: Vec<Option<Link>>,
}

/// What happens at an instant.
#[derive(Debug)]
pub(super) enum Event {
    /// A packet arrives.
    Arrive(Packet),
    /// Senders of what is held between two hosts may give up.
    GiveUp(HostId, HostId),
    /// A connection that its owner dropped, this end first, has waited long enough for a dead
    /// peer's end.
    Orphan(End, End),
}

/// Everything of one run but its futures.
pub(super) struct Engine {
    pub(super) run: u64,
    pub(super) keyed: Keyed,
    pub(super) now_ms: u64,
    pub(super) hosts: Vec<Host>,
    by_ip: BTreeMap<IpAddr, HostId>,
    pub(super) names: BTreeMap<String, IpAddr>,
    default_latency: Latency,
    pub(super) sockets: Sockets,
    queue: BTreeMap<(u64, u64), Event>,
    /// Numbers what enters the queue: equal instants keep their order.
    queued: u64,
    /// The run explores the order of tasks.
    pub(super) yields: bool,
    /// Hosts whose tasks are to be dropped, and who waits for it.
    pub(super) crashes: Vec<(HostId, Option<oneshot::Sender<()>>)>,
    pub(super) connections: u64,
    pub(super) record: Record,
    ready: Arc<Ready>,
}

impl Engine {
    fn new(setup: Setup, run: u64, ready: Arc<Ready>) -> Self {
        Self {
            run,
            keyed: Keyed::new(setup.seed),
            now_ms: 0,
            hosts: Vec::new(),
            by_ip: BTreeMap::new(),
            names: BTreeMap::new(),
            default_latency: setup.links,
            sockets: Sockets::default(),
            queue: BTreeMap::new(),
            queued: 0,
            yields: setup.yields,
            crashes: Vec::new(),
            connections: 0,
            record: Record::new(setup.trace),
            ready,
        }
    }

    pub(super) fn add_host(&mut self, name: &str, ip: IpAddr) -> HostId {
        assert!(!self.names.contains_key(name), "the name {name} is taken");
        self.sockets.add_host();
        let host = HostId(self.hosts.len());
        self.names.insert(name.to_owned(), ip);
        self.by_ip.insert(ip, host);
        self.hosts.push(Host {
            name: name.to_owned(),
            ip,
            power: Power::On,
            frozen: false,
            tasks: Rc::new(LocalSet::new()),
            waker: Arc::new(SlotWaker::new(host.0 + 1, self.ready.clone())),
            sockets: 0,
            links: Vec::new(),
        });
        host
    }

    pub(super) fn host(&self, host: HostId) -> &Host {
        &self.hosts[host.0]
    }

    pub(super) fn host_mut(&mut self, host: HostId) -> &mut Host {
        &mut self.hosts[host.0]
    }

    pub(super) fn link(&mut self, from: HostId, to: HostId) -> &mut Link {
        if self.hosts[from.0].links.len() <= to.0 {
            let hosts = self.hosts.len();
            self.hosts[from.0].links.resize_with(hosts, || None);
        }
        if self.hosts[from.0].links[to.0].is_none() {
            let name = format!("{}>{}", self.host(from).name, self.host(to).name);
            let (draws, losses) =
                (self.keyed.stream("latency", &name), self.keyed.stream("loss", &name));
            let link = Link::new(self.default_latency, draws, losses);
            self.hosts[from.0].links[to.0] = Some(link);
        }
        self.hosts[from.0].links[to.0].as_mut().expect("made just above")
    }

    /// Sends everything that sockets have to send on its way.
    pub(super) fn drain(&mut self) {
        let mut unsent = self.sockets.take_unsent();
        for key in unsent.drain(..) {
            if let Some((packet, voice)) = self.sockets.next_packet(key) {
                self.admit(packet, voice);
            }
        }
        self.sockets.give_back(unsent);
    }

    /// Who is to be woken, now that the engine is not in use.
    pub(super) fn take_woken(&mut self, woken: &mut Vec<Waker>) {
        std::mem::swap(&mut self.sockets.woken, woken);
    }

    /// A packet that a socket sends: to be dropped, lost, held or sent.
    pub(super) fn admit(&mut self, packet: Packet, voice: Voice) {
        let (from, to) = (packet.from.host, packet.to.host);
        let fate = match voice {
            _ if self.host(from).power == Power::Off => Some(Fate::Dead),
            Voice::Severed => Some(Fate::Severed),
            Voice::Silenced => Some(Fate::Silenced),
            Voice::Heard if self.answers_silence(&packet) => Some(Fate::Silenced),
            Voice::Heard => None,
        };
        if let Some(fate) = fate {
            return self.record(&packet, fate);
        }
        match self.mishap(from, to, &packet) {
            Some(mishap) => self.befall(packet, mishap),
            None => self.route(packet),
        }
    }

    pub(super) fn record(&mut self, packet: &Packet, fate: Fate) {
        self.record.packet(&self.hosts, self.now_ms, packet, fate);
    }

    /// Sends a packet, or holds it where it cannot pass.
    pub(super) fn route(&mut self, packet: Packet) {
        let (from, to, now_ms) = (packet.from.host, packet.to.host, self.now_ms);
        if !self.is_passable(from, to) {
            self.record(&packet, Fate::Held);
            return self.hold(from, to, Held { packet, since_ms: now_ms });
        }
        let due_ms = self.link(from, to).due_ms(now_ms, packet.is_opening());
        self.record(&packet, Fate::DueMs(due_ms));
        self.schedule(due_ms, Event::Arrive(packet));
    }

    pub(super) fn is_passable(&mut self, from: HostId, to: HostId) -> bool {
        self.host(to).power == Power::On
            && !self.host(to).frozen
            && !self.host(from).frozen
            && self.host(from).power != Power::Booting
            && !self.link(from, to).cut
    }

    pub(super) fn schedule(&mut self, due_ms: u64, event: Event) {
        self.queued += 1;
        self.queue.insert((due_ms, self.queued), event);
    }

    /// When the next thing happens.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((due_ms, _), _)| *due_ms)
    }

    /// Lets everything happen that is due.
    pub(super) fn advance(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        while let Some(first) = self.queue.first_entry()
            && first.key().0 <= now_ms
        {
            match first.remove() {
                Event::Arrive(packet) => self.arrive(packet),
                Event::GiveUp(from, to) => self.give_up(from, to),
                Event::Orphan(local, peer) => self.sockets.free_orphan(local, peer),
            }
        }
    }

    /// Closes a connection for its program.
    pub(super) fn close(&mut self, key: Key) {
        if self.sockets.connection(key).has_unread() {
            // What was written before the reset leaves before it.
            self.drain();
        }
        if let Some(reset) = self.sockets.close(key) {
            self.admit(reset, Voice::Heard);
        }
    }

    /// Closes a listening socket.
    pub(super) fn close_listener(&mut self, listener: (End, u64)) {
        for reset in self.sockets.close_listener(listener) {
            self.admit(reset, Voice::Heard);
        }
    }

    /// A packet arrives at its destination's sockets.
    fn arrive(&mut self, packet: Packet) {
        if let Some(answer) = self.sockets.receive(packet) {
            self.admit(answer, Voice::Heard);
        }
    }

    /// Takes packets between two hosts out of the queue, in order.
    pub(super) fn recall(&mut self, from: HostId, to: HostId) -> Vec<Packet> {
        self.take_packets(|packet| packet.from.host == from && packet.to.host == to)
    }

    /// Takes what a host has sent and nobody has received out of the queue. Resets stay: nobody
    /// sends them again.
    pub(super) fn take_under_way(&mut self, from: HostId) -> Vec<Packet> {
        self.drain();
        self.take_packets(|packet| packet.from.host == from && !packet.is_reset())
    }

    fn take_packets(&mut self, is_wanted: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let is_wanted = |event: &Event| matches!(event, Event::Arrive(packet) if is_wanted(packet));
        let taken = self.queue.extract_if(.., |_, event| is_wanted(event));
        taken
            .filter_map(|(_, event)| match event {
                Event::Arrive(packet) => Some(packet),
                Event::GiveUp(..) | Event::Orphan(..) => None,
            })
            .collect()
    }

    /// The address of one end.
    pub(super) fn address(&self, end: End) -> SocketAddr {
        SocketAddr::new(self.host(end.host).ip, end.port)
    }

    pub(super) fn host_at(&self, ip: IpAddr) -> Option<HostId> {
        self.by_ip.get(&ip).copied()
    }
}
