//! The handle to a run's network, for whoever builds and breaks the world.
use std::future::Future;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::sync::oneshot;

use super::engine::{self, Power};
use super::mishap::Awaited;
use super::packet::Packet;
use super::stream::At;
use super::{Direction, HostId, Latency, Mishap, Task};

/// The network of the run that is going on on this thread.
#[derive(Clone, Debug)]
pub struct Fabric {
    /// Bound to its thread, as the run is.
    _thread: PhantomData<Rc<()>>,
}

/// Packets that were taken off the network, in the order in which they were to arrive.
#[derive(Debug, Default)]
pub struct UnderWay(Vec<(SocketAddr, Packet)>);

impl UnderWay {
    /// Where they go.
    pub fn receivers(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(receiver, _)| *receiver)
    }
}

impl Fabric {
    pub(super) const fn new() -> Self {
        Self { _thread: PhantomData }
    }

    /// Adds a host with one address, which its name resolves to.
    ///
    /// # Panics
    /// The name or the address is taken.
    pub fn add_host(&self, name: &str, ip: IpAddr) -> HostId {
        engine::with(|engine| engine.add_host(name, ip))
    }

    /// Makes a name resolve to an address, for [`evenkeel::ports::Dial`].
    ///
    /// # Panics
    /// The name is taken.
    pub fn add_name(&self, name: &str, ip: IpAddr) {
        engine::with(|engine| {
            let before = engine.names.insert(name.to_owned(), ip);
            assert!(before.is_none(), "the name {name} is taken");
        });
    }

    /// A host's network.
    #[must_use]
    pub fn at(&self, host: HostId) -> At {
        engine::with(|engine| At::new(engine, host))
    }

    /// A host's name.
    #[must_use]
    pub fn name(&self, host: HostId) -> String {
        engine::with(|engine| engine.host(host).name.clone())
    }

    /// A host's address.
    #[must_use]
    pub fn address(&self, host: HostId) -> IpAddr {
        engine::with(|engine| engine.host(host).ip)
    }

    /// Starts a task on a host. A crash of the host drops it, and with it all that it spawned by
    /// `tokio::task::spawn_local`.
    ///
    /// On a dead host this is the beginning of its boot: the task may bind and dial, but nothing
    /// passes the network until [`Fabric::power_on`].
    ///
    /// # Panics
    /// The host's crash is not over: await [`Fabric::crash`] first.
    pub fn spawn<F>(&self, host: HostId, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (tasks, waker) = engine::with(|engine| {
            engine.assert_settled(host);
            let host = engine.host_mut(host);
            if host.power == Power::Off {
                host.power = Power::Booting;
            }
            (host.tasks.clone(), host.waker.clone())
        });
        let handle = tasks.spawn_local(future);
        waker.mark();
        Task::new(handle)
    }

    /// Cuts a host's power and waits until its tasks are gone.
    ///
    /// Peers hear nothing while it is down. After [`Fabric::power_on`], those that have something
    /// unacknowledged get a reset, connections begun while it was down complete, and idle ones hear
    /// nothing until they write. Called from a task of that host it never returns.
    pub async fn crash(&self, host: HostId) {
        let (done, gone) = oneshot::channel();
        self.cut(host, Some(done));
        let _dropped_with_the_run = gone.await;
    }

    /// Cuts a host's power, from where nothing can be awaited: no packet leaves it from now on, and
    /// its tasks are dropped before any other host's are polled.
    pub fn cut_power(&self, host: HostId) {
        self.cut(host, None);
    }

    fn cut(&self, host: HostId, done: Option<oneshot::Sender<()>>) {
        engine::with(|engine| {
            engine.cut_power(host);
            engine.crashes.push((host, done));
        });
    }

    /// Lets a host's packets pass again after a crash, once what listens there is bound.
    ///
    /// # Panics
    /// The host's crash is not over: await [`Fabric::crash`] first.
    pub fn power_on(&self, host: HostId) {
        engine::with(|engine| {
            engine.assert_settled(host);
            engine.power_on(host);
        });
    }

    /// Stops a host where it stands, as the migration of a virtual machine does: no task of it runs,
    /// what is sent to it and what it had yet to send waits. Time goes on, also for its timers. A
    /// task that stops its own host runs on until it next waits.
    pub fn freeze(&self, host: HostId) {
        engine::with(|engine| engine.freeze(host));
    }

    /// Lets a host go on that was stopped, if it was not killed meanwhile.
    pub fn thaw(&self, host: HostId) {
        engine::with(|engine| engine.thaw(host));
    }

    /// Whether a host has power and is on the network.
    #[must_use]
    pub fn is_up(&self, host: HostId) -> bool {
        engine::with(|engine| engine.host(host).power == Power::On)
    }

