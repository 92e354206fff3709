//! The formats of access logs, and how one is recognised by its content.
use std::fmt;

use super::entry::Line;
use super::{haproxy, iis, nginx};

/// Lines looked at: a log whose first hundred lines are all broken is no log.
const LINES_MAX: usize = 100;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// HAProxy's `option httplog`, with or without a syslog header
    Haproxy,
    /// nginx's `combined` followed by `$request_time`
    Nginx,
    /// IIS's W3C extended format with `date`, `time` and `time-taken`
    Iis,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Haproxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::Iis => "IIS",
        })
    }
}

/// A reader of one log's lines.
pub(super) enum Parser {
    Haproxy(haproxy::Parser),
    Nginx(nginx::Parser),
    Iis(iis::Parser),
}

impl Format {
    /// A reader of one log's lines.
    pub(super) fn parser(self, utc_offset_s: i64) -> Parser {
        match self {
            Self::Haproxy => Parser::Haproxy(haproxy::Parser::new(utc_offset_s)),
            Self::Nginx => Parser::Nginx(nginx::Parser::default()),
            Self::Iis => Parser::Iis(iis::Parser::default()),
        }
    }
}

impl Parser {
    /// What a line says.
    #[inline]
    pub(super) fn line<'l>(&mut self, line: &'l [u8]) -> Line<'l> {
        match self {
            Self::Haproxy(parser) => parser.line(line),
            Self::Nginx(parser) => parser.line(line),
            Self::Iis(parser) => parser.line(line),
        }
    }
}

/// The format of a log that begins like this: that in which the first line can be read that can
/// be read in any.
#[must_use]
pub fn recognise(head: &[u8]) -> Option<Format> {
    head.split(|byte| *byte == b'\n').take(LINES_MAX).find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if iis::is_header(line) {
            return Some(Format::Iis);
        }
        [Format::Haproxy, Format::Nginx]
            .into_iter()
            .find(|format| matches!(format.parser(0).line(line), Line::Request(_)))
    })
}
