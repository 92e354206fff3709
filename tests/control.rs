//! The promise of control: a run can be looked at and answered from another terminal, whether or
//! not a process carries it out, and a call that does not fit changes nothing. Each command is the
//! real program; a stand-in holds the farm and answers where a running one is needed.
use std::fs;

use evenkeel::journal::{
    Event, HoldReason, Milestone, Notice, ServerFailure, Verdict, Wanted, WayOut,
};
use evenkeel::procedure::action::JobKind;

mod support;
use support::run::{Answer, Run, until};

fn reached(server: &str, milestone: Milestone) -> Event {
    Event::Reached { server: server.into(), milestone, evidence: String::new() }
}

/// The events of a run that failed on fe-1 in step 3.
fn failed_in_step_3(run: &Run) -> Vec<Event> {
    let kind = JobKind::ControllerUpgrade;
    let reason = ServerFailure::JobFailed { kind, code: Some(1603), output: "Fatal error".into() };
    let ways_out = vec![
        WayOut::Retry { server: Some("fe-1".into()) },
        WayOut::ByHand { server: "fe-1".into() },
    ];
    vec![
        run.began(),
        Event::Step { step: 1 },
        reached("fe-1", Milestone::Quiet),
        Event::Step { step: 3 },
        reached("fe-1", Milestone::Touched),
        Event::Failed { server: "fe-1".into(), reason },
        Event::Held { reason: HoldReason::ServerFailed { server: "fe-1".into() }, ways_out },
    ]
}

/// An answer with the scratch folder's name and other things of the day replaced.
fn steady(run: &Run, text: &str) -> String {
    let plan = run.plan.display().to_string();
    let process = format!("process {} of", std::process::id());
    text.replace(&plan, "tiny.plan").replace(&process, "process PID of")
}

