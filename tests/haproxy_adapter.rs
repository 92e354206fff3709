//! The HAProxy adapter against a real HAProxy process: what it reads and what it writes is what
//! that program means by it. Traffic and runtime API go over UNIX sockets in a scratch folder, so
//! that tests running at the same time do not meet.
#![allow(missing_docs)]
use std::cell::{Cell, RefCell};
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::slice::from_ref as one;
use std::time::Duration;

use evenkeel::balancer::{BalancerError, Haproxy, PoolMembers};
use evenkeel::farm::BalancerNode;
use evenkeel::net::{Deadlines, Tokio};
use evenkeel::procedure::action::MemberChange;
use evenkeel::procedure::readings::{CheckState, MemberId, MemberReading, NodeReading, OperState};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

/// A HAProxy process, killed with the test.
struct Process {
    folder: tempfile::TempDir,
    child: Child,
}

impl Process {
    /// Starts HAProxy on a configuration; `{folder}` in it is the scratch folder.
    async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().to_str().expect("a path that is text");
        let whole = format!(
            "global\n  stats socket {path}/api.sock level admin\n\
             defaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  \
             timeout connect 2s\n  retries 0\n\
             frontend users\n  bind unix@{path}/users.sock\n  default_backend retail\n{config}\n"
        );
        let file = folder.path().join("haproxy.cfg");
        fs::write(&file, whole.replace("{folder}", path)).expect("a configuration file");
        let child = Command::new("haproxy")
            .args(["-W", "-S"])
            .arg(folder.path().join("master.sock"))
            .arg("-f")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("a log file"))
            .spawn()
            .expect("haproxy is installed: `apt-get install haproxy`");
        let process = Self { folder, child };
        let node = process.node(&[]);
        until("HAProxy answers", || async { node.observe().await.is_ok() }).await;
        // The worker answers before its master listens for signals, which would then be lost.
        until("its master answers", || async {
            process.ask("master.sock", "show proc").await.is_ok_and(|answer| !answer.is_empty())
        })
        .await;
        process
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn api(&self) -> String {
        format!("unix:{}", self.path("api.sock").display())
    }

    /// The adapter, with these members.
    fn node(&self, members: &[(&str, &str)]) -> Haproxy<Tokio> {
        node(&self.api(), members)
    }

    /// Sends the process a signal by name.
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("`kill` runs");
        assert!(status.success(), "kill -s {name} {pid}");
    }

    /// One user's request; its status, or none when the connection just closed.
    async fn get(&self, path: &str) -> Option<u16> {
        get(&self.path("users.sock"), path).await
    }

    /// A line to a socket of the process, as a person would send it, and the beginning of its
    /// answer: the master's socket stays open after it.
    async fn ask(&self, socket: &str, line: &str) -> io::Result<String> {
        let mut stream = UnixStream::connect(self.path(socket)).await?;
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The master takes its workers along. It may be dead already, in a test that failed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn node(api: &str, members: &[(&str, &str)]) -> Haproxy<Tokio> {
    let config: BalancerNode =
        toml::from_str(&format!("name = \"lb-1\"\napi = \"{api}\"")).expect("a node");
    let pools = members.iter().map(|(pool, member)| PoolMembers {
        pool: (*pool).into(),
        members: vec![((*member).into(), (*member).into())],
    });
    let deadlines = Deadlines { dial: Duration::from_secs(5), exchange: Duration::from_secs(5) };
    Haproxy::new(Tokio, &config, pools.collect()).waiting(deadlines)
}

fn id(pool: &str, server: &str) -> MemberId {
    MemberId { pool: pool.into(), server: server.into() }
}

fn member<'a>(reading: &'a NodeReading, pool: &str, server: &str) -> &'a MemberReading {
    reading.member(&id(pool, server)).expect("the node lists it")
}

async fn get(socket: &Path, path: &str) -> Option<u16> {
    let mut stream = UnixStream::connect(socket).await.expect("the frontend");
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the frontend reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    answer.split(' ').nth(1).map(|status| status.parse().expect("a status"))
}

