//! Regular expressions over labels, as Prometheus matches them: the whole text, or not at all.

use regex::{Captures, Regex};
use serde::Deserialize;
use thiserror::Error;

/// Longest expression, in bytes. An alternative of some hundred names fits.
const MAX_PATTERN_BYTES: usize = 4096;

/// A text that is not a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a regular expression: {problem}")]
pub(crate) struct InvalidPattern {
    text: String,
    problem: String,
}

/// A regular expression that the whole of a text matches.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern {
    text: String,
    /// `None` when it is a plain text, which is compared.
    regex: Option<Regex>,
}

impl Pattern {
    /// Whether the whole of `text` matches.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.as_ref().map_or(self.text == text, |regex| regex.is_match(text))
    }

    /// What its groups match in `text`.
    pub(crate) fn captures<'a>(&self, text: &'a str) -> Option<Captures<'a>> {
        self.regex.as_ref()?.captures(text)
    }

    /// The one text that it matches, if it is a plain one.
    pub(crate) fn plain(&self) -> Option<&str> {
        self.regex.is_none().then_some(&*self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        let invalid = |problem: String| InvalidPattern { text: text.chars().take(64).collect(), problem };
        if text.len() > MAX_PATTERN_BYTES {
            return Err(invalid(format!("it has {} bytes, at most {MAX_PATTERN_BYTES} are allowed", text.len())));
        }
        if regex::escape(&text) == text {
            return Ok(Self { text, regex: None });
        }
        // First as it is: what surrounds it must not complete it.
        match Regex::new(&text).and_then(|_| Regex::new(&format!("^(?s:{text})$"))) {
            Ok(regex) => Ok(Self { text, regex: Some(regex) }),
            // The last line says what, those before show where.
            Err(error) => Err(invalid(
                error.to_string().lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_matches_or_not_at_all() {
        for (pattern, text, expected) in [
            ("node_load1", "node_load1", true),
            ("node_load1", "node_load15", false),
            ("node_load.*", "node_load15", true),
            ("load", "node_load1", false),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("", "", true),
            (".*", "two\nlines", true),
            (".+", "", false),
        ] {
            assert_eq!(Pattern::try_from(pattern.to_owned()).unwrap().is_match(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_expression() {
        for (pattern, problem) in [
            ("node_(", "unclosed group"),
            ("a{2,1}", "invalid repetition"),
            ("\\p", "incomplete"),
            ("a)|(b", "unopened"),
        ] {
            let said = Pattern::try_from(pattern.to_owned()).unwrap_err().to_string();
            assert!(said.contains(problem) && said.contains(pattern), "{said}");
        }
        assert!(Pattern::try_from("x".repeat(4097)).is_err());
    }
}
