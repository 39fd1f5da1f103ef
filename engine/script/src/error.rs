//! Why a script gave no result.

use rhai::{EvalAltResult, LexError, ParseError, ParseErrorType, Position};
use thiserror::Error;

use crate::{
    Budget,
    budget::{
        MAX_BYTES_READ, MAX_CALL_LEVELS, MAX_COLLECTION, MAX_EXPRESSION_DEPTH, MAX_OPERATIONS, MAX_STRING_BYTES,
        MAX_VARIABLES,
    },
    meter::Cut,
};

/// What sort of failure it was: whoever evaluates decides by it what becomes of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It does not compile, so it was not run.
    Refused,
    /// It went wrong with these inputs; with others it may be fine.
    Failed,
    /// It was cut off. It is hostile or a mistake, and costs as much the next time.
    Budget(Budget),
}

/// A script was refused, or did not come to a result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ScriptError {
    /// What sort of failure it was.
    pub kind: ErrorKind,
    /// What is wrong, for people.
    pub message: String,
    /// Where, in bytes from the start of the source, where it is known.
    pub offset: Option<usize>,
}

impl ScriptError {
    /// One that was refused as a whole.
    pub(crate) fn refused(message: String) -> Self {
        Self { kind: ErrorKind::Refused, message, offset: None }
    }

    /// One that went wrong.
    pub(crate) fn failed(message: String) -> Self {
        Self { kind: ErrorKind::Failed, message, offset: None }
    }

    /// One that was cut off.
    pub(crate) fn cut_off(budget: Budget, by: &str) -> Self {
        Self { kind: ErrorKind::Budget(budget), message: format!("the script was cut off {by}"), offset: None }
    }

    /// From the compiler.
    pub(crate) fn of_compiler(error: &ParseError, source: &str) -> Self {
        let too_large = |what: &str, bound: usize| {
            Self::cut_off(Budget::Memory, &format!("while it was read: {what} is larger than {bound}"))
        };
        let said = match error.err_type() {
            ParseErrorType::ExprTooDeep => Self::cut_off(
                Budget::Depth,
                &format!("while it was read: an expression is nested more than {MAX_EXPRESSION_DEPTH} levels deep"),
            ),
            ParseErrorType::LiteralTooLarge(what, bound) => too_large(&what.to_lowercase(), *bound),
            ParseErrorType::BadInput(LexError::StringTooLong(bound)) => too_large("a text", *bound),
            other => Self::refused(other.to_string()),
        };
        Self { offset: offset_of(source, error.position()), ..said }
    }

    /// From an evaluation; `cut` is what the meter says of it.
    pub(crate) fn of_run(error: &EvalAltResult, cut: Option<Cut>) -> Self {
        if let Some(cut) = cut {
            return cut.into();
        }
        match error.unwrap_inner() {
            EvalAltResult::ErrorTooManyOperations(_) => Cut::Operations.into(),
            EvalAltResult::ErrorDataRace(..) => Cut::Waiting.into(),
            EvalAltResult::ErrorStackOverflow(_) => Self::cut_off(
                Budget::Depth,
                &format!("after {MAX_CALL_LEVELS} calls within calls; does a function call itself?"),
            ),
            EvalAltResult::ErrorTooManyVariables(_) => {
                Self::cut_off(Budget::Memory, &format!("after {MAX_VARIABLES} variables in use at a time"))
            }
            EvalAltResult::ErrorDataTooLarge(what, _) => Self::cut_off(
                Budget::Memory,
                &format!(
                    "because something grew too large ({}); a text may have {MAX_STRING_BYTES} bytes, \
                     an array or a map {MAX_COLLECTION} elements",
                    what.to_lowercase()
                ),
            ),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<Cut> for ScriptError {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Operations => Self::cut_off(
                Budget::Operations,
                &format!(
                    "after {} operations; does a loop never end, or is this too much work for one evaluation?",
                    grouped(MAX_OPERATIONS)
                ),
            ),
            Cut::Bytes => Self::cut_off(
                Budget::Memory,
                &format!(
                    "after it had gone through {} MiB of lists, maps and texts; \
                     each use of a variable counts with all that is in it",
                    MAX_BYTES_READ >> 20
                ),
            ),
            Cut::Depth => Self::cut_off(
                Budget::Depth,
                "because its values are nested too deeply; is a list put into itself, or a function into a function?",
            ),
            Cut::Waiting => Self::cut_off(
                Budget::Operations,
                "because it would wait forever: a function reads the very list that calls it",
            ),
        }
    }
}

/// With a comma between thousands.
fn grouped(number: u64) -> String {
    let (thousands, rest) = (number / 1000, number % 1000);
    if thousands == 0 { rest.to_string() } else { format!("{},{rest:03}", grouped(thousands)) }
}

/// Rhai counts lines and characters from 1.
pub(crate) fn offset_of(source: &str, position: Position) -> Option<usize> {
    let line = position.line()?;
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let column = position.position().unwrap_or(1).saturating_sub(1);
    let within: usize = source.get(start..)?.chars().take(column).map(char::len_utf8).sum();
    Some(start + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        for (number, text) in [(0, "0"), (999, "999"), (10_000, "10,000"), (1_002_003, "1,002,003")] {
            assert_eq!(grouped(number), text);
        }
    }
}