/// Waits for a condition, for at most ten seconds.
async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| {
        panic!("not within ten seconds: {what}");
    });
}

/// A front-end: answers at once, but to `/slow` only once it is released.
#[derive(Clone)]
struct FrontEnd {
    port: u16,
    release: Rc<Notify>,
}

impl FrontEnd {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let release = Rc::new(Notify::new());
        let front_end = Self { port, release: Rc::clone(&release) };
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let release = Rc::clone(&release);
                spawn_local(async move {
                    let mut stream = BufReader::new(stream);
                    let mut line = String::new();
                    let _ = stream.read_line(&mut line).await;
                    if line.contains("/slow") {
                        release.notified().await;
                    }
                    let answer =
                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        front_end
    }
}

async fn in_local_set(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

/// Goal: a reading shows every member of ours, and no stranger. Method: a checked member, one that
/// refuses connections, one without a check, and one that is not the farm's.
#[tokio::test]
async fn a_reading_shows_the_farms_members_as_haproxy_has_them() {
    in_local_set(async {
        let front_end = FrontEnd::start().await;
        let port = front_end.port;
        let haproxy = Process::start(&format!(
            "backend retail\n  option httpchk GET /\n  default-server inter 100 rise 2 fall 2\n  \
             server fe-1 127.0.0.1:{port} check weight 10\n  server fe-2 127.0.0.1:1 check\n  \
             server fe-3 127.0.0.1:{port}\n  server other 127.0.0.1:{port}\n"
        ))
        .await;
        let node = haproxy.node(&[("retail", "fe-1"), ("retail", "fe-2"), ("retail", "fe-3")]);
        until("the checks have run", || async {
            let reading = node.observe().await.expect("a reading");
            member(&reading, "retail", "fe-1").check == CheckState::Passing
                && member(&reading, "retail", "fe-2").check == CheckState::Failing
        })
        .await;
        let before = node.observe().await.expect("a reading");
        assert_eq!(before.members.len(), 3);
        let up = member(&before, "retail", "fe-1");
        assert!(up.admin.ready());
        assert_eq!((up.oper, up.weight, up.in_flight), (OperState::Running, 10, 0));
        let down = member(&before, "retail", "fe-2");
        assert_eq!(down.oper, OperState::Stopped);
        assert!(down.status.starts_with("DOWN"), "{}", down.status);
        assert_eq!(member(&before, "retail", "fe-3").check, CheckState::None);

        for _ in 0..24 {
            assert_eq!(haproxy.get("/").await, Some(200));
        }
        let after = node.observe().await.expect("a reading");
        let arrived = |reading: &NodeReading| member(reading, "retail", "fe-1").arrivals;
        assert!(arrived(&after) > arrived(&before));
        assert_eq!(after.epoch, before.epoch);
    })
    .await;
}

/// Goal: who gets requests is told from who does not. Method: a disabled member, made ready; a backup.
#[tokio::test]
async fn a_member_that_was_disabled_by_configuration_and_made_ready_serves() {
    in_local_set(async {
        let front_end = FrontEnd::start().await;
        let at = format!("127.0.0.1:{}", front_end.port);
        let servers = format!("server fe-1 {at} disabled\n server fe-2 {at} backup");
        let haproxy = Process::start(&format!("backend retail\n {servers}")).await;
        let node = haproxy.node(&[("retail", "fe-1"), ("retail", "fe-2")]);
        let ready = node.change(one(&id("retail", "fe-1")), MemberChange::Admit).await;
        assert_eq!(haproxy.get("/").await, Some(200));
        let (ready, served) = (ready.expect("a reading"), node.observe().await.expect("a reading"));
        let told = ["fe-1", "fe-2"].map(|it| member(&ready, "retail", it));
        let told = told.map(|it| (it.admin.0, it.admin.ready(), it.backup));
        assert_eq!(told, [(4, true, false), (0, true, true)]);
        assert_eq!(["fe-1", "fe-2"].map(|it| member(&served, "retail", it).arrivals), [1, 0]);
    })
    .await;
}

/// Goal: a drain lets what is in flight finish, and nothing new in. Method: a request held at the
/// only member while it drains; another one, refused by HAProxy for want of members.
#[tokio::test]
async fn a_drain_lets_requests_finish_and_an_admit_lets_new_ones_in() {
    in_local_set(async {
        let front_end = FrontEnd::start().await;
        let port = front_end.port;
        let config = format!("backend retail\n  server fe-1 127.0.0.1:{port}\n");
        let haproxy = Process::start(&config).await;
        let (node, fe_1) = (haproxy.node(&[("retail", "fe-1")]), id("retail", "fe-1"));
        let users = haproxy.path("users.sock");
        let held = spawn_local(async move { get(&users, "/slow").await });
        until("the request is in flight", || async {
            let reading = node.observe().await.expect("a reading");
            member(&reading, "retail", "fe-1").in_flight == 1
        })
        .await;
        let drained = node.change(one(&fe_1), MemberChange::Drain).await.expect("drained");
        let state = member(&drained, "retail", "fe-1");
        assert!(state.admin.draining() && !state.admin.in_maintenance());
        assert_eq!((state.in_flight, state.arrivals), (1, 1));
        assert_eq!(haproxy.get("/").await, Some(503));

        front_end.release.notify_one();
        assert_eq!(held.await.expect("the request's task"), Some(200));
        until("nothing is in flight", || async {
            let reading = node.observe().await.expect("a reading");
            member(&reading, "retail", "fe-1").in_flight == 0
        })
        .await;
        let admitted = node.change(one(&fe_1), MemberChange::Admit).await.expect("admitted");
        assert!(member(&admitted, "retail", "fe-1").admin.ready());
        assert_eq!(haproxy.get("/").await, Some(200));
    })
    .await;
}

/// Goal: weight, maintenance and cut do what they say. Method: each, read back; the cut request's
/// own answer.
#[tokio::test]
async fn weight_maintenance_and_cut_are_read_back() {
    in_local_set(async {
        let front_end = FrontEnd::start().await;
        let port = front_end.port;
        let config = format!("backend retail\n  server fe-1 127.0.0.1:{port} weight 10\n");
        let haproxy = Process::start(&config).await;
        let (node, fe_1) = (haproxy.node(&[("retail", "fe-1")]), id("retail", "fe-1"));
        let weighed = node.change(one(&fe_1), MemberChange::Weight(7)).await.expect("weighed");
        assert_eq!(member(&weighed, "retail", "fe-1").weight, 7);

        let users = haproxy.path("users.sock");
        let held = spawn_local(async move { get(&users, "/slow").await });
        until("the request is in flight", || async {
            let reading = node.observe().await.expect("a reading");
            member(&reading, "retail", "fe-1").in_flight == 1
        })
        .await;
        node.change(one(&fe_1), MemberChange::Cut).await.expect("cut");
        assert_eq!(held.await.expect("the request's task"), Some(502));

        let out = node.change(one(&fe_1), MemberChange::Maintain).await.expect("out");
        let state = member(&out, "retail", "fe-1");
        assert!(state.admin.in_maintenance() && state.status.starts_with("MAINT"));
        let drained = node.change(one(&fe_1), MemberChange::Drain).await.expect("drained");
        let state = member(&drained, "retail", "fe-1");
        assert!(state.admin.draining() && !state.admin.in_maintenance());
    })
    .await;
}

/// Goal: prose is an error with HAProxy's own words. Method: a member that the balancer does not
/// have, a weight it does not take, and a socket of too low a level.
#[tokio::test]
async fn prose_is_a_refusal_in_haproxys_words() {
    let config = "backend retail\n  server fe-1 127.0.0.1:1\n  balance static-rr\n\
                  global\n  stats socket {folder}/operator.sock level operator\n";
    let haproxy = Process::start(config).await;
    let refused = |outcome: Result<NodeReading, BalancerError>, words: &str| match outcome {
        Err(BalancerError::Refused(said)) => assert!(said.contains(words), "{said}"),
        other => panic!("{other:?}"),
    };
    let node = haproxy.node(&[("retail", "fe-1"), ("retail", "fe-9")]);
    for change in [MemberChange::Drain, MemberChange::Weight(3), MemberChange::Cut] {
        refused(node.change(one(&id("retail", "fe-9")), change).await, "No such server.");
    }
    refused(node.change(one(&id("retail", "fe-1")), MemberChange::Weight(3)).await, "static LB");
    refused(node.change(one(&id("retail", "fe-5")), MemberChange::Drain).await, "no member");
    let api = format!("unix:{}", haproxy.path("operator.sock").display());
    let operator = self::node(&api, &[("retail", "fe-1")]);
    refused(
        operator.change(one(&id("retail", "fe-1")), MemberChange::Drain).await,
        "Permission denied",
    );
    let reading = node.observe().await.expect("a reading");
    assert!(member(&reading, "retail", "fe-1").admin.ready());
}

/// Goal: a reload is seen, since it forgets drains and counters. Method: a drain, then the signal
/// that makes HAProxy replace its worker.
#[tokio::test]
async fn a_reload_begins_another_epoch() {
    let haproxy = Process::start("backend retail\n  server fe-1 127.0.0.1:1\n").await;
    let node = haproxy.node(&[("retail", "fe-1")]);
    let before =
        node.change(one(&id("retail", "fe-1")), MemberChange::Drain).await.expect("drained");
    haproxy.signal("USR2");
    until("another epoch", || async {
        node.observe().await.is_ok_and(|reading| reading.epoch != before.epoch)
    })
    .await;
    let after = node.observe().await.expect("a reading");
    assert!(member(&after, "retail", "fe-1").admin.ready(), "a reload forgets drains");
}

/// An agent that always says `ready`; counts how often it was asked.
async fn agent() -> (u16, Rc<Cell<u32>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let asked = Rc::new(Cell::new(0));
    let counter = Rc::clone(&asked);
    spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.set(counter.get() + 1);
            let _ = stream.write_all(b"ready\n").await;
        }
    });
    (port, asked)
}

