//! A farm of doubles and an orchestrator, from one scenario and one seed: one run.
//!
//! The doubles are served on hosts of the fabric, the orchestrator runs on a host of its own with
//! the fabric as its network, the doubles' shells as its launcher and a simulated disk under its
//! journal; the schedule strikes; users' requests are modelled; the oracle is told of every change
//! of ground truth, of every fault and of every record of the journal.
mod healing;
mod network;
mod orchestrator;
mod people;
mod play;
mod record;
mod strike;
mod tap;
mod watched;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::rc::Rc;

use evenkeel::farm::Pool;
use evenkeel::procedure::action::JobKind;
use evenkeel_fakes::farm::{Farm, Shared, serve_node, serve_server};
use evenkeel_fakes::spec::FrontEndSpec;
use evenkeel_fakes::truth::Truth;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::fabric::{Ending, Fabric, Setup, run};
use crate::nemesis::watch::Watch;
use crate::nemesis::{Planned, Schedule, Source, Trigger, draw};
use crate::oracle::{
    Bounds, Context, Demand, Faults, Ground, Judgement, MemberKey, Oracle, RunVerdict,
};
use crate::random::Keyed;
use crate::sabotage::{GuardSwitch, Planted};
use crate::scenario::Scenario;
use crate::traffic::{Fates, Traffic, TrafficSpec, Users};

use network::Network;
pub use network::Shells;
use orchestrator::Machine;
use play::Play;
pub use record::{Hit, clock};
use record::{Message, Recorder};
use strike::Breaker;
use tap::Tap;
pub use witness::{Asked, Witness};

/// A run that has not ended by then is stuck: a day. The longest of 4,000 that ended, of farms of 6
/// and 16 front-ends, took 7 hours.
const RUN_MS_MAX: u64 = 24 * 3_600_000;
/// The order of tasks is explored in this share of seeds.
const YIELDS: (u64, u64) = (1, 2);
/// The console's password in a rehearsal.
const PASSWORD: &str = "rehearsal";

/// What one run is made of.
pub struct Order<'a> {
    /// What is rehearsed.
    pub scenario: &'a Scenario,
    /// The seed.
    pub seed: u64,
    /// Where the schedule comes from.
    pub faults: &'a Source,
    /// A known bug, to test the harness.
    pub planted: Option<Planted>,
    /// Gets a line for every packet, change, record and fault.
    pub trace: Option<Box<dyn Write>>,
    /// Is told what happens as it happens.
    pub witness: Option<Box<dyn Witness>>,
}

impl<'a> Order<'a> {
    /// A run that nobody watches.
    #[must_use]
    pub fn new(scenario: &'a Scenario, seed: u64, faults: &'a Source) -> Self {
        Self { scenario, seed, faults, planted: None, trace: None, witness: None }
    }
}

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The fingerprint of everything that happened.
    pub digest: String,
    /// How it ended.
    pub verdict: RunVerdict,
    /// What the oracle says.
    pub judgement: Judgement,
    /// The last events before the first violation.
    pub last_events: Vec<String>,
    /// Simulated time.
    pub simulated_ms: u64,
    /// Packets, changes, records and faults.
    pub events: u64,
    /// Requests that reached a console, a shell or a runtime API.
    pub exchanges: u64,
    /// What became of the users' requests.
    pub fates: Fates,
    /// The faults of the seed.
    pub schedule: Schedule,
    /// The faults that struck, by their places in the schedule: the triggers of the others never
    /// came.
    pub struck: BTreeMap<usize, Hit>,
    /// Entries of the atlas that kept a fault from striking, by name.
    pub trimmed: BTreeSet<&'static str>,
    /// Where the orchestrator could have been killed.
    pub points: Points,
    /// How far it had got each time it was killed.
    pub killed: Vec<Points>,
    /// When a core of the farm was healed for good; `None` when the run ended before.
    pub healed_at_ms: Option<u64>,
    /// What the farm was really like.
    pub truth: Truth,
    /// The bounds of excuses.
    pub bounds: Bounds,
}

/// Where the orchestrator of a run can be killed: at each of these, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Records of the journal: a crash finds each of them handed to the disk, or durable.
    pub records: u64,
    /// Times at which bytes were sent to where an effect was under way.
    pub sent: u64,
}

impl Outcome {
    /// The faults that struck.
    pub fn struck(&self) -> impl Iterator<Item = &Planned> {
        self.struck.keys().map(|place| &self.schedule.planned[*place])
    }
}

