//! Taking in what exchanges brought back: readings into the view, outcomes into the journal.
use std::time::Duration;

use crate::journal::{ActionResult, Event, Notice};
use crate::ports::{Dial, Inbox, Launcher, Storage, WallClock};
use crate::procedure::action::{Action, MemberChange};
use crate::procedure::decide::{console_for, console_has_rested, consoles_are_silent, tells};
use crate::procedure::layout::{Layout, NodeIx, ServerIx};
use crate::procedure::polls::Poll;
use crate::procedure::readings::{NodeReading, Reading, ServerRow};
use crate::procedure::view::{InVain, Question};

use super::exchange::{Completion, Exchange, Seen, Unseen};
use super::{Drive, DriveError, REST_MS};

/// The node and the servers that an action occupies.
pub(super) fn places(layout: &Layout, action: &Action) -> (Option<NodeIx>, Vec<ServerIx>) {
    let node = |name: &crate::names::NodeName| layout.nodes.iter().position(|n| n.name == *name);
    let server = |name| layout.server(name).into_iter().collect::<Vec<_>>();
    match action {
        Action::Balancer { node: name, .. } => (node(name), Vec::new()),
        // Requests like a user's: the node is read, and put right, meanwhile.
        Action::Nudge { .. } => (None, Vec::new()),
        Action::Flag { server: name, .. }
        | Action::Start { server: name, .. }
        | Action::Reboot { server: name, .. }
        | Action::Test { server: name } => (None, server(name)),
    }
}

impl<D: Dial, L: Launcher, S: Storage, W: WallClock, I: Inbox> Drive<D, L, S, W, I> {
    pub(super) fn absorb(&mut self, completion: Completion) -> Result<(), DriveError> {
        let began_ms = completion.began_ms;
        match completion.of {
            Exchange::Poll(poll, answer) => self.polled(&poll, began_ms, answer),
            Exchange::Action { id, action, result, seen, login_refused } => {
                self.view.login_refused = login_refused.or(self.view.login_refused.take());
                self.acted(id, &action, result, began_ms, seen)
            }
            Exchange::Rested(node, server) => {
                if let Some(node) = node {
                    self.view.nodes[node].acting = false;
                }
                if let Some(server) = server {
                    self.view.servers[server].acting = false;
                }
                Ok(())
            }
        }
    }

    fn polled(
        &mut self,
        poll: &Poll,
        began_ms: u64,
        answer: Result<Seen, Unseen>,
    ) -> Result<(), DriveError> {
        match *poll {
            Poll::Node(node) => self.view.nodes[node].asking = false,
            Poll::Server { server, question, .. } => {
                self.view.servers[server].asking[question as usize] = false;
            }
        }
        match answer {
            Ok(seen) => self.see(poll, began_ms, seen),
            Err(unseen) => self.not_seen(poll, began_ms, unseen),
        }
    }

    fn see(&mut self, poll: &Poll, at_ms: u64, seen: Seen) -> Result<(), DriveError> {
        if let Poll::Server { server, question, via } = *poll {
            let now_ms = self.view.now_ms;
            let asked = &mut self.view.servers[server];
            if is_console(question) {
                self.console_answered(via);
                self.words_are_known(server, question);
            } else if question != Question::Pings && asked.host_failing_since_ms.take().is_some() {
                let policy = self.layout.policy();
                let stale_ms = policy.stale_ms(policy.jobs_poll_ms);
                asked.host_is_back(now_ms, stale_ms);
            }
            let touched = self.progress.servers[server].touched;
            let server = &mut self.view.servers[server];
            match seen {
                Seen::Service(value) => {
                    let start = server.service.as_ref().map(|read| &read.value.start);
                    if start.is_some_and(|start| *start != value.start) {
                        // Another service: what the one before showed says nothing of it.
                        server.threads.clear();
                        server.pings.clear();
                    }
                    newer(&mut server.service, value, at_ms);
                }
                Seen::Version(value) => newer(&mut server.version, value, at_ms),
                Seen::Job(job, value) if at_ms >= server.doubted_ms => {
                    server.job = Some((job, Reading { value, at_ms }));
                }
                Seen::Job(..) => {}
                Seen::Pings(ids) => server.see_pings(self.layout.policy(), at_ms, ids),
                // What such a console shows of it may be the past.
                Seen::Threads(_) if touched && !tells(&self.layout, &self.progress, via) => {}
                Seen::Threads(rows) => server.see_threads(self.layout.policy(), at_ms, rows),
                Seen::Flags(rows) => self.see_flags(via, at_ms, &rows),
                Seen::Node(..) => unreachable!("servers do not answer as nodes"),
            }
            return Ok(());
        }
        match seen {
            Seen::Node(node, reading) => self.see_node(node, at_ms, reading),
            _ => unreachable!("nodes do not answer as servers"),
        }
    }

