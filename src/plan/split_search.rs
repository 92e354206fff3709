//! A split found by search with propagation: the integer programme's first bound, and what stands
//! when the programme's nodes run out.
//!
//! For a utilisation that nobody may exceed, servers are put into halves one by one, the tightest
//! first. A half's pools can never have more members than the other half has left over, so each
//! choice shows at once which servers could no longer bear one half and must go to the other, and
//! when there is no way on. The utilisation is then bisected.
use crate::farm::Half;

use super::share::Shares;
use super::split::{Class, Rules, number};

/// Choices tried for one utilisation before it is given up, besides one for each server, which is
/// what a way without a wrong turn takes.
const WRONG_CHOICES_MAX: usize = 400;
/// Bisections: the last one is finer than a tenth of a percent.
const BISECTIONS: usize = 14;

/// The highest utilisation in either half when so many of each class are updating; `None` when a
/// pool has too few members in one of them.
pub(super) fn value(
    shares: &Shares<'_>,
    rules: &Rules,
    classes: &[Class],
    counts: &[usize],
) -> Option<f64> {
    let mut highest: f64 = 0.0;
    for updating in [true, false] {
        let serving = |class: usize| {
            let all = classes[class].servers.len();
            if updating { counts[class] } else { all - counts[class] }
        };
        let mut members = vec![0; shares.pool_rps.len()];
        for (index, class) in classes.iter().enumerate() {
            for pool in &class.pools {
                members[*pool] += serving(index);
            }
        }
        if members.iter().zip(&rules.members_min).any(|(members, least)| members < least) {
            return None;
        }
        let there = classes.iter().enumerate().filter(|(index, _)| serving(*index) > 0);
        for (_, class) in there {
            let load: f64 = class.pools.iter().map(|pool| shares.member_rps(*pool, &members)).sum();
            highest = highest.max(load / class.capacity_rps);
        }
    }
    Some(highest)
}

/// The best split met, as counts of updating servers by class.
pub(super) fn near(shares: &Shares<'_>, rules: &Rules, classes: &[Class]) -> Option<Vec<usize>> {
    let measure = |counts: &Vec<usize>| value(shares, rules, classes, counts);
    let try_within = |limit: f64| Search::new(shares, rules, classes, limit).run();
    let mut best = try_within(f64::INFINITY)?;
    let mut high = measure(&best)?;
    let mut low = 0.0;
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        match try_within(middle).and_then(|counts| Some((measure(&counts)?, counts))) {
            Some((found, counts)) => {
                best = counts;
                high = found;
            }
            None => low = middle,
        }
    }
    Some(best)
}

/// Where each server is put, for one utilisation.
#[derive(Clone)]
struct Placing {
    half: Vec<Option<usize>>,
    /// Most members that a pool can still have in each half.
    members_max: Vec<[usize; 2]>,
}

struct Search<'s> {
    shares: &'s Shares<'s>,
    rules: &'s Rules,
    classes: &'s [Class],
    limit: f64,
    choices: usize,
}

impl<'s> Search<'s> {
    fn new(shares: &'s Shares<'s>, rules: &'s Rules, classes: &'s [Class], limit: f64) -> Self {
        Self { shares, rules, classes, limit, choices: 0 }
    }

    fn run(mut self) -> Option<Vec<usize>> {
        let members_max = self.shares.pool_servers.iter().map(|s| [s.len(); 2]).collect();
        let mut placing = Placing { half: vec![None; self.shares.server_pools.len()], members_max };
        for server in 0..placing.half.len() {
            match self.rules.pins[server] {
                Some(Half::Updating) => self.put(&mut placing, server, 0),
                Some(Half::Loaded) => self.put(&mut placing, server, 1),
                None => {}
            }
        }
        let found = self.descend(placing)?;
        let updating = |class: &Class| {
            class.servers.iter().filter(|server| found.half[**server] == Some(0)).count()
        };
        Some(self.classes.iter().map(updating).collect())
    }

    fn put(&self, placing: &mut Placing, server: usize, half: usize) {
        placing.half[server] = Some(half);
        for pool in &self.shares.server_pools[server] {
            // It may already be too few: then `propagate` finds it.
            let most = &mut placing.members_max[*pool][1 - half];
            *most = most.saturating_sub(1);
        }
    }

    /// A server's utilisation in a half, at best.
    fn utilisation(&self, placing: &Placing, server: usize, half: usize) -> f64 {
        let load: f64 = self.shares.server_pools[server]
            .iter()
            .map(|pool| {
                self.shares.pool_rps[*pool] / number(placing.members_max[*pool][half].max(1))
            })
            .sum();
        load / self.shares.capacity_rps(server)
    }

    fn fits(&self, placing: &Placing, server: usize, half: usize) -> bool {
        let spared =
            |pool: &usize| placing.members_max[*pool][1 - half] > self.rules.members_min[*pool];
        let free = placing.half[server].is_none();
        Shares::within(self.utilisation(placing, server, half), self.limit)
            && (!free || self.shares.server_pools[server].iter().all(spared))
    }

    /// Puts every server that has only one half left there; false when one has none.
    fn propagate(&self, placing: &mut Placing) -> bool {
        loop {
            let few = placing.members_max.iter().zip(&self.rules.members_min);
            if few.into_iter().any(|(most, least)| most.iter().any(|most| most < least)) {
                return false;
            }
            let mut changed = false;
            for server in 0..placing.half.len() {
                match placing.half[server] {
                    Some(half) if !self.fits(placing, server, half) => return false,
                    Some(_) => {}
                    None => match [0, 1].map(|half| self.fits(placing, server, half)) {
                        [false, false] => return false,
                        [true, true] => {}
                        [updating, _] => {
                            self.put(placing, server, usize::from(!updating));
                            changed = true;
                        }
                    },
                }
            }
            if !changed {
                return true;
            }
        }
    }

    fn descend(&mut self, mut placing: Placing) -> Option<Placing> {
        let choices_max = WRONG_CHOICES_MAX + placing.half.len();
        if self.choices >= choices_max || !self.propagate(&mut placing) {
            return None;
        }
        let tightness = |server: &usize| {
            let [updating, loaded] = [0, 1].map(|half| self.utilisation(&placing, *server, half));
            updating.max(loaded)
        };
        let free = (0..placing.half.len()).filter(|server| placing.half[*server].is_none());
        let Some(server) = free.max_by(|a, b| tightness(a).total_cmp(&tightness(b))) else {
            return Some(placing);
        };
        let first = self.preferred(&placing, server);
        for half in [first, 1 - first] {
            self.choices += 1;
            let mut next = placing.clone();
            self.put(&mut next, server, half);
            if let Some(found) = self.descend(next) {
                return Some(found);
            }
        }
        None
    }

    /// The half whose servers in the same pools are tighter: putting it into the other would take
    /// a member from them.
    fn preferred(&self, placing: &Placing, server: usize) -> usize {
        let need = |half: usize| {
            let mut need: f64 = 0.0;
            for pool in &self.shares.server_pools[server] {
                for other in &self.shares.pool_servers[*pool] {
                    if placing.half[*other] == Some(half) {
                        need = need.max(self.utilisation(placing, *other, half));
                    }
                }
            }
            need
        };
        let (updating, loaded) = (need(0), need(1));
        if updating == loaded {
            let own = [0, 1].map(|half| self.utilisation(placing, server, half));
            usize::from(own[1] < own[0])
        } else {
            usize::from(loaded > updating)
        }
    }
}
