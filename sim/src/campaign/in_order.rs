//! Runs on several threads, told in their order.
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Does `count` things, `jobs` at a time, and tells each in order until whoever is told breaks off:
/// what is under way then is done and not told. These threads are outside of
/// every simulation: each runs whole runs of its own, and what is told follows the order and not
/// the threads.
pub(crate) fn in_order<T: Send>(
    jobs: NonZeroUsize,
    count: u64,
    run: impl Fn(u64) -> T + Sync,
    mut tell: impl FnMut(T) -> ControlFlow<()>,
) {
    if jobs.get() == 1 {
        _ = (0..count).try_for_each(|nth| tell(run(nth)));
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
                if tell(told).is_break() {
                    return; // nobody receives: the threads end
                }
                nth += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is told is in order, and nothing is after a break; one thread begins nothing more
    /// either. Method: a thousand things by one thread and by three, broken off at the fifth.
    #[test]
    fn a_break_ends_it_in_order() {
        for jobs in [1, 3] {
            let jobs = NonZeroUsize::new(jobs).expect("a few");
            let (begun, mut told) = (AtomicU64::new(0), Vec::new());
            let run = |nth: u64| {
                begun.fetch_add(1, Ordering::Relaxed);
                nth
            };
            in_order(jobs, 1_000, run, |nth| {
                told.push(nth);
                if nth == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!(told, [0, 1, 2, 3, 4]);
            in_order(
                jobs,
                9,
                |nth| nth,
                |nth| {
                    told.push(nth);
                    ControlFlow::Continue(())
                },
            );
            assert_eq!(told[5..], [0, 1, 2, 3, 4, 5, 6, 7, 8]);
            if jobs.get() == 1 {
                assert_eq!(begun.into_inner(), 5);
            }
        }
    }
}
