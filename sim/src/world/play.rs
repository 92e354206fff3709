//! The loop of one run: what is due happens, what is heard is acted upon, until there is a verdict.
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use evenkeel::journal::{HoldReason, Verdict};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::oracle::RunVerdict;

use super::record::Message;
use super::strike::{Breaker, Later};
use super::switch_on;

/// A hold that lasts this long has called a person, who does not come to a rehearsal.
const HOLD_MS_MAX: u64 = 20 * 60_000;

/// A run that goes on.
pub(super) struct Play {
    breaker: Rc<Breaker>,
    receive: UnboundedReceiver<Message>,
    /// What is due, by instant and order.
    later: BTreeMap<(u64, u64), Later>,
    ordinal: u64,
    /// Since when the run holds, and why. The orchestrator's absence does not count.
    held: Option<(u64, HoldReason)>,
}

impl Play {
    pub(super) fn new(breaker: Breaker, receive: UnboundedReceiver<Message>) -> Self {
        let breaker = Rc::new(breaker);
        Self { breaker, receive, later: BTreeMap::new(), ordinal: 0, held: None }
    }

    /// Lets things happen until the run has a verdict.
    pub(super) async fn run(mut self) -> RunVerdict {
        self.breaker.start_orchestrator();
        loop {
            let now_ms = self.now_ms();
            while let Some(entry) = self.later.first_entry().filter(|it| it.key().0 <= now_ms) {
                let later = entry.remove();
                self.happen(later);
            }
            let held_ms = self.held.as_ref().map(|(since_ms, _)| since_ms + HOLD_MS_MAX);
            if held_ms.is_some_and(|held_ms| held_ms <= now_ms)
                && let Some((_, reason)) = self.held.take()
            {
                return RunVerdict::Held { reason };
            }
            let due_ms = self.later.keys().next().map(|(at_ms, _)| *at_ms);
            let message = match due_ms.into_iter().chain(held_ms).min() {
                Some(due_ms) => {
                    let until = Instant::now() + Duration::from_millis(due_ms - now_ms);
                    tokio::time::timeout_at(until, self.receive.recv()).await.ok()
                }
                None => Some(self.receive.recv().await),
            };
            let message = message.map(|it| it.expect("the recorder holds a sender"));
            if let Some(verdict) = message.and_then(|message| self.hear(message)) {
                return verdict;
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.breaker.shared.now_ms()
    }

    fn later(&mut self, at_ms: u64, what: Later) {
        self.later.insert((at_ms, self.ordinal), what);
        self.ordinal += 1;
    }

    fn happen(&mut self, later: Later) {
        match later {
            Later::Strike(strike) => self.breaker.strike(strike),
            Later::End { place, fault } => self.breaker.end(place, &fault),
            Later::OnNetwork(server) => {
                let host = self.breaker.network.servers[&server].host;
                self.breaker.fabric.power_on(host);
            }
        }
    }

    fn hear(&mut self, message: Message) -> Option<RunVerdict> {
        let now_ms = self.now_ms();
        match message {
            Message::Later(at_ms, later) => self.later(at_ms, later),
            Message::Killed(away_ms) => {
                if let Some((since_ms, _)) = &mut self.held {
                    *since_ms = now_ms + away_ms;
                }
            }
            Message::Up(server) => {
                let Breaker { fabric, network, shared, .. } = &*self.breaker;
                if !fabric.is_up(network.servers[&server].host) {
                    switch_on(fabric, network, shared, &server);
                    // By then it has bound its addresses.
                    self.later(now_ms + 1, Later::OnNetwork(server));
                }
            }
            // What a program with a defect does from then on says nothing of the farm.
            Message::Held(reason @ HoldReason::GuardRefused { .. }) => {
                return Some(RunVerdict::Held { reason });
            }
            Message::Held(reason) => {
                if self.held.as_ref().is_none_or(|(_, held)| *held != reason) {
                    self.held = Some((now_ms, reason));
                }
            }
            Message::Released => self.held = None,
            Message::Sent(nth) => self.breaker.sent(nth),
            Message::Heard(peer) => self.breaker.machine.heard_of(peer),
            Message::Ended(Ok(verdict)) => return Some(told(verdict)),
            Message::Ended(Err(why)) => return Some(RunVerdict::Broken { why }),
        }
        None
    }
}

/// The orchestrator's verdict as the oracle knows verdicts.
fn told(verdict: Verdict) -> RunVerdict {
    match verdict {
        Verdict::Done { left_out } => {
            RunVerdict::Done { left_out: left_out.iter().map(ToString::to_string).collect() }
        }
        Verdict::Aborted => RunVerdict::Aborted,
        Verdict::Holding { reason: Some(reason) } => RunVerdict::Held { reason },
        Verdict::Holding { reason: None } => {
            RunVerdict::Broken { why: "it stopped at a gate that was approved".into() }
        }
        Verdict::Refused { why } => RunVerdict::Refused { why },
    }
}
