//! Writes an access log of a made-up day to stdout, for measuring `evenkeel-sim profile`:
//!
//! ```text
//! cargo run --release -p evenkeel-sim --example access_log -- haproxy 2700000 > day.log
//! ```
#[path = "../../benches/support/access_log.rs"]
mod access_log;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use access_log::Format;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let format = match words.first().map(String::as_str) {
        Some("haproxy") => Format::Haproxy,
        Some("nginx") => Format::Nginx,
        Some("iis") => Format::Iis,
        _ => return usage(),
    };
    let Some(Ok(requests)) = words.get(1).map(|word| word.parse()) else { return usage() };
    let mut out = BufWriter::new(io::stdout().lock());
    match access_log::write(&mut out, format, requests).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("access_log haproxy|nginx|iis REQUESTS");
    ExitCode::from(2)
}