/// Goal: an agent check does not undo our drain. Method: an agent that always says `ready`: a
/// drain by a person's command is cancelled by it, the adapter's is not.
#[tokio::test]
async fn an_agent_check_does_not_undo_a_drain() {
    in_local_set(async {
        let (port, asked) = agent().await;
        let haproxy = Process::start(&format!(
            "backend retail\n  server fe-1 127.0.0.1:1 agent-check agent-port {port} \
             agent-inter 50\n"
        ))
        .await;
        let (node, fe_1) = (haproxy.node(&[("retail", "fe-1")]), id("retail", "fe-1"));
        until("the agent is asked", || async { asked.get() > 0 }).await;
        let drain = haproxy.ask("api.sock", "set server retail/fe-1 state drain").await;
        assert_eq!(drain.expect("an answer"), "\n");
        until("the agent has cancelled it", || async {
            let reading = node.observe().await.expect("a reading");
            member(&reading, "retail", "fe-1").admin.ready()
        })
        .await;

        let drained = node.change(one(&fe_1), MemberChange::Drain).await.expect("drained");
        assert!(member(&drained, "retail", "fe-1").admin.draining());
        // A check that was on its way may still come; after that, none.
        let mut counts = vec![asked.get()];
        while counts.len() < 5 || counts[counts.len() - 5] != asked.get() {
            tokio::time::sleep(Duration::from_millis(60)).await; // longer than agent-inter
            counts.push(asked.get());
            assert!(counts.len() < 100, "the agent is still asked: {counts:?}");
        }
        let reading = node.observe().await.expect("a reading");
        assert!(member(&reading, "retail", "fe-1").admin.draining(), "the agent undid the drain");
    })
    .await;
}

