//! A drain that does not end: whoever waits is told in the end, and only because of requests.
use super::*;

/// fe-1 is drained and has this many requests in flight at these seconds.
fn drained(bench: &mut Bench, seconds: std::ops::RangeInclusive<u64>, in_flight: u64) {
    for second in seconds {
        bench.node("one", second * 1_000, seat(8, in_flight, 40), seat(0, 3, 100 + second));
    }
}

/// How long a drain is waited for under the policy `wait`, in seconds.
fn patience_s(bench: &Bench) -> u64 {
    let policy = bench.layout.policy();
    (policy.drain_ms_max + policy.switch_ms_max) / 1_000
}

/// Goal: requests that never end are told to a person, and no more once they have. Method: one that is
/// in flight for as long as a drain and a switch may take, and then ends.
#[test]
fn a_drain_whose_requests_never_end_holds_the_run_in_the_end() {
    let mut bench = Bench::new();
    let patience_s = patience_s(&bench);
    drained(&mut bench, 1..=patience_s, 1);
    assert_eq!(bench.settle(), None, "it is waited for");
    drained(&mut bench, patience_s + 1..=patience_s + 2, 1);
    assert_eq!(bench.settle(), Some(HoldReason::DrainOverdue { server: "fe-1".into() }));
    drained(&mut bench, patience_s + 3..=patience_s + 20, 0);
    assert_eq!(bench.settle(), None);
}

/// Goal: a node that could not be read holds nobody's drain against him. Method: silence for an hour,
/// and the first reading after it.
#[test]
fn a_drain_that_nobody_could_read_is_not_overdue() {
    let mut bench = Bench::new();
    let patience_s = patience_s(&bench);
    drained(&mut bench, 1..=3, 1);
    drained(&mut bench, patience_s + 60..=patience_s + 61, 0);
    assert_eq!(bench.settle(), None);
}
