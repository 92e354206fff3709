//! One code, three networks: the operating system's, the rehearsal's fabric, and the umbrella crate
//! `turmoil` as a cross-check of the fabric.
//!
//! First a server and a client, written once over `Listen` and `Dial`, with hyper on both sides: the
//! simulated networks tell the same story of a crash. Then the whole: the orchestrator and the
//! doubles upgrade a farm on both.
#[path = "support/turmoil_farm.rs"]
mod turmoil_farm;
#[path = "support/turmoil_net.rs"]
mod turmoil_net;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use evenkeel::farm::Version;
use evenkeel::journal::{Milestone, Verdict, tell};
use evenkeel::ports::{Address, Dial};
use evenkeel_fakes::ledger::ServiceState;
use evenkeel_fakes::listen::{Listen, Tokio};
use evenkeel_sim::disk::CrashOutcome;
use evenkeel_sim::fabric::{self, Setup};
use evenkeel_sim::nemesis::{Choice, Source};
use evenkeel_sim::oracle::RunVerdict;
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::world::{Order, rehearse};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::{LocalSet, spawn_local};
use turmoil_farm::Upgrade;
use turmoil_net::Turmoil;

/// Serves what it is asked for, on every connection, for ever.
async fn serve<L: Listen>(socket: &mut L::Socket) -> io::Result<()> {
    loop {
        let (stream, _) = L::accept(socket).await?;
        let echo = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(Response::new(request.uri().path().to_owned()))
        });
        spawn_local(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), echo),
        );
    }
}

/// Asks for a path and returns the answer.
async fn get<D: Dial>(dial: D, to: Address, path: &str) -> io::Result<String> {
    let stream = dial.dial(&to).await?;
    let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    spawn_local(connection);
    let request = Request::get(path)
        .header("host", "server")
        .body(String::new())
        .expect("a fixed request is valid");
    let answer = requests.send_request(request).await.map_err(io::Error::other)?;
    let body = answer.into_body().collect().await.map_err(io::Error::other)?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

/// Asks with a deadline of a second and tells what came of it.
async fn told<D: Dial>(dial: D, to: Address) -> &'static str {
    match tokio::time::timeout(Duration::from_secs(1), get(dial, to, "/echo")).await {
        Ok(Ok(answer)) if answer == "/echo" => "answered",
        Ok(Ok(_)) => "answered wrongly",
        Ok(Err(_)) => "refused",
        Err(_) => "silent",
    }
}

/// Asks each second for six seconds, half a second past the full one.
async fn story<D: Dial>(dial: D, to: Address) -> Vec<&'static str> {
    let start = tokio::time::Instant::now();
    let mut story = Vec::new();
    for second in 0..6 {
        tokio::time::sleep_until(start + Duration::from_millis(second * 1_000 + 500)).await;
        story.push(told(dial.clone(), to.clone()).await);
    }
    story
}

/// When the server dies and when it is back.
const CRASH: Duration = Duration::from_secs(2);
const BOUNCE: Duration = Duration::from_secs(4);

/// What both simulated networks must tell, but for the question of 3.5 s, which is still open when
/// the server is back: the fabric completes its connect, as Linux does, turmoil refuses it.
fn check_story(story: &[&str], at_the_bounce: &str) {
    let expected = ["answered", "answered", "silent", at_the_bounce, "answered", "answered"];
    assert_eq!(story, expected);
}

fn server_address() -> Address {
    Address::Tcp("server".into(), 80)
}

fn any_address() -> SocketAddr {
    "0.0.0.0:80".parse().unwrap()
}

/// Dials by the operating system.
#[derive(Clone)]
struct Loopback;

impl Dial for Loopback {
    type Stream = tokio::net::TcpStream;

    fn dial(
        &self,
        to: &Address,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let Address::Tcp(host, port) = to.clone() else { panic!("this test dials TCP: {to:?}") };
        async move { tokio::net::TcpStream::connect((host.as_str(), port)).await }
    }
}

