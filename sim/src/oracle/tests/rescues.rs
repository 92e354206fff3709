//! What a rescue excuses, and for how long.
use super::*;

/// Goal: whoever stood in for a member has left again once that is back, and nothing excuses him then.
/// Method: a loaded member crashes, a proven one is admitted for it, stays, and the other comes back.
#[test]
fn a_rescue_excuses_two_versions_until_whoever_was_missing_is_back() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).at(320).end_upgrade(1);
    story.at(390).crash(3).at(400).admin(1, 0).at(500).up(3).at(2_000);
    let until_s = 500 + bounds().of(bounds().rescue) / 1_000;
    assert_eq!(broken(&story.end_anyhow()), [("one_version_in_rotation", until_s)]);
}
