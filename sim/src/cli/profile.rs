//! `evenkeel-sim profile`: access logs in, the `[load]` section of a farm file out.
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use evenkeel::farm;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::profile::format::Format;
use crate::profile::zones::Zones;
use crate::profile::{LogError, Profile, SlotMinutes, section, source};

use super::Exit;
use super::output::Output;

/// What `--utc-offset` wants.
const OFFSET_HELP: &str = "hours and minutes ahead of UTC, such as +01:00 or -0330";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  evenkeel-sim profile --farm retail.farm.toml --utc-offset +01:00 haproxy.log haproxy.log.*.gz
  evenkeel-sim profile --zone Shop -o load.toml u_ex2611*.log

Append what it writes to the farm file, whose `[load]` of the time before, if there is one, has to
be deleted first; `evenkeel plan` then finds the time of day to start at.
nginx wants `$request_time` behind its combined format, IIS the fields date, time and time-taken.
The time of a request is that of its arrival. Memory does not grow with the logs; gaps between
requests of one connection (HAProxy) or client (nginx, IIS) are followed for the last 131,072 of
them.
Exit codes: 0 written, 1 failed (a log cannot be read, the section not be written), 2 wrong use,
no request, or no log of a known format; nothing was written.")]
pub(super) struct Args {
    /// Access logs, plain or gzip, in any order
    #[arg(value_name = "ACCESSLOG", required = true)]
    logs: Vec<PathBuf>,
    /// Whose requests they are: HAProxy's backends are the farm's pools, IIS's host names the
    /// public names of its zones
    #[arg(long, value_name = "FARM", required_unless_present = "zone")]
    farm: Option<PathBuf>,
    /// Every request is this zone's; with --farm it must be one of the farm
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
    /// The logs' format [default: recognised by their content, file by file]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// How far HAProxy's clock is ahead of UTC: its log has local time; nginx's says, IIS's is UTC
    #[arg(
        long, value_name = "+HH:MM", default_value = "+00:00", allow_hyphen_values = true,
        value_parser = utc_offset
    )]
    utc_offset: i64,
    /// How fine the curve is; a day is a multiple of it
    #[arg(long, value_name = "MINUTES", default_value = "15")]
    slot_minutes: SlotMinutes,
    /// Where to write the section [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn utc_offset(text: &str) -> Result<i64, String> {
    crate::profile::utc_offset_s(text.as_bytes()).ok_or_else(|| OFFSET_HELP.to_owned())
}

/// Why nothing was written.
struct Refused(Exit, String);

pub(super) fn run(args: &Args) -> Exit {
    match profile(args) {
        Ok(()) => Exit::Good,
        Err(Refused(exit, why)) => {
            eprintln!("{why}; nothing was written");
            exit
        }
    }
}

fn profile(args: &Args) -> Result<(), Refused> {
    let zones = zones(args)?;
    let output = args.output.as_deref().map(|path| place(path, args)).transpose()?;
    let mut profile = Profile::new(zones, args.slot_minutes);
    let bar = bar(&args.logs)?;
    for path in &args.logs {
        let name = path.display().to_string();
        bar.set_message(name.clone());
        let log = source::open(path, |file| bar.wrap_read(file)).map_err(|e| broken(path, &e))?;
        let format = profile.read(&name, log, args.format, args.utc_offset);
        let format = format.map_err(|error| match error {
            LogError::Unreadable(error) => broken(path, &error),
            LogError::Unrecognised => Refused(
                Exit::WrongUse,
                format!(
                    "{name}: neither an HTTP log of HAProxy, nor nginx's combined format with \
                     `$request_time`, nor a W3C log of IIS; `--format` reads it as one, and tells \
                     what is wrong with its lines"
                ),
            ),
        })?;
        bar.suspend(|| eprintln!("{name}: {format}"));
    }
    bar.finish_and_clear();
    eprint!("{}", summary(&profile, args));
    let load = profile.load(args.logs.len()).ok_or_else(|| {
        Refused(Exit::WrongUse, "there is no request of a zone in these logs".into())
    })?;
    let text = section::text(&load);
    match output {
        Some(output) => output.save(&text).map_err(|error| unwritten(output.path(), &error)),
        None => io::stdout()
            .write_all(text.as_bytes())
            .map_err(|e| Refused(Exit::Failed, format!("the section cannot be written: {e}"))),
    }
}

