//! Service Center's adapter against a console that misbehaves, over real connections: lockout,
//! expired login, 500, garbage, a missing button, the other generation's pages, an unknown word,
//! a lost response, a page cut short.
#![allow(missing_docs)]

mod console;

use std::time::Duration;

use evenkeel::farm::{FrontEnd, Generation};
use evenkeel::net::Deadlines;
use evenkeel::procedure::readings::ThreadState;
use evenkeel::service_center::ConsoleError;
use wiremock::ResponseTemplate;

use console::{INVALID, LOCKED, check, detail, health, page, redirect, servers, setup, threads};

fn garbled<T: std::fmt::Debug>(outcome: Result<T, ConsoleError>, words: &str) {
    match outcome {
        Err(ConsoleError::Garbled(what)) => assert!(what.contains(words), "{what}"),
        other => panic!("expected `{words}`, came {other:?}"),
    }
}

/// Goal: the flags are read, with one login for many reads. Method: three reads; the login form's
/// hidden state and other fields must come back as a browser sends them, or the script refuses.
#[tokio::test]
async fn flags_are_read_behind_one_login() {
    check(|pages, console, via| async move {
        for _ in 0..3 {
            let rows = console.servers(&via).await.expect("the list");
            let flags: Vec<_> = rows.iter().map(|r| (r.name.as_str(), r.enabled)).collect();
            assert_eq!(flags, [("fe-1", true), ("fe-10", false)]);
            assert_eq!(rows[0].address, "10.0.0.1");
        }
        assert_eq!(pages.count("POST /ServiceCenter/Login.aspx"), 1);
        assert_eq!(pages.count("GET /ServiceCenter/Servers.aspx"), 3);
        // Another page is read anew, although the one before is remembered.
        pages.put("Servers.aspx", &servers(&[("fe-1", ""), ("fe-10", "")]));
        let rows = console.servers(&via).await.expect("the list");
        assert!(!rows[0].enabled, "a stale page was taken for the new one");
    })
    .await;
}

/// Goal: a refused login is never tried again by itself. Method: both texts; then calls of every
/// kind, which must not make one exchange, until somebody says that it has been put right.
#[tokio::test]
async fn a_refused_login_is_not_tried_again() {
    for words in [INVALID, LOCKED] {
        check(|pages, console, via| async move {
            pages.script().refuses = Some(words);
            let refused = Err(ConsoleError::LoginRefused(words.to_owned()));
            assert_eq!(console.servers(&via).await, refused);
            let exchanges = pages.exchanges();
            assert_eq!(exchanges, 2, "the form, and its post");
            assert_eq!(console.servers(&via).await, refused);
            assert_eq!(console.set_enabled(&via, "fe-1", false).await, refused);
            assert!(console.threads(&via, "fe-1").await.is_err());
            assert_eq!(pages.exchanges(), exchanges, "something was sent after the refusal");
            pages.script().refuses = None;
            console.forget_refusal();
            assert_eq!(console.servers(&via).await.map(|rows| rows.len()), Ok(2));
        })
        .await;
    }
}

/// Goal: many readers of a new session try a wrong password once, not once each. Method: five
/// reads at the same time, refused and then accepted.
#[tokio::test]
async fn readers_at_the_same_time_log_in_once() {
    check(|pages, console, via| async move {
        let all = || {
            let reads = [&via; 5].map(|via| console.servers(via));
            futures_util::future::join_all(reads)
        };
        pages.script().refuses = Some(INVALID);
        for outcome in all().await {
            assert!(matches!(outcome, Err(ConsoleError::LoginRefused(_))), "{outcome:?}");
        }
        assert_eq!(pages.count("POST /ServiceCenter/Login.aspx"), 1);
        pages.script().refuses = None;
        console.forget_refusal();
        assert!(all().await.iter().all(Result::is_ok));
        assert_eq!(pages.count("POST /ServiceCenter/Login.aspx"), 2);
    })
    .await;
}

