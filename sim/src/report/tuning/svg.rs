//! Three kinds of pictures as inline SVG: a heat map, a curve with its band, a scatter.
//!
//! Colours are the page's variables, so that they follow light and dark; every picture has a title and a
//! description for whoever does not see it.
use std::fmt::Write;

use crate::report::html::escaped;
use crate::tune::stats::Estimate;

/// Width and height of a picture.
const SIZE: (f64, f64) = (430.0, 290.0);
/// Space for axis words: left, top, right, bottom.
const EDGE: (f64, f64, f64, f64) = (94.0, 12.0, 14.0, 52.0);
/// Steps of a scale with numbers.
const TICKS: u32 = 4;
/// The faintest and the strongest colour of a cell: what is written on it stays legible.
const FILL: (f64, f64) = (0.06, 0.62);

/// A picture's words.
pub(super) struct Words {
    pub(super) title: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
}

/// A table of colours; `None` where there is no such setting.
pub(super) struct Heat {
    pub(super) words: Words,
    pub(super) xs: Vec<String>,
    pub(super) ys: Vec<String>,
    /// By row, then by column.
    pub(super) cells: Vec<Vec<Option<f64>>>,
    pub(super) digits: usize,
}

/// A line with its 95 % band, over values of an axis.
pub(super) struct Curve {
    pub(super) words: Words,
    pub(super) points: Vec<(String, Estimate)>,
    pub(super) digits: usize,
}

/// A point of a scatter.
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The number written beside it; empty for none.
    pub(super) label: String,
    /// What is said of it.
    pub(super) what: String,
    /// Its class: how it is drawn.
    pub(super) class: &'static str,
}

pub(super) struct Scatter {
    pub(super) words: Words,
    pub(super) points: Vec<Point>,
}

pub(super) fn heat(heat: &Heat) -> String {
    let mut svg = open(&heat.words, &described(heat));
    let (low, high) = span(heat.cells.iter().flatten().flatten().copied());
    let (width, height) = inner();
    let (w, h) = (width / count(heat.xs.len()), height / count(heat.ys.len()));
    for (row, (name, cells)) in heat.ys.iter().zip(&heat.cells).enumerate() {
        let y = EDGE.1 + h * count(row);
        text(&mut svg, EDGE.0 - 8.0, y + h / 2.0 + 4.0, "end", name);
        for (column, cell) in cells.iter().enumerate() {
            let x = EDGE.0 + w * count(column);
            let (share, words) = match cell {
                None => (0.0, "–".to_owned()),
                Some(value) => {
                    let share = if high > low { (value - low) / (high - low) } else { 0.0 };
                    (FILL.0 + (FILL.1 - FILL.0) * share, format!("{value:.*}", heat.digits))
                }
            };
            put(
                &mut svg,
                &format!(
                    "<rect class=\"cell\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" \
                     fill-opacity=\"{share:.2}\"/>"
                ),
            );
            text(&mut svg, x + w / 2.0, y + h / 2.0 + 4.0, "middle", &words);
        }
    }
    for (column, name) in heat.xs.iter().enumerate() {
        let x = EDGE.0 + w * (count(column) + 0.5);
        text(&mut svg, x, SIZE.1 - EDGE.3 + 18.0, "middle", name);
    }
    close(svg)
}

pub(super) fn curve(curve: &Curve) -> String {
    // Nothing that is drawn can be below zero, whatever Student's interval says.
    let low_of = |it: &Estimate| it.low.unwrap_or(it.mean).max(0.0);
    let high_of = |it: &Estimate| it.high.unwrap_or(it.mean);
    let all = curve.points.iter().flat_map(|(_, it)| [it.mean, low_of(it), high_of(it)]);
    let scale = Scale::of(all);
    let said: Vec<String> = curve
        .points
        .iter()
        .map(|(x, it)| format!("{x}: {}", super::shown(Some(*it), curve.digits)))
        .collect();
    let mut svg = open(&curve.words, &said.join("; "));
    scale.rows(&mut svg, curve.digits);
    let step = inner().0 / count(curve.points.len());
    let x = |place: usize| EDGE.0 + step * (count(place) + 0.5);
    let y = |value: f64| scale.at(value);
    let line = |of: &dyn Fn(&Estimate) -> f64| -> Vec<String> {
        let points = curve.points.iter().enumerate();
        points.map(|(place, (_, it))| format!("{:.1},{:.1}", x(place), y(of(it)))).collect()
    };
    let high = line(&high_of);
    let mut low = line(&low_of);
    low.reverse();
    let band = [high, low].concat().join(" ");
    put(&mut svg, &format!("<polygon class=\"band\" points=\"{band}\"/>"));
    let means = line(&|it| it.mean).join(" ");
    put(&mut svg, &format!("<polyline class=\"line\" points=\"{means}\"/>"));
    for (place, (name, it)) in curve.points.iter().enumerate() {
        let (x, y) = (x(place), y(it.mean));
        let what = format!("{name}: {}", super::shown(Some(*it), curve.digits));
        dot(&mut svg, x, y, "dot", &what);
        text(&mut svg, x, SIZE.1 - EDGE.3 + 18.0, "middle", name);
    }
    close(svg)
}

