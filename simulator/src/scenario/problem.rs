//! What is wrong with a scenario: what, where, and what next.

use std::{ops::Range, sync::Arc};

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

/// Most problems kept: nobody reads further, and a file of another format makes one a line.
const MAX_PROBLEMS: usize = 1_000;

/// A scenario cannot be used; with everything that is wrong with it.
#[derive(Debug, Clone, Error, Diagnostic)]
#[error("the scenario {file} has {} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })]
#[diagnostic(code(homeostat::scenario))]
pub struct ScenarioError {
    file: String,
    #[related]
    problems: Vec<Problem>,
}

impl ScenarioError {
    /// Everything that is wrong, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// One thing that is wrong, and its place.
#[derive(Debug, Clone, Error, Diagnostic)]
#[error("{message}")]
#[diagnostic(code(homeostat::scenario::problem))]
pub struct Problem {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    text: Arc<NamedSource<String>>,
    #[label("here")]
    at: SourceSpan,
}

impl Problem {
    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.before().matches('\n').count() + 1
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.before().rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn before(&self) -> &str {
        self.text.inner().get(..self.at.offset()).unwrap_or_default()
    }
}

/// The problems of one file as they are found.
#[derive(Debug)]
pub(super) struct Problems {
    source: Arc<NamedSource<String>>,
    found: Vec<Problem>,
}

impl Problems {
    pub(super) fn of(file: &str, text: &str) -> Self {
        Self { source: Arc::new(NamedSource::new(file, text.to_owned())), found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: &Range<usize>, message: impl Into<String>) {
        self.add_with_help(at, message, None);
    }

    pub(super) fn add_with_help(&mut self, at: &Range<usize>, message: impl Into<String>, help: Option<String>) {
        if self.found.len() < MAX_PROBLEMS {
            let (text, at) = (Arc::clone(&self.source), (at.start, at.len()).into());
            self.found.push(Problem { message: message.into(), help, text, at });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_error(mut self) -> ScenarioError {
        self.found.sort_by_key(|problem| problem.at.offset());
        ScenarioError { file: self.source.name().to_owned(), problems: self.found }
    }
}
