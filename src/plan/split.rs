//! The split: one partition of the front-ends into updating and loaded, by integer programme.
//!
//! Minimised is the highest utilisation of any server in either half, which maximises the worst
//! headroom. Servers that look alike (same pools, capacity and pin) are counted, not named: a
//! variable per class and half of what a farm is made of, instead of one per server.
//!
//! A member's load is `rps / serving members`, which is not linear, but convex in their number:
//! the straight lines through neighbouring whole numbers, together, equal it at every whole number
//! and lie below it nowhere that counts. So the programme is exact, without a variable per count.
//!
//! Work is bounded by nodes of the search and not by the clock, so that the same farm has the same
//! plan on every machine. A local search gives the first bound; where the nodes run out, the best
//! split found stands.
use std::collections::BTreeMap;

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOptions, Variable};

use crate::farm::Half;

use super::share::Shares;
use super::split_search;

/// Work of the programme: nodes of its search times the square of its rows, which is what a node
/// costs. Ten servers that are all unlike get thousands of nodes, more than they need; 64 in 8
/// zones get 150, and all of it takes a fraction of a second.
const WORK_MAX: u64 = 16_000_000;
/// Most nodes, where rows are few.
const NODES_MAX: u64 = 5_000;

/// Most rows. Beyond them (twice what 64 servers in 8 zones need) the search stands alone: its
/// splits are good, only not proven to be the best.
const ROWS_MAX: u64 = 1_200;

/// How much the bound is loosened against rounding.
const ROUNDING: f64 = 1e-9;

/// Servers that look alike.
pub(super) struct Class {
    /// Their indices, in the order of the file.
    pub(super) servers: Vec<usize>,
    /// Their pools.
    pub(super) pools: Vec<usize>,
    /// Their capacity.
    pub(super) capacity_rps: f64,
    /// The half they are pinned to.
    pub(super) pin: Option<Half>,
}

impl Class {
    /// Fewest and most of them that may be updating.
    pub(super) fn bounds(&self) -> (usize, usize) {
        match self.pin {
            Some(Half::Updating) => (self.servers.len(), self.servers.len()),
            Some(Half::Loaded) => (0, 0),
            None => (0, self.servers.len()),
        }
    }
}

/// What a split must respect.
pub(super) struct Rules {
    /// Fewest serving members of each pool in each half; 0 for a pool that may go down.
    pub(super) members_min: Vec<usize>,
    /// The half of servers that are not free.
    pub(super) pins: Vec<Option<Half>>,
}

/// Finds the best split: for each server, whether it is updating. `None` when no partition leaves
/// every pool its members in both halves.
pub(super) fn best(shares: &Shares<'_>, rules: &Rules) -> Option<Vec<bool>> {
    let pools = shares.pool_servers.iter().zip(&rules.members_min);
    if pools.into_iter().any(|(servers, least)| servers.len() < 2 * least) {
        return None;
    }
    let classes = classes(shares, rules);
    let farm = Classed { shares, rules, classes: &classes };
    // Splits are compared by the same exact rule: what the programme's arithmetic calls equal
    // must not replace a split that is better.
    let value = |counts: &Vec<usize>| split_search::value(shares, rules, &classes, counts);
    let found = split_search::near(shares, rules, &classes);
    let proven = farm.programme(found.as_deref(), Goal::Headroom);
    let best = [found, proven]
        .into_iter()
        .flatten()
        .filter_map(|counts| Some((value(&counts)?, counts)))
        // The first of equals: the search's.
        .reduce(|best, other| if other.0 < best.0 { other } else { best });
    let (highest, best) = best?;
    let even = farm.programme(Some(&best), Goal::EvenHalves);
    let better = |counts: &Vec<usize>| {
        value(counts).is_some_and(|value| value <= highest * (1.0 + ROUNDING))
            && farm.unevenness(counts) < farm.unevenness(&best)
    };
    let chosen = even.filter(better).unwrap_or_else(|| best.clone());
    Some(spread(shares, &classes, &chosen))
}

/// What the programme looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// The lowest highest utilisation.
    Headroom,
    /// Halves of the same size, with no less headroom than the split it begins with: the upgrade
    /// takes as long as the larger half, and neither half is the weaker one when a server fails.
    EvenHalves,
}

/// A farm as the programme sees it.
struct Classed<'s> {
    shares: &'s Shares<'s>,
    rules: &'s Rules,
    classes: &'s [Class],
}

fn classes(shares: &Shares<'_>, rules: &Rules) -> Vec<Class> {
    let mut classes: BTreeMap<(Vec<usize>, u32, Option<Half>), Vec<usize>> = BTreeMap::new();
    for (index, server) in shares.farm.front_ends.iter().enumerate() {
        let key = (shares.server_pools[index].clone(), server.capacity_rps, rules.pins[index]);
        classes.entry(key).or_default().push(index);
    }
    classes
        .into_iter()
        .map(|((pools, capacity, pin), servers)| Class {
            servers,
            pools,
            capacity_rps: f64::from(capacity),
            pin,
        })
        .collect()
}

