//! What a rehearsal promises, on the shipped scenarios and on small farms nobody thought of: no
//! invariant is broken, and a seed without a front-end's crash or a failing installer ends done.
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use evenkeel_sim::nemesis::{Choice, Source};
use evenkeel_sim::oracle::RunVerdict;
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::world::{Order, Outcome, rehearse};
use proptest::prelude::*;

fn load(path: &Path) -> Scenario {
    Scenario::load(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(scenario: &Scenario, seed: u64, faults: &str) -> Outcome {
    let faults: Choice = faults.parse().expect("a known choice of faults");
    rehearse(Order::new(scenario, seed, &Source::Drawn(faults)))
}

/// One run, judged. `must_end_done` where nothing struck that may need a person.
fn check(scenario: &Scenario, seed: u64, faults: &str, must_end_done: bool) {
    let outcome = run(scenario, seed, faults);
    let story = outcome.last_events.join("\n");
    assert!(
        outcome.judgement.violations.is_empty(),
        "seed {seed}: {:?}\n{story}",
        outcome.judgement.violations
    );
    if must_end_done {
        let done = matches!(&outcome.verdict, RunVerdict::Done { left_out } if left_out.is_empty());
        assert!(done, "seed {seed} ended {:?}\n{story}", outcome.verdict);
    }
}

/// Goal: the scenarios hold. Method: some seeds of each under every family of faults, and some
/// without those that may need a person, which must end done.
fn campaign(name: &str, full: u64, light: u64) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let scenario = load(&root.join(format!("scenarios/{name}.toml")));
    for seed in 0..full {
        check(&scenario, seed, "full", false);
    }
    for seed in 1_000..1_000 + light {
        check(&scenario, seed, "light", true);
    }
}

#[test]
fn tiny_holds_under_every_fault() {
    campaign("tiny", 60, 40);
}

#[test]
fn bank_holds_under_every_fault() {
    campaign("bank", 12, 12);
}

#[test]
fn retail_holds_under_every_fault() {
    campaign("retail", 6, 4);
}

/// A small farm: servers in each half's reach, pools on one zone or two, one node or two.
#[derive(Clone, Debug)]
struct Small {
    java: bool,
    pure_controller: bool,
    publish: bool,
    nodes: usize,
    /// For each zone, its servers as bits.
    zones: Vec<u8>,
    servers: usize,
    parallel_max: u32,
    seed: u64,
}

fn small() -> impl Strategy<Value = Small> {
    (
        2_usize..=6,
        1_usize..=2,
        1_usize..=2,
        any::<[bool; 3]>(),
        any::<[u8; 2]>(),
        1_u32..=3,
        0_u64..1_000,
    )
        .prop_map(|(servers, zone_count, nodes, flags, bits, parallel_max, seed)| {
            let all = (1_u8 << servers) - 1;
            // The first zone has every server; a second one at least the first and the last, so
            // that zones overlap and each half can have somebody.
            let ends = 1 | 1 << (servers - 1);
            let zones = [all, (bits[1] & all) | ends];
            Small {
                java: flags[0],
                pure_controller: flags[1],
                publish: flags[2],
                nodes,
                zones: zones[..zone_count].to_vec(),
                servers,
                parallel_max,
                seed,
            }
        })
}

impl Small {
    fn farm_file(&self) -> String {
        let (stack, from, to) = if self.java {
            ("j2ee", "10.0.1005.0", "10.0.1019.0")
        } else {
            ("dotnet", "11.35.0.43000", "11.36.1.43500")
        };
        let controller = if self.pure_controller { "ctl" } else { "fe-0" };
        let mut text = format!(
            "name = \"small\"\nstack = \"{stack}\"\nversion_from = \"{from}\"\n\
             version_to = \"{to}\"\ncontroller = \"{controller}\"\n"
        );
        if self.pure_controller {
            text.push_str("[pure_controller]\nname = \"ctl\"\naddress = \"10.9.0.1\"\n");
        }
        for (zone, _) in self.zones.iter().enumerate() {
            let _ = write!(
                text,
                "[[zone]]\nname = \"z{zone}\"\npublic_name = \"z{zone}.small.example\"\n\
                 load_rps = 8\nmodules = [\"M{zone}\"]\n\
                 [[pool]]\nname = \"p{zone}\"\nzone = \"z{zone}\"\n\
                 [[test]]\nzone = \"z{zone}\"\npath = \"/M{zone}/Home\"\n"
            );
        }
        for node in 0..self.nodes {
            let _ = write!(
                text,
                "[[balancer]]\nname = \"lb-{node}\"\napi = \"10.9.1.{}:9999\"\n",
                node + 1
            );
        }
        for server in 0..self.servers {
            let own = |zone: &usize| self.zones[*zone] >> server & 1 == 1;
            let zones: Vec<usize> = (0..self.zones.len()).filter(own).collect();
            let names: Vec<String> = zones.iter().map(|zone| format!("\"z{zone}\"")).collect();
            let members: Vec<String> =
                zones.iter().map(|zone| format!("p{zone} = \"m{server}\"")).collect();
            let _ = write!(
                text,
                "[[front_end]]\nname = \"fe-{server}\"\naddress = \"10.9.2.{}\"\n\
                 zones = [{}]\nmembers = {{ {} }}\ncapacity_rps = 40\n",
                server + 1,
                names.join(", "),
                members.join(", ")
            );
        }
        let verb = "[\"ssh\", \"{address}\", \"verb\"]";
        let _ = write!(
            text,
            "[service_center]\nuser = \"admin\"\npassword = {{ env = \"UNUSED\" }}\n\
             [host]\nstart = {verb}\njob = {verb}\nversion = {verb}\nservice = {verb}\n\
             reboot = {verb}\npublish = {}\n[policy]\nparallel_max = {}\n",
            self.publish, self.parallel_max
        );
        text
    }
}

proptest! {
    // Each case is a whole upgrade of about two simulated hours.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: farms of every small shape are upgraded. Method: drawn farms under the faults after
    /// which nobody is needed; each must end done with nothing violated.
    #[test]
    fn small_farms_of_every_shape_end_done(small in small()) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("small.farm.toml");
        std::fs::write(&path, small.farm_file()).expect("scratch can be written");
        check(&load(&path), small.seed, "light", true);
    }
}
