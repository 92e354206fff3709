//! Servers that faults broke: took down, made sick, or made fail in their upgrade.
use std::collections::BTreeSet;

use crate::nemesis::Fault;

use super::{Excuse, Faults, Incident, longest};

impl Incident {
    /// A server feels it: what lies in wait is nothing to anybody before it is met.
    fn bites(&self) -> bool {
        self.met_ms.is_some() || !self.fault.fells().is_empty()
    }

    /// Servers that it took down and that are not up again.
    fn fells_still(&self) -> impl Iterator<Item = &str> {
        let felled = self.fault.fells().into_iter();
        felled.filter(|server| !self.back_ms.contains_key(*server))
    }

    /// When a server that it took down, or made fail, was up again, or it was over.
    fn back_at(&self, server: &str) -> Option<u64> {
        self.back_ms.get(server).copied().or(self.until_ms)
    }
}

impl Faults {
    /// The last crash of a server by itself.
    fn crash(&self, server: &str) -> Option<&Incident> {
        self.last(|fault| fault.fells().contains(&server))
    }

    /// When a server last crashed by itself.
    #[must_use]
    pub fn crashed_at(&self, server: &str) -> Option<u64> {
        self.crash(server).map(|incident| incident.from_ms)
    }

    /// When it was up again, after its last crash.
    #[must_use]
    pub fn back_at(&self, server: &str) -> Option<u64> {
        self.crash(server)?.back_at(server)
    }

    /// A server's machine is up: what took it down may go on for others.
    pub fn up(&mut self, at_ms: u64, server: &str) {
        let open = self.incidents.iter_mut().filter(|it| it.until_ms.is_none());
        for incident in open.filter(|it| it.fault.fells().contains(&server)) {
            incident.back_ms.insert(server.to_owned(), at_ms);
        }
    }

    /// The server's upgrade failed, or took long, because of a fault.
    #[must_use]
    pub fn upgrade_spoilt(&self, server: &str) -> bool {
        self.spoilt(server).is_some()
    }

    fn spoilt(&self, server: &str) -> Option<&Incident> {
        self.last_bite(|fault| fault.spoils().contains(&server))
    }

    /// The last of such faults that a server felt.
    fn last_bite(&self, which: impl Fn(&Fault) -> bool) -> Option<&Incident> {
        self.incidents.iter().rev().find(|it| which(&it.fault) && it.bites())
    }

    /// Servers that a fault took down, or whose upgrade one made fail, and that nobody has mended.
    #[must_use]
    pub fn unmended(&self) -> BTreeSet<&str> {
        let open = self.incidents.iter().filter(|it| it.until_ms.is_none() && it.bites());
        open.flat_map(|it| it.fells_still().chain(it.fault.spoils())).collect()
    }

    /// The fault that breaks the server's applications.
    #[must_use]
    pub fn sickness(&self, server: &str) -> Option<&'static str> {
        Some(self.last(|fault| fault.sickens().contains(&server))?.fault.kind().name)
    }

    /// The excuse of a server whose applications a fault broke: within a bound after that.
    #[must_use]
    pub fn sick_excuse(&self, server: &str, broke_at_ms: Option<u64>) -> Option<Excuse> {
        let end_ms = self.end(broke_at_ms?, self.bounds.sick);
        Some(Excuse::until(self.sickness(server)?, server, end_ms))
    }

    /// The excuse of a server whose upgrade a fault spoilt, and that has just become better.
    #[must_use]
    pub fn healed_excuse(&self, server: &str, better_at_ms: Option<u64>) -> Option<Excuse> {
        let name = self.spoilt(server)?.fault.kind().name;
        Some(Excuse::until(name, server, self.end(better_at_ms?, self.bounds.heal)))
    }

    /// The excuse of a server that crashed by itself: while it is down, and for a bound after it
    /// died or came back.
    #[must_use]
    pub fn crash_excuse(&self, server: &str) -> Option<Excuse> {
        let crash = self.crash(server)?;
        let (died_ms, name) = (crash.from_ms, crash.fault.kind().name);
        match crash.back_at(server) {
            None => Some(Excuse::lasting(name, server)),
            Some(back_ms) => {
                let end_ms =
                    self.end(back_ms, self.bounds.back).max(self.end(died_ms, self.bounds.death));
                Some(Excuse::until(name, server, end_ms))
            }
        }
    }

    /// The excuse of whoever has to do without a server: a fault took it down, made its upgrade fail,
    /// or broke its applications, so that checks take it out. Until it is ready again (`ready_after` tells when it was, after an instant), or that is
    /// over, and from then on until the best orchestrator could have put it back.
    #[must_use]
    pub fn absence_excuse(
        &self,
        server: &str,
        touched: bool,
        ready_after: impl Fn(u64) -> Option<u64>,
    ) -> Option<Excuse> {
        let takes = |it: &&Incident| {
            let fault = &it.fault;
            let servers = [fault.fells(), fault.spoils(), fault.sickens()].concat();
            it.bites() && servers.contains(&server)
        };
        let excuse = |it: &Incident| {
            let name = it.fault.kind().name;
            let Some(ready_ms) = ready_after(it.met_ms.unwrap_or(it.from_ms)) else {
                return Excuse::lasting(name, server);
            };
            let over_ms = it.back_at(server).unwrap_or(0).max(ready_ms);
            Excuse::until(name, server, self.proven_end(server, over_ms, touched))
        };
        longest(self.incidents.iter().filter(takes).map(excuse))
    }
}
