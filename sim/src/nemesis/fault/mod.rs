//! The catalogue of faults: one file a family, one row a kind, each with why production can do
//! that and where it is known from.
//!
//! A family's file holds the faults as data, the table of its kinds and how each is drawn; what a
//! fault does to the world is in `world/strike/`, under the same name, and what it excuses is in
//! `oracle/excuse`.
pub mod balancer;
pub mod correlated;
pub mod database;
pub mod front_end;
pub mod link;
pub mod orchestrator;
pub mod people;
pub mod service_center;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::schedule::Planned;

pub use balancer::BalancerFault;
pub use correlated::CorrelatedFault;
pub use database::DatabaseFault;
pub use front_end::FrontEndFault;
pub use link::LinkFault;
pub use orchestrator::{Fate, OrchestratorFault};
pub use people::PeopleFault;
pub use service_center::ServiceCenterFault;

/// A family of faults: the part of the world that they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The network between the orchestrator and the farm.
    Link,
    /// Balancer nodes.
    Balancer,
    /// Service Center.
    ServiceCenter,
    /// Front-ends: machines, installers, services, applications.
    FrontEnd,
    /// The shared database, and the controller.
    Database,
    /// The orchestrator's own process and machine.
    Orchestrator,
    /// What people do meanwhile.
    People,
    /// Several at once, by one cause.
    Correlated,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 8] = [
        Self::Link,
        Self::Balancer,
        Self::ServiceCenter,
        Self::FrontEnd,
        Self::Database,
        Self::Orchestrator,
        Self::People,
        Self::Correlated,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Balancer => "balancer",
            Self::ServiceCenter => "service-center",
            Self::FrontEnd => "front-end",
            Self::Database => "database",
            Self::Orchestrator => "orchestrator",
            Self::People => "people",
            Self::Correlated => "correlated",
        }
    }

    /// Its kinds.
    #[must_use]
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Link => link::KINDS,
            Self::Balancer => balancer::KINDS,
            Self::ServiceCenter => service_center::KINDS,
            Self::FrontEnd => front_end::KINDS,
            Self::Database => database::KINDS,
            Self::Orchestrator => orchestrator::KINDS,
            Self::People => people::KINDS,
            Self::Correlated => correlated::KINDS,
        }
    }
}

/// When a fault changes a node's state behind the orchestrator's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upset {
    /// When it strikes.
    AtOnce,
    /// For as long as it lasts, and once more when it is over.
    Meanwhile,
    /// When it is over.
    AtItsEnd,
}

