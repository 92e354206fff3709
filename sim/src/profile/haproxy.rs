//! Lines of HAProxy's `option httplog` (configuration manual, "8.2.3. HTTP log format"):
//!
//! ```text
//! 10.0.1.2:33317 [16/Nov/2026:12:14:14.655] http-in web/fe-1 10/0/30/69/109 200 2750 - - ---- …
//! ```
//!
//! before it whatever syslog puts there. The time in brackets is that of the request's arrival;
//! of the five timers the last is how long it took in all (`Ta`, or `Tt` before 1.7).
use super::clock::{Days, time_of_day};
use super::entry::{Line, Place, Request, Words, number, sender};

/// Beginnings of what HAProxy logs beside requests: starts and stops, and servers' health.
const EVENTS: [&[u8]; 9] = [
    b"Server ",
    b"Backup Server ",
    b"Backup server ",
    b"Health check ",
    b"Proxy ",
    b"proxy ",
    b"backend ",
    b"Stopping ",
    b"Pausing ",
];

/// A reader of lines.
#[derive(Debug)]
pub(super) struct Parser {
    days: Days,
    utc_offset_ms: i64,
}

impl Parser {
    /// One for a HAProxy whose clock is so far ahead of UTC.
    pub(super) fn new(utc_offset_s: i64) -> Self {
        Self { days: Days::default(), utc_offset_ms: 1_000 * utc_offset_s }
    }

    /// What a line says.
    pub(super) fn line<'l>(&mut self, line: &'l [u8]) -> Line<'l> {
        if line.is_empty() {
            return Line::Remark;
        }
        match bracket(line) {
            Some(bracket) => self.request(line, bracket).unwrap_or_else(Line::Bad),
            None if is_event(line) => Line::NoUsers,
            None => Line::Bad("no time in brackets"),
        }
    }

    fn request<'l>(&mut self, line: &'l [u8], bracket: usize) -> Result<Line<'l>, &'static str> {
        let client = line[..bracket].strip_suffix(b" ").ok_or("no client before the time")?;
        let client = &client[memchr::memrchr(b' ', client).map_or(0, |blank| blank + 1)..];
        let time = line.get(bracket + 1..bracket + 25).ok_or("cut within the time")?;
        let arrived_ms = self.arrived_ms(time).ok_or("no time in brackets")?;
        let rest = line[bracket + 25..].strip_prefix(b"] ").ok_or("no time in brackets")?;
        let mut words = Words(rest);
        let mut next = || words.next().ok_or("cut off");
        let (_frontend, server, timers) = (next()?, next()?, next()?);
        let (status, _bytes, _cookies) = (next()?, next()?, (next()?, next()?));
        let ended = next()?;
        let slash = memchr::memchr(b'/', server).ok_or("no backend and server after the time")?;
        let (backend, server) = (&server[..slash], &server[slash + 1..]);
        let took = total(timers)?;
        let [by, ..] = ended else { return Err("no state at the end of the request") };
        if words.0.ends_with(b"\"<BADREQ>\"") || is_own_answer(server, *by) {
            return Ok(Line::NoUsers);
        }
        let took_ms = number(took).ok_or("no total time")?;
        Ok(Line::Request(Request {
            start_ms: arrived_ms,
            took_ms,
            place: Place::Pool(backend),
            sender: Some(sender(client)),
            // Whoever ended it ahead of time; `--` is the usual end, `L` an answer of its own.
            aborted: !matches!(by, b'-' | b'L') || status == b"-1",
        }))
    }

    /// `16/Nov/2026:12:14:14.655` in milliseconds since 1970 UTC.
    fn arrived_ms(&mut self, time: &[u8]) -> Option<i64> {
        if time[11] != b':' || time[20] != b'.' {
            return None;
        }
        let thousandths = i64::try_from(number(&time[21..24])?).ok()?;
        let local_ms = self.days.slashed(&time[..11])? + time_of_day(&time[12..20])?;
        Some(local_ms + thousandths - self.utc_offset_ms)
    }
}

/// The total of `TR/Tw/Tc/Tr/Ta`; a `+` before it says that logging did not wait for the end.
fn total(timers: &[u8]) -> Result<&[u8], &'static str> {
    match memchr::memchr_iter(b'/', timers).count() {
        4 => {}
        2 => return Err("a connection of `option tcplog`, not a request: use `option httplog`"),
        _ => return Err("no five timers"),
    }
    let last = memchr::memrchr(b'/', timers).map_or(timers, |slash| &timers[slash + 1..]);
    match last.strip_prefix(b"+") {
        Some(_) => Err("logged before its end (`option logasap`): its time is not known"),
        None => Ok(last),
    }
}

