//! Faults of Service Center.
//!
//! Those that last lie in wait until somebody meets them, and last from then on: most consoles
//! are asked rarely, and one that fails unasked changes nothing.
use std::fmt;

use evenkeel::procedure::action::JobKind;
use serde::{Deserialize, Serialize};

use super::{Family, Fault, Kind, Lasting};
use crate::nemesis::draw::{Draw, MINUTE, SECOND};
use crate::nemesis::schedule::Planned;
use crate::nemesis::trigger::{Effect, Trigger};

/// The catalogue of this family.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "login-expiry",
        family: Family::ServiceCenter,
        reason: "sessions end by idleness, by a restart of the identity service, by rebuilding \
                 the session model",
        source: "general experience; OutSystems/docs-support, platform-server-11.10.0.htm, \
                 RRCT-2982",
        needs_person: false,
        draw: login_expiry,
    },
    Kind {
        name: "lockout",
        family: Family::ServiceCenter,
        reason: "a bot of somebody else's fails to log in until the user is locked out",
        source: "OutSystems/docs-support, too-many-failed-login.md; that a bot does it is inferred",
        needs_person: true,
        draw: lockout,
    },
    Kind {
        name: "console-errors",
        family: Family::ServiceCenter,
        reason: "the console's application answers 500 while it warms up or lacks a service",
        source: "inferred: it needs Server.Identity (OutSystems/docs-product, config-tool-ref.md)",
        needs_person: false,
        draw: console_errors,
    },
    Kind {
        name: "other-generation",
        family: Family::ServiceCenter,
        reason: "page names differ by version, and an upgrade changes the version",
        source: "OutSystems/docs-product, balanced-upgrade-highly-loaded-farms.md, \
                 balanced-app-deploy.md",
        needs_person: false,
        draw: other_generation,
    },
    Kind {
        name: "disable-ignored",
        family: Family::ServiceCenter,
        reason: "Disable is answered as if done, and the list still shows Enabled",
        source: "general experience of web consoles; not known of Service Center itself",
        needs_person: false,
        draw: disable_ignored,
    },
    Kind {
        name: "console-gone",
        family: Family::ServiceCenter,
        reason: "a console is not there while it is published again",
        source: "inferred from OutSystems/docs-support, platform-server-11.14.1.htm, RPM-1469",
        needs_person: false,
        draw: console_gone,
    },
    Kind {
        name: "stale-page",
        family: Family::ServiceCenter,
        reason: "a page is served from a cache, as it was rendered some time ago",
        source: "inferred; stale reads, as Sieve (OSDI'22) gives them to controllers",
        needs_person: false,
        draw: stale_page,
    },
    Kind {
        name: "no-threads",
        family: Family::ServiceCenter,
        reason: "a service that answers lists no threads yet",
        source: "inferred from OutSystems/docs-support, manual-start-services.md",
        needs_person: false,
        draw: no_threads,
    },
    Kind {
        name: "busy-idle-busy",
        family: Family::ServiceCenter,
        reason: "pending modules are picked up in rounds, with idle threads in between",
        source: "inferred from OutSystems/docs-support, platform-server-11.27.0.htm, RPM-4545",
        needs_person: false,
        draw: busy_idle_busy,
    },
    Kind {
        name: "thread-in-error",
        family: Family::ServiceCenter,
        reason: "a thread of the Deployment Service stays in Error for a while",
        source: "OutSystems/docs-support, platform-server-11.14.0.htm, RPM-1420",
        needs_person: true,
        draw: thread_in_error,
    },
    Kind {
        name: "thread-stuck",
        family: Family::ServiceCenter,
        reason: "a publication is left in Deploying after the service was started again",
        source: "OutSystems/docs-support, platform-server-11.30.0.htm, R11BRT-1187",
        needs_person: false,
        draw: thread_stuck,
    },
    Kind {
        name: "unknown-word",
        family: Family::ServiceCenter,
        reason: "another version has another word for what a thread does",
        source: "OutSystems/docs-product, balanced-upgrade-highly-loaded-farms.md, \
                 balanced-app-deploy.md",
        needs_person: true,
        draw: unknown_word,
    },
];

