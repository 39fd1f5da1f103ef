//! What became of each promise.

use std::fmt;

/// Why a check ended early.
pub(super) enum Stop {
    /// The promise cannot be checked here.
    Skip(String),
    /// The promise is broken.
    Broken(String),
}

impl Stop {
    pub(super) fn skip(why: &str) -> Self {
        Self::Skip(why.into())
    }

    /// For `map_err`: broken, with what was being done and the error.
    pub(super) fn broken<E: fmt::Display>(doing: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::Broken(format!("{doing}: {error}"))
    }
}

/// How a check ends.
pub(super) type Verdict = Result<(), Stop>;

/// Broken with this text unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(super::report::Stop::Broken(format!($($text)+)));
        }
    };
}
pub(super) use ensure;

/// What became of one promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was checked and is kept.
    Kept,
    /// It cannot be checked with this adapter or harness.
    Skipped(String),
    /// It is broken; with what was seen.
    Broken(String),
}

/// What became of all promises, in the order in which they were checked. Printed, it is a table.
#[derive(Debug, Clone, Default)]
pub struct Report {
    outcomes: Vec<(&'static str, Outcome)>,
}

impl Report {
    pub(super) fn add(&mut self, promise: &'static str, outcome: Outcome) {
        self.outcomes.push((promise, outcome));
    }

    /// Each promise and what became of it.
    #[must_use]
    pub fn outcomes(&self) -> &[(&'static str, Outcome)] {
        &self.outcomes
    }

    /// Whether no promise is broken. Look at [`Report::skipped`] too: what was skipped was not checked.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Broken(_)))
    }

    /// The promises that were not checked.
    #[must_use]
    pub fn skipped(&self) -> Vec<&'static str> {
        let skipped = self.outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Skipped(_)));
        skipped.map(|(promise, _)| *promise).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (promise, outcome) in &self.outcomes {
            match outcome {
                Outcome::Kept => writeln!(f, "kept     {promise}")?,
                Outcome::Skipped(why) => writeln!(f, "skipped  {promise}: {why}")?,
                Outcome::Broken(what) => writeln!(f, "BROKEN   {promise}: {what}")?,
            }
        }
        Ok(())
    }
}
