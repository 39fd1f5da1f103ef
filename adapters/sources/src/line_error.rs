//! What is wrong with a line, where, and what to do next.

use std::fmt;

use homeostat_model::InvalidName;
use thiserror::Error;

use crate::{Reason, Unplaced, object::column_of, reader::MAX_LINE_BYTES};

/// A line was refused. Nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// Its number, from 1, where it is known.
    pub line: Option<usize>,
    /// The character in which the problem begins, from 1; `None` when it is the line as a whole.
    pub column: Option<usize>,
    /// What is wrong.
    pub problem: LineProblem,
    /// The byte in which the problem begins.
    pub(crate) byte: Option<usize>,
}

/// What can be wrong with a line, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineProblem {
    /// It is too long to be read.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes; write one sample or event a line")]
    TooLong,
    /// An event is too large.
    #[error("the event is larger than {MAX_LINE_BYTES} bytes; leave out what nobody decides on, or send where it is")]
    TooLarge,
    /// It is not UTF-8.
    #[error("the line is not UTF-8; convert the file, as with `iconv -t utf-8`")]
    NotText,
    /// It is not JSON.
    #[error("it is not JSON: {0}; write one JSON object a line")]
    NotJson(String),
    /// It is JSON of another form.
    #[error("{what} is {found}, not {wanted}")]
    WrongType {
        /// The part of the line.
        what: String,
        /// What it is.
        found: &'static str,
        /// What it has to be, with an example.
        wanted: &'static str,
    },
    /// It has the form of JSON, but not what JSON can say.
    #[error("{what} cannot be read: {problem}; leave it out, or make it simpler")]
    Unusable {
        /// The part of the line.
        what: String,
        /// Why not.
        problem: String,
    },
    /// A key that means nothing.
    #[error("the key `{key}` is not known; {help}")]
    UnknownKey {
        /// The key.
        key: String,
        /// What may have been meant, or what to do.
        help: String,
    },
    /// The same thing is said twice.
    #[error("{0} is given twice; leave one of them out")]
    Twice(String),
    /// Something that has to be there is not.
    #[error("the event has no `{0}`; CloudEvents have specversion, id, source and type")]
    Missing(&'static str),
    /// It has its data twice.
    #[error("the event has both `data` and `data_base64`; leave one of them out")]
    TwoData,
    /// A version of CloudEvents that is not known.
    #[error("CloudEvents version {0} is not known; `specversion` has to be \"1.0\"")]
    SpecVersion(String),
    /// It cannot be a name.
    #[error("{0}")]
    Name(#[from] InvalidName),
    /// Its time cannot be read.
    #[error("`{field}`: {problem}")]
    Time {
        /// The field.
        field: String,
        /// What is wrong with it, and what is right.
        problem: String,
    },
    /// It is not known what it is about.
    #[error(transparent)]
    Unplaced(Box<Unplaced>),
    /// The system could not read on. No line follows.
    #[error("cannot read on: {0}")]
    Unreadable(String),
}

impl From<Unplaced> for LineProblem {
    fn from(unplaced: Unplaced) -> Self {
        Self::Unplaced(Box::new(unplaced))
    }
}

impl LineError {
    /// A problem of the line as a whole.
    pub(crate) fn whole(problem: impl Into<LineProblem>) -> Self {
        Self { line: None, column: None, problem: problem.into(), byte: None }
    }

    /// A problem at a byte of `text`.
    pub(crate) fn at(text: &str, byte: usize, problem: impl Into<LineProblem>) -> Self {
        Self { line: None, column: Some(column_of(text, byte)), problem: problem.into(), byte: Some(byte) }
    }

    /// What it is counted as.
    pub(crate) fn reason(&self) -> Reason {
        match &self.problem {
            LineProblem::TooLong | LineProblem::TooLarge => Reason::TooLarge,
            LineProblem::SpecVersion(_) => Reason::Unsupported,
            LineProblem::Unplaced(_) => Reason::Unplaced,
            _ => Reason::Malformed,
        }
    }

    /// The same, of the line with this number.
    pub(crate) fn numbered(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(column)) => write!(f, "column {column}: ")?,
            (None, None) => {}
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for LineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.problem)
    }
}
