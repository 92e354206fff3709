//! What policy says of gates and of how many servers may be away at once.
use super::*;

/// Goal: a job behind a gate that nobody has opened is a violation, and one behind an open gate is
/// none. Method: the first job of a server of either half, with a gate shut until it is approved or
/// for good.
#[test]
fn a_job_behind_a_shut_gate_breaks_policy_is_kept() {
    let begins = |gate: u8, n: u32, approved: bool| {
        let mut story = Story::new();
        story.oracle.context.shut.insert(gate);
        story.at(10).drain(if n < 3 { [1, 2] } else { [3, 4] }).at(150);
        if approved {
            let what = Wanted::Approve { step: gate };
            story.oracle.strike(150_000, Struck::Asked { what });
        }
        story.at(200).begin_upgrade(n);
        broken(&story.end_anyhow())
    };
    assert_eq!(begins(3, 1, false), [("policy_is_kept", 200)]);
    assert_eq!(begins(6, 3, false), [("policy_is_kept", 200)]);
    assert_eq!(begins(6, 1, false), []);
    assert_eq!(begins(3, 1, true), []);
    assert_eq!(begins(6, 3, true), []);
}

/// Goal: more servers at work than policy allows are a violation; one after the other they are none,
/// nor is one that hangs for ever and was left out. Method: two upgrades beside each other and one
/// after the other, where one at a time is allowed.
#[test]
fn more_servers_at_work_than_allowed_break_policy_is_kept() {
    let alone = || {
        let mut story = Story::new();
        story.oracle.context.policy.parallel_max = 1;
        story.at(10).drain([1, 2]).at(150);
        story
    };
    let mut story = alone();
    story.begin_upgrade(1).at(200).begin_upgrade(2);
    assert_eq!(broken(&story.end_anyhow()), [("policy_is_kept", 200)]);
    let mut story = alone();
    story.upgrade([1, 2]);
    assert_eq!(broken(&story.end_anyhow()), []);
    let mut story = alone();
    story.begin_upgrade(1).at(200).oracle.context.left_out.insert(fe(1));
    story.begin_upgrade(2);
    assert_eq!(broken(&story.end_anyhow()), []);
}
