//! A farm of doubles and an orchestrator on the umbrella crate `turmoil`: what `evenkeel_sim::world`
//! composes on the rehearsal's fabric, composed again from the same parts on another engine.
//!
//! Each server, each balancer node, the farm's clock and the orchestrator is a host of its own,
//! under the farm file's addresses. Each host of turmoil has a runtime of its own, so instants of
//! one mean nothing on another: the doubles share the simulation's time instead.
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use evenkeel::drive::{self, Mind, OnHold, Options, World};
use evenkeel::journal::tell::Teller;
use evenkeel::journal::{Journal, Record, Request, Verdict, Wanted};
use evenkeel::ports::{Address, Inbox, WallClock};
use evenkeel_fakes::farm::{Clock, Farm, Shared, serve_node, serve_server};
use evenkeel_fakes::ledger;
use evenkeel_sim::disk::{CrashOutcome, Disk};
use evenkeel_sim::random::Keyed;
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::traffic::{Fates, Traffic, Users};
use evenkeel_sim::world::Shells;
use jiff::{SignedDuration, Timestamp};
use turmoil::Sim;

use super::turmoil_net::Turmoil;

/// The orchestrator's host.
pub(crate) const ORCHESTRATOR: &str = "orchestrator";
/// Where a server's shell listens, as in a rehearsal.
const SHELL_PORT: u16 = 22;
/// The console's password here.
const PASSWORD: &str = "turmoil";
/// When the run begins, by its wall clock: any instant would do.
const BEGINS: &str = "2026-01-10T22:00:00Z";
/// Coarse, since turmoil pays for every tick of every host: well under every interval of policy.
const TICK: Duration = Duration::from_millis(10);
/// A run that is not over by then is stuck: several times what it takes with every fault.
const RUN_MAX: Duration = Duration::from_secs(30 * 60);
/// Segments that wait in one socket at most: turmoil panics beyond, and a page is some dozens.
const TCP_CAPACITY: usize = 4_096;

/// An upgrade that goes on.
pub(crate) struct Upgrade {
    pub(crate) sim: Sim<'static>,
    pub(crate) shared: Shared,
    orchestrator: Orchestrator,
    users: Users,
    /// Changes of ground truth, told.
    ledger: Rc<RefCell<Vec<String>>>,
}

impl Upgrade {
    /// The farm of a scenario as it stands before step 1, and an orchestrator about to begin.
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Self {
        let keyed = Keyed::new(seed);
        let farm = Farm::new(scenario.spec.clone(), scenario.truth(&keyed), PASSWORD);
        let shared = Shared::on_clock(farm, clock());
        let users = Users::new(Traffic::new(&scenario.spec, |zone| keyed.stream("traffic", zone)));
        shared.set_load(users.load());
        let ledger = Rc::default();
        observe(&shared, &users, &ledger);
        let mut sim = turmoil::Builder::new()
            .simulation_duration(RUN_MAX)
            .tick_duration(TICK)
            .tcp_capacity(TCP_CAPACITY)
            .rng_seed(seed)
            .build();
        let orchestrator = Orchestrator::new(scenario, &shared);
        add_farm(&mut sim, scenario, &shared);
        let again = orchestrator.clone();
        sim.host(ORCHESTRATOR, move || again.clone().live());
        Self { sim, shared, orchestrator, users, ledger }
    }

    /// Lets one tick pass.
    fn step(&mut self) {
        self.sim.step().expect("no host fails");
        assert!(self.sim.elapsed() < RUN_MAX, "stuck; last:\n{}", self.last_told());
    }

    /// Lets time pass until something is so.
    pub(crate) fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        while !so(self) {
            let ended = self.orchestrator.ended.borrow().clone();
            assert!(ended.is_none(), "no {what}: {ended:?}; last:\n{}", self.last_told());
            self.step();
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.sim.elapsed() + time;
        while self.sim.elapsed() < until {
            self.step();
        }
    }

    /// Kills the orchestrator, with what its disk had not been asked to sync.
    pub(crate) fn crash_orchestrator(&mut self) -> CrashOutcome {
        self.sim.crash(ORCHESTRATOR);
        // The draw that loses all that was not synced.
        self.orchestrator.disk.crash(3)
    }

