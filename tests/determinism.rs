//! One scenario and one seed are one run: byte for byte, in any process, alone or in a campaign.
//!
//! If this fails, no seed means anything: look here first.
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// `evenkeel-sim rehearse` on a scenario, not started yet.
fn rehearsal(scenario: &str, faults: &str, args: &[&str]) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_evenkeel")).with_file_name("evenkeel-sim");
    assert!(
        program.is_file(),
        "{} is not there: run tests/run, or `cargo build --workspace --bins` with the profile of \
         these tests",
        program.display()
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program);
    command
        .arg("rehearse")
        .arg(root.join(format!("scenarios/{scenario}.toml")))
        .args(["--faults", faults, "--json", "--shrink-runs", "0"])
        // Not among the regressions, should something be broken.
        .arg("--failures")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("determinism"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a rehearsal wrote to stdout.
fn stdout(rehearsal: Child) -> String {
    let output = rehearsal.wait_with_output().expect("the program ends");
    // 4: an invariant was broken. That is another test's business; this one compares.
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "{:?}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the program writes UTF-8")
}

/// Rehearses the smallest farm under every fault.
fn rehearse(args: &[&str]) -> String {
    stdout(rehearsal("tiny", "full", args).spawn().expect("the program can be run"))
}

/// The runs of a campaign by seed, without what the machine's speed decides.
fn runs(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("every line is an object"))
        .filter(|it| it.get("seed").is_some())
        .map(|mut it| {
            let fields = it.as_object_mut().expect("every line is an object");
            assert!(fields.remove("wall_s").is_some(), "a run says how long it took");
            it
        })
        .collect()
}

/// Goal: a run depends on nothing of its process. Method: on five pairs of scenario and faults,
/// two processes at the same time, each with its own random state and memory layout, write every
/// packet, change, record and fault; their traces are compared in lockstep, all bytes.
#[test]
fn two_processes_play_the_same_run_byte_for_byte() {
    let pairs = [
        ("tiny", "full", "9"),
        ("six", "full", "4"),
        ("six", "link,balancer", "1"),
        ("bank", "orchestrator,front-end", "2"),
        ("retail", "light", "3"),
    ];
    for (scenario, faults, seed) in pairs {
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let play = |name: &str| -> (PathBuf, Child) {
            let trace = folder.path().join(name);
            let path = trace.to_str().expect("scratch folders have plain names").to_owned();
            let mut rehearsal = rehearsal(scenario, faults, &["--seed", seed, "--trace", &path]);
            (trace, rehearsal.spawn().expect("the program can be run"))
        };
        let (first_trace, first) = play("first");
        let (second_trace, second) = play("second");
        let (first, second) = (stdout(first), stdout(second));
        let which = format!("{scenario} under {faults}, seed {seed}");
        let lines = same_lines(&first_trace, &second_trace).unwrap_or_else(|line| {
            panic!("{which}: two processes part at line {line} of their traces")
        });
        assert!(lines > 1_000, "{which}: only {lines} lines: nothing was traced");
        assert_eq!(runs(&first), runs(&second), "{which}");
    }
}

/// How many lines two files have, which are the same; the first line that is not, counted from 1.
fn same_lines(first: &Path, second: &Path) -> Result<u64, u64> {
    let open = |path: &Path| BufReader::new(File::open(path).expect("the trace was written"));
    let (mut first, mut second) = (open(first), open(second));
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for line in 0.. {
        one.clear();
        other.clear();
        let ended = first.read_until(b'\n', &mut one).expect("the trace can be read") == 0;
        second.read_until(b'\n', &mut other).expect("the trace can be read");
        if one != other {
            return Err(line + 1);
        }
        if ended {
            return Ok(line);
        }
    }
    unreachable!("a file ends")
}

/// Goal: runs do not touch each other. Method: a campaign on two threads against the same one on
/// one, seed by seed, and against a seed in a process of its own.
#[test]
fn two_jobs_equal_one_and_a_seed_alone() {
    let of_jobs = |jobs| runs(&rehearse(&["--seed", "11", "--seeds", "6", "--jobs", jobs]));
    let (two, one) = (of_jobs("2"), of_jobs("1"));
    assert_eq!(two.len(), 6);
    for ((run, single), seed) in two.iter().zip(&one).zip(11..) {
        assert_eq!(run["seed"], seed, "runs are told in the order of their seeds");
        assert_eq!(run, single, "seed {seed} on two threads and on one");
    }
    let alone = runs(&rehearse(&["--seed", "13"]));
    assert_eq!(alone, two[2..3], "seed 13 alone and in a campaign");
}

/// Goal: seeds matter. Method: the digests of a few seeds differ from each other.
#[test]
fn another_seed_is_another_run() {
    let mut digests: Vec<String> = runs(&rehearse(&["--seed", "11", "--seeds", "4"]))
        .iter()
        .map(|run| run["digest"].to_string())
        .collect();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 4, "{digests:?}");
}
