//! Secrets given in clear: found, and masked wherever the file's text is shown.
use std::ops::Range;

/// Words that announce a secret.
const WORDS: [&str; 6] = ["password", "passwd", "pwd", "secret", "token", "apikey"];

/// What begins a reference to a secret instead of the secret: a variable of PowerShell or a shell,
/// one of cmd, a placeholder, an expression, a file.
const REFERENCES: [char; 5] = ['$', '%', '{', '(', '@'];

/// Replaces secrets by `*`, byte for byte, so that places stay where they are: what `places` says,
/// and every line whose key announces a secret and whose value is not a table that tells its
/// source.
pub(super) fn mask(text: &str, places: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for place in places.iter().cloned().chain(lines(text)) {
        for byte in &mut bytes[place] {
            if *byte != b'\n' && *byte != b'\r' {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(bytes).expect("places of values begin and end at characters")
}

/// Values of lines whose key announces a secret.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, value)) = line.split_once('=') {
            let value_start = start + key.len() + 1 + (value.len() - value.trim_start().len());
            let key = key.to_lowercase();
            let announced = WORDS.iter().any(|word| key.contains(word));
            let told = value.trim_start().starts_with('{') || value.trim().is_empty();
            if announced && !told && !key.trim_start().starts_with('#') {
                places.push(value_start..start + line.trim_end().len());
            }
        }
        start += line.len();
    }
    places
}

/// Whether an argument of a command template carries a secret in clear: `--password=hunter2`,
/// `-Password hunter2` (also as two arguments), `https://user:hunter2@host`, `sshpass -p hunter2`.
pub(super) fn in_argument(argv: &[String], index: usize) -> bool {
    let argument = &argv[index];
    let before = index.checked_sub(1).map(|before| argv[before].as_str());
    if before.is_some_and(announces) && is_clear(argument) {
        return true;
    }
    let program = argv[0].rsplit(['/', '\\']).next().unwrap_or_default();
    if program.trim_end_matches(".exe") == "sshpass" {
        let attached = argument.strip_prefix("-p").is_some_and(|value| !value.is_empty());
        if index == 1 && attached || index == 2 && before == Some("-p") {
            return true;
        }
    }
    assigned(argument) || user_info(argument)
}

/// `-password`, `--token` and the like, alone.
fn announces(option: &str) -> bool {
    let name = option.trim_start_matches(['-', '/']).to_lowercase();
    name.len() < option.len() && WORDS.contains(&name.replace('-', "").as_str())
}

/// `word=value`, `word:value` or `-word value` within one argument.
fn assigned(argument: &str) -> bool {
    let lower = argument.to_lowercase();
    WORDS.iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            let rest = &lower[at + word.len()..];
            if let Some(value) = rest.trim_start().strip_prefix(['=', ':']) {
                return is_clear(value);
            }
            let option = lower[..at].ends_with(['-', '/']);
            option && rest.starts_with(' ') && is_clear(rest)
        })
    })
}

/// `scheme://user:password@host`.
fn user_info(argument: &str) -> bool {
    argument.match_indices("://").any(|(at, mark)| {
        let authority = argument[at + mark.len()..].split(['/', ' ']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| is_clear(password))
    })
}

/// A value that is the secret itself, not a reference to it.
fn is_clear(value: &str) -> bool {
    let value = value.trim_start().trim_start_matches(['"', '\'']);
    !value.is_empty() && !value.starts_with(REFERENCES) && !value.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(text: &[&str]) -> Vec<String> {
        text.iter().map(|argument| (*argument).to_owned()).collect()
    }

    /// Goal: a secret in a template is found in each of its usual forms, and a reference to one
    /// is not. Method: one argument of each form, clear and referred to.
    #[test]
    fn clear_secrets_are_found_and_references_are_not() {
        for clear in [
            &["x", "--password=hunter2"][..],
            &["x", "-c", "Do-It -Password hunter2"],
            &["x", "--token", "abc"],
            &["sshpass", "-phunter2"],
            &["sshpass", "-p", "hunter2"],
            &["curl", "https://admin:hunter2@host/x"],
        ] {
            let argv = argv(clear);
            assert!((0..argv.len()).any(|index| in_argument(&argv, index)), "{argv:?}");
        }
        for referred in [
            &["x", "--password=$env:PW"][..],
            &["x", "-c", "Do-It -Password $pw"],
            &["x", "--token", "%TOKEN%"],
            &["sshpass", "-e", "ssh"],
            &["curl", "https://host/x"],
            &["x", "--password-file", "/run/pw"],
        ] {
            let argv = argv(referred);
            assert!((0..argv.len()).all(|index| !in_argument(&argv, index)), "{argv:?}");
        }
    }

    /// Goal: a masked text keeps its places and loses its secrets. Method: a file with a
    /// password in a line and one at a given place.
    #[test]
    fn masking_keeps_every_place() {
        let text = "password = \"hünter2\"\nuser = \"admin\"\npassword = { env = \"PW\" }\n";
        let admin = 28..35;
        let masked = mask(text, std::slice::from_ref(&admin));
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("nter2") && !masked.contains("admin"), "{masked}");
        assert!(masked.ends_with("password = { env = \"PW\" }\n"), "{masked}");
    }
}
