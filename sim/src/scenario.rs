//! What is rehearsed: a plan, a farm or a scenario file, told apart by what is in it.
//!
//! A scenario names a farm file and says what the farm is really like:
//!
//! ```toml
//! farm = "retail.farm.toml"      # beside this file
//! force = "to see it held"       # only for a farm whose plan is refused: why it is rehearsed
//!
//! [truth]                        # durations and variants; variants left out are drawn by seed
//! front_end_upgrade_ms = 480_000
//!
//! [links]                        # how long a packet takes: base, and up to jitter more
//! base_ms = 1
//! jitter_ms = 3
//!
//! [users.pool.web]               # how the balancers share a pool's requests
//! balancing = "least-connections"  # or "round-robin", as is usual
//! slow_start_ms = 30_000
//! keep_alive_ms = 60_000         # TCP mode: connections stay with their member, drained or not
//!
//! [users.front_end]              # what every front-end does with more than it can work on
//! queue_max = 1_000
//! wait_ms_max = 30_000
//! cold = { extra_percent = 200, falls_over_ms = 30_000 }
//! ```
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use evenkeel::certificate::hash_of;
use evenkeel::farm;
use evenkeel::plan::{self, Plan};
use evenkeel_fakes::spec::Spec;
use evenkeel_fakes::truth::Truth;
use serde::Deserialize;

use crate::fabric::Latency;
use crate::random::Keyed;
use crate::traffic::UsersTruth;

/// Longest file read: a plan holds its farm and more.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Something that can be rehearsed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where it was read, as the user wrote it.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hex.
    pub file_hash: String,
    /// Hash of the plan as its file has it, or as `evenkeel plan` makes it of the farm: what a
    /// certificate is bound to.
    pub given_plan_hash: String,
    /// The plan that the orchestrator carries out: the given one, without TLS.
    pub plan: Plan,
    /// Its hash, to which approvals are bound.
    pub plan_hash: String,
    /// The farm as the doubles read it.
    pub spec: Spec,
    /// What the scenario says of the truth.
    pub truth: toml::Table,
    /// What it says of how users' requests are shared and served.
    pub users: UsersTruth,
    /// How long packets take.
    pub links: Latency,
}

/// What a scenario says beside its farm.
#[derive(Clone, Default)]
struct Reality {
    truth: toml::Table,
    users: UsersTruth,
    links: Links,
}

/// Why a file cannot be rehearsed; nothing was run.
#[derive(Debug)]
pub struct ScenarioError(String);

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

/// A file that was read.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    farm: PathBuf,
    force: Option<String>,
    #[serde(default)]
    truth: toml::Table,
    #[serde(default)]
    users: UsersTruth,
    #[serde(default)]
    links: Links,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Links {
    base_ms: u64,
    jitter_ms: u64,
}

impl Default for Links {
    /// A data centre's network with its load: 1 to 3 ms.
    fn default() -> Self {
        Self { base_ms: 1, jitter_ms: 2 }
    }
}