/// Rehearses one seed.
#[must_use]
pub fn rehearse(order: Order<'_>) -> Outcome {
    let Order { scenario, seed, faults, planted, trace, witness } = order;
    let keyed = Keyed::new(seed);
    let truth = scenario.truth(&keyed);
    let schedule = match faults {
        Source::Drawn(choice) => draw::schedule(&keyed, choice, &draw::Aims::of(&scenario.plan)),
        Source::Given(schedule) => schedule.clone(),
    };
    let bounds = bounds(scenario, &truth);
    let load = load(scenario, &keyed);
    let users =
        Users::new(Traffic::with(&scenario.spec, &load, |zone| keyed.stream("traffic", zone)));
    let (send, receive) = unbounded_channel();
    let tap = Tap::new(sent_awaited(&schedule), send.clone());
    let recorder = Recorder::new(
        Oracle::new(ground(scenario), context(scenario, &load, &truth, bounds, planted, &schedule)),
        Watch::new(schedule.clone()),
        users.clone(),
        witness,
        send,
    );
    let yields = keyed.ratio("yields", "", 0, YIELDS);
    let setup = Setup { links: scenario.links, yields, trace, ..Setup::new(seed, RUN_MS_MAX) };
    let stage = Stage {
        scenario: Rc::new(scenario.clone()),
        keyed,
        planted,
        truth: truth.clone(),
        users: users.clone(),
        recorder: recorder.clone(),
        tap: tap.clone(),
        receive,
        approved_late: schedule.approved_late(),
    };
    let finished = run(setup, |fabric| stage.play(fabric));
    let verdict = match finished.result {
        Ending::Ended(verdict) => verdict,
        Ending::Stuck { why } => {
            recorder.stuck(finished.simulated_ms, &why);
            RunVerdict::Stuck
        }
        Ending::Panicked { message, task } => {
            RunVerdict::Broken { why: format!("{task} panicked: {message}") }
        }
    };
    let points = Points { records: recorder.records(), sent: tap.sent() };
    let recorded = recorder.take();
    Outcome {
        seed,
        points,
        digest: finished.digest.to_string(),
        judgement: recorded.oracle.finish(finished.simulated_ms, &verdict),
        verdict,
        last_events: recorded.before_violation,
        simulated_ms: finished.simulated_ms,
        events: finished.events,
        exchanges: recorded.exchanges,
        fates: users.fates(),
        schedule,
        struck: recorded.struck,
        trimmed: recorded.trimmed,
        killed: recorded.killed,
        healed_at_ms: recorded.healed_at_ms,
        truth,
        bounds,
    }
}

/// The times of sending that a schedule waits for.
fn sent_awaited(schedule: &Schedule) -> BTreeSet<u64> {
    let awaited = schedule.planned.iter().filter_map(|planned| match planned.trigger {
        Trigger::Sent { nth } => Some(nth),
        _ => None,
    });
    awaited.collect()
}

fn ground(scenario: &Scenario) -> Ground {
    let (spec, plan) = (&scenario.spec, &scenario.plan);
    let weight = |key: &MemberKey| {
        let behind = |it: &&FrontEndSpec| it.members.get(&key.pool) == Some(&key.member);
        let front_end = spec.front_ends.iter().find(behind).expect("a member has a server");
        evenkeel_fakes::farm::weight(spec, &key.pool, front_end)
    };
    let jobs = |server: &str| {
        let stages = plan.updating_stages.iter().chain(&plan.loaded_stages);
        let of_server = stages.flat_map(|it| &it.servers).filter(|it| it.server.as_str() == server);
        of_server
            .flat_map(|it| &it.kinds)
            // Publishing changes applications, not whether this server is whole.
            .filter(|kind| kind.touches() && **kind != JobKind::Publish)
            .map(|kind| kind.as_str().to_owned())
            .collect()
    };
    Ground::new(spec, weight, jobs)
}

/// The users, who were there before, from a start in the plan's window that the seed draws. A plan
/// without a window is rehearsed from the busiest time on.
fn load(scenario: &Scenario, keyed: &Keyed) -> TrafficSpec {
    let spec = TrafficSpec::of(&scenario.spec, &scenario.users).going_on();
    match &scenario.plan.window {
        Some(window) => {
            let minutes = u64::from(window.minutes());
            spec.beginning_at(window.from.after(keyed.below("traffic", "start", 0, minutes) as u32))
        }
        None => spec,
    }
}

fn bounds(scenario: &Scenario, truth: &Truth) -> Bounds {
    let spec = &scenario.spec;
    // Every pool may be on every node: then this is the largest node.
    let members = spec.front_ends.iter().map(|it| it.members.len() as u64).sum();
    let pools = spec.pools.len() as u64;
    Bounds::new(&scenario.plan.farm.policy, truth, scenario.links, members, pools)
}