/// Goal: a tracker is not changed, as HAProxy would answer OK and do nothing. Method: a change of
/// the tracker, whose refusal names the tracked server; the same when the tracked one is drained.
#[tokio::test]
async fn a_tracking_member_is_refused_by_the_name_of_the_tracked_one() {
    let haproxy = Process::start(
        "backend retail\n  server fe-1 127.0.0.1:1 check\n\
         backend admin\n  server fe-1 127.0.0.1:1 track retail/fe-1\n",
    )
    .await;
    let node = haproxy.node(&[("retail", "fe-1"), ("admin", "fe-1")]);
    for change in [MemberChange::Drain, MemberChange::Admit, MemberChange::Maintain] {
        match node.change(one(&id("admin", "fe-1")), change).await {
            Err(BalancerError::Refused(words)) => {
                assert!(words.contains("admin/fe-1 tracks retail/fe-1"), "{words}");
            }
            other => panic!("{change:?}: {other:?}"),
        }
    }
    let reading = node.observe().await.expect("a reading");
    assert!(member(&reading, "admin", "fe-1").admin.ready(), "something was sent");
    let drained =
        node.change(one(&id("retail", "fe-1")), MemberChange::Drain).await.expect("drained");
    let follower = member(&drained, "admin", "fe-1");
    assert!(follower.admin.draining() && follower.admin.inherited());
}

