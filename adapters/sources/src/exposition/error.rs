//! What is wrong with a line of a page, where, and what to do next.

use std::fmt;

use thiserror::Error;

use super::{MAX_EXEMPLAR_CHARACTERS, MAX_LABELS, MAX_LINE_BYTES};

/// A line was refused, and nothing of it was taken; or the page was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpositionError {
    /// Its number, from 1.
    pub line: usize,
    /// The character in which the problem begins, from 1; `None` when it is the line as a whole.
    pub column: Option<usize>,
    /// What is wrong.
    pub problem: ExpositionProblem,
}

/// What can be wrong with a line, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpositionProblem {
    /// It is too long to be read.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes; shorten its labels or its help text")]
    TooLong,
    /// It is not UTF-8.
    #[error("the line is not UTF-8; mend the exporter, or what its labels are made of")]
    NotText,
    /// Something else stands where something has to be.
    #[error("there is {found} where {wanted} has to be; look at what the exporter writes here")]
    Expected {
        /// What has to be there.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// A quoted text does not end.
    #[error("the text that begins here has no closing quote; write \\n for a line feed and \\\" for a quote within it")]
    Unterminated,
    /// A sample has no name.
    #[error("the sample has no name; write it in front of the braces, or quoted as the first thing in them")]
    NoName,
    /// A sample has two names.
    #[error("the sample has a second name, `{0}`; leave one of them out")]
    SecondName(String),
    /// Two labels have one name.
    #[error("the label `{0}` is given twice; leave one of them out")]
    Twice(String),
    /// There are too many labels.
    #[error("it has more than {MAX_LABELS} labels; drop those that nobody asks for")]
    TooManyLabels,
    /// A value is no number.
    #[error("`{0}` is not a value; write a decimal number that 64 bits can hold, NaN, +Inf or -Inf")]
    Value(String),
    /// A time is none.
    #[error("`{found}` is not a time; write {wanted}, or nothing")]
    Time {
        /// What is there.
        found: String,
        /// What a time is in this format.
        wanted: &'static str,
    },
    /// A type is not known.
    #[error("`{0}` is not a type of metrics; write counter, gauge, histogram, summary or untyped")]
    FamilyType(String),
    /// An exemplar is longer than it may be.
    #[error("the labels of the exemplar have more than {MAX_EXEMPLAR_CHARACTERS} characters; shorten them")]
    LongExemplar,
    /// Something follows the last thing on a line.
    #[error("`{0}` follows where the line has to end; leave it out")]
    Trailing(String),
    /// Something follows the end of the page.
    #[error("the page goes on behind `# EOF`; what follows is not read: write `# EOF` last, and once")]
    AfterEnd,
    /// The page has no end.
    #[error("the page ends without `# EOF`: it was cut off, and there may have been more; ask for it again")]
    Truncated,
}

impl fmt::Display for ExpositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, column {column}: ", self.line)?,
            None => write!(f, "line {}: ", self.line)?,
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for ExpositionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}