/// Goal: a run that was never begun is told as such, and nothing about it can be asked for.
/// Method: every command that needs a run.
#[test]
fn a_run_that_was_never_begun_says_how_to_begin() {
    let run = Run::new();
    let status = run.evenkeel(&["status"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.stdout.contains("evenkeel apply"), "{status:?}");
    let history = run.evenkeel(&["history"]);
    assert_eq!((history.code, history.stdout.as_str()), (Some(0), ""));
    for command in ["resume", "hold", "abort", "fall-back"] {
        let answer = run.evenkeel(&[command]);
        assert_eq!(answer.code, Some(2), "{command}: {answer:?}");
        assert!(answer.stderr.contains("never begun"), "{command}: {answer:?}");
    }
    assert!(!run.folder().path().exists(), "nothing was made for it");
}

/// Goal: `status` tells step, servers, hold, ways out and who carries the run out; its exit code
/// says that a person is needed. Method: a hold with a carrier, then without.
#[test]
fn status_tells_where_a_held_run_stands() {
    let run = Run::new();
    let mut carrier = run.carrier();
    carrier.record(failed_in_step_3(&run));
    let status = run.evenkeel(&["status"]);
    assert_eq!(status.code, Some(3), "{status:?}");
    insta::assert_snapshot!("status_held", steady(&run, &status.stdout));

    let json: serde_json::Value =
        serde_json::from_str(&run.evenkeel(&["status", "--json"]).stdout).expect("it is JSON");
    assert_eq!((&json["v"], &json["running"]), (&1.into(), &true.into()));
    assert_eq!(json["holder"]["user"], "maria");
    assert_eq!(
        (&json["standing"]["step"], &json["step_name"]),
        (&3.into(), &"upgrade-updating".into())
    );
    assert_eq!(json["standing"]["hold"]["reason"]["reason"], "server-failed");
    assert_eq!(json["ways_out"][0]["way"], "retry");
    let command = json["ways_out"][0]["command"].as_str().expect("each has a command");
    assert!(command.ends_with("--retry fe-1"), "{command}");
    drop(carrier);
    let status = run.evenkeel(&["status"]);
    assert!(status.stdout.contains("NOBODY CARRIES IT OUT"), "{status:?}");
}

/// Goal: `history` tells every record, for people and for programs, also while the run goes on.
/// Method: a journal under way whose last line is only half there.
#[test]
fn history_tells_every_record() {
    let run = Run::new();
    run.wrote(failed_in_step_3(&run));
    let text = run.evenkeel(&["history"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    insta::assert_snapshot!("history", steady(&run, &text.stdout).replace(&run.hash[..12], "HASH"));
    let journal = run.folder().journal();
    let whole = fs::read(&journal).expect("it is ours");
    fs::write(&journal, [&whole[..], b"{\"ordinal\":7"].concat()).expect("there is room");
    let json = run.evenkeel(&["history", "--json"]);
    let ordinals: Vec<_> = json
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["ordinal"].clone()
        })
        .collect();
    assert_eq!(ordinals, (0..7).map(serde_json::Value::from).collect::<Vec<_>>());
    assert!(json.stderr.contains("being written now"), "{json:?}");
    assert!(fs::read(&journal).expect("it is ours").len() > whole.len(), "a reader cuts nothing");
}

/// Goal: a gate is approved from another terminal, by name or number, with who and ticket; the
/// command ends when the run has decided. Method: the stand-in decides what arrives.
#[test]
fn a_gate_is_approved_from_another_terminal() {
    for (command, step) in [("resume", "upgrade-updating"), ("apply", "3")] {
        let run = Run::new();
        let mut carrier = run.carrier();
        carrier.record(vec![run.began(), Event::AtGate { step: 3 }]);
        let status = run.evenkeel(&["status"]);
        assert_eq!(status.code, Some(3));
        assert!(status.stdout.contains("--approve upgrade-updating"), "{status:?}");
        let asked =
            run.start(&[command, "--approve", step, "--as", "maria", "--ticket", "CHG-4711"]);
        let requests = carrier.requests(1);
        let [request] = &requests[..] else { panic!("one was made: {requests:?}") };
        assert_eq!(request.what, Wanted::Approve { step: 3 });
        assert_eq!((request.who.as_str(), request.ticket.as_deref()), ("maria", Some("CHG-4711")));
        assert_eq!(request.plan_hash, run.hash);
        carrier.record(vec![Event::Decided(request.clone())]);
        let answer = Answer::from(asked);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stdout.contains("maria decided: approve step 3"), "{answer:?}");
    }
}

/// Goal: a way out that is not possible is told with the reason, and every one that is asked for
/// is answered. Method: an approval of all gates and a way out; one of them is refused.
#[test]
fn what_is_not_possible_is_told_with_the_reason() {
    let run = Run::new();
    let mut carrier = run.carrier();
    carrier.record(failed_in_step_3(&run));
    let asked = run.start(&["resume", "--approve", "all", "--leave-out", "fe-1", "--json"]);
    let requests = carrier.requests(3);
    let wanted: Vec<_> = requests.iter().map(|request| request.what.clone()).collect();
    let leave_out = Wanted::LeaveOut { server: "fe-1".into() };
    let approve = |step| Wanted::Approve { step };
    assert_eq!(wanted, [approve(3), approve(6), leave_out.clone()]);
    assert_eq!(requests[0].who, "tester", "whoever runs it, without --as");
    for request in &requests[..2] {
        carrier.record(vec![Event::Decided(request.clone())]);
    }
    let why = "fe-1 has a job that the whole farm needs".to_owned();
    carrier.record(vec![Event::Noticed(Notice::NotPossible { want: leave_out, why })]);
    let answer = Answer::from(asked);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert_eq!(answer.stdout.lines().count(), 3, "{answer:?}");
    assert!(answer.stdout.contains("the whole farm needs"), "{answer:?}");
}

