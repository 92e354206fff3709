//! A sweep as one page that needs nothing else: no script, no font, no picture from elsewhere.
use crate::report::NOT_REHEARSED;
use crate::report::html::{escaped, open, put};
use crate::tune::figures::{Figure, TIME};

use super::{Told, fate, hurt, picture, shown, split_name};

const STYLE: &str = "\
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(22em,1fr));gap:1.2em}\
figure{margin:0;border:1px solid var(--edge);padding:.6em}figcaption{font-weight:600;font-size:.92em}\
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:var(--ink)}\
.cell{fill:var(--hot);stroke:var(--edge)}.grid{stroke:var(--edge)}\
.band{fill:var(--line);fill-opacity:.2}.line{fill:none;stroke:var(--line);stroke-width:2}.dot{fill:var(--line)}\
.other{fill:var(--soft);fill-opacity:.45}.front{fill:var(--line)}.chosen{fill:var(--good)}\
tr.chosen td{font-weight:600}tr.dropped td{color:var(--soft)}";

/// Figures that the table has besides time, users hurt and calls.
const SHOWN: [&str; 8] = [
    "cut",
    "refused",
    "failed",
    "met_upgrade",
    "balancer_calls_busiest_min",
    "console_calls_per_min",
    "false_quiet",
    "false_done",
];

/// The page.
#[must_use]
pub fn html(told: &Told<'_>) -> String {
    let title = format!("Drain and poll timing of {}", told.sweep.scenario.plan.farm.name);
    let mut page = open(&title, STYLE);
    let farm = &told.sweep.scenario.plan.farm;
    put(
        &mut page,
        &format!(
            "<p>{} front-ends, {} to {}; seeds {} to {}, faults {}.</p>",
            farm.front_ends.len(),
            farm.version_from,
            farm.version_to,
            told.sweep.seed_first,
            told.sweep.seed_first + told.sweep.seeds.get() - 1,
            escaped(&told.sweep.faults.to_string())
        ),
    );
    put(&mut page, "<h2>Recommended</h2>\n<div class=\"box\">");
    put(&mut page, &format!("<p>Setting {}. {}</p>", told.choice.place, paragraph(&told.why())));
    put(&mut page, &format!("<pre>{}</pre>\n</div>", escaped(&told.toml())));
    put(&mut page, "<h2>Pictures</h2>");
    put(
        &mut page,
        "<p class=\"soft\">Heat maps and curves go through the recommended setting: what an axis \
         does not vary is as there. Settings that were dropped are drawn from the seeds they had. \
         Users hurt are those of an upgrade under load and of one under faults together. Bands are \
         95 % intervals. Among all settings, the green one is recommended, blue ones are on the front of time, \
         users hurt and calls. Point at a dot to read it.</p>",
    );
    put(&mut page, "<div class=\"pictures\">");
    picture::all(told).iter().for_each(|picture| page.push_str(picture));
    put(&mut page, "</div>\n<h2>Every setting</h2>");
    table(&mut page, told);
    soaks(&mut page, told);
    put(&mut page, "<h2>How it was done</h2>\n<ul>");
    for sentence in told.method() {
        put(&mut page, &format!("<li>{}</li>", escaped(&sentence)));
    }
    let not = NOT_REHEARSED.join(", ");
    put(&mut page, &format!("</ul>\n<p>Not rehearsed: {not}.</p>\n</body>\n</html>"));
    page
}

fn paragraph(sentences: &[String]) -> String {
    escaped(&sentences.join(" "))
}

/// Under load and under faults, where both were run: one value above the other would be two rows to
/// compare; a cell has both.
fn table(page: &mut String, told: &Told<'_>) {
    let figures: Vec<&Figure> = SHOWN.iter().map(|key| Figure::named(key)).collect();
    put(
        page,
        "<p class=\"soft\">A cell with a bar between two values: under load | under faults.</p>",
    );
    put(page, "<div class=\"table\"><table>\n<thead><tr>");
    for name in [
        "no",
        "drain",
        "poll",
        "quiet",
        "split",
        "seeds",
        "minutes",
        "users hurt",
        "calls a minute",
    ] {
        put(page, &format!("<th scope=\"col\">{name}</th>"));
    }
    for figure in &figures {
        let (key, words) = (figure.key.replace('_', " "), figure.words);
        put(page, &format!("<th scope=\"col\" title=\"{words}\">{key}</th>"));
    }
    put(page, "<th scope=\"col\">dropped</th></tr></thead>\n<tbody>");
    for (place, swept) in told.tuning.swept.iter().enumerate() {
        let class = match place {
            place if place == told.choice.place => "chosen",
            _ if swept.dropped.is_some() => "dropped",
            _ => "kept",
        };
        let timing = swept.timing;
        let mut cells = vec![
            place.to_string(),
            timing.drain.to_string(),
            timing.poll_ms.to_string(),
            timing.quiet_ms.to_string(),
            split_name(timing.split),
            swept.runs.load.len().to_string(),
            shown(told.load(&TIME, swept), 1),
            shown(hurt(swept), 1),
            shown(swept.runs.calls(), 1),
        ];
        cells.extend(figures.iter().map(|figure| {
            let means = [&swept.runs.load, &swept.runs.faults].into_iter().filter_map(|runs| {
                let digits = figure.digits;
                Some(format!("{:.digits$}", figure.over(runs, 0)?.mean))
            });
            means.collect::<Vec<_>>().join(" | ")
        }));
        let cells: String =
            cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
        let fate = fate(swept);
        put(page, &format!("<tr class=\"{class}\">{cells}<td class=\"words\">{fate}</td></tr>"));
    }
    put(page, "</tbody></table></div>");
}

fn soaks(page: &mut String, told: &Told<'_>) {
    put(
        page,
        "<h2>Soak</h2>\n<p>The recommended setting with each soak, which is time alone here:</p>\n<ul>",
    );
    for soak_ms in told.soaks_ms() {
        let chosen = told.chosen();
        let time = TIME.over(&chosen.runs.load, told.left_out_ms(chosen, soak_ms));
        let minutes = shown(time, 1);
        put(page, &format!("<li>{} s: {minutes} minutes</li>", soak_ms / 1_000));
    }
    put(page, "</ul>");
}
