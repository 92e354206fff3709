//! What goes wrong with consoles and their pages, with the controller and with the database, for
//! a while. A trouble lies in wait until somebody meets it, and lasts from then on: who meets it
//! first is told by [`Event::FaultMet`].
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::ledger::{Event, Ledger};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A console answers every request with a status; all consoles where none is named.
    ConsoleAnswers {
        /// The front-end whose console it is.
        console: Option<String>,
        /// The status.
        status: u16,
    },
    /// A console shows pages that were rendered some time ago.
    ConsoleStale {
        /// The front-end whose console it is.
        console: String,
        /// What they show.
        shown: Rc<Snapshot>,
    },
    /// Pages of consoles have the names of the other generation.
    OtherGeneration {
        /// Only those of the version that is being installed.
        new_only: bool,
    },
    /// Disable is answered as if it had been done, and is not.
    DisableIgnored,
    /// Nobody logs in, as after too many failed attempts of somebody else.
    LockedOut,
    /// The page of a Deployment Service's threads shows something else.
    Threads {
        /// The server whose service it is.
        server: String,
        /// What it shows.
        shown: OddThreads,
    },
    /// The Deployment Controller cannot be reached.
    ControllerGone,
    /// The platform database cannot be reached: consoles fail, and no service initialises. What
    /// runs goes on, applications too: they have databases of their own.
    DatabaseGone,
}

/// What a page of threads shows instead of the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddThreads {
    /// No thread.
    Nothing,
    /// A thread in `Error`.
    Error,
    /// A thread that deploys.
    Busy,
    /// A thread whose status is a word that nobody expects.
    UnknownWord,
}

/// What consoles showed at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// When, in milliseconds since the farm was built.
    pub at_ms: u64,
    /// Enabled flags by server.
    pub enabled: BTreeMap<String, bool>,
    /// Threads of Deployment Services by server: name, status, details.
    pub threads: BTreeMap<String, Vec<(&'static str, &'static str, String)>>,
}

#[derive(Debug)]
struct Entry {
    what: Trouble,
    for_ms: u64,
    tag: u64,
    /// `None` until somebody meets it.
    until_ms: Option<u64>,
}

/// The troubles of a farm.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Vec<Entry>);

impl Troubles {
    /// Lays a trouble in wait, which lasts for so long from when it is met.
    pub(crate) fn lay(&mut self, what: Trouble, for_ms: u64, tag: u64) {
        self.0.push(Entry { what, for_ms, tag, until_ms: None });
    }

    /// Whoever asks meets the first trouble for which `what` has something to say, unless it is
    /// over.
    pub(crate) fn meet<R>(
        &mut self,
        now_ms: u64,
        ledger: &mut Ledger,
        what: impl Fn(&Trouble) -> Option<R>,
    ) -> Option<R> {
        self.0.retain(|it| it.until_ms.is_none_or(|until_ms| now_ms < until_ms));
        let (met, entry) = self.0.iter_mut().find_map(|it| Some((what(&it.what)?, it)))?;
        if entry.until_ms.is_none() {
            entry.until_ms = Some(now_ms.saturating_add(entry.for_ms));
            ledger.note(now_ms, Event::FaultMet { tag: entry.tag });
        }
        Some(met)
    }

    /// Every trouble is over, met or not.
    pub(crate) fn end(&mut self) {
        self.0.clear();
    }

    /// A trouble that was met is not over.
    pub(crate) fn lasts(&self, now_ms: u64, which: impl Fn(&Trouble) -> bool) -> bool {
        let met = |it: &&Entry| it.until_ms.is_some_and(|until_ms| now_ms < until_ms);
        self.0.iter().filter(met).any(|it| which(&it.what))
    }

    /// A trouble is there, met or not.
    pub(crate) fn stands(&self, which: impl Fn(&Trouble) -> bool) -> bool {
        self.0.iter().any(|it| which(&it.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a trouble lasts from when it is met, and is told once. Method: meet one late, again,
    /// and after its end.
    #[test]
    fn a_trouble_begins_when_it_is_met_and_is_told_once() {
        let (mut troubles, mut ledger) = (Troubles::default(), Ledger::default());
        let gone = |it: &Trouble| (*it == Trouble::ControllerGone).then_some(());
        troubles.lay(Trouble::ControllerGone, 100, 7);
        assert!(troubles.stands(|it| gone(it).is_some()) && !troubles.lasts(900, |_| true));
        assert_eq!(troubles.meet(1_000, &mut ledger, gone), Some(()));
        assert_eq!(troubles.meet(1_099, &mut ledger, gone), Some(()));
        assert!(troubles.lasts(1_099, |_| true) && !troubles.lasts(1_100, |_| true));
        assert_eq!(troubles.meet(1_100, &mut ledger, gone), None);
        let told: Vec<Event> = ledger.take().into_iter().map(|it| it.event).collect();
        assert_eq!(told, [Event::FaultMet { tag: 7 }]);
    }
}
