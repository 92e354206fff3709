//! Runs on several threads, told in their order.
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Does `count` things, `jobs` at a time, and tells each in order. These threads are outside of
/// every simulation: each runs whole runs of its own, and what is told follows the order and not
/// the threads.
pub(crate) fn in_order<T: Send>(
    jobs: NonZeroUsize,
    count: u64,
    run: impl Fn(u64) -> T + Sync,
    mut tell: impl FnMut(T),
) {
    if jobs.get() == 1 {
        (0..count).for_each(|nth| tell(run(nth)));
        return;
    }
    let next = AtomicU64::new(0);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.get() {
            let (send, next, run) = (send.clone(), &next, &run);
            scope.spawn(move || {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= count || send.send((nth, run(nth))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let (mut early, mut nth) = (BTreeMap::new(), 0);
        for (done, told) in receive {
            early.insert(done, told);
            while let Some(told) = early.remove(&nth) {
                tell(told);
                nth += 1;
            }
        }
    });
}
