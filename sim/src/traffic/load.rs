//! The traffic behind the doubles' interface for load: reads who is eligible, writes counters.
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use evenkeel_fakes::balancer::{Balancer, CheckAnswer, MemberIndex};
use evenkeel_fakes::farm::Load;
use evenkeel_fakes::ledger::ApplicationState;

use super::{Answer, Cell, Fates, Strain, Tally, Traffic};

/// The users of a farm: one handle drives the balancers' counters, the others tell what the
/// servers do with requests, and look at what became of them.
#[derive(Clone, Debug)]
pub struct Users(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    traffic: Traffic,
    nodes: BTreeMap<String, Node>,
    /// What the balancers were told of each server's checks.
    strains: Vec<Option<Strain>>,
}

/// What was last seen of a node, and written to it.
#[derive(Debug)]
struct Node {
    life: (u32, u64),
    generation: u64,
    members: Vec<Written>,
}

#[derive(Debug)]
struct Written {
    /// `None`: it is not the farm's, and gets none of its users' requests.
    cell: Option<Cell>,
    /// What the traffic had counted when the counters were last written.
    tally: Tally,
    /// The balancer saw it up.
    up: bool,
    /// Requests in flight that were written: the counter may hold others' too.
    in_flight: u64,
}

impl Users {
    /// The users that a traffic models.
    #[must_use]
    pub fn new(traffic: Traffic) -> Self {
        let strains = vec![None; traffic.servers().count()];
        Self(Rc::new(RefCell::new(Inner { traffic, nodes: BTreeMap::new(), strains })))
    }

    /// Another handle, to be put behind the balancers.
    #[must_use]
    pub fn load(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    /// A server does something else with requests from now on, or became fit or unfit.
    pub fn server_changed(&self, server: &str, applications: ApplicationState, fit: bool) {
        let answer = match applications {
            ApplicationState::Serving => Answer::Page,
            ApplicationState::Unavailable | ApplicationState::Broken => Answer::Error,
            ApplicationState::Off => Answer::Nothing,
        };
        let traffic = &mut self.0.borrow_mut().traffic;
        // A pure controller has no users.
        let place = traffic.servers().position(|it| it == server);
        if let Some(place) = place {
            traffic.set_server(place, answer, fit);
        }
    }

    /// Takes what was lost in flight with servers that stopped to answer, since the last time.
    #[must_use]
    pub fn take_lost(&self) -> Vec<(Cell, u64)> {
        self.0.borrow_mut().traffic.take_lost()
    }

    /// Takes what queues have turned away since the last time ([`Traffic::take_turned_away`]).
    #[must_use]
    pub fn take_turned_away(&self) -> Vec<(String, u64, u64)> {
        self.0.borrow_mut().traffic.take_turned_away()
    }

    /// What became of all requests so far.
    #[must_use]
    pub fn fates(&self) -> Fates {
        self.0.borrow().traffic.fates()
    }

    /// The model itself.
    #[must_use]
    pub fn traffic(&self) -> Ref<'_, Traffic> {
        Ref::map(self.0.borrow(), |inner| &inner.traffic)
    }
}

impl Load for Users {
    fn advance(&mut self, now_ms: u64, nodes: &mut BTreeMap<String, Balancer>) {
        let inner = &mut *self.0.borrow_mut();
        // What the nodes are now, they have been since the last call: it came just before the
        // change, and nothing else has happened since.
        for (name, balancer) in nodes.iter() {
            let node = match inner.nodes.get_mut(name) {
                Some(node) => node,
                None => inner.nodes.entry(name.clone()).or_insert(Node::new(
                    name,
                    balancer,
                    &inner.traffic,
                )),
            };
            node.read(balancer, &mut inner.traffic);
        }
        inner.traffic.advance(now_ms);
        for (name, balancer) in nodes.iter_mut() {
            let node = inner.nodes.get_mut(name).expect("every node was read just now");
            node.write(balancer, &inner.traffic);
        }
        inner.tell_strains(now_ms, nodes);
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.0.borrow().traffic.next_change_ms()
    }
}

