//! The promise of one writer: a farm has one orchestrator at a time, the second one reads who the
//! first is, and nothing stays locked after a death. On this machine's own locks and folders.
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use evenkeel::journal::file::FileStorage;
use evenkeel::journal::lock::{FarmLock, Holder, LockError, folders};
use evenkeel::journal::run_folder::RunFolder;
use evenkeel::journal::{Event, Journal};

const FARM: &str = "retail";

/// Set for a copy of this test program that is to hold a lock in this folder until it is killed.
const HOLD_IN: &str = "EVENKEEL_TEST_HOLD_IN";

fn holder(plan: &str) -> Holder {
    Holder {
        pid: std::process::id(),
        host: "jump-1".into(),
        user: "maria".into(),
        plan: plan.into(),
        since: jiff::Timestamp::from_second(1_772_330_400).expect("it is within range"),
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .expect("a scratch folder can be made")
}

fn here(folder: &Path) -> Vec<PathBuf> {
    vec![folder.to_owned()]
}

/// Not a claim of its own: what the copy of this program does, and nothing in the original.
#[test]
fn helper_that_holds_a_lock() {
    let Some(folder) = std::env::var_os(HOLD_IN) else { return };
    let _lock = FarmLock::acquire(&here(Path::new(&folder)), FARM, &holder("other.plan"))
        .expect("nobody else holds it");
    println!("held");
    // Ends when the parent closes its end, so that a failed test leaves no process behind.
    let _ = std::io::stdin().read(&mut [0]);
}

/// Another process that holds the farm's lock.
fn other_process(folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "helper_that_holds_a_lock", "--nocapture"])
        .env(HOLD_IN, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    assert!(
        lines.any(|line| line.expect("its output is text").ends_with("held")),
        "it ended without the lock"
    );
    child
}

/// Goal: a second orchestrator is refused with the first one's name, and gets the lock as soon as
/// the first one is gone, even by kill -9. Method: another process holds, is killed.
#[test]
fn a_second_writer_is_refused_by_name_until_the_first_is_dead() {
    let folder = scratch();
    let mut other = other_process(folder.path());
    let refused = FarmLock::acquire(&here(folder.path()), FARM, &holder("mine.plan"))
        .expect_err("it is held");
    let text = refused.to_string();
    let LockError::Held { holder: Some(who), .. } = refused else { panic!("{text}") };
    assert_eq!((who.pid, who.plan.as_path()), (other.id(), Path::new("other.plan")));
    for word in ["retail", "maria", "jump-1", "other.plan", &other.id().to_string()] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let seen = FarmLock::held_by(&here(folder.path()), FARM).expect("it can be looked at");
    assert_eq!(seen.expect("it is held").to_string(), text);
    FarmLock::acquire(&here(folder.path()), "bank", &holder("bank.plan"))
        .expect("another farm is another lock");

    other.kill().expect("it is our child"); // SIGKILL
    other.wait().expect("it is our child");
    assert!(FarmLock::held_by(&here(folder.path()), FARM).expect("it can be looked at").is_none());
    FarmLock::acquire(&here(folder.path()), FARM, &holder("mine.plan"))
        .expect("its holder is dead");
}

/// Goal: whatever a farm is called, its lock is a file in the folder, and two farms never share
/// one. Method: names that are paths, and names that differ only in what a file cannot hold.
#[test]
fn a_farms_name_cannot_lead_elsewhere() {
    let folder = scratch();
    let names = ["../etc", "a/b", "a%2fb", "a b", "", ".", "ü"];
    let locks: Vec<_> = names
        .map(|name| {
            FarmLock::acquire(&here(folder.path()), name, &holder("x.plan")).expect("a lock each")
        })
        .into();
    let files = fs::read_dir(folder.path()).expect("it is there").count();
    assert_eq!((files, locks.len()), (names.len(), names.len()));
}

