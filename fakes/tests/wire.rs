//! The doubles over real sockets: web server, shell, runtime API, proxy, control.
mod common;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use common::*;
use evenkeel_fakes::farm::serve::{Resolve, serve_node_on, serve_shell, serve_web};
use evenkeel_fakes::farm::{Shared, control};
use evenkeel_fakes::front_end::shell::{Call, Reply, call};
use evenkeel_fakes::listen::{Listen, Tokio};
use evenkeel_fakes::truth::Truth;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

/// A farm on loopback ports.
struct Served {
    shared: Shared,
    web: BTreeMap<String, SocketAddr>,
    shell_of_fe_2: SocketAddr,
    shell: SocketAddr,
    api: SocketAddr,
    proxy: SocketAddr,
    control: SocketAddr,
}

async fn bind() -> (tokio::net::TcpListener, SocketAddr) {
    let socket = Tokio.bind((Ipv4Addr::LOCALHOST, 0).into()).await.expect("a free port");
    let at = Tokio::local_addr(&socket).expect("bound");
    (socket, at)
}

async fn serve(truth: Truth) -> Served {
    let shared = Shared::new(shop(truth));
    let mut web = BTreeMap::new();
    for server in ["fe-1", "fe-2", "fe-3"] {
        let (socket, at) = bind().await;
        web.insert(server.to_owned(), at);
        spawn_local(serve_web::<Tokio>(shared.clone(), socket, server.into()));
    }
    let (socket, shell_of_fe_2) = bind().await;
    spawn_local(serve_shell::<Tokio>(shared.clone(), socket, Some("fe-2".into())));
    let (socket, shell) = bind().await;
    spawn_local(serve_shell::<Tokio>(shared.clone(), socket, None));
    let (socket, control) = bind().await;
    spawn_local(control::serve::<Tokio>(shared.clone(), socket));
    let ((api_socket, api), (proxy_socket, proxy)) = (bind().await, bind().await);
    let places = web.clone();
    let resolve: Resolve = Rc::new(move |server| places[server]);
    let proxies = vec![("web".to_owned(), proxy_socket)];
    let farm = shared.clone();
    spawn_local(async move {
        serve_node_on(farm, Tokio, "lb-1", api_socket, proxies, resolve).await;
    });
    let clock = shared.clone();
    spawn_local(async move { clock.run_clock().await });
    Served { shared, web, shell_of_fe_2, shell, api, proxy, control }
}

/// Sends bytes and reads to the end.
async fn exchange(at: SocketAddr, send: &str) -> String {
    let mut stream = TcpStream::connect(at).await.expect("somebody listens");
    // A server that is off may already have closed.
    let _closed = stream.write_all(send.as_bytes()).await;
    let mut answer = String::new();
    let _reset = stream.read_to_string(&mut answer).await;
    answer
}

async fn http_get(at: SocketAddr, target: &str) -> String {
    exchange(at, &format!("GET {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")).await
}

async fn shell(at: SocketAddr, pairs: &[(&str, &str)]) -> std::io::Result<Reply> {
    let env = pairs.iter().map(|(key, value)| (format!("EVENKEEL_{key}"), (*value).into()));
    let request = Call { argv: vec!["anything".into()], env: env.collect() };
    call(TcpStream::connect(at).await?, &request).await
}

/// Goal: a web server answers HTTP/1.1, and one that is off says nothing. Method: raw requests
/// before and after a crash.
#[tokio::test]
async fn a_front_end_answers_over_tcp_until_it_is_off() {
    LocalSet::new()
        .run_until(async {
            let farm = serve(Truth::default()).await;
            let answer = http_get(farm.web["fe-1"], "/Shop/_ping.html").await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("OutSystems Platform Server is running</p></body></html>"));
            assert!(!answer.to_lowercase().contains("\r\ndate:"), "no wall clock: {answer}");
            farm.shared.with(|farm| farm.crash("fe-1"));
            assert_eq!(http_get(farm.web["fe-1"], "/Shop/_ping.html").await, "");
        })
        .await;
}

