//! The view: raw readings as they came in, with their age and epoch. Nothing here is concluded;
//! `quiet`, `idle` and `fitness` conclude, and `guard` does so again in its own way.
use std::collections::VecDeque;

use crate::farm::{Policy, Version};

use super::layout::{Layout, NodeIx, Seat, SeatIx, ServerIx};
use super::quiet::in_rotation;
use super::readings::{
    Epoch, JobReading, MemberId, MemberReading, NodeReading, PingIds, Reading, ServiceReading,
    ThreadRow,
};

/// How long node samples are kept at least: a person who looks wants to see what led here. Longer
/// where the quiet window or the warm-up is.
const SAMPLES_KEPT_MS_MIN: u64 = 120_000;

/// An older page than this is told by the clock on it, where that was seen to run, which takes a new
/// process as long: one that shows minutes is a minute behind, and servers' clocks differ by seconds.
/// A page that has been old ever since the process began is not told.
pub const OLD_PAGE_MS_MAX: u64 = 70_000;

/// Everything read so far in this process, and the instant it is looked at.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Now, in milliseconds since this process's run began.
    pub now_ms: u64,
    /// By node.
    pub nodes: Vec<NodeView>,
    /// By server.
    pub servers: Vec<ServerView>,
    /// The console refused the login, with its words.
    pub login_refused: Option<String>,
    /// When Service Center could be read again after it could not: no console had answered, or
    /// only with a refused login or an unknown word. Deployment has its whole time from then on.
    pub consoles_back_ms: u64,
}

/// One node.
#[derive(Clone, Debug, Default)]
pub struct NodeView {
    /// Its samples, oldest first.
    pub samples: VecDeque<Sample>,
    /// When the exchanges that fail since began to.
    pub failing_since_ms: Option<u64>,
    /// Changes there that have been answered and have had no effect, up to now.
    pub in_vain: Option<InVain>,
    /// When it was last asked.
    pub asked_ms: Option<u64>,
    /// When requests of ours last went through it.
    pub nudged_ms: Option<u64>,
    /// An exchange with it is under way.
    pub asking: bool,
    /// An action on it is under way.
    pub acting: bool,
    /// When a change of its members ended of which nobody knows whether it was made: what was read
    /// before says nothing any more.
    pub doubted_ms: u64,
    /// What our last confirmed change left at each seat, in which epoch.
    pub asserted: Vec<Option<(Epoch, bool)>>,
    /// Arrivals and errors at each seat when it was first read ready in this epoch, or since its
    /// counters were cleared, or when the switch began.
    pub first_ready: Vec<Option<(u64, u64)>>,
    /// Since when each seat has been read drained without a break, over epochs.
    pub drained_since_ms: Vec<Option<u64>>,
    /// Seats that are set ready and that their checks keep out, or did until lately, over epochs.
    pub kept_out: Vec<Option<KeptOut>>,
}

/// A seat's checks have kept it out since an instant, off and on: whoever is overloaded comes and goes.
#[derive(Clone, Copy, Debug)]
pub struct KeptOut {
    /// Since when.
    pub since_ms: u64,
    /// When it was last read so.
    last_ms: u64,
}

/// One reading of a node, by seat.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When the exchange began.
    pub at_ms: u64,
    /// The process's life.
    pub epoch: Epoch,
    /// How long that life had lasted.
    pub lived_ms: u64,
    /// The node's seats in the layout's order; `None` where the node does not list the member.
    pub seats: Vec<Option<MemberReading>>,
}

/// The longest pause between two tries of a change that belong together: a rest of seconds, and a
/// minute for the longest exchange. After a longer one somebody was silent, which is another matter.
const PAUSE_MS_MAX: u64 = 90_000;

/// Tries of a change, one after another, none of which has had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InVain {
    /// When the first of them was answered.
    pub since_ms: u64,
    /// When the last was.
    pub last_ms: u64,
}

impl InVain {
    /// One more try, which goes on from those before it unless there was a pause.
    #[must_use]
    pub fn again(before: Option<Self>, now_ms: u64) -> Self {
        let recent = before.filter(|it| now_ms <= it.last_ms + PAUSE_MS_MAX);
        Self { since_ms: recent.map_or(now_ms, |it| it.since_ms), last_ms: now_ms }
    }