impl Scenario {
    /// Reads a plan, a farm or a scenario file.
    ///
    /// # Errors
    /// Says what is wrong with the file, for a farm file every mistake at its line.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = read(path)?;
        let source = Source { path, text: &text };
        if text.trim_start().starts_with('{') {
            let plan = plan::load(path).map_err(|error| wrong(path, &error.to_string()))?;
            return Self::of_plan(source, plan, Reality::default());
        }
        let table: toml::Table = text.parse().map_err(|error| wrong(path, &format!("{error}")))?;
        if table.contains_key("broke") && table.contains_key("planned") {
            let what = "it is a kept failure: `evenkeel-sim replay` plays it";
            return Err(wrong(path, what));
        }
        // A farm file's `farm` would be a table; a scenario's is a path.
        if !table.get("farm").is_some_and(toml::Value::is_str) {
            return Self::of_plan(source, plan_of(path, None)?, Reality::default());
        }
        let file: ScenarioFile =
            toml::from_str(&text).map_err(|error| wrong(path, &format!("{error}")))?;
        let farm = path.parent().unwrap_or(Path::new("")).join(&file.farm);
        let plan = plan_of(&farm, file.force)?;
        let ScenarioFile { truth, users, links, .. } = file;
        let scenario = Self::of_plan(source, plan, Reality { truth, users, links })?;
        // Said now, with the file's name, rather than in the middle of a run.
        merge(&scenario.truth, &Keyed::new(0)).map_err(|error| wrong(path, &error))?;
        scenario.users.check(&scenario.spec).map_err(|error| wrong(path, &error))?;
        Ok(scenario)
    }

    fn of_plan(
        source: Source<'_>,
        mut plan: Plan,
        reality: Reality,
    ) -> Result<Self, ScenarioError> {
        let Source { path, text } = source;
        let (file_hash, given_plan_hash) = (hash_of(text.as_bytes()), plan.hash());
        // TLS is not rehearsed: its random bytes would make every run another.
        plan.farm.service_center.scheme = farm::Scheme::Http;
        let plan_hash = plan.hash();
        // The doubles read what the orchestrator reads, by a reader of their own.
        let farm_text =
            toml::to_string(&plan.farm).map_err(|error| wrong(path, &error.to_string()))?;
        let spec = toml::from_str(&farm_text).map_err(|error| wrong(path, &error.to_string()))?;
        let Reality { truth, users, links } = reality;
        let links = Latency { base_ms: links.base_ms, jitter_ms: links.jitter_ms };
        let path = path.to_owned();
        Ok(Self { path, file_hash, given_plan_hash, plan, plan_hash, spec, truth, users, links })
    }

    /// The same without some front-ends, whose zones lose their share of the load; `None` when
    /// there is no plan without them.
    #[must_use]
    pub fn without(&self, names: &[String]) -> Option<Self> {
        if names.is_empty() {
            return Some(self.clone());
        }
        let mut farm = self.plan.farm.clone();
        let goes = |name: &str| names.iter().any(|it| it == name);
        if !names.iter().all(|name| farm.front_ends.iter().any(|it| it.name.as_str() == name))
            || goes(farm.controller.as_str())
        {
            return None;
        }
        let capacity = |farm: &farm::Farm, zone: &farm::Zone| -> u64 {
            let of_zone = farm.front_ends.iter().filter(|it| it.zones.contains(&zone.name));
            of_zone.map(|it| u64::from(it.capacity_rps)).sum()
        };
        let before = farm.clone();
        farm.front_ends.retain(|it| !goes(it.name.as_str()));
        for place in 0..farm.zones.len() {
            let zone = farm.zones[place].clone();
            let (all, left) = (capacity(&before, &zone), capacity(&farm, &zone));
            let load_rps = u64::from(zone.load_rps) * left / all.max(1);
            farm.zones[place].load_rps = u32::try_from(load_rps).expect("it was less than before");
            let curves = farm.load.iter_mut().flat_map(|load| &mut load.zones);
            for curve in curves.filter(|curve| curve.zone == zone.name) {
                let less = |requests: &mut u64| *requests = *requests * left / all.max(1);
                curve.requests_per_slot.iter_mut().for_each(less);
            }
        }
        self.with_farm(farm).ok()
    }

    /// The same with another farm: other servers, loads, roles or policy.
    ///
    /// # Errors
    /// Why there is no plan for it.
    pub fn with_farm(&self, farm: farm::Farm) -> Result<Self, ScenarioError> {
        let path = self.plan.farm_file.clone();
        let loaded = farm::LoadedFarm { farm, path, text_hash: String::new() };
        // How long it takes is known better by who said so than by an estimate.
        let takes = self.plan.window.as_ref().map(|window| window.takes.clone());
        let takes = takes.filter(|takes| takes.parts.is_empty());
        let plan = plan::build_taking(&loaded, self.plan.forced.clone(), takes)
            .map_err(|refusals| unsafe_plan(&self.path, &refusals))?;
        let links = Links { base_ms: self.links.base_ms, jitter_ms: self.links.jitter_ms };
        let source = Source { path: &self.path, text: "" };
        let (truth, users) = (self.truth.clone(), self.users.clone());
        let other = Self::of_plan(source, plan, Reality { truth, users, links })?;
        Ok(Self { file_hash: self.file_hash.clone(), ..other })
    }

    /// What the farm is really like in the run of a seed: what the scenario says, and of the
    /// variants that it leaves open, those that the seed draws.
    #[must_use]
    pub fn truth(&self, keyed: &Keyed) -> Truth {
        merge(&self.truth, keyed).expect("the scenario's truth was checked when it was read")
    }
}

/// The named variants and their values, as `Truth` reads them.
const VARIANTS: [(&str, &[&str]); 6] = [
    ("disable_mode", &["flag", "stops-service", "stops-and-disables-service"]),
    ("soap_version", &["build", "database"]),
    ("old_services", &["cannot-start", "run-on"]),
    ("old_console", &["works", "fails", "stale"]),
    ("idle_word", &["sleeping", "idle"]),
    ("after_start", &["busy-first", "idle-first"]),
];

