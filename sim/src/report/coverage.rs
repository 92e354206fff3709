//! The table of families by steps, for people.
use std::fmt::Write as _;

use crate::campaign::coverage::Coverage;
use crate::nemesis::{Choice, atlas};

/// Which faults changed something in which step, how many seeds each fired in, what the atlas
/// trimmed.
#[must_use]
pub fn text(coverage: &Coverage, choice: &Choice) -> String {
    let mut text = String::new();
    let mut line = |words: &str| writeln!(text, "{words}").expect("a String can be written");
    if choice.families().is_empty() {
        return text;
    }
    let percent = |seeds: u64| seeds * 100 / coverage.seeds.max(1);
    let steps: String = (1..=9).map(|step| format!("{step:>6}")).collect();
    line(&format!("\nfaults that changed something, by step{:>9}{steps}", "seeds"));
    for family in choice.families() {
        let fired = coverage.families.get(&family).copied().unwrap_or(0);
        let cells = coverage.cells.get(&family).copied().unwrap_or_default();
        let cells: String = cells.iter().map(|count| format!("{count:>6}")).collect();
        let share = format!("{} %", percent(fired));
        line(&format!("  {:<36}{share:>9}{cells}", family.name()));
        let kinds = choice.kinds().into_iter().filter(|kind| kind.family == family);
        let kinds: Vec<String> =
            kinds.map(|kind| format!("{} {}", kind.name, coverage.of_kind(kind))).collect();
        for words in wrap(&kinds) {
            line(&format!("      {words}"));
        }
    }
    for entry in atlas::ENTRIES {
        let seeds = coverage.trimmed.get(entry.name).copied().unwrap_or(0);
        if seeds > 0 {
            let share = percent(seeds);
            line(&format!("the atlas trimmed {share} % of seeds by {}: {}", entry.name, entry.why));
        }
    }
    text
}

/// Words with commas, in lines of a terminal's width.
fn wrap(words: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 90 => {
                line.push_str(", ");
                line.push_str(word);
            }
            _ => lines.push(word.clone()),
        }
    }
    lines
}
