//! The whole program against real balancers: `evenkeel` as a process, two real HAProxy processes
//! with two pools, the farm's doubles behind them, and users who notice every request that fails.
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use support::served::Served;
use support::users::{Entrance, Long, Tally, Users};
use support::working::Working;
use support::{Haproxy, eventually};

/// Runs take both cores of a small machine: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const NODES: [&str; 2] = ["lb-1", "lb-2"];
const TARGET: &str = "11.36.1.43500";
/// Memberships of the farm's front-ends in its pools, over both nodes.
const PLACES: usize = 14;

/// The served farm behind its balancers.
struct Stage {
    served: Served,
    haproxies: BTreeMap<&'static str, Haproxy>,
    farm: toml::Table,
}

impl Stage {
    async fn set() -> Self {
        let served = Served::start_behind_haproxy().await;
        let start = |node: &'static str| {
            let config = std::fs::read_to_string(served.file(&format!("haproxy-{node}.cfg")));
            (node, Haproxy::start(&config.expect("the doubles wrote it")))
        };
        let haproxies = NODES.into_iter().map(start).collect();
        let farm = std::fs::read_to_string(served.file("shop.farm.toml")).expect("it was written");
        let farm = farm.parse().expect("it is TOML");
        let stage = Self { served, haproxies, farm };
        for node in NODES {
            let all_up = async || {
                let members = stage.members(node).await?;
                members.values().all(|member| member.up).then_some(())
            };
            eventually("every member to be up", all_up).await;
        }
        stage
    }

    /// Where users arrive: every pool on every node.
    fn entrances(&self) -> Vec<Entrance> {
        let pools = self.farm["pool"].as_array().expect("pools are a list");
        let of = |pool: &toml::Value, node: &'static str| {
            let (host, module) = match pool["name"].as_str() {
                Some("shop") => ("shop.example", "Store"),
                _ => ("staff.example", "Desk"),
            };
            let address = pool["traffic"][node].as_str().expect("every pool has traffic");
            Entrance { node, address: address.into(), host, module }
        };
        NODES.iter().flat_map(|node| pools.iter().map(move |pool| of(pool, node))).collect()
    }

    /// What a node's runtime API answers; `None` while nobody listens.
    async fn runtime(&self, node: &str, command: &str) -> Option<String> {
        let nodes = self.farm["balancer"].as_array().expect("nodes are a list");
        let node = nodes.iter().find(|it| it["name"].as_str() == Some(node))?;
        let mut stream = TcpStream::connect(node["api"].as_str()?).await.ok()?;
        stream.write_all(format!("{command}\n").as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// Every member of a node, by pool and name.
    async fn members(&self, node: &str) -> Option<BTreeMap<String, Member>> {
        let answer = self.runtime(node, "show servers state").await?;
        let mut lines = answer.lines().skip(1);
        let header: Vec<&str> = lines.next()?.trim_start_matches("# ").split(' ').collect();
        let rows = lines.filter(|line| !line.is_empty()).map(|line| {
            let row: BTreeMap<_, _> = header.iter().copied().zip(line.split(' ')).collect();
            let member = Member {
                // Running, and by nobody's hand otherwise.
                up: row["srv_op_state"] == "2" && row["srv_admin_state"] == "0",
                drained: row["srv_admin_state"] == "8",
                weights: (row["srv_uweight"].into(), row["srv_iweight"].into()),
            };
            (format!("{}/{}", row["be_name"], row["srv_name"]), member)
        });
        Some(rows.collect())
    }

    /// How often a node had to send a request again or to another member, for any reason.
    async fn second_tries(&self, node: &str) -> u64 {
        let answer = self.runtime(node, "show stat").await.expect("the node answers");
        let mut lines = answer.lines();
        let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let rows = lines.map(|line| header.iter().copied().zip(line.split(',')));
        let rows = rows.map(Iterator::collect::<BTreeMap<_, _>>);
        let backends = rows.filter(|row| row.get("svname") == Some(&"BACKEND"));
        let number = |text: &str| text.parse::<u64>().expect("it is a counter");
        backends.map(|row| number(row["wretr"]) + number(row["wredis"])).sum()
    }

    /// Answers a gate as the person at another terminal does, once the run waits at it.
    async fn approve(&self, run: &mut Working, step: u8) {
        run.until_event("at-gate", json!({ "step": step })).await;
        let step = step.to_string();
        let who = ["--approve", &step, "--as", "maria", "--ticket", "CHG-4711"];
        let answer = self.served.evenkeel("apply", &who).await;
        assert!(answer.status.success(), "not approved: {answer:?}");
    }

    /// Waits until an installer has stopped a server's web server.
    async fn until_installing(&self, server: &str) {
        let stopped = async || {
            let truth = self.served.truth_of(server).await;
            (truth["applications"] == "unavailable").then_some(())
        };
        eventually(&format!("an installer to stop {server}"), stopped).await;
    }

    /// Waits until a node has these members drained.
    async fn until_drained(&self, node: &str, wanted: &[&str]) {
        let drained = async || {
            let members = self.members(node).await?;
            wanted.iter().all(|member| members[*member].drained).then_some(())
        };
        eventually(&format!("{wanted:?} to be drained on {node}"), drained).await;
    }

    /// Reloads a node, as `systemctl reload haproxy` does, and waits until the run has noticed and
    /// has drained a server again.
    async fn reload(&self, node: &str, run: &mut Working, drained: &str) {
        self.haproxies[node].reload();
        run.until_event("noticed", json!({ "notice": "epoch-ended", "node": node })).await;
        let drain = json!({ "node": node, "members": [{ "server": drained }], "change": "drain" });
        run.until_event("intent", json!({ "action": drain })).await;
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    up: bool,
    drained: bool,
    weights: (String, String),
}

/// One upgrade as the story tells it, from the first event to the second gate's approval and
/// beyond, and everything that must be true after it.
fn upgrade(reloaded: bool, story: impl AsyncFn(&Stage, &Users) -> Working) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|failed| failed.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let stage = Stage::set().await;
        let mut before = BTreeMap::new();
        for node in NODES {
            before.insert(node, stage.members(node).await.expect("the node answers"));
        }
        let users = Users::start(stage.entrances());
        // Long enough for every long request of the first volleys to be in flight with others.
        users.answered(5_000).await;

        let run = story(&stage, &users).await;
        let code = run.end().await;

        let tally = users.stop().await;
        assert_eq!(code, 0, "{}", stage.served.story());
        check_users(&stage.served, &tally);
        check_jobs(&stage.served);
        check_farm(&stage, &before).await;
        let mut second_tries = 0;
        for node in NODES {
            second_tries += stage.second_tries(node).await;
        }
        println!(
            "{} answered, {} of them long; {} sent again by users, {second_tries} by HAProxy",
            tally.answered,
            tally.long.len(),
            tally.sent_again
        );
        assert!(reloaded || second_tries == 0, "HAProxy had to mend {second_tries} requests");
    });
}