/// Goal: an expired session is renewed, and no more. Method: a session that ends between reads,
/// then one between a form and its post, then a console that forgets every session at once.
#[tokio::test]
async fn an_expired_session_is_renewed_once() {
    check(|pages, console, via| async move {
        console.servers(&via).await.expect("the list");
        pages.script().forgets = true;
        console.servers(&via).await.expect("the list, after a login");
        assert_eq!(pages.count("POST /ServiceCenter/Login.aspx"), 2);

        pages.script().amnesia = true;
        pages.script().forgets = true;
        let exchanges = pages.exchanges();
        garbled(console.servers(&via).await, "right after a successful one");
        assert_eq!(pages.exchanges() - exchanges, 4, "page, form, post, page: no loop");
    })
    .await;
}

/// Goal: a form's post is made once, with everything a browser would send. Method: Disable on an
/// enabled server; the flag that is already as wanted; the session ending before the post.
#[tokio::test]
async fn a_flag_is_set_by_the_buttons_form() {
    check(|pages, console, via| async move {
        let rows = console.set_enabled(&via, "fe-1", false).await.expect("the list");
        assert_eq!(rows.len(), 2);
        let posts = || {
            let script = pages.script();
            let to_edit = script
                .log
                .iter()
                .filter(|(line, _)| line.starts_with("POST") && line.contains("Edit"));
            to_edit.cloned().collect::<Vec<_>>()
        };
        let line = "POST /ServiceCenter/Server_Edit.aspx?Id=fe-1&x=1".to_owned();
        let body = "__OSVSTATE=of+fe-1&timers=on&ctl%24wtDisable=Disable".to_owned();
        assert_eq!(posts(), [(line, body)]);

        console.set_enabled(&via, "fe-10", false).await.expect("the list");
        assert_eq!(posts().len(), 1, "nothing to post: it is disabled already");

        console.set_enabled(&via, "fe-10", true).await.expect("the list");
        assert!(posts()[1].1.ends_with("ctl%24wtEnable=Enable"), "{:?}", posts());
    })
    .await;
}

/// Goal: a post that met the login form is made again from a fresh form. Method: a session that
/// ends right there.
#[tokio::test]
async fn a_post_into_an_expired_session_is_made_again() {
    check(|pages, console, via| async move {
        console.servers(&via).await.expect("the list");
        pages.script().posted = Some(redirect("/ServiceCenter/Login.aspx"));
        let rows = console.set_enabled(&via, "fe-1", false).await;
        assert_eq!(rows.map(|rows| rows.len()), Ok(2));
        assert_eq!(pages.count("POST /ServiceCenter/Server_Edit.aspx?Id=fe-1&x=1"), 2);
        assert_eq!(pages.count("POST /ServiceCenter/Login.aspx"), 2);
    })
    .await;
}

/// Goal: what is not the expected page is an error that names the page and what was expected.
/// Method: one broken page each.
#[tokio::test]
async fn a_page_that_is_not_as_expected_is_an_error_by_name() {
    check(|pages, console, via| async move {
        let edit = "Server_Edit.aspx?Id=fe-1&x=1";
        pages.put(edit, &detail("fe-1", &["Delete"]));
        garbled(
            console.set_enabled(&via, "fe-1", false).await,
            "no button `Disable` or `Enable` on",
        );
        pages.put(edit, &detail("fe-1", &["Enable", "Disable"]));
        garbled(console.set_enabled(&via, "fe-1", false).await, "both `Disable` and `Enable`");
        pages.put(edit, &detail("fe-10", &["Disable"]));
        garbled(console.set_enabled(&via, "fe-1", false).await, "does not name it");
        garbled(console.set_enabled(&via, "fe-2", false).await, "no row of fe-2 on");
        assert_eq!(pages.count(&format!("POST /ServiceCenter/{edit}")), 0);

        for (body, words) in [
            (page("Servers", "<table><tr><th>Name</th><th>Enabled</th></tr></table>"), "columns"),
            ("\u{0}\u{1}garbage</html>".into(), "no table with the columns Name, IP Address"),
            (
                servers(&[("fe-1", "✔")]).split("</tbody>").next().expect("a half").into(),
                "cut short",
            ),
        ] {
            pages.put("Servers.aspx", &body);
            garbled(console.servers(&via).await, words);
        }
        pages.answer("Servers.aspx", redirect("Error.aspx"));
        garbled(console.servers(&via).await, "redirects to /ServiceCenter/Error.aspx");
        pages.answer("Servers.aspx", ResponseTemplate::new(500));
        let outcome = console.servers(&via).await;
        let expected = ConsoleError::Status(500, "/ServiceCenter/Servers.aspx".into());
        assert_eq!(outcome, Err(expected));
        pages.put("Servers.aspx", &servers(&[]));
        assert_eq!(console.servers(&via).await, Ok(vec![]));
    })
    .await;
}

