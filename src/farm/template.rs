//! Command templates: program, placeholders, no secrets.
use super::read_parts::clear_arguments;
use super::walk::{Table, either, nearest};

/// Placeholders of every verb.
const OF_EVERY_VERB: [&str; 2] = ["server", "address"];
/// Placeholders that a verb has besides.
fn of_verb(verb: &str) -> &'static [&'static str] {
    match verb {
        "start" => &["job", "kind", "version"],
        "job" => &["job"],
        _ => &[],
    }
}

/// Reads a verb's template.
pub(super) fn read(t: &mut Table<'_, '_>, verb: &'static str, does: &str) -> Vec<String> {
    let meaning = format!("program and arguments, as a list, of the command that {does}");
    let argv = t.texts(verb, &meaning);
    if let Some(program) = argv.first() {
        if program.trim().is_empty() {
            t.wrong(verb, "has no program", "the first of the list is the program");
        } else if program.contains('{') {
            let help = "only arguments may have placeholders";
            t.wrong(verb, "has a placeholder in its program", help);
        }
        clear_arguments(t, verb, &argv);
    } else if t.get(verb).is_some_and(|value| value.get_ref().is_array()) {
        t.wrong(verb, "has no program", format!("`{verb}` is {meaning}"));
    }
    let known: Vec<&str> = OF_EVERY_VERB.iter().chain(of_verb(verb)).copied().collect();
    for (index, argument) in argv.iter().enumerate().skip(1) {
        for name in placeholders(argument) {
            if known.contains(&name) {
                continue;
            }
            let path = format!("{}[{index}]", t.path(verb));
            let message = format!("`{verb}` of host has no placeholder `{{{name}}}`");
            let help = match nearest(name, &known) {
                Some(word) => format!("did you mean `{{{word}}}`?"),
                None => {
                    let braced: Vec<String> =
                        known.iter().map(|word| format!("{{{word}}}")).collect();
                    let braced: Vec<&str> = braced.iter().map(String::as_str).collect();
                    format!("use {}, or write it without braces", either(&braced))
                }
            };
            t.walk.wrong(&path, message, help);
        }
    }
    argv
}

/// The placeholders of an argument: a lower-case word in braces. `${name}` is a shell's variable,
/// and braces around anything else are the command's own (PowerShell blocks).
pub(crate) fn placeholders(argument: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in argument.match_indices('{') {
        let Some((name, _)) = argument[at + 1..].split_once('}') else { continue };
        let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if word && !argument[..at].ends_with('$') {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the command's own braces are left alone. Method: arguments of shells and PowerShell.
    #[test]
    fn only_words_in_braces_are_placeholders() {
        assert_eq!(placeholders("-Job {job} -Kind {kind}"), ["job", "kind"]);
        assert_eq!(placeholders("& { Get-Item $_ } ${home} {} {A} {{server}}"), ["server"]);
        assert!(placeholders("{").is_empty());
    }
}
