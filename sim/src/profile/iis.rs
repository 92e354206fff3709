//! Lines of IIS's W3C extended format (Microsoft, "W3C Extended Log File Format (IIS 6.0)" and
//! "W3C Logging"): `#Fields:` names the columns, times are UTC and those of the request's end,
//! `time-taken` is in milliseconds.
use super::clock::{Days, time_of_day};
use super::entry::{Line, Place, Request, Words, number, sender};

/// Columns looked at; IIS has 22 of its own, custom ones come on top.
const COLUMNS_MAX: usize = 64;
/// Windows' errors in `sc-win32-status` for a client that went away: ERROR_NETNAME_DELETED and
/// ERROR_CONNECTION_ABORTED.
const CLIENT_WENT: [&[u8]; 2] = [b"64", b"1236"];

/// Whether a line is one of the format's own.
pub(super) fn is_header(line: &[u8]) -> bool {
    // What some editors and exports put at a file's beginning.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    [&b"#Software:"[..], b"#Version:", b"#Date:", b"#Fields:"]
        .iter()
        .any(|header| line.starts_with(header))
}

/// What a column is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Date,
    Time,
    Taken,
    Host,
    Client,
    Win32,
    Other,
}

impl Column {
    fn of(name: &[u8]) -> Self {
        match name {
            b"date" => Self::Date,
            b"time" => Self::Time,
            b"time-taken" => Self::Taken,
            b"cs-host" => Self::Host,
            b"c-ip" => Self::Client,
            b"sc-win32-status" => Self::Win32,
            _ => Self::Other,
        }
    }
}

/// A reader of lines.
#[derive(Debug, Default)]
pub(super) struct Parser {
    days: Days,
    columns: Vec<Column>,
}

impl Parser {
    /// What a line says.
    pub(super) fn line<'l>(&mut self, line: &'l [u8]) -> Line<'l> {
        if let Some(fields) = line.strip_prefix(b"#Fields:") {
            return self.fields(fields);
        }
        if line.is_empty() || line.starts_with(b"#") || is_header(line) {
            return Line::Remark;
        }
        self.request(line).unwrap_or_else(Line::Bad)
    }

    fn fields(&mut self, fields: &[u8]) -> Line<'static> {
        self.columns.clear();
        let mut words = Words(fields.trim_ascii());
        while let Some(name) = words.next() {
            if self.columns.len() == COLUMNS_MAX {
                self.columns.clear();
                return Line::Bad("`#Fields:` names more than 64 columns");
            }
            // Names are matched as IIS writes them, but for their case.
            self.columns.push(Column::of(&name.to_ascii_lowercase()));
        }
        let has = |column| self.columns.contains(&column);
        if !has(Column::Date) || !has(Column::Time) || !has(Column::Taken) {
            self.columns.clear();
            return Line::Bad("`#Fields:` without `date`, `time` or `time-taken`: log all three");
        }
        Line::Remark
    }

    fn request<'l>(&mut self, line: &'l [u8]) -> Result<Line<'l>, &'static str> {
        if self.columns.is_empty() {
            return Err("no usable `#Fields:` line before it");
        }
        let (mut date, mut time, mut taken) = (None, None, None);
        let (mut place, mut client, mut aborted) = (Place::Unsaid, None, false);
        let mut words = Words(line);
        for column in &self.columns {
            let word = words.next().ok_or("fewer columns than `#Fields:` names")?;
            match column {
                Column::Date => date = Some(word),
                Column::Time => time = Some(word),
                Column::Taken => taken = Some(word),
                Column::Host if word != b"-" => place = Place::Host(word),
                Column::Client if word != b"-" => client = Some(sender(word)),
                Column::Win32 => aborted = CLIENT_WENT.contains(&word),
                Column::Host | Column::Client | Column::Other => {}
            }
        }
        if !words.0.is_empty() {
            return Err("more columns than `#Fields:` names");
        }
        let day_ms = date.and_then(|date| self.days.dashed(date)).ok_or("no date")?;
        let time_ms = time.and_then(time_of_day).ok_or("no time of day")?;
        let took_ms = taken.and_then(number).ok_or("no `time-taken` in milliseconds")?;
        let start_ms = day_ms + time_ms - took_ms.cast_signed();
        Ok(Line::Request(Request { start_ms, took_ms, place, sender: client, aborted }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = "#Fields: date time s-ip cs-method cs-uri-stem c-ip cs-host sc-status \
        sc-win32-status time-taken";
    const REQUEST: &str =
        "2026-11-16 11:14:14 10.0.0.1 GET /Shop/ 10.0.1.2 shop.example 200 0 1109";

    fn read<'l>(fields: &str, line: &'l str) -> Line<'l> {
        let mut parser = Parser::default();
        parser.line(fields.as_bytes());
        parser.line(line.as_bytes())
    }

    /// Goal: columns are where `#Fields:` says. Method: two orders of the same columns, then the
    /// columns that need not be there left out.
    #[test]
    fn fields_say_where_the_columns_are() {
        let read_as_is = read(FIELDS, REQUEST);
        let Line::Request(request) = read_as_is else { panic!("{read_as_is:?}") };
        assert_eq!(request.start_ms, 1_794_827_654_000 - 1_109);
        assert_eq!((request.took_ms, request.aborted), (1_109, false));
        assert_eq!(request.place, Place::Host(b"shop.example"));
        let other = read(
            "#Fields: time-taken cs-host c-ip time date",
            "1109 shop.example 10.0.1.2 11:14:14 2026-11-16",
        );
        assert_eq!(other, read_as_is);
        let least = read("#Fields: date time time-taken", "2026-11-16 11:14:14 1109");
        let least_request = Request { place: Place::Unsaid, sender: None, ..request };
        assert_eq!(least, Line::Request(least_request));
        let gone = REQUEST.replace(" 200 0 ", " 200 64 ");
        assert!(matches!(read(FIELDS, &gone), Line::Request(Request { aborted: true, .. })));
    }

    /// Goal: what cannot be read is bad, for a reason that helps. Method: one line of each kind.
    #[test]
    fn bad_lines_say_why() {
        for (fields, line, why) in [
            ("", REQUEST, "no usable `#Fields:`"),
            ("#Fields: date time", REQUEST, "no usable `#Fields:`"),
            (FIELDS, "2026-11-16 11:14:14 10.0.0.1", "fewer columns"),
            (FIELDS, &format!("{REQUEST} more"), "more columns"),
            (FIELDS, &REQUEST.replace("11-16", "11-31"), "no date"),
            (FIELDS, &REQUEST.replace("11:14:14", "25:14:14"), "no time of day"),
            (FIELDS, &REQUEST.replace("1109", "1.1"), "no `time-taken`"),
        ] {
            let read = read(fields, line);
            let Line::Bad(found) = read else { panic!("{line}: {read:?}") };
            assert!(found.starts_with(why), "{line}: {found}");
        }
        let without = Parser::default().line(b"#Fields: date time");
        assert!(matches!(without, Line::Bad(why) if why.contains("log all three")));
    }
}
