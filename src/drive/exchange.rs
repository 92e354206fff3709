//! Exchanges with the world: each poll and each action as a future that owns what it needs, and
//! what it brought back.
use std::rc::Rc;

use crate::balancer::haproxy::Haproxy;
use crate::balancer::{BalancerError, PoolMembers};
use crate::farm::{ApplicationTest, FrontEnd};
use crate::host::{Host, HostError};
use crate::journal::ActionResult;
use crate::ports::{Dial, Launcher};
use crate::probe::Probe;
use crate::procedure::action::{Action, JobKind, MemberChange};
use crate::procedure::layout::{Layout, NodeIx, ServerIx};
use crate::procedure::polls::Poll;
use crate::procedure::readings::{
    JobReading, MemberId, NodeReading, PingIds, ServerRow, ServiceReading, TestReading, ThreadRow,
};
use crate::procedure::view::Question;
use crate::service_center::{Console, ConsoleError};

/// Requests of one nudge for each member of the pool: rotation by equal weights reaches every
/// member with one; two leave room for unequal weights and for users who came in between.
const NUDGES_PER_MEMBER: usize = 2;

/// Every adapter of a run.
pub(super) struct Adapters<D: Dial, L: Launcher> {
    layout: Rc<Layout>,
    balancers: Vec<Haproxy<D>>,
    console: Console<D>,
    host: Host<L>,
    probe: Probe<D>,
}

/// What an exchange brought back.
pub(super) struct Completion {
    /// When it began.
    pub(super) began_ms: u64,
    /// What it was.
    pub(super) of: Exchange,
}

/// What an exchange was, with its answer.
pub(super) enum Exchange {
    /// A poll.
    Poll(Poll, Result<Seen, Unseen>),
    /// An action.
    Action {
        /// The intent's number.
        id: u64,
        /// The action.
        action: Action,
        /// What came of it.
        result: ActionResult,
        /// What it read back.
        seen: Option<Seen>,
        /// The console refused the login, with its words.
        login_refused: Option<String>,
    },
    /// A node or server has rested after a failed action.
    Rested(Option<NodeIx>, Option<ServerIx>),
}

/// What was read.
pub(super) enum Seen {
    /// A node.
    Node(NodeIx, NodeReading),
    /// Every server's row.
    Flags(Vec<ServerRow>),
    /// Deployment threads.
    Threads(Vec<ThreadRow>),
    /// A Deployment Service.
    Service(ServiceReading),
    /// A version.
    Version(crate::farm::Version),
    /// A job.
    Job(String, JobReading),
    /// Ping ids.
    Pings(PingIds),
}

/// Why nothing was read.
pub(super) enum Unseen {
    /// The exchange failed.
    Failed(String),
    /// The console refused the login.
    LoginRefused(String),
    /// A word that the farm file does not know.
    UnknownWord(String),
}

impl<D: Dial, L: Launcher> Adapters<D, L> {
    pub(super) fn new(
        layout: Rc<Layout>,
        dial: &D,
        launcher: L,
        password: secrecy::SecretString,
    ) -> Self {
        let farm = &layout.farm;
        let balancers = farm
            .balancers
            .iter()
            .map(|node| Haproxy::new(dial.clone(), node, members_on(&layout, &node.name)))
            .collect();
        let scheme = farm.service_center.scheme;
        Self {
            balancers,
            console: Console::new(dial.clone(), &farm.service_center, password),
            host: Host::new(launcher, &farm.host, farm.version_to),
            probe: Probe::new(dial.clone(), scheme),
            layout,
        }
    }

    /// A person says that the login may be tried again.
    pub(super) fn forget_refused_login(&self) {
        self.console.forget_refusal();
    }

    fn front_end(&self, server: ServerIx) -> &FrontEnd {
        self.layout.servers[server].front_end.as_ref().expect("only front-ends are asked this")
    }

    /// Carries a poll out. `job` is the id that a job question is about.
    pub(super) async fn poll(&self, poll: &Poll, job: Option<String>) -> Result<Seen, Unseen> {
        match *poll {
            Poll::Node(node) => {
                let read = self.balancers[node].observe().await;
                read.map(|reading| Seen::Node(node, reading)).map_err(|why| failed(&why))
            }
            Poll::Server { server, question, via } => self.ask(server, question, via, job).await,
        }
    }

    async fn ask(
        &self,
        server: ServerIx,
        question: Question,
        via: ServerIx,
        job: Option<String>,
    ) -> Result<Seen, Unseen> {
        let entry = &self.layout.servers[server];
        let (name, address) = (&entry.name, entry.address.as_str());
        match question {
            Question::Service => {
                let read = self.host.service(name, address).await;
                read.map(Seen::Service).map_err(|why| failed(&why))
            }
            Question::Version => {
                let read = self.host.version(name, address).await;
                read.map(Seen::Version).map_err(|why| failed(&why))
            }
            Question::Job => {
                let job = job.expect("a job question has a job");
                let read = self.host.job(name, address, &job).await;
                read.map(|reading| Seen::Job(job, reading)).map_err(|why| failed(&why))
            }
            Question::Flags => {
                let rows = self.console.servers(self.front_end(via)).await;
                rows.map(Seen::Flags).map_err(console_unseen)
            }
            Question::Threads => {
                let rows = self.console.threads(self.front_end(via), name.as_str()).await;
                rows.map(Seen::Threads).map_err(console_unseen)
            }
            Question::Pings => {
                let front_end = self.front_end(server);
                let host_name = self.host_name(front_end);
                let ids = self.probe.pings(front_end, &host_name, &entry.modules).await;
                ids.map(Seen::Pings).map_err(|why| failed(&why))
            }
        }
    }

