//! When each worker of a server is free: a list that is looked through only when all are busy.

/// The instants until which workers are busy. Most servers have idle workers at most times, and a
/// request for one of these only has to be noted: who has become free since is struck out when the
/// list is as long as there are workers.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    busy_until_ns: Vec<u64>,
    count: usize,
    /// Who of a full list is free first, once somebody had to know.
    first: Option<usize>,
}

impl Workers {
    /// So many, all free; at least one.
    pub(super) fn new(workers: u32) -> Self {
        let count = workers.max(1) as usize;
        Self { busy_until_ns: Vec::with_capacity(count), count, first: None }
    }

    /// When the first of them is free, for a request that comes at an instant, none before an earlier
    /// one; zero where one is idle.
    #[inline]
    pub(super) fn first_free_ns(&mut self, at_ns: u64) -> u64 {
        if self.busy_until_ns.len() < self.count { 0 } else { self.first_of_full(at_ns) }
    }

    fn first_of_full(&mut self, at_ns: u64) -> u64 {
        if self.first.is_none_or(|first| self.busy_until_ns[first] <= at_ns) {
            self.first = None;
            self.strike_out_free(at_ns);
            if self.busy_until_ns.len() < self.count {
                return 0;
            }
        }
        let first = self.first.unwrap_or_else(|| self.find_first());
        self.first = Some(first);
        self.busy_until_ns[first]
    }

    /// As `retain` would, without a branch: who is free is as good as random, and a guess that is
    /// wrong every other time costs more than a copy.
    fn strike_out_free(&mut self, at_ns: u64) {
        let mut busy = 0;
        for place in 0..self.busy_until_ns.len() {
            let busy_ns = self.busy_until_ns[place];
            self.busy_until_ns[busy] = busy_ns;
            busy += usize::from(busy_ns > at_ns);
        }
        self.busy_until_ns.truncate(busy);
    }

    /// The first free worker, as last told, is busy until an instant.
    #[inline]
    pub(super) fn take_first(&mut self, until_ns: u64) {
        match self.first {
            None => self.busy_until_ns.push(until_ns),
            Some(first) => {
                self.busy_until_ns[first] = until_ns;
                self.first = Some(self.find_first());
            }
        }
    }

    fn find_first(&self) -> usize {
        let busy = self.busy_until_ns.iter().enumerate();
        busy.min_by_key(|(_, busy_ns)| **busy_ns).map_or(0, |(place, _)| place)
    }

    /// How long it takes from an instant until the first of them is free.
    pub(super) fn wait_ns(&self, now_ns: u64) -> u64 {
        if self.busy_until_ns.len() < self.count {
            return 0;
        }
        let first_ns = self.busy_until_ns.iter().min().expect("there is at least one worker");
        first_ns.saturating_sub(now_ns)
    }

    /// All of them are free.
    pub(super) fn free_all(&mut self) {
        self.busy_until_ns.clear();
        self.first = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Keyed;

    /// Goal: the first is always the earliest, whoever is idle. Method: requests that come by chance,
    /// sometimes after a pause in which all workers become idle; the same instants in a sorted list.
    #[test]
    fn first_is_always_the_earliest() {
        for count in [1, 2, 3, 8, 13, 64] {
            let mut workers = Workers::new(count);
            let mut sorted = vec![0_u64; count as usize];
            let mut stream = Keyed::new(u64::from(count)).stream("t", "w");
            let (mut at_ns, mut waited) = (0, 0);
            for _ in 0..2_000 {
                let pause_ns = if stream.ratio(1, 50) { 2_000 } else { 0 };
                at_ns += pause_ns + stream.below(1 + 1_000 / u64::from(count));
                assert_eq!(workers.wait_ns(at_ns), sorted[0].saturating_sub(at_ns));
                let starts_ns = workers.first_free_ns(at_ns).max(at_ns);
                assert_eq!(starts_ns, sorted[0].max(at_ns));
                waited += u32::from(starts_ns > at_ns);
                let until_ns = starts_ns + stream.below(1_000);
                workers.take_first(until_ns);
                sorted[0] = until_ns;
                sorted.sort_unstable();
            }
            assert!((100..1_900).contains(&waited), "{waited} of 2,000 waited for {count}");
        }
    }
}
