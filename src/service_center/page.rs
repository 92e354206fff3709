//! Reading the console's pages: tables by the text of their headers, forms as a browser would post
//! them. Ids and layout are the product's business and differ between its versions.
use scraper::{ElementRef, Html};

use super::ConsoleError;

/// How much of a page's end is searched for its closing tag: monitoring products append scripts.
const END_BYTES: usize = 4096;

/// Characters of a sentence that an error repeats.
const SENTENCE_CHARS_MAX: usize = 200;

/// A parsed page and the path it came from.
pub(super) struct Page {
    html: Html,
    /// Where it came from; links on it are relative to this.
    pub(super) path: String,
}

/// A table's data rows, and where the wanted columns are in each.
pub(super) struct Table<'a, const N: usize> {
    rows: Vec<Vec<ElementRef<'a>>>,
    at: [usize; N],
}

/// A form as a browser would post it.
#[derive(Debug)]
pub(super) struct Form {
    /// Where it is posted to, resolved.
    pub(super) action: String,
    /// Names and values of everything but buttons.
    pub(super) fields: Vec<(String, String)>,
    /// Names and values of its buttons.
    pub(super) buttons: Vec<(String, String)>,
    /// The name of its password field.
    pub(super) password: Option<String>,
    /// The name of the last text field before that.
    pub(super) user: Option<String>,
}

impl Page {
    /// Parses a whole page.
    ///
    /// # Errors
    /// The page has no end: a table on it may lack rows, which must not look like fewer threads.
    pub(super) fn parse(text: &str, path: &str) -> Result<Self, ConsoleError> {
        let end = text.as_bytes();
        let end = &end[end.len().saturating_sub(END_BYTES)..];
        if !end.windows(7).any(|window| window.eq_ignore_ascii_case(b"</html>")) {
            return Err(ConsoleError::Garbled(format!("{path} is cut short: no </html>")));
        }
        Ok(Self { html: Html::parse_document(text), path: path.to_owned() })
    }

