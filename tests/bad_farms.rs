//! Every mistake a farm file can have: told at its line, with the way to mend it, exit code 2.
//!
//! Each case breaks a scenario's farm file in one way and keeps the whole report as a snapshot.
use std::fs;
use std::process::Command;

const TINY: &str = include_str!("../scenarios/tiny.farm.toml");
const BANK: &str = include_str!("../scenarios/bank.farm.toml");
const OVERLOADED: &str = include_str!("../scenarios/overloaded.farm.toml");

/// The report that `evenkeel check` gives for a file.
fn report(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.farm.toml"), bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["check", "bad.farm.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// A text with one thing replaced, which must be there.
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no {from}");
    text.replacen(from, to, 1)
}

/// One snapshot for each group of cases; every case is one change to a valid file.
fn reports(text: &str, cases: &[(&str, &str)]) -> String {
    let one = |(from, to): &(&str, &str)| {
        let shown = |text: &str| text.replace('\n', "⏎");
        let report = report(with(text, from, to).as_bytes());
        format!("### {} → {}\n{report}", shown(from), shown(to))
    };
    cases.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn unknown_keys() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("capacity_rps = 40", "capcity_rps = 40\ncapacity_rps = 40"),
            ("name = \"tiny\"", "name = \"tiny\"\ncolour = \"red\""),
            ("[host]", "[hosts]"),
            ("user = \"admin\"", "user = \"admin\"\nlabels = { disabel = \"Aus\" }"),
        ]
    ));
}

#[test]
fn wrong_types() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("load_rps = 20", "load_rps = \"20\""),
            ("load_rps = 20", "load_rps = 20.5"),
            ("name = \"tiny\"", "name = 1"),
            ("zones = [\"Global\"]", "zones = \"Global\""),
            ("zones = [\"Global\"]", "zones = [1]"),
            ("members = { web = \"fe-1\" }", "members = [\"fe-1\"]"),
            ("members = { web = \"fe-1\" }", "members = { web = 1 }"),
            ("[[zone]]", "[zone]"),
            ("[service_center]", "[[service_center]]"),
            (
                "path = \"/Portal/Home.aspx\"",
                "path = \"/Portal/Home.aspx\"\nexpect_status = \"OK\""
            ),
        ]
    ));
}

#[test]
fn missing_keys() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("capacity_rps = 40\n", ""),
            ("stack = \"dotnet\"\n", ""),
            ("password = { env = \"EVENKEEL_SC_PASSWORD\" }\n", ""),
            ("api = \"10.20.40.10:9999\"\n", ""),
        ]
    ));
}

#[test]
fn bad_values() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("stack = \"dotnet\"", "stack = \"dotnte\""),
            ("load_rps = 20", "load_rps = 0"),
            ("load_rps = 20", "load_rps = 5_000_000_000"),
            ("name = \"tiny\"", "name = \"../tiny\""),
            ("name = \"fe-1\"", "name = \"-fe-1\""),
            ("address = \"10.20.40.1\"", "address = \"http://10.20.40.1\""),
            ("address = \"10.20.40.1\"", "address = \"apps.tiny.example\""),
            ("api = \"10.20.40.10:9999\"", "api = \"10.20.40.10\""),
            ("lb-1 = \"10.20.40.10:80\"", "lb-1 = \"10.20.40.10:0\""),
            ("members = { web = \"fe-1\" }", "members = { web = \"fe 1; disable\" }"),
            ("path = \"/Portal/Home.aspx\"", "path = \"Portal\""),
            ("modules = [\"Portal\"]", "modules = [\"/Portal\"]"),
            ("capacity_rps = 40", "capacity_rps = 40\nrole = \"first\""),
            ("zone = \"Global\"\n", "zone = \"Global\"\nfloor = 3\n"),
            ("zone = \"Global\"\n", "zone = \"Global\"\nload_share = 0\n"),
            ("zone = \"Global\"\n", "zone = \"Global\"\nnodes = []\n"),
        ]
    ));
}

