//! Which pictures a sweep gets: heat maps and curves through the recommended setting, and the front.
use crate::tune::Swept;
use crate::tune::figures::{Figure, TIME};
use crate::tune::grid::{Drain, Timing, word};
use crate::tune::stats::Estimate;

use super::svg::{self, Curve, Heat, Point, Scatter, Words};
use super::{Told, hurt, shown};

/// Numbers closer than this share of a picture would be written over each other.
const LABEL_APART: f64 = 0.06;

/// An axis: its values in order, as words, and who has each.
struct Axis {
    name: &'static str,
    values: Vec<String>,
    of: fn(&Timing) -> String,
}

/// What a picture shows of a setting.
struct Shown {
    name: &'static str,
    of: fn(&Told<'_>, &Swept) -> Option<Estimate>,
    digits: usize,
}

const TIME_SHOWN: Shown =
    Shown { name: "minutes", of: |told, swept| told.load(&TIME, swept), digits: 2 };
const HURT_SHOWN: Shown = Shown { name: "users hurt", of: |_, swept| hurt(swept), digits: 1 };
const CALLS_SHOWN: Shown =
    Shown { name: "calls a minute", of: |_, swept| swept.runs.calls(), digits: 1 };
const FALSE_QUIET: Shown = Shown {
    name: "share with a false quiet",
    of: |_, swept| {
        let runs = if swept.runs.faults.is_empty() { &swept.runs.load } else { &swept.runs.faults };
        Figure::named("false_quiet").over(runs, 0)
    },
    digits: 2,
};

/// Every picture, each as HTML.
pub(super) fn all(told: &Told<'_>) -> Vec<String> {
    let (drain, poll, quiet) = (drains(told), polls(told), quiets(told));
    let mut pictures = vec![front(told)];
    for shown in [&HURT_SHOWN, &TIME_SHOWN] {
        pictures.push(heat(told, &poll, &quiet, shown, |a, b| a.drain == b.drain));
        pictures.push(heat(told, &poll, &drain, shown, |a, b| a.quiet_ms == b.quiet_ms));
    }
    let same = |but: &'static str| {
        move |a: &Timing, b: &Timing| {
            (but == "drain" || a.drain == b.drain)
                && (but == "poll" || a.poll_ms == b.poll_ms)
                && (but == "quiet" || a.quiet_ms == b.quiet_ms)
        }
    };
    for (axis, shown, but) in [
        (&poll, &CALLS_SHOWN, "poll"),
        (&poll, &TIME_SHOWN, "poll"),
        (&quiet, &TIME_SHOWN, "quiet"),
        (&drain, &HURT_SHOWN, "drain"),
        (&drain, &TIME_SHOWN, "drain"),
        (&drain, &FALSE_QUIET, "drain"),
    ] {
        pictures.extend(curve(told, axis, shown, same(but)));
    }
    pictures
}

fn drains(told: &Told<'_>) -> Axis {
    let of = |timing: &Timing| drain_name(&timing.drain);
    let mut all: Vec<Drain> = told.tuning.swept.iter().map(|it| it.timing.drain).collect();
    all.sort_by_key(|it| (it.ms, it.to_string()));
    all.dedup();
    Axis { name: "drain deadline", values: all.iter().map(drain_name).collect(), of }
}

/// Short enough for five of them below a picture; the table has milliseconds.
fn drain_name(drain: &Drain) -> String {
    let Drain { ms, after } = drain;
    match ms % 1_000 {
        0 => format!("{} s {}", ms / 1_000, word(*after)),
        _ => format!("{ms} ms {}", word(*after)),
    }
}

fn polls(told: &Told<'_>) -> Axis {
    let values = numbers(told, |it| it.poll_ms);
    Axis { name: "poll interval while draining, ms", values, of: |it| it.poll_ms.to_string() }
}

fn quiets(told: &Told<'_>) -> Axis {
    let values = numbers(told, |it| it.quiet_ms);
    Axis { name: "quiet window, ms", values, of: |it| it.quiet_ms.to_string() }
}

fn numbers(told: &Told<'_>, of: impl Fn(&Timing) -> u64) -> Vec<String> {
    let mut all: Vec<u64> = told.tuning.swept.iter().map(|it| of(&it.timing)).collect();
    all.sort_unstable();
    all.dedup();
    all.iter().map(ToString::to_string).collect()
}

