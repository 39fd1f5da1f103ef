//! What is wrong with what somebody has sent.

use thiserror::Error;

/// Most characters of each of the two texts. What is repeated of an input is the input's size, which nobody wants to read.
pub const MAX_MISTAKE: usize = 500;

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct Mistake {
    error: String,
    help: String,
}

impl Mistake {
    pub(crate) fn new(error: impl Into<String>, help: impl Into<String>) -> Self {
        Self { error: short(error.into()), help: short(help.into()) }
    }

    /// What is wrong.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.error
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }
}

fn short(text: String) -> String {
    match text.char_indices().nth(MAX_MISTAKE) {
        None => text,
        Some(_) => text.chars().take(MAX_MISTAKE - 3).chain("...".chars()).collect(),
    }
}
