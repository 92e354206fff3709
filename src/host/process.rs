//! The production [`Launcher`]: processes of this machine, killed when nobody waits any more.
use std::future::Future;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command as Process;

use crate::ports::{Command, Finished, Launcher};

/// Bytes kept of each stream; verbs answer a few lines.
pub const STREAM_BYTES_MAX: usize = 64 * 1024;

/// How long the streams may stay open after the process has ended. A job started in the
/// background inherits them unless its template takes care, and would hold the answer back.
const AFTER_EXIT: Duration = Duration::from_millis(500);

/// Runs commands as processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processes;

impl Launcher for Processes {
    fn launch(&self, command: Command) -> impl Future<Output = io::Result<Finished>> + 'static {
        run(command)
    }
}

async fn run(command: Command) -> io::Result<Finished> {
    let (program, arguments) = command
        .argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the template is empty"))?;
    let mut child = Process::new(program)
        .args(arguments)
        .envs(&command.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let mut stderr = child.stderr.take().expect("stderr is piped");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let reading = join(keep(&mut stdout, &mut out), keep(&mut stderr, &mut err));
        let mut reading = std::pin::pin!(reading);
        let waiting = std::pin::pin!(child.wait());
        match select(&mut reading, waiting).await {
            Either::Left((_, waiting)) => waiting.await?,
            Either::Right((status, _)) => {
                // A stream that is still open after that is cut where it stands.
                let _ = tokio::time::timeout(AFTER_EXIT, reading).await;
                status?
            }
        }
    };
    finish(status, out, err)
}

fn finish(
    status: std::process::ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
) -> io::Result<Finished> {
    if stdout.len() > STREAM_BYTES_MAX {
        let words = format!("it wrote more than {STREAM_BYTES_MAX} bytes to standard output");
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Finished { exit_code: status.code(), stdout: text(stdout), stderr: text(stderr) })
}

/// Reads a stream to its end, keeping one byte more than the bound so that a cut shows. What comes
/// after that is read too, or the process would wait for ever for somebody to take it.
async fn keep(stream: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) {
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        let room = (STREAM_BYTES_MAX + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
}
