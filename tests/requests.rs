//! The promise of request files: what a person asked for arrives once it was acknowledged, in
//! order, over crashes, and nothing in the folder can stop a run.
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use evenkeel::journal::requests::{FolderInbox, REQUEST_BYTES_MAX, deliver};
use evenkeel::journal::run_folder::RunFolder;
use evenkeel::journal::{Request, Wanted};
use evenkeel::ports::Inbox as _;

mod support;
use support::events;

/// A run's folder, made; the first value removes it.
fn run() -> (tempfile::TempDir, RunFolder) {
    let folder = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .expect("a scratch folder can be made");
    let run = RunFolder::of(&folder.path().join("retail.plan"));
    run.create().expect("there is room");
    (folder, run)
}

fn put(run: &RunFolder, name: &str, bytes: &[u8]) {
    fs::write(run.requests().join(name), bytes).expect("there is room");
}

fn files(run: &RunFolder) -> usize {
    fs::read_dir(run.requests())
        .expect("it was made")
        .filter(|entry| entry.as_ref().expect("it is readable").path().is_file())
        .count()
}

/// Goal: requests come in the order in which they were made, even those of one instant, and a file
/// is its owner's alone. Method: one of each kind, of one instant, then an older one.
#[test]
fn requests_come_in_order() {
    let (_scratch, run) = run();
    let mut asked: Vec<Request> = events::wanted().into_iter().map(events::request).collect();
    for request in &asked {
        let path = deliver(&run, request).expect("there is room");
        assert_eq!(fs::metadata(path).expect("it is there").mode() & 0o777, 0o600);
    }
    let older = Request { at: jiff::Timestamp::UNIX_EPOCH, ..events::request(Wanted::Hold) };
    deliver(&run, &older).expect("there is room");
    asked.insert(0, older);
    assert_eq!(FolderInbox::new(&run).take().expect("the folder is there"), asked);
}

/// Goal: a request is returned once by a living process, and again after a crash before it was
/// acknowledged by the next take. Method: take, drop the inbox, take with another.
#[test]
fn a_request_survives_a_crash_before_it_is_acknowledged() {
    let (_scratch, run) = run();
    let request = events::request(Wanted::Approve { step: 3 });
    deliver(&run, &request).expect("there is room");
    let mut crashed = FolderInbox::new(&run);
    assert_eq!(crashed.take().expect("the folder is there"), std::slice::from_ref(&request));
    drop(crashed);

    let mut inbox = FolderInbox::new(&run);
    assert_eq!(inbox.take().expect("the folder is there"), [request]);
    assert_eq!(files(&run), 1, "it stays until it is acknowledged");
    let later = events::request(Wanted::Hold);
    deliver(&run, &later).expect("there is room");
    assert_eq!(inbox.take().expect("the folder is there"), [later], "and is not returned twice");
    assert_eq!(inbox.take().expect("the folder is there"), []);
    assert_eq!(files(&run), 0);
    assert_eq!(FolderInbox::new(&run).take().expect("the folder is there"), []);
}

/// Goal: no file can stop a run or be taken for a request. Method: garbage, half a request, one
/// that is too long, a pipe, a folder, a link, a part that is still being written, beside a good
/// one; taken twice.
#[test]
fn what_is_no_request_is_moved_aside() {
    let (_scratch, run) = run();
    let good = events::request(Wanted::Abort);
    deliver(&run, &good).expect("there is room");
    let text = serde_json::to_vec(&good).expect("a request has a JSON form");
    let long = [&text[..text.len() - 1], &vec![b' '; REQUEST_BYTES_MAX as usize], b"}"].concat();
    put(&run, "0-garbage.json", b"\xff\x00 not JSON");
    put(&run, "1-half.json", &text[..text.len() / 2]);
    put(&run, "2-long.json", &long);
    put(&run, ".3-part.json", &text);
    put(&run, "4-other.txt", &text);
    let pipe = run.requests().join("5-pipe.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    fs::create_dir(run.requests().join("6-folder.json")).expect("there is room");
    std::os::unix::fs::symlink("4-other.txt", run.requests().join("7-link.json")).expect("made");

    let mut inbox = FolderInbox::new(&run);
    assert_eq!(inbox.take().expect("bad files are not fatal"), [good]);
    assert_eq!(inbox.take().expect("bad files are not fatal"), []);
    let mut aside: Vec<_> = fs::read_dir(run.requests().join("refused"))
        .expect("it was made")
        .map(|entry| entry.expect("it is readable").file_name().into_string().expect("ASCII"))
        .collect();
    aside.sort();
    let names = ["0-garbage", "1-half", "2-long", "5-pipe", "6-folder", "7-link"]
        .map(|it| format!("{it}.json"));
    assert_eq!(aside, names);
}

/// Goal: more requests than one take returns all arrive, in order. Method: two hundred.
#[test]
fn a_flood_arrives_in_portions() {
    let (_scratch, run) = run();
    let asked: Vec<_> = (0..200_u32)
        .map(|count| Request { who: format!("{count}"), ..events::request(Wanted::Hold) })
        .collect();
    asked.iter().for_each(|request| drop(deliver(&run, request).expect("there is room")));
    let mut inbox = FolderInbox::new(&run);
    let mut taken = Vec::new();
    loop {
        let portion = inbox.take().expect("the folder is there");
        if portion.is_empty() {
            break;
        }
        assert!(portion.len() <= 64);
        taken.extend(portion);
    }
    assert_eq!(taken, asked);
}

/// Goal: a folder that is gone is an error that the drive sees. Method: remove it.
#[test]
fn a_missing_folder_is_an_error() {
    let (scratch, run) = run();
    scratch.close().expect("it is ours");
    FolderInbox::new(&run).take().expect_err("there is no folder");
    deliver(&run, &events::request(Wanted::Hold)).expect_err("there is no folder");
}
