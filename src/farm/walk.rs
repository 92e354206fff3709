//! Walking a TOML document with every value's place at hand, collecting mistakes as it goes.
//!
//! A reader asks a [`Table`] for its keys one by one; a key that is missing, of the wrong type or
//! out of range becomes a mistake and the reader goes on with a stand-in, so that one pass finds
//! everything. What nobody asked for is an unknown key. Stand-ins never leave `farm::read`: with
//! any mistake there is no farm.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;

/// A value with its place.
pub(super) type Value<'d> = Spanned<DeValue<'d>>;

/// What is collected on the way.
#[derive(Default)]
pub(super) struct Walk {
    /// Mistakes found.
    pub(super) mistakes: Vec<Mistake>,
    /// Places of values by path, such as `front_end[3].zones[1]`.
    pub(super) spans: BTreeMap<String, Range<usize>>,
    /// Lists of names by path, in the order of the file.
    pub(super) names: BTreeMap<String, Vec<String>>,
    /// What messages call tables, by path.
    pub(super) called: BTreeMap<String, String>,
    /// Paths of what is missing or of the wrong type: what refers to it cannot be judged.
    pub(super) blurred: BTreeSet<String>,
    /// Places of secrets given in clear.
    pub(super) masked: Vec<Range<usize>>,
    /// The text is not TOML, so that something may look missing that is only unreadable.
    pub(super) torn: bool,
}

impl Walk {
    /// The place of a path, or of the nearest path above it.
    pub(super) fn span(&self, path: &str) -> Range<usize> {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return span.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return 0..0,
            }
        }
    }

    /// Whether anything at or under a path is missing or of the wrong type.
    pub(super) fn is_blurred(&self, path: &str) -> bool {
        let under = |other: &String| {
            let rest = other.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.blurred.iter().any(under)
    }

    /// Whether the names of a list of tables are not all known.
    pub(super) fn names_blurred(&self, kind: &str) -> bool {
        let table = format!("{kind}[");
        let name = |path: &String| path.starts_with(&table) && path.ends_with("].name");
        self.blurred.contains(kind) || self.blurred.iter().any(name)
    }

    /// What messages call the table that a path lies in.
    pub(super) fn owner(&self, path: &str) -> String {
        let mut path = path;
        while let Some(end) = path.rfind('.') {
            path = &path[..end];
            if let Some(called) = self.called.get(path) {
                return called.clone();
            }
        }
        "the farm file".to_owned()
    }

    /// Adds a mistake at a path; one of the file's top level has no place.
    pub(super) fn wrong(&mut self, path: &str, message: String, help: impl Into<String>) {
        match self.span(path) {
            Range { start: 0, end: 0 } => self.mistakes.push(Mistake::of_file(message, help)),
            span => self.mistakes.push(Mistake::at(span, message, help)),
        }
    }

    /// Opens a table.
    pub(super) fn table<'w, 'd>(
        &'w mut self,
        table: &'d DeTable<'d>,
        span: Range<usize>,
        path: &str,
        kind: &str,
    ) -> Table<'w, 'd> {
        self.spans.insert(path.to_owned(), span);
        let name = find(table, "name").and_then(|value| value.get_ref().as_str());
        let called = match name {
            Some(name) => format!("{kind} `{name}`"),
            None => kind.to_owned(),
        };
        self.called.insert(path.to_owned(), called.clone());
        let path = if path.is_empty() { String::new() } else { format!("{path}.") };
        Table { walk: self, table, prefix: path, called, known: BTreeSet::new() }
    }
}

fn find<'d>(table: &'d DeTable<'d>, key: &str) -> Option<&'d Value<'d>> {
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
}

/// A table being read.
pub(super) struct Table<'w, 'd> {
    /// What is collected.
    pub(super) walk: &'w mut Walk,
    table: &'d DeTable<'d>,
    prefix: String,
    called: String,
    known: BTreeSet<&'static str>,
}

