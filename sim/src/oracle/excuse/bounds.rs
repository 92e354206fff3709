//! How long the best orchestrator needs: one that reads and acts exactly as the policy says.
use evenkeel::farm::policy::Policy;
use evenkeel_fakes::truth::Truth;
use serde::Serialize;

use crate::fabric::Latency;

/// How long something takes the best orchestrator when nothing disturbs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// Waiting for checks and polls.
    pub waits_ms: u64,
    /// Exchanges one after the other: a slow link makes each of them longer.
    pub exchanges: u64,
}

/// How long the best orchestrator may need, from policy, truth, links and the size of the farm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// A member died: the health checks notice (one interval more than `fall` of them, since a
    /// check may just have passed), a node is read, another member is admitted in each pool.
    pub death: Bound,
    /// A node was reloaded: it is read, and every member on it is put where it was, one after the
    /// other. What is sick comes up too, until its first check.
    pub reload: Bound,
    /// A server came back by itself: the balancer admits it, its services are read, and it is
    /// taken out of each pool on each node.
    pub back: Bound,
    /// A front-end enabled itself: its flag is read and set, or it is taken out.
    pub flag: Bound,
    /// The same once consoles that were all silent answer again: one that failed is left alone for
    /// a while.
    pub silent: Bound,
    /// A server became whole: threads idle by the rule, tests passed, admitted.
    pub prove: Bound,
    /// The applications of a member broke, all else being well: it is found by its tests, failed
    /// twice, and taken out; or the switch is undone.
    pub sick: Bound,
    /// What kept a server passed: it is read, or tested again.
    pub heal: Bound,
    /// A node is read, and what follows from it done.
    pub react: Bound,
    /// A node is read again, whoever follows is admitted there, is warm and shown to take traffic,
    /// and whoever goes is drained everywhere.
    pub switch: Bound,
    /// A member that was admitted early leaves again: it serves for a minute at least, and until
    /// another has risen.
    pub rescue: Bound,
    /// For how long the best orchestrator believes a console that shows old pages, before it asks
    /// another.
    pub old_pages_ms: u64,
    /// An exchange whose answer is lost: the rest after a failure, and the next reading.
    pub lost_ms: u64,
    /// A started orchestrator has read everything once.
    pub start_ms: u64,
    /// One exchange on undisturbed links.
    pub exchange_ms: u64,
}

/// One-way trips of an exchange on a connection of its own: three for a connection, two for
/// question and answer, one for whatever is under way on the same node.
pub(super) const TRIPS: u64 = 6;
/// Exchanges of an effect: what is in flight before it, the write, the reading back.
const EFFECT: u64 = 3;
/// Exchanges of an effect at a console: a login's two, the list, the page, the button, the list.
const CONSOLE_EFFECT: u64 = 7;
/// Exchanges of a round of tests.
const TESTS: u64 = 40;
/// Between two rounds of tests of a server that failed them.
const RETEST_MS: u64 = 30_000;
/// How long whoever was admitted early stays at least: a member that flaps shall not make another
/// one flap.
pub(super) const RESCUE_MS: u64 = 60_000;
/// How long anybody leaves a console of the new version alone that failed, so that others have
/// their turns.
const NEW_CONSOLE_REST_MS: u64 = 25_000;
/// How long anybody goes on at a console that shows no change, before he asks another.
const SHOWS_NO_CHANGE_MS: u64 = 30_000;
/// How long a new process takes at most to see the clock on a page run: some show minutes. Stated here
/// on purpose: who makes it longer elsewhere is not excused for it.
pub(super) const CLOCK_RUNS_MS: u64 = 70_000;
/// How long anybody rests after an exchange that failed, before he tries again.
pub(super) const REST_MS: u64 = 5_000;

impl Bounds {
    /// The bounds of a farm with so many members on its largest node, in so many pools.
    #[must_use]
    pub fn new(
        policy: &Policy,
        truth: &Truth,
        links: Latency,
        members_max: u64,
        pools: u64,
    ) -> Self {
        let check = |count: u32| u64::from(count + 1) * truth.check_interval_ms;
        let balancer_ms = policy.balancer_poll_ms.max(policy.balancer_poll_draining_ms);
        let console_ms = policy.flags_poll_ms.max(policy.jobs_poll_ms);
        let exchange_ms = TRIPS * (links.base_ms + links.jitter_ms);
        let in_pools = 1 + EFFECT * pools;
        // The longest time between two rounds of tests: out of the soak, every fifth soak test.
        let watch_ms = 5 * policy.soak_test_every_ms + RETEST_MS;
        let window_ms = policy.idle_window_ms;
        let idle_ms = window_ms + (u64::from(policy.idle_reads) + 4) * console_ms;
        let flag = Bound { waits_ms: console_ms, exchanges: 1 + CONSOLE_EFFECT.max(in_pools) };
        // It is asked again in the first round after its rest.
        let turn_ms = NEW_CONSOLE_REST_MS.next_multiple_of(policy.flags_poll_ms.max(1));
        Self {
            death: Bound { waits_ms: check(truth.check_fall) + balancer_ms, exchanges: in_pools },
            reload: Bound {
                waits_ms: balancer_ms + truth.check_interval_ms,
                exchanges: 1 + EFFECT * members_max,
            },
            back: Bound {
                waits_ms: check(truth.check_rise) + console_ms + balancer_ms,
                exchanges: 1 + in_pools,
            },
            flag,
            silent: Bound { waits_ms: console_ms.max(turn_ms), ..flag },
            prove: Bound { waits_ms: idle_ms + balancer_ms, exchanges: 40 + in_pools },
            sick: Bound {
                waits_ms: watch_ms + policy.quiet_window_ms + 3 * balancer_ms,
                exchanges: 2 * TESTS + 3 * in_pools,
            },
            heal: Bound { waits_ms: RETEST_MS + console_ms, exchanges: TESTS },
            react: Bound { waits_ms: balancer_ms, exchanges: in_pools },
            switch: Bound {
                waits_ms: 3 * balancer_ms + check(truth.check_rise) + policy.warm_up_ms,
                exchanges: 2 + 3 * EFFECT * members_max,
            },
            rescue: Bound {
                waits_ms: RESCUE_MS + check(truth.check_rise) + 2 * balancer_ms,
                exchanges: 2 * in_pools,
            },
            old_pages_ms: SHOWS_NO_CHANGE_MS + console_ms,
            lost_ms: REST_MS + console_ms,
            start_ms: console_ms + 20 * exchange_ms,
            exchange_ms,
        }
    }

    /// How long something takes undisturbed.
    #[must_use]
    pub fn of(&self, bound: Bound) -> u64 {
        bound.waits_ms + bound.exchanges * self.exchange_ms
    }
}