    fn host_name(&self, front_end: &FrontEnd) -> String {
        let zone = self.layout.farm.zones.iter().find(|zone| front_end.zones.contains(&zone.name));
        zone.map_or_else(|| front_end.address.clone(), |zone| zone.public_name.clone())
    }

    /// Carries an action out, and reads back what it changed.
    pub(super) async fn act(
        &self,
        action: &Action,
    ) -> (ActionResult, Option<Seen>, Option<String>) {
        let ix = |name| self.layout.server(name).expect("actions name servers of the plan");
        match action {
            Action::Balancer { node, members, change } => {
                let (result, seen) = self.change_members(node.as_str(), members, *change).await;
                (result, seen, None)
            }
            Action::Flag { via, server, enabled } => {
                let via = self.front_end(ix(via));
                let rows = self.console.set_enabled(via, server.as_str(), *enabled).await;
                flag_outcome(rows, server.as_str(), *enabled)
            }
            Action::Start { server, kind, job } => {
                (self.start(ix(server), *kind, job).await, None, None)
            }
            Action::Reboot { server, .. } => {
                let address = &self.layout.servers[ix(server)].address;
                let result = match self.host.reboot(server, address).await {
                    // A machine that goes down takes the command's own connection with it.
                    Err(why @ HostError::Failed { .. }) => {
                        ActionResult::Unknown { why: why.to_string() }
                    }
                    result => host_outcome(result, "accepted"),
                };
                (result, None, None)
            }
            Action::Test { server } => (self.test(ix(server)).await, None, None),
            Action::Nudge { node, pool } => {
                (self.nudge(node.as_str(), pool.as_str()).await, None, None)
            }
        }
    }

    async fn change_members(
        &self,
        node: &str,
        members: &[MemberId],
        change: MemberChange,
    ) -> (ActionResult, Option<Seen>) {
        let nodes = &self.layout.nodes;
        let ix = nodes.iter().position(|entry| entry.name.as_str() == node);
        let ix = ix.expect("actions name nodes of the plan");
        match self.balancers[ix].change(members, change).await {
            Ok(reading) => (read_back(&reading, members, change), Some(Seen::Node(ix, reading))),
            Err(why @ BalancerError::Lost(_)) => {
                (ActionResult::Unknown { why: why.to_string() }, None)
            }
            Err(why @ BalancerError::Refused(_)) => {
                // Noise looks like words that decline: what is so now says only another reading.
                let read = self.balancers[ix].observe().await.ok();
                let seen = read.map(|reading| Seen::Node(ix, reading));
                (ActionResult::NoEffect { why: why.to_string() }, seen)
            }
            Err(why) => (ActionResult::Refused { why: why.to_string() }, None),
        }
    }

    async fn start(&self, server: ServerIx, kind: JobKind, job: &str) -> ActionResult {
        let entry = &self.layout.servers[server];
        host_outcome(self.host.start(&entry.name, &entry.address, kind, job).await, "accepted")
    }

    /// Tests count only when the same services ran before and after them, and at a host that answered
    /// then: one that did not may have been out of reach while they failed, and be back at their end.
    async fn test(&self, server: ServerIx) -> ActionResult {
        let entry = &self.layout.servers[server];
        let front_end = self.front_end(server);
        let before = self.host.service(&entry.name, &entry.address).await.ok();
        let policy = self.layout.policy();
        let reading = match self.tests_of(front_end) {
            tests if tests.is_empty() => TestReading {
                passed: false,
                requests: 0,
                failure: Some("its zones have no application test, so nothing is proven".into()),
            },
            tests => {
                let (warm_up, passes) = (policy.test_warm_up, policy.test_passes);
                self.probe.tests(front_end, &tests, warm_up, passes).await
            }
        };
        let version = self.host.version(&entry.name, &entry.address).await.ok();
        let version = version.filter(|_| before.is_some());
        let after = self.host.service(&entry.name, &entry.address).await.ok();
        let start = match (before, after) {
            (Some(before), Some(after)) if before.start == after.start && after.initialised => {
                Some(after.start)
            }
            _ => None,
        };
        ActionResult::Tested { reading, version, start }
    }

    fn tests_of(&self, front_end: &FrontEnd) -> Vec<(&ApplicationTest, &str)> {
        let farm = &self.layout.farm;
        farm.tests
            .iter()
            .filter(|test| front_end.zones.contains(&test.zone))
            .filter_map(|test| {
                let zone = farm.zones.iter().find(|zone| zone.name == test.zone)?;
                Some((test, zone.public_name.as_str()))
            })
            .collect()
    }

