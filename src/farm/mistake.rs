//! Mistakes of a farm file: each with its place and the way to mend it, given all at once.
//!
//! A mistake may be a password in clear. The text shown around mistakes is therefore masked
//! before anything keeps it: no error ever carries the secret on.
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity,
    SourceCode,
};

use super::clear_secret;

/// Columns of a report: what fits a terminal that nobody has widened.
const REPORT_COLUMNS: usize = 100;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
    /// Where, in bytes of the file; `None` when it concerns the file as a whole.
    pub span: Option<Range<usize>>,
}

impl Mistake {
    /// A mistake of the file as a whole.
    #[must_use]
    pub fn of_file(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), span: None }
    }

    /// A mistake at a place.
    #[must_use]
    pub fn at(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), span: Some(span) }
    }
}

/// Every mistake of a farm file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} has {}; nothing was touched", path.display(), count(mistakes.len()))]
pub struct FarmErrors {
    /// The file.
    pub path: PathBuf,
    /// Its text, with secrets masked; `None` when it could not be read.
    text: Option<String>,
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 { "a mistake".into() } else { format!("{mistakes} mistakes") }
}

impl FarmErrors {
    /// A file that could not be read.
    pub(super) fn unreadable(path: &Path, mistake: Mistake) -> Self {
        Self { path: path.to_path_buf(), text: None, mistakes: vec![mistake] }
    }

    /// Mistakes in a text; `masked` are the places of secrets given in clear.
    pub(super) fn new(
        path: &Path,
        text: &str,
        mut mistakes: Vec<Mistake>,
        masked: &[Range<usize>],
    ) -> Self {
        mistakes.sort_by_key(|mistake| mistake.span.as_ref().map(|span| (span.start, span.end)));
        mistakes.dedup();
        let text = Some(clear_secret::mask(text, masked));
        Self { path: path.to_path_buf(), text, mistakes }
    }

    /// Line and column of a mistake, from 1.
    #[must_use]
    pub fn place(&self, mistake: &Mistake) -> Option<(usize, usize)> {
        let (text, span) = (self.text.as_ref()?, mistake.span.as_ref()?);
        let before = text.get(..span.start)?;
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().map_or(0, |tail| tail.chars().count());
        Some((line, column))
    }

    /// The whole report: every mistake with its line, then how many there are.
    #[must_use]
    pub fn report(&self, to_terminal: bool) -> String {
        let theme = if to_terminal { GraphicalTheme::unicode() } else { plain() };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_width(REPORT_COLUMNS).with_links(false);
        let name = self.path.display().to_string();
        let mut report = String::new();
        for mistake in &self.mistakes {
            let shown = Shown {
                mistake,
                source: self.text.as_ref().map(|text| NamedSource::new(&name, text.clone())),
            };
            handler.render_report(&mut report, &shown).expect("writing to a String does not fail");
        }
        report.push_str(&self.to_string());
        report.push('\n');
        report
    }
}

/// ASCII without colours, for files and pipes.
fn plain() -> GraphicalTheme {
    GraphicalTheme::none()
}

/// A mistake as miette wants it.
#[derive(Debug)]
struct Shown<'m> {
    mistake: &'m Mistake,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mistake.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(&self.mistake.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        // A mistake without a place has no line to show.
        self.mistake.span.as_ref()?;
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.mistake.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}