/// Goal: hold, abort and fall-back reach a running process too. Method: each, decided.
#[test]
fn control_reaches_a_running_process() {
    for (command, want) in
        [("hold", Wanted::Hold), ("abort", Wanted::Abort), ("fall-back", Wanted::FallBack)]
    {
        let run = Run::new();
        let mut carrier = run.carrier();
        carrier.record(vec![run.began()]);
        let asked = run.start(&[command]);
        let request = carrier.requests(1).remove(0);
        assert_eq!(request.what, want);
        carrier.record(vec![Event::Decided(request)]);
        let answer = Answer::from(asked);
        assert_eq!(answer.code, Some(0), "{command}: {answer:?}");
    }
}

/// Goal: a process that ends before it has answered leaves the request for the next one, and the
/// asker hears of it. Method: the stand-in goes away with the request taken.
#[test]
fn a_request_outlives_the_process_it_was_meant_for() {
    let run = Run::new();
    let mut carrier = run.carrier();
    carrier.record(vec![run.began()]);
    let asked = run.start(&["hold"]);
    let request = carrier.requests(1).remove(0);
    drop(carrier);
    let answer = Answer::from(asked);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert!(answer.stderr.contains("waits for `evenkeel resume"), "{answer:?}");
    assert_eq!(run.carrier().requests(1), [request]);
}

/// Goal: without anything to deliver, a second orchestrator says who holds the farm. Method:
/// apply and resume beside a carrier, of this plan and of another one of the same farm.
#[test]
fn a_second_orchestrator_says_who_holds_the_farm() {
    let run = Run::new();
    let mut carrier = run.carrier();
    carrier.record(vec![run.began()]);
    let other = run.scratch().join("other.plan");
    fs::copy(&run.plan, &other).expect("there is room");
    for command in ["apply", "resume"] {
        let answer = run.evenkeel(&[command]);
        assert_eq!(answer.code, Some(3), "{answer:?}");
        for word in ["maria", "jump-1", "tiny.plan", &std::process::id().to_string()] {
            assert!(answer.stderr.contains(word), "{word}: {answer:?}");
        }
        let beside = run.command_for(&other, &[command, "--approve", "all"]).output();
        let answer = Answer::of(beside.expect("the program runs"));
        assert_eq!(answer.code, Some(3), "{answer:?}");
        assert!(answer.stderr.contains("another plan's run"), "{answer:?}");
    }
    assert!(!run.scratch().join("other.plan.run").exists(), "nothing was left for it");
    assert_eq!(run.records().len(), 1);
}

