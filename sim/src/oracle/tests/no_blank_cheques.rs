//! What once went wrong, or may yet, excuses nothing that has another reason.
use evenkeel::journal::{Event as Journal, FarmMilestone, Request, ServerFailure, Wanted};

use super::*;
use crate::nemesis::fault::balancer::AgentSays;
use crate::nemesis::fault::people::Edit;
use crate::nemesis::fault::{LinkFault, PeopleFault, ServiceCenterFault};

fn met(place: u64) -> Event {
    Event::FaultMet { tag: place }
}

fn hold(reason: HoldReason) -> Journal {
    Journal::Held { reason, ways_out: Vec::new() }
}

fn floor_lost() -> HoldReason {
    HoldReason::FloorLost { node: "lb".into(), pool: "web".into() }
}

impl Story {
    /// The run has held for so long that somebody comes.
    fn called(&mut self) -> &mut Self {
        self.oracle.end_of_faults(self.now_s * 1_000);
        self
    }
}

/// Goal: an installer that is going to fail is nothing to the others before it does. Method: nine
/// requests a second for one server that can answer nine, three drained too many, with such an
/// installer on one of them: not met, and met.
#[test]
fn what_lies_in_wait_excuses_nobody_before_it_is_met() {
    let excused = |is_met: bool| {
        let mut faults = Faults::new(bounds());
        faults.strike(0, Struck::Began { place: 0, fault: failing_installer(3) });
        if is_met {
            faults.met(10_000, 0);
        }
        faults.absence_excuse("fe-3", false, |_| None).is_some() || faults.upgrade_spoilt("fe-3")
    };
    assert!(excused(true) && !excused(false));
}

/// Goal: a crash that is long over does not excuse a pool that somebody empties. Method: fe-3 crashes,
/// comes back and serves; then both halves are upgraded at once.
#[test]
fn a_crash_that_is_over_excuses_no_later_outage() {
    let mut story = Story::new();
    story.at(10).drain([1, 2]).at(20).crash(3).at(30).up(3);
    story.entry(Event::Applications { server: fe(3), state: ApplicationState::Off });
    story.entry(Event::Applications { server: fe(3), state: ApplicationState::Serving });
    story.at(4_000).begin_upgrade(1).begin_upgrade(2);
    story.at(4_100).drain([3, 4]).begin_upgrade(3).begin_upgrade(4).at(4_200);
    assert_eq!(broken(&story.end_anyhow()), [("zone_always_served", 4_100)]);
}

/// Goal: nor does it excuse two versions, or too many requests. Method: a crash of fe-1 that is over;
/// hours later it is admitted before its half is complete, and three of four are drained.
#[test]
fn a_crash_that_is_over_excuses_nothing_of_later_work() {
    let mut story = Story::new();
    story.at(10).crash(1).at(30).up(1).at(4_000).drain([1, 2]).begin_upgrade(1);
    story.at(4_300).end_upgrade(1).at(9_000).admin(1, 0).at(9_010);
    assert_eq!(broken(&story.end_anyhow()), [("one_version_in_rotation", 9_000)]);
    let mut story = Story::new();
    story.oracle.context.demand.capacity.values_mut().for_each(|rps| *rps = 5.0);
    story.at(10).crash(1).at(30).up(1).at(4_000).drain([1, 2]).begin_upgrade(1).admin(3, 8);
    story.at(4_100);
    assert_eq!(broken(&story.end_anyhow()), [("capacity_covers_load", 4_000)]);
}

/// Goal: a slow network prolongs nothing by more than it lasts itself. Method: what takes a hundred
/// exchanges, ten seconds of which are slow.
#[test]
fn a_slow_network_costs_no_more_than_it_lasts() {
    let mut faults = Faults::new(bounds());
    let hosts = ["lb".to_owned()].into();
    let slow = LinkFault::Latency { hosts, extra_ms: 2_000, for_ms: 10_000 };
    let bound = Bound { waits_ms: 60_000, exchanges: 100 };
    let undisturbed_ms = faults.end(0, bound);
    faults.strike(0, Struck::Began { place: 0, fault: Fault::Link(slow) });
    assert!(faults.end(0, bound) <= undisturbed_ms + 10_000 + 12_000);
}

