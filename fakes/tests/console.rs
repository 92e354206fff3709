//! Service Center as a client sees it: login and its state, the list of servers, Disable and
//! Enable, health and threads, variants, SOAP.
mod common;

use common::*;
use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::front_end::web;
use evenkeel_fakes::http::{Method, Request};
use evenkeel_fakes::truth::{DisableMode, OldConsole, SoapVersion, Truth};

/// Goal: nothing is seen without a login. Method: every page, and the same after logging in.
#[test]
fn every_page_but_the_login_wants_a_session() {
    let mut farm = shop(Truth::default());
    let mut browser = Browser::at("fe-2");
    for page in ["", "Servers.aspx", "Environment_Health.aspx", "Server_Edit.aspx?ServerId=11"] {
        let answer = browser.get(&mut farm, page);
        let wanted = Some("/ServiceCenter/Login.aspx");
        assert_eq!((answer.status, answer.location.as_deref()), (302, wanted), "{page}");
    }
    assert!(browser.get(&mut farm, "Login.aspx").body.contains("Service Center - Login</title>"));
    browser.login(&mut farm, "admin", PASSWORD);
    for page in ["", "Servers.aspx", "Environment_Health.aspx", "Server_Edit.aspx?ServerId=11"] {
        assert_eq!(browser.get(&mut farm, page).status, 200, "{page}");
    }
    browser.server = "fe-3";
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 200, "one session database");
    pass(&mut farm, 20 * MINUTE);
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 302, "expired");
}

/// Goal: hidden state must come back. Method: without it, with another page's, with a stale one.
#[test]
fn a_form_without_its_own_state_is_a_500() {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    let login = [("wt6$wtInput1", "admin"), ("wt6$wtInputPass1", PASSWORD)];
    let login: Vec<_> = login.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(browser.post_raw(&mut farm, "Login.aspx", &login).status, 500);
    let own = browser.page_of(&mut farm, "Servers.aspx", "fe-2");
    let other = browser.page_of(&mut farm, "Servers.aspx", "fe-3");
    let shown = browser.get(&mut farm, &other).body;
    let mut fields = vec![("wt9$wtDisableButton".to_owned(), "Disable".to_owned())];
    for hidden in ["__EVENTTARGET", "__EVENTARGUMENT", "__OSVSTATE", "__VIEWSTATE"] {
        let input = between(&shown, &format!("name=\"{hidden}\""), "/>");
        fields.push((hidden.into(), between(input, "value=\"", "\"").into()));
    }
    assert_eq!(browser.post_raw(&mut farm, &own, &fields).status, 500, "another page's state");
    let stranger = Browser::logged_in(&mut farm, "fe-1");
    assert_eq!(stranger.post_raw(&mut farm, &other, &fields).status, 500, "another session's");
    assert_eq!(farm.database.enabled("fe-2"), Some(true));
    assert_eq!(farm.database.enabled("fe-3"), Some(true));
    assert_eq!(browser.post_raw(&mut farm, &other, &fields).status, 302, "its own");
    assert_eq!(farm.database.enabled("fe-3"), Some(false));
}

/// Goal: the lockout is the user's, not the console's. Method: fail at one console, try another.
#[test]
fn failed_logins_lock_the_user_at_every_console() {
    let mut farm = shop(Truth::default());
    let mut browser = Browser::at("fe-1");
    for _ in 0..5 {
        let answer = browser.login(&mut farm, "admin", "wrong");
        assert!(answer.status == 200 && answer.body.contains("Invalid username or password."));
    }
    browser.server = "fe-2";
    let answer = browser.login(&mut farm, "admin", PASSWORD);
    let words = "Too many failed login attempts. Please try again in a few minutes.";
    assert!(answer.status == 200 && answer.body.contains(words), "{answer:?}");
    assert!(answer.cookie.is_none());
    pass(&mut farm, 5 * MINUTE);
    assert_eq!(browser.login(&mut farm, "admin", PASSWORD).status, 302);
}

