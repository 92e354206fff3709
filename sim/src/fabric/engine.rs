//! Hosts, links and the queue of packets; one engine per run, in a thread-local.
//!
//! It is a thread-local and not behind a handle because sockets must be `Send` (hyper-util and
//! rustls ask for it) although a run never leaves its thread: a socket carries its host's number
//! and finds the engine by itself.
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::LocalSet;
use turmoil_net::{EnterGuard, KernelConfig, Net, Packet, TcpSegment, Transport};

use super::link::{Held, Latency, Link};
use super::record::{Fate, Record};
use super::root::{Ready, SlotWaker};
use super::{HostId, Setup};
use crate::random::Keyed;

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    /// Whether a socket was touched since the last drain. Most polls touch none, and a drain looks
    /// at every socket of every host.
    static DIRTY: Cell<bool> = const { Cell::new(false) };
    /// Numbers the runs of this thread, so that a socket which outlives its run is recognised.
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// The largest packet, as with the jumbo frames that data centres use: what nodes tell of a farm
/// in one answer takes two packets, not nine.
const MTU_BYTES: u32 = 9_000;

/// Bare acknowledgements alone need no drain while something else arrives within this time.
const SOON_MS: u64 = 2;

/// Says that a socket was touched: it may have left packets with its kernel.
#[inline]
pub(super) fn touch() {
    DIRTY.set(true);
}

