//! tokio's own dice are thrown by the seed: what slipped past clippy's bans still repeats.
#![cfg(tokio_unstable)]

use std::cell::RefCell;
use std::rc::Rc;

use evenkeel_sim::fabric::{Setup, run};

use crate::support::{HOUR_MS, Pair, sleep_ms};

/// The order in which `watch` wakes forty receivers; it rolls dice over eight lists of them.
#[allow(clippy::disallowed_methods, reason = "the banned dice are what is tested")]
fn order_of_waking(seed: u64) -> Vec<u32> {
    let finished = run(Setup::new(seed, HOUR_MS), |fabric| async move {
        let pair = Pair::new(fabric);
        let (sender, receiver) = tokio::sync::watch::channel(());
        let order = Rc::new(RefCell::new(Vec::new()));
        for number in 0..40 {
            let (mut receiver, order) = (receiver.clone(), order.clone());
            pair.fabric.spawn(pair.server, async move {
                receiver.changed().await.unwrap();
                order.borrow_mut().push(number);
            });
        }
        sleep_ms(1).await;
        sender.send(()).unwrap();
        sleep_ms(1).await;
        order.take()
    });
    finished.result.unwrap()
}

/// Goal: the dice follow the seed. Method: the same seed twice, then another; forty receivers in
/// eight lists leave two seeds the same order by chance less than once in a million million.
#[test]
fn tokios_dice_follow_the_seed() {
    let order = order_of_waking(1);
    assert_eq!(order.len(), 40);
    assert_eq!(order, order_of_waking(1));
    assert_ne!(order, order_of_waking(2));
}