    /// Requests of ours through a node.
    async fn nudge(&self, node: &str, pool: &str) -> ActionResult {
        let farm = &self.layout.farm;
        let pool = farm.pools.iter().find(|entry| entry.name.as_str() == pool);
        let pool = pool.expect("actions name pools of the plan");
        let to = pool.traffic.iter().find(|(name, _)| name.as_str() == node).map(|(_, to)| to);
        let to = to.expect("only nodes with a traffic address are nudged");
        let zone = farm.zones.iter().find(|zone| zone.name == pool.zone);
        let host_name = zone.map_or("localhost", |zone| zone.public_name.as_str());
        let test = farm.tests.iter().find(|test| test.zone == pool.zone);
        let path = test.map_or("/", |test| test.path.as_str());
        let members = farm.front_ends.iter().filter(|one| one.members.contains_key(&pool.name));
        let requests = members.count() * NUDGES_PER_MEMBER;
        let mut evidence = String::new();
        for _ in 0..requests {
            match self.probe.nudge(to, host_name, path).await {
                Ok(status) if status < 500 => {
                    evidence = format!("{requests} requests, answered {status}");
                }
                Ok(status) => {
                    let why = format!("answered {status}");
                    return ActionResult::Refused { why };
                }
                Err(why) => return ActionResult::Unknown { why: why.to_string() },
            }
        }
        ActionResult::Done { evidence }
    }
}

fn members_on(layout: &Layout, node: &crate::names::NodeName) -> Vec<PoolMembers> {
    let farm = &layout.farm;
    let carried = farm.pools.iter().filter(|p| p.nodes.is_empty() || p.nodes.contains(node));
    carried
        .map(|pool| PoolMembers {
            pool: pool.name.clone(),
            members: farm
                .front_ends
                .iter()
                .filter_map(|one| Some((one.members.get(&pool.name)?.clone(), one.name.clone())))
                .collect(),
        })
        .collect()
}

/// An answer of OK may have had no effect: only the reading says what was done.
fn read_back(reading: &NodeReading, members: &[MemberId], change: MemberChange) -> ActionResult {
    let (mut seen, mut without_effect) = (Vec::new(), false);
    for member in members {
        let Some(read) = reading.member(member) else {
            let why = format!("the node does not list {} in {}", member.server, member.pool);
            return ActionResult::Unknown { why };
        };
        without_effect |= !match change {
            // Not by its absence from rotation alone: maintenance is another state.
            MemberChange::Drain => read.admin.draining(),
            MemberChange::Admit => read.admin.ready(),
            MemberChange::Maintain => read.admin.in_maintenance(),
            MemberChange::Weight(weight) => read.weight == weight,
            MemberChange::Cut => true,
        };
        seen.push(format!(
            "{}/{} {} admin {} scur {} stot {} weight {}",
            member.pool,
            member.server,
            read.status,
            read.admin.0,
            read.in_flight,
            read.arrivals,
            read.weight
        ));
    }
    let seen = seen.join(", ");
    if without_effect {
        ActionResult::NoEffect { why: format!("accepted, and read back as {seen}") }
    } else {
        ActionResult::Done { evidence: seen }
    }
}

fn flag_outcome(
    rows: Result<Vec<ServerRow>, ConsoleError>,
    server: &str,
    enabled: bool,
) -> (ActionResult, Option<Seen>, Option<String>) {
    match rows {
        Ok(rows) => {
            let read = rows.iter().find(|row| row.name == server).map(|row| row.enabled);
            let result = match read {
                Some(read) if read == enabled => {
                    ActionResult::Done { evidence: format!("the list shows enabled={read}") }
                }
                Some(read) => ActionResult::NoEffect {
                    why: format!("accepted, and the list shows enabled={read}"),
                },
                None => ActionResult::Unknown { why: "the list does not show the server".into() },
            };
            (result, Some(Seen::Flags(rows)), None)
        }
        Err(ConsoleError::LoginRefused(why)) => {
            (ActionResult::Refused { why: why.clone() }, None, Some(why))
        }
        Err(why @ ConsoleError::Unreachable(_)) => {
            (ActionResult::Refused { why: why.to_string() }, None, None)
        }
        Err(why) => (ActionResult::Unknown { why: why.to_string() }, None, None),
    }
}

fn host_outcome(result: Result<(), HostError>, evidence: &str) -> ActionResult {
    match result {
        Ok(()) => ActionResult::Done { evidence: evidence.to_owned() },
        Err(why @ (HostError::Lost(_) | HostError::Garbled(_))) => {
            ActionResult::Unknown { why: why.to_string() }
        }
        Err(why) => ActionResult::Refused { why: why.to_string() },
    }
}

fn failed(why: &impl std::fmt::Display) -> Unseen {
    Unseen::Failed(why.to_string())
}

fn console_unseen(why: ConsoleError) -> Unseen {
    match why {
        ConsoleError::LoginRefused(why) => Unseen::LoginRefused(why),
        ConsoleError::UnknownWord { place, word } => {
            Unseen::UnknownWord(format!("`{word}` in {place}"))
        }
        why => failed(&why),
    }
}