impl<'d> Table<'_, 'd> {
    /// A key's path.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What messages call this table.
    pub(super) fn called(&self) -> &str {
        &self.called
    }

    /// A key's value, when it is there and readable.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'d Value<'d>> {
        self.known.insert(key);
        let value = find(self.table, key)?;
        // The parser's stand-in for a value it could not read has no place.
        if value.span() == (0..0) {
            return None;
        }
        self.walk.spans.insert(self.path(key), value.span());
        Some(value)
    }

    /// Adds a mistake when a key is not there.
    pub(super) fn require(&mut self, key: &'static str, meaning: &str) {
        self.known.insert(key);
        if self.walk.torn || find(self.table, key).is_some() {
            return;
        }
        self.walk.blurred.insert(self.path(key));
        let path = self.prefix.trim_end_matches('.').to_owned();
        let message = format!("{} has no `{key}`", self.called);
        self.walk.wrong(&path, message, format!("add `{key}`: {meaning}"));
    }

    /// Adds a mistake about a key's value.
    pub(super) fn wrong(&mut self, key: &str, message: &str, help: impl Into<String>) {
        let message = format!("`{key}` of {} {message}", self.called);
        let path = self.path(key);
        self.walk.wrong(&path, message, help);
    }

    /// Adds a mistake about the type of a key's value.
    pub(super) fn wrong_type(
        &mut self,
        key: &str,
        value: &DeValue<'_>,
        expected: &str,
        meaning: &str,
    ) {
        self.walk.blurred.insert(self.path(key));
        let message = format!("must be {expected}, and is {}", a(value));
        self.wrong(key, &message, format!("`{key}` is {meaning}"));
    }

    /// A text, when it is there.
    pub(super) fn opt_text(&mut self, key: &'static str, meaning: &str) -> Option<String> {
        let value = self.get(key)?.get_ref();
        let text = value.as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a string", meaning);
        }
        text.map(str::to_owned)
    }

    /// A text that must be there; empty when it is not.
    pub(super) fn text(&mut self, key: &'static str, meaning: &str) -> String {
        self.require(key, meaning);
        let text = self.opt_text(key, meaning);
        if text.as_deref() == Some("") {
            self.wrong(key, "is empty", format!("`{key}` is {meaning}"));
        }
        text.unwrap_or_default()
    }

    /// A yes or no.
    pub(super) fn flag(&mut self, key: &'static str, default: bool, meaning: &str) -> bool {
        let Some(value) = self.get(key).map(Spanned::get_ref) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.wrong_type(key, value, "true or false", meaning);
            default
        })
    }

    /// A whole number within a range, when it is there.
    pub(super) fn opt_number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        meaning: &str,
    ) -> Option<u64> {
        let value = self.get(key)?.get_ref();
        let Some(number) = value.as_integer() else {
            self.wrong_type(key, value, "a whole number", meaning);
            return None;
        };
        match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if u64::try_from(number).is_ok_and(|number| range.contains(&number)) => {
                u64::try_from(number).ok()
            }
            _ => {
                let (low, high) = range.into_inner();
                let message = match high {
                    u64::MAX => format!("must be at least {low}"),
                    _ => format!("must be from {low} to {high}"),
                };
                let message = format!("{message}, and is {}", number.as_str());
                self.wrong(key, &message, format!("`{key}` is {meaning}"));
                None
            }
        }
    }

    /// A whole number that must be there; the range's lower end when it is not.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        meaning: &str,
    ) -> u64 {
        self.require(key, meaning);
        let low = *range.start();
        self.opt_number(key, range, meaning).unwrap_or(low)
    }

    /// The same as `u32`.
    pub(super) fn number_u32(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
        meaning: &str,
    ) -> u32 {
        let range = u64::from(*range.start())..=u64::from(*range.end());
        u32::try_from(self.number(key, range, meaning)).expect("the range is one of u32")
    }

    /// One of a few words, when it is there.
    pub(super) fn opt_choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        meaning: &str,
    ) -> Option<T> {
        let text = self.opt_text(key, meaning)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("must be {}, and is `{text}`", either(&list));
            let help = match nearest(&text, &list) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("`{key}` is {meaning}"),
            };
            self.wrong(key, &message, help);
        }
        found.map(|(_, value)| *value)
    }

    /// The same, and it must be there.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        meaning: &str,
    ) -> Option<T> {
        self.require(key, meaning);
        self.opt_choice(key, words, meaning)
    }

    /// A list of texts, each with a path of its own; `None` when it is not there.
    pub(super) fn opt_texts(&mut self, key: &'static str, meaning: &str) -> Option<Vec<String>> {
        let value = self.get(key)?.get_ref();
        let Some(list) = value.as_array() else {
            self.wrong_type(key, value, "a list of strings", meaning);
            return Some(Vec::new());
        };
        let mut texts = Vec::new();
        for item in list {
            let path = format!("{}[{}]", self.path(key), texts.len());
            self.walk.spans.insert(path.clone(), item.span());
            if item.get_ref().as_str().is_none() && item.span() != (0..0) {
                self.walk.blurred.insert(path.clone());
                let found = a(item.get_ref());
                let called = &self.called;
                let message =
                    format!("`{key}` of {called} must be a list of strings, and holds {found}");
                self.walk.wrong(&path, message, format!("`{key}` is {meaning}"));
            }
            texts.push(item.get_ref().as_str().unwrap_or_default().to_owned());
        }
        self.walk.names.insert(self.path(key), texts.clone());
        Some(texts)
    }

    /// A list of texts that must be there.
    pub(super) fn texts(&mut self, key: &'static str, meaning: &str) -> Vec<String> {
        self.require(key, meaning);
        self.opt_texts(key, meaning).unwrap_or_default()
    }

    /// A table whose keys are the user's and whose values are texts.
    pub(super) fn text_map(
        &mut self,
        key: &'static str,
        required: bool,
        meaning: &str,
    ) -> BTreeMap<String, String> {
        if required {
            self.require(key, meaning);
        }
        let Some(value) = self.get(key).map(Spanned::get_ref) else { return BTreeMap::new() };
        let Some(table) = value.as_table() else {
            self.wrong_type(key, value, "a table of strings", meaning);
            return BTreeMap::new();
        };
        let mut map = BTreeMap::new();
        for (name, item) in table {
            let path = format!("{}.{}", self.path(key), name.get_ref());
            self.walk.spans.insert(path.clone(), name.span().start..item.span().end);
            if let Some(text) = item.get_ref().as_str() {
                map.insert(name.get_ref().to_string(), text.to_owned());
            } else {
                self.walk.blurred.insert(path.clone());
                let (name, found) = (name.get_ref(), a(item.get_ref()));
                let called = &self.called;
                let message =
                    format!("`{name}` in `{key}` of {called} must be a string, and is {found}");
                self.walk.wrong(&path, message, format!("`{key}` is {meaning}"));
            }
        }
        map
    }

    /// A table with keys of ours; `None` when it is not there.
    pub(super) fn opt_table(
        &mut self,
        key: &'static str,
        kind: &str,
        meaning: &str,
    ) -> Option<Table<'_, 'd>> {
        let value = self.get(key)?;
        let path = self.path(key);
        match value.get_ref().as_table() {
            Some(table) => Some(self.walk.table(table, value.span(), &path, kind)),
            None => {
                self.wrong_type(key, value.get_ref(), "a table", meaning);
                None
            }
        }
    }

    /// The same, and it must be there.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        kind: &str,
        meaning: &str,
    ) -> Option<Table<'_, 'd>> {
        self.require(key, meaning);
        self.opt_table(key, kind, meaning)
    }

    /// The tables of `[[key]]`, each read by `read`.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        required: bool,
        meaning: &str,
        mut read: impl FnMut(Table<'_, 'd>) -> T,
    ) -> Vec<T> {
        if required {
            self.require(key, &format!("{meaning}, as `[[{key}]]`"));
        }
        let Some(value) = self.get(key).map(Spanned::get_ref) else { return Vec::new() };
        let mut found = Vec::new();
        for item in value.as_array().map(|list| list.iter()).into_iter().flatten() {
            let path = format!("{}[{}]", self.path(key), found.len());
            if let Some(table) = item.get_ref().as_table() {
                found.push(read(self.walk.table(table, item.span(), &path, key)));
            }
        }
        if value.as_array().is_none_or(|list| list.len() != found.len()) {
            self.walk.blurred.insert(self.path(key));
            let help = format!("begin each with `[[{key}]]`, in double brackets: {meaning}");
            self.wrong(key, "must be a list of tables", help);
        }
        found
    }

    /// Ends the table: every key that nobody asked for is unknown.
    pub(super) fn end(self) {
        for (name, value) in self.table {
            if self.known.contains(name.get_ref().as_ref()) {
                continue;
            }
            if self.prefix.ends_with("password.") {
                self.walk.masked.push(value.span());
            }
            let known: Vec<&str> = self.known.iter().copied().collect();
            let help = match nearest(name.get_ref(), &known) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("delete it; {} takes {}", self.called, list(&known)),
            };
            let message = format!("{} has no key `{}`", self.called, name.get_ref());
            self.walk.mistakes.push(Mistake::at(name.span(), message, help));
        }
    }
}

/// A value's type, with its article.
fn a(value: &DeValue<'_>) -> String {
    match value.type_str() {
        found @ ("integer" | "array") => format!("an {found}"),
        found => format!("a {found}"),
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    words
        .iter()
        .map(|word| {
            (strsim::damerau_levenshtein(&text.to_lowercase(), &word.to_lowercase()), *word)
        })
        // A third of the letters may be wrong; beyond that a guess misleads.
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

/// `a`, `b` and `c`, in back-ticks.
pub(super) fn list(words: &[&str]) -> String {
    joined(words, "and")
}

/// `a`, `b` or `c`, in back-ticks.
pub(super) fn either(words: &[&str]) -> String {
    joined(words, "or")
}

fn joined(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".into(),
        Some((only, [])) => only.clone(),
        Some((end, start)) => format!("{} {last} {end}", start.join(", ")),
    }
}