    fn elements(&self, name: &'static str) -> impl Iterator<Item = ElementRef<'_>> {
        let all = self.html.root_element().descendent_elements();
        all.filter(move |element| element.value().name() == name)
    }

    /// The whole text, blanks collapsed.
    pub(super) fn text(&self) -> String {
        self.elements("body").next().map(|body| text(&body)).unwrap_or_default()
    }

    /// The piece of text that holds these words.
    pub(super) fn sentence(&self, words: &str) -> Option<String> {
        let texts = self.html.tree.nodes().filter_map(|node| node.value().as_text());
        let hit = texts.map(|text| text.trim()).find(|text| text.contains(words))?;
        Some(hit.chars().take(SENTENCE_CHARS_MAX).collect())
    }

    /// Whether a name stands on the page as a word: `fe-1` is not on a page about `fe-10`.
    pub(super) fn names(&self, name: &str) -> bool {
        let page = self.text();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut hits = page.match_indices(name);
        hits.any(|(at, _)| {
            let after = &page[at + name.len()..];
            let ends = match after.strip_prefix('.') {
                Some(rest) => !rest.starts_with(part), // a full stop, not a longer host name
                None => !after.starts_with(part),
            };
            ends && !page[..at].ends_with(part)
        })
    }

    /// The first table that has all these headers in one row.
    pub(super) fn table<const N: usize>(&self, headers: [&str; N]) -> Option<Table<'_, N>> {
        let mut found: Option<(ElementRef<'_>, [usize; N])> = None;
        let mut rows = Vec::new();
        for row in self.elements("tr") {
            let table = enclosing_table(&row);
            match &found {
                None => {
                    let cells: Vec<String> = cells(&row).iter().map(text).collect();
                    let at = headers.map(|header| cells.iter().position(|cell| cell == header));
                    if let (Some(table), true) = (table, at.iter().all(Option::is_some)) {
                        found = Some((table, at.map(|at| at.expect("all are found"))));
                    }
                }
                Some((of, _)) if table == Some(*of) => rows.push(cells(&row)),
                Some(_) => {}
            }
        }
        // A row of one cell is a message such as "No items to show".
        rows.retain(|row| row.len() > 1);
        found.map(|(_, at)| Table { rows, at })
    }

    /// The form that has a button or field for which `wanted` holds.
    pub(super) fn form(&self, wanted: impl Fn(&Form) -> bool) -> Option<Form> {
        self.elements("form").map(|form| self.read_form(&form)).find(wanted)
    }

    fn read_form(&self, form: &ElementRef<'_>) -> Form {
        // A form without an action is posted to where it came from.
        let action = form.attr("action").and_then(|action| resolve(&self.path, action));
        let action = action.unwrap_or_else(|| self.path.clone());
        let (fields, buttons) = (Vec::new(), Vec::new());
        let mut read = Form { action, fields, buttons, password: None, user: None };
        for element in form.descendent_elements() {
            read.add(&element);
        }
        read
    }
}

impl Form {
    /// Adds a control, if a browser would post it.
    fn add(&mut self, element: &ElementRef<'_>) {
        let own_text = || element.text().collect::<String>();
        let attr = |name: &str| element.attr(name).unwrap_or_default().to_owned();
        let (name, value) = (attr("name"), attr("value"));
        if name.is_empty() || element.attr("disabled").is_some() {
            return;
        }
        let kind = match element.value().name() {
            "input" => attr("type").to_ascii_lowercase(),
            "button" => {
                let value = element.attr("value").map_or_else(|| text(element), str::to_owned);
                return self.buttons.push((name, value));
            }
            "textarea" => return self.fields.push((name, own_text())),
            "select" => {
                let options =
                    element.descendent_elements().filter(|e| e.value().name() == "option");
                let mut options = options.collect::<Vec<_>>().into_iter();
                let first = options.as_slice().first().copied();
                let chosen = options.find(|option| option.attr("selected").is_some()).or(first);
                let value = chosen.map(|o| o.attr("value").map_or_else(|| text(&o), str::to_owned));
                return self.fields.extend(value.map(|value| (name, value)));
            }
            _ => return,
        };
        match kind.as_str() {
            "submit" | "button" => self.buttons.push((name, value)),
            "image" | "reset" | "file" => {}
            "checkbox" | "radio" if element.attr("checked").is_none() => {}
            "checkbox" | "radio" => {
                let value = element.attr("value").unwrap_or("on").to_owned();
                self.fields.push((name, value));
            }
            kind => {
                match kind {
                    "hidden" => {}
                    "password" => self.password = Some(name.clone()),
                    _ if self.password.is_none() => self.user = Some(name.clone()),
                    _ => {}
                }
                self.fields.push((name, value));
            }
        }
    }

    /// The button with this text on it.
    pub(super) fn button(&self, label: &str) -> Option<&(String, String)> {
        self.buttons.iter().find(|(_, value)| value.trim() == label)
    }

    /// Gives a field another value.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The fields and one button, as `application/x-www-form-urlencoded`.
    pub(super) fn encoded(&self, button: Option<&(String, String)>) -> String {
        let mut encoded = String::new();
        for (name, value) in self.fields.iter().chain(button) {
            if !encoded.is_empty() {
                encoded.push('&');
            }
            encode(name, &mut encoded);
            encoded.push('=');
            encode(value, &mut encoded);
        }
        encoded
    }
}

impl<const N: usize> Table<'_, N> {
    /// The wanted cells of each data row.
    ///
    /// # Errors
    /// A row is too short to have them.
    pub(super) fn rows(
        &self,
        place: &str,
    ) -> impl Iterator<Item = Result<[Cell<'_>; N], ConsoleError>> {
        self.rows.iter().map(move |row| {
            let missing = || ConsoleError::Garbled(format!("{place}: a row lacks columns"));
            let cells = self.at.map(|at| row.get(at).map(|cell| Cell(*cell)));
            match cells.iter().all(Option::is_some) {
                true => Ok(cells.map(|cell| cell.expect("all are there"))),
                false => Err(missing()),
            }
        })
    }
}

