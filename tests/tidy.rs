//! Keeps the house in order: what a reviewer would otherwise have to look for in every change.
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file: longer ones are a question whether it is one thing.
const FILE_LINES_MAX: usize = 500;
/// Longest function: what a screen shows.
const FUNCTION_LINES_MAX: usize = 70;

/// Every Rust file of the repository.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["src", "fakes", "sim", "tests", "benches"]
        .iter()
        .map(|folder| root.join(folder))
        .filter(|folder| folder.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folders of the repository can be read") {
            let path = entry.expect("entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "only {} sources found: looking in the wrong place", found.len());
    found
}

/// Goal: one rule, every file that breaks it named. Method: collect complaints, then fail once.
fn check(rule: &str, complaints: impl Fn(&Path, &str) -> Vec<String>) {
    let mut all = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        let shown = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&path);
        all.extend(
            complaints(shown, &text).into_iter().map(|it| format!("{}: {it}", shown.display())),
        );
    }
    assert!(all.is_empty(), "{rule}\n{}", all.join("\n"));
}

#[test]
fn every_file_opens_with_its_purpose() {
    check("a file opens with `//!` and a sentence that says what it is for", |_, text| {
        let first = text.lines().next().unwrap_or_default();
        let says =
            first.strip_prefix("//!").is_some_and(|words| words.split_whitespace().count() >= 3);
        if says { vec![] } else { vec![format!("opens with `{first}`")] }
    });
}

#[test]
fn no_file_is_too_long() {
    check("split it, or say why it is one thing", |_, text| {
        let lines = text.lines().count();
        if lines <= FILE_LINES_MAX { vec![] } else { vec![format!("{lines} lines")] }
    });
}

#[test]
fn functions_fit_a_screen() {
    check("a function fits a screen", |_, text| {
        let lines: Vec<&str> = text.lines().collect();
        let mut complaints = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words: Vec<&str> = line.split_whitespace().take(5).collect();
            let is_function = words.contains(&"fn") && !line.trim_start().starts_with("//");
            // A head may take several lines; one that ends with `;` has no body.
            let head_end = lines[at..]
                .iter()
                .map(|line| line.trim_end())
                .find(|line| line.ends_with(';') || line.ends_with('{') || line.ends_with('}'));
            if !is_function || head_end.is_none_or(|line| line.ends_with(';')) {
                continue;
            }
            // rustfmt closes a body at the indent of its head.
            let close = format!("{}}}", " ".repeat(indent));
            let body = lines[at..].iter().position(|line| *line == close);
            if let Some(length) = body.filter(|length| *length > FUNCTION_LINES_MAX) {
                complaints.push(format!("line {}: a function of {length} lines", at + 1));
            }
        }
        complaints
    });
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_open() {
    // Spelt apart, so that this file does not complain about itself.
    let banned = ["#[ign", "todo", "unimplem", "FIX", "XX"];
    let endings = ["ore", "!(", "ented!(", "ME", "X:"];
    check("tests run, code is whole", |_, text| {
        banned
            .iter()
            .zip(endings)
            .map(|(begin, end)| format!("{begin}{end}"))
            .filter(|word| text.contains(word.as_str()))
            .map(|word| format!("contains `{word}`"))
            .collect()
    });
}