/// Goal: what Disable does beside the flag differs by variant, and Enable undoes it. Method: both
/// buttons in each variant.
#[test]
fn disable_clears_the_flag_and_does_to_the_service_what_the_variant_says() {
    for (disable_mode, running, automatic) in [
        (DisableMode::Flag, true, true),
        (DisableMode::StopsService, false, true),
        (DisableMode::StopsAndDisablesService, false, false),
    ] {
        let mut farm = shop(Truth { disable_mode, ..Truth::default() });
        let browser = Browser::logged_in(&mut farm, "fe-1");
        assert!(browser.sees_enabled(&mut farm, "Servers.aspx", "fe-2"));
        let answer = browser.press(&mut farm, "fe-2", "Disable");
        let wanted = Some("/ServiceCenter/Servers.aspx");
        assert_eq!((answer.status, answer.location.as_deref()), (302, wanted));
        assert!(!browser.sees_enabled(&mut farm, "Servers.aspx", "fe-2"));
        assert!(browser.sees_enabled(&mut farm, "Servers.aspx", "fe-3"));
        let service = verb(&mut farm, "fe-2", &[("VERB", "service")]).stdout;
        let yes = |is| if is { "yes" } else { "no" };
        let wanted = format!("running={}\nautomatic={}\n", yes(running), yes(automatic));
        assert!(service.starts_with(&wanted), "{disable_mode:?}: {service}");
        assert_eq!(status(&mut farm, "fe-2", "/Shop/Home.aspx"), 200, "users notice nothing");
        browser.press(&mut farm, "fe-2", "Enable");
        pass(&mut farm, MINUTE);
        assert!(browser.sees_enabled(&mut farm, "Servers.aspx", "fe-2"));
        let service = verb(&mut farm, "fe-2", &[("VERB", "service")]).stdout;
        assert!(service.starts_with("running=yes\nautomatic=yes\ninitialised=yes\n"), "{service}");
    }
}

/// Goal: a page that has grown old does no harm. Method: press Disable on a page from before
/// somebody else disabled the server.
#[test]
fn pressing_disable_twice_disables_once() {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    let page = browser.page_of(&mut farm, "Servers.aspx", "fe-2");
    let disable = [("wt9$wtDisableButton", "Disable")];
    assert_eq!(browser.post(&mut farm, &page, &disable).status, 302);
    assert_eq!(browser.post(&mut farm, &page, &disable).status, 302);
    assert_eq!(told(&mut farm), ["0 fe-2 disabled at a console"]);
    assert_eq!(browser.post(&mut farm, &page, &[]).status, 200, "no button, the page again");
    let delete = browser.post(&mut farm, &page, &[("wt9$wtDeleteButton", "Delete")]);
    assert_eq!(delete.status, 501, "not modelled, and says so");
}

/// A health page's cells of one server, as `OK`, `Error` or nothing.
fn health(farm: &mut Farm, browser: &Browser, page: &str, row: &str) -> Vec<String> {
    let shown = browser.get(farm, page).body;
    let cells = between(&shown, &format!("<td>{row}</td>"), "</tr>").to_owned();
    let cells = cells.split("<td>").skip(2);
    cells
        .map(|cell| {
            cell.split("alt=\"").nth(1).unwrap_or("\"").split('"').next().unwrap_or("").to_owned()
        })
        .collect()
}

/// Goal: the health page tells the services as they are. Method: a running farm, a stopped
/// service, an installer, a machine without power.
#[test]
fn environment_health_shows_every_service() {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    let page = "Environment_Health.aspx";
    let shown = browser.get(&mut farm, page).body;
    assert!(shown.contains("<th>Deployment</th><th>IIS</th>") && shown.contains("Refresh Data"));
    assert!(shown.contains("Version 11.20.0 (Build 40000)"), "side panel");
    assert_eq!(health(&mut farm, &browser, page, "fe-1 (Controller)"), ["OK", "OK", "OK", "OK"]);
    assert_eq!(health(&mut farm, &browser, page, "fe-2"), ["", "OK", "OK", "OK"]);
    farm.stop_service("fe-2");
    farm.start_service("fe-2");
    assert_eq!(health(&mut farm, &browser, page, "fe-2"), ["", "OK", "Error", "OK"], "starting");
    start(&mut farm, "fe-3", "j", "front-end-upgrade");
    pass(&mut farm, MINUTE);
    assert_eq!(health(&mut farm, &browser, page, "fe-3"), ["", "Error", "Error", "Error"]);
    farm.crash("fe-2");
    assert_eq!(health(&mut farm, &browser, page, "fe-2"), ["", "Error", "Error", "Error"]);
}

