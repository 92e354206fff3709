//! A campaign as one page that needs nothing else: no script, no font, no picture from elsewhere.
use std::fmt::Write;

use crate::campaign::coverage::Coverage;
use crate::campaign::{Campaign, Summary, Told};
use crate::nemesis::Choice;
use crate::oracle::sometimes;
use crate::world::clock;

use super::html::{escaped, open, put};
use super::{NOT_REHEARSED, text, verdict};

const STYLE: &str = "\
.box.red{border-left-color:var(--hot)}\
.seeds{display:flex;flex-wrap:wrap;gap:2px}.seeds i{width:9px;height:9px;background:var(--good);opacity:.55}\
.seeds i.held{background:var(--line);opacity:1}.seeds i.aborted{background:var(--soft)}\
.seeds i.violated{background:var(--hot);opacity:1;outline:1px solid var(--ink)}\
.seeds i.part{background:linear-gradient(135deg,var(--good) 50%,var(--line) 50%);opacity:1}\
td.never{color:var(--hot);font-weight:600}summary{cursor:pointer}";

/// Seeds drawn as squares; of more, the first: a campaign's memory does not grow with its seeds.
const SQUARES_MAX: usize = 5_000;
/// Runs with a violation that are told in full; the others are in the replies and in `--json`.
const RED_SHOWN: usize = 20;

/// What is kept of runs for the page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    squares: String,
    seeds: usize,
    red: Vec<(u64, String)>,
}

impl Page {
    /// Takes up a run.
    pub fn take(&mut self, campaign: &Campaign<'_>, told: &Told) {
        let outcome = &told.outcome;
        let is_red = !outcome.judgement.violations.is_empty();
        if is_red && self.red.len() < RED_SHOWN {
            self.red.push((outcome.seed, text::violations(campaign, outcome)));
        }
        self.seeds += 1;
        if self.seeds > SQUARES_MAX {
            return;
        }
        let why = text::why_not_done(outcome);
        let word = verdict(&outcome.verdict);
        let class = match (is_red, word, &why) {
            (true, ..) => "violated",
            (_, "done", Some(_)) => "part",
            (_, "done", None) => "done",
            (_, "aborted", _) => "aborted",
            _ => "held",
        };
        let why = why.map(|why| format!(", {why}")).unwrap_or_default();
        let what =
            format!("seed {}: {word} after {}{why}", outcome.seed, clock(outcome.simulated_ms));
        put(&mut self.squares, &format!("<i class=\"{class}\" title=\"{}\"></i>", escaped(&what)));
    }

    /// The page; `excuses` are sentences, `wall_s` is how long all of it took.
    #[must_use]
    pub fn html(
        &self,
        campaign: &Campaign<'_>,
        summary: &Summary,
        excuses: &[String],
        wall_s: f64,
    ) -> String {
        let farm = &campaign.scenario.plan.farm;
        let mut page = open(&format!("Rehearsal of {}", farm.name), STYLE);
        put(&mut page, &format!("<p>{}</p>", escaped(&subject(campaign))));
        self.verdict(&mut page, campaign, summary);
        self.runs(&mut page);
        reached(&mut page, &summary.coverage, &campaign.faults);
        judged(&mut page, summary, excuses);
        put(&mut page, "<h2>How it was done</h2>");
        let path = &campaign.scenario.path;
        let again =
            super::replay(path, *campaign.seeds.start(), &campaign.faults, campaign.planted);
        put(
            &mut page,
            &format!(
                "<p>The real orchestrator, unchanged, against simulated front-ends, balancer and \
                 Service Center; invariants judged on ground truth at every event. {}. A run is \
                 decided by the file, its seed and the faults alone; the first one again:</p>\n\
                 <pre>{}</pre>",
                escaped(&text::speed(campaign, summary, wall_s)),
                escaped(&again)
            ),
        );
        put(&mut page, &format!("<p>Not rehearsed: {}.</p>", NOT_REHEARSED.join(", ")));
        page.push_str("</body>\n</html>\n");
        page
    }