/// Goal: a console of the other generation is read, whatever the farm file says: an upgrade may
/// change it. Method: pages under the older names, with and without the farm file's word.
#[tokio::test]
async fn the_other_generations_pages_have_other_names() {
    check(|pages, console, via| async move {
        let list = servers(&[("fe-1", "✔")]);
        pages.script().pages.clear();
        pages.put("FrontEnd_Servers.aspx", &list);
        for _ in 0..2 {
            assert_eq!(console.servers(&via).await.map(|rows| rows.len()), Ok(1));
        }
        assert_eq!(pages.count("GET /ServiceCenter/Servers.aspx"), 1, "the name is remembered");
        pages.script().pages.clear();
        match console.servers(&via).await {
            Err(ConsoleError::Status(404, what)) => {
                assert!(what.contains("Servers.aspx") && what.contains("`generation`"), "{what}");
            }
            other => panic!("{other:?}"),
        }
        let older = setup(|config| config.generation = Generation::Platform).await;
        older.pages.put("FrontEnd_Servers.aspx", &list);
        older.pages.put("Platform_Monitoring.aspx", &health(&[("fe-1", "D.aspx")]));
        older.pages.put("D.aspx", &threads("fe-1", &[("Deployment Worker 1", "Sleeping")]));
        assert_eq!(older.console.servers(&older.via).await.map(|rows| rows.len()), Ok(1));
        assert_eq!(older.console.threads(&older.via, "fe-1").await.map(|rows| rows.len()), Ok(1));
    })
    .await;
}

/// Goal: threads are found through Environment Health, and afterwards by one exchange. Method:
/// three polls; then the link leads nowhere, and a new one must be looked up.
#[tokio::test]
async fn threads_are_polled_by_one_exchange() {
    check(|pages, console, via| async move {
        let rows = [("fe-10 (Controller)", "Detail.aspx?Id=10"), ("fe-1", "./Detail.aspx?Id=1")];
        pages.put("Environment_Health.aspx", &health(&rows));
        let page =
            threads("fe-1", &[("Deployment Worker 1", "Sleeping"), ("Pending Modules", "Error")]);
        pages.put("Detail.aspx?Id=1", &page);
        let words = [("Deployment Worker 1", "Processing")];
        pages.put("Detail.aspx?Id=10", &threads("fe-10", &words));
        for _ in 0..3 {
            let rows = console.threads(&via, "fe-1").await.expect("threads");
            let states: Vec<_> = rows.iter().map(|r| (r.name.as_str(), r.state)).collect();
            let worker = ("Deployment Worker 1", ThreadState::Idle);
            assert_eq!(states, [worker, ("Pending Modules", ThreadState::Failed)]);
        }
        assert_eq!(pages.count("GET /ServiceCenter/Environment_Health.aspx"), 1);
        let busy = console.threads(&via, "fe-10").await.expect("threads");
        assert_eq!(busy[0].state, ThreadState::Busy);

        // The old link shows another server now: not its threads for ours.
        pages.put("Detail.aspx?Id=1", &threads("fe-10", &words));
        pages.put("Environment_Health.aspx", &health(&[("fe-1", "Detail.aspx?Id=7")]));
        pages.put("Detail.aspx?Id=7", &page);
        let rows = console.threads(&via, "fe-1").await.expect("threads");
        assert_eq!(rows[0].state, ThreadState::Idle);
        garbled(console.threads(&via, "fe-3").await, "no row of fe-3 on");
    })
    .await;
}