/// Follows the `detail` link of a server's Deployment cell.
fn threads(farm: &mut Farm, browser: &Browser, row: &str) -> String {
    let shown = browser.get(farm, "Environment_Health.aspx").body;
    let cells = between(&shown, &format!("<td>{row}</td>"), "</tr>").to_owned();
    let link = cells.split("href=\"").find(|link| link.contains("deployment")).expect("a link");
    let link = link.split('"').next().expect("an end").replace("&amp;", "&");
    browser.get(farm, &link).body
}

/// Goal: threads are told in words, and no service means no threads. Method: idle, busy, stopped.
#[test]
fn the_deployment_page_lists_threads_or_says_why_there_are_none() {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    let idle = threads(&mut farm, &browser, "fe-2");
    assert!(idle.contains("<h1>fe-2 - OutSystems Deployment Service</h1>"), "{idle}");
    assert!(idle.contains("<th>Thread</th><th>Status</th><th>Details</th>"));
    for name in ["Deployment Worker 1", "Deployment Worker 2", "Pending Modules"] {
        assert!(idle.contains(&format!("<tr><td>{name}</td><td>Sleeping</td>")), "{idle}");
    }
    assert_eq!(run(&mut farm, "fe-1", "publish"), "status=exited exit_code=0");
    let busy = threads(&mut farm, &browser, "fe-2");
    assert!(busy.contains("<td>Deploying</td>") && busy.contains("<td>Processing</td>"), "{busy}");
    farm.stop_service("fe-2");
    let none = threads(&mut farm, &browser, "fe-2");
    let words = "OutSystems Deployment Service Status: No connection could be made because the \
                 target machine actively refused it";
    assert!(none.contains(words) && !none.contains("<tr><td>"), "{none}");
}

/// Goal: the older generation has other names, and only those. Method: both sets of pages.
#[test]
fn the_platform_generation_has_its_own_page_names() {
    let mut farm = shop_with_pure_controller();
    let browser = Browser::logged_in(&mut farm, "fe-1");
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 404);
    assert_eq!(browser.get(&mut farm, "Environment_Health.aspx").status, 404);
    let list = browser.get(&mut farm, "FrontEnd_Servers.aspx").body;
    assert!(list.contains("<h1>Front-end Servers</h1>") && !list.contains("ctl"), "{list}");
    let page = "Platform_Monitoring.aspx";
    assert!(browser.get(&mut farm, page).body.contains("<th>JBoss</th>"));
    assert_eq!(health(&mut farm, &browser, page, "ctl (Controller)"), ["OK", "", "", ""]);
    assert_eq!(health(&mut farm, &browser, page, "fe-1"), ["", "OK", "OK", "OK"]);
    let mut spec = farm.spec.clone();
    spec.service_center.pages = [("servers".to_owned(), "Knoten.aspx".to_owned())].into();
    let mut farm = Farm::new(spec, Truth::default(), PASSWORD);
    let browser = Browser::logged_in(&mut farm, "fe-1");
    assert_eq!(browser.get(&mut farm, "Knoten.aspx").status, 200);
    assert_eq!(browser.get(&mut farm, "FrontEnd_Servers.aspx").status, 404);
}