    fn verdict(&self, page: &mut String, campaign: &Campaign<'_>, summary: &Summary) {
        let gaps = summary.gaps(&campaign.faults);
        let red = summary.violated > 0 || !gaps.is_empty();
        let class = if red { "box red" } else { "box" };
        put(page, &format!("<div class=\"{class}\">"));
        for sentence in text::verdicts(campaign, summary) {
            put(page, &format!("<p>{}</p>", escaped(&sentence)));
        }
        for gap in gaps {
            put(page, &format!("<p>gap: {}</p>", escaped(&gap)));
        }
        put(page, "</div>");
        if summary.violated > 0 {
            put(page, "<h2>What was broken</h2>");
        }
        for (seed, told) in &self.red {
            let (seed, told) = (format!("seed {seed}"), escaped(told.trim()));
            put(page, &format!("<details><summary>{seed}</summary><pre>{told}</pre></details>"));
        }
    }

    fn runs(&self, page: &mut String) {
        put(
            page,
            "<h2>Every run</h2>\n<p class=\"soft\">A square is a seed: green ended done, green \
                   and blue done without a server that was left out, blue held or broke off, grey \
                   was aborted on a person's word, red broke an invariant. Point at one to read it.</p>",
        );
        put(page, &format!("<div class=\"seeds\">\n{}</div>", self.squares));
        if self.seeds > SQUARES_MAX {
            put(page, &format!("<p>The first {SQUARES_MAX} of {} seeds.</p>", self.seeds));
        }
    }
}

fn subject(campaign: &Campaign<'_>) -> String {
    let farm = &campaign.scenario.plan.farm;
    let (first, last) = (campaign.seeds.start(), campaign.seeds.end());
    let planted = campaign
        .planted
        .map(|it| format!("; the bug {} is planted, the guard {}", it.sabotage.name, it.guard));
    format!(
        "{} front-ends, {} to {}; seeds {first} to {last}, faults {}{}; plan {}.",
        farm.front_ends.len(),
        farm.version_from,
        farm.version_to,
        campaign.faults,
        planted.unwrap_or_default(),
        campaign.scenario.given_plan_hash.get(..12).unwrap_or_default(),
    )
}

/// Families by steps, and kinds.
fn reached(page: &mut String, coverage: &Coverage, choice: &Choice) {
    if choice.families().is_empty() {
        return;
    }
    put(
        page,
        "<h2>What struck</h2>\n<p class=\"soft\">Faults that changed something, by family and \
               by the step in which they first did; then seeds in which each kind did.</p>",
    );
    put(
        page,
        "<div class=\"table\"><table>\n<thead><tr><th scope=\"col\">family</th><th scope=\"col\">seeds</th>",
    );
    (1..=9).for_each(|step| put(page, &format!("<th scope=\"col\">step {step}</th>")));
    put(page, "</tr></thead>\n<tbody>");
    let percent = |seeds: u64| seeds * 100 / coverage.seeds.max(1);
    for family in choice.families() {
        let fired = coverage.families.get(&family).copied().unwrap_or(0);
        let cells = coverage.cells.get(&family).copied().unwrap_or_default();
        let most = cells.iter().copied().max().unwrap_or(0).max(1);
        let mut row = String::new();
        for count in cells {
            let share = count * 60 / most;
            let style = format!("background:color-mix(in srgb,var(--hot) {share}%,transparent)");
            write!(row, "<td style=\"{style}\">{count}</td>").expect("a String can be written");
        }
        let (name, fired) = (family.name(), percent(fired));
        put(page, &format!("<tr><td class=\"words\">{name}</td><td>{fired} %</td>{row}</tr>"));
    }
    put(page, "</tbody></table></div>\n<p></p>");
    let kinds = choice.kinds().into_iter().map(|kind| {
        let seeds = coverage.of_kind(kind);
        (kind.name.to_owned(), seeds, format!("{}: {}", kind.family.name(), kind.reason))
    });
    counted(page, "fault", kinds);
}

