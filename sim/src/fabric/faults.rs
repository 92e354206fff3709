//! Faults: power cut, partition, lost connections; and senders that give up.
use std::rc::Rc;

use tokio::task::LocalSet;

use super::HostId;
use super::connection::Voice;
use super::engine::{Engine, Event, Power};
use super::link::Held;
use super::packet::{End, Packet};

/// How long a sender waits for an acknowledgement before its own kernel breaks the connection:
/// about what Linux's default of 15 retransmissions comes to.
const GIVE_UP_MS: u64 = 15 * 60 * 1_000;

/// How long a connection that its owner closed waits for the other's end: Linux's
/// `tcp_fin_timeout`.
const ORPHAN_MS: u64 = 60 * 1_000;

impl Engine {
    /// Cuts a host's power: from now on nothing leaves it and what is sent to it is held, also what
    /// is under way. Its tasks are dropped by [`Engine::bury`] as soon as no task is being polled.
    ///
    /// What it sent before is on the wire and arrives.
    pub(super) fn cut_power(&mut self, host: HostId) {
        self.drain();
        self.host_mut(host).power = Power::Off;
        self.host_mut(host).frozen = false;
        for other in self.others(host) {
            // What it would have sent again dies with it.
            self.link(host, other).held.clear();
            self.pull_back(other, host);
            for held in std::mem::take(&mut self.link(other, host).held) {
                self.hold(other, host, held);
            }
        }
    }

    /// Stops a host where it stands: its tasks are not polled, what is sent to it is held, also what
    /// is under way, and so is what it had yet to send. What has left it arrives.
    pub(super) fn freeze(&mut self, host: HostId) {
        self.drain();
        self.host_mut(host).frozen = true;
        for other in self.others(host) {
            self.pull_back(other, host);
        }
    }

    /// Lets a host go on that was stopped.
    pub(super) fn thaw(&mut self, host: HostId) {
        if !std::mem::replace(&mut self.host_mut(host).frozen, false) {
            return;
        }
        self.host(host).waker.mark();
        for other in self.others(host) {
            self.release(other, host);
            self.release(host, other);
        }
    }

    /// A host that is going down cannot be used before its tasks are gone.
    pub(super) fn assert_settled(&self, host: HostId) {
        let crashing = self.crashes.iter().any(|(crashing, _)| *crashing == host);
        assert!(!crashing, "{} is still going down", self.host(host).name);
    }

    /// Forgets a dead host's sockets and returns its tasks, for the caller to drop outside of the
    /// engine: their destructors use it.
    pub(super) fn bury(&mut self, host: HostId) -> Rc<LocalSet> {
        self.sockets.purge(host);
        // Connections that their owners dropped wait for an end that never comes.
        for (local, peer) in self.sockets.orphans_of(host) {
            self.schedule(self.now_ms + ORPHAN_MS, Event::Orphan(local, peer));
        }
        let fresh = Rc::new(LocalSet::new());
        std::mem::replace(&mut self.host_mut(host).tasks, fresh)
    }

    /// Lets a host's packets pass again. What was held for a dead host now meets a kernel that does
    /// not know it and is answered by resets; connections begun meanwhile complete.
    pub(super) fn power_on(&mut self, host: HostId) {
        self.host_mut(host).power = Power::On;
        for other in self.others(host) {
            self.release(other, host);
            self.release(host, other);
        }
    }

    /// Cuts one way between two hosts, or ends the cut. Packets are held, not dropped, also those
    /// under way.
    pub(super) fn set_cut(&mut self, from: HostId, to: HostId, cut: bool) {
        assert!(from != to, "a host cannot be parted from itself");
        if std::mem::replace(&mut self.link(from, to).cut, cut) == cut {
            return;
        }
        if cut {
            // What was sent before is under way, and is cut off too.
            self.drain();
            self.pull_back(from, to);
        } else {
            self.release(from, to);
        }
    }

    pub(super) fn others(&self, host: HostId) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len()).map(HostId).filter(move |other| *other != host)
    }

    fn pull_back(&mut self, from: HostId, to: HostId) {
        let now_ms = self.now_ms;
        for packet in self.recall(from, to) {
            self.hold(from, to, Held { packet, since_ms: now_ms });
        }
        self.link(from, to).restart_order(now_ms);
    }

    /// Keeps a packet until it can pass: for a dead host only what its sender would send again.
    pub(super) fn hold(&mut self, from: HostId, to: HostId, held: Held) {
        if self.host(to).power != Power::On && !held.packet.is_sent_again() {
            return;
        }
        let since_ms = held.since_ms;
        let link = self.link(from, to);
        link.held.push_back(held);
        if !std::mem::replace(&mut link.watched, true) {
            self.schedule(since_ms + GIVE_UP_MS, Event::GiveUp(from, to));
        }
    }

    fn release(&mut self, from: HostId, to: HostId) {
        if self.is_passable(from, to) {
            for held in std::mem::take(&mut self.link(from, to).held) {
                self.route(held.packet);
            }
        }
    }

    /// What was held too long is dropped, and its sender's kernel breaks the connection, as it
    /// would after its last retransmission. A SYN is dropped in silence: who dials sets a deadline.
    pub(super) fn give_up(&mut self, from: HostId, to: HostId) {
        let now_ms = self.now_ms;
        while let Some(held) = self.link(from, to).held.pop_front() {
            if held.since_ms + GIVE_UP_MS > now_ms {
                let again_ms = held.since_ms + GIVE_UP_MS;
                self.link(from, to).held.push_front(held);
                self.schedule(again_ms, Event::GiveUp(from, to));
                return;
            }
            let Packet { from: end, to: peer, .. } = held.packet;
            if held.packet.is_dial() {
                continue;
            }
            if held.packet.is_sent_again() {
                self.sockets.give_up(end, peer);
                // What it said after that is not said again either.
                let is_other = |it: &Held| (it.packet.from, it.packet.to) != (end, peer);
                self.link(from, to).held.retain(is_other);
            } else {
                self.sockets.give_up_waiting(peer, end);
            }
        }
        self.link(from, to).watched = false;
    }

    /// Breaks a connection: each end gets a reset, after what was sent to it before, and nothing
    /// else passes.
    pub(super) fn sever(&mut self, one: End, other: End) {
        for (end, peer) in [(one, other), (other, one)] {
            if let Some(connection) = self.sockets.find(end, peer) {
                connection.voice = Voice::Severed;
            }
            self.route(Packet::reset(end, peer));
        }
    }
}
