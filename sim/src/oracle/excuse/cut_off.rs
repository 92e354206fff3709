//! Who is cut off from the orchestrator, from when and until when: ground truth about the network.
use crate::nemesis::fault::Upset;

use super::bounds::REST_MS;
use super::{Bound, Excuse, Faults};

/// A host that has been cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spell {
    from_ms: u64,
    until_ms: u64,
}

impl Faults {
    /// The last spell in which a host was cut off. Several that follow each other so closely that
    /// nothing need have been read between them are one.
    fn spell(&self, host: &str) -> Option<Spell> {
        let mut last: Option<Spell> = None;
        for incident in &self.incidents {
            let Some(for_ms) = incident.fault.cuts_off_ms(host) else { continue };
            // Its own end, or an earlier one: the farm was healed.
            let mut from_ms = incident.from_ms;
            let mut until_ms = incident.until_ms.unwrap_or(u64::MAX).min(from_ms + for_ms);
            if let Some(before) = last.filter(|it| from_ms <= it.until_ms + self.bounds.lost_ms) {
                (from_ms, until_ms) = (before.from_ms, until_ms.max(before.until_ms));
            }
            last = Some(Spell { from_ms, until_ms });
        }
        last
    }

    /// A host is cut off now.
    #[must_use]
    pub fn is_cut_off(&self, host: &str, now_ms: u64) -> bool {
        self.spell(host).is_some_and(|spell| now_ms < spell.until_ms)
    }

    /// A host is cut off now, and was all the time for so long. An answer that was under way
    /// when the cut came is lost too, so that it may seem a little longer.
    #[must_use]
    pub fn is_cut_off_for(&self, host: &str, for_ms: u64, now_ms: u64) -> bool {
        let longest_ms = for_ms.saturating_sub(self.bounds.lost_ms);
        self.spell(host)
            .is_some_and(|spell| now_ms < spell.until_ms && spell.from_ms + longest_ms <= now_ms)
    }

    /// When every node could show that a server is out which is ready since an instant: not while
    /// one is down that died before the server was ensured, or could have been. Until then nobody
    /// may start a Deployment Service there: the node may come back and send it users.
    #[must_use]
    pub fn shown_out_ms(&self, ready_ms: u64, ensured_ms: Option<u64>) -> u64 {
        let downs = self.incidents.iter().filter(|it| {
            it.fault.upsets().is_some_and(|(_, when)| when == Upset::Meanwhile)
                && ensured_ms.is_none_or(|ensured_ms| it.from_ms <= ensured_ms)
        });
        let mut shown_ms = ready_ms;
        for it in downs {
            if it.from_ms <= self.end(shown_ms, self.bounds.flag) {
                // Whoever asked it in vain rests before he asks again.
                let read_ms = it.until_ms.map_or(u64::MAX, |ms| ms.saturating_add(REST_MS));
                shown_ms = shown_ms.max(read_ms);
            }
        }
        shown_ms
    }

    /// When the best orchestrator has done, since an instant, what takes `bound` and what a console
    /// tells it that it may: not while none tells anything. What they told until that very instant it
    /// has read, so that those that fall silent only then hide nothing.
    #[must_use]
    pub fn told_end(&self, from_ms: u64, bound: Bound) -> u64 {
        let mut told_ms = from_ms;
        // Each prolongs what those before it left.
        for &(mute_ms, until_ms) in &self.mute {
            if mute_ms < told_ms && from_ms < until_ms {
                told_ms = told_ms.max(self.end(until_ms, self.bounds.silent));
            }
        }
        told_ms.max(self.end(from_ms, bound))
    }

    /// The excuse of who was cut off for so long by now and has yet to be read again.
    #[must_use]
    pub fn cut_off_excuse(&self, host: &str, for_ms: u64, now_ms: u64) -> Option<Excuse> {
        let Spell { from_ms, until_ms } = self.spell(host)?;
        let was_long = until_ms.min(now_ms) - from_ms + self.bounds.lost_ms >= for_ms;
        let end_ms = self.end(until_ms, self.bounds.react) + self.bounds.lost_ms;
        was_long.then(|| Excuse::until("partition", host, end_ms))
    }
}
