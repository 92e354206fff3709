//! What the tests of the doubles share: two farms, hands that work on them, and a browser.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::collections::BTreeMap;

use evenkeel_fakes::farm::Farm;
use evenkeel_fakes::front_end::verbs::{self, Outcome};
use evenkeel_fakes::front_end::web;
use evenkeel_fakes::http::{Answer, Method, Request};
use evenkeel_fakes::ledger::Event;
use evenkeel_fakes::spec::Spec;
use evenkeel_fakes::truth::Truth;

pub const SHOP: &str = include_str!("shop.farm.toml");
pub const FROM: &str = "11.20.0.40000";
pub const TO: &str = "11.36.1.43500";
pub const PASSWORD: &str = "s3cret & <more>";
pub const MINUTE: u64 = 60_000;

/// Three front-ends, the first one the controller.
pub fn shop(truth: Truth) -> Farm {
    Farm::new(toml::from_str(SHOP).expect("the shop is a farm file"), truth, PASSWORD)
}

/// The shop with a controller of its own, on J2EE, with the older console.
pub fn shop_with_pure_controller() -> Farm {
    let mut spec: Spec = toml::from_str(SHOP).expect("the shop is a farm file");
    spec.controller = "ctl".into();
    spec.stack = "j2ee".into();
    spec.service_center.generation = "platform".into();
    spec.pure_controller = Some(evenkeel_fakes::spec::PureControllerSpec {
        name: "ctl".into(),
        address: "10.0.0.9".into(),
    });
    Farm::new(spec, Truth::default(), PASSWORD)
}

/// Lets time pass and tells what happened, as `SECONDS what`.
pub fn pass(farm: &mut Farm, ms: u64) -> Vec<String> {
    farm.advance(farm.now_ms() + ms);
    told(farm)
}

/// What happened since the last look, as `SECONDS what`.
pub fn told(farm: &mut Farm) -> Vec<String> {
    let entries = farm.take_entries();
    entries.iter().map(|it| format!("{} {}", it.at_ms / 1_000, it.event)).collect()
}

/// The events since the last look.
pub fn events(farm: &mut Farm) -> Vec<Event> {
    farm.take_entries().into_iter().map(|it| it.event).collect()
}

/// Runs a host verb.
pub fn verb(farm: &mut Farm, server: &str, pairs: &[(&str, &str)]) -> Outcome {
    let mut env: BTreeMap<String, String> =
        pairs.iter().map(|(key, value)| (format!("EVENKEEL_{key}"), (*value).into())).collect();
    env.insert("EVENKEEL_SERVER".into(), server.into());
    verbs::run(farm, server, &env)
}

/// Starts a job, which must be accepted.
pub fn start(farm: &mut Farm, server: &str, job: &str, kind: &str) {
    let pairs = [("VERB", "start"), ("JOB", job), ("KIND", kind), ("VERSION", TO)];
    let outcome = verb(farm, server, &pairs);
    assert_eq!((outcome.exit_code, outcome.stdout.as_str()), (0, "accepted=yes\n"), "{outcome:?}");
}

/// What became of a job: the lines before its output.
pub fn job(farm: &mut Farm, server: &str, job: &str) -> String {
    let outcome = verb(farm, server, &[("VERB", "job"), ("JOB", job)]);
    assert_eq!(outcome.exit_code, 0);
    let lines = outcome.stdout.lines().filter(|line| !line.starts_with("output="));
    lines.collect::<Vec<_>>().join(" ")
}

/// Runs a job to its end, whatever that is.
pub fn run(farm: &mut Farm, server: &str, kind: &str) -> String {
    let id = format!("{kind}-{}", farm.now_ms());
    start(farm, server, &id, kind);
    while job(farm, server, &id) == "status=running" {
        let due = farm.next_due_ms().expect("a running job has an end");
        farm.advance(due);
    }
    job(farm, server, &id)
}

/// A GET of a server's web server.
pub fn get(farm: &mut Farm, server: &str, target: &str) -> Option<Answer> {
    web::answer(farm, server, &Request::get(target))
}

/// The status of a GET; 0 when the connection is refused.
pub fn status(farm: &mut Farm, server: &str, target: &str) -> u16 {
    get(farm, server, target).map_or(0, |answer| answer.status)
}

/// The text between two others.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {text}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0
}

/// Somebody at the console of one front-end.
pub struct Browser {
    pub server: &'static str,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn at(server: &'static str) -> Self {
        Self { server, cookie: None }
    }

    /// One that has logged in.
    pub fn logged_in(farm: &mut Farm, server: &'static str) -> Self {
        let mut browser = Self::at(server);
        let answer = browser.login(farm, "admin", PASSWORD);
        assert_eq!((answer.status, answer.location.as_deref()), (302, Some("/ServiceCenter/")));
        browser
    }

    pub fn get(&self, farm: &mut Farm, page: &str) -> Answer {
        let mut request = Request::get(&format!("/ServiceCenter/{page}"));
        request.cookie.clone_from(&self.cookie);
        web::answer(farm, self.server, &request).expect("the web server is on")
    }

    /// Posts a page's own form, hidden fields and all, with more fields.
    pub fn post(&self, farm: &mut Farm, page: &str, fields: &[(&str, &str)]) -> Answer {
        let shown = self.get(farm, page).body;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for hidden in ["__EVENTTARGET", "__EVENTARGUMENT", "__OSVSTATE", "__VIEWSTATE"] {
            let input = between(&shown, &format!("name=\"{hidden}\""), "/>");
            pairs.push((hidden.into(), between(input, "value=\"", "\"").into()));
        }
        pairs.extend(fields.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        self.post_raw(farm, page, &pairs)
    }

    pub fn post_raw(&self, farm: &mut Farm, page: &str, pairs: &[(String, String)]) -> Answer {
        let encode = |text: &str| -> String {
            let plain = |byte: u8| byte.is_ascii_alphanumeric();
            let hex = |byte: u8| {
                if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            };
            text.bytes().map(hex).collect()
        };
        let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        let mut request = Request::get(&format!("/ServiceCenter/{page}"));
        request.method = Method::Post;
        request.cookie.clone_from(&self.cookie);
        request.body = body.into();
        web::answer(farm, self.server, &request).expect("the web server is on")
    }

    pub fn login(&mut self, farm: &mut Farm, user: &str, password: &str) -> Answer {
        let fields =
            [("wt6$wtInput1", user), ("wt6$wtInputPass1", password), ("wt6$wtButton1", "Login")];
        let answer = self.post(farm, "Login.aspx", &fields);
        if let Some(cookie) = &answer.cookie {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer
    }

    /// The page of a server, as the list links to it.
    pub fn page_of(&self, farm: &mut Farm, list: &str, server: &str) -> String {
        let shown = self.get(farm, list).body;
        let row = between(&shown, "<tbody>", &format!("\">{server}</a>"));
        row.rsplit_once("href=\"").expect("the name is a link").1.to_owned()
    }

    /// Whether the list shows a server as enabled.
    pub fn sees_enabled(&self, farm: &mut Farm, list: &str, server: &str) -> bool {
        let shown = self.get(farm, list).body;
        let row = between(&shown, &format!("\">{server}</a>"), "</tr>");
        let cells: Vec<_> = row.split("</td><td>").collect();
        cells[2] == "✔"
    }

    /// Presses Disable or Enable on a server's page.
    pub fn press(&self, farm: &mut Farm, server: &str, button: &str) -> Answer {
        let page = self.page_of(farm, "Servers.aspx", server);
        let name = format!("wt9$wt{button}Button");
        self.post(farm, &page, &[(&name, button)])
    }
}
