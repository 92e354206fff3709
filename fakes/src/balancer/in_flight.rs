//! Requests that the proxy carries: counted from their arrival to their end, and cut by command.
use tokio::sync::oneshot;

use super::Balancer;
use super::member::MemberIndex;

/// A request on its way to a member.
#[derive(Debug)]
pub struct Ticket {
    /// The member it was given to.
    pub member: MemberIndex,
    id: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The member answered, with this status.
    Answer(u16),
    /// No connection could be opened, after all retries.
    NoConnection,
    /// The connection broke, or the answer did not come in time.
    NoAnswer,
    /// The client gave up.
    ClientLeft,
}

impl Balancer {
    /// A request arrives: a member is picked and counted, or nobody is eligible. The receiver
    /// gets a word when the request is to be cut; it is closed without one when this process has
    /// been succeeded by another, which cannot cut it any more.
    pub fn begin(&mut self, pool: &str, now_ms: u64) -> Option<(Ticket, oneshot::Receiver<()>)> {
        self.advance(now_ms);
        let Some(member) = self.pick(pool) else {
            if let Some(pool) = self.pool_index(pool) {
                self.pools[pool].unserved += 1;
            }
            return None;
        };
        self.tickets += 1;
        let id = self.tickets;
        let (cut, cutting) = oneshot::channel();
        let chosen = &mut self.members[member.0];
        chosen.in_flight.insert(id, cut);
        chosen.counters.arrivals += 1;
        chosen.counters.in_flight += 1;
        chosen.counters.last_arrival_ms = Some(now_ms);
        Some((Ticket { member, id }, cutting))
    }

    /// The connection was refused and is tried again.
    pub fn retry(&mut self, ticket: &Ticket) {
        let member = &mut self.members[ticket.member.0];
        if member.in_flight.contains_key(&ticket.id) {
            member.counters.retries += 1;
        }
    }

    /// A request ends. One that was cut, or that began in an earlier process, counts no more.
    pub fn finish(&mut self, ticket: &Ticket, outcome: Outcome) {
        let member = &mut self.members[ticket.member.0];
        if member.in_flight.remove(&ticket.id).is_none() {
            return;
        }
        let counters = &mut member.counters;
        counters.in_flight = counters.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Answer(500..) => counters.errors += 1,
            Outcome::Answer(400..) => counters.answers_4xx += 1,
            Outcome::Answer(300..) => counters.answers_3xx += 1,
            Outcome::Answer(_) => {}
            Outcome::NoConnection => counters.failed_connections += 1,
            Outcome::NoAnswer => counters.failed_responses += 1,
            Outcome::ClientLeft => counters.client_aborts += 1,
        }
    }
}