    /// They have gone on for longer than this, and still do.
    #[must_use]
    pub fn lasts(self, now_ms: u64, longer_than_ms: u64) -> bool {
        self.since_ms + longer_than_ms < now_ms && now_ms <= self.last_ms + PAUSE_MS_MAX
    }
}

/// One server.
#[derive(Clone, Debug, Default)]
pub struct ServerView {
    /// Installed version.
    pub version: Option<Reading<Version>>,
    /// Deployment Service.
    pub service: Option<Reading<ServiceReading>>,
    /// Enabled flag.
    pub flag: Option<Reading<bool>>,
    /// Since when it has been read enabled without a break, by when the first such reading began.
    pub enabled_since_ms: Option<u64>,
    /// Changes of it that have been answered and have had no effect, up to now.
    pub flag_in_vain: Option<InVain>,
    /// Deployment threads, oldest first.
    pub threads: VecDeque<Reading<Vec<ThreadRow>>>,
    /// Ping ids, oldest first.
    pub pings: VecDeque<Reading<PingIds>>,
    /// The job last asked about.
    pub job: Option<(String, Reading<JobReading>)>,
    /// When its host commands began to fail without a success since.
    pub host_failing_since_ms: Option<u64>,
    /// When they last succeeded again after they had failed: what must be read within a time has
    /// that time from then on.
    pub host_back_ms: u64,
    /// The same where they had failed for so long that nothing was known of it: one lost answer
    /// prolongs nothing.
    pub host_returned_ms: u64,
    /// When they last began to fail.
    pub host_silent_ms: u64,
    /// When one of them last failed.
    pub host_last_failed_ms: u64,
    /// By question, a word that the farm file does not know, until an answer without one.
    pub unknown_words: [Option<Reading<String>>; 6],
    /// When its console began to fail without a success since.
    pub console_failing_since_ms: Option<u64>,
    /// When its console last failed.
    pub console_failed_ms: Option<u64>,
    /// Changes of flags that its console has answered and then not shown, up to now.
    pub console_in_vain: Option<InVain>,
    /// When each kind of question was last asked.
    pub asked_ms: [Option<u64>; Question::COUNT],
    /// Which kinds of question are under way.
    pub asking: [bool; Question::COUNT],
    /// An action on it is under way.
    pub acting: bool,
    /// When an action on it ended of which nobody knows whether it was carried out: what was read of
    /// its flag and its job before says nothing any more.
    pub doubted_ms: u64,
}

/// What a server can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// The Deployment Service.
    Service,
    /// The installed version.
    Version,
    /// A job.
    Job,
    /// Every server's flag, at this server's console.
    Flags,
    /// Its deployment threads, at some console.
    Threads,
    /// Its ping ids.
    Pings,
}

impl Question {
    /// How many kinds there are.
    pub const COUNT: usize = 6;
}

