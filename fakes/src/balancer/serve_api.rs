//! The runtime API on a socket: lines in, replies out, closed when nothing more has been asked.
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::command::Session;
use super::reach::Reach;
use crate::listen::Listen;

/// HAProxy's `tune.bufsize`: a longer line closes the connection without a word.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// HAProxy's default `stats timeout`: a silent client is left.
const IDLE: Duration = Duration::from_secs(10);
/// An accept that fails is tried again after this: it may fail for as long as files are short.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the runtime API for ever.
pub async fn serve_api<L: Listen, R: Reach>(_: L, mut socket: L::Socket, reach: R) {
    loop {
        match L::accept(&mut socket).await {
            Ok((stream, _)) => {
                let Some(wait_ms) = reach.with(|balancer, _| balancer.connected()) else {
                    continue; // refused, as far as a listener can refuse
                };
                let reach = reach.clone();
                tokio::task::spawn_local(async move {
                    // Whatever ends the exchange early, the client has already seen it.
                    let _ = exchange::<L, R>(stream, reach, wait_ms).await;
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn exchange<L: Listen, R: Reach>(
    mut stream: L::Stream,
    reach: R,
    wait_ms: u64,
) -> std::io::Result<()> {
    let mut session = Session::default();
    let mut input: Vec<u8> = Vec::with_capacity(256);
    if wait_ms > 0 {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
    loop {
        let room = (LINE_BYTES_MAX - input.len()) as u64;
        let read = timeout(IDLE, (&mut stream).take(room).read_buf(&mut input)).await;
        if !matches!(read, Ok(Ok(1..))) {
            break; // closed, broken, silent for too long, or a line that is too long
        }
        let Some(end) = input.iter().rposition(|&b| b == b'\n' || b == b';') else { continue };
        let rest = input.split_off(end + 1);
        let line = String::from_utf8_lossy(&input[..end]).into_owned();
        input = rest;
        reach.heard(&line);
        let mut reply = String::new();
        let alive = reach.with(|balancer, now_ms| {
            if !balancer.is_up() {
                return false;
            }
            reply.reserve(balancer.room());
            balancer.command_in(&mut session, now_ms, &line, &mut reply);
            true
        });
        if !alive {
            break;
        }
        match timeout(IDLE, stream.write_all(reply.as_bytes())).await {
            Ok(Ok(())) => {}
            _ => break,
        }
        if session.over || (!session.interactive && input.is_empty()) {
            break;
        }
    }
    stream.shutdown().await
}
