//! The command line of `evenkeel-sim rehearse` as people meet it: what is kept and where, what is
//! overwritten (nothing), and what becomes of a campaign that nobody listens to.
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use evenkeel::certificate;
use serde_json::{Value, json};
use tempfile::TempDir;

use support::eventually;
use support::run::Answer;
use support::served::program;

/// A bug that breaks an invariant in this seed also when nothing else goes wrong.
const PLANTED: [&str; 6] = ["--sabotage", "remove-before-add", "--guard", "off", "--seed", "1"];
/// More seeds than anybody waits for.
const ENDLESS: [&str; 2] = ["--seeds", "1000000000"];

/// A scratch folder with the smallest scenario in the folder `my farms`.
struct Desk {
    scratch: TempDir,
}

impl Desk {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a scratch folder can be made");
        let this = Self { scratch };
        fs::create_dir(this.farms()).expect("there is room");
        this.bring("tiny");
        this
    }

    fn farms(&self) -> PathBuf {
        self.scratch.path().join("my farms")
    }

    /// Copies a scenario and its farm here.
    fn bring(&self, name: &str) {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        for file in [format!("{name}.toml"), format!("{name}.farm.toml")] {
            fs::copy(scenarios.join(&file), self.farms().join(&file)).expect("there is room");
        }
    }

    /// A command line, given in the folder of the farms.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("evenkeel-sim"));
        command.args(arguments).current_dir(self.farms());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).output().expect("the program runs"))
    }

    /// Rehearses the smallest farm without faults and without shrinking.
    fn rehearse(&self, how: &[&str]) -> Answer {
        let first = ["rehearse", "tiny.toml", "--faults", "none", "--shrink-runs", "0"];
        self.run(&[&first, how].concat())
    }
}

/// The files of a folder with what is in them.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let name = |path: &Path| path.file_name().expect("it has one").display().to_string();
    paths
        .filter(|path| path.is_file())
        .map(|path| (name(&path), fs::read_to_string(&path).expect("it is text")))
        .collect()
}

/// A program that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.spawn().expect("the program runs"))
    }

    /// Reads its first lines and goes away.
    fn read_and_leave(&mut self, lines: usize) -> Vec<String> {
        let stdout = BufReader::new(self.0.stdout.take().expect("it is a pipe"));
        stdout.lines().take(lines).map(|line| line.expect("it is text")).collect()
    }

    /// The exit code, by which it must end soon.
    fn ends(&mut self) -> Option<i32> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let child = &mut self.0;
        let status =
            runtime.expect("a runtime can be made").block_on(eventually("its end", || {
                let ended = child.try_wait().expect("it is our child");
                async move { ended }
            }));
        status.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is gone already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Goal: what is kept is found again by its replay, wherever it is kept, and what a planted bug broke
/// does not lie among the regressions. Method: the default, a folder above, one with `..` in the
/// middle, and a link, each replayed; the printed command has the path as one word.
#[test]
fn what_is_kept_replays_from_wherever_it_is_kept() {
    let desk = Desk::new();
    let scratch = desk.scratch.path();
    fs::create_dir_all(scratch.join("far/away")).expect("there is room");
    std::os::unix::fs::symlink(scratch.join("far/away"), desk.farms().join("link")).expect("room");
    for (folder, how) in [
        ("planted", &[][..]),
        ("../kept", &["--failures", "../kept"]),
        ("../far/../other", &["--failures", "../far/../other"]),
        ("link", &["--failures", "link"]),
    ] {
        let found = desk.rehearse(&[&PLANTED, how].concat());
        assert_eq!(found.code, Some(4), "{found:?}");
        assert!(found.stdout.contains("no regression"), "{found:?}");
        let kept = files(&desk.farms().join(folder));
        let [name] = kept.keys().collect::<Vec<_>>()[..] else { panic!("{folder}: {kept:?}") };
        let path = format!("{folder}/{name}");
        assert!(
            found.stdout.contains(&format!("again: evenkeel-sim replay {path}\n")),
            "{found:?}"
        );
        let replayed = desk.run(&["replay", &path]);
        assert_eq!(replayed.code, Some(4), "{folder}: {replayed:?}");
    }
    assert!(!desk.farms().join("regressions").exists());
    let from_above = desk
        .command(&[&["rehearse", "my farms/tiny.toml", "--faults", "none"], &PLANTED[..]].concat())
        .current_dir(scratch)
        .output();
    let told = Answer::of(from_above.expect("the program runs")).stdout;
    assert!(told.contains("again: evenkeel-sim rehearse 'my farms/tiny.toml' --seed 1"), "{told}");
    assert!(told.contains("again: evenkeel-sim replay 'my farms/planted/tiny-"), "{told}");
}

/// Goal: nothing that was kept is lost by what is kept later. Method: the same violation twice, which
/// is one file that stays as it was; then another one of the same name.
#[test]
fn what_was_kept_is_not_overwritten() {
    let desk = Desk::new();
    let folder = desk.farms().join("planted");
    let kept = |found: Answer| {
        assert_eq!(found.code, Some(4), "{found:?}");
        files(&folder)
    };
    let first = kept(desk.rehearse(&PLANTED));
    let name = first.keys().next().expect("it is kept").clone();
    assert!(first[&name].contains("events, as they were"), "{first:?}");
    fs::write(folder.join(&name), format!("# mine\n{}", first[&name])).expect("there is room");
    let first = files(&folder);
    assert_eq!(kept(desk.rehearse(&PLANTED)), first, "the same again");
    let other = ["rehearse", "tiny.toml", "--faults", "latency", "--shrink-runs", "0"];
    let both = kept(desk.run(&[&other, &PLANTED[..]].concat()));
    assert_eq!(both[&name], first[&name]);
    let second = name.replace(".toml", "-2.toml");
    assert_eq!(both.keys().collect::<Vec<_>>(), [&second, &name]);
    assert!(both[&second].contains("latency") && !both[&name].contains("latency"));
}