/// Goal: the code runs on real sockets. Method: serve on a free port of loopback, ask once.
#[test]
fn the_code_runs_on_the_operating_system() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = LocalSet::new().block_on(&runtime, async {
        let mut socket = Tokio.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = Tokio::local_addr(&socket).unwrap();
        spawn_local(async move { serve::<Tokio>(&mut socket).await });
        told(Loopback, Address::Tcp(at.ip().to_string(), at.port())).await
    });
    assert_eq!(answer, "answered");
}

/// Goal: the same code on the fabric, through a crash. Method: the story, with the power cut at
/// 2 s and back at 4 s.
#[test]
fn the_code_runs_on_the_fabric() {
    let finished = fabric::run(Setup::new(1, 60_000), |fabric| async move {
        let client = fabric.add_host("client", [10, 0, 0, 1].into());
        let server = fabric.add_host("server", [10, 0, 0, 2].into());
        let boot = |fabric: &fabric::Fabric| {
            let at = fabric.at(server);
            fabric.spawn(server, async move {
                serve::<fabric::At>(&mut at.bind(any_address()).await?).await
            });
        };
        boot(&fabric);
        let told = fabric.spawn(client, story(fabric.at(client), server_address()));
        tokio::time::sleep(CRASH).await;
        fabric.crash(server).await;
        tokio::time::sleep(BOUNCE - CRASH).await;
        boot(&fabric);
        tokio::task::yield_now().await;
        fabric.power_on(server);
        told.await.expect("the client does not crash")
    });
    check_story(&finished.result.unwrap(), "answered");
}

/// Goal: the same code on the umbrella crate tells the same story. Method: the same crash.
#[test]
fn the_code_runs_on_turmoil() {
    let mut sim = turmoil::Builder::new().simulation_duration(Duration::from_secs(60)).build();
    sim.host("server", || async {
        serve::<Turmoil>(&mut Turmoil.bind(any_address()).await?).await?;
        Ok(())
    });
    sim.client("client", async {
        check_story(&story(Turmoil, server_address()).await, "refused");
        Ok(())
    });
    let mut crashed = false;
    let mut bounced = false;
    while !sim.step().unwrap() {
        if !crashed && sim.elapsed() >= CRASH {
            sim.crash("server");
            crashed = true;
        }
        if !bounced && sim.elapsed() >= BOUNCE {
            sim.bounce("server");
            bounced = true;
        }
    }
    assert!(bounced, "the story was over before the crash");
}

/// What is cut short so that a run takes minutes: turmoil pays for every tick. The order of things
/// stays what it is: every interval is far over a tick, every deadline far over what it bounds.
const POLICY: &str = "
[policy]
balancer_poll_ms = 2_000
flags_poll_ms = 3_000
jobs_poll_ms = 2_000
quiet_window_ms = 3_000
warm_up_ms = 3_000
idle_window_ms = 5_000
soak_ms = 10_000
soak_test_every_ms = 3_000
";

/// The farm as it really is: nothing is left for a seed to draw, and no two things that run at the
/// same time on one server end within a poll interval of each other.
const TRUTH: &str = r#"
farm = "tiny.farm.toml"

[truth]
disable_mode = "stops-service"
start_enables = true
soap_version = "build"
old_services = "cannot-start"
old_console = "works"
idle_word = "sleeping"
after_start = "busy-first"
controller_upgrade_ms = 20_000
front_end_upgrade_ms = 20_000
service_center_install_ms = 15_000
publish_ms = 10_000
deploy_ms = 8_000
initialise_ms = 3_000
retry_ms = 3_000
quick_job_ms = 5_000
"#;

/// The seed of users' requests and latencies.
const SEED: u64 = 1;

