//! What a campaign reached, for people: families by steps, situations, holds, excuses.
use std::fmt::Write as _;

use crate::campaign::coverage::Coverage;
use crate::nemesis::{Choice, atlas};
use crate::oracle::sometimes;

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
        let of = coverage.seeds;
        line(&format!("the atlas trimmed {seeds} of {of} seeds by {}: {}", entry.name, entry.why));
    }
    text.push_str(&judged(coverage));
    text
}

/// Which situations came about, for what runs held, which excuses they needed: in how many seeds.
fn judged(coverage: &Coverage) -> String {
    let mut text = String::new();
    let mut line = |words: &str| writeln!(text, "{words}").expect("a String can be written");
    line(&format!("\n{:<28}{:>6}", "sometimes", "seeds"));
    for (name, sentence) in sometimes::SITUATIONS {
        let seeds = coverage.sometimes.get(name).copied().unwrap_or(0);
        line(&format!("  {name:<26}{seeds:>6}  {sentence}"));
    }
    if !coverage.holds.is_empty() {
        line(&format!("\n{:<28}{:>6}{:>10}", "held for", "seeds", "ended so"));
        for (reason, (held, ended)) in &coverage.holds {
            line(&format!("  {reason:<26}{held:>6}{ended:>10}"));
        }
    }
    if !coverage.excuses.is_empty() {
        line(&format!("\n{:<28}{:>6}", "excused, by the fault", "seeds"));
        for (invariant, faults) in &coverage.excuses {
            line(&format!("  {invariant}"));
            for (fault, seeds) in faults {
                line(&format!("    {fault:<24}{seeds:>6}"));
            }
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
