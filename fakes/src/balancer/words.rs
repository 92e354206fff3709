//! HAProxy's list of commands, and how it guesses what was meant: `cli_gen_usage_msg` of 2.6.
//!
//! A command that is unknown, and one that this double does not model, gets what HAProxy says of
//! unknown commands: the nearest ones by the fingerprints of their words.

/// `help` of the real thing, one command a line, in the order in which HAProxy's files register
/// them: of commands that are equally near, the first ones are shown.
const COMMANDS: &str = include_str!("commands.txt");

/// What `help` adds whatever was asked for.
const ALWAYS: &str = concat!(
    "  help [<command>]                        : list matching or all commands\n",
    "  prompt                                  : toggle interactive mode with prompt\n",
    "  quit                                    : disconnect\n",
);

/// `CLI_MAX_MATCHES`: guesses shown.
const GUESSES_MAX: usize = 5;
/// `CLI_PREFIX_KW_NB`: words of a command that are compared.
const WORDS_MAX: usize = 5;

/// The words a command begins with, up to its first placeholder.
fn keywords(usage: &str) -> impl Iterator<Item = &str> + Clone {
    let left = usage.split_once(": ").map_or(usage, |(left, _)| left);
    left.split_whitespace().take_while(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// Words that a command shares with what was typed, from the first on.
fn shared(usage: &str, typed: &[&str]) -> usize {
    keywords(usage).zip(typed).take_while(|(a, b)| a == *b).count()
}

/// The reply to a command that is not known (`help` is one, with a friendlier heading).
pub(crate) fn unknown(typed: &[&str], out: &mut String) {
    let (is_help, typed) = match typed {
        ["help", rest @ ..] => (true, rest),
        _ => (false, typed),
    };
    let length = COMMANDS.lines().map(|usage| shared(usage, typed)).max().unwrap_or(0);
    out.push_str(if is_help {
        "The following commands are valid at this level:\n"
    } else if typed.is_empty() {
        "Unknown command. Please enter one of the following commands only:\n"
    } else {
        "Unknown command, but maybe one of the following ones is a better match:\n"
    });
    let mut entries = if typed.len() > length { guesses(typed, length) } else { Vec::new() };
    if entries.is_empty() {
        entries = COMMANDS.lines().filter(|usage| shared(usage, typed) == length).collect();
    }
    entries.sort_unstable();
    for usage in entries {
        out.push_str("  ");
        out.push_str(usage);
        out.push('\n');
    }
    out.push_str(ALWAYS);
}

/// The commands nearest to what was typed, by what follows the words that are right.
fn guesses(typed: &[&str], length: usize) -> Vec<&'static str> {
    let mut best: Vec<(u32, &'static str)> = Vec::new();
    for usage in COMMANDS.lines().filter(|usage| shared(usage, typed) == length) {
        let typed_rest = typed.iter().take(WORDS_MAX).skip(length).copied();
        let listed_rest = keywords(usage).take(WORDS_MAX).skip(length);
        let letters: usize = typed_rest.clone().chain(listed_rest.clone()).map(str::len).sum();
        let distance = distance(&fingerprint(typed_rest), &fingerprint(listed_rest));
        if (distance as usize) < 5 * letters / 2 {
            best.push((distance, usage));
        }
    }
    best.sort_by_key(|(distance, _)| *distance);
    best.truncate(GUESSES_MAX);
    let limit = best.first().map_or(0, |(nearest, _)| 5 * nearest / 2);
    best.into_iter().filter(|(distance, _)| *distance <= limit).map(|(_, usage)| usage).collect()
}

/// How often each letter follows each other one: `update_word_fingerprint`.
type Fingerprint = [u8; 1024];

fn fingerprint<'a>(words: impl Iterator<Item = &'a str>) -> Fingerprint {
    let mut print = [0; 1024];
    for word in words {
        let mut from = 28;
        for byte in word.bytes() {
            let to = match byte.to_ascii_lowercase() {
                letter @ b'a'..=b'z' => usize::from(letter - b'a') + 1,
                b'0'..=b'9' => 27,
                _ => 28,
            };
            print[to] = 1;
            bump(&mut print[32 * from + to]);
            from = to;
        }
        bump(&mut print[32 * from + 28]);
    }
    print
}

fn bump(count: &mut u8) {
    *count = count.wrapping_add(1);
}

fn distance(one: &Fingerprint, other: &Fingerprint) -> u32 {
    one.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
}
