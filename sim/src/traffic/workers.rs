//! When each worker of a server is free: a list that is looked through only when all are busy.

/// The instants until which workers are busy. Most servers have idle workers at most times, and a
/// request for one of these only has to be noted: who has become free since is struck out when the
/// list is as long as there are workers.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    busy_until_ns: Vec<u64>,
    count: usize,
    /// Who of a full list is free first.
    first: usize,
}

impl Workers {
    /// So many, all free; at least one.
    pub(super) fn new(workers: u32) -> Self {
        let count = workers.max(1) as usize;
        Self { busy_until_ns: Vec::with_capacity(count), count, first: 0 }
    }

    /// When the first of them is free; zero where one is known to be idle.
    #[inline]
    pub(super) fn first_free_ns(&self) -> u64 {
        if self.busy_until_ns.len() < self.count { 0 } else { self.busy_until_ns[self.first] }
    }

    /// The first free worker is busy until an instant, for a request that came at another: no request
    /// comes before an earlier one.
    #[inline]
    pub(super) fn take_first(&mut self, at_ns: u64, until_ns: u64) {
        if self.busy_until_ns.len() < self.count {
            self.busy_until_ns.push(until_ns);
        } else if self.busy_until_ns[self.first] > at_ns {
            self.busy_until_ns[self.first] = until_ns;
        } else {
            self.busy_until_ns.retain(|busy_ns| *busy_ns > at_ns);
            self.busy_until_ns.push(until_ns);
        }
        if self.busy_until_ns.len() == self.count {
            self.find_first();
        }
    }

    fn find_first(&mut self) {
        let busy = self.busy_until_ns.iter().enumerate();
        self.first = busy.min_by_key(|(_, busy_ns)| **busy_ns).map_or(0, |(place, _)| place);
    }

    /// All of them are free.
    pub(super) fn free_all(&mut self) {
        self.busy_until_ns.clear();
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
            let mut sorted = vec![0; count as usize];
            let mut stream = Keyed::new(u64::from(count)).stream("t", "w");
            let (mut at_ns, mut waited) = (0, 0);
            for _ in 0..2_000 {
                let pause_ns = if stream.ratio(1, 50) { 2_000 } else { 0 };
                at_ns += pause_ns + stream.below(1 + 1_000 / u64::from(count));
                let starts_ns = workers.first_free_ns().max(at_ns);
                assert_eq!(starts_ns, sorted[0].max(at_ns));
                waited += u32::from(starts_ns > at_ns);
                let until_ns = starts_ns + stream.below(1_000);
                workers.take_first(at_ns, until_ns);
                sorted[0] = until_ns;
                sorted.sort_unstable();
            }
            assert!((100..1_900).contains(&waited), "{waited} of 2,000 waited for {count}");
        }
    }
}
