//! How problems are shown to people and to programs.

use std::io::{IsTerminal, Write};

use homeostat_policy::{PlainProblem, Problem};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use thiserror::Error;

/// A command could not do its work.
#[derive(Debug, Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
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

/// Writes `problem` with the lines it is about, in colour only on a terminal.
pub(crate) fn diagnostic(problem: &dyn Diagnostic) -> String {
    let terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if terminal { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = GraphicalReportHandler::new_themed(theme).with_width(100).render_report(&mut text, problem);
    text
}

/// The problems for programs, as one JSON document.
pub(crate) fn json(problems: &[Problem]) -> String {
    let plain: Vec<PlainProblem> = problems.iter().map(Problem::plain).collect();
    serde_json::to_string_pretty(&serde_json::json!({ "problems": plain })).unwrap_or_default()
}