impl View {
    /// A view of nothing.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let node = |entry: &super::layout::NodeEntry| NodeView {
            asserted: vec![None; entry.seat_count],
            first_ready: vec![None; entry.seat_count],
            drained_since_ms: vec![None; entry.seat_count],
            kept_out: vec![None; entry.seat_count],
            ..NodeView::default()
        };
        Self {
            nodes: layout.nodes.iter().map(node).collect(),
            servers: layout.servers.iter().map(|_| ServerView::default()).collect(),
            ..Self::default()
        }
    }

    /// Takes in a node's reading. Returns whether another epoch has begun, or the first one read
    /// is so young that an earlier process may still have requests in flight.
    pub fn see_node(&mut self, layout: &Layout, ix: NodeIx, at_ms: u64, read: NodeReading) -> bool {
        let entry = &layout.nodes[ix];
        let seats = &layout.seats[entry.first_seat..entry.first_seat + entry.seat_count];
        let NodeReading { epoch, lived_ms, members } = read;
        let sample = Sample { at_ms, epoch, lived_ms, seats: seated(seats, members) };
        let node = &mut self.nodes[ix];
        node.failing_since_ms = None;
        let newer = node.samples.back().is_none_or(|last| last.at_ms <= at_ms);
        if !newer {
            return false; // an answer overtaken by a later question's says nothing new
        }
        let young = node.samples.is_empty() && sample.lived_ms < layout.policy().drain_ms_max;
        let another = node.samples.back().is_some_and(|last| last.epoch != sample.epoch);
        if another {
            node.samples.clear();
            node.first_ready.fill(None);
        }
        for (first, seat) in node.first_ready.iter_mut().zip(&sample.seats) {
            match seat {
                Some(seat) if seat.admin.ready() => {
                    let (arrivals, _) = first.get_or_insert((seat.arrivals, seat.errors));
                    if *arrivals > seat.arrivals {
                        // Somebody has cleared the counters: they count from zero again.
                        *first = Some((0, 0));
                    }
                }
                _ => *first = None,
            }
        }
        for (since, seat) in node.drained_since_ms.iter_mut().zip(&sample.seats) {
            match seat {
                Some(seat) if !seat.admin.ready() => {
                    since.get_or_insert(at_ms);
                }
                _ => *since = None,
            }
        }
        let policy = layout.policy();
        for (kept_out, seat) in node.kept_out.iter_mut().zip(&sample.seats) {
            match seat.as_ref().filter(|seat| seat.admin.ready()) {
                Some(seat) if !in_rotation(seat) => {
                    let since_ms = kept_out.map_or(at_ms, |it| it.since_ms);
                    *kept_out = Some(KeptOut { since_ms, last_ms: at_ms });
                }
                Some(_) if kept_out.is_some_and(|it| it.last_ms + policy.warm_up_ms > at_ms) => {}
                _ => *kept_out = None,
            }
        }
        let kept_ms = SAMPLES_KEPT_MS_MIN.max(policy.quiet_window_ms).max(policy.warm_up_ms);
        while node.samples.get(1).is_some_and(|second| second.at_ms + kept_ms <= at_ms) {
            node.samples.pop_front();
        }
        node.samples.push_back(sample);
        another || young
    }

    /// What the newest fresh sample says of a seat: unknown when too old.
    #[must_use]
    pub fn seat(&self, layout: &Layout, seat: SeatIx) -> Option<&MemberReading> {
        let place = &layout.seats[seat];
        let sample = self.fresh_sample(layout, place.node)?;
        sample.seats[seat - layout.nodes[place.node].first_seat].as_ref()
    }

    /// A node's newest sample, unless it is too old, or older than a change whose fate is unknown.
    #[must_use]
    pub fn fresh_sample(&self, layout: &Layout, node: NodeIx) -> Option<&Sample> {
        let policy = layout.policy();
        let age_max = policy.stale_ms(policy.balancer_poll_ms);
        let oldest_ms = self.now_ms.saturating_sub(age_max).max(self.nodes[node].doubted_ms);
        self.nodes[node].samples.back().filter(|sample| sample.at_ms >= oldest_ms)
    }

    /// A reading, unless it is older than policy lets a reading polled at `interval_ms` be.
    #[must_use]
    pub fn fresh<'a, T>(
        &self,
        layout: &Layout,
        reading: Option<&'a Reading<T>>,
        interval_ms: u64,
    ) -> Option<&'a T> {
        let age_max = layout.policy().stale_ms(interval_ms);
        reading.filter(|reading| reading.at_ms + age_max >= self.now_ms).map(|read| &read.value)
    }

    /// A server's Deployment Service, unless read too long ago.
    #[must_use]
    pub fn service(&self, layout: &Layout, server: ServerIx) -> Option<&ServiceReading> {
        let interval = layout.policy().jobs_poll_ms;
        self.fresh(layout, self.servers[server].service.as_ref(), interval)
    }

    /// A word that the farm file does not know, as Service Center shows it. What a page showed that
    /// has not been read for long says nothing of now.
    #[must_use]
    pub fn unknown_word(&self, layout: &Layout) -> Option<&String> {
        let interval = layout.policy().jobs_poll_ms.max(layout.policy().flags_poll_ms);
        let mut words = self.servers.iter().flat_map(|server| &server.unknown_words);
        words.find_map(|word| self.fresh(layout, word.as_ref(), interval))
    }

    /// A server's flag, unless read too long ago.
    #[must_use]
    pub fn flag(&self, layout: &Layout, server: ServerIx) -> Option<bool> {
        let interval = layout.policy().flags_poll_ms;
        self.fresh(layout, self.servers[server].flag.as_ref(), interval).copied()
    }
}