/// None failed, there were enough of them, and each drain had some to wait for.
fn check_users(served: &Served, tally: &Tally) {
    let (failed, story) = (&tally.failed, || served.story());
    assert!(failed.is_empty(), "{} failed:\n{}\n{}", failed.len(), failed.join("\n"), story());
    let cut: Vec<_> = tally.long.iter().filter(|it| it.was_cut()).collect();
    assert!(cut.is_empty(), "cut, and done again elsewhere: {cut:?}\n{}", story());
    assert!(tally.answered >= 20_000, "only {} requests: no load", tally.answered);
    assert!(tally.in_flight_min >= 32, "only {} in flight at times", tally.in_flight_min);
    // Once for each place; after a reload it is drained again, with nobody on it any more.
    let mut drained = BTreeSet::new();
    for (at, event) in served.events.borrow().iter() {
        let action = &event["action"];
        if action["change"] != "drain" {
            continue;
        }
        for member in action["members"].as_array().expect("members are a list") {
            if drained.insert(format!("{} {member}", action["node"])) {
                let server = &member["server"];
                let on_it = |it: &&Long| it.server == *server && it.began < *at && *at < it.ended;
                assert!(
                    tally.long.iter().any(|it| on_it(&it)),
                    "nothing long was on {server} at {action}"
                );
            }
        }
    }
    assert_eq!(drained.len(), PLACES, "{drained:?}");
}

