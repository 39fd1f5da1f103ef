//! The expression language: Rhai's syntax with unit literals, window functions and attributes.
//!
//! ```text
//!   text -> lexer -> parser ------> checker -> Expr -> constant, consistency: what is always the same
//!                    (shape only)   |   |
//!                    extent: where  |   +-> reading, signal, clock, aggregate: what is read, against what exists
//!                    inputs end     +-----> script: what only Rhai understands, with its inputs cut out
//! ```
//!
//! What the parser can delimit becomes as small a script as possible; what it cannot (`if`, `let`, closures) makes a script
//! of the parentheses around it, or of the whole text. What an aggregate asks of each member is read by the same parser and
//! checker, in the scope of the member.
//!
//! Invariant: time is in proportion to the length of a text, and nesting is bounded.
//! Invariant: inputs are found and checked in the same way in native parts and in scripts.

mod aggregate;
mod canonical;
mod checker;
mod clause;
mod clock;
mod consistency;
mod constant;
mod extent;
mod facts;
mod interval;
mod lexer;
mod parser;
mod reading;
mod script;
mod signal;
mod token;

use std::{collections::BTreeMap, fmt, ops::Range};

use homeostat_model::{Duration, MetricName, Unit};
use miette::Diagnostic;

use crate::{Catalogue, Expr, Input, Node, mistake::Mistake};
use aggregate::asks_for_all;
use checker::{Checker, Type};
pub use consistency::overlap;
use reading::{Reader, Scope};
use token::Tokens;

/// Longest expression, in bytes. The longest that a person can review is a tenth of it.
pub const MAX_EXPRESSION_BYTES: usize = 4096;

/// Deepest nesting of an expression, so that walking it cannot exhaust the stack. What an aggregate asks of each member is an
/// expression of its own, and holds no other aggregate: at its deepest, the two together are twice as deep.
pub const MAX_EXPRESSION_DEPTH: usize = 64;

/// Longest window: its samples are kept in memory, and a week is the longest period that load repeats with.
pub const MAX_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// Farthest that `predict` looks ahead: a straight line through a week says nothing of what is beyond a month.
pub const MAX_AHEAD: Duration = Duration::from_secs(30 * 24 * 3600);

/// Longest script, in bytes: some 400 lines. What needs more is a program, and belongs behind a hook.
pub const MAX_SCRIPT_BYTES: usize = 16 * 1024;

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

    /// The bytes of another part of the expression that has to do with it: what a clause contradicts, or follows from.
    #[must_use]
    pub fn other(&self) -> Option<Range<usize>> {
        match &self.mistake {
            Mistake::Contradiction { other, .. }
            | Mistake::RedundantClause { other, .. }
            | Mistake::Tautology { other, .. } => Some(other.clone()),
            _ => None,
        }
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

/// What is known of an expression's value before it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprType {
    /// True or false.
    Truth,
    /// A number; [`Unit::None`] also stands for a unit that is not known.
    Number(Unit),
    /// A text.
    Text,
    /// Known only when it is read: an attribute, the result of a script.
    Any,
}

/// Reads an expression, and says of what type it is.
///
/// # Errors
/// As [`parse_expression`].
pub fn parse_typed(text: &str, context: &ExprContext<'_>) -> Result<(Expr, ExprType), Vec<ExprProblem>> {
    let (expr, found) = check(text, context)?;
    let found = match found {
        Type::Bool => ExprType::Truth,
        Type::Number(unit) => ExprType::Number(unit),
        Type::Text => ExprType::Text,
        Type::Any => ExprType::Any,
    };
    Ok((expr, found))
}

/// Reads a whole script: all of `text` is Rhai, in which what it reads becomes variables. Its node is a [`crate::Node::Script`].
/// Takes time in proportion to the length of `text`.
///
/// # Errors
/// Everything that is wrong with what it reads, in the order of the text; after an error of syntax, only that. Rhai itself
/// has not seen it yet.
pub fn parse_script(text: &str, context: &ExprContext<'_>) -> Result<Expr, Vec<ExprProblem>> {
    let tokens = tokens(text, MAX_SCRIPT_BYTES)?;
    let whole = 0..tokens.len();
    let mut problems = Vec::new();
    match script::rewrite(&Reader::new(&tokens, context, Scope::Own), &whole, &mut problems) {
        Some(script) => Ok(Expr { node: Node::Script(script), span: tokens.span(&whole) }),
        None => Err(sorted(problems)),
    }
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
    let mut problems = constant::problems(&expr);
    if problems.is_empty() {
        problems = consistency::problems(&expr, text);
    }
    inputs(&expr, &mut |input| problems.extend(of_members(input, text)));
    if problems.is_empty() { Ok(expr) } else { Err(sorted(problems)) }
}

/// What is always the same in what an aggregate asks of each member.
fn of_members(input: &Input, text: &str) -> Vec<ExprProblem> {
    match input {
        Input::Aggregate(aggregate) if aggregate.fold.of_truths() && !asks_for_all(aggregate.fold, &aggregate.each) => {
            let problems = constant::problems(&aggregate.each);
            if problems.is_empty() { consistency::problems(&aggregate.each, text) } else { problems }
        }
        _ => Vec::new(),
    }
}

/// Shows everything that `expr` reads; not what an aggregate reads in turn.
fn inputs<'e>(expr: &'e Expr, see: &mut impl FnMut(&'e Input)) {
    match &expr.node {
        Node::Literal { .. } => {}
        Node::Input(input) => see(input),
        Node::Script(script) => script.inputs.iter().for_each(see),
        Node::Not(inner) | Node::Negate(inner) => inputs(inner, see),
        Node::And(operands) | Node::Or(operands) => operands.iter().for_each(|operand| inputs(operand, see)),
        Node::Compare(_, left, right) | Node::Arithmetic(_, left, right) | Node::Otherwise(left, right) => {
            inputs(left, see);
            inputs(right, see);
        }
    }
}

fn check(text: &str, context: &ExprContext<'_>) -> Result<(Expr, Type), Vec<ExprProblem>> {
    let tokens = tokens(text, MAX_EXPRESSION_BYTES)?;
    let tree = parser::parse(&tokens, &(0..tokens.len())).map_err(|problem| vec![problem])?;
    let mut checker = Checker::new(&tokens, context, Scope::Own);
    match checker.expression(&tree) {
        Some(checked) if checker.problems.is_empty() => Ok(checked),
        _ => Err(sorted(checker.problems)),
    }
}

fn tokens(text: &str, limit: usize) -> Result<Tokens<'_>, Vec<ExprProblem>> {
    if text.len() > limit {
        let mistake = Mistake::ExpressionTooLong { bytes: text.len(), limit };
        return Err(vec![ExprProblem { mistake, span: 0..0 }]);
    }
    lexer::tokens(text).map_err(|problem| vec![problem])
}

/// In the order of the text.
fn sorted(mut problems: Vec<ExprProblem>) -> Vec<ExprProblem> {
    problems.sort_by_key(|problem| problem.span.start);
    problems
}

#[cfg(test)]
mod tests;