/// Names the servers: of each class, the first of the file are updating.
fn spread(shares: &Shares<'_>, classes: &[Class], counts: &[usize]) -> Vec<bool> {
    let mut updating = vec![false; shares.server_pools.len()];
    for (class, count) in classes.iter().zip(counts) {
        for server in &class.servers[..*count] {
            updating[*server] = true;
        }
    }
    updating
}

/// Variables of a class: how many are updating, and, where there are several, whether any is in
/// each half.
struct Columns {
    updating: Variable,
    any: Option<[Variable; 2]>,
}

impl Columns {
    /// Adds `factor × (any of the class is in this half)` to a row; returns what goes to the
    /// row's right side.
    fn add_any(&self, row: &mut Vec<(Variable, f64)>, half: usize, factor: f64) -> f64 {
        match (self.any, half) {
            (Some(any), half) => row.push((any[half], factor)),
            (None, 0) => row.push((self.updating, factor)),
            // A class of one: it is in the loaded half exactly when it is not updating.
            (None, _) => {
                row.push((self.updating, -factor));
                return -factor;
            }
        }
        0.0
    }
}

impl Classed<'_> {
    /// Solves the programme, beginning with a split; the counts of updating servers by class.
    fn programme(&self, start: Option<&[usize]>, goal: Goal) -> Option<Vec<usize>> {
        let Self { shares, rules, classes } = self;
        let nodes = nodes_max(shares, classes)?;
        let bound = start.and_then(|counts| split_search::value(shares, rules, classes, counts));
        let tight = tightened(shares, rules, classes, bound);
        let mut problem = Problem::new(OptimizationDirection::Minimize);
        let weight = if goal == Goal::Headroom { 1.0 } else { 0.0 };
        let ceiling = bound.map_or(f64::INFINITY, |bound| bound * (1.0 + ROUNDING));
        let highest = problem.add_var(weight, (0.0, ceiling));
        let columns: Vec<Columns> =
            classes.iter().map(|class| columns(&mut problem, class)).collect();
        let loads = loads(&mut problem, shares, &tight, classes, &columns);
        for (class, column) in classes.iter().zip(&columns) {
            // load / capacity ≤ highest, unless none of the class is in this half.
            let most: f64 = class.pools.iter().map(|pool| tight.load_max[*pool]).sum();
            let most = most / class.capacity_rps;
            for half in [0, 1] {
                let load = |pool: &usize| (loads[*pool][half], 1.0 / class.capacity_rps);
                let mut row: Vec<(Variable, f64)> = class.pools.iter().map(load).collect();
                row.push((highest, -1.0));
                let right = column.add_any(&mut row, half, most);
                problem.add_constraint(row, ComparisonOp::Le, most + right);
            }
        }
        if goal == Goal::EvenHalves {
            self.add_evenness(&mut problem, &columns);
        }
        let mut options = SolveOptions::default();
        options.node_limit = Some(nodes);
        options.warm_start = start.map(|counts| hint(classes, &columns, counts));
        let solution = problem.solve_with(options).ok()?.into_solution().ok()?;
        let counts = columns.iter().zip(*classes).map(|(column, class)| {
            let value = solution.var_value(column.updating);
            (0..=class.servers.len()).rev().find(|count| number(*count) <= value + 0.5).unwrap_or(0)
        });
        Some(counts.collect())
    }

    /// Minimises how far the updating half is from half of the servers.
    fn add_evenness(&self, problem: &mut Problem, columns: &[Columns]) {
        let servers: usize = self.classes.iter().map(|class| class.servers.len()).sum();
        let away = problem.add_var(1.0, (0.0, f64::INFINITY));
        for sign in [1.0, -1.0] {
            let mut row: Vec<(Variable, f64)> =
                columns.iter().map(|column| (column.updating, sign)).collect();
            row.push((away, -1.0));
            problem.add_constraint(row, ComparisonOp::Le, sign * number(servers) / 2.0);
        }
    }

    /// The difference of the halves' sizes.
    fn unevenness(&self, counts: &[usize]) -> usize {
        let servers: usize = self.classes.iter().map(|class| class.servers.len()).sum();
        let updating: usize = counts.iter().sum();
        updating.abs_diff(servers - updating)
    }
}

/// How many nodes a farm of this size gets; none when even the first would take too long.
fn nodes_max(shares: &Shares<'_>, classes: &[Class]) -> Option<u64> {
    let lines: usize = shares.pool_servers.iter().map(|servers| 2 * servers.len()).sum();
    let rows = u64::try_from(lines + 4 * classes.len()).expect("a farm file is under a megabyte");
    (rows <= ROWS_MAX).then(|| (WORK_MAX / (rows * rows).max(1)).clamp(1, NODES_MAX))
}

