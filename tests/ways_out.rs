//! What people can do about a run that stands still, each tried with the real program on a served
//! farm: the ways out that a hold prints, `abort`, `fall-back`, and to leave a hold alone.
mod support;

use serde_json::{Value, json};

use support::eventually;
use support::served::Served;

const FROM: &str = "11.35.0.43000";
const TARGET: &str = "11.36.1.43500";
/// As often as policy lets a job fail: so many failures are for good.
const ATTEMPTS: u32 = 2;

/// Runs a test that waits for other processes.
fn with_processes(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime can be made"), test);
}

/// The commands that the hold's ways out print, by their kind, once `status` tells of one.
async fn printed_ways_out(served: &Served, server: &str) -> Vec<(String, String)> {
    let told = eventually("status to tell of the hold", async || {
        let status = served.status().await;
        let hold = &status["standing"]["hold"]["reason"];
        (hold["server"] == server).then_some(status)
    })
    .await;
    let ways = told["ways_out"].as_array().expect("ways out are a list");
    let text = |way: &Value, key: &str| way[key].as_str().expect("it is text").to_owned();
    ways.iter().map(|way| (text(way, "way"), text(way, "command"))).collect()
}

/// Takes one of them just as it is printed, as a person copies it to another terminal.
async fn take(served: &Served, ways: &[(String, String)], wanted: &str) {
    let (_, command) = ways
        .iter()
        .find(|(way, _)| way == wanted)
        .unwrap_or_else(|| panic!("{wanted} is none of {ways:?}"));
    let output = served.shell(command).await;
    assert!(output.status.success(), "{command}: {output:?}");
}

/// Goal: an installer that fails for good leads to a hold, and each way out that the hold prints
/// works. Method: three servers' installers fail, one after the other; each hold is answered in
/// another way, word for word as printed.
#[test]
fn a_failed_installer_holds_and_each_printed_way_out_works() {
    with_processes(async {
        let served = Served::start().await;
        for server in ["fe-2", "fe-3", "fe-4"] {
            served.control(&format!("fail-jobs {server} front-end-upgrade 1603 {ATTEMPTS}")).await;
        }
        let mut run = served.start_evenkeel("apply", &["--approve", "all", "--as", "maria"]);

        run.until_event("held", json!({ "reason": { "server": "fe-2" } })).await;
        let ways = printed_ways_out(&served, "fe-2").await;
        assert!(ways.iter().all(|(way, _)| way != "abort"), "after the commit: {ways:?}");
        take(&served, &ways, "retry").await;
        run.until_event("reached", json!({ "server": "fe-2", "milestone": upgraded() })).await;

        run.until_event("held", json!({ "reason": { "server": "fe-3" } })).await;
        let ways = printed_ways_out(&served, "fe-3").await;
        install_by_hand(&served, "fe-3").await;
        take(&served, &ways, "by-hand").await;
        run.until_event("reached", json!({ "server": "fe-3", "milestone": upgraded() })).await;

        run.until_event("held", json!({ "reason": { "server": "fe-4" } })).await;
        let ways = printed_ways_out(&served, "fe-4").await;
        take(&served, &ways, "leave-out").await;
        let code = run.end().await;

        assert_eq!(code, 3, "something was left out: a person is needed; {}", served.story());
        let status = served.status().await;
        assert_eq!(status["standing"]["ended"]["left_out"], json!(["fe-4"]), "{status}");
        let truth = served.truth().await;
        for server in ["fe-1", "fe-2", "fe-3"] {
            assert_eq!(truth["servers"][server]["version"], TARGET);
            assert_eq!(eligible(&truth, server), memberships(server), "{server}");
        }
        assert_eq!(truth["servers"]["fe-4"]["version"], FROM);
        assert_eq!(eligible(&truth, "fe-4"), 0, "a touched server serves nobody");
    });
}

fn upgraded() -> Value {
    json!({ "milestone": "upgraded", "version": TARGET })
}

/// What a person does who runs the installer on the server.
async fn install_by_hand(served: &Served, server: &str) {
    served.verb(server, "start", &[("KIND", "front-end-upgrade"), ("VERSION", TARGET)]).await;
    let installed = async || {
        let truth = served.truth_of(server).await;
        (truth["version"] == TARGET && truth["job_runs"] == false).then_some(())
    };
    eventually("the installer to end", installed).await;
}

/// Members of a server that get users' requests, over all nodes and pools.
fn eligible(truth: &Value, server: &str) -> usize {
    let nodes = truth["nodes"].as_object().expect("nodes by name");
    let members = nodes.values().flat_map(|node| node.as_array().expect("members are a list"));
    members.filter(|member| member["server"] == server && member["eligible"] == true).count()
}

/// How many members a server has.
fn memberships(server: &str) -> usize {
    if server == "fe-2" { 2 } else { 4 }
}

/// Goal: `abort` in step 2 restores the baseline. Method: kill the run between its first and its
/// second Disable, so that it truly stands in step 2, and let `abort` take it up.
#[test]
fn abort_in_step_2_restores_the_baseline() {
    with_processes(async {
        let served = Served::start().await;
        let before = served.truth().await;
        let mut run = served.start_evenkeel("apply", &[]);
        run.until_event("intent", json!({ "action": { "do": "flag", "enabled": false } })).await;
        run.kill().await;

        let code = served.start_evenkeel("abort", &["--as", "maria"]).end().await;
        assert_eq!(code, 0, "{}", served.story());
        check_baseline(&served, &before).await;
    });
}

