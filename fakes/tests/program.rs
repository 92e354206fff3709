//! The program as people use it: a farm served, written and followed; its shell client; the
//! configuration for a real HAProxy.
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use common::{FROM, SHOP, TO, between};

/// A served farm; dropped, it ends.
struct Served {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What it printed up to `ready`.
    told: String,
    folder: tempfile::TempDir,
}

impl Served {
    /// Serves the shop in a folder of its own, and waits until it is ready.
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let farm = folder.path().join("given.toml");
        std::fs::write(&farm, SHOP).expect("written");
        let mut child = fakes()
            .arg("serve")
            .arg(&farm)
            .arg("--write")
            .arg(folder.path().join("out"))
            .args(more)
            .env_remove("EVENKEEL_SC_PASSWORD")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut told = String::new();
        while !told.contains("ready; Ctrl-C stops") {
            assert_ne!(lines.read_line(&mut told).expect("readable"), 0, "it ended: {told}");
        }
        Self { child, lines, told, folder }
    }

    fn file(&self, name: &str) -> String {
        let path = self.folder.path().join("out").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn written(&self) -> toml::Table {
        toml::from_str(&self.file("shop.farm.toml")).expect("TOML")
    }

    /// Reads on until a line ends so.
    fn wait_for(&mut self, ending: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).expect("readable"), 0, "no {ending:?}");
            if line.trim_end().ends_with(ending) {
                return line;
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn fakes() -> Command {
    Command::new(env!("CARGO_BIN_EXE_evenkeel-fakes"))
}

/// Runs a command template of a written farm file, as the orchestrator would.
fn run(argv: &toml::Value, pairs: &[(&str, &str)]) -> Output {
    let argv: Vec<_> = argv.as_array().expect("a list").iter().filter_map(|a| a.as_str()).collect();
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]);
    for (key, value) in pairs {
        command.env(format!("EVENKEEL_{key}"), value);
    }
    command.output().expect("it runs")
}

