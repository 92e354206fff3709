//! Probes against a web server on loopback that answers by path.
use std::future::Future;

use tokio::task::LocalSet;
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::net::Tokio;

const ID: &str = "92ff5c0af52b426395f37f55c9868073";

async fn check<F: Future<Output = ()>>(test: impl FnOnce(Probe<Tokio>, FrontEnd) -> F) {
    let all = async {
        let server = MockServer::start().await;
        let answers = [
            ("/shop/", ResponseTemplate::new(200).set_body_string("OutSystems shop")),
            ("/moved/", ResponseTemplate::new(302).insert_header("location", "/shop/")),
            ("/shop/_ping.html", ping(&format!("<p id=\"{ID}\">OutSystems</p><script></script>"))),
            ("/odd/_ping.html", ping("<p id=\"main\">welcome</p>")),
            ("/none/_ping.html", ping("It works")),
        ];
        for (at, answer) in answers {
            let mock = Mock::given(path(at)).and(header("host", "shop.example"));
            mock.respond_with(answer).mount(&server).await;
        }
        let once = Mock::given(path("/cold/")).respond_with(ResponseTemplate::new(500));
        once.up_to_n_times(2).mount(&server).await;
        Mock::given(path("/cold/")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let port = server.address().port();
        let front_end = toml::from_str(&format!(
            "name = \"fe-1\"\naddress = \"127.0.0.1\"\nport = {port}\nzones = []\nmembers = {{}}\n\
             capacity_rps = 1"
        ));
        test(Probe::new(Tokio, Scheme::Http), front_end.expect("a front-end")).await;
        drop(server);
    };
    LocalSet::new().run_until(all).await;
}

fn ping(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(format!("<html><body>{body}</body></html>"))
}

fn test(path: &str, expect_text: Option<&str>) -> ApplicationTest {
    let expect_text = expect_text.map(str::to_owned);
    ApplicationTest { zone: "z".into(), path: path.into(), expect_status: 200, expect_text }
}

/// Goal: passing tests pass, and all requests are counted. Method: two tests under the public
/// name, with a warm-up each.
#[tokio::test]
async fn tests_pass_when_every_answer_is_as_expected() {
    check(|probe, front_end| async move {
        let (plain, text) = (test("/shop/", None), test("/shop/", Some("OutSystems")));
        let tests = [(&plain, "shop.example"), (&text, "shop.example")];
        let reading = probe.tests(&front_end, &tests, 1, 3).await;
        assert_eq!(reading, TestReading { passed: true, requests: 8, failure: None });
    })
    .await;
}

/// Goal: the warm-up does not count, and no failure after it is forgiven. Method: a module that
/// fails twice, warmed up by two requests and by one.
#[tokio::test]
async fn only_the_warm_up_may_fail() {
    check(|probe, front_end| async move {
        let cold = test("/cold/", None);
        assert!(probe.tests(&front_end, &[(&cold, "shop.example")], 2, 3).await.passed);
    })
    .await;
    check(|probe, front_end| async move {
        let cold = test("/cold/", None);
        let reading = probe.tests(&front_end, &[(&cold, "shop.example")], 1, 3).await;
        assert!(!reading.passed);
        assert_eq!(reading.requests, 2, "it ends at the first failure");
    })
    .await;
}

/// Goal: a failure says what was expected and what came. Method: a wrong status, a wrong text, a
/// redirect, the wrong Host, nobody there.
#[tokio::test]
async fn a_failure_says_what_came_instead() {
    check(|probe, front_end| async move {
        for (test, host_name, words) in [
            (test("/gone/", None), "shop.example", "expected status 200, came 404"),
            (test("/moved/", None), "shop.example", "came 302 to /shop/"),
            (
                test("/shop/", Some("Bank")),
                "shop.example",
                "expected `Bank` in the body, came: OutS",
            ),
            (test("/shop/", None), "balancer.example", "came 404"),
        ] {
            let reading = probe.tests(&front_end, &[(&test, host_name)], 0, 1).await;
            let failure = reading.failure.expect("a failure");
            assert!(!reading.passed && failure.contains(words), "{failure}");
            assert!(failure.starts_with(&format!("{host_name}{} at 127.0.0.1:", test.path)));
        }
        let gone = FrontEnd { port: 1, ..front_end };
        let shop = test("/shop/", None);
        let reading = probe.tests(&gone, &[(&shop, "shop.example")], 2, 3).await;
        assert_eq!((reading.passed, reading.requests), (false, 3));
    })
    .await;
}

/// Goal: an id is read, or the module is named whose id could not be. Method: a ping with a script
/// that a monitoring product added; pages with another id or none; no page.
#[tokio::test]
async fn ping_ids_are_read_or_refused_by_name() {
    check(|probe, front_end| async move {
        let pings = async |modules: &[&str]| {
            let modules: Vec<_> = modules.iter().map(|module| (*module).to_owned()).collect();
            probe.pings(&front_end, "shop.example", &modules).await
        };
        let ids = pings(&["shop"]).await.expect("an id");
        assert_eq!(ids, PingIds::from([("shop".to_owned(), ID.to_owned())]));
        for (module, words) in [("odd", "without an id"), ("none", "It works"), ("gone", "404")] {
            let error = pings(&["shop", module]).await.expect_err(module).to_string();
            assert!(error.contains(&format!("ping of {module} on fe-1")), "{error}");
            assert!(error.contains(words), "{error}");
        }
    })
    .await;
}

/// Goal: a nudge tells the status it got, whatever it is. Method: a page that is there, one that
/// is not, a target that is no address.
#[tokio::test]
async fn a_nudge_tells_its_status() {
    check(|probe, front_end| async move {
        let to = format!("127.0.0.1:{}", front_end.port);
        assert_eq!(probe.nudge(&to, "shop.example", "/shop/").await, Ok(200));
        assert_eq!(probe.nudge(&to, "shop.example", "/gone/").await, Ok(404));
        let error = probe.nudge("balancer", "shop.example", "/").await;
        assert!(matches!(error, Err(ProbeError::NoAddress(_))), "{error:?}");
        let error = probe.nudge("127.0.0.1:1", "shop.example", "/").await;
        assert!(matches!(error, Err(ProbeError::Http { .. })), "{error:?}");
    })
    .await;
}