/// Goal: a request in flight does not outlive its server. Method: slow requests through the
/// balancer to the one member in rotation; when one is in flight, its machine loses power.
#[tokio::test]
async fn a_request_in_flight_is_lost_with_its_machine() {
    LocalSet::new()
        .run_until(async {
            let farm = serve(Truth::default()).await;
            let commands = "set server web/m1 state drain;set server web/m2 state drain\n";
            exchange(farm.api, commands).await;
            let kept = http_get(farm.proxy, "/Shop/Slow.aspx?ms=20").await;
            assert!(kept.starts_with("HTTP/1.1 200"), "{kept}");
            let crash_when_in_flight = async {
                let in_flight = || {
                    farm.shared.with(|farm| {
                        let node = &farm.nodes["lb-1"];
                        let member = node.find("web", "m3").expect("it is there");
                        node.member(member).counters.in_flight
                    })
                };
                while in_flight() == 0 {
                    tokio::task::yield_now().await;
                }
                farm.shared.with(|farm| farm.crash("fe-3"));
            };
            let slow = http_get(farm.proxy, "/Shop/Slow.aspx?ms=300");
            let (lost, ()) = futures_util::future::join(slow, crash_when_in_flight).await;
            assert!(lost.starts_with("HTTP/1.1 502"), "{lost}");
        })
        .await;
}

/// Goal: verbs travel by shell. Method: a server's own shell, the whole farm's, a machine down.
#[tokio::test]
async fn the_shell_runs_verbs_on_the_server_that_is_meant() {
    LocalSet::new()
        .run_until(async {
            let farm = serve(Truth::default()).await;
            let version = [("VERB", "version"), ("SERVER", "fe-2")];
            let wanted =
                Reply { exit_code: 0, stdout: format!("version={FROM}\n"), stderr: String::new() };
            assert_eq!(shell(farm.shell_of_fe_2, &version).await.expect("answered"), wanted);
            assert_eq!(shell(farm.shell, &version).await.expect("answered"), wanted);
            let other = [("VERB", "version"), ("SERVER", "fe-3")];
            assert_eq!(shell(farm.shell_of_fe_2, &other).await.expect("answered").exit_code, 2);
            assert_eq!(exchange(farm.shell, "no json\n").await, "");
            farm.shared.with(|farm| farm.crash("fe-2"));
            shell(farm.shell_of_fe_2, &version).await.expect_err("the machine is down");
            let reply = shell(farm.shell, &version).await.expect("the farm's shell answers");
            assert_eq!(reply.exit_code, 255);
            assert!(reply.stderr.contains("its machine is down"), "{reply:?}");
        })
        .await;
}

/// Goal: users reach applications through a node, and a drain turns them away from a member.
/// Method: requests through the proxy before and after a drain by the runtime API.
#[tokio::test]
async fn a_node_carries_users_to_members_in_rotation() {
    LocalSet::new()
        .run_until(async {
            let farm = serve(Truth::default()).await;
            let served_by = |page: String| between(&page, "application on ", ",").to_owned();
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..6 {
                seen.insert(served_by(http_get(farm.proxy, "/Shop/Home.aspx").await));
            }
            assert_eq!(seen.len(), 3, "{seen:?}");
            let commands = "set server web/m1 state drain;set server web/m2 state drain\n";
            assert_eq!(exchange(farm.api, commands).await.trim(), "");
            for _ in 0..6 {
                assert_eq!(served_by(http_get(farm.proxy, "/Shop/Home.aspx").await), "fe-3");
            }
        })
        .await;
}

/// Goal: faults by hand. Method: commands, mistakes, and the state as JSON.
#[tokio::test]
async fn control_takes_commands_by_hand_and_tells_the_state() {
    LocalSet::new()
        .run_until(async {
            let farm = serve(Truth::default()).await;
            let mut stream = TcpStream::connect(farm.control).await.expect("it listens");
            let lines = "crash fe-3\nbreak fe-2\nfail-jobs fe-1 controller-upgrade 7 1\nreload lb-2\n\
                         crash fe-9\nfail-jobs fe-1 magic 7 1\ndance\nstate\n";
            stream.write_all(lines.as_bytes()).await.expect("sent");
            stream.shutdown().await.expect("sent");
            let mut answers = String::new();
            stream.read_to_string(&mut answers).await.expect("answered");
            let answers: Vec<_> = answers.lines().collect();
            assert_eq!(answers[..4], ["ok"; 4]);
            assert!(answers[4].starts_with("error: there is no \"fe-9\""), "{}", answers[4]);
            assert!(answers[5].contains("controller-upgrade, front-end-upgrade"), "{}", answers[5]);
            assert!(answers[6].starts_with("error: the commands are: crash SERVER"));
            let state: serde_json::Value = serde_json::from_str(answers[7]).expect("JSON");
            assert_eq!(state["servers"]["fe-3"]["machine"], "down");
            assert_eq!(state["servers"]["fe-2"]["applications"], "broken");
            assert_eq!(state["servers"]["fe-1"]["enabled"], true);
            assert_eq!(state["nodes"]["lb-1"][0]["eligible"], true);
            farm.shared.with(|farm| {
                start(farm, "fe-1", "j", "controller-upgrade");
                assert_eq!(job(farm, "fe-1", "j"), "status=running");
            });
        })
        .await;
}
