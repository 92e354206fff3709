//! A small document: what a runbook is made of, as Markdown or as one HTML page.
//!
//! Texts carry two marks, both Markdown's: `` `code` `` and `**strong**`. Names from a farm file
//! enter texts only through [`code`], so that nothing in them is taken for a mark.
use std::fmt::Write;

/// A document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    title: String,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Block {
    Heading(String),
    Text(String),
    List(Vec<String>),
    Commands(Vec<String>),
    Table(Vec<Vec<String>>),
}

/// A name or command within a text.
#[must_use]
pub fn code(text: &str) -> String {
    // A back-tick would end the mark; no name, address or version has one for good reason.
    format!("`{}`", text.replace('`', "'").replace(['\n', '\r'], " "))
}

impl Document {
    /// An empty document.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), blocks: Vec::new() }
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: &str) {
        self.blocks.push(Block::Heading(text.to_owned()));
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: &str) {
        self.blocks.push(Block::Text(text.to_owned()));
    }

    /// Adds a list.
    pub fn list(&mut self, items: Vec<String>) {
        self.blocks.push(Block::List(items));
    }

    /// Adds commands, one a line.
    pub fn commands(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.blocks.push(Block::Commands(lines));
        }
    }

    /// Adds a table; its first row is its heading.
    pub fn table(&mut self, rows: Vec<Vec<String>>) {
        self.blocks.push(Block::Table(rows));
    }

    /// The document as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n", self.title);
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Heading(text) => line(&mut out, &format!("## {text}")),
                Block::Text(text) => line(&mut out, text),
                Block::List(items) => {
                    items.iter().for_each(|item| line(&mut out, &format!("- {item}")));
                }
                Block::Commands(lines) => {
                    line(&mut out, "```");
                    lines.iter().for_each(|text| line(&mut out, text));
                    line(&mut out, "```");
                }
                Block::Table(rows) => markdown_table(&mut out, rows),
            }
        }
        out
    }

    /// The document as one HTML page that needs nothing else.
    #[must_use]
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        for block in &self.blocks {
            match block {
                Block::Heading(text) => line(&mut out, &format!("<h2>{}</h2>", inline(text))),
                Block::Text(text) => line(&mut out, &format!("<p>{}</p>", inline(text))),
                Block::List(items) => {
                    line(&mut out, "<ul>");
                    for item in items {
                        line(&mut out, &format!("<li>{}</li>", inline(item)));
                    }
                    line(&mut out, "</ul>");
                }
                Block::Commands(lines) => {
                    line(&mut out, &format!("<pre>{}</pre>", escaped(&lines.join("\n"))));
                }
                Block::Table(rows) => html_table(&mut out, rows),
            }
        }
        out.push_str("</body>\n</html>\n");
        out
    }
}

/// Legible on paper too: people print runbooks.
const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
pre{background:#f3f3f3;padding:.7em;overflow-x:auto}code{background:#f3f3f3}\
table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2em .6em;text-align:left}";

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("writing to a String does not fail");
}

fn markdown_table(out: &mut String, rows: &[Vec<String>]) {
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        line(out, &format!("| {} |", cells.join(" | ")));
        if index == 0 {
            line(out, &format!("|{}", "---|".repeat(row.len())));
        }
    }
}

fn html_table(out: &mut String, rows: &[Vec<String>]) {
    line(out, "<table>");
    for (index, row) in rows.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        let cells: String =
            row.iter().map(|cell| format!("<{tag}>{}</{tag}>", inline(cell))).collect();
        line(out, &format!("<tr>{cells}</tr>"));
    }
    line(out, "</table>");
}

/// A text's marks as HTML.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            write!(out, "<code>{}</code>", escaped(part)).expect("a String takes everything");
            continue;
        }
        for (index, part) in part.split("**").enumerate() {
            let tag = if index % 2 == 1 { ("<strong>", "</strong>") } else { ("", "") };
            write!(out, "{}{}{}", tag.0, escaped(part), tag.1).expect("a String takes everything");
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a name can neither become markup nor end its mark. Method: a hostile name in every
    /// kind of block.
    #[test]
    fn names_never_become_markup() {
        let name = "<script>`x`**|&\"";
        let mut document = Document::new(name);
        document.heading(&code(name));
        document.list(vec![format!("**strong** {}", code(name))]);
        document.commands(vec![name.to_owned()]);
        document.table(vec![vec![code(name)], vec![code(name)]]);
        let html = document.html();
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("<strong>strong</strong> <code>&lt;script&gt;'x'**|&amp;&quot;</code>"),
            "{html}"
        );
        assert!(document.markdown().contains("| `<script>'x'**\\|&\"` |"));
    }
}
