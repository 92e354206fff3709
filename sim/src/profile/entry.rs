//! What a line of an access log says, in whatever format it was written.

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// A user's request.
    Request(Request<'l>),
    /// A request or an event that no user caused: a health check, a broken connection.
    NoUsers,
    /// No request at all: a header, an empty line.
    Remark,
    /// It cannot be read, for this reason.
    Bad(&'static str),
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request<'l> {
    /// When it arrived, in milliseconds since 1970 UTC.
    pub(super) start_ms: i64,
    /// How long it took, in milliseconds.
    pub(super) took_ms: u64,
    /// What the line says of its zone.
    pub(super) place: Place<'l>,
    /// Who sent it, as a hash: the connection where the format tells it, else the client.
    pub(super) sender: Option<u64>,
    /// Its time says when somebody gave up, not how long the service took.
    pub(super) aborted: bool,
}

/// What a line says of a request's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'l> {
    /// The pool (HAProxy: backend) it went to.
    Pool(&'l [u8]),
    /// The host name it was sent to.
    Host(&'l [u8]),
    /// Nothing.
    Unsaid,
}

/// Words of a line, one after the other, each ended by one blank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'l>(pub(super) &'l [u8]);

impl<'l> Words<'l> {
    /// The next word; `None` after the last.
    #[inline]
    pub(super) fn next(&mut self) -> Option<&'l [u8]> {
        if self.0.is_empty() {
            return None;
        }
        match memchr::memchr(b' ', self.0) {
            Some(end) => {
                let word = &self.0[..end];
                self.0 = &self.0[end + 1..];
                Some(word)
            }
            None => Some(std::mem::take(&mut self.0)),
        }
    }
}

/// A whole number; `None` for anything else, and for more digits than a time or a status has.
#[inline]
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| 10 * sum + u64::from(digit - b'0'))
    })
}

/// A hash of a sender: FNV-1a, seeded by nothing, so that a log has one profile; stirred at its
/// end, since senders differ in their last digits.
#[inline]
pub(super) fn sender(name: &[u8]) -> u64 {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