#[test]
fn bad_policies() {
    let (farm, _) = TINY.split_once("[policy]").expect("it has a policy");
    let policy = |line: &str| format!("{farm}[policy]\n{line}\n");
    let cases = [
        "gates = [0, 3, 3, 10, \"6\"]",
        "gates = 3",
        "margin_percent = 100",
        "balancer_poll_ms = 1",
        "balancer_poll_draining_ms = 6_000",
        "quiet_window_ms = 500",
        "drain_ms_max = 5_000",
        "switch_ms_max = 1_000",
        "soak_ms = 9_999_999_999",
        "idle_reads = 1",
        "drain_after_deadline = \"kill\"",
        "scheduler = \"stop\"",
        "soak_when_bad = \"fallback\"",
        "rehearsal = { faults = \"all\", seeds_min = 0 }",
        "drain_max_ms = 1",
    ];
    let all: Vec<String> = cases
        .iter()
        .map(|line| format!("### {line}\n{}", report(policy(line).as_bytes())))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn loads_that_make_no_sense() {
    let curve = OVERLOADED.split_once("requests_per_slot = ").unwrap().1;
    let curve = curve.split_once("service_ms").unwrap().0.trim_end();
    insta::assert_snapshot!(reports(
        OVERLOADED,
        &[
            ("slot_minutes = 15", "slot_minutes = 7"),
            ("slot_minutes = 15", "slot_minutes = 30"),
            ("slot_minutes = 15\n", ""),
            ("measured = \"made up for this scenario\"\n", ""),
            ("[[load.zone]]\nzone = \"Shop\"", "[[load.zone]]\nzone = \"Shp\""),
            ("[[load.zone]]", "[load.zone]"),
            (
                "keep_alive_gap_ms = []",
                "keep_alive_gap_ms = []\n[[load.zone]]\nzone = \"Shop\"\n\
              requests_per_slot = [1]"
            ),
            (curve, "[1, -2, \"3\"]"),
            (curve, "12"),
            ("[100, 45_000]", "[40, 45_000]"),
            ("[100, 45_000]", "[100]"),
            ("longest_ms = [96_000, 61_000, 48_000]", "longest_ms = [48_000, 61_000]"),
            ("keep_alive_gap_ms", "keepalive_gap_ms"),
        ]
    ));
}

#[test]
fn zones_that_cannot_be_split() {
    let second = "\n[[zone]]\nname = \"Lonely\"\npublic_name = \"lonely.tiny.example\"\nload_rps = 1\n\
                  \n[[pool]]\nname = \"lonely\"\nzone = \"Lonely\"\n\n[[balancer]]";
    let without = with(TINY, "\n[[balancer]]", second);
    let one = with(&without, "zones = [\"Global\"]", "zones = [\"Global\", \"Lonely\"]");
    let one = with(&one, "web = \"fe-1\"", "web = \"fe-1\", lonely = \"fe-1\"");
    let all = [
        format!("### no front-end\n{}", report(without.as_bytes())),
        format!("### one front-end\n{}", report(one.as_bytes())),
        format!(
            "### no pool\n{}",
            reports(
                TINY,
                &[(
                    "\n[[balancer]]",
                    "\n[[zone]]\nname = \"Bare\"\npublic_name = \"b\"\nload_rps = 1\n\n[[balancer]]"
                )]
            )
        ),
    ];
    insta::assert_snapshot!(all.join("\n"));
    // With `may_go_down` one is enough.
    let accepted = with(&one, "load_rps = 1\n", "load_rps = 1\nmay_go_down = true\n");
    evenkeel::farm::parse("x".as_ref(), &accepted)
        .unwrap_or_else(|e| panic!("{}", e.report(false)));
}

#[test]
fn things_that_do_not_exist() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("controller = \"fe-1\"", "controller = \"fe-11\""),
            ("controller = \"fe-1\"", "controller = \"controller\""),
            ("zones = [\"Global\"]", "zones = [\"Globel\", \"Global\"]"),
            ("zones = [\"Global\"]", "zones = []"),
            ("members = { web = \"fe-1\" }", "members = { wbe = \"fe-1\" }"),
            ("zone = \"Global\"\ntraffic", "zone = \"Other\"\ntraffic"),
            ("zone = \"Global\"\ntraffic", "zone = \"Global\"\nnodes = [\"lb-2\"]\ntraffic"),
            ("lb-1 = \"10.20.40.10:80\"", "lb-9 = \"10.20.40.10:80\""),
            ("zone = \"Global\"\ntraffic", "zone = \"Global\"\ntracks = \"ewb\"\ntraffic"),
            ("zone = \"Global\"\npath", "zone = \"Intranet\"\npath"),
        ]
    ));
}

#[test]
fn controllers_that_contradict() {
    insta::assert_snapshot!(reports(
        BANK,
        &[
            ("controller = \"ctl-1\"", "controller = \"ctl-2\""),
            ("controller = \"ctl-1\"", "controller = \"fe-1\""),
            ("[pure_controller]\nname = \"ctl-1\"", "[pure_controller]\nname = \"fe-1\""),
        ]
    ));
    insta::assert_snapshot!(
        "controller_pinned",
        reports(TINY, &[("capacity_rps = 40", "capacity_rps = 40\nrole = \"loaded\""),])
    );
}

