//! An `evenkeel` process that carries a run out, followed event by event.
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

/// How long an event may take to come. The longest that these tests wait for is a whole phase of
/// a run, some 20 s on two busy cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process at work. It is killed with this value.
pub(crate) struct Working {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Every event so far, and when it was read.
    pub(crate) events: Vec<(Instant, Value)>,
    stderr: PathBuf,
}

impl Working {
    pub(super) fn start(mut command: Command, stderr: PathBuf) -> Self {
        command.stderr(File::create(&stderr).expect("there is room"));
        let mut child = command.spawn().expect("the program runs");
        let stdout = child.stdout.take().expect("it is piped");
        Self { child, lines: BufReader::new(stdout).lines(), events: Vec::new(), stderr }
    }

    /// Reads events until one is as wanted.
    ///
    /// # Panics
    /// The process ends first, or it takes too long: with `what` was waited for.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.next()).await {
                Ok(Some(event)) if wanted(&event) => return event,
                Ok(Some(_)) => {}
                Ok(None) => panic!("evenkeel ended before {what}; {}", self.told()),
                Err(_) => panic!("waited {PATIENCE:?} for {what} in vain; {}", self.told()),
            }
        }
    }

    /// The same for an event of a kind with these fields.
    pub(crate) async fn until_event(&mut self, kind: &str, fields: Value) -> Value {
        let what = format!("{kind} {fields}");
        self.until(&what, |event| event["event"] == kind && covers(event, &fields)).await
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is our child");
    }

    /// Reads on to the end, and returns the exit code and every event.
    ///
    /// # Panics
    /// It takes too long, or a signal ended it.
    pub(crate) async fn end(mut self) -> (i32, Vec<(Instant, Value)>) {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(Some(_)) = tokio::time::timeout_at(deadline, self.next()).await {}
        let Ok(ended) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("evenkeel does not end; {}", self.told());
        };
        let code = ended.expect("it is our child").code();
        (code.unwrap_or_else(|| panic!("a signal ended it; {}", self.told())), self.events)
    }

    async fn next(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.expect("its output is text")?;
        let record: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{line:?} is not JSON: {error}"));
        self.events.push((Instant::now(), record["event"].clone()));
        Some(record["event"].clone())
    }

    fn told(&self) -> String {
        let from = self.events.len().saturating_sub(10);
        let last: Vec<_> = self.events[from..].iter().map(|(_, it)| it.to_string()).collect();
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        format!("its last events:\n{}\nits complaints:\n{stderr}", last.join("\n"))
    }
}

/// Every field of `wanted` is so in `value` too, tables within tables.
fn covers(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().all(|(name, wanted)| covers(&value[name], wanted)),
        wanted => value == wanted,
    }
}