/// Goal: the API works over TCP too. Method: a second socket, on a port that was free just now.
#[tokio::test]
async fn the_api_works_over_tcp() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api = free.local_addr().expect("its address").to_string();
    drop(free);
    let _haproxy = Process::start(&format!(
        "backend retail\n  server fe-1 127.0.0.1:1\n\
         global\n  stats socket ipv4@{api} level admin\n"
    ))
    .await;
    let node = node(&api, &[("retail", "fe-1")]);
    let drained =
        node.change(one(&id("retail", "fe-1")), MemberChange::Drain).await.expect("drained");
    assert!(member(&drained, "retail", "fe-1").admin.draining());
}

/// A balancer's API that does something else than answering, on a socket of its own.
async fn impostor(folder: &Path, answers: Vec<&'static [u8]>) -> Haproxy<Tokio> {
    let path = folder.join("api.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let answers = RefCell::new(answers.into_iter());
    spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let answer = answers.borrow_mut().next();
            match answer {
                Some(answer) => drop(stream.write_all(answer).await),
                None => std::future::pending().await, // the connection stays open and silent
            }
        }
    });
    let api = format!("unix:{}", path.display());
    let exchange = Duration::from_millis(200);
    node(&api, &[("retail", "fe-1")]).waiting(Deadlines { dial: exchange, exchange })
}

/// Goal: nothing sent, perhaps carried out, and nonsense are told apart; silence is never OK.
/// Method: no socket; a connection that closes without an answer, one that breaks off in the
/// table, one that stays silent; an answer of another product.
#[tokio::test]
async fn unreachable_lost_and_garbled_differ() {
    in_local_set(async {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let nowhere = node(&format!("unix:{}/none.sock", folder.path().display()), &[]);
        let outcome = nowhere.observe().await;
        assert!(matches!(outcome, Err(BalancerError::Unreachable(_))), "{outcome:?}");

        let torn = b"Name: HAProxy\nPid: 7\nStart_time_sec: 9\n\n1\n# be_id be_name srv_na";
        let node = impostor(folder.path(), vec![b"", torn, b"", b"HTTP/1.1 400 Bad\r\n\n\n"]).await;
        for what in ["no answer", "a torn answer"] {
            let outcome = node.observe().await;
            assert!(matches!(outcome, Err(BalancerError::Lost(_))), "{what}: {outcome:?}");
        }
        let cut = node.change(one(&id("retail", "fe-1")), MemberChange::Cut).await;
        assert!(matches!(cut, Err(BalancerError::Lost(_))), "{cut:?}");
        let outcome = node.observe().await;
        assert!(matches!(outcome, Err(BalancerError::Garbled(_))), "{outcome:?}");
        let outcome = node.observe().await;
        assert!(matches!(outcome, Err(BalancerError::Lost(_))), "silence: {outcome:?}");
    })
    .await;
}