/// Goal: so does `abort` at the gate before step 3, asked for from another terminal.
#[test]
fn abort_at_the_first_gate_restores_the_baseline() {
    with_processes(async {
        let served = Served::start().await;
        let before = served.truth().await;
        let mut run = served.start_evenkeel("apply", &[]);
        run.until_event("at-gate", json!({ "step": 3 })).await;
        let truth = served.truth().await;
        assert_eq!(eligible(&truth, "fe-1") + eligible(&truth, "fe-2"), 0, "step 1 was done");
        assert_eq!(truth["servers"]["fe-3"]["enabled"], false, "step 2 was done");

        let asked = served.evenkeel("abort", &["--as", "maria"]).await;
        assert!(asked.status.success(), "{asked:?}");
        assert_eq!(run.end().await, 0, "{}", served.story());
        check_baseline(&served, &before).await;
    });
}

async fn check_baseline(served: &Served, before: &Value) {
    let status = served.status().await;
    assert_eq!(status["standing"]["ended"]["verdict"], "aborted", "{status}");
    let after = served.truth().await;
    for server in ["fe-1", "fe-2", "fe-3", "fe-4"] {
        let of = |truth: &Value, key: &str| truth["servers"][server][key].clone();
        for key in ["version", "touched", "enabled", "service", "automatic", "applications"] {
            assert_eq!(of(&after, key), of(before, key), "{key} of {server}");
        }
        assert_eq!(eligible(&after, server), memberships(server), "{server}");
    }
    let weights = |truth: &Value| -> Vec<Value> {
        let nodes = truth["nodes"].as_object().expect("nodes by name").values();
        nodes.flat_map(|it| it.as_array().cloned().unwrap_or_default()).map(weight).collect()
    };
    assert_eq!(weights(&after), weights(before));
}

fn weight(member: Value) -> Value {
    member["weight"].clone()
}

/// Goal: `fall-back` in the soak puts traffic back on the loaded half, for as long as a person
/// wants, and the run can be finished afterwards. Method: ground truth while it holds, and at the
/// end.
#[test]
fn fall_back_in_the_soak_puts_traffic_back_on_loaded() {
    with_processes(async {
        let served = Served::start().await;
        let mut run = served.start_evenkeel("apply", &["--approve", "all"]);
        run.until_event("farm-reached", json!({ "milestone": "soak-began" })).await;
        let asked = served.evenkeel("fall-back", &["--as", "maria"]).await;
        assert!(asked.status.success(), "{asked:?}");
        run.until_event("held", json!({ "reason": { "reason": "fell-back" } })).await;

        let truth = served.truth().await;
        for (server, wanted) in [("fe-1", 0), ("fe-2", 0), ("fe-3", 4), ("fe-4", 4)] {
            assert_eq!(eligible(&truth, server), wanted, "{server}");
        }
        for server in ["fe-3", "fe-4"] {
            assert_eq!(truth["servers"][server]["version"], FROM);
            assert_eq!(truth["servers"][server]["enabled"], false, "the database is new");
        }

        let again = served.evenkeel("resume", &["--retry", "--as", "maria"]).await;
        assert!(again.status.success(), "{again:?}");
        assert_eq!(run.end().await, 0, "{}", served.story());
        check_done(&served).await;
    });
}

/// Goal: `--on-hold exit` ends with 3 wherever only a person can help, says that nobody protects
/// from then on, and loses nothing. Method: at the first gate, at a hold, at the second gate; each
/// time a later call takes the run up.
#[test]
fn on_hold_exit_ends_with_3_and_can_be_taken_up() {
    with_processes(async {
        let served = Served::start().await;
        served.control(&format!("fail-jobs fe-2 front-end-upgrade 1603 {ATTEMPTS}")).await;
        let calls: [(&str, &[&str], &str); 3] = [
            ("apply", &[], "GATE before step 3"),
            ("resume", &["--approve", "3"], "HOLD: fe-2 cannot go on by itself"),
            ("resume", &["--retry", "fe-2"], "GATE before step 6"),
        ];
        for (verb, arguments, said) in calls {
            let arguments = [arguments, &["--on-hold", "exit"]].concat();
            let output = served.evenkeel(verb, &arguments).await;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(3), "{verb} {arguments:?}: {output:?}");
            assert!(text.contains(said), "{verb} {arguments:?} says: {text}");
            assert!(text.contains("NOBODY PROTECTS"), "{verb} {arguments:?} says: {text}");
        }
        let last = served.evenkeel("resume", &["--approve", "6"]).await;
        assert_eq!(last.status.code(), Some(0), "{last:?}");
        check_done(&served).await;
    });
}

async fn check_done(served: &Served) {
    let status = served.status().await;
    assert_eq!(status["standing"]["ended"]["verdict"], "done", "{status}");
    let truth = served.truth().await;
    for server in ["fe-1", "fe-2", "fe-3", "fe-4"] {
        let is = &truth["servers"][server];
        assert_eq!((&is["version"], &is["enabled"]), (&json!(TARGET), &json!(true)), "{server}");
        assert_eq!(eligible(&truth, server), memberships(server), "{server}");
    }
}
