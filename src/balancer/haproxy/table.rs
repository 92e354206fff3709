//! HAProxy's tables by bytes: where the columns are, and the fields of each row.
//!
//! Nearly everything a run reads is these two tables, a row for each member every few seconds, so
//! nothing here allocates for a field, and a header is taken apart once.
use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::balancer::BalancerError;

/// Where the wanted columns of a table are, with the header that said so: a process prints the same
/// header with every answer.
#[derive(Debug)]
pub(super) struct Columns<const N: usize> {
    table: &'static str,
    names: [&'static str; N],
    separator: char,
    header: String,
    at: [usize; N],
}

impl<const N: usize> Columns<N> {
    pub(super) const fn new(
        table: &'static str,
        separator: char,
        names: [&'static str; N],
    ) -> Self {
        Self { table, names, separator, header: String::new(), at: [0; N] }
    }

    /// A wanted column's name.
    pub(super) const fn name(&self, ix: usize) -> &'static str {
        self.names[ix]
    }

    /// The position of each column under this header.
    pub(super) fn under(&mut self, header: &str) -> Result<[usize; N], BalancerError> {
        if self.header != header || header.is_empty() {
            self.at = self.find(header)?;
            header.clone_into(&mut self.header);
        }
        Ok(self.at)
    }

    fn find(&self, header: &str) -> Result<[usize; N], BalancerError> {
        let mut at = [usize::MAX; N];
        for (position, name) in header.split(self.separator).enumerate() {
            let name = name.trim();
            if let Some(column) = self.names.iter().position(|column| *column == name) {
                at[column] = position;
            }
        }
        match at.iter().position(|at| *at == usize::MAX) {
            Some(missing) => {
                let words = format!("`{}` has no column `{}`", self.table, self.names[missing]);
                Err(BalancerError::Garbled(words))
            }
            None => Ok(at),
        }
    }
}

/// Which of a line's fields are wanted, by position, as far as the last of them: lines are long,
/// and the fields that count come first.
#[derive(Debug)]
pub(super) struct Wanted(Vec<Option<usize>>);

impl Wanted {
    /// The fields at these positions.
    pub(super) fn at(positions: &[usize]) -> Self {
        let mut wanted = vec![None; positions.iter().max().map_or(0, |last| last + 1)];
        for (field, position) in positions.iter().enumerate() {
            wanted[*position] = Some(field);
        }
        Self(wanted)
    }

    /// Takes the wanted fields of a line without quotes, by bytes: fields are short, and so is the
    /// look for each one's end.
    pub(super) fn take<'a>(
        &self,
        line: &'a str,
        separator: u8,
        mut put: impl FnMut(usize, &'a str),
    ) {
        let mut wanted = self.0.iter();
        let mut begin = 0;
        for (at, byte) in line.bytes().enumerate() {
            if byte == separator {
                match wanted.next() {
                    Some(Some(field)) => put(*field, &line[begin..at]),
                    Some(None) => {}
                    None => return,
                }
                begin = at + 1;
            }
        }
        if let Some(Some(field)) = wanted.next() {
            put(*field, &line[begin..]);
        }
    }
}

/// Rows of comma-separated values; a quoted field may hold commas, doubled quotes and line ends.
pub(super) struct Rows<'a, const N: usize> {
    text: &'a str,
    wanted: Wanted,
}

impl<'a, const N: usize> Rows<'a, N> {
    /// The rows of a text, of which the fields at these positions are wanted.
    pub(super) fn new(text: &'a str, at: &[usize; N]) -> Self {
        Self { text, wanted: Wanted::at(at) }
    }

    /// The wanted fields of the next row that is not empty; those that it lacks are empty.
    pub(super) fn next(&mut self) -> Option<[Cow<'a, str>; N]> {
        self.text = self.text.trim_start_matches(['\n', '\r']);
        if self.text.is_empty() {
            return None;
        }
        let mut fields = [const { Cow::Borrowed("") }; N];
        let stop = memchr2(b'\n', b'"', self.text.as_bytes()).unwrap_or(self.text.len());
        if self.text.as_bytes().get(stop) == Some(&b'"') {
            self.take_quoted(&mut fields);
        } else {
            let line = &self.text[..stop];
            self.wanted.take(line, b',', |field, text| fields[field] = Cow::Borrowed(text));
            self.text = self.text.get(stop + 1..).unwrap_or_default();
        }
        Some(fields)
    }

    /// Takes the fields of a row that has a quote in it.
    fn take_quoted(&mut self, fields: &mut [Cow<'a, str>; N]) {
        let wanted = &self.wanted.0;
        for position in 0.. {
            let (field, rest) = match self.text.strip_prefix('"') {
                Some(quoted) => unquote(quoted),
                None => {
                    let mut bytes = self.text.bytes();
                    let end = bytes.position(|byte| matches!(byte, b',' | b'\n'));
                    let end = end.unwrap_or(self.text.len());
                    (Cow::Borrowed(&self.text[..end]), &self.text[end..])
                }
            };
            if let Some(Some(place)) = wanted.get(position) {
                fields[*place] = field;
            }
            let more = rest.strip_prefix(',');
            if let Some(more) = more.filter(|_| position + 1 < wanted.len()) {
                self.text = more;
                continue;
            }
            // Whatever follows a closing quote up to the line's end belongs to no field; and past
            // the wanted fields the line's end is the row's, unless a quoted field may hold it.
            let stop = match more {
                None => memchr(b'\n', rest.as_bytes()),
                Some(_) => memchr2(b'\n', b'"', rest.as_bytes()),
            };
            match stop {
                Some(stop) if rest.as_bytes()[stop] == b'"' => self.text = &rest[1..],
                stop => {
                    self.text = stop.map_or("", |stop| &rest[stop + 1..]);
                    break;
                }
            }
        }
    }
}

/// A quoted field's text and what follows its closing quote.
fn unquote(quoted: &str) -> (Cow<'_, str>, &str) {
    let mut from = 0;
    while let Some(quote) = quoted[from..].find('"').map(|at| from + at) {
        if quoted[quote + 1..].starts_with('"') {
            from = quote + 2;
            continue;
        }
        let (text, rest) = (&quoted[..quote], &quoted[quote + 1..]);
        let text = if from == 0 { Cow::Borrowed(text) } else { text.replace("\"\"", "\"").into() };
        return (text, rest);
    }
    (Cow::Borrowed(quoted), "")
}
