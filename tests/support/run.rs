//! A run of the smallest farm in a scratch folder: its plan, and a stand-in for the process that
//! carries it out, so that what other processes see and say of it can be tested alone.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use evenkeel::journal::file::FileStorage;
use evenkeel::journal::lock::{FarmLock, Holder};
use evenkeel::journal::requests::FolderInbox;
use evenkeel::journal::run_folder::RunFolder;
use evenkeel::journal::{Event, Journal, Record, Request};
use evenkeel::ports::Inbox as _;
use tempfile::TempDir;

use super::events::instant;

/// How long a test waits for another process before it fails: far longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The smallest farm, its plan in a scratch folder.
pub(crate) struct Run {
    scratch: TempDir,
    pub(crate) plan: PathBuf,
    pub(crate) hash: String,
}

impl Run {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .expect("a scratch folder can be made");
        let folder = fs::canonicalize(scratch.path()).expect("it is there");
        let plan = folder.join("tiny.plan");
        let hash = write_plan(&plan);
        Self { scratch, plan, hash }
    }

    /// A scratch folder of this run.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn folder(&self) -> RunFolder {
        RunFolder::of(&self.plan)
    }

    /// A command line about this run, to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_for(&self.plan, arguments)
    }

    /// The same about another plan, in this run's surroundings.
    pub(crate) fn command_for(&self, plan: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command
            .args(&arguments[..1])
            .arg(plan)
            .args(&arguments[1..])
            .env("EVENKEEL_LOCK_DIR", self.scratch())
            .env("USER", "tester")
            .env_remove("SUDO_USER")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command line about this run to its end.
    pub(crate) fn evenkeel(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).output().expect("the program runs"))
    }

    /// Starts a command line about this run.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the program runs")
    }

    /// The journal, opened; its lock is the caller's business.
    pub(crate) fn journal(&self) -> Journal<FileStorage> {
        self.folder().create().expect("there is room");
        let storage = self.folder().open_journal().expect("nobody writes it");
        Journal::open(storage).expect("it is whole").0
    }

    /// Writes events as an earlier process would have, which is gone since.
    pub(crate) fn wrote(&self, events: Vec<Event>) {
        self.journal().record(instant(), events).expect("there is room");
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.folder().read_journal().expect("it is whole").0
    }

    /// The first event of a run of this plan.
    pub(crate) fn began(&self) -> Event {
        Event::Began {
            plan_hash: self.hash.clone(),
            program: "evenkeel 0.1.0".into(),
            resumed: false,
        }
    }

    /// Takes the farm's lock and its journal, as the process that carries the run out does.
    pub(crate) fn carrier(&self) -> Carrier {
        let holder = Holder {
            pid: std::process::id(),
            host: "jump-1".into(),
            user: "maria".into(),
            plan: self.plan.clone(),
            since: instant(),
        };
        let lock = FarmLock::acquire(&[self.scratch().to_owned()], "tiny", &holder)
            .expect("nobody holds it");
        Carrier { journal: self.journal(), inbox: FolderInbox::new(&self.folder()), _lock: lock }
    }
}

/// What stands in for the process that carries a run out.
pub(crate) struct Carrier {
    journal: Journal<FileStorage>,
    inbox: FolderInbox,
    _lock: FarmLock,
}

impl Carrier {
    pub(crate) fn record(&mut self, events: Vec<Event>) {
        self.journal.record(instant(), events).expect("there is room");
    }

    /// Waits until this many requests have arrived.
    pub(crate) fn requests(&mut self, count: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        until(|| {
            requests.extend(self.inbox.take().expect("the folder is there"));
            requests.len() >= count
        });
        requests
    }
}

/// Waits for a condition that another process brings about.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !condition() {
            assert!(tokio::time::Instant::now() < deadline, "it never came to that");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// What a command line answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("answers are text"),
            stderr: String::from_utf8(output.stderr).expect("complaints are text"),
        }
    }

    /// Waits for a started command line's end.
    pub(crate) fn from(child: Child) -> Self {
        Self::of(child.wait_with_output().expect("it is our child"))
    }
}

/// Plans the upgrade of the smallest farm, from a copy of its file beside the plan: on loopback
/// addresses where nobody listens, with commands that reach nobody, since some tests begin to
/// carry the plan out.
fn write_plan(path: &Path) -> String {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tiny.farm.toml");
    let farm_file = path.with_file_name("tiny.farm.toml");
    let text = fs::read_to_string(scenario).expect("it is part of the repository");
    let text = text.replace("10.20.40.", "127.20.40.").replace("[\"ssh\"", "[\"false\"");
    fs::write(&farm_file, text).expect("there is room");
    let loaded = evenkeel::farm::load(&farm_file).expect("a scenario is valid");
    let plan = evenkeel::plan::build(&loaded, None).expect("a scenario can be planned");
    evenkeel::plan::save(&plan, path).expect("there is room");
    plan.hash()
}
