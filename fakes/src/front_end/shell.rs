//! The shell: how a host verb reaches a server over TCP. One line of JSON in, one line out, close.
//! It acts on the environment that comes along, as a script would, and not on the arguments.
use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::verbs::Outcome;

/// The longest line either side reads.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// What a call by ssh takes, with its environment.
const LINE_BYTES_USUAL: usize = 1024;

/// What a client sends.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
}

/// What a server reads of it: a command's arguments are of no use to it.
#[derive(Deserialize)]
struct Heard {
    env: BTreeMap<String, String>,
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The command's exit code.
    pub exit_code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        let Outcome { exit_code, stdout, stderr } = outcome;
        Self { exit_code, stdout, stderr }
    }
}

/// Reads one call: the environment that came along.
///
/// # Errors
/// The connection broke, or what came is not one line of such JSON.
pub(crate) async fn read_call(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<BTreeMap<String, String>> {
    let Heard { env } = serde_json::from_str(&read_line(stream).await?)?;
    Ok(env)
}

/// Writes one reply and ends the connection.
///
/// # Errors
/// The connection broke.
pub async fn write_reply(stream: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    write_line(stream, reply).await?;
    stream.shutdown().await
}

/// The client's side of one exchange.
///
/// # Errors
/// The connection broke, or what came back is no reply.
pub async fn call<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    call: &Call,
) -> io::Result<Reply> {
    write_line(&mut stream, call).await?;
    serde_json::from_str(&read_line(&mut stream).await?).map_err(io::Error::from)
}

async fn write_line(
    stream: &mut (impl AsyncWrite + Unpin),
    what: &impl Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    // One line is all that either side sends, so nothing after it can be read by mistake.
    let mut line = Vec::with_capacity(LINE_BYTES_USUAL);
    let mut stream = stream.take(LINE_BYTES_MAX);
    while !line.ends_with(b"\n") && stream.read_buf(&mut line).await? > 0 {}
    if line.ends_with(b"\n") {
        String::from_utf8(line).map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))
    } else if line.is_empty() {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side closed without a word"))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the line has no end, or is too long"))
    }
}
