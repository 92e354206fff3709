//! Answers to stdout and complaints to stderr. A reader that went away (`| head`) is no error.
use std::io::{Write, stderr, stdout};

/// Writes an answer to stdout, with a newline at its end.
pub(crate) fn answer(text: &str) {
    let _ = writeln!(stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Writes a complaint to stderr, with a newline at its end.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(stderr().lock(), "{}", text.trim_end_matches('\n'));
}
