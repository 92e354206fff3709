//! A pool on a node: who of its members gets a request.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::connections::Connections;
use super::spec::{Balancing, PoolLoad};
use super::turns::turns;
use super::{Cell, NS_PER_MS};

/// Steps in which a member that was down comes to its weight. HAProxy takes one at each check.
const SLOW_START_STEPS: u64 = 16;

#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// Its members.
    pub(super) cells: Range<Cell>,
    /// Its node is down.
    pub(super) down: bool,
    /// The pool's lanes on all nodes: users whose node is down reach the next of these.
    pub(super) of_pool: Range<usize>,
    members: Vec<Place>,
    slow_start_ns: u64,
    /// When a member in slow start comes to more weight next.
    next_step_ns: u64,
    sharing: Sharing,
    connections: Option<Connections>,
}

/// A member's place in its lane.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// 0 when it gets no requests.
    weight: u32,
    /// When it came up, while it has not come to its weight.
    came_up_ns: Option<u64>,
}

#[derive(Clone, Debug)]
enum Sharing {
    /// The eligible members, each as often as its weight wants, evenly mixed.
    Turns { turns: Vec<u16>, next: usize },
    /// When each member's requests in flight end, its weight now, and who is asked first.
    Fewest { ends_ns: Vec<BinaryHeap<Reverse<u64>>>, weights: Vec<u32>, first: usize },
}

impl Lane {
    pub(super) fn new(of_pool: Range<usize>, first: Cell, load: &PoolLoad) -> Self {
        let sharing = match load.balancing {
            Balancing::RoundRobin => Sharing::Turns { turns: Vec::new(), next: 0 },
            Balancing::LeastConnections => {
                Sharing::Fewest { ends_ns: Vec::new(), weights: Vec::new(), first: 0 }
            }
        };
        Self {
            cells: first..first,
            down: false,
            of_pool,
            members: Vec::new(),
            slow_start_ns: load.slow_start_ms * NS_PER_MS,
            next_step_ns: u64::MAX,
            sharing,
            connections: load.keep_alive_ms.map(|ms| Connections::new(ms * NS_PER_MS)),
        }
    }

    /// One member more, which gets no requests yet.
    pub(super) fn add(&mut self) -> Cell {
        self.members.push(Place { weight: 0, came_up_ns: None });
        if let Sharing::Fewest { ends_ns, weights, .. } = &mut self.sharing {
            ends_ns.push(BinaryHeap::new());
            weights.push(0);
        }
        self.cells.end += 1;
        self.cells.end - 1
    }

    /// The member that gets a new request; `None` when nobody is eligible.
    #[inline]
    pub(super) fn pick(&mut self, at_ns: u64) -> Option<Cell> {
        if at_ns >= self.next_step_ns {
            self.share(at_ns);
        }
        let place = match &mut self.sharing {
            Sharing::Turns { turns, next } => {
                let place = *turns.get(*next)?;
                *next = if *next + 1 == turns.len() { 0 } else { *next + 1 };
                usize::from(place)
            }
            Sharing::Fewest { ends_ns, weights, first } => {
                let place = fewest(ends_ns, weights, *first, at_ns)?;
                *first = if place + 1 == weights.len() { 0 } else { place + 1 };
                place
            }
        };
        Some(self.cells.start + place)
    }

    /// The member that a user's connection leads to, if one is kept.
    #[inline]
    pub(super) fn connected(&self, at_ns: u64, gap_ns: Option<u64>) -> Option<Cell> {
        let place = self.connections.as_ref()?.of(at_ns, gap_ns?)?;
        Some(self.cells.start + place)
    }

    /// A request is sent to a member over a connection that stays.
    #[inline]
    pub(super) fn connects(&mut self, at_ns: u64, cell: Cell) {
        if let Some(connections) = &mut self.connections {
            connections.uses(at_ns, cell - self.cells.start);
        }
    }

    /// A member has a request in flight until then.
    #[inline]
    pub(super) fn carries(&mut self, cell: Cell, ends_ns: u64) {
        if let Sharing::Fewest { ends_ns: all, .. } = &mut self.sharing {
            all[cell - self.cells.start].push(Reverse(ends_ns));
        }
    }