/// Settings with the recommended split, and like the recommended one in what the axes leave open.
fn beside<'t>(
    told: &'t Told<'_>,
    alike: impl Fn(&Timing, &Timing) -> bool,
) -> impl Fn(&dyn Fn(&Timing) -> bool) -> Option<&'t Swept> {
    let chosen = told.chosen().timing;
    move |has| {
        let fits = |it: &&Swept| {
            it.timing.split == chosen.split && alike(&it.timing, &chosen) && has(&it.timing)
        };
        told.tuning.swept.iter().find(fits)
    }
}

fn heat(
    told: &Told<'_>,
    x: &Axis,
    y: &Axis,
    shown: &Shown,
    alike: impl Fn(&Timing, &Timing) -> bool,
) -> String {
    let find = beside(told, alike);
    let cell = |x_is: &String, y_is: &String| {
        let swept = find(&|it| (x.of)(it) == *x_is && (y.of)(it) == *y_is)?;
        Some((shown.of)(told, swept)?.mean)
    };
    let rows = y.values.iter().rev();
    let cells = rows.clone().map(|y| x.values.iter().map(|x| cell(x, y)).collect()).collect();
    svg::heat(&Heat {
        words: Words {
            title: format!(
                "{} by poll interval and {}",
                capital(shown.name),
                y.name.trim_end_matches(", ms")
            ),
            x: x.name,
            y: y.name,
        },
        xs: x.values.clone(),
        ys: rows.cloned().collect(),
        cells,
        digits: shown.digits,
    })
}

/// `None` of an axis with one value.
fn curve(
    told: &Told<'_>,
    axis: &Axis,
    shown: &Shown,
    alike: impl Fn(&Timing, &Timing) -> bool,
) -> Option<String> {
    let find = beside(told, alike);
    let point = |value: &String| {
        let swept = find(&|it| (axis.of)(it) == *value)?;
        Some((value.clone(), (shown.of)(told, swept)?))
    };
    let points: Vec<(String, Estimate)> = axis.values.iter().filter_map(point).collect();
    let title = format!("{} by {}", capital(shown.name), axis.name.trim_end_matches(", ms"));
    let words = Words { title, x: axis.name, y: shown.name };
    (points.len() > 1).then(|| svg::curve(&Curve { words, points, digits: shown.digits }))
}

fn front(told: &Told<'_>) -> String {
    let point = |(place, swept): (usize, &Swept)| {
        let (time, calls) = (told.load(&TIME, swept)?, swept.runs.calls()?);
        let class = match place {
            place if place == told.choice.place => "chosen",
            place if told.front.contains(&place) => "front",
            _ => "other",
        };
        let what = format!(
            "setting {place}: {} minutes, {} calls a minute, {} users hurt",
            shown(Some(time), 1),
            shown(Some(calls), 1),
            shown(hurt(swept), 1)
        );
        let label = place.to_string();
        Some(Point { x: time.mean, y: calls.mean, label, what, class })
    };
    let mut points: Vec<Point> = told.tuning.swept.iter().enumerate().filter_map(point).collect();
    // The last is drawn on top.
    points.sort_by_key(|it| ["other", "front", "chosen"].iter().position(|at| *at == it.class));
    label_apart(&mut points);
    let words = Words {
        title: "Time and calls of every setting; the front of time, users hurt and calls"
            .to_owned(),
        x: "minutes of the whole upgrade",
        y: "calls a minute",
    };
    svg::scatter(&Scatter { words, points })
}

/// Leaves numbers only to points that lie apart: the recommended one first, then the front.
fn label_apart(points: &mut [Point]) {
    let range = |of: fn(&Point) -> f64| {
        let (low, high) =
            points.iter().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
                (low.min(it), high.max(it))
            });
        (high - low).max(f64::MIN_POSITIVE)
    };
    let (width, height) = (range(|it| it.x), range(|it| it.y));
    let mut labelled: Vec<(f64, f64)> = Vec::new();
    for point in points.iter_mut().rev() {
        let near = |(x, y): &(f64, f64)| {
            (point.x - x).abs() < width * LABEL_APART && (point.y - y).abs() < height * LABEL_APART
        };
        if point.class == "other" || labelled.iter().any(near) {
            point.label.clear();
        } else {
            labelled.push((point.x, point.y));
        }
    }
}

fn capital(words: &str) -> String {
    words.get(..1).unwrap_or_default().to_uppercase() + words.get(1..).unwrap_or_default()
}
