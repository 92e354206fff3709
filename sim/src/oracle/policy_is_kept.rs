//! **Policy is kept**: nothing behind a gate is begun before a person has opened it, and no more
//! servers are upgraded at once than `parallel_max`.
//!
//! Why: the two gates are where people look before what cannot be undone (the first installer, and
//! the end of fall-back); and whoever said that one server at a time may be away has reckoned with
//! the others.
//!
//! Judged by the servers' own account of their jobs: step 3 begins with the first on a server that is
//! upgraded first, step 6 with the first on any other. Other steps have no beginning that a gate
//! alone explains; their gates are the guard's.
//!
//! Never allowed to fail. Not counted: what a person does by hand; jobs that may hang for ever, on a
//! server that a person had left out, or whose job the run has given up as overdue and not taken back.
//!
//! Sabotage that breaks it: ignore the gates.
use std::collections::BTreeSet;

use evenkeel::journal;
use evenkeel_fakes::ledger::{BY_HAND, Event};

use super::words::changes_software;
use super::{Context, Finding, Ground, Invariant, Sight};

/// The gates before the first job of a server that is upgraded first, and of any other.
const GATES: (u8, u8) = (3, 6);

#[derive(Default)]
pub(super) struct PolicyIsKept {
    /// Servers whose job the run has given up: it is overdue.
    given_up: BTreeSet<String>,
}

impl Invariant for PolicyIsKept {
    fn name(&self) -> &'static str {
        "policy_is_kept"
    }

    fn sentence(&self) -> &'static str {
        "nothing behind a gate is begun before it is opened, nor more servers at once than allowed"
    }

    fn saw(&mut self, sight: &Sight<'_>, ground: &Ground, context: &Context) -> Vec<Finding> {
        let Sight::Entry(entry) = sight else { return Vec::new() };
        match &entry.event {
            Event::JobStarted { server, job, kind } if is_upgrade(job, kind) => {
                self.given_up.remove(server);
                let shut = unopened(server, kind, ground, context);
                shut.into_iter().chain(self.crowd(ground, context)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn told(
        &mut self,
        event: &journal::Event,
        _ground: &Ground,
        _context: &Context,
    ) -> Vec<Finding> {
        use journal::{Event, Notice, ServerFailure, Wanted};
        match event {
            Event::Failed { server, reason: ServerFailure::JobOverdue { .. } } => {
                self.given_up.insert(server.to_string());
            }
            Event::Noticed(Notice::Recovered { server }) => {
                self.given_up.remove(server.as_str());
            }
            Event::Decided(request) => match &request.what {
                Wanted::Retry { server: None } => self.given_up.clear(),
                Wanted::Retry { server: Some(server) } | Wanted::ByHand { server } => {
                    self.given_up.remove(server.as_str());
                }
                _ => {}
            },
            _ => {}
        }
        Vec::new()
    }
}

fn is_upgrade(job: &str, kind: &str) -> bool {
    !job.starts_with(BY_HAND) && changes_software(kind)
}

/// The job is of a step that nobody has approved.
fn unopened(server: &str, kind: &str, ground: &Ground, context: &Context) -> Option<Finding> {
    let first = context.updating.contains(server) || !ground.servers[server].front_end;
    let gate = if first { GATES.0 } else { GATES.1 };
    context.shut.contains(&gate).then(|| Finding {
        from_ms: None,
        subject: format!("step {gate}"),
        what: format!("{kind} begins on {server}, and nobody has approved step {gate}"),
        excuse: None,
    })
}

impl PolicyIsKept {
    /// More servers are at work than policy allows.
    fn crowd(&self, ground: &Ground, context: &Context) -> Option<Finding> {
        let busy = ground.servers.iter().filter(|(name, server)| {
            let mut jobs = server.jobs.iter();
            let works = jobs.any(|(id, job)| is_upgrade(id, &job.kind));
            works && !context.left_out.contains(*name) && !self.given_up.contains(*name)
        });
        let busy: Vec<&str> = busy.map(|(name, _)| name.as_str()).collect();
        let max = context.policy.parallel_max;
        (busy.len() > max as usize).then(|| Finding {
            from_ms: None,
            subject: "at once".into(),
            what: format!("{} are upgraded at once, and policy allows {max}", busy.join(", ")),
            excuse: None,
        })
    }
}