impl Inner {
    /// Tells the balancers what load makes of servers' checks, as far as that is news.
    fn tell_strains(&mut self, now_ms: u64, nodes: &mut BTreeMap<String, Balancer>) {
        // A farm's nodes have one timing of checks.
        let Some(timeout_ms) = nodes.values().next().map(Balancer::check_interval_ms) else {
            return;
        };
        for (server, told) in self.strains.iter_mut().enumerate() {
            let strain = self.traffic.strain(server, told.is_some(), timeout_ms);
            if strain == *told {
                continue;
            }
            *told = strain;
            let answer = strain.map(|strain| match strain {
                Strain::Passes => CheckAnswer::Ok,
                Strain::Refused => CheckAnswer::Error(503),
                Strain::Late => CheckAnswer::NoAnswer,
            });
            let name = self.traffic.servers().nth(server).expect("strains are by server");
            for node in nodes.values_mut() {
                node.set_strain(now_ms, name, answer);
            }
        }
    }
}

impl Node {
    fn new(name: &str, balancer: &Balancer, traffic: &Traffic) -> Self {
        let members = balancer.members().map(|member| Written {
            cell: traffic.cell(name, &member.pool, &member.name),
            tally: Tally::default(),
            up: member.up(),
            in_flight: 0,
        });
        // A life that no process has: the first reading takes everything up.
        Self { life: (0, 0), generation: u64::MAX, members: members.collect() }
    }

    /// Takes up what has changed: another process, other eligible members, cut requests.
    fn read(&mut self, balancer: &Balancer, traffic: &mut Traffic) {
        let another_life = self.life != balancer.life();
        let another_generation = self.generation != balancer.generation();
        self.life = balancer.life();
        self.generation = balancer.generation();
        for (written, member) in self.members.iter_mut().zip(balancer.members()) {
            let Some(cell) = written.cell else { continue };
            if another_life {
                traffic.hide(cell);
                written.in_flight = 0;
            } else if member.counters.in_flight < written.in_flight {
                traffic.cut(cell);
                // The balancer has counted them.
                written.tally.failed_responses = traffic.tally(cell).failed_responses;
                written.in_flight = member.counters.in_flight;
            }
            let came_up = !std::mem::replace(&mut written.up, member.up()) && member.up();
            if came_up && !another_life {
                traffic.comes_up(cell);
            }
            if another_life || another_generation {
                let serves = balancer.is_up() && member.eligible();
                let weight = if serves { member.weight } else { 0 };
                traffic.set_down(cell, !balancer.is_up());
                traffic.set_weight(cell, weight);
            }
        }
    }

    fn write(&mut self, balancer: &mut Balancer, traffic: &Traffic) {
        for (index, written) in self.members.iter_mut().enumerate() {
            let Some(cell) = written.cell else { continue };
            let tally = traffic.tally(cell);
            let in_flight = traffic.in_flight(cell);
            if tally == written.tally && in_flight == written.in_flight {
                continue;
            }
            let counters = balancer.counters_mut(MemberIndex(index));
            if tally.arrivals != written.tally.arrivals {
                counters.last_arrival_ms = Some(traffic.last_arrival_ms(cell));
            }
            counters.arrivals += tally.arrivals - written.tally.arrivals;
            counters.errors += tally.answered_5xx() - written.tally.answered_5xx();
            counters.client_aborts += tally.given_up - written.tally.given_up;
            counters.failed_connections +=
                tally.failed_connections - written.tally.failed_connections;
            counters.failed_responses += tally.failed_responses - written.tally.failed_responses;
            counters.in_flight = counters.in_flight - written.in_flight + in_flight;
            written.tally = tally;
            written.in_flight = in_flight;
        }
    }
}