/// Goal: a service that has not initialised shows no threads, which is neither idle nor an error.
/// Method: the message in place of the table, and under its header.
#[tokio::test]
async fn a_service_without_threads_is_an_empty_list() {
    check(|pages, console, via| async move {
        pages.put("Environment_Health.aspx", &health(&[("fe-1", "Detail.aspx")]));
        let message = "OutSystems Deployment Service Status: No connection could be made because \
                       the target machine actively refused it";
        pages.put("Detail.aspx", &page("fe-1 Deployment", message));
        assert_eq!(console.threads(&via, "fe-1").await, Ok(vec![]));
        let table = threads("fe-1", &[]).replace(
            "</table><div>",
            &format!("</table><table><tr><td colspan=3>{message}</td></tr></table><div>"),
        );
        pages.put("Detail.aspx", &table);
        assert_eq!(console.threads(&via, "fe-1").await, Ok(vec![]));
    })
    .await;
}

/// Goal: an unknown word is an error by name, and never idle. Method: a word of no list, also one
/// that only looks like a known one, and an unknown mark in the column Enabled.
#[tokio::test]
async fn an_unknown_word_is_an_error_by_name() {
    check(|pages, console, via| async move {
        pages.put("Environment_Health.aspx", &health(&[("fe-1", "Detail.aspx")]));
        for unknown in ["Pondering", "Idle (not really)", "sleeping", ""] {
            let rows = [("Worker 1", "Idle"), ("Worker 2", unknown)];
            pages.put("Detail.aspx", &threads("fe-1", &rows));
            let outcome = console.threads(&via, "fe-1").await;
            let place = "/ServiceCenter/Detail.aspx, status of thread Worker 2".to_owned();
            let word = unknown.to_owned();
            assert_eq!(outcome, Err(ConsoleError::UnknownWord { place, word }));
        }
        pages.put("Servers.aspx", &servers(&[("fe-1", "maybe")]));
        let outcome = console.servers(&via).await;
        assert!(
            matches!(&outcome, Err(ConsoleError::UnknownWord { word, .. }) if word == "maybe"),
            "{outcome:?}"
        );
    })
    .await;
}

/// Goal: a lost answer is told from a refusal to connect, and nothing is sent again by itself.
/// Method: a post that is answered after the deadline; a console that is not there.
#[tokio::test]
async fn a_lost_response_is_not_a_reason_to_post_again() {
    check(|pages, console, via| async move {
        let exchange = Duration::from_millis(300);
        let console = console.waiting(Deadlines { dial: exchange, exchange });
        console.servers(&via).await.expect("the list");
        let late = redirect("Servers.aspx").set_delay(Duration::from_secs(30));
        pages.script().posted = Some(late);
        let outcome = console.set_enabled(&via, "fe-1", false).await;
        assert!(matches!(outcome, Err(ConsoleError::Lost(_))), "{outcome:?}");
        assert_eq!(pages.count("POST /ServiceCenter/Server_Edit.aspx?Id=fe-1&x=1"), 1);
        console.servers(&via).await.expect("the list, on a new connection");

        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let outcome = console.servers(&FrontEnd { port, name: "fe-2".into(), ..via }).await;
        assert!(matches!(outcome, Err(ConsoleError::Unreachable(_))), "{outcome:?}");
    })
    .await;
}

/// Goal: the version comes without a login, and its absence is an error. Method: the documented
/// answer, then a console that is being republished.
#[tokio::test]
async fn the_version_needs_no_login() {
    check(|pages, console, via| async move {
        let xml = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
                   <soap:Body><GetPlatformInfoResponse xmlns=\"http://www.outsystems.com\">\
                   <Version>11.36.1.43500</Version><Serial>ABC</Serial>\
                   </GetPlatformInfoResponse></soap:Body></soap:Envelope>";
        let answer = ResponseTemplate::new(200).set_body_raw(xml, "text/xml");
        pages.answer("OutSystemsPlatform.asmx", answer);
        let info = console.platform_info(&via).await.expect("a version");
        assert_eq!(
            (info.version.to_string().as_str(), info.serial.as_str()),
            ("11.36.1.43500", "ABC")
        );
        let (line, body) = pages.script().log[0].clone();
        assert_eq!(line, "POST /ServiceCenter/OutSystemsPlatform.asmx");
        assert!(body.contains("<out:GetPlatformInfo/>"), "{body}");
        assert_eq!(pages.exchanges(), 1);
        pages.answer("OutSystemsPlatform.asmx", ResponseTemplate::new(404));
        let outcome = console.platform_info(&via).await;
        assert!(matches!(outcome, Err(ConsoleError::Status(404, _))), "{outcome:?}");
    })
    .await;
}