fn context(
    scenario: &Scenario,
    load: &TrafficSpec,
    truth: &Truth,
    bounds: Bounds,
    planted: Option<Planted>,
    schedule: &Schedule,
) -> Context {
    let plan = &scenario.plan;
    let pools = plan.farm.pools.iter();
    let goes_down = |pool: &&Pool| {
        plan.farm.zones.iter().any(|zone| zone.name == pool.zone && zone.may_go_down)
    };
    let mut stages = plan.updating_stages.iter().chain(&plan.loaded_stages);
    let publisher = stages
        .find_map(|stage| stage.servers.iter().find(|it| it.kinds.contains(&JobKind::Publish)));
    Context {
        faults: Faults::new(bounds),
        policy: plan.farm.policy.clone(),
        demand: Demand::of(&scenario.spec, load),
        left_out: BTreeSet::new(),
        by_hand: BTreeMap::new(),
        deployed: BTreeSet::new(),
        sent_to: BTreeSet::new(),
        shut: schedule.approved_late(),
        switch_began_ms: None,
        switch_ms: None,
        told_is_durable: false,
        healed: false,
        old_console: truth.old_console,
        guard_may_refuse: planted.is_some_and(|it| it.guard == GuardSwitch::On),
        updating: plan.updating.iter().map(ToString::to_string).collect(),
        may_go_down: pools.filter(goes_down).map(|it| it.name.to_string()).collect(),
        publisher: publisher.map(|it| it.server.to_string()),
        unanswered: BTreeMap::new(),
        floors: plan.farm.pools.iter().map(|it| (it.name.to_string(), it.floor)).collect(),
    }
}

/// Where a run takes place: whoever changes the world needs all of it.
#[derive(Clone)]
struct Site {
    fabric: Fabric,
    network: Network,
    shared: Shared,
    recorder: Recorder,
}

/// Everything that a run begins with.
struct Stage {
    scenario: Rc<Scenario>,
    keyed: Keyed,
    planted: Option<Planted>,
    truth: Truth,
    users: Users,
    recorder: Recorder,
    tap: Tap,
    receive: UnboundedReceiver<Message>,
    approved_late: BTreeSet<u8>,
}

impl Stage {
    async fn play(self, fabric: Fabric) -> RunVerdict {
        let network = Network::new(&fabric, &self.scenario.spec);
        let farm = Farm::beside_strangers(self.scenario.spec.clone(), self.truth.clone(), PASSWORD);
        let shared = Shared::new(farm);
        shared.set_load(self.users.load());
        let recorder = self.recorder.clone();
        shared.observe(Box::new(move |farm, entry| recorder.ledger(farm, entry)));
        let recorder = self.recorder.clone();
        shared.log_requests(Box::new(move |now_ms, line| recorder.exchange(now_ms, line)));
        let clock = shared.clone();
        fabric.spawn(network.clock, async move { clock.run_clock().await });
        for name in network.servers.keys() {
            switch_on(&fabric, &network, &shared, name);
        }
        for name in network.nodes.keys() {
            serve_balancer(&fabric, &network, &shared, name);
        }
        let links = self.scenario.links;
        let recorder = self.recorder.clone();
        recorder.begin(&fabric);
        let site = Site { fabric, network, shared, recorder };
        let machine = Machine::new(
            self.scenario,
            self.keyed,
            site.clone(),
            self.planted,
            self.tap,
            self.approved_late,
        );
        let breaker = Breaker::new(site, machine, links);
        Play::new(breaker, self.receive).run().await
    }
}

/// Serves a server's web server and shell.
fn switch_on(fabric: &Fabric, network: &Network, shared: &Shared, name: &str) {
    let it = &network.servers[name];
    let (at, shared, name) = (fabric.at(it.host), shared.clone(), name.to_owned());
    let (http, shell) = (it.http, it.shell);
    fabric.spawn(it.host, async move {
        serve_server(shared, at, &name, http, Some(shell))
            .await
            .expect("a host's addresses are its own");
    });
}

fn serve_balancer(fabric: &Fabric, network: &Network, shared: &Shared, name: &str) {
    let it = network.nodes[name].clone();
    let (at, shared, name) = (fabric.at(it.host), shared.clone(), name.to_owned());
    let servers: BTreeMap<String, std::net::SocketAddr> =
        network.servers.iter().map(|(name, it)| (name.clone(), it.http)).collect();
    let resolve = Rc::new(move |server: &str| servers[server]);
    fabric.spawn(it.host, async move {
        serve_node(shared, at, &name, it.api, it.proxies, resolve)
            .await
            .expect("a host's addresses are its own");
    });
}
