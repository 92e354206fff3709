//! The `evenkeel-fakes` program: its command line, and one file per part of what it does.
//!
//! * `serve` — the farm on loopback ports, followed line by line;
//! * `places` — which ports everything got;
//! * `written` — the farm file as it is written for those ports;
//! * `haproxy` — a configuration for real HAProxy processes in front;
//! * `shell` — the client that command templates call.
mod haproxy;
mod places;
mod serve;
mod shell;
mod written;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Test doubles of an OutSystems farm, on loopback.
#[derive(Debug, Parser)]
#[command(name = "evenkeel-fakes", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  Serve a farm, and write the farm file that reaches it:
    evenkeel-fakes serve scenarios/tiny.farm.toml --write /tmp/tiny
  The same behind a real HAProxy:
    evenkeel-fakes serve scenarios/tiny.farm.toml --write /tmp/tiny --behind-haproxy
    haproxy -f /tmp/tiny/haproxy.cfg
  Meanwhile, by hand (the control port is printed):
    printf 'crash fe-2\\nstate\\n' | nc 127.0.0.1 PORT
  Run one host verb, as the written farm file does:
    EVENKEEL_VERB=version EVENKEEL_SERVER=fe-1 evenkeel-fakes shell 127.0.0.1:PORT";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a farm's doubles on loopback ports until Ctrl-C
    Serve(Serve),
    /// Carry the EVENKEEL_* variables of this process to a served shell, and pass on its answer
    Shell {
        /// Where the shell listens
        #[arg(value_name = "HOST:PORT")]
        at: String,
    },
}

/// What to serve, and how.
#[derive(Debug, Args)]
struct Serve {
    /// The farm file
    #[arg(value_name = "FARM")]
    farm: PathBuf,
    /// Write the farm file with the served addresses, and haproxy.cfg, to this folder
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Divide every duration of the farm by this, and the policy's times in the written file
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    speed: u64,
    /// The environment variable that holds the console's password ('admin' when it is unset)
    #[arg(long, value_name = "NAME", default_value = "EVENKEEL_SC_PASSWORD")]
    password_env: String,
    /// What the farm is really like: a file of variants and durations, or a scenario's [truth]
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Leave the balancer to real HAProxy processes, which the written haproxy.cfg configures
    #[arg(long, requires = "write")]
    behind_haproxy: bool,
    /// Listen for commands by hand on this loopback port (0 picks one)
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    control: u16,
}

/// Runs the program: 0 when it ended as asked, 1 when something failed, 2 for wrong use or files
/// that cannot be read; of `shell`, the exit code of what it ran.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("no runtime: {error}")),
    };
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&runtime, async {
        match cli.command {
            Command::Serve(options) => serve::run(&options).await.map(|()| 0),
            Command::Shell { at } => shell::run(&at).await,
        }
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, words }) => fail(code, &words),
    }
}

fn fail(code: u8, words: &str) -> ExitCode {
    eprintln!("evenkeel-fakes: {words}");
    ExitCode::from(code)
}

/// Why the program ends early, and with which exit code.
struct Failure {
    code: u8,
    words: String,
}

impl Failure {
    /// Wrong use, or a file that cannot be used: nothing was served.
    fn usage(words: impl Into<String>) -> Self {
        Self { code: 2, words: words.into() }
    }

    /// The machine does not let us.
    fn environment(words: impl Into<String>) -> Self {
        Self { code: 1, words: words.into() }
    }
}
