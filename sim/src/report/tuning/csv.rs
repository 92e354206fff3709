//! A sweep as comma-separated values: a row for each timing with each soak.
use std::fmt::Write;

use crate::tune::figures::FIGURES;
use crate::tune::grid::word;
use crate::tune::race::Dropped;
use crate::tune::stats::Estimate;

use super::Told;

/// The table with its heading. Nothing in it wants quotes: numbers and words of ours.
#[must_use]
pub fn csv(told: &Told<'_>) -> String {
    let mut text = heading();
    for (place, swept) in told.tuning.swept.iter().enumerate() {
        let timing = swept.timing;
        let (round, why) = match swept.dropped {
            None => (String::new(), String::new()),
            Some((round, Dropped::Beaten { by })) => (round.to_string(), format!("beaten by {by}")),
            Some((round, Dropped::Halved)) => (round.to_string(), "worse half".to_owned()),
        };
        for soak_ms in told.soaks_ms() {
            let recommended = place == told.choice.place && soak_ms == told.soaks_ms()[0];
            write!(
                text,
                "{place},{},{},{},{},{},{},{soak_ms},{},{round},{why},{},{recommended}",
                timing.split,
                timing.drain.ms,
                word(timing.drain.after),
                timing.poll_ms,
                timing.calm_poll_ms,
                timing.quiet_ms,
                swept.runs.load.len(),
                told.front.contains(&place),
            )
            .expect("a String can be written");
            for (_, figures) in told.figures(swept, soak_ms) {
                figures.iter().for_each(|(_, estimate)| cells(&mut text, *estimate));
            }
            text.push('\n');
        }
    }
    text
}

fn heading() -> String {
    let mut text = "setting,split,drain_ms_max,drain_after_deadline,balancer_poll_draining_ms,\
                    balancer_poll_ms,quiet_window_ms,soak_ms,seeds,dropped_round,dropped_why,front,\
                    recommended"
        .to_owned();
    for under in ["load", "faults"] {
        for figure in FIGURES {
            let key = figure.key;
            write!(text, ",{under}_{key},{under}_{key}_low,{under}_{key}_high")
                .expect("a String can be written");
        }
    }
    text.push('\n');
    text
}

fn cells(text: &mut String, estimate: Option<Estimate>) {
    let values = match estimate {
        None => [None; 3],
        Some(Estimate { mean, low, high, .. }) => [Some(mean), low, high],
    };
    for value in values {
        let cell = value.map_or(String::new(), |value| format!("{value:.4}"));
        write!(text, ",{cell}").expect("a String can be written");
    }
}