/// The smallest farm of the repository, with times cut short.
fn scenario() -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let farm = fs::read_to_string(root.join("scenarios/tiny.farm.toml")).unwrap();
    let (farm, _) = farm.split_once("[policy]").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.farm.toml"), format!("{farm}{POLICY}")).unwrap();
    let path = folder.path().join("tiny.toml");
    fs::write(&path, TRUTH).unwrap();
    let mut scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
    // The folder's name is another each time, and goes into the plan's hash, and so into job ids.
    scenario.plan.farm_file = "tiny.farm.toml".into();
    scenario.plan_hash = scenario.plan.hash();
    scenario
}

/// Who reached which milestones, in order, and the steps, from a run's told records. Evidence and
/// times are left out, and so is the order between servers, which nothing promises.
fn milestones(told: &[String]) -> BTreeMap<String, Vec<String>> {
    let version: Version = "11.36.1.43500".parse().unwrap();
    let known: BTreeSet<String> = [
        Milestone::Quiet,
        Milestone::Disabled { start: None },
        Milestone::Touched,
        Milestone::Upgraded { version },
        Milestone::DeploymentServiceEnsured,
        Milestone::Deployed,
        Milestone::Proven { version, start: String::new() },
        Milestone::Unproven,
        Milestone::TakingTraffic,
        Milestone::Restored,
    ]
    .iter()
    .map(tell::milestone)
    .collect();
    let mut reached: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in told {
        let told = line.split_once(": ").or_else(|| line.split_once(' '));
        let Some((who, what)) = told else { continue };
        let what = what.split(" (").next().unwrap_or(what);
        if matches!(who, "farm" | "step") || known.contains(what) {
            reached.entry(who.to_owned()).or_default().push(what.to_owned());
        }
    }
    reached
}

/// What happened to whom (ground truth), in order: of all lines, those that open with the name of
/// a server, a node or the database and tell of no request to it.
fn happenings(lines: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut happened: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        let Some((who, what)) = line.split_once(' ') else { continue };
        let asked = ["console ", "shell ", "runtime API "].iter().any(|it| what.starts_with(it));
        if matches!(who, "fe-1" | "fe-2" | "lb-1" | "database") && !asked {
            happened.entry(who.to_owned()).or_default().push(what.to_owned());
        }
    }
    happened
}

/// A trace that is kept in memory.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that the rehearsal's own engine writes of the same run, without time and number.
fn told_by_the_fabric(scenario: &Scenario) -> Vec<String> {
    let kept = Kept::default();
    let faults = Source::Drawn(Choice::None);
    let order =
        Order { trace: Some(Box::new(kept.clone())), ..Order::new(scenario, SEED, &faults) };
    let outcome = rehearse(order);
    assert_eq!(outcome.verdict, RunVerdict::Done { left_out: Vec::new() });
    let trace = String::from_utf8(kept.0.take()).unwrap();
    let words = |line: &str| {
        let (_, rest) = line.trim_start().split_once(' ')?;
        let (_, words) = rest.trim_start().split_once(' ')?;
        Some(words.to_owned())
    };
    trace.lines().filter_map(words).collect()
}

/// Ground truth after a whole upgrade: target version everywhere, all enabled, all serving, no job
/// started twice, and no request of a user lost on the way.
fn check_upgraded(upgrade: &Upgrade) {
    upgrade.shared.with(|farm| {
        assert_eq!(farm.database.version(), farm.spec.version_to);
        for (name, server) in &farm.servers {
            assert_eq!(server.version(), farm.spec.version_to, "{name}");
            assert_eq!(farm.database.enabled(name), Some(true), "{name}");
            assert_eq!(server.service_state(), ServiceState::Initialised, "{name}");
        }
        for (name, node) in &farm.nodes {
            assert_eq!(node.eligible("web").len(), farm.spec.front_ends.len(), "{name}");
        }
    });
    let ledger = upgrade.ledger();
    let started: Vec<&str> =
        ledger.iter().filter(|it| it.contains(" started (")).map(String::as_str).collect();
    let ids: BTreeSet<&str> = started.iter().copied().collect();
    assert!(!started.is_empty() && started.len() == ids.len(), "{started:#?}");
    let fates = upgrade.fates();
    assert!(fates.served > 1_000, "{fates:?}");
    assert_eq!((fates.refused, fates.failed, fates.cut), (0, 0, 0), "{fates:?}");
}

