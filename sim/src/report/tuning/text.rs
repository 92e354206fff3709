//! A sweep for people: a table of those that were not dropped, the recommendation, and how it came about.
use std::fmt::Write;

use crate::report::NOT_REHEARSED;
use crate::tune::choose;
use crate::tune::figures::TIME;

use super::{Told, fate, hurt, shown, split_name};

/// The answer on stdout.
#[must_use]
pub fn text(told: &Told<'_>, wall_s: f64) -> String {
    let mut text = String::new();
    let farm = &told.sweep.scenario.plan.farm;
    line(
        &mut text,
        &format!(
            "{}: farm {}, {} front-ends; seeds {} to {}, faults {}",
            told.sweep.scenario.path.display(),
            farm.name,
            farm.front_ends.len(),
            told.sweep.seed_first,
            told.sweep.seed_first + told.sweep.seeds.get() - 1,
            told.sweep.faults
        ),
    );
    told.method().iter().for_each(|sentence| line(&mut text, sentence));
    table(&mut text, told);
    line(&mut text, "\nrecommended:");
    told.why().iter().for_each(|sentence| line(&mut text, sentence));
    line(&mut text, &format!("\n{}", told.toml()));
    line(&mut text, &format!("{} runs in {wall_s:.0} s", told.tuning.runs));
    line(&mut text, &format!("not rehearsed: {}", NOT_REHEARSED.join(", ")));
    text
}

fn table(text: &mut String, told: &Told<'_>) {
    line(
        text,
        &format!(
            "\n{:>4}  {:<12} {:>6} {:>6}  {:<7} {:>5}  {:<24} {:<20} {:<22} {}",
            "no",
            "drain",
            "poll",
            "quiet",
            "split",
            "seeds",
            "minutes",
            "users hurt",
            "calls a minute",
            ""
        ),
    );
    let finalists = choose::finalists(told.tuning);
    for place in &finalists {
        let swept = &told.tuning.swept[*place];
        let mut marks = Vec::new();
        if *place == 0 {
            marks.push("present policy".to_owned());
        }
        if told.front.contains(place) {
            marks.push("front".to_owned());
        }
        if *place == told.choice.place {
            marks.push("recommended".to_owned());
        }
        if swept.runs.wronged() {
            marks.push("false claim or broken invariant".to_owned());
        }
        let timing = swept.timing;
        line(
            text,
            format!(
                "{place:>4}  {:<12} {:>6} {:>6}  {:<7} {:>5}  {:<24} {:<20} {:<22} {}",
                timing.drain.to_string(),
                timing.poll_ms,
                timing.quiet_ms,
                split_name(timing.split),
                swept.runs.load.len(),
                shown(told.load(&TIME, swept), 1),
                shown(hurt(swept), 1),
                shown(swept.runs.calls(), 1),
                marks.join(", "),
            )
            .trim_end(),
        );
    }
    let dropped = told.tuning.swept.iter().filter(|it| !fate(it).is_empty()).count();
    line(
        text,
        &format!("{dropped} were dropped on the way: --json, --csv and --report have them all"),
    );
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("a String can be written");
}