/// What can go wrong with Service Center.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ServiceCenterFault {
    /// Every session ends.
    LoginExpiry,
    /// Nobody can log in.
    Lockout {
        /// For how long.
        for_ms: u64,
    },
    /// A console answers 500.
    ConsoleErrors {
        /// Whose console; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// For how long.
        for_ms: u64,
    },
    /// From now on consoles have the page names of the other generation.
    OtherGeneration {
        /// Only those of the target version.
        new_only: bool,
    },
    /// Disable is answered as if it had been done.
    DisableIgnored {
        /// For how long.
        for_ms: u64,
    },
    /// A console is not there.
    ConsoleGone {
        /// Whose console.
        server: String,
        /// What the web server answers: 404 or 503.
        status: u16,
        /// For how long.
        for_ms: u64,
    },
    /// A console shows pages as they are now.
    StalePage {
        /// Whose console.
        server: String,
        /// For how long.
        for_ms: u64,
    },
    /// A Deployment Service lists no threads.
    NoThreads {
        /// The server.
        server: String,
        /// For how long.
        for_ms: u64,
    },
    /// The next deployment on a server goes on after its threads have idled.
    BusyIdleBusy {
        /// The server.
        server: String,
        /// How often.
        rounds: u32,
        /// How long the threads idle each time.
        pause_ms: u64,
    },
    /// A deployment thread is in error.
    ThreadInError {
        /// The server.
        server: String,
        /// For how long.
        for_ms: u64,
    },
    /// A deployment thread shows that it deploys, and does not.
    ThreadStuck {
        /// The server.
        server: String,
        /// For how long.
        for_ms: u64,
    },
    /// A deployment thread's status is a word that the farm file does not know.
    UnknownWord {
        /// The server.
        server: String,
        /// For how long.
        for_ms: u64,
    },
}

impl ServiceCenterFault {
    /// The name of its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::LoginExpiry => "login-expiry",
            Self::Lockout { .. } => "lockout",
            Self::ConsoleErrors { .. } => "console-errors",
            Self::OtherGeneration { .. } => "other-generation",
            Self::DisableIgnored { .. } => "disable-ignored",
            Self::ConsoleGone { .. } => "console-gone",
            Self::StalePage { .. } => "stale-page",
            Self::NoThreads { .. } => "no-threads",
            Self::BusyIdleBusy { .. } => "busy-idle-busy",
            Self::ThreadInError { .. } => "thread-in-error",
            Self::ThreadStuck { .. } => "thread-stuck",
            Self::UnknownWord { .. } => "unknown-word",
        }
    }

    /// How long it lasts once somebody has met it; `None` for what does not last.
    pub(super) fn once_met_ms(&self) -> Option<u64> {
        match self {
            Self::Lockout { for_ms }
            | Self::ConsoleErrors { for_ms, .. }
            | Self::DisableIgnored { for_ms }
            | Self::ConsoleGone { for_ms, .. }
            | Self::StalePage { for_ms, .. }
            | Self::NoThreads { for_ms, .. }
            | Self::ThreadInError { for_ms, .. }
            | Self::ThreadStuck { for_ms, .. }
            | Self::UnknownWord { for_ms, .. } => Some(*for_ms),
            Self::LoginExpiry | Self::OtherGeneration { .. } | Self::BusyIdleBusy { .. } => None,
        }
    }

    /// While it lasts, flags may be unknown, or not change when they are set.
    pub(super) fn blinds(&self) -> bool {
        !matches!(
            self,
            Self::OtherGeneration { .. }
                | Self::NoThreads { .. }
                | Self::BusyIdleBusy { .. }
                | Self::ThreadInError { .. }
                | Self::ThreadStuck { .. }
                | Self::UnknownWord { .. }
        )
    }

    /// While it lasts, whether deployment to this server is over cannot be read.
    pub(super) fn hides_threads_of(&self, whose: &str) -> bool {
        match self {
            Self::NoThreads { server, .. }
            | Self::ThreadInError { server, .. }
            | Self::ThreadStuck { server, .. }
            | Self::UnknownWord { server, .. } => server == whose,
            _ => false,
        }
    }

    /// A refused login is not tried again until a person says so.
    pub(super) fn shuts_out(&self) -> bool {
        matches!(self, Self::Lockout { .. })
    }

    /// While it lasts, nothing true can be read from a server's console.
    pub(super) fn silences(&self, console: &str) -> bool {
        match self {
            Self::ConsoleErrors { server, .. } => {
                server.as_ref().is_none_or(|server| server == console)
            }
            Self::ConsoleGone { server, .. } | Self::StalePage { server, .. } => server == console,
            _ => false,
        }
    }
}

