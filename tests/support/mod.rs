//! What several tests share: free ports, waiting for a condition, a real HAProxy.
#![allow(dead_code)] // each test takes what it needs

pub(crate) mod events;
pub(crate) mod run;
pub(crate) mod served;
pub(crate) mod users;
pub(crate) mod working;

use std::collections::BTreeSet;
use std::future::Future;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// How often a condition is looked at, and how long in between: 20 s in all, far more than any
/// condition of these tests takes, so that only what never comes fails.
const LOOKS_MAX: u32 = 1_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A TCP port of 127.0.0.1 that nobody listened on a moment ago, and that no other test of this
/// process was given: the system may hand out one again as soon as it is free.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().expect("nobody panics with the ports in hand");
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        if given.insert(port) {
            return port;
        }
    }
}

/// Looks until `look` finds something.
///
/// # Panics
/// When it never does, naming `what` was waited for.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    panic!("waited {:?} for {what} in vain", BETWEEN_LOOKS * LOOKS_MAX);
}

/// A real HAProxy, master and worker, which dies with this value.
pub(crate) struct Haproxy {
    child: Child,
    folder: tempfile::TempDir,
}

impl Haproxy {
    /// Starts it with this configuration. It is up when its sockets answer: wait for that.
    ///
    /// # Panics
    /// When it is not installed, or refuses the configuration.
    pub(crate) fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let path = folder.path().join("haproxy.cfg");
        std::fs::write(&path, config).expect("the scratch folder can be written");
        let checked = Command::new("haproxy").arg("-c").arg("-f").arg(&path).output();
        let checked = match checked {
            Ok(checked) => checked,
            Err(e) if e.kind() == ErrorKind::NotFound => panic!(
                "`haproxy` is not installed, and this test compares our double with it: \
                 run tests/run, which installs it, or `apt-get install haproxy`"
            ),
            Err(e) => panic!("`haproxy` cannot be run: {e}"),
        };
        assert!(
            checked.status.success(),
            "`haproxy` refuses the configuration:\n{}\n{config}",
            String::from_utf8_lossy(&checked.stderr)
        );
        let log = std::fs::File::create(folder.path().join("log")).expect("a log can be made");
        let child = Command::new("haproxy")
            .arg("-W")
            .arg("-f")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("what could be run a moment ago can be run");
        Self { child, folder }
    }

    /// Reloads it, as `systemctl reload haproxy` does. It takes over a moment later.
    pub(crate) fn reload(&self) {
        self.signal("USR2");
    }

    /// Where its messages go.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name} {pid} failed");
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // TERM makes the master end all its workers, old ones too; KILL would orphan them.
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
        if !sent.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
