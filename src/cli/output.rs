//! Answers to stdout and complaints to stderr. A reader that went away (`| head`) is no error.
use std::io::{Write, stderr, stdout};

/// Columns of running text.
const COLUMNS: usize = 100;

/// Writes an answer to stdout, with a newline at its end.
pub(crate) fn answer(text: &str) {
    let _ = writeln!(stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Writes a complaint to stderr, with a newline at its end.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// Breaks running text into lines, the first after `first`, the others after as many blanks.
pub(crate) fn wrapped(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let mut lines = vec![first.to_owned()];
    let mut column = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > indent && column + 1 + width > COLUMNS {
            lines.push(" ".repeat(indent));
            column = indent;
        }
        let line = lines.last_mut().expect("there is a first line");
        if column > indent {
            line.push(' ');
            column += 1;
        }
        line.push_str(word);
        column += width;
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// A table: each column as wide as its widest cell; columns whose first cell begins with a blank
/// are figures and stand to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &[String], column: usize| row.get(column).map_or("", |c| c.trim()).to_owned();
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().map(|row| cell(row, c).chars().count()).max().unwrap_or(0))
        .collect();
    let figures: Vec<bool> =
        (0..columns).map(|c| rows.first().is_some_and(|row| row[c].starts_with(' '))).collect();
    let line = |row: &Vec<String>| {
        let cells = (0..columns).map(|column| {
            let (text, width) = (cell(row, column), widths[column]);
            if figures[column] { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
