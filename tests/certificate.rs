//! A rehearsal's certificate, with the real programs: `evenkeel-sim rehearse --certificate` writes
//! it, `evenkeel apply --require-rehearsal` goes by it.
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use evenkeel::certificate::{self, Certificate, Demand, Program};
use evenkeel::place::Place;
use evenkeel::plan;
use evenkeel_sim::scenario::Scenario;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tempfile::TempDir;

use support::run::Answer;
use support::served::{Served, program};

/// Its `policy.rehearsal` asks for 2 seeds with `light`, an hour old at most.
const FARM: &str = include_str!("farms/shop.farm.toml");

/// A farm file with a policy for servers as they are. That of the tests' farm is for doubles that
/// are 240 times as fast as life: a rehearsal is not, and finds rightly that no job ends in time.
fn life_size(farm: &str) -> String {
    let (before, rest) = farm.split_once("[policy]\n").expect("it has a policy");
    let (_, rehearsal) = rest.split_once("[policy.rehearsal]\n").expect("it asks for a rehearsal");
    format!("{before}[policy.rehearsal]\n{rehearsal}")
}

/// A folder with a plan, and a certificate that vouches for it.
struct Rehearsed {
    folder: TempDir,
}

impl Rehearsed {
    fn new() -> Self {
        Self::of(FARM)
    }

    /// The same of another farm.
    fn of(farm: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let this = Self { folder };
        this.plan("shop", &life_size(farm));
        this.rehearse("shop.plan", &["--seeds", "2", "--faults", "light"], "shop.certificate");
        this
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Answer {
        let mut command = Command::new(program(name));
        command.args(arguments).current_dir(self.folder.path());
        command.env("EVENKEEL_LOCK_DIR", self.folder.path());
        Answer::of(command.output().expect("the program runs"))
    }

    fn plan(&self, name: &str, farm: &str) {
        let (file, plan) = (format!("{name}.farm.toml"), format!("{name}.plan"));
        fs::write(self.file(&file), farm).expect("there is room");
        let planned = self.run("evenkeel", &["plan", &file, "-o", &plan]);
        assert_eq!(planned.code, Some(0), "{planned:?}");
    }

    /// Rehearses a file, and returns what it said about the certificate.
    fn rehearse(&self, what: &str, how: &[&str], certificate: &str) -> String {
        let arguments = [&["rehearse", what, "--certificate", certificate], how].concat();
        let rehearsed = self.run("evenkeel-sim", &arguments);
        assert_eq!(rehearsed.code, Some(0), "{rehearsed:?}");
        rehearsed.stderr
    }

    fn certificate(&self, name: &str) -> Certificate {
        certificate::load(&self.file(name)).expect("a certificate").0
    }

    /// Writes the certificate that vouches with a change to it, its hash mended.
    fn changed(&self, name: &str, change: impl FnOnce(&mut Certificate)) {
        let mut certificate = self.certificate("shop.certificate");
        change(&mut certificate);
        let place = Place::reserve(&self.file(name)).expect("there is room");
        place.save(&certificate.text()).expect("there is room");
    }

    /// What `apply` says that refuses a plan and its certificate, and touches nothing.
    fn refusal(&self, plan: &str, certificate: &str) -> String {
        let arguments = ["apply", plan, "--require-rehearsal", certificate];
        let refused = self.run("evenkeel", &arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.contains("nothing was touched"), "{refused:?}");
        assert!(!self.file(&format!("{plan}.run")).exists(), "a run was begun");
        refused.stderr
    }
}

/// Goal: a farm that was rehearsed is upgraded, and the journal knows by which certificate. Method:
/// plan, rehearse and apply on a served farm; the first record has the hash that `sha256sum` gives.
#[test]
fn a_rehearsed_plan_is_carried_out() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime can be made"), async {
        let served = Served::start().await;
        let file = served.file("shop.farm.toml");
        let farm = fs::read_to_string(&file).expect("it was written");
        fs::write(&file, life_size(&farm)).expect("there is room");
        let planned =
            served.shell("rm shop.plan && evenkeel plan shop.farm.toml -o shop.plan").await;
        assert!(planned.status.success(), "{planned:?}");
        let rehearsed = served
            .shell("evenkeel-sim rehearse shop.plan --seeds 2 --faults light --certificate c.json")
            .await;
        assert!(rehearsed.status.success(), "{rehearsed:?}");
        let bytes = fs::read(served.file("c.json")).expect("it was written");
        let hash = certificate::hash_of(&bytes);