pub(super) fn scatter(scatter: &Scatter) -> String {
    let across = Scale::of(scatter.points.iter().map(|it| it.x));
    let scale = Scale::of(scatter.points.iter().map(|it| it.y));
    let said: Vec<&str> = scatter.points.iter().map(|it| it.what.as_str()).collect();
    let mut svg = open(&scatter.words, &said.join("; "));
    scale.rows(&mut svg, 0);
    let (width, _) = inner();
    for tick in 0..=TICKS {
        let share = f64::from(tick) / f64::from(TICKS);
        let value = across.low + (across.high - across.low) * share;
        let words = format!("{value:.1}");
        text(&mut svg, EDGE.0 + width * share, SIZE.1 - EDGE.3 + 18.0, "middle", &words);
    }
    for point in &scatter.points {
        let share = (point.x - across.low) / (across.high - across.low);
        let (x, y) = (EDGE.0 + width * share, scale.at(point.y));
        dot(&mut svg, x, y, point.class, &point.what);
        if !point.label.is_empty() {
            text(&mut svg, x + 7.0, y - 6.0, "start", &point.label);
        }
    }
    close(svg)
}

/// From values to heights.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// A twentieth of room at both ends; something to divide by where all values are equal.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = span(values);
        let room = if high > low { (high - low) / 20.0 } else { (high.abs() / 20.0).max(0.5) };
        // A count does not go below zero, whatever its interval says.
        let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        Self { low: (low - room).max(floor), high: high + room }
    }

    fn at(&self, value: f64) -> f64 {
        EDGE.1 + inner().1 * (1.0 - (value - self.low) / (self.high - self.low))
    }

    fn rows(&self, svg: &mut String, digits: usize) {
        for tick in 0..=TICKS {
            let value = self.low + (self.high - self.low) * f64::from(tick) / f64::from(TICKS);
            let (y, right) = (self.at(value), SIZE.0 - EDGE.2);
            put(
                svg,
                &format!(
                    "<line class=\"grid\" x1=\"{}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>",
                    EDGE.0
                ),
            );
            text(svg, EDGE.0 - 8.0, y + 4.0, "end", &format!("{value:.digits$}"));
        }
    }
}

fn described(heat: &Heat) -> String {
    let row = |(name, cells): (&String, &Vec<Option<f64>>)| {
        let said: Vec<String> = heat
            .xs
            .iter()
            .zip(cells)
            .filter_map(|(x, cell)| Some(format!("{x}: {:.*}", heat.digits, (*cell)?)))
            .collect();
        format!("{} {name}: {}", heat.words.y, said.join(", "))
    };
    heat.ys.iter().zip(&heat.cells).map(row).collect::<Vec<_>>().join("; ")
}

fn open(words: &Words, description: &str) -> String {
    let (title, x, y) = (escaped(&words.title), escaped(words.x), escaped(words.y));
    let (width, height) = SIZE;
    let mut svg = format!(
        "<figure><figcaption>{title}</figcaption>\n<svg role=\"img\" viewBox=\"0 0 {width} {height}\">\
         <title>{title}</title><desc>{}</desc>\n",
        escaped(description)
    );
    let (w, h) = inner();
    text(&mut svg, EDGE.0 + w / 2.0, height - 10.0, "middle", &x);
    let (at_x, at_y) = (16.0, EDGE.1 + h / 2.0);
    put(
        &mut svg,
        &format!(
            "<text text-anchor=\"middle\" transform=\"translate({at_x} {at_y:.1}) rotate(-90)\">{y}</text>"
        ),
    );
    svg
}

fn close(svg: String) -> String {
    svg + "</svg></figure>\n"
}

fn dot(svg: &mut String, x: f64, y: f64, class: &str, what: &str) {
    let what = escaped(what);
    put(
        svg,
        &format!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{what}</title></circle>"
        ),
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escaped(words);
    put(svg, &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"));
}

fn put(svg: &mut String, element: &str) {
    writeln!(svg, "{element}").expect("a String can be written");
}

/// The least and the greatest; 0 and 0 of none.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let widened = |span: Option<(f64, f64)>, value: f64| {
        let (low, high) = span.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    };
    values.filter(|it| it.is_finite()).fold(None, widened).unwrap_or((0.0, 0.0))
}

fn inner() -> (f64, f64) {
    (SIZE.0 - EDGE.0 - EDGE.2, SIZE.1 - EDGE.1 - EDGE.3)
}

fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("an axis has few values"))
}