    /// What a member has in flight breaks off, or goes on where nobody counts it.
    pub(super) fn forget(&mut self, cell: Cell) {
        let place = cell - self.cells.start;
        if let Sharing::Fewest { ends_ns, .. } = &mut self.sharing {
            ends_ns[place].clear();
        }
        if let Some(connections) = &mut self.connections {
            connections.close(place);
        }
    }

    /// A member that was down is up.
    pub(super) fn comes_up(&mut self, now_ns: u64, cell: Cell) {
        if self.slow_start_ns > 0 {
            self.members[cell - self.cells.start].came_up_ns = Some(now_ns);
            self.share(now_ns);
        }
    }

    /// A member has another weight.
    pub(super) fn set_weight(&mut self, now_ns: u64, cell: Cell, weight: u32) {
        self.members[cell - self.cells.start].weight = weight;
        self.share(now_ns);
    }

    /// A member's weight.
    pub(super) fn weight(&self, cell: Cell) -> u32 {
        self.members[cell - self.cells.start].weight
    }

    /// What part of the lane's requests each of its members that get some may get: its weight, and
    /// of how much. While others are in slow start it gets more.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Cell, u64, u64)> + '_ {
        let settled = self.members.iter().filter(|it| it.came_up_ns.is_none());
        let settled: u64 = settled.map(|it| u64::from(it.weight)).sum();
        let all: u64 = self.members.iter().map(|it| u64::from(it.weight)).sum();
        let places = self.cells.clone().zip(&self.members).filter(|(_, it)| it.weight > 0);
        places.map(move |(cell, it)| {
            let of = if it.came_up_ns.is_some() { all } else { settled };
            (cell, u64::from(it.weight), of)
        })
    }

    /// Takes up other weights: a new round begins.
    fn share(&mut self, now_ns: u64) {
        let step_ns = (self.slow_start_ns / SLOW_START_STEPS).max(1);
        self.next_step_ns = u64::MAX;
        let mut weights = Vec::with_capacity(self.members.len());
        for member in &mut self.members {
            // Weights in sixteenths, so that a step of a small weight is one.
            let mut steps = SLOW_START_STEPS;
            if let Some(came_up_ns) = member.came_up_ns {
                steps = (now_ns - came_up_ns) / step_ns;
                if steps >= SLOW_START_STEPS {
                    member.came_up_ns = None;
                    steps = SLOW_START_STEPS;
                } else {
                    let next_ns = came_up_ns + (steps + 1) * step_ns;
                    self.next_step_ns = self.next_step_ns.min(next_ns);
                }
            }
            weights.push(member.weight * steps.max(1) as u32);
        }
        match &mut self.sharing {
            Sharing::Turns { turns: all, next } => {
                let shares = weights.iter().map(|weight| u64::from(*weight)).enumerate();
                let shares: Vec<_> = shares.filter(|(_, weight)| *weight > 0).collect();
                (*all, *next) = (turns(&shares), 0);
            }
            Sharing::Fewest { weights: all, .. } => *all = weights,
        }
    }
}

/// Who has the fewest requests in flight for his weight; of equals whoever is asked first.
fn fewest(
    ends_ns: &mut [BinaryHeap<Reverse<u64>>],
    weights: &[u32],
    first: usize,
    at_ns: u64,
) -> Option<usize> {
    let mut best: Option<(usize, u64, u64)> = None;
    for place in (first..weights.len()).chain(0..first) {
        let weight = u64::from(weights[place]);
        if weight == 0 {
            continue;
        }
        let open = &mut ends_ns[place];
        while open.peek().is_some_and(|Reverse(end_ns)| *end_ns <= at_ns) {
            open.pop();
        }
        let open = open.len() as u64;
        if best.is_none_or(|(_, fewest, of)| open * of < fewest * weight) {
            best = Some((place, open, weight));
        }
    }
    best.map(|(place, ..)| place)
}
