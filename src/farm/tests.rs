//! What a farm file's reader finds, and what it leaves alone.
use std::path::Path;

use super::*;

const TINY: &str = include_str!("../../scenarios/tiny.farm.toml");

fn messages(text: &str) -> Vec<String> {
    match parse(Path::new("x.farm.toml"), text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.mistakes.into_iter().map(|mistake| mistake.message).collect(),
    }
}

/// Goal: the scenarios' farm files are valid. Method: load each.
#[test]
fn scenarios_are_valid() {
    for name in ["tiny", "bank", "retail", "overloaded"] {
        let path = format!("{}/scenarios/{name}.farm.toml", env!("CARGO_MANIFEST_DIR"));
        let loaded =
            load(Path::new(&path)).unwrap_or_else(|errors| panic!("{}", errors.report(false)));
        assert_eq!(loaded.farm.name, name);
        assert_eq!(loaded.text_hash.len(), 64);
    }
}

/// Goal: a farm survives its way through JSON, as the plan file sends it. Method: there and back.
#[test]
fn a_farm_survives_json() {
    let farm = parse(Path::new("tiny"), TINY).unwrap();
    let json = serde_json::to_string(&farm).unwrap();
    assert_eq!(serde_json::from_str::<Farm>(&json).unwrap(), farm);
    assert!(!json.contains("\"load\":"), "what is not in the file is not in the plan");
}

/// Goal: the walker and serde read the same farm from the same file. Method: read the scenarios
/// by both; serde knows nothing of mistakes, but its idea of keys and defaults must be ours.
#[test]
fn the_walker_reads_what_serde_reads() {
    for text in [
        TINY,
        include_str!("../../scenarios/bank.farm.toml"),
        include_str!("../../scenarios/retail.farm.toml"),
        include_str!("../../scenarios/overloaded.farm.toml"),
    ] {
        let walked = parse(Path::new("x"), text).unwrap();
        assert_eq!(walked, toml::from_str::<Farm>(text).unwrap());
    }
}

/// Goal: one wrong letter anywhere is told once, at its line, and no more. Method: break each
/// line of a valid file in turn by misspelling its key; none may pass, and the report must begin
/// at that line or at the table that now lacks the key.
#[test]
fn a_misspelt_key_is_never_overlooked() {
    let lines: Vec<&str> = TINY.lines().collect();
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some((key, rest)) = line.split_once(" = ") else { continue };
        if key.starts_with('#') || key.contains(' ') {
            continue;
        }
        let mut broken = lines.clone();
        let misspelt = format!("{key}x = {rest}");
        broken[index] = &misspelt;
        let found = messages(&broken.join("\n"));
        assert!(found.iter().any(|m| m.contains(&format!("no key `{key}x`"))), "{key}: {found:?}");
        tried += 1;
    }
    assert!(tried > 20, "the file has more keys than {tried}");
}

/// Goal: what a torn line hides is not called missing. Method: an unreadable name.
#[test]
fn a_torn_line_hides_nothing_else() {
    let text = TINY.replacen("name = \"Global\"", "name = \"Global", 1);
    let found = messages(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("this is not TOML"), "{found:?}");
}

/// Goal: a password in the file is refused and never shown again. Method: the report of a file
/// with one in clear, as a string, as a number, in a table, in a template, and in a torn line.
#[test]
fn a_secret_in_clear_is_refused_and_not_repeated() {
    let source = "password = { env = \"EVENKEEL_SC_PASSWORD\" }";
    for (from, to) in [
        (source, "password = \"hunter2\""),
        (source, "password = '''\nhunter2'''"),
        (source, "password = { value = \"hunter2\" }"),
        (source, "password = { env = \"hunter2!\" }"),
        (source, "password = hunter2"),
        (source, "password = \"hunter2"),
        ("\"-NoProfile\"", "\"-NoProfile\", \"-Password\", \"hunter2\""),
    ] {
        let text = TINY.replacen(from, to, 1);
        assert_ne!(text, TINY);
        let errors = parse(Path::new("x"), &text).unwrap_err();
        for report in [errors.report(false), errors.report(true), format!("{errors:?}")] {
            assert!(!report.contains("hunter2"), "{to}: {report}");
        }
    }
}

/// Goal: unreadable, too long and non-UTF-8 files are told as what they are. Method: one each.
#[test]
fn unreadable_files_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load(&path).unwrap_err().report(false)
    };
    assert!(
        load(&folder.path().join("none")).unwrap_err().report(false).contains("cannot be read")
    );
    assert!(load(folder.path()).unwrap_err().report(false).contains("cannot be read"));
    assert!(write("utf", b"name = \"a\"\n# \xff\n").contains("not UTF-8: byte 13, in line 2"));
    let long = vec![b'#'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
    assert!(write("long", &long).contains("longer than 1048576 bytes"));
    assert!(write("empty", b"").contains("has no `name`"));
}