#[test]
fn duplicates() {
    insta::assert_snapshot!(reports(
        BANK,
        &[
            ("name = \"fe-2\"", "name = \"fe-1\""),
            ("address = \"10.20.30.2\"", "address = \"10.20.30.1\""),
            ("branches = \"fe-2\"", "branches = \"fe-1\""),
            ("name = \"Payments\"", "name = \"Branches\""),
            ("name = \"payments\"", "name = \"branches\""),
            ("[[pool]]", "[[balancer]]\nname = \"lb-1\"\napi = \"10.20.30.10:9999\"\n\n[[pool]]"),
            (
                "zones = [\"Branches\", \"Payments\"]",
                "zones = [\"Branches\", \"Payments\", \"Branches\"]"
            ),
            ("stack = \"j2ee\"", "stack = \"j2ee\"\nstack = \"dotnet\""),
            (
                "expect_text = \"Branches\"",
                "expect_text = \"Branches\"\n[[test]]\nzone = \"Branches\"\npath = \"/Branches/Home.jsf\"\nexpect_text = \"Branches\""
            ),
        ]
    ));
}

#[test]
fn memberships_that_contradict_zones() {
    insta::assert_snapshot!(reports(
        BANK,
        &[
            ("members = { branches = \"fe-1\" }", "members = { payments = \"fe-1\" }"),
            ("[[test]]", "[[pool]]\nname = \"empty\"\nzone = \"Payments\"\n\n[[test]]"),
        ]
    ));
}

#[test]
fn versions() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("version_from = \"11.35.0.43000\"", "version_from = \"4.1.9.9\""),
            ("version_from = \"11.35.0.43000\"", "version_from = \"11.36.1.43500\""),
            ("version_from = \"11.35.0.43000\"", "version_from = \"12.0\""),
            ("version_from = \"11.35.0.43000\"", "version_from = \"eleven\""),
            ("version_from = \"11.35.0.43000\"", "version_from = 11.35"),
        ]
    ));
    insta::assert_snapshot!(
        "versions_j2ee",
        reports(BANK, &[("version_from = \"10.0.1005.0\"", "version_from = \"4.2.4.78\""),])
    );
    // The lowest ones are allowed.
    let lowest = with(BANK, "10.0.1005.0", "4.2.4.79");
    evenkeel::farm::parse("x".as_ref(), &lowest).unwrap();
    let lowest = with(TINY, "11.35.0.43000", "4.2");
    evenkeel::farm::parse("x".as_ref(), &lowest).unwrap();
}

#[test]
fn secrets_in_clear() {
    let source = "password = { env = \"EVENKEEL_SC_PASSWORD\" }";
    let all = reports(
        TINY,
        &[
            (source, "password = \"hunter2\""),
            (source, "password = { env = \"hunter2!\" }"),
            (source, "password = { env = \"A\", file = \"b\" }"),
            (source, "password = { command = [] }"),
            (
                "'C:\\Evenkeel\\Get-Job.ps1'",
                "'C:\\Evenkeel\\Get-Job.ps1', \"-Password\", \"hunter2\"",
            ),
        ],
    );
    // The heading of a case is the test's own.
    let reports_only = all.lines().filter(|line| !line.starts_with("### "));
    assert!(reports_only.clone().all(|line| !line.contains("hunter2")));
    insta::assert_snapshot!(reports_only.collect::<Vec<_>>().join("\n"));
}

#[test]
fn templates() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("\"-Job\", \"{job}\", \"-Kind\"", "\"-Job\", \"{jbo}\", \"-Kind\""),
            ("'C:\\Evenkeel\\Restart-Server.ps1'", "'C:\\Evenkeel\\Restart-Server.ps1', \"{job}\""),
            ("start = [\"ssh\"", "start = [\"{server}\""),
            ("start = [\"ssh\"", "start = [\"\""),
            ("\n[host]\n", "\n[host]\nversion = []\n#"),
        ]
    ));
}

#[test]
fn text_that_is_not_toml() {
    insta::assert_snapshot!(reports(
        TINY,
        &[
            ("name = \"tiny\"", "name = tiny"),
            ("name = \"tiny\"", "name = \"tiny"),
            ("load_rps = 20", "load_rps = = 20"),
            ("[[zone]]", "[[zone]"),
        ]
    ));
}

#[test]
fn files_that_cannot_be_read() {
    let all = [
        report(b""),
        report(b"name = \"tiny\"\nstack = \"\xff\"\n"),
        report(&vec![b'#'; (1 << 20) + 1]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

/// Goal: a file with many mistakes gets them all at once. Method: one of each kind together.
#[test]
fn all_at_once() {
    let mut text = TINY.to_owned();
    for (from, to) in [
        ("stack = \"dotnet\"", "stack = \"java\""),
        ("version_to = \"11.36.1.43500\"", "version_to = \"10.0\""),
        ("load_rps = 20", "load_rps = \"many\""),
        ("capacity_rps = 40", "capcity_rps = 40"),
        ("address = \"10.20.40.2\"", "address = \"10.20.40.1\""),
        ("\"-Job\", \"{job}\", \"-Kind\"", "\"-Job\", \"{id}\", \"-Kind\""),
        ("controller = \"fe-1\"", "controller = \"fe-7\""),
    ] {
        text = with(&text, from, to);
    }
    insta::assert_snapshot!(report(text.as_bytes()));
}
