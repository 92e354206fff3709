//! What `evenkeel-sim tune` promises: a sweep is decided by its file, values and seeds alone; what hurts
//! users is seen to hurt and not recommended; what is told is told alike everywhere; time that was
//! not simulated is added up right.
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use evenkeel_sim::nemesis::{Choice, Source};
use evenkeel_sim::report::tuning::{Told, csv, html, json};
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::tune::delays::{Delays, Stopwatch};
use evenkeel_sim::tune::figures::{FIGURES, TIME};
use evenkeel_sim::tune::grid::{Grid, Words};
use evenkeel_sim::tune::{Sweep, Tuning};
use evenkeel_sim::world::{Order, rehearse};

fn scenario(name: &str) -> Scenario {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
    Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// The policy's values, and those given.
fn grid(scenario: &Scenario, drain: &str, poll_ms: &str, quiet_ms: &str) -> Grid {
    let words = Words {
        drain: Some(drain),
        poll_ms: Some(poll_ms),
        quiet_ms: Some(quiet_ms),
        soak_ms: None,
        splits: Some("1"),
    };
    Grid::read(&words, &scenario.plan.farm.policy).expect("values that can be read")
}

fn sweep<'a>(
    scenario: &'a Scenario,
    grid: &'a Grid,
    faults: Choice,
    seeds: u64,
    jobs: usize,
) -> Sweep<'a> {
    Sweep {
        scenario,
        grid,
        faults,
        seed_first: 0,
        seeds: NonZeroU64::new(seeds).expect("some seeds"),
        jobs: NonZeroUsize::new(jobs).expect("somebody must do it"),
    }
}

fn run(sweep: &Sweep<'_>) -> Tuning {
    sweep.run(|_| ()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// Goal: the machine decides nothing. Method: one sweep under faults on one thread and on two; the
/// same runs, the same dropped, the same answers to the last byte.
#[test]
fn a_sweep_is_the_same_on_one_thread_and_on_two() {
    let tiny = scenario("tiny");
    let grid = grid(&tiny, "120000,20000:cut", "1000", "2000,5000");
    let told = [1, 2].map(|jobs| {
        let sweep = sweep(&tiny, &grid, Choice::Light, 3, jobs);
        let tuning = run(&sweep);
        let told = Told::new(&sweep, &tuning);
        (csv::csv(&told), json::json(&told), html::html(&told), tuning.clone())
    });
    let [one, two] = told;
    assert!(one == two, "{}\n{}", one.0, two.0);
    assert!(one.3.swept.iter().any(|it| it.dropped.is_some()), "nobody was dropped");
}

/// Goal: a bold setting is seen to hurt, and not recommended. Method: a drain that is cut after six
/// seconds, far below the longest requests, beside the policy's, which waits.
#[test]
fn a_drain_that_is_cut_early_hurts_users_and_is_not_recommended() {
    let tiny = scenario("tiny");
    let grid = grid(&tiny, "120000:wait,6000:cut", "1000", "5000");
    let sweep = sweep(&tiny, &grid, Choice::None, 4, 2);
    let tuning = run(&sweep);
    let [waits, cuts] = &tuning.swept[..] else { panic!("two settings were asked for") };
    assert_eq!(waits.runs.load.iter().map(|run| run.hurt()).sum::<u64>(), 0);
    let cut: u64 = cuts.runs.load.iter().map(|run| run.fates.cut).sum();
    assert!(cut > 0, "requests of up to 90 s were in flight, and none was cut after 6 s");
    let faster = cuts.runs.faster_than_s(&waits.runs).expect("both ended done");
    assert!(faster.mean > 0.0, "what hurts is at least faster: {faster:?}");
    let told = Told::new(&sweep, &tuning);
    assert_eq!(told.choice.place, 0);
    assert!(told.choice.keeps && !told.choice.nobody_clean);
}

/// Goal: one truth in three forms. Method: every figure of every setting in the JSON is the CSV's, and the
/// page has every setting's row, and nothing from elsewhere.
#[test]
fn csv_json_and_page_tell_the_same() {
    let tiny = scenario("tiny");
    let grid = grid(&tiny, "120000,60000:cut", "1000,5000", "5000");
    let sweep = sweep(&tiny, &grid, Choice::Light, 2, 2);
    let tuning = run(&sweep);
    let told = Told::new(&sweep, &tuning);
    let object: serde_json::Value = serde_json::from_str(&json::json(&told)).expect("JSON");
    let tune = &object["tune"];
    let table = csv::csv(&told);
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let heading = lines.next().expect("a heading");
    let column = |key: &str| heading.iter().position(|it| *it == key).expect("a column");
    let soak_ms = tiny.plan.farm.policy.soak_ms.to_string();
    let rows: Vec<Vec<&str>> = lines.filter(|it| it[column("soak_ms")] == soak_ms).collect();
    let settings = tune["settings"].as_array().expect("settings");
    assert_eq!((rows.len(), settings.len()), (tuning.swept.len(), tuning.swept.len()));
    let page = html::html(&told);
    for (row, setting) in rows.iter().zip(settings) {
        assert_eq!(row.len(), heading.len());
        for figure in FIGURES {
            for under in ["load", "faults"] {
                let of_json = setting[under][figure.key]["mean"].as_f64();
                let of_csv = row[column(&format!("{under}_{}", figure.key))];
                let of_json = of_json.map_or(String::new(), |mean| format!("{mean:.4}"));
                assert_eq!(of_csv, of_json, "{} of {setting}", figure.key);
            }
        }
        let place = setting["setting"].as_u64().expect("a place");
        let drain =
            format!("{}:{}", row[column("drain_ms_max")], row[column("drain_after_deadline")]);
        let begins = format!("<td>{place}</td><td>{drain}</td>");
        assert!(page.contains(&begins), "no row begins {begins}");
        let recommended = tune["recommended"]["setting"].as_u64() == Some(place);
        assert_eq!(row[column("recommended")], recommended.to_string());
    }
    for foreign in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "the page has {foreign}");
    }
    assert_eq!(page.matches("<svg role=\"img\"").count(), page.matches("<desc>").count());
}

