//! The command line as people meet it: what they read, and the exit code that scripts go by.
//!
//! Every test runs the built program in a folder of its own; snapshots hold stdout, stderr and
//! the exit code.
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const TINY: &str = include_str!("../scenarios/tiny.farm.toml");
const BANK: &str = include_str!("../scenarios/bank.farm.toml");
const RETAIL: &str = include_str!("../scenarios/retail.farm.toml");

const OVERLOADED: &str = include_str!("../scenarios/overloaded.farm.toml");

/// A folder with the scenarios' farm files.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("tiny", TINY), ("bank", BANK), ("retail", RETAIL)] {
        fs::write(folder.path().join(format!("{name}.farm.toml")), text).unwrap();
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("EVENKEEL_LOG")
        .env_remove("EVENKEEL_SC_PASSWORD")
        .output()
        .unwrap()
}

/// What a call wrote and how it ended, for a snapshot.
fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let mut told = format!("$ evenkeel {}\n", arguments.join(" "));
    told.push_str(&String::from_utf8(output.stdout).unwrap());
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        told.push_str(&format!("stderr: {line}\n"));
    }
    told.push_str(&format!("exit code {}\n", output.status.code().unwrap()));
    told
}

/// Hashes and this machine's folders differ from run to run.
fn settled(folder: &TempDir) -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&folder.path().display().to_string(), "[FOLDER]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[HASH]");
    settings.add_filter(r"\b[0-9a-f]{12}\b", "[HASH]");
    settings.bind_to_scope()
}