/// Goal: a failure that cannot be kept is told all the same, and whoever named the folder hears of it
/// before the campaign. Method: a file in the folder's place.
#[test]
fn what_cannot_be_kept_is_told() {
    let desk = Desk::new();
    fs::write(desk.farms().join("planted"), "a file").expect("there is room");
    let found = desk.rehearse(&PLANTED);
    assert_eq!(found.code, Some(4), "{found:?}");
    assert!(found.stdout.contains("\nbroken at "), "{found:?}");
    assert!(found.stderr.contains("could not be kept") && found.stderr.contains("--failures"));
    let refused = desk.rehearse(&[&PLANTED[..], &["--failures", "planted"]].concat());
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("nothing was run"), "{refused:?}");
}

/// Goal: no two answers go into one file. Method: two flags with two names of one path.
#[test]
fn two_answers_are_two_files() {
    let desk = Desk::new();
    for flags in [
        ["--report", "out", "--certificate", "./out"],
        ["--report", "out", "--trace", "../my farms/out"],
    ] {
        let refused = desk.rehearse(&flags);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.contains("two things would be written there"), "{refused:?}");
    }
    assert!(!desk.farms().join("out").exists());
}

/// Goal: a campaign that nobody listens to ends, unless something else is wanted of it. Method: an
/// endless one whose reader leaves after a line; a short one that is to be certified.
#[test]
fn a_campaign_ends_when_its_reader_leaves() {
    let desk = Desk::new();
    let endless = [&["rehearse", "tiny.toml", "--faults", "none", "--json"], &ENDLESS[..]];
    for jobs in ["1", "2"] {
        let arguments = [&endless.concat()[..], &["--jobs", jobs]].concat();
        let mut running = Running::start(desk.command(&arguments));
        assert_eq!(running.read_and_leave(1).len(), 1);
        assert_eq!(running.ends(), Some(1));
    }
    let certified = ["rehearse", "tiny.toml", "--faults", "none", "--seeds", "4"];
    let certified = [&certified[..], &["--certificate", "tiny.certificate"]].concat();
    let mut running = Running::start(desk.command(&certified));
    running.read_and_leave(0);
    assert_eq!(running.ends(), Some(1));
    let (certificate, _) =
        certificate::load(&desk.farms().join("tiny.certificate")).expect("it was written");
    assert_eq!(certificate.seeds.count, 4);
}

/// Goal: whoever stops a campaign finds nothing left behind. Method: one that is going to write two
/// files is killed when it has told something.
#[test]
fn a_campaign_that_is_killed_leaves_nothing_behind() {
    let desk = Desk::new();
    let before = files(&desk.farms());
    let endless = [&["rehearse", "tiny.toml", "--faults", "none"], &ENDLESS[..]].concat();
    let wanted = ["--certificate", "tiny.certificate", "--report", "tiny.html"];
    let mut running = Running::start(desk.command(&[&endless[..], &wanted].concat()));
    assert_eq!(running.read_and_leave(5).len(), 5, "a head, and rows");
    drop(running);
    assert_eq!(files(&desk.farms()), before);
}

/// Goal: crash points blame crashes for what crashes break, and count none that did not happen.
/// Method: a farm that is broken without any; a point beyond a run's end.
#[test]
fn crash_points_are_of_a_run_that_is_sound_and_reaches_them() {
    let desk = Desk::new();
    desk.bring("overloaded");
    let broken = desk.run(&["rehearse", "overloaded.toml", "--crash-points"]);
    assert_eq!(broken.code, Some(4), "{broken:?}");
    assert!(broken.stdout.contains("wrong without a crash already"), "{broken:?}");
    assert!(!broken.stdout.contains("killed at"), "{broken:?}");
    assert!(broken.stdout.contains("again: evenkeel-sim rehearse overloaded.toml --seed 0"));
    let beyond = desk.run(&["rehearse", "tiny.toml", "--crash-points=record-99999-1s"]);
    assert_eq!(beyond.code, Some(4), "{beyond:?}");
    assert!(beyond.stderr.contains("does not reach that point"), "{beyond:?}");
    let reached = desk.run(&["rehearse", "tiny.toml", "--crash-points=record-9-1s"]);
    assert_eq!((reached.code, reached.stderr.as_str()), (Some(0), ""), "{reached:?}");
}

/// Goal: programs are told of gaps, and how long all of it took. Method: a campaign that is too small
/// to have any.
#[test]
fn a_summary_has_gaps_and_the_time_that_passed() {
    let desk = Desk::new();
    let told = desk.rehearse(&["--json", "--seeds", "2", "--jobs", "2"]).stdout;
    let last = told.lines().last().expect("it says something");
    let last: Value = serde_json::from_str(last).expect("every line is an object");
    assert_eq!(last["summary"]["gaps"], json!([]));
    assert!(last["summary"]["wall_s"].as_f64().is_some_and(|wall_s| wall_s > 0.0), "{last}");
}
