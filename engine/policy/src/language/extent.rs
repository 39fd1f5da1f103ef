//! Where what is read begins and ends among the tokens, without asking what it means.
//!
//! ```text
//!   avg("cpu", 5m)      state   labels.tier   event.reason   time.ofDay      an input: cut out as a whole
//!   host.avg("cpu", 5m)     host.labels["a/b"]                               the same of what it runs on
//!   children("vm").count(state == "running")      group("tier").sum(..)      the same of many
//!   min(a, b)    sin(x)                                                      a call that is left to Rhai
//! ```

use std::ops::Range;

use homeostat_model::{Duration, Unit};

use super::token::{TokenKind, Tokens};
use crate::{Function, Millionths};

/// The kinds whose name followed by `.` means what the resource runs on.
pub(super) const ANCESTORS: [&str; 3] = ["host", "node", "rack"];

/// The words that begin a set of resources.
pub(super) const SETS: [&str; 2] = ["children", "group"];

/// The words that are neither attributes of a resource nor functions of Rhai's.
pub(super) const RESERVED: [&str; 6] = ["host", "node", "rack", "children", "group", "time"];

/// The window function called `name`, its parameters still to be read.
pub(super) fn function(name: &str) -> Option<Function> {
    const FUNCTIONS: [Function; 16] = [
        Function::Last,
        Function::Avg,
        Function::Min,
        Function::Max,
        Function::Sum,
        Function::Count,
        Function::Rate,
        Function::Increase,
        Function::Delta,
        Function::Stddev,
        Function::Quantile(Millionths(0)),
        Function::Ewma,
        Function::Slope,
        Function::Predict(Duration::ZERO),
        Function::Changes,
        Function::Absent,
    ];
    FUNCTIONS.into_iter().find(|function| function.name() == name)
}

/// Whether something that is read begins at the word `at`, and not the call of a function of Rhai's.
pub(super) fn begins_input(tokens: &Tokens<'_>, at: usize) -> bool {
    is_signal_call(tokens, at) || !tokens.is(at + 1, "(") || tokens.word(at).is_some_and(|word| SETS.contains(&word))
}

/// Whether a call of one of the window functions begins at the token `at`.
///
/// Rhai has a `min` and a `max` of two values; those are meant when no metric in quotes and no window is given.
pub(super) fn is_signal_call(tokens: &Tokens<'_>, at: usize) -> bool {
    let Some(function) = tokens.word(at).and_then(function).filter(|_| tokens.is(at + 1, "(")) else {
        return false;
    };
    if !matches!(function, Function::Min | Function::Max) {
        return true;
    }
    let arguments = arguments(tokens, at + 1);
    let metric = arguments.first().and_then(|range| tokens.kind(range.start));
    let window = arguments.last().and_then(|range| tokens.kind(range.start));
    arguments.len() != 2
        || matches!(metric, Some(TokenKind::Text(_)))
        || matches!(window, Some(TokenKind::Number { unit: Unit::Seconds, .. }))
}

/// The tokens of the arguments between the parenthesis at `open` and its partner.
pub(super) fn arguments(tokens: &Tokens<'_>, open: usize) -> Vec<Range<usize>> {
    let close = tokens.partner(open);
    let mut arguments = Vec::new();
    let (mut start, mut at) = (open + 1, open + 1);
    while at < close {
        if tokens.is(at, ",") {
            arguments.push(start..at);
            start = at + 1;
        }
        at = tokens.partner(at).max(at) + 1;
    }
    if start < close {
        arguments.push(start..close);
    }
    arguments
}

/// The end of the input that begins at the word `at`.
pub(super) fn input_end(tokens: &Tokens<'_>, at: usize) -> usize {
    let member = tokens.is(at + 1, ".") && tokens.word(at + 2).is_some();
    match tokens.word(at) {
        Some(word) if ANCESTORS.contains(&word) && member => match tokens.word(at + 2) {
            Some(inner) if SETS.contains(&inner) => aggregate_end(tokens, at + 2),
            // Nothing of Rhai's can be called there.
            _ if tokens.is(at + 3, "(") => tokens.partner(at + 3) + 1,
            _ => attribute_end(tokens, at + 2),
        },
        Some(word) if SETS.contains(&word) => aggregate_end(tokens, at),
        Some("time") if member => at + 3,
        _ if is_signal_call(tokens, at) => tokens.partner(at + 1) + 1,
        _ => attribute_end(tokens, at),
    }
}

fn attribute_end(tokens: &Tokens<'_>, at: usize) -> usize {
    let indexed = tokens.is(at + 1, "[") && matches!(tokens.kind(at + 2), Some(TokenKind::Text(_)));
    match tokens.word(at) {
        Some("labels" | "capacity") if tokens.is(at + 1, ".") && tokens.word(at + 2).is_some() => at + 3,
        Some("event") if tokens.is(at + 1, ".") && tokens.word(at + 2).is_some() => detail_end(tokens, at + 3),
        Some("labels" | "event") if indexed && tokens.is(at + 3, "]") => at + 4,
        _ => at + 1,
    }
}

/// The end of a detail of an event, of whose name there may be more at `end`: details that lie within another are called
/// `disk.slot`. What is called is a function of Rhai's.
fn detail_end(tokens: &Tokens<'_>, mut end: usize) -> usize {
    while tokens.is(end, ".") && tokens.word(end + 1).is_some() && !tokens.is(end + 2, "(") {
        end += 2;
    }
    end
}

/// The end of the set that begins at the word `at`: behind its argument, if it has one.
pub(super) fn set_end(tokens: &Tokens<'_>, at: usize) -> usize {
    if tokens.is(at + 1, "(") { tokens.partner(at + 1) + 1 } else { at + 1 }
}

/// The end of the set at `at` and of what is asked of it.
fn aggregate_end(tokens: &Tokens<'_>, at: usize) -> usize {
    let end = set_end(tokens, at);
    match (tokens.is(end, ".") && tokens.word(end + 1).is_some(), tokens.is(end + 2, "(")) {
        (true, true) => tokens.partner(end + 2) + 1,
        (true, false) => end + 2,
        (false, _) => end,
    }
}