/// Goal: what an old console does on a new database. Method: upgrade the controller, then ask the
/// others' consoles, in each variant.
#[test]
fn an_old_console_on_a_new_database_works_fails_or_stands_still() {
    for old_console in [OldConsole::Works, OldConsole::Fails, OldConsole::Stale] {
        let mut farm = shop(Truth { old_console, ..Truth::default() });
        Browser::logged_in(&mut farm, "fe-1").press(&mut farm, "fe-3", "Disable");
        run(&mut farm, "fe-1", "controller-upgrade");
        pass(&mut farm, 5 * MINUTE);
        run(&mut farm, "fe-1", "service-center-install");
        pass(&mut farm, 5 * MINUTE);
        // fe-2 got the new console by deployment; fe-3 is disabled and has the old one.
        if old_console == OldConsole::Fails {
            assert_eq!(status(&mut farm, "fe-3", "/ServiceCenter/Login.aspx"), 500);
            assert_eq!(status(&mut farm, "fe-2", "/ServiceCenter/Login.aspx"), 200);
            continue;
        }
        let (old, new) =
            (Browser::logged_in(&mut farm, "fe-3"), Browser::logged_in(&mut farm, "fe-2"));
        assert!(!old.sees_enabled(&mut farm, "Servers.aspx", "fe-3"));
        new.press(&mut farm, "fe-3", "Enable");
        assert!(new.sees_enabled(&mut farm, "Servers.aspx", "fe-3"));
        let stale = old_console == OldConsole::Stale;
        assert_eq!(old.sees_enabled(&mut farm, "Servers.aspx", "fe-3"), !stale);
        if stale {
            new.press(&mut farm, "fe-3", "Disable");
            old.press(&mut farm, "fe-3", "Enable");
            assert_eq!(farm.database.enabled("fe-3"), Some(true), "writes take effect");
        }
    }
}

/// Goal: a new session model ends old sessions. Method: log in, upgrade, ask.
#[test]
fn upgrading_the_database_logs_everybody_out() {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-2");
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 200);
    run(&mut farm, "fe-1", "controller-upgrade");
    assert_eq!(browser.get(&mut farm, "Servers.aspx").status, 302);
}

/// Asks a console for the platform's version.
fn platform_info(farm: &mut Farm, server: &str, content_type: &str) -> (u16, String) {
    let mut request = Request::get("/ServiceCenter/OutSystemsPlatform.asmx");
    request.method = Method::Post;
    request.content_type = Some(content_type.into());
    request.body = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:out=\"http://www.outsystems.com\"><soapenv:Header/><soapenv:Body>\
         <out:GetPlatformInfo/></soapenv:Body></soapenv:Envelope>"
        .into();
    let answer = web::answer(farm, server, &request).expect("the web server is on");
    (answer.status, answer.body)
}

/// Goal: SOAP tells a version without a login; whose, is a variant. Method: both variants on an
/// old console over a new database.
#[test]
fn get_platform_info_tells_the_builds_or_the_databases_version() {
    for (soap_version, wanted) in [(SoapVersion::Build, FROM), (SoapVersion::Database, TO)] {
        let mut farm = shop(Truth { soap_version, ..Truth::default() });
        run(&mut farm, "fe-1", "controller-upgrade");
        let (status, body) = platform_info(&mut farm, "fe-2", "text/xml; charset=utf-8");
        assert_eq!((status, between(&body, "<Version>", "</Version>")), (200, wanted));
        assert_eq!(between(&body, "<Serial>", "</Serial>").len(), 24);
        assert!(body.contains("http://schemas.xmlsoap.org/soap/envelope/"));
        let (_, body) = platform_info(&mut farm, "fe-2", "application/soap+xml");
        assert!(body.contains("http://www.w3.org/2003/05/soap-envelope"), "{body}");
    }
}

/// Goal: names cannot become markup. Method: a farm whose server is called like a tag.
#[test]
fn names_of_servers_are_escaped_on_every_page() {
    let mut spec = shop(Truth::default()).spec;
    spec.front_ends[1].name = "<b>\"fe\"</b>".into();
    let mut farm = Farm::new(spec, Truth::default(), PASSWORD);
    let browser = Browser::logged_in(&mut farm, "fe-1");
    for page in ["Servers.aspx", "Environment_Health.aspx", "Server_Edit.aspx?ServerId=11"] {
        let shown = browser.get(&mut farm, page).body;
        assert!(shown.contains("&lt;b&gt;&quot;fe&quot;") && !shown.contains("<b>"), "{page}");
    }
}

/// Goal: what is not modelled is said, and not taken for an answer. Method: pages of the real one.
#[test]
fn pages_that_are_not_modelled_answer_501() {
    let mut farm = shop(Truth::default());
    let browser = Browser::logged_in(&mut farm, "fe-1");
    assert_eq!(browser.get(&mut farm, "Error_Logs.aspx").status, 501);
    assert_eq!(browser.get(&mut farm, "Monitor.asmx").status, 501);
    assert_eq!(browser.get(&mut farm, "Nonsense.aspx").status, 404);
}