fn merge(given: &toml::Table, keyed: &Keyed) -> Result<Truth, String> {
    let mut table = toml::Table::new();
    for (name, values) in VARIANTS {
        let drawn = keyed.below("truth", name, 0, values.len() as u64) as usize;
        table.insert(name.into(), values[drawn].into());
    }
    table.insert("start_enables".into(), keyed.ratio("truth", "start_enables", 0, (1, 2)).into());
    table.extend(given.clone());
    table.try_into().map_err(|error: toml::de::Error| format!("[truth]: {error}"))
}

fn plan_of(farm_file: &Path, force: Option<String>) -> Result<Plan, ScenarioError> {
    let loaded = farm::load(farm_file).map_err(|mistakes| ScenarioError(mistakes.report(false)))?;
    plan::build(&loaded, force).map_err(|refusals| unsafe_plan(farm_file, &refusals))
}

fn unsafe_plan(path: &Path, refusals: &[plan::Refusal]) -> ScenarioError {
    let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let forced = match refusals.iter().all(|refusal| refusal.can_be_forced) {
        true => "; `force = \"REASON\"` in a scenario file rehearses it all the same",
        false => "",
    };
    wrong(path, &format!("no plan is safe: {}{forced}", reasons.join("; ")))
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    let unreadable = |error: std::io::Error| wrong(path, &format!("it cannot be read: {error}"));
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(path, &format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn wrong(path: &Path, what: &str) -> ScenarioError {
    ScenarioError(format!("{}: {what}; nothing was run", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenarios() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
    }

    /// Goal: a farm, its scenario and its plan are three ways to one rehearsal. Method: load all
    /// three, the plan from a file that was just written; the same plan comes out.
    #[test]
    fn plan_farm_and_scenario_are_told_apart_by_what_is_in_them() {
        let scenario = Scenario::load(&scenarios().join("tiny.toml")).expect("a scenario");
        let farm = Scenario::load(&scenarios().join("tiny.farm.toml")).expect("a farm");
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("no-matter-what-it-is-called");
        plan::save(&farm.plan, &path).expect("the scratch folder can be written");
        let planned = Scenario::load(&path).expect("a plan");
        assert_eq!(planned.plan.farm, scenario.plan.farm);
        assert_eq!(planned.plan.updating, farm.plan.updating);
        assert_eq!(planned.given_plan_hash, scenario.given_plan_hash);
        assert!(scenario.truth.contains_key("deploy_ms") && farm.truth.is_empty());
    }

    /// Goal: every scenario of the repository can be rehearsed. Method: load each.
    #[test]
    fn scenarios_of_the_repository_load() {
        for name in ["retail", "bank", "tiny", "overloaded"] {
            let path = scenarios().join(format!("{name}.toml"));
            let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.plan.farm.name, name);
        }
    }

    /// Goal: a farm that no plan is safe for is rehearsed only by who says why. Method: the farm
    /// whose load never lets a half carry it, alone and by a scenario with `force`.
    #[test]
    fn an_overloaded_farm_wants_a_reason() {
        let refused = Scenario::load(&scenarios().join("overloaded.farm.toml"));
        let why = refused.expect_err("no plan is safe").to_string();
        assert!(why.contains("no time of day is quiet enough") && why.contains("`force"), "{why}");
        let forced = Scenario::load(&scenarios().join("overloaded.toml")).expect("it says why");
        assert!(forced.plan.forced.is_some() && forced.plan.window.is_none());
        let fewer = forced.without(&["fe-4".into()]).expect("it is still forced");
        let busiest = |it: &Scenario| it.spec.load.as_ref().expect("a load").zones[0].clone();
        let (fewer, all) = (busiest(&fewer), busiest(&forced));
        assert_eq!(fewer.requests_per_slot[0], all.requests_per_slot[0] * 3 / 4);
    }

    /// Goal: seeds draw what a scenario leaves open and nothing else. Method: over many seeds each
    /// variant is met, and what is given never changes.
    #[test]
    fn seeds_draw_the_variants_that_a_scenario_leaves_open() {
        let given: toml::Table = "old_console = \"stale\"\ndeploy_ms = 7".parse().expect("TOML");
        let truths: Vec<Truth> =
            (0..100).map(|seed| merge(&given, &Keyed::new(seed)).expect("a truth")).collect();
        let stale = evenkeel_fakes::truth::OldConsole::Stale;
        assert!(truths.iter().all(|it| it.old_console == stale && it.deploy_ms == 7));
        for enables in [true, false] {
            assert!(truths.iter().any(|it| it.start_enables == enables));
        }
        let modes: std::collections::BTreeSet<String> =
            truths.iter().map(|it| format!("{:?}", it.disable_mode)).collect();
        assert_eq!(modes.len(), 3);
    }

    /// Goal: how requests are shared and served can be said. Method: a scenario that says all of
    /// it; nobody is cut or turned away when it is rehearsed, and drains wait for connections that
    /// stay with their members. A pool that keeps connections of users unknown, and one that is
    /// not there, are mistakes.
    #[test]
    fn users_are_shared_and_served_as_a_scenario_says() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let farm =
            std::fs::read_to_string(scenarios().join("tiny.farm.toml")).expect("it is there");
        let slots: Vec<u64> = vec![9_000; 96];
        let zone = evenkeel::farm::load(&scenarios().join("tiny.farm.toml")).expect("a farm");
        let zone = &zone.farm.zones[0].name;
        let load = format!(
            "\n[load]\nmeasured = \"by hand\"\nslot_minutes = 15\n[[load.zone]]\nzone = \"{zone}\"\n\
             requests_per_slot = {slots:?}\nservice_ms = [[100, 9], [900, 1]]\n\
             keep_alive_gap_ms = [[2_000, 9], [20_000, 1]]\n"
        );
        let scenario = |farm_text: &str, users: &str| {
            std::fs::write(folder.path().join("a.farm.toml"), farm_text).expect("scratch");
            let path = folder.path().join("a.toml");
            std::fs::write(&path, format!("farm = \"a.farm.toml\"\n{users}")).expect("scratch");
            Scenario::load(&path)
        };
        let plain = scenario(&(farm.clone() + &load), "").expect("a scenario");
        let pool = &plain.spec.pools[0].name;
        let users = format!(
            "[users.pool.{pool}]\nbalancing = \"least-connections\"\nslow_start_ms = 10_000\n\
             keep_alive_ms = 5_000\n[users.front_end]\nqueue_max = 200\n"
        );
        let kept = scenario(&(farm.clone() + &load), &users).expect("a scenario");
        assert_eq!(kept.users.pool[pool.as_str()].keep_alive_ms, Some(5_000));
        assert_eq!(kept.users.front_end.queue_max, 200);
        let run = |scenario: &Scenario| {
            let none = crate::nemesis::Source::Drawn(crate::nemesis::Choice::None);
            crate::world::rehearse(crate::world::Order::new(scenario, 1, &none))
        };
        let (plain, kept) = (run(&plain), run(&kept));
        assert_eq!(kept.judgement.violations, []);
        let fates = kept.fates;
        assert!(fates.served > 10_000 && fates.cut + fates.refused == 0, "{fates:?}");
        let (kept_ms, plain_ms) = (kept.simulated_ms, plain.simulated_ms);
        assert!(kept_ms > plain_ms + 15_000, "connections are waited for: {kept_ms}, {plain_ms}");
        let unknown = scenario(&farm, &users).expect_err("nothing is known of its users");
        assert!(unknown.to_string().contains("keep_alive_gap_ms"), "{unknown}");
        let missing = scenario(&farm, "[users.pool.none]\n").expect_err("it is not there");
        assert!(missing.to_string().contains("no such pool"), "{missing}");
    }

    /// Goal: a mistake is named and nothing is run. Method: an unknown key, and a file that is
    /// not there.
    #[test]
    fn mistakes_are_told_with_the_file() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let farm = scenarios().join("tiny.farm.toml");
        let path = folder.path().join("wrong.toml");
        let text = format!("farm = {:?}\n[truth]\nspeed = 9\n", farm.display().to_string());
        std::fs::write(&path, text).expect("the scratch folder can be written");
        let mistake = Scenario::load(&path).expect_err("there is no such truth").to_string();
        assert!(mistake.contains("wrong.toml") && mistake.contains("speed"), "{mistake}");
        let missing = folder.path().join("missing.toml");
        let mistake = Scenario::load(&missing).expect_err("it is not there").to_string();
        assert!(mistake.contains("missing.toml") && mistake.contains("nothing was run"));
    }
}