impl fmt::Display for ServiceCenterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginExpiry => f.write_str("Service Center's sessions end"),
            Self::Lockout { for_ms } => {
                write!(f, "Service Center's user is locked out for {}", Lasting(*for_ms))
            }
            Self::ConsoleErrors { server: Some(server), for_ms } => {
                write!(f, "{server}'s console answers 500 for {}", Lasting(*for_ms))
            }
            Self::ConsoleErrors { server: None, for_ms } => {
                write!(f, "every console answers 500 for {}", Lasting(*for_ms))
            }
            Self::OtherGeneration { new_only: true } => {
                f.write_str("upgraded consoles have the other generation's page names")
            }
            Self::OtherGeneration { new_only: false } => {
                f.write_str("consoles have the other generation's page names")
            }
            Self::DisableIgnored { for_ms } => {
                write!(f, "Disable has no effect for {}", Lasting(*for_ms))
            }
            Self::ConsoleGone { server, status, for_ms } => {
                write!(f, "{server}'s console answers {status} for {}", Lasting(*for_ms))
            }
            Self::StalePage { server, for_ms } => {
                write!(f, "{server}'s console shows old pages for {}", Lasting(*for_ms))
            }
            Self::NoThreads { server, for_ms } => {
                write!(f, "{server} lists no threads for {}", Lasting(*for_ms))
            }
            Self::BusyIdleBusy { server, rounds, pause_ms } => {
                let pause = Lasting(*pause_ms);
                write!(f, "{server} deploys in {rounds} more rounds, {pause} apart")
            }
            Self::ThreadInError { server, for_ms } => {
                write!(f, "a thread of {server} is in error for {}", Lasting(*for_ms))
            }
            Self::ThreadStuck { server, for_ms } => {
                write!(f, "a thread of {server} is stuck in Deploying for {}", Lasting(*for_ms))
            }
            Self::UnknownWord { server, for_ms } => {
                write!(f, "a thread of {server} has an unknown status for {}", Lasting(*for_ms))
            }
        }
    }
}

fn planned(trigger: Trigger, fault: ServiceCenterFault) -> Planned {
    Planned { trigger, fault: Fault::ServiceCenter(fault) }
}

fn login_expiry(draw: &mut Draw<'_>) -> Planned {
    // Half of them just before a button is pressed: the form's session ends with its page open.
    let trigger = match draw.stream.ratio(1, 2) {
        true => {
            let effect = *draw.one(&[Effect::Disable, Effect::Enable]);
            draw.target_of(effect).intent(draw.between(0, 20))
        }
        false => draw.moment(),
    };
    planned(trigger, ServiceCenterFault::LoginExpiry)
}

fn lockout(draw: &mut Draw<'_>) -> Planned {
    // Whoever has a session keeps it: a new console, or a new session model, needs a login.
    let trigger = match draw.stream.ratio(1, 2) {
        true => {
            let (kind, nth, _) = draw.job();
            Trigger::JobStarted { kind, nth, after_ms: 0 }
        }
        false => draw.moment(),
    };
    let for_ms = draw.between(2 * MINUTE, 10 * MINUTE);
    planned(trigger, ServiceCenterFault::Lockout { for_ms })
}

fn console_errors(draw: &mut Draw<'_>) -> Planned {
    let server = draw.stream.ratio(2, 3).then(|| draw.front_end());
    // All of them, sometimes longer than anybody waits before calling a person.
    let longest_ms = if server.is_none() { 18 * MINUTE } else { 10 * MINUTE };
    let for_ms = draw.between(5 * SECOND, longest_ms);
    planned(draw.moment(), ServiceCenterFault::ConsoleErrors { server, for_ms })
}