    /// Starts the orchestrator again, on what its disk kept.
    pub(crate) fn bounce_orchestrator(&mut self) {
        self.sim.bounce(ORCHESTRATOR);
    }

    /// Cuts the orchestrator off from a host for a while.
    pub(crate) fn partition(&mut self, address: IpAddr, time: Duration) {
        self.sim.partition(ORCHESTRATOR, address);
        self.pass(time);
        self.sim.repair(ORCHESTRATOR, address);
    }

    /// The end, as the orchestrator tells it.
    pub(crate) fn end(&mut self) -> Verdict {
        loop {
            if let Some(how) = self.orchestrator.ended.borrow_mut().take() {
                return how.expect("this machine does not fail");
            }
            self.step();
        }
    }

    /// Whether an upgrade job runs on a server (ground truth).
    pub(crate) fn job_runs(&self, server: &str) -> bool {
        self.shared.with(|farm| farm.servers[server].job_runs())
    }

    /// How many members of a pool get requests on a node (ground truth).
    pub(crate) fn eligible(&self, node: &str, pool: &str) -> usize {
        self.shared.with(|farm| farm.nodes[node].eligible(pool).len())
    }

    /// Whether a record was told in words that begin so.
    pub(crate) fn told(&self, words: &str) -> bool {
        self.orchestrator.told.borrow().iter().any(|line| line.starts_with(words))
    }

    /// Every record of the journal, told, without its time.
    pub(crate) fn story(&self) -> Vec<String> {
        self.orchestrator.told.borrow().clone()
    }

    /// Every change of ground truth, told.
    pub(crate) fn ledger(&self) -> Vec<String> {
        self.ledger.borrow().clone()
    }

    /// What became of the users' requests.
    pub(crate) fn fates(&self) -> Fates {
        self.users.fates()
    }

    fn last_told(&self) -> String {
        let told = self.orchestrator.told.borrow();
        told[told.len().saturating_sub(20)..].join("\n")
    }
}

/// The simulation's time, for every host: it is the same within a tick, and between two steps it
/// stands still. Hosts of one tick run one after the other over the same stretch of time, so a
/// later one would see time go back.
fn clock() -> Clock {
    let latest_ms = Cell::new(0);
    Box::new(move || {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default().as_millis();
        let elapsed_ms = u64::try_from(elapsed).expect("a run ends within an aeon");
        latest_ms.set(elapsed_ms.max(latest_ms.get()));
        latest_ms.get()
    })
}

/// Writes ground truth down, and tells the users what servers do with requests from then on.
fn observe(shared: &Shared, users: &Users, ledger: &Rc<RefCell<Vec<String>>>) {
    let (users, ledger) = (users.clone(), Rc::clone(ledger));
    shared.observe(Box::new(move |_, entry| {
        ledger.borrow_mut().push(entry.event.to_string());
        if let ledger::Event::Applications { server, state } = &entry.event {
            // Who is fit is the oracle's business; here it is only counted who was answered.
            users.server_changed(server, *state, true);
        }
    }));
}

/// A farm's host under its address in the farm file.
pub(crate) fn ip(address: &str) -> IpAddr {
    address.parse().expect("this farm's addresses are IP addresses")
}