/// Goal: hold without a carrier stops nothing, says so, and waits for the next one. Method: hold a
/// run whose process is gone.
#[test]
fn a_hold_of_a_run_that_nobody_carries_out_waits() {
    let run = Run::new();
    run.wrote(vec![run.began(), Event::Step { step: 1 }]);
    let answer = run.evenkeel(&["hold", "--as", "maria"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stdout.contains("nobody protects"), "{answer:?}");
    let request = run.carrier().requests(1).remove(0);
    assert_eq!((request.what, request.who.as_str()), (Wanted::Hold, "maria"));
}

/// Goal: a call that does not fit where the run stands is refused with what to do instead, and
/// writes nothing. Method: begun, over, past the commit, before the switch, wrong names.
#[test]
fn a_call_that_does_not_fit_changes_nothing() {
    let begun = |run: &Run| vec![run.began()];
    let over = |run: &Run| {
        vec![run.began(), Event::Ended { verdict: Verdict::Done { left_out: Vec::new() } }]
    };
    let left_out = |run: &Run| {
        vec![run.began(), Event::Ended { verdict: Verdict::Done { left_out: vec!["fe-2".into()] } }]
    };
    type Events = fn(&Run) -> Vec<Event>;
    let cases: &[(Events, &[&str], i32, &str)] = &[
        (begun, &["apply"], 2, "evenkeel resume"),
        (begun, &["fall-back"], 2, "the switch has not begun"),
        (begun, &["resume", "--retry", "fe-9"], 2, "no server of this plan: fe-1, fe-2"),
        (begun, &["resume", "--approve", "4"], 2, "no gate stands before step 4 (test-updating)"),
        (begun, &["resume", "--approve", "upgrade"], 2, "the steps are 1 shift-to-loaded"),
        (begun, &["resume", "--retry", "fe-1", "--by-hand", "fe-1"], 2, "cannot be used with"),
        (failed_in_step_3, &["abort"], 2, "the commit is behind us"),
        (over, &["apply"], 2, "is over"),
        (over, &["resume"], 0, "is over"),
        (over, &["hold"], 2, "is over"),
        (over, &["abort"], 2, "is over"),
        (left_out, &["resume"], 3, "is over"),
    ];
    for (events, arguments, code, words) in cases {
        let run = Run::new();
        run.wrote(events(&run));
        let before = fs::read(run.folder().journal()).expect("it was written");
        let answer = run.evenkeel(arguments);
        assert_eq!(answer.code, Some(*code), "{arguments:?}: {answer:?}");
        assert!(answer.stderr.contains(words), "{arguments:?}: {answer:?}");
        assert_eq!(fs::read(run.folder().journal()).expect("it is there"), before, "{arguments:?}");
        let asked = fs::read_dir(run.folder().requests()).expect("it was made").count();
        assert_eq!(asked, 0, "{arguments:?} left a request");
    }
}

/// Goal: a run goes on with no other plan than its own. Method: change the plan under a run.
#[test]
fn a_changed_plan_is_refused() {
    let run = Run::new();
    run.wrote(vec![Event::Began {
        plan_hash: "ab".repeat(32),
        program: "evenkeel 0.1.0".into(),
        resumed: false,
        certificate: None,
    }]);
    for command in ["apply", "resume", "hold", "abort", "status"] {
        let answer = run.evenkeel(&[command]);
        assert_eq!(answer.code, Some(2), "{command}: {answer:?}");
        assert!(answer.stderr.contains("begun with another plan"), "{command}: {answer:?}");
    }
    assert_eq!(run.records().len(), 1);
}

/// Goal: a run is begun only with the farm that was planned, and a plan only as it was made; one
/// that was refused before step 1 may be begun again. Method: change the farm file, then the plan.
#[test]
fn a_farm_that_differs_from_the_plan_is_refused() {
    let run = Run::new();
    run.wrote(vec![run.began(), Event::Ended { verdict: Verdict::Refused { why: Vec::new() } }]);
    let change = |path: &std::path::Path, from: &str, to: &str| {
        let text = fs::read_to_string(path).expect("it is ours");
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).expect("there is room");
    };
    change(&run.plan.with_file_name("tiny.farm.toml"), "load_rps = 20", "load_rps = 21");
    let answer = run.evenkeel(&["apply"]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.stderr.contains("load_rps: 20 when planned, 21 now"), "{answer:?}");
    change(&run.plan, "\"load_rps\": 20", "\"load_rps\": 21");
    for command in ["apply", "resume", "status"] {
        let answer = run.evenkeel(&[command]);
        assert_eq!(answer.code, Some(2), "{answer:?}");
        assert!(answer.stderr.contains("was changed after it was made"), "{answer:?}");
    }
    assert_eq!(run.records().len(), 2);
}

/// Goal: a damaged journal stops every command, untouched, with what to do. Method: change a byte
/// of a record that others follow.
#[test]
fn a_damaged_journal_stops_every_command() {
    let run = Run::new();
    run.wrote(failed_in_step_3(&run));
    let journal = run.folder().journal();
    let text = fs::read_to_string(&journal).expect("it is ours");
    let damaged = text.replacen("\"step\":1", "\"step\":2", 1);
    assert_ne!(damaged, text);
    fs::write(&journal, &damaged).expect("there is room");
    for command in ["resume", "hold", "abort", "status", "history"] {
        let answer = run.evenkeel(&[command]);
        assert_eq!(answer.code, Some(1), "{command}: {answer:?}");
        assert!(answer.stderr.contains("record 1 is damaged"), "{command}: {answer:?}");
        assert!(answer.stderr.contains("Keep the file"), "{command}: {answer:?}");
    }
    assert_eq!(fs::read_to_string(&journal).expect("it is ours"), damaged);
}