/// Whether the balancer answered by itself, so that no server had the request: its statistics, a
/// redirect (`L`), a denial (`P`).
fn is_own_answer(server: &[u8], by: u8) -> bool {
    server == b"<STATS>" || (server == b"<NOSRV>" && matches!(by, b'L' | b'P'))
}

/// Where the time begins: a bracket that a date follows, not the one of `haproxy[123]:`.
fn bracket(line: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'[', line)
        .find(|at| matches!(line.get(at + 1..at + 5), Some([_, _, b'/', b'A'..=b'Z'])))
}

/// Whether a line tells of something else than a request, after whatever syslog puts before it.
fn is_event(line: &[u8]) -> bool {
    let text = match memchr::memmem::find(line, b"]: ") {
        Some(end) => &line[end + 3..],
        None => line,
    };
    EVENTS.iter().any(|event| text.starts_with(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "10.0.1.2:33317 [16/Nov/2026:12:14:14.655] http-in web/fe-1 \
        10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} \"GET /index.html HTTP/1.1\"";

    fn read(line: &str) -> Line<'_> {
        Parser::new(3_600).line(line.as_bytes())
    }

    /// Goal: a request is read the same whatever syslog puts before it. Method: the headers of
    /// RFC 3164, RFC 5424, journald's file and none.
    #[test]
    fn a_syslog_header_makes_no_difference() {
        let plain = read(REQUEST);
        let Line::Request(request) = plain else { panic!("{plain:?}") };
        assert_eq!(request.start_ms, 1_794_827_654_655, "12:14:14.655 at +01:00 is 11:14:14.655");
        assert_eq!((request.took_ms, request.aborted), (109, false));
        assert_eq!(request.place, Place::Pool(b"web"));
        for header in [
            "<134>Nov 16 12:14:14 lb-1 haproxy[14389]: ",
            "Nov  6 12:14:14 lb-1 haproxy[14389]: ",
            "<134>1 2026-11-16T12:14:14+01:00 lb-1 haproxy 14389 - - ",
            "2026-11-16T12:14:14+01:00 lb-1 haproxy[14389]: ",
        ] {
            assert_eq!(read(&format!("{header}{REQUEST}")), plain, "{header}");
        }
    }

    /// Goal: what is no user's request is not counted as one, what a user gave up is known.
    /// Method: a line of each kind, as HAProxy 2.6 writes them.
    #[test]
    fn events_bad_requests_and_own_answers_are_no_requests() {
        for line in [
            "<133>Nov 16 12:14:14 lb-1 haproxy[9]: Server web/fe-1 is DOWN, reason: Layer4 timeout",
            "Health check for server web/fe-1 succeeded, reason: Layer7 check passed, code: 200",
            "haproxy[9]: Proxy http-in started.",
            "backend web has no server available!",
            &REQUEST
                .replace("web/fe-1 10/0/30/69/109 200", "http-in/<NOSRV> -1/-1/-1/-1/0 400")
                .replace("----", "PR--")
                .replace("GET /index.html HTTP/1.1", "<BADREQ>"),
            &REQUEST.replace("web/fe-1", "http-in/<NOSRV>").replace("----", "LR--"),
            &REQUEST.replace("web/fe-1", "web/<STATS>").replace("----", "LR--"),
        ] {
            assert_eq!(read(line), Line::NoUsers, "{line}");
        }
        for ended in ["CD--", "sH--", "SD--"] {
            let line = REQUEST.replace("----", ended);
            assert!(matches!(read(&line), Line::Request(Request { aborted: true, .. })), "{ended}");
        }
        let queued = REQUEST.replace("web/fe-1", "web/<NOSRV>").replace("----", "sQ--");
        assert!(matches!(read(&queued), Line::Request(Request { aborted: true, .. })));
    }

    /// Goal: what cannot be read is bad, for a reason that helps. Method: one line of each kind.
    #[test]
    fn bad_lines_say_why() {
        for (line, why) in [
            ("what is this", "no time in brackets"),
            (&REQUEST[..30], "cut within the time"),
            (&REQUEST[..60], "cut off"),
            (&REQUEST.replace("16/Nov", "31/Nov"), "no time in brackets"),
            (&REQUEST.replace("/109 ", "/+109 "), "logged before its end"),
            (&REQUEST.replace("10/0/30/69/109", "0/0/109"), "a connection of `option tcplog`"),
            (&REQUEST.replace("/109 ", "/-1 "), "no total time"),
        ] {
            let read = read(line);
            let Line::Bad(found) = read else { panic!("{line}: {read:?}") };
            assert!(found.starts_with(why), "{line}: {found}");
        }
    }
}
