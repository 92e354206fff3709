//! An `evenkeel` process that carries a run out, followed event by event.
use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

/// How long an event may take to come. The longest that these tests wait for is a whole phase of
/// a run, some 20 s on two busy cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// The events of a run over all its processes, and when each was read.
pub(crate) type Events = Rc<RefCell<Vec<(Instant, Value)>>>;

/// A process at work. It is killed with this value.
pub(crate) struct Working {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    events: Events,
    stderr: PathBuf,
}

impl Working {
    pub(super) fn start(mut command: Command, events: Events, stderr: PathBuf) -> Self {
        command.stderr(File::create(&stderr).expect("there is room"));
        let mut child = command.spawn().expect("the program runs");
        let stdout = child.stdout.take().expect("it is piped");
        Self { child, lines: BufReader::new(stdout).lines(), events, stderr }
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

    /// Kills it, as `kill -9` does, and waits until it is gone. What it had written is read.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is our child");
        while self.next().await.is_some() {}
    }

    /// Reads on to the end, and returns the exit code.
    ///
    /// # Panics
    /// It takes too long, or a signal ended it.
    pub(crate) async fn end(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(Some(_)) = tokio::time::timeout_at(deadline, self.next()).await {}
        let Ok(ended) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("evenkeel does not end; {}", self.told());
        };
        let code = ended.expect("it is our child").code();
        code.unwrap_or_else(|| panic!("a signal ended it; {}", self.told()))
    }

    async fn next(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.expect("its output is text")?;
        let record: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{line:?} is not JSON: {error}"));
        let event = record["event"].clone();
        self.events.borrow_mut().push((Instant::now(), event.clone()));
        Some(event)
    }

    fn told(&self) -> String {
        let events = self.events.borrow();
        let from = events.len().saturating_sub(10);
        let last: Vec<_> = events[from..].iter().map(|(_, event)| event.to_string()).collect();
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        format!("its last events:\n{}\nits complaints:\n{stderr}", last.join("\n"))
    }
}

/// Every field of `wanted` is so in `value` too, tables within tables; what a list wants is
/// somewhere in the other.
fn covers(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().all(|(name, wanted)| covers(&value[name], wanted)),
        Value::Array(items) => items.iter().all(|wanted| {
            value.as_array().is_some_and(|all| all.iter().any(|it| covers(it, wanted)))
        }),
        wanted => value == wanted,
    }
}