    /// A console answered. Others that failed are not asked while one answers: how long Service
    /// Center as a whole has been silent counts from its last answer on, whoever gave it that tells.
    fn console_answered(&mut self, via: ServerIx) {
        let now_ms = self.view.now_ms;
        let (layout, progress) = (&self.layout, &self.progress);
        if tells(layout, progress, via) {
            if self.view.servers[via].console_failing_since_ms.is_some()
                && consoles_are_silent(layout, progress, &self.view)
            {
                self.view.consoles_back_ms = now_ms;
            }
            for seen in &mut self.view.servers {
                seen.console_failing_since_ms = seen.console_failing_since_ms.map(|_| now_ms);
            }
        }
        self.view.servers[via].console_failing_since_ms = None;
        self.view.servers[via].console_failed_ms = None;
    }

    /// A page was read whose words are all known. Flags are those of all servers, whoever was asked.
    fn words_are_known(&mut self, about: ServerIx, question: Question) {
        let of_all = question == Question::Flags;
        for (server, seen) in self.view.servers.iter_mut().enumerate() {
            let word = &mut seen.unknown_words[question as usize];
            if (of_all || server == about) && word.take().is_some() {
                self.view.consoles_back_ms = self.view.now_ms;
            }
        }
    }

    fn see_flags(&mut self, via: ServerIx, at_ms: u64, rows: &[ServerRow]) {
        let tells = tells(&self.layout, &self.progress, via);
        for (ix, entry) in self.layout.servers.iter().enumerate() {
            let seen = &mut self.view.servers[ix];
            let may_be_past = !tells && self.progress.servers[ix].touched;
            if let Some(row) = rows.iter().find(|row| row.name == entry.name.as_str())
                && at_ms >= seen.doubted_ms
                && !may_be_past
            {
                seen.see_flag(self.layout.policy(), at_ms, row.enabled);
            }
        }
    }

    fn see_node(
        &mut self,
        node: NodeIx,
        at_ms: u64,
        reading: NodeReading,
    ) -> Result<(), DriveError> {
        if self.view.see_node(&self.layout, node, at_ms, reading) {
            self.view.nodes[node].asserted.fill(None);
            let notice = Notice::EpochEnded { node: self.layout.nodes[node].name.clone() };
            self.record(vec![Event::Noticed(notice)])?;
        }
        Ok(())
    }

    fn not_seen(&mut self, poll: &Poll, at_ms: u64, unseen: Unseen) -> Result<(), DriveError> {
        let why = match unseen {
            Unseen::LoginRefused(why) => {
                self.view.login_refused = Some(why);
                return Ok(());
            }
            Unseen::UnknownWord(what) => {
                if let Poll::Server { server, question, .. } = *poll {
                    let words = &mut self.view.servers[server].unknown_words;
                    newer(&mut words[question as usize], what, at_ms);
                }
                return Ok(());
            }
            Unseen::Failed(why) => why,
        };
        let (what, first) = match *poll {
            Poll::Node(node) => {
                let since = &mut self.view.nodes[node].failing_since_ms;
                (format!("balancer {}", self.layout.nodes[node].name), fails(since, at_ms))
            }
            Poll::Server { via, question, .. } if is_console(question) => {
                let seen = &mut self.view.servers[via];
                seen.console_failed_ms = Some(at_ms);
                let first = fails(&mut seen.console_failing_since_ms, at_ms);
                self.ask_another_console(poll);
                (format!("{}'s Service Center", self.layout.servers[via].name), first)
            }
            Poll::Server { question: Question::Pings, .. } => return Ok(()),
            Poll::Server { server, .. } => {
                let seen = &mut self.view.servers[server];
                let first = fails(&mut seen.host_failing_since_ms, at_ms);
                if first {
                    seen.host_silent_ms = at_ms;
                }
                // Of several questions the one that was asked last may fail first.
                seen.host_last_failed_ms = seen.host_last_failed_ms.max(at_ms);
                (format!("{}'s host", self.layout.servers[server].name), first)
            }
        };
        if first {
            self.record(vec![Event::Noticed(Notice::Unreadable { what, why })])?;
        }
        Ok(())
    }

    /// A console that has not failed lately is asked at once; when there is none, the question
    /// waits its turn.
    fn ask_another_console(&mut self, poll: &Poll) {
        let Poll::Server { server, question, .. } = *poll else { return };
        let next = console_for(&self.layout, &self.progress, &self.view);
        let rested = next.is_some_and(|next| console_has_rested(&self.view, next));
        if rested {
            self.view.servers[server].asked_ms[question as usize] = None;
        }
    }

    fn acted(
        &mut self,
        id: u64,
        action: &Action,
        result: ActionResult,
        began_ms: u64,
        seen: Option<Seen>,
    ) -> Result<(), DriveError> {
        let went_well = matches!(result, ActionResult::Done { .. } | ActionResult::Tested { .. });
        // It may have been the reading back that failed, and of several commands some may have been
        // carried out: a node that was not read back may have been changed.
        let unread = matches!(action, Action::Balancer { .. }) && seen.is_none();
        let unknown = unread || matches!(result, ActionResult::Unknown { .. });
        self.note_effect(action, &result);
        self.record(vec![Event::Outcome { id, result }])?;
        if unknown {
            self.doubt(action);
        }
        match seen {
            // Read back after the change, so true of now and not of when the action began.
            Some(Seen::Node(node, reading)) => self.see_node(node, self.view.now_ms, reading)?,
            Some(Seen::Flags(rows)) => {
                if let Action::Flag { via, .. } = action
                    && let Some(via) = self.layout.server(via)
                {
                    self.see_flags(via, self.view.now_ms, &rows);
                }
            }
            _ => {}
        }
        self.nudged(action);
        self.assert_seat(action, went_well);
        self.free(action, went_well, began_ms);
        Ok(())
    }