/// Whether packets may be waiting in a kernel.
#[inline]
pub(super) fn is_dirty() -> bool {
    DIRTY.get()
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

/// Installs an engine; it is removed when the guard goes.
pub(super) fn install(setup: Setup, ready: Arc<Ready>) -> Installed {
    assert!(ENGINE.with_borrow(Option::is_none), "a fabric runs on this thread already");
    let run = RUNS.get() + 1;
    RUNS.set(run);
    DIRTY.set(false);
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
    /// The kernel its sockets live in.
    pub(super) kernel: turmoil_net::HostId,
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

/// Both ends of a TCP connection: the host's own, the other's.
pub(super) type Flow = (SocketAddr, SocketAddr);

/// What happens at an instant.
#[derive(Debug)]
pub(super) enum Event {
    /// A packet arrives.
    Arrive(Packet),
    /// Senders of what is held between two hosts may give up.
    GiveUp(HostId, HostId),
    /// A connection that its owner dropped has waited long enough for a dead peer's end.
    Orphan(Flow),
}

/// The socket layer: hosts can be added only before it is entered.
enum Layer {
    Open(Box<Net>),
    Entered(EnterGuard),
    /// While it changes from one to the other.
    Entering,
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
    layer: Layer,
    queue: BTreeMap<(u64, u64), Event>,
    /// Numbers what enters the queue: equal instants keep their order.
    queued: u64,
    /// The buffer that `egress_all` fills, kept for its allocation.
    buffer: Vec<Packet>,
    /// Bare acknowledgements have arrived since the last drain.
    pub(super) acknowledged: bool,
    /// Half-open connections, server's end first, and what the missing ACK must acknowledge (K2).
    pub(super) half_open: BTreeMap<Flow, u32>,
    /// Connections dropped by their owner before the end of the other's bytes (K3).
    pub(super) abandoned: BTreeSet<Flow>,
    /// Lost connections, lower end first, and how many of their two resets are under way.
    pub(super) severed: BTreeMap<Flow, u8>,
    /// Connections on which nothing comes through any more, sender's end first.
    pub(super) silenced: BTreeSet<Flow>,
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
        // Retransmission is counted in passes, not in time: any latency above it would reset
        // connections. Nothing is ever lost here, so it is not needed.
        let kernels = KernelConfig::default().retx_threshold(u32::MAX).mtu(MTU_BYTES);
        Self {
            run,
            keyed: Keyed::new(setup.seed),
            now_ms: 0,
            hosts: Vec::new(),
            by_ip: BTreeMap::new(),
            names: BTreeMap::new(),
            default_latency: setup.links,
            layer: Layer::Open(Box::new(Net::with_config(kernels))),
            queue: BTreeMap::new(),
            queued: 0,
            buffer: Vec::new(),
            acknowledged: false,
            half_open: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            severed: BTreeMap::new(),
            silenced: BTreeSet::new(),
            yields: setup.yields,
            crashes: Vec::new(),
            connections: 0,
            record: Record::new(setup.trace),
            ready,
        }
    }

    pub(super) fn add_host(&mut self, name: &str, ip: IpAddr) -> HostId {
        let Layer::Open(net) = &mut self.layer else {
            panic!("{name} must be added before the first socket is opened: the network is fixed")
        };
        assert!(!self.names.contains_key(name), "the name {name} is taken");
        let kernel = net.add_host(ip);
        let host = HostId(self.hosts.len());
        self.names.insert(name.to_owned(), ip);
        self.by_ip.insert(ip, host);
        self.hosts.push(Host {
            name: name.to_owned(),
            ip,
            kernel,
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

    /// The socket layer, entered: no host can be added from now on.
    pub(super) fn enter(&mut self) -> &EnterGuard {
        if let Layer::Open(_) = self.layer {
            let Layer::Open(net) = std::mem::replace(&mut self.layer, Layer::Entering) else {
                unreachable!("just seen to be open")
            };
            self.layer = Layer::Entered(net.enter());
        }
        let Layer::Entered(guard) = &self.layer else {
            unreachable!("entering is over when this returns")
        };
        guard
    }

    /// Drains, unless that can wait. A drain looks at every socket of every host, and two in five
    /// packets are bare acknowledgements: those let a kernel send something only when the other
    /// side's window was full, and free what was closed. Neither is lost by waiting until the
    /// network is about to fall silent.
    pub(super) fn drain_in_time(&mut self) {
        let soon = self.next_ms().is_some_and(|next_ms| next_ms <= self.now_ms + SOON_MS);
        if is_dirty() || (self.acknowledged && !soon) {
            self.drain();
        }
    }

    /// Takes every packet that the kernels have produced and sends it on its way.
    pub(super) fn drain(&mut self) {
        let acknowledged = std::mem::take(&mut self.acknowledged);
        if !(DIRTY.replace(false) || acknowledged) || matches!(self.layer, Layer::Open(_)) {
            return;
        }
        let mut packets = std::mem::take(&mut self.buffer);
        self.enter().egress_all(&mut packets);
        for packet in packets.drain(..) {
            self.admit(packet);
        }
        self.buffer = packets;
    }

    /// A packet that a kernel emitted: to be dropped, lost, held or sent.
    fn admit(&mut self, packet: Packet) {
        let from = self.host_at(packet.src).expect("kernels send from their own addresses");
        if self.host(from).power == Power::Off {
            self.record.packet(self.now_ms, &packet, Fate::Dead);
            return;
        }
        let Some(to) = self.host_at(packet.dst) else {
            // As a router without a route that says nothing: only the caller's timeout ends it.
            self.record.packet(self.now_ms, &packet, Fate::Nowhere);
            return;
        };
        if self.is_severed(&packet) {
            self.record.packet(self.now_ms, &packet, Fate::Severed);
            return;
        }
        self.note_handshake(&packet);
        if !self.silenced.is_empty() && self.is_silenced(from, to, &packet) {
            self.record.packet(self.now_ms, &packet, Fate::Silenced);
            return;
        }
        match self.mishap(from, to, &packet) {
            Some(mishap) => self.befall(from, to, packet, mishap),
            None => self.route(from, to, packet),
        }
    }

    /// Sends a packet, or holds it where it cannot pass.
    pub(super) fn route(&mut self, from: HostId, to: HostId, packet: Packet) {
        if !self.is_passable(from, to) {
            self.record.packet(self.now_ms, &packet, Fate::Held);
            let since_ms = self.now_ms;
            self.hold(from, to, Held { packet, since_ms });
            return;
        }
        let now_ms = self.now_ms;
        let due_ms = self.link(from, to).due_ms(now_ms, tcp(&packet).flags);
        self.record.packet(now_ms, &packet, Fate::DueMs(due_ms));
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
                Event::Orphan(flow) => self.free_orphan(flow),
            }
        }
    }

    /// Takes packets between two hosts out of the queue, in order.
    pub(super) fn recall(&mut self, from: HostId, to: HostId) -> Vec<Packet> {
        let (src, dst) = (self.host(from).ip, self.host(to).ip);
        let is_ours = |event: &Event| match event {
            Event::Arrive(packet) => packet.src == src && packet.dst == dst,
            Event::GiveUp(..) | Event::Orphan(_) => false,
        };
        let ours = self.queue.extract_if(.., |_, event| is_ours(event));
        ours.filter_map(|(_, event)| match event {
            Event::Arrive(packet) => Some(packet),
            Event::GiveUp(..) | Event::Orphan(_) => None,
        })
        .collect()
    }

    /// Takes what a host has sent and nobody has received out of the queue. Resets stay: their
    /// number is counted.
    pub(super) fn take_under_way(&mut self, from: HostId) -> Vec<Packet> {
        self.drain();
        let src = self.host(from).ip;
        let is_ours = |event: &Event| match event {
            Event::Arrive(packet) => packet.src == src && !tcp(packet).flags.rst,
            Event::GiveUp(..) | Event::Orphan(_) => false,
        };
        let ours = self.queue.extract_if(.., |_, event| is_ours(event));
        ours.filter_map(|(_, event)| match event {
            Event::Arrive(packet) => Some(packet),
            Event::GiveUp(..) | Event::Orphan(_) => None,
        })
        .collect()
    }

    pub(super) fn host_at(&self, ip: IpAddr) -> Option<HostId> {
        self.by_ip.get(&ip).copied()
    }
}

/// The segment of a packet. The fabric has no UDP: `At` offers none.
pub(super) fn tcp(packet: &Packet) -> &TcpSegment {
    match &packet.payload {
        Transport::Tcp(segment) => segment,
        Transport::Udp(_) => unreachable!("no host of the fabric has UDP sockets"),
    }
}
