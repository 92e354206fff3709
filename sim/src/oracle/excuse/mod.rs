//! When an invariant is allowed to fail: the faults that struck, and how long each may be felt.
//!
//! An excuse names a fault, where it struck and when it ends. An end is the fault plus a bound:
//! the time an orchestrator needs that reads and acts exactly as the policy says. What disturbs
//! the orchestrator within that time (its own crash, a lost response, a slow link) moves the end.
mod agents;
mod asked;
mod bounds;
mod broken;
mod cut_off;
mod disturbance;
mod needed;

use std::collections::BTreeMap;

use evenkeel::journal::Wanted;
use serde::Serialize;

use crate::nemesis::Fault;
use crate::nemesis::fault::{PeopleFault, Upset};
use crate::oracle::longest;

pub use self::bounds::{Bound, Bounds};
use self::disturbance::{Cost, Disturbance, disturbance};

/// What is known of faults as a run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "struck")]
pub enum Struck {
    /// A fault began.
    Began {
        /// Its place in the schedule.
        place: usize,
        /// The fault.
        fault: Fault,
    },
    /// It is over: links are as before, the machine is up again, the process was started again.
    Ended {
        /// Its place in the schedule.
        place: usize,
    },
    /// Somebody asked the run for something.
    Asked {
        /// What.
        what: Wanted,
    },
}

/// A fault of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its place in the schedule.
    pub place: usize,
    /// The fault.
    pub fault: Fault,
    /// When it began.
    pub from_ms: u64,
    /// When it was over; `None` while it lasts, and for what has no end of its own.
    pub until_ms: Option<u64>,
    /// When somebody first met what lay in wait, or it first changed something.
    pub met_ms: Option<u64>,
    /// Of the servers that it took down those that are up again, and since when.
    pub back_ms: BTreeMap<String, u64>,
}

impl Incident {
    /// When what lay in wait began to be felt, and when it is over.
    #[must_use]
    pub fn felt_ms(&self) -> Option<(u64, u64)> {
        let (met_ms, for_ms) = (self.met_ms?, self.fault.once_met_ms()?);
        let until_ms = met_ms.saturating_add(for_ms).min(self.until_ms.unwrap_or(u64::MAX));
        Some((met_ms, until_ms))
    }
}

/// An excuse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Excuse {
    /// The fault.
    pub fault: String,
    /// The server or node that it struck.
    pub at: String,
    /// When it ends, in milliseconds; `None` while it lasts.
    pub until_ms: Option<u64>,
}

/// Every fault so far.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The farm's bounds.
    pub bounds: Bounds,
    incidents: Vec<Incident>,
    disturbances: Vec<(usize, Disturbance)>,
    /// What people asked for, and when, oldest first.
    asked: Vec<(u64, Wanted)>,
    /// From when until when no console told what was so; `u64::MAX` while that lasts.
    mute: Vec<(u64, u64)>,
    /// When processes of the orchestrator began that took the run up.
    resumes: Vec<u64>,
}