impl ServerView {
    /// Forgets what a job, a reboot or a restart makes untrue.
    pub fn forget_software(&mut self) {
        self.version = None;
        self.service = None;
        self.threads.clear();
        self.pings.clear();
    }

    /// Its host answers again; a reading would be stale after so long.
    pub fn host_is_back(&mut self, now_ms: u64, stale_ms: u64) {
        self.host_back_ms = now_ms;
        if self.host_last_failed_ms >= self.host_silent_ms + stale_ms {
            self.host_returned_ms = now_ms;
        }
    }

    /// Takes in the Enabled flag. Readings too far apart may hide a time in which it was disabled.
    pub fn see_flag(&mut self, policy: &Policy, at_ms: u64, enabled: bool) {
        if self.flag.as_ref().is_some_and(|last| last.at_ms > at_ms) {
            return;
        }
        let apart_ms = policy.stale_ms(policy.flags_poll_ms);
        let goes_on = self.flag.as_ref().is_some_and(|last| last.at_ms + apart_ms >= at_ms);
        let since_ms = self.enabled_since_ms.filter(|_| goes_on).unwrap_or(at_ms);
        self.enabled_since_ms = enabled.then_some(since_ms);
        self.flag = Some(Reading { value: enabled, at_ms });
    }

    /// Of a change of its flag nobody knows whether it was made.
    pub fn forget_flag(&mut self) {
        (self.flag, self.enabled_since_ms) = (None, None);
    }

    /// Takes in deployment threads.
    pub fn see_threads(&mut self, policy: &Policy, at_ms: u64, rows: Vec<ThreadRow>) {
        push(&mut self.threads, policy, Reading { value: rows, at_ms });
    }

    /// Takes in ping ids.
    pub fn see_pings(&mut self, policy: &Policy, at_ms: u64, ids: PingIds) {
        push(&mut self.pings, policy, Reading { value: ids, at_ms });
    }
}

/// Members by seat. An adapter was given them in the layout's order, and tells them in it.
fn seated(seats: &[Seat], members: Vec<(MemberId, MemberReading)>) -> Vec<Option<MemberReading>> {
    let mut by_seat = vec![None; seats.len()];
    let mut next = 0;
    for (id, read) in members {
        let is_it = |seat: &Seat| seat.member == id;
        let here = seats.get(next).is_some_and(is_it).then_some(next);
        if let Some(place) = here.or_else(|| seats.iter().position(is_it)) {
            by_seat[place] = Some(read);
            next = place + 1;
        }
    }
    by_seat
}

/// Keeps as many readings, and as far back, as policy wants to see idle.
fn push<T>(readings: &mut VecDeque<Reading<T>>, policy: &Policy, reading: Reading<T>) {
    if readings.back().is_some_and(|last| last.at_ms > reading.at_ms) {
        return;
    }
    // Threads and pings are not read at the same instant: the older may be this much older.
    let apart_ms = policy.stale_ms(policy.jobs_poll_ms);
    let from_ms = reading.at_ms.saturating_sub(policy.idle_window_ms + apart_ms);
    let needed = policy.idle_reads as usize;
    readings.push_back(reading);
    while readings.len() > needed && readings[1].at_ms <= from_ms {
        readings.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: tries in vain are a reason to call somebody only while they go on. Method: a try every
    /// three seconds for so long; the same with a silence in between; and a silence at the end.
    #[test]
    fn tries_in_vain_last_as_long_as_they_go_on() {
        let tries = |from_ms, to_ms, before| {
            let every = (from_ms..=to_ms).step_by(3_000);
            every.fold(before, |before, now_ms| Some(InVain::again(before, now_ms)))
        };
        let lasts = |it: Option<InVain>, now_ms| it.is_some_and(|it| it.lasts(now_ms, 900_000));
        let all_along = tries(0, 903_000, None);
        assert!(lasts(all_along, 903_000) && !lasts(tries(0, 897_000, None), 897_000));
        let silent_since = tries(0, 3_000, None);
        assert!(!lasts(silent_since, 900_100), "nobody has answered since");
        assert!(!lasts(tries(600_000, 910_000, silent_since), 910_000), "it began again");
    }
}
