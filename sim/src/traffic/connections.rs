//! TCP mode: which member a user's connection leads to.
//!
//! Users are not modelled one by one. A request tells how long before it the last one of its user
//! was; its connection is the one that was used nearest before that instant, if it is still kept.
use std::collections::VecDeque;

/// Connections of a lane, by when they were last used.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    keep_ns: u64,
    /// When, and to which of the lane's members: ascending.
    used: VecDeque<(u64, u16)>,
}

impl Connections {
    pub(super) fn new(keep_ns: u64) -> Self {
        Self { keep_ns, used: VecDeque::new() }
    }

    /// The member that the connection of a request leads to; `None` when it must open one.
    pub(super) fn of(&self, at_ns: u64, gap_ns: u64) -> Option<usize> {
        let last_ns = at_ns.checked_sub(gap_ns).filter(|_| gap_ns <= self.keep_ns)?;
        let before = self.used.partition_point(|(at_ns, _)| *at_ns <= last_ns);
        let (_, member) = self.used.get(before.checked_sub(1)?)?;
        Some(usize::from(*member))
    }

    /// A connection is used.
    pub(super) fn uses(&mut self, at_ns: u64, member: usize) {
        while self.used.front().is_some_and(|(used_ns, _)| used_ns + self.keep_ns < at_ns) {
            self.used.pop_front();
        }
        self.used.push_back((at_ns, member as u16));
    }

    /// A member's connections break off.
    pub(super) fn close(&mut self, member: usize) {
        self.used.retain(|(_, it)| usize::from(*it) != member);
    }
}
