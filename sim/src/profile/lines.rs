//! Lines of a log, each bounded, out of one buffer.
use std::io::{self, Read};

/// Longest line read. HAProxy cuts lines at 1,024 bytes unless it is told otherwise, 65,535 at
/// most (`log … len`); IIS writes URIs of 16 KiB.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// The buffer: many lines a read, and room for the longest.
const BUFFER_BYTES: usize = 16 * LINE_BYTES_MAX;
/// What is said of a line that is longer.
pub(super) const TOO_LONG: &str = "longer than 65,536 bytes";

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'b> {
    /// All of it.
    Whole(&'b [u8]),
    /// Its beginning; the rest was skipped.
    TooLong(&'b [u8]),
}

/// The lines of a log.
pub(super) struct Lines<R> {
    source: R,
    buffer: Box<[u8]>,
    /// What of the buffer is filled and not yet given out.
    begin: usize,
    end: usize,
    /// The rest of a line that was too long is being skipped.
    skipping: bool,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of a source.
    pub(super) fn new(source: R) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { source, buffer, begin: 0, end: 0, skipping: false, ended: false }
    }

    /// The next line; `None` after the last, which need not have an end.
    #[inline]
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        // Where no end of a line is known to be.
        let mut searched = self.begin;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[searched..self.end]) {
                let (begin, end) = (self.begin, searched + found);
                self.begin = end + 1;
                if !std::mem::take(&mut self.skipping) {
                    return Ok(Some(self.piece(begin, end)));
                }
                searched = self.begin;
                continue;
            }
            let filled = self.end - self.begin;
            if self.ended {
                let begin = std::mem::replace(&mut self.begin, self.end);
                let nothing = filled == 0 || self.skipping;
                return Ok((!nothing).then(|| self.piece(begin, begin + filled)));
            }
            if self.skipping || filled > LINE_BYTES_MAX {
                let (told, begin) = (!self.skipping, self.begin);
                self.skipping = true;
                self.begin = self.end;
                if told {
                    return Ok(Some(self.piece(begin, begin + filled)));
                }
            }
            self.fill()?;
            searched = self.begin;
        }
    }

    fn piece(&self, begin: usize, end: usize) -> Piece<'_> {
        if end - begin > LINE_BYTES_MAX {
            return Piece::TooLong(&self.buffer[begin..begin + LINE_BYTES_MAX]);
        }
        let line = &self.buffer[begin..end];
        Piece::Whole(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Moves what is left to the front and reads more behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(read) => {
                    self.end += read;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives a few bytes at a time.
    struct Trickle<'t>(&'t [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(text: &[u8], at_a_time: usize) -> Vec<(bool, Vec<u8>)> {
        let mut lines = Lines::new(Trickle(text, at_a_time));
        let mut found = Vec::new();
        while let Some(piece) = lines.next().expect("a slice can be read") {
            found.push(match piece {
                Piece::Whole(line) => (true, line.to_vec()),
                Piece::TooLong(begin) => (false, begin.to_vec()),
            });
        }
        found
    }

    /// Goal: lines come out as they are, however the source is cut. Method: the same text by one
    /// byte, by seven and at once; empty lines, both line ends, a last line without an end.
    #[test]
    fn lines_do_not_depend_on_reads() {
        for at_a_time in [1, 7, 1_000] {
            let whole = |line: &str| (true, line.as_bytes().to_vec());
            let expected = [whole("one"), whole(""), whole("two"), whole("three")];
            assert_eq!(lines(b"one\n\ntwo\r\nthree", at_a_time), expected, "by {at_a_time}");
        }
        assert_eq!(lines(b"", 7), []);
    }

    /// Goal: a line over the bound is told once, and the next is whole again. Method: lines of the
    /// bound, one byte more, and more than the buffer, each amid others.
    #[test]
    fn a_line_over_the_bound_is_skipped_and_told_once() {
        for (bytes, whole) in
            [(LINE_BYTES_MAX, true), (LINE_BYTES_MAX + 1, false), (3 * BUFFER_BYTES, false)]
        {
            let mut text = b"before\n".to_vec();
            text.extend(std::iter::repeat_n(b'x', bytes));
            for end in ["\nafter\n", "\n", ""] {
                let mut text = text.clone();
                text.extend_from_slice(end.as_bytes());
                let found = lines(&text, 100_000);
                let marks: Vec<bool> = found.iter().map(|(whole, _)| *whole).collect();
                let after = end.starts_with("\nafter");
                assert_eq!(marks, [true, whole, true][..2 + usize::from(after)], "{bytes} {end:?}");
                assert_eq!(found[1].1.len(), LINE_BYTES_MAX);
                assert!(!after || found[2].1 == b"after");
            }
        }
    }
}