/// Goal: a plan that is reached by a link is the same run. Method: ask about the link.
#[test]
fn a_link_to_a_plan_is_the_same_run() {
    let run = Run::new();
    run.wrote(vec![run.began()]);
    let link = run.scratch().join("current.plan");
    std::os::unix::fs::symlink(&run.plan, &link).expect("links can be made");
    let output = run.command_for(&link, &["history"]).output().expect("the program runs");
    assert_eq!(Answer::of(output).stdout.lines().count(), 1);
    assert!(!run.scratch().join("current.plan.run").exists());
}

/// A run carried out by the real program, on a farm that is nowhere: it begins and goes on trying.
fn carried_out(run: &Run, arguments: &[&str], records: usize) -> std::process::Child {
    let mut command = run.command(arguments);
    let child = command.env("EVENKEEL_SC_PASSWORD", "x").spawn().expect("the program runs");
    until(|| run.records().len() >= records);
    child
}

fn signal(child: &std::process::Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success());
}

/// Goal: a run that is stopped by a signal says that nobody protects and how to go on, and can be
/// taken up again; so can one that was killed. Method: begin it, interrupt, resume, terminate,
/// resume, kill, resume.
#[test]
fn a_stopped_run_says_so_and_can_be_taken_up_again() {
    let run = Run::new();
    let begun = || {
        let records = run.records();
        records.iter().filter(|record| matches!(record.event, Event::Began { .. })).count()
    };
    for (times, (command, name)) in
        [("apply", "INT"), ("resume", "TERM"), ("resume", "KILL"), ("resume", "INT")]
            .into_iter()
            .enumerate()
    {
        let child = carried_out(&run, &[command], run.records().len() + 1);
        let status = run.evenkeel(&["status", "--json"]);
        assert!(status.stdout.contains("\"running\":true"), "{status:?}");
        signal(&child, name);
        let answer = Answer::from(child);
        assert_eq!(begun(), times + 1, "{answer:?}");
        if name != "KILL" {
            assert_eq!(answer.code, Some(3), "{answer:?}");
            assert!(answer.stderr.contains("NOBODY PROTECTS THE FARM"), "{answer:?}");
            assert!(answer.stderr.contains("every server is fit"), "{answer:?}");
            assert!(answer.stderr.contains("evenkeel resume"), "{answer:?}");
        }
        let status = run.evenkeel(&["status"]);
        assert_eq!(status.code, Some(3), "{status:?}");
        assert!(status.stdout.contains("NOBODY CARRIES IT OUT"), "{status:?}");
    }
}

/// Goal: whoever takes a held run up reads the hold and its ways out, which were told to somebody
/// else. Method: resume a held run, read its first lines.
#[test]
fn a_hold_is_told_to_whoever_resumes() {
    let run = Run::new();
    run.wrote(failed_in_step_3(&run));
    let child = carried_out(&run, &["resume"], run.records().len() + 1);
    signal(&child, "INT");
    let answer = Answer::from(child);
    assert!(answer.stdout.starts_with("HOLD: fe-1 cannot go on by itself"), "{answer:?}");
    assert!(answer.stdout.contains("--by-hand fe-1"), "{answer:?}");
    assert!(answer.stderr.contains("touched servers stay out of rotation"), "{answer:?}");
}

/// Goal: a password that is nowhere stops a run before it begins, without a trace. Method: leave
/// its variable out.
#[test]
fn a_missing_password_stops_a_run_before_it_begins() {
    let run = Run::new();
    let mut command = run.command(&["apply"]);
    let output = command.env_remove("EVENKEEL_SC_PASSWORD").output().expect("the program runs");
    let answer = Answer::of(output);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.stderr.contains("EVENKEEL_SC_PASSWORD"), "{answer:?}");
    assert!(!run.folder().path().exists());
}