/// Sends a request and reads until the other side closes.
fn exchange(at: &str, send: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("it listens");
    stream.write_all(send.as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

fn get(at: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(at).expect("it listens");
    let request = format!("GET {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

/// Goal: the written farm file is the given one with the served places. Method: read both.
#[test]
fn the_written_farm_file_keeps_what_was_there_and_leads_to_the_doubles() {
    let served = Served::start(&["--speed", "100"]);
    let text = served.file("shop.farm.toml");
    for comment in
        ["# A small shop. This comment is there to be kept.", "# under the stairs", "# ten minutes"]
    {
        assert!(text.contains(comment), "{comment}");
    }
    let farm = served.written();
    assert_eq!(farm["version_to"].as_str(), Some(TO), "untouched");
    for front_end in farm["front_end"].as_array().expect("a list") {
        assert_eq!(front_end["address"].as_str(), Some("127.0.0.1"));
        let at = format!("127.0.0.1:{}", front_end["port"]);
        assert!(get(&at, "/Shop/_ping.html").contains("200 OK"));
    }
    assert_eq!(farm["service_center"]["password"]["env"].as_str(), Some("EVENKEEL_SC_PASSWORD"));
    assert!(served.told.contains("EVENKEEL_SC_PASSWORD is not set"), "{}", served.told);
    assert_eq!(farm["policy"]["soak_ms"].as_integer(), Some(6_000), "given, divided");
    assert_eq!(farm["policy"]["flags_poll_ms"].as_integer(), Some(1_000), "never too short");
    assert!(!farm["policy"].as_table().expect("a table").contains_key("drain_ms_max"));
    let api = farm["balancer"][0]["api"].as_str().expect("text");
    assert!(exchange(api, "show info\n").contains("Version: 2.6"));
    let traffic = &farm["pool"][0]["traffic"];
    assert!(get(traffic["lb-2"].as_str().expect("text"), "/Shop/Home.aspx").contains("OutSystems"));
    assert!(farm["pool"][1]["traffic"].get("lb-2").is_none(), "that node does not carry it");
}

/// Goal: an upgrade by hand, followed by its lines. Method: the written command templates, the
/// control port, Ctrl-C.
#[test]
fn a_served_farm_is_upgraded_by_its_command_templates_and_tells_so() {
    let mut served = Served::start(&["--speed", "1000"]);
    let farm = served.written();
    let host = &farm["host"];
    let server = ("SERVER", "fe-1");
    let out = run(&host["version"], &[("VERB", "version"), server]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), format!("version={FROM}\n"));
    let job = [("KIND", "controller-upgrade"), ("JOB", "j1"), ("VERSION", TO)];
    let out = run(&host["start"], &[&job[..], &[("VERB", "start"), server]].concat());
    assert_eq!((out.status.code(), &*out.stdout), (Some(0), &b"accepted=yes\n"[..]));
    served.wait_for("s fe-1 shell start controller-upgrade j1 -> 0");
    served.wait_for("s fe-1 controller-upgrade ended with 0 (j1)");
    served.wait_for("s fe-1 service initialised");
    let out = run(&host["job"], &[("VERB", "job"), ("JOB", "j1"), server]);
    assert!(out.stdout.starts_with(b"status=exited\nexit_code=0\noutput="));
    let out = run(&host["job"], &[("VERB", "job"), server]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("EVENKEEL_JOB is missing"));
    let control = between(&served.told, "control by hand: ", " ").to_owned();
    assert_eq!(exchange(&control, "crash fe-3\n"), "ok\n");
    served.wait_for("s fe-3 machine down");
    let state = exchange(&control, "state\n");
    assert!(state.contains(&format!("\"version\":\"{TO}\"")), "{state}");
    let pid = served.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    served.wait_for("stopped");
    assert_eq!(served.child.wait().expect("it ends").code(), Some(0));
}

/// Goal: the written haproxy.cfg is one that HAProxy takes, for ports we left free. Method: let
/// HAProxy check it, one file a node, and run one.
#[test]
fn a_real_haproxy_serves_the_farm_with_the_written_configuration() {
    let served = Served::start(&["--behind-haproxy"]);
    let cfg = served.folder.path().join("out/haproxy-lb-2.cfg");
    let check = |path: &Path| Command::new("haproxy").arg("-c").arg("-f").arg(path).output();
    for file in ["haproxy-lb-1.cfg", "haproxy-lb-2.cfg"] {
        let out = check(&served.folder.path().join("out").join(file))
            .expect("haproxy is installed (Debian: apt-get install haproxy)");
        assert!(out.status.success(), "{file}: {}", String::from_utf8_lossy(&out.stderr));
    }
    let farm = served.written();
    let api = farm["balancer"][1]["api"].as_str().expect("text");
    assert!(TcpStream::connect(api).is_err(), "left to HAProxy");
    let mut haproxy = Command::new("haproxy").arg("-f").arg(&cfg).spawn().expect("it starts");
    let traffic = farm["pool"][0]["traffic"]["lb-2"].as_str().expect("text").to_owned();
    // It binds before it serves: once connected, the answer comes.
    while TcpStream::connect(&traffic).is_err() {
        assert!(haproxy.try_wait().expect("its state").is_none(), "haproxy ended");
    }
    let page = get(&traffic, "/Shop/Home.aspx");
    let table = exchange(api, "show servers state web\n");
    haproxy.kill().expect("it ran");
    haproxy.wait().expect("it ended");
    assert!(page.contains("An OutSystems application on fe-"), "{page}");
    let rows: Vec<_> = table.lines().filter(|row| row.contains(" web ")).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows.iter().any(|row| row.split(' ').nth(3) == Some("m3")), "{table}");
}

/// Goal: mistakes end with 2 and words, nothing served. Method: each of them.
#[test]
fn unusable_files_are_refused_before_anything_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("bad.toml"), "name = \"x\"\n").expect("written");
    std::fs::write(path("shop.toml"), SHOP).expect("written");
    std::fs::write(path("truth.toml"), "[truth]\nreboot_mss = 4\n").expect("written");
    let (bad, shop, truth) = (path("bad.toml"), path("shop.toml"), path("truth.toml"));
    for (args, words) in [
        (vec![path("none.toml")], "No such file"),
        (vec![bad], "missing field"),
        (vec![shop.clone(), "--truth".into(), truth], "reboot_mss"),
    ] {
        let out = fakes().arg("serve").args(args).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(words) && stderr.contains("Nothing is served."), "{stderr}");
        assert!(out.stdout.is_empty());
    }
    let out = fakes().arg("serve").arg(shop).arg("--behind-haproxy").output().expect("it runs");
    assert_eq!(out.status.code(), Some(2), "--behind-haproxy without --write makes no sense");
    let out = fakes().args(["shell", "127.0.0.1:1"]).output().expect("it runs");
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("is `evenkeel-fakes serve` running"));
}

/// Goal: help is help. Method: both pages name what there is, with examples.
#[test]
fn help_explains_with_examples() {
    let help = fakes().arg("--help").output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("Examples:") && help.contains("--behind-haproxy"), "{help}");
    let help = fakes().args(["serve", "--help"]).output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for option in ["--write", "--speed", "--password-env", "--truth", "--control"] {
        assert!(help.contains(option), "{option}: {help}");
    }
}
