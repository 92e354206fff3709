//! `evenkeel-fakes shell`: what the command templates of a written farm file call. It carries its
//! own `EVENKEEL_*` variables to a served shell and passes on what comes back.
use std::io::Write as _;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::front_end::shell::{Call, call};

use super::Failure;

/// Dial and exchange together: a served shell answers at once.
const CALL_MS_MAX: u64 = 60_000;

pub(super) async fn run(at: &str) -> Result<u8, Failure> {
    let env = std::env::vars().filter(|(name, _)| name.starts_with("EVENKEEL_")).collect();
    let request = Call { argv: std::env::args().collect(), env };
    let exchange = async { call(TcpStream::connect(at).await?, &request).await };
    let reply = match timeout(Duration::from_millis(CALL_MS_MAX), exchange).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => {
            return Err(Failure::environment(format!(
                "no answer from the shell at {at}: {error}; is `evenkeel-fakes serve` running there?"
            )));
        }
        Err(_) => {
            return Err(Failure::environment(format!("the shell at {at} was silent for a minute")));
        }
    };
    // Whoever closed our output does not want it.
    let mut out = std::io::stdout().lock();
    let _closed = out.write_all(reply.stdout.as_bytes()).and_then(|()| out.flush());
    let _closed = std::io::stderr().lock().write_all(reply.stderr.as_bytes());
    Ok(u8::try_from(reply.exit_code).unwrap_or(1))
}
