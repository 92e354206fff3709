//! The fake balancer behaves as HAProxy does: one script, two arms, the same trace.
//!
//! Every test runs one script against our double and against the real `haproxy` of this machine.
//! The script talks to sockets alone: the runtime API, and HTTP through the proxy to back-ends that
//! the test serves itself. What it saw is its trace; both traces must be equal, and as written here.
//! The numbers in brackets are those of the golden scenarios in the reference on balancers.
//!
//! Not compared: durations, rates, bytes and the counters of connections, which the double leaves
//! at zero or counts by request; the instant at which a check runs.
#[path = "fidelity/arms.rs"]
mod arms;
mod support;

use arms::{Arm, Pool, both, get_on, info};
use evenkeel_fakes::balancer::CheckTiming;

/// Verdicts come soon.
const QUICK: CheckTiming = CheckTiming { interval_ms: 100, fall: 3, rise: 2 };
/// Between two checks a script has time to act.
const SLOW: CheckTiming = CheckTiming { interval_ms: 1_000, fall: 3, rise: 2 };

const CHECKED: Pool = Pool { name: "checked", check: true, cut_when_down: false };
const UNCHECKED: Pool = Pool { name: "unchecked", check: false, cut_when_down: false };
const CUTTING: Pool = Pool { name: "cutting", check: true, cut_when_down: true };

/// Goal (1, 3): a drained member finishes what it has and gets nothing new, also not on a client
/// connection that it served before. Method: hold a request on m1, drain it, send others.
#[test]
fn a_drained_member_finishes_and_gets_nothing_new() {
    let trace = both(&[CHECKED], QUICK, async |arm: &mut Arm| {
        arm.command("set server checked/m2 state drain").await;
        let mut kept_alive = arm.client("checked").await;
        arm.note(get_on(&mut kept_alive, "/").await);
        let held = arm.hold("checked", 0).await;
        arm.command("set server checked/m2 state ready").await;
        arm.command("set server checked/m1 state drain").await;
        arm.becomes("checked", "m1", "DRAIN").await;
        arm.look("checked", "m1").await;
        for _ in 0..3 {
            arm.note(arm.get("checked", "/").await);
        }
        arm.note(get_on(&mut kept_alive, "/").await);
        arm.note(format!("stot {}", arm.stat("checked", "m1").await["stot"]));
        arm.backends[0].release();
        arm.note(held.await.expect("the request was not aborted"));
        arm.reads("checked", "m1", "scur", "0").await;
        arm.note(format!("stot {}", arm.stat("checked", "m1").await["stot"]));
    });
    println!("{trace}");
}