/// Goal: two sessions of one user meet, whether or not both have a runtime folder. Method: the
/// folders that each would use, and a lock through one that the other runs into.
#[test]
fn sessions_with_and_without_a_runtime_folder_meet() {
    let runtime = scratch();
    let session = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| runtime.path().to_owned());
    let (with, without) = (folders(session).expect("both"), folders(|_| None).expect("one"));
    assert_eq!(with[1], runtime.path().join("evenkeel"));
    assert_eq!(with[0], without[0]);
    for folder in &with {
        assert_eq!(fs::metadata(folder).expect("it was made").mode() & 0o777, 0o700);
    }
    let farm = format!("test-{}", std::process::id());
    let lock = FarmLock::acquire(&with, &farm, &holder("a.plan")).expect("nobody holds it");
    FarmLock::acquire(&without, &farm, &holder("b.plan")).expect_err("it is held");
    drop(lock);
    FarmLock::acquire(&without, &farm, &holder("b.plan")).expect("it is free again");
    fs::remove_file(without[0].join(format!("{farm}.lock"))).expect("this test made it");
}

/// Goal: a folder that others can write into, or that is a link, is refused. Method: each.
#[test]
fn an_unsafe_lock_folder_is_refused() {
    let runtime = scratch();
    let ours = runtime.path().join("evenkeel");
    let session = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| runtime.path().to_owned());
    fs::DirBuilder::new().mode(0o700).create(&ours).expect("there is room");
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o770)).expect("it is ours");
    let text = folders(session).expect_err("others can write there").to_string();
    assert!(text.contains("open to other users"), "{text}");
    fs::remove_dir(&ours).expect("it is empty");
    symlink("/tmp", &ours).expect("links can be made");
    folders(session).expect_err("it leads elsewhere");
}

/// Goal: a journal has one writer even where lock folders differ, is its owner's alone, and is
/// read by others at any time. Method: open it twice, and read it meanwhile.
#[test]
fn a_journal_has_one_writer_and_any_readers() {
    let folder = scratch();
    let run = RunFolder::of(&folder.path().join("retail.plan"));
    assert_eq!(run.path(), folder.path().join("retail.plan.run"));
    assert_eq!(run.read_journal().expect("none is an empty one"), (Vec::new(), false));
    run.create().expect("there is room");
    run.create().expect("it is there already");
    let (mut journal, _) = Journal::open(run.open_journal().expect("it is ours")).expect("empty");
    let error = run.open_journal().expect_err("it is being written");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    let at = holder("x").since;
    let written = journal.record(at, vec![Event::Released]).expect("there is room");
    assert_eq!(run.read_journal().expect("it is whole"), (written.clone(), false));
    let modes = [run.path(), &run.requests(), &run.journal()]
        .map(|path| fs::metadata(path).expect("it was made").mode() & 0o777);
    assert_eq!(modes, [0o700, 0o700, 0o600]);
    drop(journal);
    let (_, read) = Journal::open(run.open_journal().expect("it is free")).expect("it is whole");
    assert_eq!(read, written);
}

/// Goal: a torn tail is cut off on the real disk too, and what follows is whole. Method: half a
/// line at the end of the file.
#[test]
fn a_torn_tail_is_cut_off_on_the_real_disk() {
    let folder = scratch();
    let path = folder.path().join("journal.jsonl");
    let at = holder("x").since;
    let (mut journal, _) =
        Journal::open(FileStorage::open(&path).expect("there is room")).expect("it is empty");
    journal.record(at, vec![Event::Step { step: 1 }]).expect("there is room");
    drop(journal);
    let whole = fs::read(&path).expect("it is ours");
    fs::write(&path, [&whole[..], b"{\"ordinal\":1,\"at"].concat()).expect("there is room");
    let (mut journal, read) =
        Journal::open(FileStorage::open(&path).expect("it is free")).expect("it mends");
    assert_eq!((read.len(), journal.torn_bytes()), (1, 16));
    journal.record(at, vec![Event::Step { step: 2 }]).expect("there is room");
    let bytes = fs::read(&path).expect("it is ours");
    let (records, torn) = evenkeel::journal::read(&bytes).expect("it is whole");
    assert_eq!((records.len(), torn), (2, false));
    assert!(bytes.starts_with(&whole));
}
