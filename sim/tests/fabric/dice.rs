//! tokio's own dice: unbiased choices are thrown by the seed.
//!
//! A file of its own, because the ban on `select!` is lifted by the file.
#![cfg(tokio_unstable)]
#![allow(clippy::disallowed_macros, reason = "the unbiased choice is what is tested")]

use evenkeel_sim::fabric::{Setup, run};

/// Sixty-four choices between two ready branches.
fn choices(seed: u64) -> u64 {
    let finished = run(Setup::new(seed, 1), |_| async {
        let mut choices = 0;
        for _ in 0..64 {
            let chosen = tokio::select! { () = async {} => 0, () = async {} => 1 };
            choices = choices << 1 | chosen;
        }
        choices
    });
    finished.result.unwrap()
}

/// Goal: an unbiased `select!` that slipped past clippy still repeats. Method: the same seed
/// twice, then another.
#[test]
fn unbiased_choices_follow_the_seed() {
    assert_eq!(choices(1), choices(1));
    assert_ne!(choices(1), choices(2));
}
