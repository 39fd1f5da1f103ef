//! The value of a term while a formula is evaluated, and what is done with values.

use std::{borrow::Cow, cmp::Ordering};

use homeostat_model::{Truth, Value};
use homeostat_policy::{Arithmetic, Comparison};

/// What a slot is at this moment; `None` when it is not known.
pub(crate) type Reading = Option<Value>;

/// A value that borrows texts instead of copying them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand<'a> {
    Number(f64),
    Bool(bool),
    Text(Cow<'a, str>),
    Unknown,
}

impl Operand<'_> {
    pub(crate) fn truth(&self) -> Truth {
        match self {
            Self::Bool(value) => Truth::from(Some(*value)),
            _ => Truth::Unknown,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn into_reading(self) -> Reading {
        match self {
            Self::Number(number) => Some(Value::Number(number)),
            Self::Bool(value) => Some(Value::Bool(value)),
            Self::Text(text) => Some(Value::Text(text.into_owned())),
            Self::Unknown => None,
        }
    }
}

impl<'a> From<Option<&'a Value>> for Operand<'a> {
    fn from(value: Option<&'a Value>) -> Self {
        match value {
            Some(Value::Number(number)) => Self::Number(*number),
            Some(Value::Bool(value)) => Self::Bool(*value),
            Some(Value::Text(text)) => Self::Text(Cow::Borrowed(text)),
            None => Self::Unknown,
        }
    }
}

impl From<Value> for Operand<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(number),
            Value::Bool(value) => Self::Bool(value),
            Value::Text(text) => Self::Text(Cow::Owned(text)),
        }
    }
}

impl From<Option<f64>> for Operand<'_> {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Unknown, Self::Number)
    }
}

impl From<Truth> for Operand<'_> {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Bool(true),
            Truth::False => Self::Bool(false),
            Truth::Unknown => Self::Unknown,
        }
    }
}

pub(crate) fn calculate(operator: Arithmetic, left: f64, right: f64) -> Operand<'static> {
    let result = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
    };
    if result.is_finite() { Operand::Number(result) } else { Operand::Unknown }
}

/// Values of different types do not compare: that is unknown, where Rhai would say false.
pub(crate) fn compare(comparison: Comparison, left: &Operand<'_>, right: &Operand<'_>) -> Truth {
    let ordering = match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => left.partial_cmp(right),
        (Operand::Text(left), Operand::Text(right)) => Some(left.cmp(right)),
        (Operand::Bool(left), Operand::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    };
    Truth::from(ordering.map(|ordering| holds(comparison, ordering)))
}

/// Whether a comparison of two numbers holds; they are finite, so they always compare.
pub(crate) fn compare_numbers(comparison: Comparison, left: f64, right: f64) -> bool {
    match comparison {
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
        Comparison::Equal => left.partial_cmp(&right) == Some(Ordering::Equal),
        Comparison::NotEqual => left.partial_cmp(&right) != Some(Ordering::Equal),
    }
}

fn holds(comparison: Comparison, ordering: Ordering) -> bool {
    match comparison {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
    }
}