/// One request in a hundred takes 30 to 90 s: by so much the last ones of two drains may differ.
const LAST_REQUEST_MS: u64 = 60_000;
/// Each half is drained once.
const DRAINS: u64 = 2;

/// Goal: what was left out of a run is added up right. Method: the policy's own setting, its windows
/// alone and the whole upgrade, on two farms under the same seeds; they differ by no more than a poll of
/// jobs for each round of them, and the chance that decides which request is a drain's last.
#[test]
fn time_left_out_is_added_up_to_a_poll_a_round() {
    for (name, seeds) in [("tiny", 2), ("retail", 1)] {
        let scenario = scenario(name);
        let policy = scenario.plan.farm.policy.clone();
        let (drain, poll, quiet) =
            (policy.drain_ms_max, policy.balancer_poll_draining_ms, policy.quiet_window_ms);
        let grid = grid(&scenario, &drain.to_string(), &poll.to_string(), &quiet.to_string());
        let tuning = run(&sweep(&scenario, &grid, Choice::None, seeds, 2));
        let swept = &tuning.swept[0];
        let left_out_ms = i64::try_from(swept.left_out_ms).expect("under a week");
        assert!(left_out_ms > 5 * 60_000, "{name}: only {left_out_ms} ms were left out");
        for (seed, windows) in (0..).zip(&swept.runs.load) {
            let added = TIME.over(std::slice::from_ref(windows), left_out_ms);
            let added_ms = (added.expect("it ended done").mean * 60_000.0).round();
            let whole = rehearse(Order::new(&scenario, seed, &Source::Drawn(Choice::None)));
            let apart_ms = (added_ms - whole.simulated_ms as f64).abs();
            let polls_ms = policy.jobs_poll_ms * tuning.job_rounds;
            let most_ms = (polls_ms + DRAINS * LAST_REQUEST_MS) as f64;
            assert!(
                apart_ms <= most_ms,
                "{name}, seed {seed}: {added_ms} ms added up, {} ms as a whole: {apart_ms} apart, \
                 and {most_ms} is the most",
                whole.simulated_ms
            );
        }
    }
}

/// Goal: bad values are refused all at once, before anything runs. Method: words that cannot be read, then
/// values that no policy may have; and a value that fits only some others costs just those.
#[test]
fn bad_values_are_refused_all_at_once() {
    let tiny = scenario("tiny");
    let policy = &tiny.plan.farm.policy;
    let words = Words {
        drain: Some("60000:jump,x"),
        poll_ms: Some("1s"),
        quiet_ms: Some("5000,5000"),
        soak_ms: Some("-1"),
        splits: Some("0"),
    };
    let mistakes = Grid::read(&words, policy).expect_err("nothing of it can be read");
    assert_eq!(mistakes.len(), 6, "{mistakes:?}");

    let grid = grid(&tiny, "120000,500:cut", "50,1000", "20,5000");
    let refused = sweep(&tiny, &grid, Choice::None, 2, 1).run(|_| panic!("something was run"));
    let mistakes = refused.expect_err("three values are out of range");
    let told = mistakes.join("\n");
    for (key, value) in
        [("drain_ms_max", 500), ("balancer_poll_draining_ms", 50), ("quiet_window_ms", 20)]
    {
        let named = |it: &&String| it.contains(key) && it.contains(&format!("and is {value} "));
        assert_eq!(mistakes.iter().filter(named).count(), 1, "{key} = {value} in {told}");
    }

    let grid = self::grid(&tiny, "120000", "1000,5000", "2000,5000");
    let tuning = run(&sweep(&tiny, &grid, Choice::None, 1, 1));
    assert_eq!((tuning.swept.len(), tuning.invalid), (3, 1), "a window is no shorter than a poll");
}

/// Goal: the stopwatch of the benchmark measures what it says. Method: an undisturbed upgrade of two
/// servers; each is drained and deployed to once, and *quiet* follows the last answer by the window
/// and a few polls.
#[test]
fn the_orchestrator_notices_within_a_few_polls() {
    let tiny = scenario("tiny");
    let stopwatch = Stopwatch::default();
    let witness = Some(Box::new(stopwatch.clone()) as _);
    let source = Source::Drawn(Choice::None);
    let _outcome = rehearse(Order { witness, ..Order::new(&tiny, 0, &source) });
    let Delays { quiet_ms, deployed_ms, death_ms } = stopwatch.delays();
    let policy = &tiny.plan.farm.policy;
    let (window_ms, poll_ms) = (policy.quiet_window_ms, policy.balancer_poll_draining_ms);
    assert_eq!((quiet_ms.len(), deployed_ms.len(), death_ms.len()), (2, 2, 0));
    for ms in quiet_ms {
        assert!((window_ms..=window_ms + 4 * poll_ms).contains(&ms), "quiet after {ms} ms");
    }
    for ms in deployed_ms {
        let most_ms = policy.idle_window_ms + 4 * policy.jobs_poll_ms;
        assert!((policy.idle_window_ms..=most_ms).contains(&ms), "deployed after {ms} ms");
    }
}
