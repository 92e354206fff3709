//! `evenkeel-sim profile` as people meet it: what it writes, what it says, how it ends.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn scenario(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    path.display().to_string()
}

fn profile(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_evenkeel-sim"))
        .arg("profile")
        .args(arguments)
        .output()
        .expect("the program can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Goal: the section goes to stdout, or whole to a file; what was found goes to stderr, without a
/// bar where there is no terminal. Method: two samples of different formats in one call, both ways.
#[test]
fn a_section_is_written_and_told() {
    let (farm, folder) = (scenario("six.farm.toml"), tempfile::tempdir().expect("a folder"));
    let logs = [scenario("logs/haproxy.log"), scenario("logs/iis.log")];
    let (code, section, told) = profile(&["--farm", &farm, &logs[0], &logs[1]]);
    assert_eq!(code, Some(0), "{told}");
    assert!(section.starts_with("[load]\nmeasured = \"2026-11-16 to 2026-11-16 UTC, 2 files, 639"));
    section.parse::<toml::Table>().expect("it is TOML");
    let expected = [
        "haproxy.log: HAProxy\n",
        "iis.log: IIS\n",
        "648 lines: 639 requests, of which 1 were aborted",
        "5 lines are no user's",
        "from 2026-11-16T00:01:00Z to 2026-11-16T23:",
        "  Shop: 587 requests, 1 a second in its busiest 15 min\n",
    ];
    for text in expected {
        assert!(told.contains(text), "no {text:?} in {told}");
    }
    assert!(!told.contains('\r') && !told.contains('\x1b'), "{told:?}");
    let output = folder.path().join("load.toml").display().to_string();
    let (code, stdout, _) = profile(&["--farm", &farm, "-o", &output, &logs[0], &logs[1]]);
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(&output).expect("it was written"), section);
    assert_eq!(files(folder.path()), [PathBuf::from("load.toml")]);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("an entry").file_name().into()).collect()
}

/// Goal: what cannot be is refused, nothing is written, and what is read is never overwritten.
/// Method: one call of each kind, each with an output.
#[test]
fn wrong_use_writes_nothing() {
    let (farm, folder) = (scenario("six.farm.toml"), tempfile::tempdir().expect("a folder"));
    let nginx = scenario("logs/nginx.log");
    let own = folder.path().join("own.log").display().to_string();
    fs::copy(&nginx, &own).expect("the folder can be written");
    let before = fs::read(&own).expect("it is there");
    let output = folder.path().join("load.toml").display().to_string();
    for (arguments, code, why) in [
        (&["-o", &output, &nginx][..], 2, "--farm"),
        (&["--zone", "Shop", "-o", &output, "none.log"], 1, "cannot be read"),
        (&["--zone", "Shop", "-o", &output, &farm], 2, "neither an HTTP log of HAProxy"),
        (&["--farm", &farm, "-o", &output, &nginx], 2, "give `--zone NAME`"),
        (&["--farm", &farm, "--zone", "Shp", "-o", &output, &nginx], 2, "Shop, Office"),
        (&["--zone", "Shop", "--slot-minutes", "7", "-o", &output, &nginx], 2, "no multiple of 7"),
        (&["--zone", "Shop", "--utc-offset", "1", "-o", &output, &nginx], 2, "+01:00"),
        (&["--zone", "Shop", "-o", &own, &own], 2, "would overwrite what is read"),
    ] {
        let (found, stdout, told) = profile(arguments);
        assert_eq!((found, stdout.as_str()), (Some(code), ""), "{told}");
        assert!(told.contains(why), "no {why:?} in {told}");
    }
    assert_eq!(files(folder.path()), [PathBuf::from("own.log")]);
    assert_eq!(fs::read(&own).expect("it is there"), before);
}