/// A row of the catalogue.
pub struct Kind {
    /// Its name on the command line and in schedules.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// Why production can do this, in a sentence.
    pub reason: &'static str,
    /// Where that is known from: a page, a repository as `owner/name` on GitHub, an issue there as
    /// `owner/name#1`; or an inference or general experience, where nobody has written it down.
    pub source: &'static str,
    /// After it a person may be needed: a run may then end in a hold.
    pub needs_person: bool,
    /// Draws one.
    pub draw: fn(&mut Draw<'_>) -> Planned,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

/// Every row of the catalogue.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    Family::ALL.into_iter().flat_map(Family::kinds)
}

/// What strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "family")]
pub enum Fault {
    /// The network between the orchestrator and the farm.
    Link(LinkFault),
    /// Balancer nodes.
    Balancer(BalancerFault),
    /// Service Center.
    ServiceCenter(ServiceCenterFault),
    /// Front-ends.
    FrontEnd(FrontEndFault),
    /// The shared database, and the controller.
    Database(DatabaseFault),
    /// The orchestrator's own process and machine.
    Orchestrator(OrchestratorFault),
    /// What people do meanwhile.
    People(PeopleFault),
    /// Several at once.
    Correlated(CorrelatedFault),
}

impl Fault {
    /// Its row of the catalogue.
    ///
    /// # Panics
    /// The row is missing: a mistake of this crate's.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        let name = match self {
            Self::Link(fault) => fault.kind(),
            Self::Balancer(fault) => fault.kind(),
            Self::ServiceCenter(fault) => fault.kind(),
            Self::FrontEnd(fault) => fault.kind(),
            Self::Database(fault) => fault.kind(),
            Self::Orchestrator(fault) => fault.kind(),
            Self::People(fault) => fault.kind(),
            Self::Correlated(fault) => fault.kind(),
        };
        kinds().find(|kind| kind.name == name).expect("every fault has a row in the catalogue")
    }

    /// Servers that it makes unable to serve by itself, until it is over.
    #[must_use]
    pub fn fells(&self) -> Vec<&str> {
        match self {
            Self::FrontEnd(fault) => fault.fells(),
            Self::Database(fault) => fault.fells(),
            Self::Correlated(fault) => fault.fells(),
            _ => Vec::new(),
        }
    }

    /// Servers whose applications it breaks, while pings, services and versions are well.
    #[must_use]
    pub fn sickens(&self) -> Vec<&str> {
        match self {
            Self::FrontEnd(fault) => fault.sickens(),
            _ => Vec::new(),
        }
    }

    /// Servers whose upgrade it makes fail, or take long.
    #[must_use]
    pub fn spoils(&self) -> Vec<&str> {
        match self {
            Self::FrontEnd(fault) => fault.spoils(),
            _ => Vec::new(),
        }
    }

    /// A node whose state it changes behind the orchestrator's back, and when.
    #[must_use]
    pub fn upsets(&self) -> Option<(&str, Upset)> {
        match self {
            Self::Balancer(fault) => fault.upsets(),
            Self::Correlated(fault) => fault.upsets().map(|node| (node, Upset::AtOnce)),
            Self::People(fault) => fault.upsets(),
            _ => None,
        }
    }

    /// The server whose Enabled flag it changes behind the orchestrator's back.
    #[must_use]
    pub fn edits(&self) -> Option<&str> {
        match self {
            Self::People(fault) => fault.edits(),
            _ => None,
        }
    }

    /// The node and the server whose health checks it makes fail there.
    #[must_use]
    pub fn flaps(&self) -> Option<(&str, &str)> {
        match self {
            Self::Balancer(fault) => fault.flaps(),
            _ => None,
        }
    }

    /// For how long nothing gets through between the orchestrator and this host, one way at least;
    /// `None` when it does not cut that off.
    #[must_use]
    pub fn cuts_off_ms(&self, host: &str) -> Option<u64> {
        match self {
            Self::Link(fault) => fault.cuts_off_ms(host),
            Self::Correlated(fault) => fault.cuts_off_ms(host),
            _ => None,
        }
    }

    /// It lies in wait for an answer on the network: until one comes, nothing happens.
    #[must_use]
    pub fn waits_for_an_answer(&self) -> bool {
        matches!(self, Self::Link(fault) if fault.waits_for_an_answer())
    }

    /// How long it lasts once somebody has met it; `None` for what is not met, or does not last.
    #[must_use]
    pub fn once_met_ms(&self) -> Option<u64> {
        match self {
            Self::ServiceCenter(fault) => fault.once_met_ms(),
            Self::Database(fault) => fault.once_met_ms(),
            _ => None,
        }
    }

    /// While it lasts, flags may be unknown, or not change when they are set.
    #[must_use]
    pub fn blinds(&self) -> bool {
        match self {
            Self::ServiceCenter(fault) => fault.blinds(),
            Self::Database(fault) => fault.silences(),
            _ => false,
        }
    }

    /// While it lasts, whether deployment to this server is over cannot be read.
    #[must_use]
    pub fn hides_threads_of(&self, server: &str) -> bool {
        matches!(self, Self::ServiceCenter(fault) if fault.hides_threads_of(server))
    }

    /// Whoever met it is without a console until a person says otherwise.
    #[must_use]
    pub fn shuts_out(&self) -> bool {
        matches!(self, Self::ServiceCenter(fault) if fault.shuts_out())
    }

    /// While it lasts, a console shows pages as they were before.
    #[must_use]
    pub fn shows_old_pages(&self) -> bool {
        matches!(self, Self::ServiceCenter(ServiceCenterFault::StalePage { .. }))
    }

    /// While it lasts, nothing true can be read from a server's console.
    #[must_use]
    pub fn silences(&self, console: &str) -> bool {
        match self {
            Self::ServiceCenter(fault) => fault.silences(console),
            Self::Database(fault) => fault.silences(),
            _ => false,
        }
    }

    /// Somebody else changes what a member of a node is set to: a reload changes everything, and
    /// is nobody's will.
    #[must_use]
    pub fn meddles(&self) -> bool {
        matches!(
            self,
            Self::Balancer(BalancerFault::AgentOverrides { .. })
                | Self::People(PeopleFault::ThirdPartyEdit { .. })
        )
    }

    /// Its family.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Link(_) => Family::Link,
            Self::Balancer(_) => Family::Balancer,
            Self::ServiceCenter(_) => Family::ServiceCenter,
            Self::FrontEnd(_) => Family::FrontEnd,
            Self::Database(_) => Family::Database,
            Self::Orchestrator(_) => Family::Orchestrator,
            Self::People(_) => Family::People,
            Self::Correlated(_) => Family::Correlated,
        }
    }
}

impl fmt::Display for Fault {
    /// For people, the subject first: `fe-3 crashes, back after 12 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(fault) => fault.fmt(f),
            Self::Balancer(fault) => fault.fmt(f),
            Self::ServiceCenter(fault) => fault.fmt(f),
            Self::FrontEnd(fault) => fault.fmt(f),
            Self::Database(fault) => fault.fmt(f),
            Self::Orchestrator(fault) => fault.fmt(f),
            Self::People(fault) => fault.fmt(f),
            Self::Correlated(fault) => fault.fmt(f),
        }
    }
}

/// A length of time in words: milliseconds, seconds or minutes.
pub(super) struct Lasting(pub(super) u64);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms < 1_000 => write!(f, "{ms} ms"),
            ms if ms < 120_000 => write!(f, "{} s", ms / 1_000),
            ms => write!(f, "{} min", ms / 60_000),
        }
    }
}
