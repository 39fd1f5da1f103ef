//! Finds conditions, and parts of them, that are always the same.

use homeostat_model::Value;

use super::ExprProblem;
use crate::{Arithmetic, Comparison, Expr, Node, mistake::Mistake};

/// Each part of a condition that is constant, the greatest only.
pub(super) fn problems(condition: &Expr) -> Vec<ExprProblem> {
    let mut problems = Vec::new();
    find(condition, &mut problems);
    problems
}

fn find(expr: &Expr, problems: &mut Vec<ExprProblem>) {
    let problem = match (constant(expr), &expr.node) {
        (Some(Value::Bool(true)), _) => "is always true",
        (Some(Value::Bool(false)), _) => "is always false",
        (Some(_), _) => "is always the same",
        (None, _) if !reads(expr) => "reads nothing, so it is always the same",
        (None, Node::And(operands) | Node::Or(operands)) => {
            return operands.iter().for_each(|part| find(part, problems));
        }
        (None, Node::Not(inner)) => return find(inner, problems),
        (None, _) => return,
    };
    problems.push(ExprProblem { mistake: Mistake::ConstantCondition { problem }, span: expr.span.clone() });
}

/// Whether its value can depend on anything; Rhai runs without a clock and without chance.
fn reads(expr: &Expr) -> bool {
    match &expr.node {
        Node::Literal { .. } => false,
        Node::Input(_) => true,
        Node::Script(script) => !script.inputs.is_empty(),
        Node::Not(inner) | Node::Negate(inner) => reads(inner),
        Node::And(operands) | Node::Or(operands) => operands.iter().any(reads),
        Node::Compare(_, left, right) | Node::Arithmetic(_, left, right) | Node::Otherwise(left, right) => {
            reads(left) || reads(right)
        }
    }
}

/// The value, if it does not depend on anything that is read.
pub(super) fn constant(expr: &Expr) -> Option<Value> {
    match &expr.node {
        Node::Literal { value, .. } => Some(value.clone()),
        Node::Input(_) | Node::Script(_) => None,
        // What is constant is known, so that what follows `??` plays no part.
        Node::Otherwise(left, _) => constant(left),
        Node::Not(inner) => Some(Value::Bool(!truth(inner)?)),
        // One false operand makes all of them false, whatever the others are.
        Node::And(operands) => fold(operands, false),
        Node::Or(operands) => fold(operands, true),
        Node::Compare(comparison, left, right) => compare(*comparison, &constant(left)?, &constant(right)?),
        Node::Arithmetic(arithmetic, left, right) => {
            let (left, right) = (number(left)?, number(right)?);
            Some(Value::Number(match arithmetic {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide if right == 0.0 => return None,
                Arithmetic::Divide => left / right,
            }))
        }
        Node::Negate(inner) => Some(Value::Number(-number(inner)?)),
    }
}

fn fold(operands: &[Expr], decisive: bool) -> Option<Value> {
    let truths: Vec<Option<bool>> = operands.iter().map(truth).collect();
    if truths.contains(&Some(decisive)) {
        return Some(Value::Bool(decisive));
    }
    truths.iter().all(Option::is_some).then_some(Value::Bool(!decisive))
}

fn truth(expr: &Expr) -> Option<bool> {
    match constant(expr)? {
        Value::Bool(truth) => Some(truth),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match constant(expr)? {
        Value::Number(number) => Some(number),
        _ => None,
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Option<Value> {
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right)?,
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => return None,
    };
    Some(Value::Bool(match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
    }))
}
