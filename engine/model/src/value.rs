//! Values of attributes and of expressions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number, a text or a truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// true or false
    Bool(bool),
    /// A number in the base unit of whatever it measures: ratio, bytes, seconds, watts.
    Number(f64),
    /// Any text.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            // Four significant decimals are what a person compares; the journal keeps the exact number elsewhere.
            Self::Number(value) => write!(f, "{}", (value * 1e4).round() / 1e4),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}
