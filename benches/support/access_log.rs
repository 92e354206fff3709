//! Access logs written after each format's documentation: for benchmarks, and for the sample of
//! IIS, which is none that a real IIS wrote. One seed, so always the same.
use std::io::{self, Write};

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Haproxy,
    Nginx,
    Iis,
}

/// Requests of each hour of the day, relative to each other.
const HOURS: [u64; 24] =
    [2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 12, 13, 12, 11, 11, 10, 9, 8, 7, 6, 5, 4, 3];
/// The minutes of a rush at noon, and how many minutes' requests each of them has.
const RUSH: std::ops::Range<u64> = 720..723;
const RUSH_TIMES: u64 = 360;
/// Clients; a connection of each is used for some requests, then there is another.
const CLIENTS: u64 = 5_000;

/// Writes so many requests over one day, 2026-11-16, in the order in which they arrive.
///
/// # Errors
/// They cannot be written.
pub(crate) fn write(out: &mut impl Write, format: Format, requests: u64) -> io::Result<()> {
    let mut dice = Dice(4711);
    let weight = |minute: u64| {
        HOURS[(minute / 60) as usize] * if RUSH.contains(&minute) { RUSH_TIMES } else { 1 }
    };
    let all: u64 = (0..1_440).map(weight).sum();
    if format == Format::Iis {
        out.write_all(IIS_HEAD.as_bytes())?;
    }
    let (mut sum, mut written) = (0, 0);
    for minute in 0..1_440 {
        sum += weight(minute);
        // As many as are due by the end of this minute.
        let due = requests * sum / all;
        let count = due - written;
        for place in 0..count {
            let at_ms = minute * 60_000 + (60_000 * place + dice.below(60_000)) / count;
            line(out, format, at_ms, &mut dice)?;
        }
        written = due;
    }
    Ok(())
}

const IIS_HEAD: &str = "#Software: Microsoft Internet Information Services 10.0\r\n\
    #Version: 1.0\r\n#Date: 2026-11-16 00:00:00\r\n\
    #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
    cs(User-Agent) cs(Referer) cs-host sc-status sc-substatus sc-win32-status time-taken\r\n";

fn line(out: &mut impl Write, format: Format, at_ms: u64, dice: &mut Dice) -> io::Result<()> {
    let client = dice.below(CLIENTS);
    let (c1, c2) = (client / 250, client % 250 + 1);
    let office = dice.below(10) == 0;
    let (host, pool, page) = match office {
        true => ("office.six.example", "office", "/Office/Orders.aspx"),
        false => ("shop.six.example", "shop", "/Shop/Product.aspx"),
    };
    let server = if office { 5 + dice.below(2) } else { 1 + dice.below(6) };
    let id = dice.below(100_000);
    // A long request in a hundred; the others are the quicker the more there are.
    let took_ms = match dice.below(100) {
        0 => 5_000 + dice.below(60_000),
        _ => 3 + dice.below(40) * dice.below(40) / 4,
    };
    let bytes = 500 + dice.below(40_000);
    match format {
        Format::Haproxy => {
            let port = 40_000 + client % 20_000;
            let day = time(at_ms);
            let thousandths = at_ms % 1_000;
            writeln!(
                out,
                "10.1.{c1}.{c2}:{port} [16/Nov/2026:{day}.{thousandths:03}] web~ {pool}/fe-{server} \
                 0/0/1/{took_ms}/{took_ms} 200 {bytes} - - ---- 210/210/31/5/0 0/0 \
                 \"GET https://{host}{page}?Id={id} HTTP/2.0\""
            )
        }
        Format::Nginx => {
            let end = time(at_ms + took_ms);
            let (s, ms) = (took_ms / 1_000, took_ms % 1_000);
            writeln!(
                out,
                "10.1.{c1}.{c2} - - [16/Nov/2026:{end} +0000] \"GET {page}?Id={id} HTTP/1.1\" 200 \
                 {bytes} \"https://{host}/\" \"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) \
                 Gecko/20100101 Firefox/144.0\" {s}.{ms:03} {s}.{ms:03}"
            )
        }
        Format::Iis => {
            let end = time(at_ms + took_ms);
            write!(
                out,
                "2026-11-16 {end} 10.20.60.{server} GET {page} Id={id} 80 - 10.1.{c1}.{c2} \
                 Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64) https://{host}/ {host} 200 0 0 \
                 {took_ms}\r\n"
            )
        }
    }
}

/// A time of day; what ends after midnight is written at its last second, for one day's sake.
fn time(at_ms: u64) -> String {
    let s = (at_ms / 1_000).min(86_399);
    format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
