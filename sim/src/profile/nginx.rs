//! Lines of nginx's `combined` format followed by `$request_time`, in seconds with three
//! decimals, and whatever else (ngx_http_log_module):
//!
//! ```text
//! 10.0.1.2 - - [16/Nov/2026:12:14:14 +0100] "GET / HTTP/1.1" 200 2750 "-" "curl/8.5" 0.109 0.107
//! ```
//!
//! `$time_local` is when the line was written, at the request's end. A quote within a quoted
//! value is written as `\x22`, so that quotes end values.
use super::clock::{Days, time_of_day, utc_offset_s};
use super::entry::{Line, Place, Request, Words, number, sender};

/// nginx's own status for a client that closed the connection before it was answered.
const CLIENT_CLOSED: &[u8] = b"499";

/// A reader of lines.
#[derive(Debug, Default)]
pub(super) struct Parser {
    days: Days,
}

impl Parser {
    /// What a line says.
    pub(super) fn line<'l>(&mut self, line: &'l [u8]) -> Line<'l> {
        if line.is_empty() {
            return Line::Remark;
        }
        self.request(line).unwrap_or_else(Line::Bad)
    }

    fn request<'l>(&mut self, line: &'l [u8]) -> Result<Line<'l>, &'static str> {
        let bracket = memchr::memmem::find(line, b" [").ok_or("no time in brackets")? + 2;
        let client = Words(line).next().ok_or("no client")?;
        let time = line.get(bracket..bracket + 26).ok_or("cut within the time")?;
        let ended_ms = self.ended_ms(time).ok_or("no time in brackets")?;
        let rest = line[bracket + 26..].strip_prefix(b"] \"").ok_or("no request after the time")?;
        let mut quotes = memchr::memchr_iter(b'"', rest);
        let mut quote = || quotes.next().ok_or("cut off");
        // The request's end, then referrer and user agent with both of theirs.
        let (request, referrer, agent) = (quote()?, (quote()?, quote()?), (quote()?, quote()?));
        let status = Words(rest[request + 1..referrer.0].trim_ascii()).next();
        let status = status.ok_or("no status after the request")?;
        number(status).ok_or("no status after the request")?;
        let took = Words(rest[agent.1 + 1..].trim_ascii_start()).next();
        let took_ms = took
            .and_then(thousandths)
            .ok_or("no `$request_time` after the user agent, in seconds as 0.123")?;
        // A connection that was closed or refused before it had asked for anything.
        if matches!(&rest[..request], b"" | b"-") {
            return Ok(Line::NoUsers);
        }
        Ok(Line::Request(Request {
            start_ms: ended_ms - took_ms.cast_signed(),
            took_ms,
            place: Place::Unsaid,
            sender: Some(sender(client)),
            aborted: status == CLIENT_CLOSED,
        }))
    }

    /// `16/Nov/2026:12:14:14 +0100` in milliseconds since 1970 UTC.
    fn ended_ms(&mut self, time: &[u8]) -> Option<i64> {
        if time[11] != b':' || time[20] != b' ' {
            return None;
        }
        let local_ms = self.days.slashed(&time[..11])? + time_of_day(&time[12..20])?;
        Some(local_ms - 1_000 * utc_offset_s(&time[21..26])?)
    }
}

/// Seconds with three decimals as milliseconds.
fn thousandths(text: &[u8]) -> Option<u64> {
    let dot = text.len().checked_sub(4)?;
    if text[dot] != b'.' {
        return None;
    }
    Some(1_000 * number(&text[..dot])? + number(&text[dot + 1..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "10.0.1.2 - maria [16/Nov/2026:12:14:14 +0100] \"GET / HTTP/1.1\" 200 \
        2750 \"-\" \"curl/8.5\" 1.109";

    fn read(line: &str) -> Line<'_> {
        Parser::default().line(line.as_bytes())
    }

    /// Goal: a request is read, also with the upstream's times behind it. Method: none, one, and
    /// two of a request that was tried twice.
    #[test]
    fn a_request_is_read_with_whatever_follows() {
        let plain = read(REQUEST);
        let Line::Request(request) = plain else { panic!("{plain:?}") };
        assert_eq!(request.start_ms, 1_794_827_654_000 - 1_109);
        assert_eq!((request.took_ms, request.aborted), (1_109, false));
        for upstream in [" 1.107", " -", " 0.004, 1.101", " \"1.107\""] {
            assert_eq!(read(&format!("{REQUEST}{upstream}")), plain, "{upstream}");
        }
        let closed = REQUEST.replace(" 200 ", " 499 ");
        assert!(matches!(read(&closed), Line::Request(Request { aborted: true, .. })));
        assert_eq!(read(&REQUEST.replace("GET / HTTP/1.1", "")), Line::NoUsers);
    }

    /// Goal: what cannot be read is bad, for a reason that helps. Method: one line of each kind.
    #[test]
    fn bad_lines_say_why() {
        for (line, why) in [
            ("what is this", "no time in brackets"),
            (&REQUEST[..30], "cut within the time"),
            (&REQUEST[..80], "cut off"),
            (&REQUEST.replace("16/Nov", "31/Nov"), "no time in brackets"),
            (&REQUEST.replace("+0100", "+9900"), "no time in brackets"),
            (&REQUEST.replace(" 200 2750", " -"), "no status"),
            (&REQUEST.replace(" 1.109", ""), "no `$request_time`"),
            (&REQUEST.replace(" 1.109", " 1109"), "no `$request_time`"),
        ] {
            let read = read(line);
            let Line::Bad(found) = read else { panic!("{line}: {read:?}") };
            assert!(found.starts_with(why), "{line}: {found}");
        }
    }
}