        let mut run = served.start_evenkeel("apply", &["--require-rehearsal", "c.json"]);
        run.until_event("began", json!({ "certificate": hash, "resumed": false })).await;
        run.until_event("step", json!({ "step": 1 })).await;
        run.kill().await;
        let history = served.evenkeel("history", &[]).await;
        let told = String::from_utf8(history.stdout).expect("answers are text");
        assert!(told.contains(&format!("rehearsed: certificate {}", &hash[..12])), "{told}");
    });
}

/// Goal: a certificate is of the plan as the user has it, whichever file was rehearsed, and says
/// what was found. Method: plan and farm file of a farm whose console has TLS, which a rehearsal
/// has not, so that another plan is played; and a scenario that names the farm.
#[test]
fn plan_farm_and_scenario_certify_the_plan_that_the_user_has() {
    let with_tls = FARM.replacen("[service_center]\n", "[service_center]\nscheme = \"https\"\n", 1);
    assert_ne!(with_tls, FARM);
    let it = Rehearsed::of(&with_tls);
    let plan = plan::load(&it.file("shop.plan")).expect("a plan");
    let hash = plan.hash();
    let played = Scenario::load(&it.file("shop.plan")).expect("a plan can be rehearsed");
    assert_eq!(played.given_plan_hash, hash);
    assert_ne!(played.plan_hash, hash, "what is played has no TLS");
    assert_eq!(it.certificate("shop.certificate").plan_hash, hash);
    let how = ["--seed", "5", "--seeds", "3", "--faults", "none"];
    fs::write(it.file("shop.toml"), "farm = \"shop.farm.toml\"\n").expect("there is room");
    for file in ["shop.farm.toml", "shop.toml"] {
        it.rehearse(file, &how, "other.certificate");
        let other = it.certificate("other.certificate");
        assert_eq!(other.plan_hash, hash, "{file}");
        assert_eq!((other.scenario.file.as_str(), other.faults.as_str()), (file, "none"));
        let bytes = fs::read(it.file(file)).expect("it is there");
        assert_eq!(other.scenario.hash, certificate::hash_of(&bytes));
        assert_eq!((other.seeds.first, other.seeds.count), (5, 3));
        assert_eq!((other.verdicts.done, other.verdicts.violated), (3, 0));
        assert!(other.simulated_ms > 0 && other.struck.is_empty(), "{other:?}");
    }
    let certificate = it.certificate("shop.certificate");
    let demand = Demand {
        plan_hash: &hash,
        rehearsal: &plan.farm.policy.rehearsal,
        program: &Program::this(),
        now: certificate.rehearsed_at,
    };
    assert_eq!(certificate.objections(&demand), []);
    assert!(!certificate.struck.is_empty(), "light faults strike in one of two seeds");
}