/// Goal: an answer that is to be spoilt disturbs nobody before it comes. Method: it comes an hour later.
#[test]
fn a_spoilt_answer_disturbs_when_it_comes() {
    let mut faults = Faults::new(bounds());
    let silence = LinkFault::SilenceMidResponse { host: Some("lb".to_owned()) };
    let undisturbed_ms = faults.end(10, bounds().react);
    faults.strike(0, Struck::Began { place: 0, fault: Fault::Link(silence) });
    assert_eq!(faults.end(10, bounds().react), undisturbed_ms);
    faults.met(3_600_000, 0);
    assert!(faults.end(3_600_000, bounds().react) > undisturbed_ms + 3_600_000);
}

/// Goal: a change that was none is nobody's doing. Method: an operator disables whoever is disabled.
#[test]
fn an_edit_that_changed_nothing_excuses_nothing() {
    let mut faults = Faults::new(bounds());
    let edit = PeopleFault::ConsoleEdit { server: fe(3), enabled: false };
    faults.strike(0, Struck::Began { place: 0, fault: Fault::People(edit) });
    assert!(faults.edit_excuse("fe-3").is_none() && !faults.flag_edited("fe-3"));
    faults.met(0, 0);
    assert!(faults.edit_excuse("fe-3").is_some() && faults.flag_edited("fe-3"));
}

/// Goal: quiet means that nobody waits for an answer, and a soak that somebody was there. Method: a
/// claim while requests are in flight; the end of a soak with a server that has long been gone.
#[test]
fn quiet_and_soaked_are_claims_about_users() {
    let quiet = || reached(1, Milestone::Quiet);
    for (requests, expected) in [(None, None), (Some(2), Some(("result_is_true", 100)))] {
        let mut story = Story::new();
        story.at(10).drain([1, 2]).at(100);
        let busy = requests.map(|requests| (fe(1), requests)).into_iter().collect();
        story.oracle.unanswered(busy);
        story.told(quiet());
        assert_eq!(broken(&story.end_anyhow()), Vec::from_iter(expected));
    }
    let farm = |milestone| Journal::FarmReached { milestone, evidence: String::new() };
    let mut story = Story::new();
    story.whole_run().at(5_000).crash(1).told(farm(FarmMilestone::SoakBegan)).at(50_000);
    story.told(farm(FarmMilestone::Soaked));
    let found = broken(&story.end_anyhow());
    assert!(found.contains(&("result_is_true", 50_000)), "{found:?}");
}

/// Goal: a hold lasts no longer than its reason. Method: a pool that really fell under its floor, and
/// is full again when somebody is called; and one that is not.
#[test]
fn a_hold_whose_reason_has_passed_is_no_reason_to_call_somebody() {
    for full in [true, false] {
        let mut story = Story::new();
        story.at(10).drain([1, 2]).crash(3).crash(4).told(hold(floor_lost()));
        if full {
            story.at(60).admit([1, 2]);
        }
        story.at(1_300).called();
        let found = broken(&story.end(&RunVerdict::Aborted));
        // The end itself is a finding: nobody has asked for it.
        let of_holds = found.iter().filter(|it| **it == ("run_ends_or_holds", 1_300)).count();
        assert_eq!(of_holds, 1 + usize::from(full), "{found:?}");
    }
}

/// Goal: a server in the midst of its upgrade has not failed. Method: a failure and a hold for it, told
/// while its installer has stopped the web server, and once that has ended badly.
#[test]
fn a_server_whose_installer_runs_has_not_failed() {
    let (server, job) = (fe(1), "job-1".to_owned());
    let told = |story: &mut Story| {
        let reason = ServerFailure::NotInitialised;
        story.told(Journal::Failed { server: "fe-1".into(), reason });
        story.told(hold(HoldReason::ServerFailed { server: "fe-1".into() }));
    };
    let mut story = Story::new();
    told(story.at(10).drain([1, 2]).at(20).begin_upgrade(1).at(80));
    let found = broken(&story.end_anyhow_but_holds());
    assert!(found.contains(&("run_ends_or_holds", 80)), "{found:?}");
    let mut story = Story::new();
    let kind = "front-end-upgrade".to_owned();
    story.at(10).drain([1, 2]).at(20).begin_upgrade(1).at(80);
    told(story.entry(Event::JobEnded { server, job, kind, code: Some(2) }));
    let found = broken(&story.end_anyhow_but_holds());
    assert!(!found.contains(&("run_ends_or_holds", 80)), "{found:?}");
}

