//! The loop of one run: what is due happens, what is heard is acted upon, until there is a verdict.
//!
//! A run that holds for long enough is healed as far as its seed says, see `healing`.
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use evenkeel::journal::{HoldReason, Verdict, Wanted};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::nemesis::Fault;
use crate::oracle::RunVerdict;

use super::healing::{ANSWER_MS, Healing, LIVENESS_MS_MAX};
use super::record::Message;
use super::strike::{Breaker, Later, Over};
use super::switch_on;

/// A hold that lasts this long has called a person: the first of a run ends its first phase, a later
/// one, to which the person has no answer any more, the run.
const HOLD_MS_MAX: u64 = 20 * 60_000;

/// Who answers a hold in the second phase.
const ON_CALL: &str = "the person on call";

/// A run that goes on.
pub(super) struct Play {
    breaker: Rc<Breaker>,
    receive: UnboundedReceiver<Message>,
    /// What is due, by instant and order.
    later: BTreeMap<(u64, u64), Later>,
    ordinal: u64,
    /// Since when the run holds, and why. The orchestrator's absence does not count.
    held: Option<(u64, HoldReason)>,
    /// The second phase, when it has begun.
    healing: Option<Healing>,
    /// When a person looks at the hold again to which he gave an answer.
    looks_again_ms: Option<u64>,
}

impl Play {
    pub(super) fn new(breaker: Breaker, receive: UnboundedReceiver<Message>) -> Self {
        let breaker = Rc::new(breaker);
        Self {
            breaker,
            receive,
            later: BTreeMap::new(),
            ordinal: 0,
            held: None,
            healing: None,
            looks_again_ms: None,
        }
    }

    /// Lets things happen until the run has a verdict.
    pub(super) async fn run(mut self) -> RunVerdict {
        self.breaker.start_orchestrator();
        let verdict = self.until_verdict().await;
        let now_ms = self.breaker.shared.with(|farm| farm.now_ms());
        self.breaker.recorder.looks_at_queues(now_ms);
        verdict
    }

    async fn until_verdict(&mut self) -> RunVerdict {
        loop {
            let now_ms = self.now_ms();
            while let Some(entry) = self.later.first_entry().filter(|it| it.key().0 <= now_ms) {
                let later = entry.remove();
                self.happen(later);
            }
            if let Some(verdict) = self.overdue(now_ms) {
                return verdict;
            }
            let due_ms = self.later.keys().next().map(|(at_ms, _)| *at_ms);
            let due_ms = due_ms.into_iter().chain(self.patience_ends_ms()).min();
            let message = match due_ms {
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

    /// When somebody does something about a hold, or about a run that does not end.
    fn patience_ends_ms(&self) -> Option<u64> {
        let held = self.held.as_ref().map(|(since_ms, _)| match &self.healing {
            None => since_ms + HOLD_MS_MAX,
            Some(_) => self.looks_again_ms.unwrap_or(since_ms + ANSWER_MS),
        });
        let healed = self.healing.as_ref().map(|it| it.since_ms + LIVENESS_MS_MAX);
        held.into_iter().chain(healed).min()
    }

    /// Patience has ended: the second phase begins, or a person answers, or the run is over.
    fn overdue(&mut self, now_ms: u64) -> Option<RunVerdict> {
        if self.patience_ends_ms().is_none_or(|ends_ms| ends_ms > now_ms) {
            return None;
        }
        let Some(mut healing) = self.healing.take() else {
            self.heal(now_ms);
            return None;
        };
        if healing.since_ms + LIVENESS_MS_MAX <= now_ms {
            self.breaker.recorder.stuck(now_ms, "it was healed, and did not end");
            return Some(RunVerdict::Stuck);
        }
        let (_, reason) = self.held.clone().expect("what else would be overdue");
        let Some(wanted) = healing.answer(&reason) else {
            return Some(RunVerdict::Held { reason });
        };
        self.breaker.stop_old_services(healing.services_to_stop(&reason));
        if let Some(server) = healing.service_to_start(&reason) {
            self.breaker.start_service(server.as_str());
        }
        self.healing = Some(healing);
        self.looks_again_ms = Some(now_ms + HOLD_MS_MAX);
        let request = self.breaker.machine.ask(ON_CALL, wanted);
        self.breaker.recorder.answered(now_ms, &request);
        None
    }

    /// Begins the second phase: no new fault strikes, and what heals is mended.
    fn heal(&mut self, now_ms: u64) {
        let Breaker { recorder, machine, .. } = &*self.breaker;
        let open = recorder.end_of_faults(now_ms);
        let felled = open.iter().flat_map(|(_, fault)| {
            fault.fells().into_iter().chain(fault.spoils()).map(str::to_owned)
        });
        let healing = machine.heal(now_ms, &felled.collect());
        let stays = healing.broken.iter().cloned().collect::<Vec<_>>().join(", ");
        recorder.note(now_ms, &format!("the farm heals, but for these: {stays}"));
        self.later.retain(|_, later| !matches!(later, Later::Strike(_)));
        // Whoever was late to approve is there now.
        for step in machine.approved_late() {
            recorder.answered(now_ms, &machine.ask(ON_CALL, Wanted::Approve { step }));
        }
        self.breaker.shared.with(evenkeel_fakes::farm::Farm::end_troubles);
        self.breaker.spoil_nothing();
        for (place, fault) in open.into_iter().filter(|(_, fault)| healing.mends(fault)) {
            let ends =
                |later: &Later| matches!(later, Later::End { place: it, .. } if *it == place);
            let end = self.later.iter().find(|(_, later)| ends(later)).map(|(key, _)| *key);
            match end {
                // A process that is away comes back in its own time.
                Some(_) if matches!(fault, Fault::Orchestrator(_)) => {}
                Some(key) => {
                    self.later.remove(&key);
                    self.breaker.end(place, &fault);
                }
                None => {
                    if self.breaker.mend(&fault) == Some(Over::Now) {
                        self.breaker.recorder.ended(now_ms, place);
                    }
                }
            }
        }
        self.looks_again_ms = Some(now_ms + ANSWER_MS);
        self.healing = Some(healing);
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
            Message::Away(away_ms) => {
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
                    self.looks_again_ms = None;
                }
            }
            Message::Released => {
                self.held = None;
                self.looks_again_ms = None;
            }
            Message::Sent(nth) => self.breaker.sent(nth),
            Message::Befell(place) => self.breaker.recorder.changed(now_ms, place),
            Message::Heard(peer) => self.breaker.machine.heard_of(peer),
            Message::Stray { process, to } => {
                let name = self.breaker.network.name_at(to).unwrap_or("nobody of the farm");
                self.breaker.recorder.stray(now_ms, process, name);
            }
            Message::Ended(Ok(verdict)) => return Some(told(verdict)),
            Message::Ended(Err(why)) => {
                let Some(place) = self.breaker.machine.gave_up(&why) else {
                    return Some(RunVerdict::Broken { why });
                };
                self.breaker.recorder.note(now_ms, &format!("the orchestrator ended: {why}"));
                self.breaker.recorder.changed(now_ms, place);
            }
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
