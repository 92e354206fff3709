//! When each worker of a server is free: a heap of instants whose first is replaced.

/// A binary heap in an array, the earliest first.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    free_ns: Vec<u64>,
}

impl Workers {
    /// So many, all free; at least one.
    pub(super) fn new(workers: u32) -> Self {
        Self { free_ns: vec![0; workers.max(1) as usize] }
    }

    /// When the first of them is free.
    #[inline]
    pub(super) fn first_free_ns(&self) -> u64 {
        self.free_ns[0]
    }

    /// The first free worker is busy until an instant.
    #[inline]
    pub(super) fn take_first(&mut self, until_ns: u64) {
        let heap = &mut self.free_ns[..];
        let mut hole = 0;
        loop {
            let left = 2 * hole + 1;
            if left + 1 >= heap.len() {
                if left < heap.len() && heap[left] < until_ns {
                    heap[hole] = heap[left];
                    hole = left;
                }
                break;
            }
            let child = left + usize::from(heap[left + 1] < heap[left]);
            if heap[child] >= until_ns {
                break;
            }
            heap[hole] = heap[child];
            hole = child;
        }
        heap[hole] = until_ns;
    }

    /// All of them are free.
    pub(super) fn free_all(&mut self) {
        self.free_ns.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Keyed;

    /// Goal: the first is always the earliest. Method: the same instants in a sorted list.
    #[test]
    fn first_is_always_the_earliest() {
        for count in [1, 2, 3, 8, 13, 64] {
            let mut workers = Workers::new(count);
            let mut sorted = vec![0; count as usize];
            let mut stream = Keyed::new(u64::from(count)).stream("t", "w");
            for _ in 0..1_000 {
                let until_ns = workers.first_free_ns() + stream.below(1_000);
                workers.take_first(until_ns);
                sorted[0] = until_ns;
                sorted.sort_unstable();
                assert_eq!(workers.first_free_ns(), sorted[0]);
            }
        }
    }
}
