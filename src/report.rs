//! How problems are shown to people and to programs.

use std::{
    fmt,
    io::{IsTerminal, Write},
};

use homeostat_policy::Problem;
use homeostat_simulator::ScenarioError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;
use thiserror::Error;

/// A command could not do its work.
#[derive(Debug, Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
    status: u8,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, status: 2 }
    }

    /// The same as an answer: what was looked at is not as it should be, and nobody has failed.
    pub(crate) fn found(mut self) -> Self {
        self.status = 1;
        self
    }

    /// The program's exit status.
    pub(crate) fn status(&self) -> u8 {
        self.status
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// All that is wrong with `what`, such as `the policies`.
    pub(crate) fn of(what: &str, flaws: &[Flaw]) -> Self {
        let shown: Vec<&str> = flaws.iter().map(|flaw| flaw.shown.trim_end()).collect();
        Self::new(format!("{} in {what}\n{}", counted(flaws.len(), "problem"), shown.join("\n")))
    }
}

/// Prints why a command could not do its work.
pub(crate) fn error(failure: &Failure) {
    let mut err = std::io::stderr().lock();
    // Nothing can be done when standard error is closed.
    let _ = writeln!(err, "error: {}", failure.message);
    if let Some(help) = &failure.help {
        let _ = writeln!(err, "  help: {help}");
    }
}

/// Something that is wrong with a file of whatever sort: as programs read it, and as people do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Flaw {
    file: String,
    /// From 1, as is the column; none when it is about the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// With the lines it is about.
    #[serde(skip)]
    shown: String,
}

impl Flaw {
    /// A flaw of the file as a whole.
    pub(crate) fn new(code: &'static str, file: &str, message: impl Into<String>) -> Self {
        let (file, message) = (file.to_owned(), message.into());
        let flaw =
            Self { file, line: None, column: None, code: code.into(), message, help: None, shown: String::new() };
        flaw.drawn(None)
    }

    /// The same, with what to do about it; given before the place.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self.drawn(None)
    }

    /// The same, at a line and column of the file's `text`, both from 1.
    pub(crate) fn at(mut self, text: &str, line: u64, column: u64) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self.drawn(Some(text))
    }

    /// What stops a command about one file, as a flaw of that file.
    pub(crate) fn from_failure(code: &'static str, file: &str, failure: Failure) -> Self {
        let flaw = Self::new(code, file, failure.message);
        match failure.help {
            Some(help) => flaw.help(help),
            None => flaw,
        }
    }

    /// The file it is about.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The file and, where it is known, the line: `web.yaml:6`.
    pub(crate) fn place(&self) -> String {
        self.line.map_or_else(|| self.file.clone(), |line| format!("{}:{line}", self.file))
    }

    /// What sort of flaw it is.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What is wrong, in a sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Each problem of a scenario.
    pub(crate) fn of_scenario(file: &str, error: &ScenarioError) -> Vec<Self> {
        let place = |number| u64::try_from(number).ok();
        let problems = error.problems().iter().map(|problem| Self {
            file: file.to_owned(),
            line: place(problem.line()),
            column: place(problem.column()),
            code: Diagnostic::code(problem).map(|code| code.to_string()).unwrap_or_default(),
            message: problem.to_string(),
            help: problem.help().map(str::to_owned),
            shown: diagnostic(problem),
        });
        problems.collect()
    }

    fn drawn(mut self, text: Option<&str>) -> Self {
        let at = match (text, self.line, self.column) {
            (Some(text), Some(line), Some(column)) => Some((text, byte_at(text, line, column))),
            _ => None,
        };
        let source = at.map(|(text, byte)| (NamedSource::new(&self.file, text.to_owned()), byte));
        self.shown = diagnostic(&Drawing { flaw: &self, source });
        self
    }
}

impl From<&Problem> for Flaw {
    fn from(problem: &Problem) -> Self {
        let plain = problem.plain();
        Self {
            file: plain.file,
            line: u64::try_from(plain.line).ok(),
            column: u64::try_from(plain.column).ok(),
            code: plain.code,
            message: plain.message,
            help: plain.help,
            shown: diagnostic(problem),
        }
    }
}

impl From<&homeostat_configuration::Problem> for Flaw {
    fn from(problem: &homeostat_configuration::Problem) -> Self {
        let place = problem.place();
        Self {
            file: place.file().to_owned(),
            line: u64::try_from(place.line()).ok(),
            column: u64::try_from(place.column()).ok(),
            code: problem.code().to_owned(),
            message: problem.to_string(),
            help: problem.advice().map(str::to_owned),
            shown: diagnostic(problem),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A flaw while it is drawn.
#[derive(Debug)]
struct Drawing<'a> {
    flaw: &'a Flaw,
    /// The file, and the byte that is pointed at.
    source: Option<(NamedSource<String>, usize)>,
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Where the lines are drawn, the file's name stands above them.
        match &self.source {
            Some(_) => f.write_str(&self.flaw.message),
            None => write!(f, "{}: {}", self.flaw.file, self.flaw.message),
        }
    }
}

impl std::error::Error for Drawing<'_> {}

impl Diagnostic for Drawing<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.flaw.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.flaw.help.as_ref().map(|help| -> Box<dyn fmt::Display> { Box::new(help) })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|(source, _)| -> &dyn SourceCode { source })
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, byte) = self.source.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(Some("here".into()), *byte))))
    }
}

/// The byte at a line and column, both from 1 and in characters.
fn byte_at(text: &str, line: u64, column: u64) -> usize {
    let before = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = text.split_inclusive('\n').take(before(line)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.chars().take(before(column)).map(char::len_utf8).sum::<usize>()
}

/// Writes `problem` with the lines it is about, in colour only on a terminal.
fn diagnostic(problem: &dyn Diagnostic) -> String {
    let terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if terminal { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = GraphicalReportHandler::new_themed(theme).with_width(100).render_report(&mut text, problem);
    text
}

/// The problems of policies, as any others.
pub(crate) fn flaws(problems: &[Problem]) -> Vec<Flaw> {
    problems.iter().map(Flaw::from).collect()
}

/// `1 problem`, `2 problems`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    counted_many(count, what, &format!("{what}s"))
}

/// `1 policy`, `2 policies`.
pub(crate) fn counted_many(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