/// Goal: after the farm has healed only who stays broken may keep it. Method: a run left holding for a
/// pool, with an installer that was to fail: never met, met by a server that is whole again, and by one
/// that is not.
#[test]
fn a_healed_run_is_kept_by_nobody_who_is_whole() {
    let left = |happens: &dyn Fn(&mut Story)| {
        let mut story = Story::new();
        story.at(10).drain([1, 2]).strike(failing_installer(1));
        happens(&mut story);
        story.called();
        let verdict = RunVerdict::Held { reason: floor_lost() };
        broken(&story.end(&verdict)).iter().any(|it| it.0 == "run_ends_or_holds")
    };
    assert!(left(&|_| {}), "nobody met it");
    assert!(left(&|story| {
        story.at(20).begin_upgrade(1).entry(met(0)).at(320).end_upgrade(1);
    }));
    assert!(!left(&|story| {
        story.at(20).begin_upgrade(1).entry(met(0)).at(320);
    }));
}

/// Goal: a lockout is over when it is and a person has said so. Method: an operator's edit an hour
/// later.
#[test]
fn a_lockout_that_a_person_has_ended_prolongs_nothing_later() {
    let mut faults = Faults::new(bounds());
    let lockout = Fault::ServiceCenter(ServiceCenterFault::Lockout { for_ms: 180_000 });
    let edit = PeopleFault::ConsoleEdit { server: fe(2), enabled: false };
    faults.strike(0, Struck::Began { place: 0, fault: lockout });
    faults.met(600_000, 0);
    let edited_ms = 3_600_000;
    assert_eq!(faults.flag_end(edited_ms), u64::MAX, "nobody has tried again");
    faults.strike(900_000, Struck::Asked { what: Wanted::Retry { server: None } });
    faults.strike(edited_ms, Struck::Began { place: 1, fault: Fault::People(edit) });
    faults.met(edited_ms, 1);
    assert!(faults.edit_excuse("fe-2").is_some_and(|it| it.until_ms.is_some()));
}

/// Goal: a flag that no console tells is excused until one does and could be asked, and a later one for
/// no longer than any. Method: edits while all consoles are mute, and after that.
#[test]
fn a_flag_is_excused_for_as_long_as_no_console_tells_it() {
    let mut faults = Faults::new(bounds());
    faults.consoles_are_mute(1_000, true);
    assert_eq!(faults.flag_end(2_000), u64::MAX);
    faults.consoles_are_mute(600_000, false);
    let undisturbed = Faults::new(bounds());
    let asked_ms = undisturbed.end(600_000, bounds().silent);
    assert_eq!(faults.flag_end(2_000), asked_ms);
    assert_eq!(faults.flag_end(601_000), undisturbed.flag_end(601_000));
}

/// Goal: a hold that a person has let go is excused where no process could know, until the next one
/// has started. Method: one that is let go before, while and after the journal's disk is full.
#[test]
fn a_hold_that_is_let_go_is_excused_while_no_process_runs() {
    let (full_ms, mended_ms) = (1_000, 301_000);
    let started_ms = mended_ms + bounds().start_ms;
    for (let_go_ms, until_ms) in [(500, 500), (200_000, started_ms), (900_000, 900_000)] {
        let full = OrchestratorFault::DiskFull { room_bytes: 0, for_ms: mended_ms - full_ms };
        let mut faults = Faults::new(bounds());
        faults.strike(0, Struck::Asked { what: Wanted::Hold });
        faults.strike(full_ms, Struck::Began { place: 0, fault: Fault::Orchestrator(full) });
        faults.strike(mended_ms, Struck::Ended { place: 0 });
        assert!(faults.asked_to_hold() && faults.let_go_excuse().is_none());
        faults.strike(let_go_ms, Struck::Asked { what: Wanted::Retry { server: None } });
        assert!(!faults.asked_to_hold());
        let excuse = faults.let_go_excuse().and_then(|it| it.until_ms);
        assert_eq!(excuse, Some(until_ms), "let go at {let_go_ms}");
    }
}