/// Situations, holds, excuses.
fn judged(page: &mut String, summary: &Summary, excuses: &[String]) {
    let coverage = &summary.coverage;
    put(page, "<h2>Situations that came about</h2>");
    let situations = sometimes::SITUATIONS.iter().map(|(name, sentence)| {
        let seeds = coverage.sometimes.get(name).copied().unwrap_or(0);
        ((*name).to_owned(), seeds, (*sentence).to_owned())
    });
    counted(page, "situation", situations);
    if !coverage.holds.is_empty() {
        put(page, "<h2>What runs held for</h2>");
        let holds = coverage
            .holds
            .iter()
            .map(|(reason, (held, ended))| (reason.clone(), *held, format!("{ended} ended so")));
        counted(page, "reason", holds);
    }
    if coverage.excuses.is_empty() {
        return;
    }
    put(page, "<h2>Where an invariant failed and is allowed to</h2>");
    let all = coverage.excuses.iter().flat_map(|(invariant, faults)| {
        faults.iter().map(move |(fault, seeds)| {
            ((*invariant).to_owned(), *seeds, format!("excused by {fault}"))
        })
    });
    counted(page, "invariant", all);
    put(page, "<details><summary>The first of them</summary><ul>");
    excuses.iter().for_each(|excuse| put(page, &format!("<li>{}</li>", escaped(excuse))));
    put(page, "</ul></details>");
}

/// A table of things, in how many seeds, and what they are.
fn counted(page: &mut String, head: &str, rows: impl Iterator<Item = (String, u64, String)>) {
    put(
        page,
        &format!(
            "<div class=\"table\"><table>\n<thead><tr><th scope=\"col\">{head}</th><th scope=\"col\">seeds</th><th scope=\"col\"></th></tr></thead>\n<tbody>"
        ),
    );
    for (name, seeds, what) in rows {
        let class = if seeds == 0 { " class=\"never\"" } else { "" };
        let (name, what) = (escaped(&name), escaped(&what));
        put(
            page,
            &format!(
                "<tr><td class=\"words\">{name}</td><td{class}>{seeds}</td><td class=\"words\">{what}</td></tr>"
            ),
        );
    }
    put(page, "</tbody></table></div>");
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;

    use crate::sabotage::{GuardSwitch, Planted, Sabotage};
    use crate::scenario::Scenario;

    use super::*;

    /// Goal: the page tells what the campaign found, of which plan, and needs nothing else. Method:
    /// three seeds of the smallest farm, sound and with a bug that breaks an invariant in each; the
    /// plan that was given is another than the one that is played, as it is where TLS is left out.
    #[test]
    fn a_page_tells_what_a_campaign_found_and_needs_nothing_else() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/tiny.toml");
        let mut scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        scenario.given_plan_hash = "0123456789abcdef".repeat(4);
        let bug = Sabotage::named("remove-before-add").expect("it is planted in tests/sabotage.rs");
        for planted in [None, Some(Planted { sabotage: bug, guard: GuardSwitch::Off })] {
            let (jobs, faults) = (NonZeroUsize::MIN, Choice::Full);
            let campaign = Campaign { scenario: &scenario, seeds: 0..=2, faults, planted, jobs };
            let mut page = Page::default();
            let summary = campaign.run(None, |told: &Told| page.take(&campaign, told));
            let html = page.html(&campaign, &summary, &["an excuse <of> it".to_owned()], 1.0);
            assert_eq!(html.matches("<i class=").count(), 3);
            let red = html.matches("<i class=\"violated\"").count() as u64;
            assert_eq!(red, summary.violated);
            assert_eq!(red > 0, planted.is_some(), "{html}");
            assert_eq!(html.contains("box red"), red > 0);
            assert_eq!(html.matches("again: evenkeel-sim rehearse").count() as u64, red);
            assert!(html.contains(&format!("{} with a violation", summary.violated)));
            assert!(!html.contains("<of>"), "words of others are no HTML");
            assert!(html.contains("plan 0123456789ab."), "the plan is the one that was given");
            for foreign in ["<script", "http://", "https://", "src=", "@import", "url("] {
                assert!(!html.contains(foreign), "the page has {foreign}");
            }
        }
    }
}
