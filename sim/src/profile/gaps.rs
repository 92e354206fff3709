//! Gaps between requests of one sender, remembered in a table that never grows.

/// Places of the table: 2 MB of memory. A farm's balancer seldom has more open connections; with
/// more, some gaps are missed, and none is made up.
const PLACES: usize = 1 << 17;

/// When each of the last senders was last answered.
///
/// A sender has one place, by its hash; whoever comes later takes it over. What is lost then is a
/// gap. Two senders with the same hash of 64 bits would make one up; among a million that happens
/// once in ten million logs.
#[derive(Debug)]
pub(super) struct Gaps(Box<[(u64, i64)]>);

impl Gaps {
    /// Nobody was answered yet.
    pub(super) fn new() -> Self {
        Self(vec![(0, i64::MIN); PLACES].into_boxed_slice())
    }

    /// Takes a request in, and gives the time since the sender's last answer in milliseconds, if
    /// that is known and not negative: a client with several connections overlaps itself.
    #[inline]
    pub(super) fn request(&mut self, sender: u64, start_ms: i64, took_ms: u64) -> Option<u64> {
        // High bits are mixed best by the hash.
        let place = &mut self.0[(sender >> 47) as usize % PLACES];
        let end_ms = start_ms.saturating_add_unsigned(took_ms);
        let (other, last_ms) = std::mem::replace(place, (sender, end_ms));
        if other != sender || last_ms == i64::MIN {
            return None;
        }
        place.1 = end_ms.max(last_ms);
        u64::try_from(start_ms - last_ms).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::entry::sender;

    /// Goal: a gap is from a sender's last answer to its next request. Method: two senders by
    /// turns, one of which overlaps itself.
    #[test]
    fn gaps_are_from_answer_to_request() {
        let (one, other) = (sender(b"10.0.0.1:4711"), sender(b"10.0.0.2:4711"));
        let mut gaps = Gaps::new();
        assert_eq!(gaps.request(one, 1_000, 200), None);
        assert_eq!(gaps.request(other, 1_100, 5_000), None);
        assert_eq!(gaps.request(one, 1_250, 10), Some(50));
        assert_eq!(gaps.request(other, 1_200, 10), None, "it overlaps the one before");
        assert_eq!(gaps.request(other, 6_101, 10), Some(1), "the longer one ended last");
        assert_eq!(gaps.request(one, 1_260, 10), Some(0));
    }

    /// Goal: memory does not grow with senders, and no gap is made up. Method: a million senders
    /// once each, as many as the table has places many times over.
    #[test]
    fn a_million_senders_fit_the_same_table() {
        let mut gaps = Gaps::new();
        for number in 0..1_000_000_i64 {
            let name = format!("10.0.{}.{}:{number}", number % 256, number % 251);
            assert_eq!(gaps.request(sender(name.as_bytes()), number, 1), None);
        }
        assert_eq!(gaps.0.len(), PLACES);
        let used = gaps.0.iter().filter(|(_, last_ms)| *last_ms != i64::MIN).count();
        assert!(used > PLACES * 9 / 10, "the hash spreads senders: {used} places of {PLACES}");
    }
}
