//! `key=value` lines, read strictly: an unknown key, a missing one and one given twice are errors
//! by name, because a template that answers them was written for something else.
use std::collections::BTreeMap;

use crate::farm::Version;
use crate::procedure::readings::{JobReading, ServiceReading};

use super::HostError;

/// Lines of a job's output that a reading keeps, from its end.
const OUTPUT_LINES_MAX: usize = 20;

/// Characters of one such line.
const LINE_CHARS_MAX: usize = 400;

/// A verb's answer, not yet used up.
#[derive(Debug)]
pub(super) struct Answer {
    verb: &'static str,
    values: BTreeMap<String, String>,
    output: Vec<String>,
}

impl Answer {
    /// Splits the lines.
    pub(super) fn parse(verb: &'static str, stdout: &str) -> Result<Self, HostError> {
        let mut answer = Self { verb, values: BTreeMap::new(), output: Vec::new() };
        for line in stdout.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let Some((key, value)) = line.split_once('=') else {
                return Err(answer.garbled(&format!("`{}` is no `key=value`", short(line))));
            };
            let key = key.trim();
            if key == "output" {
                answer.output.push(short(value));
            } else if answer.values.insert(key.to_owned(), value.trim().to_owned()).is_some() {
                return Err(answer.garbled(&format!("`{key}` is given twice")));
            }
        }
        Ok(answer)
    }

    fn garbled(&self, what: &str) -> HostError {
        HostError::Garbled(format!("`{}`: {what}", self.verb))
    }

    fn take(&mut self, key: &str) -> Result<String, HostError> {
        let value = self.values.remove(key);
        value.ok_or_else(|| self.garbled(&format!("`{key}` is missing")))
    }

    /// A key whose value is `yes` or `no`.
    pub(super) fn yes_or_no(&mut self, key: &str) -> Result<bool, HostError> {
        match self.take(key)?.as_str() {
            "yes" => Ok(true),
            "no" => Ok(false),
            other => {
                Err(self.garbled(&format!("`{key}` is `{}`, not `yes` or `no`", short(other))))
            }
        }
    }

    /// Everything has been used.
    pub(super) fn end(self) -> Result<(), HostError> {
        let unknown = self.values.keys().next().map(String::as_str);
        match unknown.or((!self.output.is_empty()).then_some("output")) {
            Some(key) => Err(self.garbled(&format!("`{}` is no key of this verb", short(key)))),
            None => Ok(()),
        }
    }

    pub(super) fn version(mut self) -> Result<Version, HostError> {
        let version = self.take("version")?;
        let parsed = version.parse().map_err(|why: String| self.garbled(&why))?;
        self.end().map(|()| parsed)
    }

    pub(super) fn service(mut self) -> Result<ServiceReading, HostError> {
        let reading = ServiceReading {
            running: self.yes_or_no("running")?,
            automatic: self.yes_or_no("automatic")?,
            initialised: self.yes_or_no("initialised")?,
            start: self.take("start")?,
            boot: self.values.remove("boot"),
        };
        self.end().map(|()| reading)
    }

    pub(super) fn job(mut self) -> Result<JobReading, HostError> {
        let status = self.take("status")?;
        let reading = match status.as_str() {
            "never" => JobReading::Never,
            "running" => JobReading::Running,
            "interrupted" => JobReading::Interrupted,
            "exited" => {
                let code = self.take("exit_code")?;
                let code = code.parse().map_err(|_| {
                    self.garbled(&format!("`exit_code` is `{}`, no number", short(&code)))
                })?;
                let output = std::mem::take(&mut self.output);
                let skipped = output.len().saturating_sub(OUTPUT_LINES_MAX);
                JobReading::Exited { code, output: output[skipped..].join("\n") }
            }
            other => {
                let words = "`never`, `running`, `interrupted` or `exited`";
                return Err(self.garbled(&format!("`status` is `{}`, not {words}", short(other))));
            }
        };
        self.output.clear(); // a running job may show its progress
        self.end().map(|()| reading)
    }
}

fn short(text: &str) -> String {
    text.chars().take(LINE_CHARS_MAX).collect()
}