fn zones(args: &Args) -> Result<Zones, Refused> {
    let wrong = |why: String| Refused(Exit::WrongUse, why);
    let farm = match &args.farm {
        Some(path) => {
            let loaded = farm::load(path).map_err(|mistakes| wrong(mistakes.report(false)))?;
            Some(loaded.farm)
        }
        None => None,
    };
    match (&args.zone, farm) {
        (None, Some(farm)) => Ok(Zones::of_farm(&farm)),
        (Some(zone), Some(farm)) if farm.zones.iter().all(|it| it.name.as_str() != zone) => {
            let names: Vec<&str> = farm.zones.iter().map(|zone| zone.name.as_str()).collect();
            Err(wrong(format!("there is no zone `{zone}` in the farm: {}", names.join(", "))))
        }
        (Some(zone), _) => Ok(Zones::one(zone)),
        (None, None) => unreachable!("clap wants one of the two"),
    }
}

/// A bar over the bytes of all files, on a terminal only.
fn bar(logs: &[PathBuf]) -> Result<ProgressBar, Refused> {
    let mut bytes = 0;
    for path in logs {
        bytes += fs::metadata(path).map_err(|error| broken(path, &error))?.len();
    }
    let template = "{wide_msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is one");
    Ok(ProgressBar::new(bytes).with_style(style))
}

fn broken(path: &Path, error: &io::Error) -> Refused {
    Refused(Exit::Failed, format!("{}: it cannot be read: {error}", path.display()))
}

/// What was found, for people.
fn summary(profile: &Profile, args: &Args) -> String {
    let counts = profile.counts();
    let mut text = format!(
        "{} lines: {} requests, of which {} were aborted (in the curve, not in the times)\n",
        counts.lines, counts.requests, counts.aborted
    );
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    if counts.no_users > 0 {
        add(format!(
            "{} lines are no user's: health checks, broken connections, the balancer's own answers",
            counts.no_users
        ));
    }
    if counts.zoneless > 0 {
        let names: Vec<&str> = counts.zoneless_names.iter().map(String::as_str).collect();
        add(match names.as_slice() {
            [] => format!(
                "{} requests are of no zone: the log does not say of which; give `--zone NAME`",
                counts.zoneless
            ),
            names => format!("{} requests are of no zone: {}", counts.zoneless, names.join(", ")),
        });
    }
    if counts.bad > 0 {
        add(format!("{} bad lines, for example:", counts.bad));
        for sample in &counts.samples {
            add(format!("  {}:{}: {}: {}", sample.log, sample.line, sample.why, sample.text));
        }
    }
    if let Some((first, last)) = counts.span_ms {
        let at = |ms| Timestamp::from_millisecond(ms).expect("it was read from a date");
        add(format!("from {:.0} to {:.0}", at(first), at(last)));
    }
    for (zone, requests, peak_rps) in profile.peaks() {
        let minutes = args.slot_minutes.get();
        add(format!(
            "  {zone}: {requests} requests, {peak_rps} a second in its busiest {minutes} min"
        ));
    }
    text
}

/// Where the section goes: that it can be written is known before hours of reading.
fn place(path: &Path, args: &Args) -> Result<Output, Refused> {
    let real = |path: &Path| path.canonicalize().ok();
    let read = args.logs.iter().chain(&args.farm);
    if read.into_iter().any(|it| real(path).is_some_and(|path| Some(path) == real(it))) {
        let why = format!("{}: it would overwrite what is read", path.display());
        return Err(Refused(Exit::WrongUse, why));
    }
    Output::at(path).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> Refused {
    Refused(Exit::Failed, format!("{}: it cannot be written: {error}", path.display()))
}