impl Faults {
    /// None yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            incidents: Vec::new(),
            disturbances: Vec::new(),
            asked: Vec::new(),
            mute: Vec::new(),
            resumes: Vec::new(),
        }
    }

    /// Takes up a fault, or its end.
    pub fn strike(&mut self, at_ms: u64, struck: Struck) {
        match struck {
            Struck::Asked { what } => self.asked.push((at_ms, what)),
            Struck::Began { place, fault } => {
                if !fault.waits_for_an_answer() {
                    self.disturb(at_ms, place, &fault);
                }
                self.incidents.push(Incident {
                    place,
                    fault,
                    from_ms: at_ms,
                    until_ms: None,
                    met_ms: None,
                    back_ms: BTreeMap::new(),
                });
            }
            Struck::Ended { place } => {
                let incident = self.incidents.iter_mut().rev().find(|it| it.place == place);
                let incident = incident.expect("what ends has begun");
                incident.until_ms = Some(at_ms);
                let start_ms = self.bounds.start_ms;
                for (_, open) in self
                    .disturbances
                    .iter_mut()
                    .filter(|(it, open)| *it == place && open.until_ms == u64::MAX)
                {
                    open.until_ms = at_ms + start_ms;
                }
            }
        }
    }

    /// A core of the farm heals: networks, balancers, consoles and databases work from now on. Those
    /// faults are returned that are not over, with their places; consoles and databases have no end
    /// that anybody tells.
    pub fn heal(&mut self, at_ms: u64) -> Vec<(usize, Fault)> {
        let open: Vec<_> = self.incidents.iter_mut().filter(|it| it.until_ms.is_none()).collect();
        let told = open.iter().map(|it| (it.place, it.fault.clone())).collect();
        for it in open {
            if it.fault.once_met_ms().is_some() {
                it.until_ms = Some(at_ms);
            }
        }
        // An answer that never ends is still waited for.
        let waited_ms = at_ms + disturbance::SILENCE_MS + self.bounds.lost_ms;
        let ending = self.disturbances.iter_mut().filter(|(_, it)| it.until_ms != u64::MAX);
        ending.for_each(|(_, it)| it.until_ms = it.until_ms.min(waited_ms));
        told
    }

    fn disturb(&mut self, at_ms: u64, place: usize, fault: &Fault) {
        let disturbance = disturbance(fault, at_ms, &self.bounds);
        self.disturbances.extend(disturbance.map(|it| (place, it)));
    }

    /// Somebody met the fault of a place, or it changed something.
    pub fn met(&mut self, at_ms: u64, place: usize) {
        let incident = self.incidents.iter_mut().rev().find(|it| it.place == place);
        if let Some(incident) = incident.filter(|it| it.met_ms.is_none()) {
            incident.met_ms = Some(at_ms);
            let fault = incident.fault.clone();
            if fault.waits_for_an_answer() {
                self.disturb(at_ms, place, &fault);
            }
        }
    }

    /// A console told nothing true at this instant, or so shortly before it that the best
    /// orchestrator has not read it again.
    #[must_use]
    pub fn console_silenced(&self, console: &str, at_ms: u64) -> bool {
        self.felt(at_ms, |fault| fault.silences(console))
    }

    /// Such a fault is felt at this instant, or was so shortly before it that the best
    /// orchestrator has not read anything since.
    #[must_use]
    pub fn felt(&self, at_ms: u64, which: impl Fn(&Fault) -> bool) -> bool {
        let felt =
            |(from_ms, until_ms)| from_ms <= at_ms && at_ms < self.end(until_ms, self.bounds.flag);
        self.incidents.iter().any(|it| which(&it.fault) && it.felt_ms().is_some_and(felt))
    }

    /// When the best orchestrator has proven a server that is ready since an instant: its threads may
    /// tell nothing for a while; nor may any console, which one that was touched needs to be enabled
    /// and judged.
    #[must_use]
    pub fn proven_end(&self, server: &str, ready_ms: u64, touched: bool) -> u64 {
        let hides = |it: &&Incident| it.fault.hides_threads_of(server);
        let felt = self.incidents.iter().filter(hides).filter_map(Incident::felt_ms);
        let legible_ms = felt.map(|(_, until_ms)| until_ms).max().unwrap_or(0);
        let mut end_ms = self.end(ready_ms.max(legible_ms), self.bounds.prove);
        // Threads are read at a console. Whoever was shut out of all of them reads nothing until a
        // person has the login tried again, and then watches for as long as ever.
        let shut = self.incidents.iter().filter(|it| it.fault.shuts_out());
        let shut = shut.filter_map(Incident::felt_ms);
        let retried = |over_ms: u64| self.retried_since_ms(over_ms).unwrap_or(u64::MAX);
        let shut = shut.map(|(met_ms, over_ms)| (met_ms, retried(over_ms)));
        // Old pages show as disabled whoever is enabled.
        let old_pages = self.incidents.iter().filter(|it| it.fault.shows_old_pages());
        let old_pages = old_pages.filter_map(Incident::felt_ms);
        // Who has just begun, or shortly before, has not seen the clock on them run.
        let believed = |met_ms: u64, over_ms: u64| {
            let is_new = |ms: &u64| met_ms < *ms + bounds::CLOCK_RUNS_MS && *ms < over_ms;
            match self.resumes.iter().any(is_new) {
                true => over_ms,
                false => over_ms.min(met_ms + self.bounds.old_pages_ms),
            }
        };
        let old_pages = old_pages.map(|(met_ms, over_ms)| (met_ms, believed(met_ms, over_ms)));
        let mute = self.mute.iter().copied().chain(old_pages);
        let mut blind: Vec<_> = shut.chain(mute.filter(|_| touched)).collect();
        // In the order in which they were met: each prolongs what those before it left.
        blind.sort_unstable();
        for (from_ms, until_ms) in blind {
            if from_ms <= end_ms && ready_ms < until_ms {
                end_ms = end_ms.max(self.end(until_ms, self.bounds.prove));
            }
        }
        end_ms
    }

    /// Another process of the orchestrator begins.
    pub fn resumed(&mut self, at_ms: u64) {
        self.resumes.push(at_ms);
    }

    /// From an instant on no console tells what is so, or some does.
    pub fn consoles_are_mute(&mut self, from_ms: u64, mute: bool) {
        let open = self.mute.last_mut().filter(|(_, until_ms)| *until_ms == u64::MAX);
        match open {
            None if mute => self.mute.push((from_ms, u64::MAX)),
            Some((_, until_ms)) if !mute => *until_ms = from_ms,
            _ => {}
        }
    }

    /// When the best orchestrator has read or set a flag that changed at an instant: consoles may
    /// be out by then, or while it does so.
    #[must_use]
    pub fn flag_end(&self, from_ms: u64) -> u64 {
        let mut end_ms = self.end(from_ms, self.bounds.flag);
        let blinding = self.incidents.iter().filter(|it| it.fault.blinds());
        let blinding = blinding.filter_map(|it| {
            let (met_ms, until_ms) = it.felt_ms()?;
            // Whoever was shut out does not try again before a person says so.
            let retried_ms = || self.retried_since_ms(until_ms).unwrap_or(u64::MAX);
            Some((met_ms, if it.fault.shuts_out() { retried_ms() } else { until_ms }))
        });
        // In the order in which they were met: each prolongs what those before it left.
        let mut blind: Vec<_> = blinding.chain(self.mute.iter().copied()).collect();
        blind.sort_unstable();
        for (met_ms, until_ms) in blind {
            if met_ms <= end_ms && from_ms < until_ms {
                end_ms = end_ms.max(self.end(until_ms, self.bounds.silent));
            }
        }
        end_ms
    }

    /// Every fault that began, oldest first.
    pub fn incidents(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.incidents.iter()
    }

    /// The instant by which the best orchestrator has done what takes `bound` undisturbed.
    #[must_use]
    pub fn end(&self, from_ms: u64, bound: Bound) -> u64 {
        self.end_among(from_ms, bound, |_| true)
    }

    /// The same for what takes exchanges with one host alone.
    #[must_use]
    pub fn end_with(&self, host: &str, from_ms: u64, bound: Bound) -> u64 {
        self.end_among(from_ms, bound, |it| {
            it.with.is_empty() || it.with.iter().any(|with| with == host)
        })
    }

    /// For how long, of the time between two instants, faults kept the orchestrator from acting at all.
    #[must_use]
    pub fn out_ms(&self, from_ms: u64, to_ms: u64) -> u64 {
        let mut out_ms = 0;
        // Those that overlap count once.
        let mut counted_ms = from_ms;
        let outages = self.disturbances.iter().map(|(_, it)| it);
        let everywhere = |it: &&Disturbance| it.with.is_empty() && matches!(it.costs, Cost::Outage);
        for it in outages.filter(everywhere) {
            let (begins_ms, ends_ms) = (it.from_ms.max(counted_ms), it.until_ms.min(to_ms));
            if begins_ms < ends_ms {
                out_ms += ends_ms - begins_ms;
                counted_ms = ends_ms;
            }
        }
        out_ms
    }

    fn end_among(&self, from_ms: u64, bound: Bound, of: impl Fn(&Disturbance) -> bool) -> u64 {
        let mut end_ms = from_ms.saturating_add(self.bounds.of(bound));
        for (_, it) in self.disturbances.iter().filter(|(_, it)| of(it)) {
            if it.from_ms <= end_ms && it.until_ms > from_ms {
                let costs_ms = match it.costs {
                    Cost::Outage => it.until_ms - it.from_ms.max(from_ms),
                    Cost::Once(ms) => ms,
                    // No more than it lasts, and the exchange that is under way at its end.
                    Cost::EachExchange(ms) => {
                        let lasts_ms = it.until_ms - it.from_ms.max(from_ms);
                        (ms * bound.exchanges).min(lasts_ms.saturating_add(ms))
                    }
                };
                end_ms = end_ms.saturating_add(costs_ms);
            }
        }
        end_ms
    }

    /// By when the best orchestrator has got over an incident; `None` while it lasts. What lies in
    /// wait is over unless it was met, and what happened at once is over at once.
    fn over_ms(&self, it: &Incident) -> Option<u64> {
        let over_ms = match &it.fault {
            fault if fault.once_met_ms().is_some() => it.felt_ms().map_or(0, |felt| felt.1),
            fault if !fault.fells().is_empty() => it.until_ms?,
            Fault::FrontEnd(_) if it.fault.spoils().is_empty() => it.from_ms,
            Fault::FrontEnd(_) => it.met_ms.unwrap_or(0),
            Fault::People(PeopleFault::LeaveOut) => it.met_ms.unwrap_or(it.from_ms),
            Fault::People(_) | Fault::Database(_) => it.from_ms,
            _ => it.until_ms?,
        };
        Some(self.end(over_ms, self.bounds.prove))
    }

    /// When somebody first had the run tried again from an instant on: all of it.
    #[must_use]
    pub fn retried_since_ms(&self, from_ms: u64) -> Option<u64> {
        let retried = |what: &Wanted| matches!(what, Wanted::Retry { server: None });
        let mut tries = self.asked.iter().filter(|(_, what)| retried(what)).map(|(ms, _)| *ms);
        tries.find(|at_ms| *at_ms >= from_ms)
    }

    /// Somebody asked for it.
    #[must_use]
    pub fn asked(&self, what: &Wanted) -> bool {
        self.asked.iter().any(|(_, asked)| asked == what)
    }

    /// A person held the run at some time since.
    #[must_use]
    pub fn held_since(&self, since_ms: u64) -> bool {
        let held = |it: &&Incident| matches!(&it.fault, Fault::People(PeopleFault::Hold { .. }));
        self.incidents.iter().filter(held).any(|it| it.until_ms.is_none_or(|ms| ms >= since_ms))
    }

    fn last(&self, which: impl Fn(&Fault) -> bool) -> Option<&Incident> {
        self.incidents.iter().rev().find(|incident| which(&incident.fault))
    }

    /// The excuse of a change of a node's state behind the orchestrator's back: a reload, a death
    /// of its process, somebody's hand.
    #[must_use]
    pub fn reload_excuse(&self, node: &str) -> Option<Excuse> {
        longest(self.upset_excuses(node).map(|(_, excuse)| excuse))
    }

    /// The excuse of each such change, with when it was to be read: never, while it lasts.
    pub fn upset_excuses(&self, node: &str) -> impl Iterator<Item = (u64, Excuse)> {
        self.incidents.iter().filter_map(move |it| self.upset_excuse(it, node))
    }

    fn upset_excuse(&self, it: &Incident, node: &str) -> Option<(u64, Excuse)> {
        let (_, when) = it.fault.upsets().filter(|(upset, _)| *upset == node)?;
        let name = it.fault.kind().name;
        let since_ms = match (when, it.until_ms) {
            (Upset::AtOnce, _) => self.upset_at_ms(it),
            // Whoever asked it in vain rests before he asks again.
            (Upset::Meanwhile, Some(until_ms)) => until_ms + bounds::REST_MS,
            (Upset::Meanwhile, None) => return Some((u64::MAX, Excuse::lasting(name, node))),
            (Upset::AtItsEnd, None) => return None,
            (_, Some(until_ms)) => until_ms,
        };
        let end_ms = self.end_with(node, since_ms, self.bounds.reload);
        Some((since_ms, Excuse::until(name, node, end_ms)))
    }

    /// The excuse of nodes that are down for whatever waits for all of them: the switch stops
    /// nobody before everybody who follows is shown to take traffic on every node.
    #[must_use]
    pub fn lost_node_excuse(&self) -> Option<Excuse> {
        let excuses = self.incidents.iter().filter_map(|it| {
            let (node, _) = it.fault.upsets().filter(|(_, when)| *when == Upset::Meanwhile)?;
            let name = it.fault.kind().name;
            Some(match it.until_ms {
                None => Excuse::lasting(name, node),
                Some(ms) => Excuse::until(name, node, self.end(ms, self.bounds.switch)),
            })
        });
        longest(excuses)
    }

    /// The excuse of health checks that flap: while they do, and until a member that passes is
    /// back.
    #[must_use]
    pub fn flap_excuse(&self, node: &str, server: &str) -> Option<Excuse> {
        let excuses = self.flaps(|flap| flap == (node, server)).map(|it| {
            let name = it.fault.kind().name;
            match it.until_ms {
                None => Excuse::lasting(name, server),
                Some(ms) => Excuse::until(name, server, self.end(ms, self.bounds.back)),
            }
        });
        longest(excuses)
    }

    /// The excuse of a rescue because of health checks that flap on a node.
    #[must_use]
    pub fn flap_rescue_excuse(&self, node: &str) -> Option<Excuse> {
        let excuses = self.flaps(|(at, _)| at == node).map(|it| {
            let name = it.fault.kind().name;
            match it.until_ms {
                None => Excuse::lasting(name, node),
                Some(ms) => Excuse::until(name, node, self.end(ms, self.bounds.rescue)),
            }
        });
        longest(excuses)
    }

    fn flaps<'a>(
        &'a self,
        which: impl Fn((&str, &str)) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Incident> {
        self.incidents.iter().filter(move |it| it.fault.flaps().is_some_and(&which))
    }

    /// The excuse of a server whose flag an operator changed: until the best orchestrator has read
    /// it, put it right and seen that the server works again. Disable may have stopped its service.
    #[must_use]
    pub fn edit_excuse(&self, server: &str) -> Option<Excuse> {
        let edit = self.edit(server)?;
        let right_ms = self.flag_end(edit.from_ms);
        let end_ms = self.end(right_ms, self.bounds.prove);
        Some(Excuse::until(edit.fault.kind().name, server, end_ms))
    }

    /// The last change that an operator made of a server's flag.
    fn edit(&self, server: &str) -> Option<&Incident> {
        let edits = |it: &&Incident| it.fault.edits() == Some(server) && it.met_ms.is_some();
        self.incidents.iter().rev().find(edits)
    }

    /// When an operator last changed a server's flag.
    #[must_use]
    pub fn edited_at_ms(&self, server: &str) -> Option<u64> {
        self.edit(server).map(|edit| edit.from_ms)
    }

    /// An operator has changed a server's flag.
    #[must_use]
    pub fn flag_edited(&self, server: &str) -> bool {
        self.edit(server).is_some()
    }
}

impl Excuse {
    /// One that ends at an instant.
    #[must_use]
    pub fn until(fault: &str, at: &str, until_ms: u64) -> Self {
        let until_ms = Some(until_ms).filter(|it| *it != u64::MAX);
        Self { fault: fault.into(), at: at.into(), until_ms }
    }

    /// One that ends when the fault is mended.
    #[must_use]
    pub fn lasting(fault: &str, at: &str) -> Self {
        Self { fault: fault.into(), at: at.into(), until_ms: None }
    }

    /// It holds at this instant.
    #[must_use]
    pub fn covers(&self, at_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| at_ms < until_ms)
    }
}