#[test]
fn help_of_everything() {
    let folder = folder();
    let mut all = told(folder.path(), &["--help"]);
    for subcommand in [
        "check",
        "plan",
        "runbook",
        "apply",
        "resume",
        "hold",
        "abort",
        "fall-back",
        "status",
        "history",
    ] {
        let help = told(folder.path(), &[subcommand, "--help"]);
        assert!(help.contains("Example"), "{subcommand} has no example");
        all.push('\n');
        all.push_str(&help);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn wrong_use_touches_nothing() {
    let folder = folder();
    let calls: [&[&str]; 10] = [
        &[],
        &["check"],
        &["plan", "tiny.farm.toml"],
        &["plan", "tiny.farm.toml", "-o", "x.plan", "--force", " "],
        &["plan", "tiny.farm.toml", "-o", "./tiny.farm.toml"],
        &["runbook", "none.plan"],
        &["runbook", "tiny.farm.toml"],
        &["apply", "x.plan", "--approve", "3,12"],
        &["resume", "x.plan", "--retry", "fe-1", "--by-hand", "fe-2"],
        &["sub/command"],
    ];
    let all: Vec<String> = calls.iter().map(|call| told(folder.path(), call)).collect();
    assert!(all.iter().all(|told| told.ends_with("exit code 2\n")), "{all:#?}");
    assert!(!folder.path().join("x.plan").exists());
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn check_of_the_scenarios() {
    let folder = folder();
    let _settled = settled(&folder);
    let calls: [&[&str]; 4] = [
        &["check", "tiny.farm.toml"],
        &["check", "bank.farm.toml"],
        &["check", "retail.farm.toml"],
        &["check", "tiny.farm.toml", "--json"],
    ];
    let all: Vec<String> = calls.iter().map(|call| told(folder.path(), call)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn plan_of_retail() {
    let folder = folder();
    let _settled = settled(&folder);
    insta::assert_snapshot!(told(
        folder.path(),
        &["plan", "retail.farm.toml", "-o", "retail.plan"]
    ));
}

#[test]
fn plan_of_bank() {
    let folder = folder();
    let _settled = settled(&folder);
    insta::assert_snapshot!(told(folder.path(), &["plan", "bank.farm.toml", "-o", "bank.plan"]));
}

#[test]
fn plan_of_tiny_and_its_file() {
    let folder = folder();
    let _settled = settled(&folder);
    insta::assert_snapshot!(told(folder.path(), &["plan", "tiny.farm.toml", "-o", "tiny.plan"]));
    insta::assert_snapshot!(
        "plan_file",
        fs::read_to_string(folder.path().join("tiny.plan")).unwrap()
    );
}

/// Goal: `--json` is one object with the plan that the file holds. Method: compare both.
#[test]
fn plan_as_json_is_the_file() {
    let folder = folder();
    let output = run(folder.path(), &["plan", "bank.farm.toml", "-o", "bank.plan", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = fs::read(folder.path().join("bank.plan")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(told["v"], 1);
    assert_eq!((&told["plan"], &told["hash"]), (&file["plan"], &file["hash"]));
}

#[test]
fn runbook_of_bank() {
    let folder = folder();
    let _settled = settled(&folder);
    run(folder.path(), &["plan", "bank.farm.toml", "-o", "bank.plan"]);
    insta::assert_snapshot!(told(folder.path(), &["runbook", "bank.plan"]));
}

#[test]
fn runbook_of_tiny_as_html() {
    let folder = folder();
    let _settled = settled(&folder);
    run(folder.path(), &["plan", "tiny.farm.toml", "-o", "tiny.plan"]);
    insta::assert_snapshot!(told(folder.path(), &["runbook", "tiny.plan", "--html"]));
}

/// Goal: every server, pool and node of a farm is in its runbook. Method: look for each name.
#[test]
fn a_runbook_names_everything() {
    let folder = folder();
    run(folder.path(), &["plan", "retail.farm.toml", "-o", "retail.plan"]);
    let runbook = told(folder.path(), &["runbook", "retail.plan"]);
    for server in 1..=16 {
        for state in ["drain", "ready"] {
            let pool = if server <= 10 { "web-shop" } else { "web-backoffice" };
            let command = format!("set server {pool}/fe-{server:02} state {state}");
            for node in ["10.20.0.11:9999", "10.20.0.12:9999"] {
                assert!(runbook.contains(&format!("'{command}' | socat stdio tcp:{node}")));
            }
        }
    }
}

#[test]
fn a_plan_that_cannot_be_safe_is_refused() {
    let folder = folder();
    let _settled = settled(&folder);
    let file = folder.path().join("tiny.farm.toml");
    fs::write(&file, TINY.replacen("load_rps = 20", "load_rps = 39", 1)).unwrap();
    let mut all = told(folder.path(), &["check", "tiny.farm.toml"]);
    all.push_str(&told(folder.path(), &["check", "tiny.farm.toml", "--json"]));
    all.push_str(&told(folder.path(), &["plan", "tiny.farm.toml", "-o", "x.plan"]));
    assert!(!folder.path().join("x.plan").exists());
    fs::write(&file, TINY.replacen("load_rps = 20", "load_rps = 99", 1)).unwrap();
    all.push_str(&told(folder.path(), &["plan", "tiny.farm.toml", "-o", "x.plan"]));
    let floor = TINY.replacen("zone = \"Global\"\n", "zone = \"Global\"\nfloor = 2\n", 1);
    fs::write(&file, floor).unwrap();
    all.push_str(&told(folder.path(), &["plan", "tiny.farm.toml", "-o", "x.plan"]));
    insta::assert_snapshot!(all);
}

#[test]
fn a_forced_plan_is_marked() {
    let folder = folder();
    let _settled = settled(&folder);
    let file = folder.path().join("tiny.farm.toml");
    fs::write(&file, TINY.replacen("load_rps = 20", "load_rps = 39", 1)).unwrap();
    let forced = ["plan", "tiny.farm.toml", "-o", "x.plan", "--force", "Sunday night"];
    let told = told(folder.path(), &forced);
    let head: Vec<&str> = told.lines().take(16).collect();
    insta::assert_snapshot!(head.join("\n"));
    let runbook = run(folder.path(), &["runbook", "x.plan"]).stdout;
    assert!(String::from_utf8(runbook).unwrap().contains("because: `Sunday night`"));
}

/// The overloaded scenario's farm with half as many requests at night, so that an upgrade fits in.
fn quiet_at_night() -> String {
    let (head, curve) = OVERLOADED.split_once("requests_per_slot = [\n").unwrap();
    let mut hours: Vec<&str> = curve.lines().collect();
    for (hour, line) in hours.iter_mut().enumerate().take(24) {
        if !(5..22).contains(&hour) {
            *line = "    40_000, 40_000, 41_000, 41_000,";
        }
    }
    format!("{head}requests_per_slot = [\n{}\n", hours.join("\n"))
}

/// Goal: with the load over a day a plan says when to begin and what it assumes, and refuses with
/// the figures when there is no such time. Method: a shop that is quiet at night, by the estimate
/// and by what a person says it takes; then one that never is; its runbook says when, too.
#[test]
fn a_plan_says_when_to_begin() {
    let folder = folder();
    let _settled = settled(&folder);
    fs::write(folder.path().join("night.farm.toml"), quiet_at_night()).unwrap();
    fs::write(folder.path().join("day.farm.toml"), OVERLOADED).unwrap();
    let head = |arguments: &[&str]| {
        let told = told(folder.path(), arguments);
        let lines = told.lines().take_while(|line| !line.starts_with("Hazards"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let all = [
        head(&["plan", "night.farm.toml", "-o", "night.plan"]),
        head(&["plan", "night.farm.toml", "-o", "short.plan", "--takes", "2h30m"]),
        head(&["plan", "night.farm.toml", "-o", "x.plan", "--takes", "9h"]),
        head(&["plan", "day.farm.toml", "-o", "x.plan"]),
        head(&["plan", "day.farm.toml", "-o", "x.plan", "--takes", "soon"]),
        head(&["plan", "tiny.farm.toml", "-o", "x.plan", "--takes", "1h"]),
    ];
    assert!(!folder.path().join("x.plan").exists());
    insta::assert_snapshot!(all.join("\n\n"));
    let runbook = run(folder.path(), &["runbook", "short.plan"]).stdout;
    let runbook = String::from_utf8(runbook).unwrap();
    let when = runbook.lines().find(|line| line.contains("**When**")).expect("it says when");
    assert!(when.contains("begin between 22:00 and"), "{when}");
}

/// Goal: a plan of which no time of day holds is begun by who gives the same reason again, and
/// otherwise nothing is touched. Method: no reason, another, and the same, with no password there
/// to go on with; and a reason where there is nothing to force.
#[test]
fn a_plan_without_a_time_wants_its_reason_again() {
    let folder = folder();
    let _settled = settled(&folder);
    fs::write(folder.path().join("day.farm.toml"), OVERLOADED).unwrap();
    let forced = ["plan", "day.farm.toml", "-o", "day.plan", "--force", "last chance"];
    assert!(told(folder.path(), &forced).contains("no time of day holds; the plan was forced"));
    run(folder.path(), &["plan", "tiny.farm.toml", "-o", "tiny.plan"]);
    let all: Vec<String> = [
        &["apply", "day.plan"][..],
        &["apply", "day.plan", "--force", "no reason"],
        &["apply", "tiny.plan", "--force", "last chance"],
        &["apply", "day.plan", "--force", "last chance"],
    ]
    .iter()
    .map(|call| told(folder.path(), call))
    .collect();
    assert!(!folder.path().join("day.plan.run").exists());
    insta::assert_snapshot!(all.join("\n"));
}

/// Goal: a plan that was edited is refused by whoever reads it. Method: edit one.
#[test]
fn an_edited_plan_is_refused() {
    let folder = folder();
    run(folder.path(), &["plan", "tiny.farm.toml", "-o", "tiny.plan"]);
    let path = folder.path().join("tiny.plan");
    let text = fs::read_to_string(&path).unwrap().replace("\"fe-1\"", "\"fe-9\"");
    fs::write(&path, text).unwrap();
    insta::assert_snapshot!(told(folder.path(), &["runbook", "tiny.plan"]));
}

/// Goal: `evenkeel NAME` runs `evenkeel-NAME` from PATH with its arguments and ends as it does.
/// Method: a script of that name.
#[cfg(unix)]
#[test]
fn other_programs_are_subcommands() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let script = folder.path().join("evenkeel-greet");
    fs::write(&script, "#!/bin/sh\necho \"hello $1\"\nexit 3\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["greet", "maria"])
        .env("PATH", folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "hello maria\n");
    assert_eq!(output.status.code(), Some(3));
}

/// Goal: answers are for stdout, mistakes for stderr. Method: a good and a bad file.
#[test]
fn answers_and_mistakes_go_their_own_ways() {
    let folder = folder();
    let good = run(folder.path(), &["check", "tiny.farm.toml"]);
    assert!(good.stderr.is_empty() && !good.stdout.is_empty());
    fs::write(folder.path().join("bad.farm.toml"), "x = 1").unwrap();
    let bad = run(folder.path(), &["check", "bad.farm.toml"]);
    assert!(bad.stdout.is_empty() && !bad.stderr.is_empty());
}