    /// Cuts between two hosts. What is under way or sent from now on is held and arrives after
    /// [`Fabric::heal`]; a sender gives up on a connection after 15 minutes.
    ///
    /// # Panics
    /// The hosts are the same.
    pub fn partition(&self, left: HostId, right: HostId, direction: Direction) {
        if direction != Direction::Backward {
            self.set_cut(left, right, true);
        }
        if direction != Direction::Forward {
            self.set_cut(right, left, true);
        }
    }

    /// Ends every cut between two hosts.
    pub fn heal(&self, left: HostId, right: HostId) {
        self.set_cut(left, right, false);
        self.set_cut(right, left, false);
    }

    /// Cuts one way from a host to another, or ends that cut.
    ///
    /// # Panics
    /// The hosts are the same.
    pub fn set_cut(&self, from: HostId, to: HostId, cut: bool) {
        engine::with(|engine| engine.set_cut(from, to, cut));
    }

    /// Sets the latency of both directions between two hosts, for packets sent from now on.
    pub fn set_latency(&self, left: HostId, right: HostId, latency: Latency) {
        engine::with(|engine| {
            engine.link(left, right).set_latency(latency);
            engine.link(right, left).set_latency(latency);
        });
    }

    /// Sets how many of a thousand packets are lost between two hosts, both ways, from now on. Each
    /// is sent again after 200 ms (a SYN after 1 s), doubled up to three times, and what was sent
    /// after it waits for it.
    ///
    /// # Panics
    /// More than a thousand.
    pub fn set_loss(&self, left: HostId, right: HostId, permille: u64) {
        assert!(permille <= 1_000, "more than all packets cannot be lost");
        engine::with(|engine| {
            engine.link(left, right).set_loss(permille);
            engine.link(right, left).set_loss(permille);
        });
    }

    /// Lets something befall the next bytes from `server` to `client`, on whichever connection
    /// they are. Calls add up, each for one answer.
    pub fn spoil_response(&self, client: HostId, server: HostId, mishap: Mishap) {
        self.spoil_response_and_tell(client, server, mishap, || ());
    }

    /// The same, and tells when it happens, which may be much later. It is told in the midst of the
    /// network's work: `tell` may note it, and use nothing of the network.
    pub fn spoil_response_and_tell(
        &self,
        client: HostId,
        server: HostId,
        mishap: Mishap,
        tell: impl Fn() + 'static,
    ) {
        let awaited = Awaited { mishap, tell: Box::new(tell) };
        engine::with(|engine| engine.link(server, client).mishaps.push_back(awaited));
    }

    /// Loses the next response: the next bytes from `server` to `client` do not arrive and their
    /// connection is reset at both ends. The server has done what it was asked.
    ///
    /// Calls add up: two calls lose the responses of two connections.
    pub fn lose_response(&self, client: HostId, server: HostId) {
        self.spoil_response(client, server, Mishap::Lost);
    }

    /// Loses the next request: the next bytes from `client` to `server` do not arrive and their
    /// connection is reset at both ends. The server has done nothing.
    pub fn lose_request(&self, client: HostId, server: HostId) {
        self.spoil_response(server, client, Mishap::Lost);
    }

    /// Takes back every mishap between two hosts that has not happened yet.
    pub fn lose_nothing(&self, client: HostId, server: HostId) {
        engine::with(|engine| {
            engine.link(client, server).mishaps.clear();
            engine.link(server, client).mishaps.clear();
        });
    }

    /// Takes what a host has sent and nobody has received off the network. Dropped, it is lost;
    /// [`Fabric::send_on`] lets it arrive later, however its sender has fared meanwhile.
    #[must_use]
    pub fn take_under_way(&self, from: HostId) -> UnderWay {
        UnderWay(engine::with(|engine| {
            let packets = engine.take_under_way(from).into_iter();
            packets.map(|packet| (engine.address(packet.to), packet)).collect()
        }))
    }

    /// Lets what was taken off the network, and is for this address, go on its way.
    pub fn send_on(&self, under_way: &mut UnderWay, to: SocketAddr) {
        engine::with(|engine| {
            for (_, packet) in under_way.0.extract_if(.., |(receiver, _)| *receiver == to) {
                engine.route(packet);
            }
        });
    }

    /// Simulated time since the start of the run.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        engine::with(|engine| engine.now_ms)
    }

    /// The number of the latest event.
    #[must_use]
    pub fn events(&self) -> u64 {
        engine::with(|engine| engine.record.events)
    }

    /// Puts a line into trace and digest, with the instant and the next event number.
    pub fn note(&self, text: &str) {
        engine::with(|engine| {
            let now_ms = engine.now_ms;
            engine.record.note(now_ms, text);
        });
    }

    /// How many connections a host's kernel holds, in whatever state: for tests of leaks.
    #[must_use]
    pub fn connections_at(&self, host: HostId) -> usize {
        engine::with(|engine| engine.sockets.count(host))
    }
}