    /// Only a reading of the node tells whom our requests reached.
    fn nudged(&mut self, action: &Action) {
        let Action::Nudge { node, .. } = action else { return };
        let named = self.layout.nodes.iter().position(|entry| entry.name == *node);
        let seen = &mut self.view.nodes[named.expect("actions name nodes of the plan")];
        (seen.nudged_ms, seen.asked_ms) = (Some(self.view.now_ms), None);
    }

    /// Whether changes of a place have an effect.
    fn note_effect(&mut self, action: &Action, result: &ActionResult) {
        let now_ms = self.view.now_ms;
        let in_vain = match action {
            Action::Balancer { .. } => {
                let (node, _) = places(&self.layout, action);
                node.map(|node| &mut self.view.nodes[node].in_vain)
            }
            Action::Flag { server, .. } => {
                let server = self.layout.server(server);
                server.map(|server| &mut self.view.servers[server].flag_in_vain)
            }
            _ => None,
        };
        if let Some(in_vain) = in_vain {
            note(in_vain, result, now_ms);
        }
        if let Action::Flag { via, .. } = action
            && let Some(via) = self.layout.server(via)
        {
            note(&mut self.view.servers[via].console_in_vain, result, now_ms);
        }
    }

    /// Nobody knows whether a change was made: what was read before it is no longer known.
    fn doubt(&mut self, action: &Action) {
        let (node, servers) = places(&self.layout, action);
        match action {
            Action::Balancer { .. } => {
                if let Some(node) = node {
                    self.view.nodes[node].doubted_ms = self.view.now_ms;
                }
            }
            Action::Flag { .. } | Action::Start { .. } => {
                for server in servers {
                    let seen = &mut self.view.servers[server];
                    seen.doubted_ms = self.view.now_ms;
                    match action {
                        Action::Flag { .. } => seen.forget_flag(),
                        // "Never heard of it" was true before the command may have arrived.
                        _ => seen.job = None,
                    }
                }
            }
            Action::Nudge { .. } | Action::Reboot { .. } | Action::Test { .. } => {}
        }
    }

    /// What we left a member at, so that somebody else's change is told from ours.
    /// After a change whose fate is unknown we left it at nothing.
    fn assert_seat(&mut self, action: &Action, went_well: bool) {
        let Action::Balancer { node, members, change } = action else { return };
        let ready = match change {
            MemberChange::Admit => true,
            MemberChange::Drain => false,
            _ => return,
        };
        for (ix, seat) in self.layout.seats.iter().enumerate() {
            let entry = &self.layout.nodes[seat.node];
            if entry.name == *node && members.contains(&seat.member) {
                let view = &mut self.view.nodes[seat.node];
                let epoch = view.samples.back().map(|sample| sample.epoch.clone());
                let left = epoch.map(|epoch| (epoch, ready));
                view.asserted[ix - entry.first_seat] = left.filter(|_| went_well);
            }
        }
    }

    /// Gives the places of an action back: at once, or after a rest when it failed.
    fn free(&mut self, action: &Action, went_well: bool, began_ms: u64) {
        let (node, servers) = places(&self.layout, action);
        if went_well {
            if let Some(node) = node {
                self.view.nodes[node].acting = false;
            }
            for server in servers {
                self.view.servers[server].acting = false;
            }
            return;
        }
        // A lost answer is followed by a read: what is not known is asked at once.
        if let Some(node) = node {
            self.view.nodes[node].asked_ms = None;
        }
        for &server in &servers {
            self.view.servers[server].asked_ms[Question::Job as usize] = None;
        }
        let server = servers.first().copied();
        self.running.push(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(REST_MS)).await;
            Completion { began_ms, of: Exchange::Rested(node, server) }
        }));
    }
}

/// One more change was answered: it had an effect, or was in vain.
fn note(in_vain: &mut Option<InVain>, result: &ActionResult, now_ms: u64) {
    match result {
        ActionResult::Done { .. } => *in_vain = None,
        ActionResult::NoEffect { .. } => *in_vain = Some(InVain::again(*in_vain, now_ms)),
        _ => {}
    }
}

fn is_console(question: Question) -> bool {
    matches!(question, Question::Flags | Question::Threads)
}

fn newer<T>(slot: &mut Option<Reading<T>>, value: T, at_ms: u64) {
    if slot.as_ref().is_none_or(|old| old.at_ms <= at_ms) {
        *slot = Some(Reading { value, at_ms });
    }
}

/// Notes a failure; true when it is the first of an outage.
fn fails(since: &mut Option<u64>, at_ms: u64) -> bool {
    let first = since.is_none();
    since.get_or_insert(at_ms);
    first
}
