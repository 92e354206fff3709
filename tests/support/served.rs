//! A farm served by its doubles as a process of its own, and the real program working on it: what
//! a person has in a few terminals.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::eventually;
use super::working::{Events, Working};

/// The farm of these tests.
const FARM: &str = "tests/farms/shop.farm.toml";
/// How many times as fast as life the doubles are: an upgrade of 8 minutes takes 2 s, and no
/// phase is shorter than a few polls.
const SPEED: &str = "240";
/// The console's password in these tests.
const PASSWORD: (&str, &str) = ("EVENKEEL_SC_PASSWORD", "only-in-this-test");

/// A served farm, its plan, and the folder of all its files. Processes end with this value.
pub(crate) struct Served {
    folder: TempDir,
    control: SocketAddr,
    shell_at: String,
    /// What the processes that carry the run out have told.
    pub(crate) events: Events,
    _doubles: Child,
}

impl Served {
    /// Serves the farm with balancer nodes of its own, and plans its upgrade.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with the balancers left to real HAProxy processes.
    pub(crate) async fn start_behind_haproxy() -> Self {
        Self::start_with(&["--behind-haproxy"]).await
    }

    async fn start_with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let log = std::fs::File::create(folder.path().join("doubles.log")).expect("there is room");
        let doubles = Command::new(program("evenkeel-fakes"))
            .args(["serve", FARM, "--speed", SPEED, "--write"])
            .arg(folder.path())
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env(PASSWORD.0, PASSWORD.1)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the program was there a moment ago");
        let log = eventually("the doubles to serve", async || {
            let log = std::fs::read_to_string(folder.path().join("doubles.log")).ok()?;
            log.lines().any(|line| line.starts_with("ready;")).then_some(log)
        })
        .await;
        let told = |what: &str| -> Option<SocketAddr> {
            let line = log.lines().find(|line| line.contains(what))?;
            line.split(' ').find_map(|word| word.parse().ok())
        };
        let control = told("control by hand: ").expect("the doubles tell where");
        let shell_at = told("shell of every server: ").expect("the doubles tell where");
        let (shell_at, events) = (shell_at.to_string(), Events::default());
        let served = Self { folder, control, shell_at, events, _doubles: doubles };
        let farm = served.file("shop.farm.toml");
        let planned = served.evenkeel_on("plan", &farm, &["-o", "shop.plan"]).await;
        assert!(planned.status.success(), "the farm cannot be planned: {planned:?}");
        served
    }

    /// A file of the farm's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command line about the plan to its end, as from another terminal.
    pub(crate) async fn evenkeel(&self, verb: &str, arguments: &[&str]) -> Output {
        self.evenkeel_on(verb, &self.file("shop.plan"), arguments).await
    }

    async fn evenkeel_on(&self, verb: &str, what: &Path, arguments: &[&str]) -> Output {
        let mut command = self.command(verb, what, arguments);
        command.output().await.expect("the program runs")
    }

    /// Starts a command line about the plan that carries the run out, and follows its events.
    pub(crate) fn start_evenkeel(&self, verb: &str, arguments: &[&str]) -> Working {
        let mut command = self.command(verb, &self.file("shop.plan"), arguments);
        command.arg("--json");
        Working::start(command, self.events.clone(), self.file("stderr"))
    }

    fn command(&self, verb: &str, what: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("evenkeel"));
        command.arg(verb).arg(what).args(arguments);
        self.surround(&mut command);
        command
    }

    /// What every program that works on this farm is started with.
    fn surround<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .current_dir(self.folder.path())
            .env(PASSWORD.0, PASSWORD.1)
            .env("EVENKEEL_LOCK_DIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
    }

    /// Runs a printed command line, word for word, in a shell.
    pub(crate) async fn shell(&self, line: &str) -> Output {
        let programs = program("evenkeel");
        let programs = programs.parent().expect("a program lies in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", format!("{}:{path}", programs.display()));
        self.surround(&mut command).output().await.expect("there is a shell")
    }

    /// Runs a host verb on a server, as a person does who is logged in there.
    ///
    /// # Panics
    /// It fails.
    pub(crate) async fn verb(&self, server: &str, verb: &str, values: &[(&str, &str)]) {
        let mut command = Command::new(program("evenkeel-fakes"));
        command.args(["shell", &self.shell_at]).env("EVENKEEL_SERVER", server);
        command.env("EVENKEEL_VERB", verb).env("EVENKEEL_JOB", "by-hand");
        command.envs(values.iter().map(|(name, value)| (format!("EVENKEEL_{name}"), value)));
        let output = self.surround(&mut command).output().await.expect("the program runs");
        assert!(output.status.success(), "{verb} on {server}: {output:?}");
    }

    /// Does something to the doubles by hand.
    ///
    /// # Panics
    /// They do not know the command.
    pub(crate) async fn control(&self, command: &str) -> String {
        let stream = TcpStream::connect(self.control).await.expect("the doubles serve");
        let mut stream = BufReader::new(stream);
        stream.write_all(format!("{command}\n").as_bytes()).await.expect("the doubles read");
        let mut answer = String::new();
        stream.read_line(&mut answer).await.expect("the doubles answer");
        assert!(!answer.starts_with("error"), "{command}: {answer}");
        answer
    }

    /// The ground truth of the farm.
    pub(crate) async fn truth(&self) -> Value {
        serde_json::from_str(&self.control("state").await).expect("the state is JSON")
    }

    /// The ground truth of one server.
    pub(crate) async fn truth_of(&self, server: &str) -> Value {
        self.truth().await["servers"][server].clone()
    }

    /// Where the run stands, by `evenkeel status`.
    pub(crate) async fn status(&self) -> Value {
        let output = self.evenkeel("status", &["--json"]).await;
        serde_json::from_slice(&output.stdout).expect("the status is JSON")
    }

    /// How the run went, for the person who reads a failed test.
    pub(crate) fn story(&self) -> String {
        let tail = |name: &str| {
            let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(40);
            format!("--- end of {name}\n{}\n", lines[from..].join("\n"))
        };
        ["doubles.log", "stderr", "shop.plan.run/journal.jsonl"].map(tail).concat()
    }
}

/// A program of this workspace, which lies beside the one under test.
///
/// # Panics
/// When it was not built, saying how to.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_evenkeel")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is not there: run tests/run, or `cargo build --workspace --bins` with the profile of \
         this test",
        path.display()
    );
    path
}