/// Every job was started once, whoever was killed meanwhile.
fn check_jobs(served: &Served) {
    let mut started = BTreeSet::new();
    for (_, event) in served.events.borrow().iter() {
        let action = &event["action"];
        if event["event"] == "intent" && action["do"] == "start" {
            let job = format!("{} on {}", action["kind"], action["server"]);
            assert!(started.insert(job.clone()), "{job} was started again");
        }
    }
    assert!(!started.is_empty());
}

/// Everything is upgraded, and as it was before.
async fn check_farm(stage: &Stage, before: &BTreeMap<&str, BTreeMap<String, Member>>) {
    let truth = stage.served.truth().await;
    for (name, server) in truth["servers"].as_object().expect("servers by name") {
        assert_eq!(server["version"], TARGET, "{name}: {server}");
        assert_eq!(server["enabled"], true, "{name}: {server}");
        assert_eq!(server["automatic"], true, "{name}: {server}");
        assert_eq!(server["pending"], false, "{name}: {server}");
        assert_eq!(server["job_runs"], false, "{name}: {server}");
    }
    for node in NODES {
        let after = stage.members(node).await.expect("the node answers");
        assert_eq!(after, before[node], "members of {node}");
    }
    let status = stage.served.status().await;
    assert_eq!(status["standing"]["ended"]["verdict"], "done", "{status}");
    assert_eq!(status["running"], false, "{status}");
    let history = stage.served.evenkeel("history", &[]).await;
    let history = String::from_utf8(history.stdout).expect("history is text");
    assert!(history.lines().last().is_some_and(|line| line.contains("done")), "{history}");
    assert!(history.contains("maria") && history.contains("CHG-4711"), "{history}");
}

/// Goal: the promise itself. Method: nothing is done to the run but approving its gates from
/// another terminal; that HAProxy had to mend nothing shows that it is not HAProxy's retries that
/// kept the promise.
#[test]
fn a_loaded_farm_is_upgraded_and_no_request_fails() {
    upgrade(false, async |stage, _| {
        let mut run = stage.served.start_evenkeel("apply", &[]);
        stage.approve(&mut run, 3).await;
        stage.approve(&mut run, 6).await;
        run
    });
}

/// Goal: a killed orchestrator costs nothing but time. Method: `kill -9` while an installer runs,
/// and again while the other half drains, each followed by `resume`, which must find the job that
/// runs and the drains that stand.
#[test]
fn killed_and_resumed_it_is_upgraded_and_no_request_fails() {
    upgrade(false, async |stage, _| {
        let mut run = stage.served.start_evenkeel("apply", &[]);
        stage.approve(&mut run, 3).await;
        stage.until_installing("fe-2").await;
        run.kill().await;
        let mut run = stage.served.start_evenkeel("resume", &[]);
        run.until_event("began", json!({ "resumed": true })).await;
        run.until_event("job-ended", json!({ "server": "fe-2" })).await;

        let drain = json!({ "members": [{ "server": "fe-3" }], "change": "drain" });
        run.until_event("intent", json!({ "action": drain })).await;
        run.kill().await;
        let mut run = stage.served.start_evenkeel("resume", &[]);
        stage.approve(&mut run, 6).await;
        run
    });
}

/// Goal: a reload of HAProxy, which puts every drained member back, fails no request either.
/// Method: reload a node while the first half drains, when the old process has longer requests in
/// flight than any other, of which the new one knows nothing: they must be waited for. Then reload
/// one while the first half is being upgraded and one while the second is, each when an installer
/// has stopped a web server. Each time the drains must be made again.
#[test]
fn with_haproxy_reloaded_it_is_upgraded_and_no_request_fails() {
    upgrade(true, async |stage, users| {
        users.begin_long("lb-2", 10_000, 10);
        let mut run = stage.served.start_evenkeel("apply", &[]);
        stage.until_drained("lb-2", &["shop/fe-1", "shop/fe-2", "staff/fe-1"]).await;
        stage.reload("lb-2", &mut run, "fe-1").await;
        stage.approve(&mut run, 3).await;
        stage.until_installing("fe-1").await;
        stage.reload("lb-1", &mut run, "fe-1").await;
        stage.approve(&mut run, 6).await;
        stage.until_installing("fe-3").await;
        stage.reload("lb-2", &mut run, "fe-3").await;
        run
    });
}
