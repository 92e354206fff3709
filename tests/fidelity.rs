//! The fake balancer behaves as HAProxy does: one script, two arms, the same trace.
//!
//! Every test runs one script against our double and against the real `haproxy` of this machine.
//! The script talks to sockets alone: the runtime API, and HTTP through the proxy to back-ends that
//! the test serves itself. What it saw is its trace; both traces must be equal, and as written here.
//!
//! Not compared: durations, rates, bytes and the counters of connections, which the double leaves
//! at zero or counts by request; the instant at which a check runs.
#[path = "fidelity/arms.rs"]
mod arms;
#[path = "fidelity/backend.rs"]
mod backend;
mod support;

use arms::{Arm, Pool, both, get_on};
use evenkeel_fakes::balancer::CheckTiming;

/// Verdicts come soon.
const QUICK: CheckTiming = CheckTiming { interval_ms: 100, fall: 3, rise: 2 };
/// Between two checks a script has time to act.
const SLOW: CheckTiming = CheckTiming { interval_ms: 500, fall: 3, rise: 2 };

const CHECKED: Pool = Pool { name: "checked", check: true, cut_when_down: false };
const UNCHECKED: Pool = Pool { name: "unchecked", check: false, cut_when_down: false };
const CUTTING: Pool = Pool { name: "cutting", check: true, cut_when_down: true };

/// Goal: a drained member finishes what it has and gets nothing new, also not on a client
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
    insta::assert_snapshot!(trace, @r##"
    set server checked/m2 state drain: "\n"
    200 s1 for farm.example
    set server checked/m2 state ready: "\n"
    set server checked/m1 state drain: "\n"
    checked/m1 becomes DRAIN
    checked/m1: status=DRAIN weight=10 scur=1 check_status=L7OK check_code=200 last_chk= op_state=2 admin_state=8 uweight=10 check_health=4
    200 s2 for farm.example
    200 s2 for farm.example
    200 s2 for farm.example
    200 s2 for farm.example
    stot 2
    200 s1 for farm.example
    checked/m1 reads scur=0
    stot 2
    "##);
}