fn any(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

fn address_of(text: &str) -> SocketAddr {
    text.parse().expect("this farm's addresses are IP addresses and ports")
}

/// Serves every server and balancer node of a farm, and keeps its clock.
fn add_farm(sim: &mut Sim<'static>, scenario: &Scenario, shared: &Shared) {
    let spec = &scenario.spec;
    let farm = shared.clone();
    sim.host("farm", move || {
        let farm = farm.clone();
        async move { farm.run_clock().await }
    });
    for front_end in &spec.front_ends {
        let (shared, name, port) = (shared.clone(), front_end.name.clone(), front_end.port);
        sim.host(ip(&front_end.address), move || {
            let (shared, name) = (shared.clone(), name.clone());
            async move {
                serve_server(shared, Turmoil, &name, any(port), Some(any(SHELL_PORT))).await?;
                Ok(())
            }
        });
    }
    let servers = spec.front_ends.iter();
    let https: std::collections::BTreeMap<String, SocketAddr> =
        servers.map(|it| (it.name.clone(), SocketAddr::new(ip(&it.address), it.port))).collect();
    let https = Rc::new(https);
    for node in &spec.balancers {
        let api = address_of(&node.api);
        let pools = spec.pools.iter().filter_map(|pool| {
            let at = address_of(pool.traffic.get(&node.name)?);
            Some((pool.name.clone(), any(at.port())))
        });
        let pools: Vec<_> = pools.collect();
        let (shared, name, https) = (shared.clone(), node.name.clone(), Rc::clone(&https));
        sim.host(api.ip(), move || {
            let (shared, name, pools) = (shared.clone(), name.clone(), pools.clone());
            let https = Rc::clone(&https);
            let resolve = Rc::new(move |server: &str| https[server]);
            async move {
                serve_node(shared, Turmoil, &name, any(api.port()), pools, resolve).await?;
                Ok(())
            }
        });
    }
}

/// The orchestrator's machine: what outlives its process.
#[derive(Clone)]
struct Orchestrator {
    scenario: Rc<Scenario>,
    shared: Shared,
    disk: Disk,
    teller: Rc<RefCell<Teller>>,
    told: Rc<RefCell<Vec<String>>>,
    ended: Rc<RefCell<Option<Result<Verdict, String>>>>,
}

impl Orchestrator {
    fn new(scenario: &Scenario, shared: &Shared) -> Self {
        Self {
            scenario: Rc::new(scenario.clone()),
            shared: shared.clone(),
            disk: Disk::new(),
            teller: Rc::new(RefCell::new(Teller::new("PLAN"))),
            told: Rc::default(),
            ended: Rc::default(),
        }
    }

    /// One life, from the journal's opening to the verdict or to a crash.
    async fn live(self) -> turmoil::Result {
        let (journal, records) = Journal::open(self.disk.file())?;
        let watcher = self.clone();
        let front_ends = self.scenario.spec.front_ends.iter();
        let shells =
            front_ends.map(|it| (it.name.clone(), Address::Tcp(it.address.clone(), SHELL_PORT)));
        let shells = Arc::new(shells.collect());
        let world = World {
            dial: Turmoil,
            launcher: Shells::new(Turmoil, shells),
            journal,
            records,
            wall: Wall(self.shared.clone()),
            inbox: Nobody,
            password: PASSWORD.to_owned().into(),
            watch: Box::new(move |record| watcher.watch(record)),
        };
        let (requests, mind) = (self.approvals(), Mind::default());
        let options = Options { on_hold: OnHold::Wait, requests, certificate: None, mind };
        let (plan, hash) = (&self.scenario.plan, &self.scenario.plan_hash);
        let how = drive::run(plan, hash, world, options).await;
        *self.ended.borrow_mut() = Some(how.map_err(|error| error.to_string()));
        Ok(())
    }

    fn watch(&self, record: &Record) {
        let line = self.teller.borrow_mut().tell(record);
        let words = line.split_once("  ").map_or(&*line, |(_, words)| words);
        self.told.borrow_mut().push(words.to_owned());
    }

    fn approvals(&self) -> Vec<Request> {
        let approve = |step: &u8| Request {
            what: Wanted::Approve { step: *step },
            who: "turmoil".into(),
            ticket: None,
            plan_hash: self.scenario.plan_hash.clone(),
            at: begins(),
        };
        self.scenario.plan.farm.policy.gates.iter().map(approve).collect()
    }
}

fn begins() -> Timestamp {
    BEGINS.parse().expect("the beginning is an instant")
}

/// Wall time goes with simulated time.
#[derive(Clone)]
struct Wall(Shared);

impl WallClock for Wall {
    fn now(&self) -> Timestamp {
        let ms = i64::try_from(self.0.now_ms()).expect("a run ends within an aeon");
        begins() + SignedDuration::from_millis(ms)
    }
}

/// Nobody asks for anything.
struct Nobody;

impl Inbox for Nobody {
    fn take(&mut self) -> io::Result<Vec<Request>> {
        Ok(Vec::new())
    }
}