/// A table's cell.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a>(ElementRef<'a>);

impl Cell<'_> {
    /// Its text, or its icon's when it has none.
    pub(super) fn text(&self) -> String {
        match text(&self.0) {
            words if words.is_empty() => {
                let icons = self.0.descendent_elements();
                icons.filter_map(|icon| icon.attr("alt")).next().unwrap_or_default().trim().into()
            }
            words => words,
        }
    }

    /// Where its first link leads, seen from a page.
    pub(super) fn link(&self, from: &Page) -> Option<String> {
        let mut links = self.0.descendent_elements().filter(|e| e.value().name() == "a");
        links.find_map(|link| resolve(&from.path, link.attr("href")?))
    }
}

fn enclosing_table<'a>(row: &ElementRef<'a>) -> Option<ElementRef<'a>> {
    row.ancestors().filter_map(ElementRef::wrap).find(|element| element.value().name() == "table")
}

fn cells<'a>(row: &ElementRef<'a>) -> Vec<ElementRef<'a>> {
    row.child_elements().filter(|cell| matches!(cell.value().name(), "td" | "th")).collect()
}

/// An element's text with blanks collapsed, scripts and styles left out.
fn text(element: &ElementRef<'_>) -> String {
    let mut collapsed = String::new();
    for node in element.descendants() {
        let Some(words) = node.value().as_text() else { continue };
        let inside = node.parent().and_then(ElementRef::wrap);
        if inside.is_some_and(|e| matches!(e.value().name(), "script" | "style")) {
            continue;
        }
        for (number, word) in words.split(char::is_whitespace).enumerate() {
            // Blanks inside a text node and at its ends are one blank; none is added between
            // nodes, as `<b>Dis</b>able` is one word.
            if number > 0 && !collapsed.is_empty() && !collapsed.ends_with(' ') {
                collapsed.push(' ');
            }
            collapsed.push_str(word);
        }
        // Cells and paragraphs are apart even where no blank stands between their tags.
        let inline =
            |e: ElementRef<'_>| matches!(e.value().name(), "a" | "b" | "i" | "span" | "em");
        if inside.is_some_and(|e| !inline(e)) && !collapsed.is_empty() && !collapsed.ends_with(' ')
        {
            collapsed.push(' ');
        }
    }
    collapsed.truncate(collapsed.trim_end().len());
    collapsed
}

/// The path a link leads to, seen from a page's path; `None` where it leads nowhere. A host named
/// in it is left out: every request goes to the front-end that was asked for, never to another.
pub(super) fn resolve(from: &str, link: &str) -> Option<String> {
    let link = link.trim().split('#').next().unwrap_or_default();
    let folder = &from.split('?').next().unwrap_or_default();
    let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
    if link.is_empty() || link.to_ascii_lowercase().starts_with("javascript:") {
        return None;
    }
    if let Some((_, rest)) =
        link.split_once("://").filter(|(scheme, _)| !scheme.contains(['/', '?']))
    {
        return Some(rest.find('/').map_or("/", |at| &rest[at..]).to_owned());
    }
    if let Some(rest) = link.strip_prefix("//") {
        return Some(rest.find('/').map_or("/", |at| &rest[at..]).to_owned());
    }
    if link.starts_with('/') {
        return Some(link.to_owned());
    }
    if link.starts_with('?') {
        return Some(format!("{}{link}", from.split('?').next().unwrap_or_default()));
    }
    Some(format!("{folder}/{}", link.strip_prefix("./").unwrap_or(link)))
}

/// Percent-encodes as forms do.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'*' | b'-' | b'.' | b'_' => {
                into.push(byte.into());
            }
            b' ' => into.push('+'),
            _ => {
                into.push('%');
                for digit in [byte >> 4, byte & 15] {
                    into.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