/// Goal: maintenance lets requests in flight finish, unless the pool cuts them when a member is
/// marked down. Method: one held request in a pool of each kind.
#[test]
fn maintenance_cuts_only_where_the_pool_says_so() {
    let trace = both(&[CHECKED, CUTTING], QUICK, async |arm: &mut Arm| {
        for pool in ["checked", "cutting"] {
            arm.command(&format!("set server {pool}/m2 state drain")).await;
            let held = arm.hold(pool, 0).await;
            arm.command(&format!("set server {pool}/m2 state ready")).await;
            arm.command(&format!("set server {pool}/m1 state maint")).await;
            let scur = if pool == "cutting" { "0" } else { "1" };
            arm.reads(pool, "m1", "scur", scur).await;
            arm.look(pool, "m1").await;
            arm.note(arm.get(pool, "/").await);
            if pool == "checked" {
                arm.backends[0].release();
            }
            arm.note(held.await.expect("the request was not aborted"));
            arm.reads(pool, "m1", "scur", "0").await;
            arm.note(format!("eresp {}", arm.stat(pool, "m1").await["eresp"]));
            arm.backends[0].hold_again();
        }
    });
    insta::assert_snapshot!(trace, @r##"
    set server checked/m2 state drain: "\n"
    set server checked/m2 state ready: "\n"
    set server checked/m1 state maint: "\n"
    checked/m1 reads scur=1
    checked/m1: status=MAINT weight=10 scur=1 check_status= check_code= last_chk= op_state=0 admin_state=1 uweight=10 check_health=0
    200 s2 for farm.example
    200 s1 for farm.example
    checked/m1 reads scur=0
    eresp 0
    set server cutting/m2 state drain: "\n"
    set server cutting/m2 state ready: "\n"
    set server cutting/m1 state maint: "\n"
    cutting/m1 reads scur=0
    cutting/m1: status=MAINT weight=10 scur=0 check_status= check_code= last_chk= op_state=0 admin_state=1 uweight=10 check_health=0
    200 s2 for farm.example
    502 ["107", "no-cache", "text/html"] "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n"
    cutting/m1 reads scur=0
    eresp 1
    "##);
}

/// Goal: `shutdown sessions server` answers requests in flight by 502, at once, and leaves the
/// member as it is.
#[test]
fn shutting_sessions_down_cuts_requests_by_502() {
    let trace = both(&[UNCHECKED], QUICK, async |arm: &mut Arm| {
        arm.command("set server unchecked/m2 state drain").await;
        let held = arm.hold("unchecked", 0).await;
        arm.command("shutdown sessions server unchecked/m1").await;
        arm.note(held.await.expect("the request was not aborted"));
        arm.reads("unchecked", "m1", "scur", "0").await;
        arm.look("unchecked", "m1").await;
        let row = arm.stat("unchecked", "m1").await;
        for column in ["stot", "lbtot", "eresp", "econ", "hrsp_2xx", "hrsp_5xx", "req_tot"] {
            arm.note(format!("{column} {}", row[column]));
        }
    });
    insta::assert_snapshot!(trace, @r##"
    set server unchecked/m2 state drain: "\n"
    shutdown sessions server unchecked/m1: "\n"
    502 ["107", "no-cache", "text/html"] "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n"
    unchecked/m1 reads scur=0
    unchecked/m1: status=no check weight=10 scur=0 check_status= check_code= last_chk= op_state=2 admin_state=0 uweight=10 check_health=2
    stot 1
    lbtot 1
    eresp 1
    econ 0
    hrsp_2xx 0
    hrsp_5xx 0
    req_tot 0
    "##);
}

/// Goal: ready from maintenance is optimistic: a broken server gets requests until its first
/// check fails. Method: the only eligible member is broken; the race with its check, which comes at
/// any time, is run until the request wins it.
#[test]
fn a_broken_server_made_ready_gets_traffic_before_its_first_check() {
    let trace = both(&[CHECKED], SLOW, async |arm: &mut Arm| {
        arm.command("set server checked/m2 state drain").await;
        arm.set_healthy(0, false);
        let mut won = None;
        for _ in 0..20 {
            arm.api("set server checked/m1 state maint").await;
            let at_once = arm.api("set server checked/m1 state ready;show stat").await;
            let row = arms::stat_row(at_once.trim_start(), "checked", "m1");
            let answer = arm.get("checked", "/").await;
            if answer.contains("s1") {
                won = Some(format!("{} gets a request: {answer}", row["status"]));
                break;
            }
        }
        arm.note(won.expect("of 20 requests one came before the check"));
        arm.becomes("checked", "m1", "DOWN").await;
        arm.look("checked", "m1").await;
        arm.note(arm.get("checked", "/").await);
    });
    insta::assert_snapshot!(
        "a_broken_server_made_ready_gets_traffic_before_its_first_check",
        trace
    );
}

/// Goal: from maintenance to drain proves a member without traffic: its checks run, no request
/// comes, and its health shows.
#[test]
fn drain_after_maintenance_proves_a_member_without_traffic() {
    let trace = both(&[CHECKED], QUICK, async |arm: &mut Arm| {
        arm.command("set server checked/m1 state maint").await;
        arm.look("checked", "m1").await;
        arm.set_healthy(0, false);
        arm.command("set server checked/m1 state drain").await;
        arm.becomes("checked", "m1", "DOWN").await;
        arm.look("checked", "m1").await;
        arm.set_healthy(0, true);
        arm.becomes("checked", "m1", "DRAIN").await;
        arm.look("checked", "m1").await;
        for _ in 0..4 {
            arm.note(arm.get("checked", "/").await);
        }
        arm.note(format!("requests of s1: {}", arm.backends[0].requests.get()));
        arm.command("set server checked/m1 state ready").await;
        arm.look("checked", "m1").await;
    });
    insta::assert_snapshot!(trace, @r##"
    set server checked/m1 state maint: "\n"
    checked/m1: status=MAINT weight=10 scur=0 check_status= check_code= last_chk= op_state=0 admin_state=1 uweight=10 check_health=0
    set server checked/m1 state drain: "\n"
    checked/m1 becomes DOWN
    checked/m1: status=DOWN weight=10 scur=0 check_status=L7STS check_code=503 last_chk=Service Unavailable op_state=0 admin_state=8 uweight=10 check_health=0
    checked/m1 becomes DRAIN
    checked/m1: status=DRAIN weight=10 scur=0 check_status=L7OK check_code=200 last_chk= op_state=2 admin_state=8 uweight=10 check_health=4
    200 s2 for farm.example
    200 s2 for farm.example
    200 s2 for farm.example
    200 s2 for farm.example
    requests of s1: 0
    set server checked/m1 state ready: "\n"
    checked/m1: status=UP weight=10 scur=0 check_status=L7OK check_code=200 last_chk= op_state=2 admin_state=0 uweight=10 check_health=4
    "##);
}

/// Goal: a reload forgets drain, maintenance and weights, and its counters begin at zero,
/// while the old process still carries what it had and nobody can see or cut that.
#[test]
fn a_reload_forgets_what_was_set_and_what_is_in_flight() {
    let trace = both(&[CHECKED], QUICK, async |arm: &mut Arm| {
        arm.command("set server checked/m2 state drain").await;
        let held = arm.hold("checked", 0).await;
        arm.command("set server checked/m1 weight 50%").await;
        arm.command("set server checked/m1 state maint").await;
        arm.note(arm.get("checked", "/").await);
        arm.reload().await;
        for member in ["m1", "m2"] {
            arm.becomes("checked", member, "UP").await;
            arm.look("checked", member).await;
            let row = arm.stat("checked", member).await;
            for column in ["scur", "stot", "lbtot", "chkdown", "chkfail", "eresp", "lastsess"] {
                arm.note(format!("{column} {}", row[column]));
            }
        }
        arm.command("shutdown sessions server checked/m1").await;
        arm.backends[0].release();
        arm.note(held.await.expect("the request was not aborted"));
        arm.note(format!("stot {}", arm.stat("checked", "m1").await["stot"]));
    });
    insta::assert_snapshot!(trace, @r##"
    set server checked/m2 state drain: "\n"
    set server checked/m1 weight 50%: "\n"
    set server checked/m1 state maint: "\n"
    503 ["107", "no-cache", "text/html"] "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
    reloaded: another Pid
    checked/m1 becomes UP
    checked/m1: status=UP weight=10 scur=0 check_status=L7OK check_code=200 last_chk= op_state=2 admin_state=0 uweight=10 check_health=4
    scur 0
    stot 0
    lbtot 0
    chkdown 0
    chkfail 0
    eresp 0
    lastsess -1
    checked/m2 becomes UP
    checked/m2: status=UP weight=10 scur=0 check_status=L7OK check_code=200 last_chk= op_state=2 admin_state=0 uweight=10 check_health=4
    scur 0
    stot 0
    lbtot 0
    chkdown 0
    chkfail 0
    eresp 0
    lastsess -1
    shutdown sessions server checked/m1: "\n"
    200 s1 for farm.example
    stot 0
    "##);
}

/// Goal: a drained member that fails its check shows DOWN: that it is drained shows only in
/// its administrative bits. When it recovers, DRAIN shows again.
#[test]
fn a_drained_member_that_fails_shows_down() {
    let trace = both(&[CHECKED], QUICK, async |arm: &mut Arm| {
        arm.command("set server checked/m1 state drain").await;
        arm.becomes("checked", "m1", "DRAIN").await;
        arm.set_healthy(0, false);
        arm.becomes("checked", "m1", "DOWN").await;
        arm.look("checked", "m1").await;
        arm.note(format!("backend {}", arm.stat("checked", "BACKEND").await["status"]));
        arm.command("set server checked/m2 state maint").await;
        arm.note(format!("backend {}", arm.stat("checked", "BACKEND").await["status"]));
        arm.note(arm.get("checked", "/").await);
        arm.set_healthy(0, true);
        arm.becomes("checked", "m1", "DRAIN").await;
        arm.command("set server checked/m1 state ready").await;
        arm.look("checked", "m1").await;
        arm.note(arm.get("checked", "/").await);
    });
    insta::assert_snapshot!(trace, @r##"
    set server checked/m1 state drain: "\n"
    checked/m1 becomes DRAIN
    checked/m1 becomes DOWN
    checked/m1: status=DOWN weight=10 scur=0 check_status=L7STS check_code=503 last_chk=Service Unavailable op_state=0 admin_state=8 uweight=10 check_health=0
    backend UP
    set server checked/m2 state maint: "\n"
    backend DOWN
    503 ["107", "no-cache", "text/html"] "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"
    checked/m1 becomes DRAIN
    set server checked/m1 state ready: "\n"
    checked/m1: status=UP weight=10 scur=0 check_status=L7OK check_code=200 last_chk= op_state=2 admin_state=0 uweight=10 check_health=4
    200 s1 for farm.example
    "##);
}

/// Goal: health that is set by command, weights, and a member without a check.
#[test]
fn health_and_weight_follow_commands() {
    let trace = both(&[CHECKED, UNCHECKED], QUICK, async |arm: &mut Arm| {
        for command in [
            "set server unchecked/m1 health down",
            "set server unchecked/m2 weight 0",
            "set server unchecked/m1 health up",
            "set server unchecked/m1 state drain",
            "set server unchecked/m1 state maint",
            "set server unchecked/m1 state drain",
            "set server unchecked/m1 health stopping",
            "set server unchecked/m1 state ready",
            "set weight unchecked/m2 150%",
            "set server unchecked/m1 health up",
            "disable server unchecked/m1",
            "enable server unchecked/m1",
        ] {
            arm.command(command).await;
            for member in ["m1", "m2"] {
                arm.look("unchecked", member).await;
            }
            let row = arm.stat("unchecked", "BACKEND").await;
            arm.note(format!("{} weight={} act={}", row["status"], row["weight"], row["act"]));
            let answer = arm.get("unchecked", "/").await;
            arm.note(&answer[..3]);
        }
        arm.command("disable health checked/m1").await;
        arm.look("checked", "m1").await;
        arm.command("set server checked/m1 state maint").await;
        arm.look("checked", "m1").await;
        arm.command("enable health checked/m1;set server checked/m1 state ready").await;
        arm.becomes("checked", "m1", "UP").await;
        arm.look("checked", "m1").await;
        arm.command("set server checked/m1 health down").await;
        arm.becomes("checked", "m1", "UP").await;
        arm.look("checked", "m1").await;
    });
    insta::assert_snapshot!("health_and_weight_follow_commands", trace);
}

/// Goal: what is refused is refused in the same words, to the byte.
#[test]
fn refusals_have_the_same_words() {
    let trace = both(&[CHECKED, UNCHECKED], QUICK, async |arm: &mut Arm| {
        for line in include_str!("fidelity/refusals.txt").lines() {
            let reply = arm.api(line).await;
            arm.note(format!("> {line}\n{reply}"));
        }
    });
    insta::assert_snapshot!("refusals_have_the_same_words", trace);
}

/// Goal: framing. Lines joined, several, without an end; the interactive mode.
#[test]
fn lines_are_framed_alike() {
    let trace = both(&[UNCHECKED], QUICK, async |arm: &mut Arm| {
        for bytes in [
            "show cli level;get weight unchecked/m1\n",
            "show cli level\nget weight unchecked/m1\n",
            "show cli level\r\n",
            "\tshow   cli  level  \n",
            "show cli level",
            "quit\nshow cli level\n",
            "show cli level;;get weight unchecked/m1\n",
            "operator;show cli level;set server unchecked/m1 state maint;get weight unchecked/m1\n",
            "user;show cli level;shutdown sessions server unchecked/m1;operator;show cli level\n",
            "prompt\nshow cli level\nget weight unchecked/nobody\nquit\n",
            "prompt;show cli level;prompt;show cli level\n",
        ] {
            let reply = arm.raw(bytes).await;
            arm.note(format!("{bytes:?}: {reply:?}"));
        }
        arm.look("unchecked", "m1").await;
    });
    insta::assert_snapshot!("lines_are_framed_alike", trace);
}

/// Goal: both tables, row by row and column by column. Method: bring members into every state that
/// lasts, make requests, then compare each cell: equal, or, where it measures, alike in form.
#[test]
fn every_cell_has_the_same_value_or_form() {
    let trace = both(&[CHECKED, UNCHECKED, CUTTING], QUICK, async |arm: &mut Arm| {
        for _ in 0..4 {
            arm.note(arm.get("checked", "/").await);
        }
        arm.tables().await;
        arm.set_healthy(1, false);
        arm.becomes("checked", "m2", "DOWN").await;
        arm.becomes("cutting", "m2", "DOWN").await;
        arm.command("set server checked/m1 state drain").await;
        arm.command("set server unchecked/m1 state maint").await;
        arm.command("set server unchecked/m2 health stopping").await;
        arm.note(arm.get("checked", "/").await);
        arm.note(arm.get("unchecked", "/").await);
        arm.note(arm.get("cutting", "/").await);
        arm.tables().await;
        for line in ["show stat checked 4 -1", "show stat -1 2 -1 no-maint", "show stat 2 1 0 up"] {
            let reply = arm.api(line).await;
            let rows =
                reply.lines().map(|row| row.split(',').take(2).collect::<Vec<_>>().join(","));
            arm.note(format!("{line}: {:?}", rows.collect::<Vec<_>>()));
        }
        let info = arm.api("show info").await;
        arm.note(
            info.lines().map(|line| line.split(':').next().unwrap_or(line)).collect::<String>(),
        );
        arm.note(arm.api("show backend").await);
        arm.note(arm.api("show servers conn").await.lines().next().unwrap_or("nothing"));
    });
    insta::assert_snapshot!("every_cell_has_the_same_value_or_form", trace);
}