/// Goal: orchestrator and doubles rest on nothing of the rehearsal's own engine: on another one
/// the upgrade ends done, through a crash in step 3 and two partitions. Method: kill the
/// orchestrator while a job runs on the controller and start it again five seconds later; cut it
/// off from the balancer in the middle of the switch, while both versions serve, and from the loaded front-end in the middle
/// of its upgrade.
#[test]
fn an_upgrade_on_turmoil_ends_done_through_a_crash_and_partitions() {
    let scenario = scenario();
    let [updating, loaded] = [&scenario.plan.updating[0], &scenario.plan.loaded[0]];
    let address = |name: &str| {
        let front_end = scenario.spec.front_ends.iter().find(|it| it.name == name).unwrap();
        turmoil_farm::ip(&front_end.address)
    };
    let balancer: SocketAddr = scenario.spec.balancers[0].api.parse().unwrap();
    let mut upgrade = Upgrade::new(&scenario, SEED);

    upgrade.until("job in step 3", |it| it.job_runs(updating.as_str()));
    upgrade.pass(Duration::from_secs(2));
    let lost = upgrade.crash_orchestrator();
    assert_eq!(lost, CrashOutcome::Clean, "who waits has nothing left to be synced");
    let at_the_crash = upgrade.story().len();
    upgrade.pass(Duration::from_secs(5));
    assert_eq!(upgrade.story().len(), at_the_crash, "a dead orchestrator says nothing");
    assert!(upgrade.job_runs(updating.as_str()), "a job does not die with who started it");
    upgrade.bounce_orchestrator();
    upgrade.until("resumed run", |it| it.told("run resumed"));

    upgrade.until("switch", |it| it.told("farm: the switch begins"));
    upgrade.until("mixed versions", |it| it.eligible("lb-1", "web") == 2);
    upgrade.partition(balancer.ip(), Duration::from_secs(25));
    assert_eq!(upgrade.eligible("lb-1", "web"), 2, "no half is stopped on a node that is not read");

    upgrade.until("job in step 6", |it| it.job_runs(loaded.as_str()));
    upgrade.partition(address(loaded.as_str()), Duration::from_secs(30));
    assert!(!upgrade.job_runs(loaded.as_str()), "the partition outlived the job");
    assert!(!upgrade.told(&format!("{loaded}: upgraded")), "nobody could know");

    assert_eq!(upgrade.end(), Verdict::Done { left_out: Vec::new() });
    check_upgraded(&upgrade);
}

/// Goal: both engines tell the same story of the same upgrade. Method: the same plan, farm and
/// users on both, without faults; compare what the farm and every server reached, in order, and
/// what really happened to each server and node.
#[test]
fn the_fabric_and_turmoil_tell_the_same_story_of_an_upgrade() {
    let scenario = scenario();
    let trace = told_by_the_fabric(&scenario);
    let mut upgrade = Upgrade::new(&scenario, SEED);
    assert_eq!(upgrade.end(), Verdict::Done { left_out: Vec::new() });
    check_upgraded(&upgrade);
    let story = upgrade.story();
    let (fabric, turmoil) = (milestones(&trace), milestones(&story));
    let who: Vec<&str> = fabric.keys().map(String::as_str).collect();
    assert_eq!(who, ["farm", "fe-1", "fe-2", "step"]);
    assert!(fabric.values().all(|it| it.len() >= 4), "{fabric:#?}");
    assert_eq!(turmoil, fabric, "{story:#?}");
    assert_eq!(happenings(&upgrade.ledger()), happenings(&trace));
}
