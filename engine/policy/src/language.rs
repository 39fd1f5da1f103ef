//! The expression language: Rhai's syntax with unit literals, window functions and attributes.
//!
//! ```text
//!   text -> lexer -> parser ------> checker -> Expr
//!                    (shape only)   |   |
//!                                   |   +-> reading: signals and attributes, against what exists
//!                                   +-----> script:  what only Rhai understands, with its inputs cut out
//! ```
//!
//! What the parser can delimit becomes as small a script as possible; what it cannot (`if`, `let`, closures) makes a script
//! of the parentheses around it, or of the whole text.

mod checker;
mod constant;
mod lexer;
mod parser;
mod reading;
mod script;
mod token;

use std::{collections::BTreeMap, fmt, ops::Range};

use homeostat_model::{Duration, MetricName, Unit};
use miette::Diagnostic;

use crate::{Catalogue, Expr, mistake::Mistake};
use checker::{Checker, Type};

/// Longest expression, in bytes. The longest that a person can review is a tenth of it.
pub const MAX_EXPRESSION_BYTES: usize = 4096;

/// Deepest nesting of an expression, so that walking it cannot exhaust the stack.
pub const MAX_EXPRESSION_DEPTH: usize = 64;

/// Longest window: its samples are kept in memory, and a week is the longest period that load repeats with.
pub const MAX_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// What an expression may speak of.
#[derive(Debug, Clone, Copy)]
pub struct ExprContext<'a> {
    /// What exists.
    pub catalogue: &'a Catalogue,
    /// The kind of the resources it is asked of.
    pub kind: &'a str,
    /// Metrics that the policy declares itself.
    pub metrics: &'a BTreeMap<MetricName, Unit>,
    /// Whether there is an event to read from.
    pub event: bool,
}

/// Something that is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprProblem {
    pub(crate) mistake: Mistake,
    pub(crate) span: Range<usize>,
}

impl ExprProblem {
    /// Its bytes in the expression.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What sort of problem it is: one of [`crate::CODES`].
    #[must_use]
    pub fn code(&self) -> String {
        self.mistake.code().map(|code| code.to_string()).unwrap_or_default()
    }
}

impl fmt::Display for ExprProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)
    }
}

impl std::error::Error for ExprProblem {}

/// Reads an expression of any type. Takes time in proportion to the length of `text`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text; after an error of syntax, only that.
pub fn parse_expression(text: &str, context: &ExprContext<'_>) -> Result<Expr, Vec<ExprProblem>> {
    check(text, context).map(|(expr, _)| expr)
}

/// Reads a condition: an expression that is true or false, and not always the same.
///
/// # Errors
/// As [`parse_expression`], and when it is no truth, or constant in whole or in part.
pub fn parse_condition(text: &str, context: &ExprContext<'_>) -> Result<Expr, Vec<ExprProblem>> {
    let (expr, found) = check(text, context)?;
    if !matches!(found, Type::Bool | Type::Any) {
        return Err(vec![ExprProblem {
            span: expr.span,
            mistake: Mistake::NotACondition { found: found.described() },
        }]);
    }
    let problems = constant::problems(&expr);
    if problems.is_empty() { Ok(expr) } else { Err(problems) }
}

fn check(text: &str, context: &ExprContext<'_>) -> Result<(Expr, Type), Vec<ExprProblem>> {
    if text.len() > MAX_EXPRESSION_BYTES {
        let mistake = Mistake::ExpressionTooLong { bytes: text.len(), limit: MAX_EXPRESSION_BYTES };
        return Err(vec![ExprProblem { mistake, span: 0..0 }]);
    }
    let tokens = lexer::tokens(text).map_err(|problem| vec![problem])?;
    let tree = parser::parse(&tokens).map_err(|problem| vec![problem])?;
    let mut checker = Checker::new(&tokens, context);
    match checker.expression(&tree) {
        Some(checked) if checker.problems.is_empty() => Ok(checked),
        _ => {
            checker.problems.sort_by_key(|problem| problem.span.start);
            Err(checker.problems)
        }
    }
}

#[cfg(test)]
mod tests;