/// The split that the search begins with, as the programme's variables.
fn hint(classes: &[Class], columns: &[Columns], counts: &[usize]) -> Vec<(Variable, f64)> {
    let mut hint = Vec::new();
    for ((class, column), count) in classes.iter().zip(columns).zip(counts) {
        hint.push((column.updating, number(*count)));
        if let Some(any) = column.any {
            hint.push((any[0], number(usize::from(*count > 0))));
            hint.push((any[1], number(usize::from(*count < class.servers.len()))));
        }
    }
    hint
}

/// What any split better than the bound must respect.
struct Tight {
    members_min: Vec<usize>,
    load_max: Vec<f64>,
}

/// A pool's serving members share its load, and each carries at most the bound: so there are at
/// least so many of them, and a member's load is at most so high. The tighter these are, the
/// fewer nodes the search needs.
fn tightened(shares: &Shares<'_>, rules: &Rules, classes: &[Class], bound: Option<f64>) -> Tight {
    let pools = 0..shares.pool_rps.len();
    let members_min = pools.clone().map(|pool| {
        let least = rules.members_min[pool];
        let Some(bound) = bound.filter(|_| least > 0) else { return least };
        let of_pool = classes.iter().filter(|class| class.pools.contains(&pool));
        let strongest = of_pool.map(|class| class.capacity_rps).fold(0.0, f64::max);
        let enough = |count: &usize| {
            shares.pool_rps[pool] / number(*count) <= bound * strongest * (1.0 + ROUNDING)
        };
        (least..=shares.pool_servers[pool].len()).find(enough).unwrap_or(least)
    });
    let members_min: Vec<usize> = members_min.collect();
    let load_max = pools.map(|pool| match members_min[pool] {
        // What the first line says of no member at all.
        0 => 1.5 * shares.pool_rps[pool],
        least => shares.pool_rps[pool] / number(least),
    });
    let load_max = load_max.collect();
    Tight { members_min, load_max }
}

fn columns(problem: &mut Problem, class: &Class) -> Columns {
    let bound = |count: usize| i32::try_from(count).expect("a farm file is under a megabyte");
    let (low, high) = class.bounds();
    let updating = problem.add_integer_var(0.0, (bound(low), bound(high)));
    if class.servers.len() == 1 {
        return Columns { updating, any: None };
    }
    let any = [problem.add_integer_var(0.0, (0, 1)), problem.add_integer_var(0.0, (0, 1))];
    let all = number(class.servers.len());
    // updating ≤ all × any of them; all − updating ≤ all × any other.
    problem.add_constraint([(updating, 1.0), (any[0], -all)], ComparisonOp::Le, 0.0);
    problem.add_constraint([(updating, -1.0), (any[1], -all)], ComparisonOp::Le, -all);
    Columns { updating, any: Some(any) }
}

/// The load of a member of each pool in each half, with its lines, and the pools' fewest members.
fn loads(
    problem: &mut Problem,
    shares: &Shares<'_>,
    tight: &Tight,
    classes: &[Class],
    columns: &[Columns],
) -> Vec<[Variable; 2]> {
    let mut loads = Vec::new();
    for (pool, servers) in shares.pool_servers.iter().enumerate() {
        let rps = shares.pool_rps[pool];
        let (least, most) = (tight.members_min[pool], servers.len() - tight.members_min[pool]);
        let counted: Vec<Variable> = classes
            .iter()
            .zip(columns)
            .filter(|(class, _)| class.pools.contains(&pool))
            .map(|(_, column)| column.updating)
            .collect();
        let row = |factor: f64| counted.iter().map(move |column| (*column, factor));
        problem.add_constraint(row(1.0).collect::<Vec<_>>(), ComparisonOp::Ge, number(least));
        problem.add_constraint(row(1.0).collect::<Vec<_>>(), ComparisonOp::Le, number(most));
        let halves = [0, 1].map(|half| {
            let load = problem.add_var(0.0, (rps / number(most.max(1)), f64::INFINITY));
            for count in least.max(1)..most {
                // The line through count and count + 1: load ≥ rps/count − fall × (members − count).
                let fall = rps / number(count) - rps / number(count + 1);
                let height = rps / number(count) + fall * number(count);
                let mut line: Vec<(Variable, f64)> = vec![(load, 1.0)];
                if half == 0 {
                    line.extend(row(fall));
                    problem.add_constraint(line, ComparisonOp::Ge, height);
                } else {
                    // Members of the loaded half are those that are not updating.
                    line.extend(row(-fall));
                    let all = number(servers.len());
                    problem.add_constraint(line, ComparisonOp::Ge, height - fall * all);
                }
            }
            load
        });
        loads.push(halves);
    }
    loads
}

pub(super) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a farm file is under a megabyte"))
}
