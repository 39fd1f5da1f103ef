//! Problems as people and programs see them: what, where, and what next.

use std::{fmt, ops::Range, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use serde::Serialize;

use crate::mistake::Mistake;

/// One thing that is wrong with a file, with its place therein.
///
/// As a [`miette::Diagnostic`] it prints itself with the lines it is about; [`Problem::plain`] is for programs.
#[derive(Debug, Clone)]
pub struct Problem {
    mistake: Mistake,
    source: Arc<NamedSource<String>>,
    at: Range<usize>,
    related: Vec<Problem>,
}

/// A problem without the text it is about, for JSON and for editors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlainProblem {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What sort of problem it is; see [`crate::CODES`].
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn new(source: Arc<NamedSource<String>>, at: Range<usize>, mistake: Mistake) -> Self {
        let end = at.end.min(source.inner().len());
        let start = at.start.min(end);
        Self { mistake, source, at: start..end, related: Vec::new() }
    }

    /// Adds another place that has to do with it, in whatever file.
    pub(crate) fn relate(mut self, other: Problem) -> Self {
        self.related.push(other);
        self
    }

    /// What sort of problem it is, for good: one of [`crate::CODES`].
    #[must_use]
    pub fn code(&self) -> String {
        Diagnostic::code(&self.mistake).map(|code| code.to_string()).unwrap_or_default()
    }

    /// Whether it is a warning: what it is about is loaded all the same.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        Diagnostic::severity(&self.mistake) == Some(Severity::Warning)
    }

    /// What to do about it. Only the other places of a problem ([`Diagnostic::related`]) have none.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let other_place = matches!(
            self.mistake,
            Mistake::FirstDeclared { .. } | Mistake::OtherCondition { .. } | Mistake::OtherCeiling { .. }
        );
        (!other_place).then(|| self.mistake.advice())
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Its bytes in the file.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Its line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// Its column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.before().rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    /// The same for programs.
    #[must_use]
    pub fn plain(&self) -> PlainProblem {
        PlainProblem {
            file: self.file().into(),
            line: self.line(),
            column: self.column(),
            code: self.code(),
            message: self.to_string(),
            help: self.help(),
        }
    }

    fn before(&self) -> &str {
        self.source.inner().get(..self.at.start).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Diagnostic::code(&self.mistake)
    }

    fn severity(&self) -> Option<Severity> {
        Diagnostic::severity(&self.mistake).or(Some(Severity::Error))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Problem::help(self).map(|help| -> Box<dyn fmt::Display> { Box::new(help) })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_primary_with_span(Some(self.mistake.label().into()), self.at.clone());
        Some(Box::new(std::iter::once(label)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.related.is_empty() {
            return None;
        }
        Some(Box::new(self.related.iter().map(|problem| -> &dyn Diagnostic { problem })))
    }
}
