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

/// Goal: whoever was sent the start of an upgrade, which may arrive yet, is nobody to admit. Method: the
/// others die after such starts, of which nobody has heard; and without any.
#[test]
fn a_start_that_may_arrive_yet_leaves_nobody_to_admit() {
    for sent in [true, false] {
        let mut story = Story::new();
        story.at(10).drain([1, 2]).at(20);
        if sent {
            story.intend(1).intend(2);
        }
        story.at(100).crash(3).crash(4).at(10_000);
        let found = broken(&story.end_anyhow());
        let unserved = found.iter().any(|it| it.0 == "zone_always_served");
        assert_eq!(unserved, !sent, "{found:?}");
    }
}

/// Goal: an upgraded server is nobody to admit before the applications are published, and from then on
/// has the bound of a proof and no more. Method: the others die, where nobody has to publish them, where
/// that is yet to come, and where it ends well some time later.
#[test]
fn what_is_to_be_published_leaves_nobody_to_admit() {
    let (death, prove) = (bounds().of(bounds().death), bounds().of(bounds().prove));
    let cases = [
        (false, false, Some(2_000 + death / 1_000)),
        (true, false, None),
        (true, true, Some(5_000 + prove / 1_000)),
    ];
    for (has_publisher, ends_well, expected) in cases {
        let mut story = Story::new();
        story.oracle.context.publisher = has_publisher.then(|| fe(1));
        story.at(10).drain([1, 2]).at(20).upgrade([1, 2]).at(2_000).crash(3).crash(4).at(5_000);
        if ends_well {
            let (server, job, kind) = (fe(1), "job-5".to_owned(), "publish".to_owned());
            story.entry(Event::JobEnded { server, job, kind, code: Some(0) });
        }
        story.at(20_000);
        let found = broken(&story.end_anyhow());
        let unserved = found.iter().find(|it| it.0 == "zone_always_served").map(|it| it.1);
        assert_eq!(unserved, expected, "{found:?}");
    }
}

/// Goal: one that had to serve while it was deployed to leaves once others stand in, within the bound of
/// a reaction. Method: the only one in rotation enables itself; others come; it leaves in time, or not.
#[test]
fn one_that_was_needed_has_the_bound_of_a_reaction_to_leave() {
    let bound_s = bounds().of(bounds().react) / 1_000;
    for (left_after_s, expected) in [(bound_s - 1, None), (bound_s + 60, Some(150 + bound_s))] {
        let mut story = Story::new();
        story.at(50).flag(3, false, FlagBy::Console).drain([1, 2]).admin(4, 8);
        story.at(100).flag(3, true, FlagBy::Service);
        story.entry(Event::DeploymentBegan { server: fe(3) });
        story.at(150).admit([1, 2]).at(150 + left_after_s).admin(3, 8).at(300);
        let found = broken(&story.end_anyhow());
        let of_deployment = found.iter().filter(|it| it.0 == "no_deployment_under_load");
        let of_deployment: Vec<u64> = of_deployment.map(|it| it.1).collect();
        assert_eq!(of_deployment, Vec::from_iter(expected), "{found:?}");
    }
}

/// Goal: who is being deployed to relieves nobody to whom deployment began too: both serve on until
/// others stand in, and leave within the bound of a reaction. Method: all that serve enable themselves;
/// others come; both leave in time, or not; and one of them was disabled and has enabled itself again.
#[test]
fn two_that_are_deployed_to_do_not_stand_in_for_each_other() {
    let bound_s = bounds().of(bounds().react) / 1_000;
    let in_time = (bound_s - 1, None);
    let late = (bound_s + 60, Some(150 + bound_s));
    for ((left_after_s, expected), again) in [(in_time, false), (late, false), (in_time, true)] {
        let mut story = Story::new();
        story.at(50).flag(3, false, FlagBy::Console).flag(4, false, FlagBy::Console).drain([1, 2]);
        story.at(100).flag(3, true, FlagBy::Service).flag(4, true, FlagBy::Service);
        story.entry(Event::DeploymentBegan { server: fe(3) });
        story.entry(Event::DeploymentBegan { server: fe(4) });
        if again {
            story.at(120).flag(4, false, FlagBy::Console).flag(4, true, FlagBy::Service);
        }
        story.at(150).admit([1, 2]).at(150 + left_after_s).drain([3, 4]).at(300);
        let found = broken(&story.end_anyhow());
        let of_deployment = found.iter().filter(|it| it.0 == "no_deployment_under_load");
        let mut of_deployment: Vec<u64> = of_deployment.map(|it| it.1).collect();
        of_deployment.dedup();
        assert_eq!(of_deployment, Vec::from_iter(expected), "{found:?}");
    }
}

/// Goal: who came back upgraded relieves a sick member once he could have been proven anew, and that is
/// excused no longer. Method: two upgraded ones serve; one crashes, the other's applications break, the
/// first comes back; the sick one leaves within the bound of a proof, or not.
#[test]
fn a_sick_member_has_until_whoever_came_back_could_be_proven_to_leave() {
    let bound_s = bounds().of(bounds().prove) / 1_000;
    for (left_after_s, expected) in [(bound_s - 1, None), (bound_s + 60, Some(6_000 + bound_s))] {
        let mut story = Story::new();
        story.at(10).drain([1, 2]).at(200).upgrade([1, 2]).at(900).admit([1, 2]);
        story.at(910).drain([3, 4]).at(2_000).crash(2).at(2_005).oper(2, false);
        let (after_ms, for_ms) = (0, None);
        let sick = FrontEndFault::DelayedFailure { server: fe(1), after_ms, for_ms };
        story.at(2_010).strike(Fault::FrontEnd(sick));
        story.entry(Event::Applications { server: fe(1), state: ApplicationState::Broken });
        story.at(6_000).up(2).oper(2, true).at(6_000 + left_after_s).admin(1, 8).at(7_000);
        let found = broken(&story.end_anyhow());
        let of_users = found.iter().filter(|it| it.0 == "no_user_meets_an_upgrade");
        let of_users: Vec<u64> = of_users.map(|it| it.1).collect();
        assert_eq!(of_users, Vec::from_iter(expected), "{found:?}");
    }
}
