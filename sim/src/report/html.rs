//! What every page has: its head, its style, its way of writing words.
use std::fmt::Write;

/// Legible in light and in dark, on a telephone and on paper.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#fff;--edge:#d3d9e0;--hot:#d9480f;--line:#1864ab;--good:#2b8a3e}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa5b4;--paper:#14181f;--edge:#333c48;--hot:#ff8a4c;--line:#74b3ee;--good:#69db7c}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:72em;margin:2em auto;padding:0 1em}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}\
.box{border:1px solid var(--edge);border-left:5px solid var(--good);padding:.2em 1em}\
pre{overflow-x:auto}\
.table{overflow-x:auto}table{border-collapse:collapse;font-size:.86em;white-space:nowrap}\
td,th{border:1px solid var(--edge);padding:.15em .5em;text-align:right}th{position:sticky;top:0;background:var(--paper)}\
td.words{text-align:left}.soft{color:var(--soft)}";

/// Begins a page that needs nothing else, with a style of its own beside what every page has.
pub(super) fn open(title: &str, style: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )
}

/// Adds a line.
pub(super) fn put(page: &mut String, words: &str) {
    writeln!(page, "{words}").expect("a String can be written");
}

/// A text as HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