/// Goal: a switch has the time that policy gives it. Method: one that is overdue a second after it
/// began, on a farm where somebody has crashed and come back hours ago.
#[test]
fn a_switch_is_overdue_when_it_has_had_its_time() {
    let began = || Journal::FarmReached {
        milestone: evenkeel::journal::FarmMilestone::SwitchBegan,
        evidence: String::new(),
    };
    let time_s = Policy::default().switch_ms_max / 1_000;
    for (after_s, crashed_late, is_false) in
        [(1, true, true), (time_s, true, false), (time_s, false, true)]
    {
        let mut story = Story::new();
        let crash_s = if crashed_late { 20_000 } else { 100 };
        if !crashed_late {
            story.at(crash_s).crash(3).at(crash_s + 60).up(3);
        }
        story.at(20_000).told(began());
        if crashed_late {
            story.crash(3);
        }
        story.at(20_000 + after_s).told(hold(HoldReason::SwitchOverdue));
        let now_s = 20_000 + after_s;
        let found = broken(&story.end_anyhow_but_holds());
        assert_eq!(
            found.contains(&("run_ends_or_holds", now_s)),
            is_false,
            "{after_s} {crashed_late}"
        );
    }
}

impl Story {
    /// Ends with a hold that a person asked for, so that only holds told before are judged.
    fn end_anyhow_but_holds(mut self) -> Judgement {
        let asked = Request {
            what: Wanted::Abort,
            who: "maria".into(),
            ticket: None,
            plan_hash: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        self.oracle.strike(self.now_s * 1_000, Struck::Asked { what: asked.what });
        self.end(&RunVerdict::Aborted)
    }
}

/// Goal: an agent is an excuse anew when another goes that was heard in its place, for the bound of a
/// reload, and only where it says otherwise. Method: one that says drain, and for a while another of
/// that member, or of the next, that says ready, or drain.
#[test]
fn an_agent_is_an_excuse_anew_when_the_one_in_its_place_goes() {
    let agent = |n, says| {
        let (node, server) = ("lb".to_owned(), fe(n));
        Fault::Balancer(BalancerFault::AgentOverrides { node, server, says, for_ms: 600_000 })
    };
    let bound_ms = bounds().of(bounds().reload);
    let (ready, drain) = (AgentSays::Ready, AgentSays::Drain);
    for (n, says, since_ms) in [(3, ready, 100_000), (3, drain, 1_000), (4, ready, 1_000)] {
        let mut faults = Faults::new(bounds());
        faults.strike(0, Struck::Began { place: 0, fault: agent(3, drain) });
        faults.strike(1_000, Struck::Began { place: 1, fault: agent(n, says) });
        faults.strike(100_000, Struck::Ended { place: 1 });
        let until_ms = faults.reload_excuse("lb").and_then(|it| it.until_ms);
        assert_eq!(until_ms, Some(since_ms + bound_ms), "fe-{n} {says:?}");
    }
}

/// Goal: whoever meddles again calls a person, however long ago it was done first; whoever does so for
/// the first time does not, nor does what was over before. Method: an agent that says drain for a minute
/// an hour into the run, with and without an edit when it began, asked about before and after it.
#[test]
fn who_meddles_again_may_have_begun_long_ago() {
    let (agent_ms, says) = (3_600_000, AgentSays::Drain);
    for (edited, since_ms, expected) in
        [(true, agent_ms, true), (false, agent_ms, false), (true, 2 * agent_ms, false)]
    {
        let mut faults = Faults::new(bounds());
        if edited {
            let (node, server, edit) = ("lb".to_owned(), fe(4), Edit::Drain);
            let fault = Fault::People(PeopleFault::ThirdPartyEdit { node, server, edit });
            faults.strike(0, Struck::Began { place: 0, fault });
            faults.met(0, 0);
        }
        let (node, server) = ("lb".to_owned(), fe(1));
        let agent = BalancerFault::AgentOverrides { node, server, says, for_ms: 60_000 };
        faults.strike(agent_ms, Struck::Began { place: 1, fault: Fault::Balancer(agent) });
        faults.met(agent_ms, 1);
        faults.strike(agent_ms + 60_000, Struck::Ended { place: 1 });
        let found = faults.meddled_again_since(since_ms);
        assert_eq!(found, expected, "{edited} {since_ms}");
    }
}
