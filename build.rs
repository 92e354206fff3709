//! Tells the program what it was built from, so that a rehearsal can be bound to it.
//!
//! The fingerprint of the sources is what two builds are compared by: it is the same for a clone
//! and for an unpacked archive, it sees changes that were never committed, and it changes exactly
//! when the orchestrator is compiled again anyway, where a commit's name would compile it again
//! for a change of a document. The commit is for people.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sha2::{Digest, Sha256};

/// What the orchestrator is built from.
const SOURCES: [&str; 3] = ["Cargo.lock", "Cargo.toml", "src"];

fn main() {
    let root = env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells where the package is");
    let root = PathBuf::from(root);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=EVENKEEL_SOURCES={}", fingerprint(&root));
    println!("cargo::rustc-env=EVENKEEL_COMMIT={}", commit(&root).unwrap_or_default());
}

/// SHA-256 over names and contents.
fn fingerprint(root: &Path) -> String {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files);
    }
    let mut hash = Sha256::new();
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(root).expect("it was found under the root");
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // With its length before each part, no two sets of files make the same bytes.
        for part in [name.to_string_lossy().replace('\\', "/").as_bytes(), &bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of the program under a path, in the order of their names. Files of tests are none:
/// whoever writes a test need not compile the program again.
fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let of_tests = name.ends_with("tests") || name.ends_with("tests.rs");
    if of_tests || name.starts_with('.') || !path.exists() {
        return;
    }
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    for path in paths {
        collect(&path, files);
    }
}

/// The last commit that changed the sources; `None` outside of a repository, without git, and
/// when the sources are those of no commit.
fn commit(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).args(SOURCES).current_dir(root).output();
        let output = output.ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    if !git(&["status", "--porcelain", "--"])?.is_empty() {
        return None;
    }
    git(&["log", "-1", "--format=%H", "--"]).filter(|commit| !commit.is_empty())
}