/// Goal: each mistake that a certificate guards against is refused in words that name it and help.
/// Method: make each, with the real programs where they can make it.
#[test]
fn each_mistake_is_refused_and_nothing_is_touched() {
    let it = Rehearsed::new();
    it.plan("other", &life_size(FARM).replacen("capacity_rps = 750", "capacity_rps = 760", 1));
    let said =
        it.rehearse("shop.plan", &["--seeds", "1", "--faults", "latency"], "less.certificate");
    assert!(said.contains("`--require-rehearsal` will refuse it"), "{said}");
    it.changed("old.certificate", |it| it.rehearsed_at -= SignedDuration::from_mins(61));
    it.changed("future.certificate", |it| it.rehearsed_at += SignedDuration::from_hours(2));
    it.changed("older-program.certificate", |it| it.program.sources = "0".repeat(64));
    it.changed("red.certificate", |it| it.verdicts.violated = 1);
    it.changed("held.certificate", |it| (it.verdicts.done, it.verdicts.held) = (0, 2));
    it.changed("gaps.certificate", |it| it.gaps = 3);
    let text = fs::read_to_string(it.file("shop.certificate")).expect("it is there");
    fs::write(it.file("edited.certificate"), text.replace("\"light\"", "\"full\"")).expect("room");

    let mut all = it.refusal("other.plan", "shop.certificate");
    let names =
        ["less", "old", "future", "older-program", "red", "held", "gaps", "edited", "missing"];
    for name in names {
        all.push_str(&format!("\n{name}:\n"));
        all.push_str(&it.refusal("shop.plan", &format!("{name}.certificate")));
    }
    all.push_str("\na plan as its certificate:\n");
    all.push_str(&it.refusal("shop.plan", "shop.plan"));
    all.push_str("\nseveral at once:\n");
    all.push_str(&it.refusal("other.plan", "less.certificate"));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"evenkeel \d[^)]*\)", "[PROGRAM]");
    // Where a line breaks depends on how long the version is: `-dirty` or no commit at all.
    settings.add_filter(r"\[PROGRAM\],\s+and\s+this", "[PROGRAM], and this");
    settings.add_filter(r"\b[0-9a-f]{12}\b", "[HASH]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT[0-9:]*Z", "[INSTANT]");
    settings.bind(|| insta::assert_snapshot!(all));
}

/// Goal: a program is told the same, as one object. Method: two mistakes with `--json`.
#[test]
fn a_refusal_is_one_object_for_programs() {
    let it = Rehearsed::new();
    it.changed("bad.certificate", |it| {
        it.verdicts.violated = 1;
        it.seeds.count = 1;
    });
    let arguments = ["apply", "shop.plan", "--require-rehearsal", "bad.certificate", "--json"];
    let refused = it.run("evenkeel", &arguments);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let told: Value = serde_json::from_str(&refused.stdout).expect("one object");
    let objections = json!([
        { "objection": "violated", "violated": 1, "runs": 1 },
        { "objection": "too-few-seeds", "seeds": 1, "wanted": 2 },
    ]);
    let refused = json!({ "certificate": "bad.certificate", "objections": objections });
    assert_eq!(told, json!({ "v": 1, "refused": refused }));
}

/// Goal: a certificate that could not be written costs no campaign, and nothing that is
/// written overwrites what is rehearsed. Method: a folder that is not there, the plan itself, and the
/// farm file from which it was made.
#[test]
fn a_place_that_cannot_be_is_told_before_the_campaign() {
    let it = Rehearsed::new();
    let files = || -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(it.folder.path()).expect("it is there");
        let paths = files.map(|entry| entry.expect("it can be read").path());
        paths.map(|path| (path.clone(), fs::read(path).expect("it can be read"))).collect()
    };
    let before = files();
    let overwritten = "would overwrite what is rehearsed";
    for (flag, path, code, words) in [
        ("--certificate", "no/such/folder", 1, "the certificate cannot be written"),
        ("--certificate", "./shop.plan", 2, overwritten),
        ("--report", "./shop.plan", 2, overwritten),
        ("--trace", "shop.plan", 2, overwritten),
        ("--certificate", "shop.farm.toml", 2, overwritten),
        ("--report", "./shop.farm.toml", 2, overwritten),
        ("--trace", "shop.farm.toml", 2, overwritten),
    ] {
        let refused = it.run("evenkeel-sim", &["rehearse", "shop.plan", flag, path]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(code), ""), "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    assert_eq!(files(), before);
}