fn other_generation(draw: &mut Draw<'_>) -> Planned {
    let new_only = draw.stream.ratio(1, 2);
    planned(draw.moment(), ServiceCenterFault::OtherGeneration { new_only })
}

fn disable_ignored(draw: &mut Draw<'_>) -> Planned {
    let trigger = draw.target_of(Effect::Disable).intent(0);
    let for_ms = draw.between(SECOND, 4 * MINUTE);
    planned(trigger, ServiceCenterFault::DisableIgnored { for_ms })
}

fn console_gone(draw: &mut Draw<'_>) -> Planned {
    // On whoever installs it, or on whoever a deployment brings a new one to.
    let (trigger, server) = match installs_first(draw).filter(|_| draw.stream.ratio(1, 2)) {
        Some(server) => {
            let kind = JobKind::ServiceCenterInstall;
            let after_ms = draw.between(0, 5 * MINUTE);
            (Trigger::JobStarted { kind, nth: 1, after_ms }, server)
        }
        None => (draw.in_a_step(), draw.front_end()),
    };
    let (status, for_ms) = (*draw.one(&[404, 503]), draw.between(30 * SECOND, 6 * MINUTE));
    planned(trigger, ServiceCenterFault::ConsoleGone { server, status, for_ms })
}

fn stale_page(draw: &mut Draw<'_>) -> Planned {
    // Few consoles are asked anything: half of them are of the first that is proven.
    let asked = installs_first(draw).filter(|_| draw.stream.ratio(1, 2));
    let server = asked.unwrap_or_else(|| draw.front_end());
    let for_ms = draw.between(10 * SECOND, 8 * MINUTE);
    planned(draw.moment(), ServiceCenterFault::StalePage { server, for_ms })
}

/// The first server that gets a new console, which is asked about everybody from then on.
fn installs_first(draw: &Draw<'_>) -> Option<String> {
    let install = draw.aims.jobs.iter().find(|job| job.kind == JobKind::ServiceCenterInstall)?;
    install.servers.first().cloned()
}

/// Just after the last job before a server's threads are judged began: whoever reads them next
/// judges them. Before its own upgrade those of an updating server are read all the time, for what
/// others' jobs deploy to it, and whatever is met then is over when they are judged.
fn before_threads(draw: &mut Draw<'_>) -> (Trigger, String) {
    let server = draw.front_end();
    let (kind, by) = draw.aims.last_job(&server);
    let after_ms = draw.between(1, 5) * SECOND;
    (Trigger::JobStartedOn { server: by.to_owned(), kind, nth: 1, after_ms }, server)
}

fn no_threads(draw: &mut Draw<'_>) -> Planned {
    let (trigger, server) = before_threads(draw);
    let for_ms = draw.between(5 * SECOND, 5 * MINUTE);
    planned(trigger, ServiceCenterFault::NoThreads { server, for_ms })
}

fn busy_idle_busy(draw: &mut Draw<'_>) -> Planned {
    let (trigger, server) = before_threads(draw);
    let rounds = draw.between(1, 3) as u32;
    // Pending modules are looked for every 30 s; no policy takes threads for idle that soon.
    let pause_ms = draw.between(SECOND, 19 * SECOND);
    planned(trigger, ServiceCenterFault::BusyIdleBusy { server, rounds, pause_ms })
}

fn thread_in_error(draw: &mut Draw<'_>) -> Planned {
    let (trigger, server) = before_threads(draw);
    let for_ms = draw.between(5 * SECOND, 4 * MINUTE);
    planned(trigger, ServiceCenterFault::ThreadInError { server, for_ms })
}

/// One alone, with the deployment before it, is less than the ten minutes after which `six` has a
/// person called.
fn thread_stuck(draw: &mut Draw<'_>) -> Planned {
    let (trigger, server) = before_threads(draw);
    let for_ms = draw.between(5 * SECOND, 4 * MINUTE);
    planned(trigger, ServiceCenterFault::ThreadStuck { server, for_ms })
}

fn unknown_word(draw: &mut Draw<'_>) -> Planned {
    let (trigger, server) = before_threads(draw);
    let for_ms = draw.between(5 * SECOND, 10 * MINUTE);
    planned(trigger, ServiceCenterFault::UnknownWord { server, for_ms })
}
