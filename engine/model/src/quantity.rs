//! Numbers with units: `85%`, `500Mi`, `10kW`, `5m`. Part of the policy language and of the YAML around it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Duration;

/// What a number measures. Numbers of different units do not compare, [`Unit::None`] compares with any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A bare number or a count.
    #[default]
    None,
    /// A share of a whole: 1 is all of it.
    Ratio,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Watts.
    Watts,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "number",
            Self::Ratio => "ratio",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Watts => "watts",
        })
    }
}

/// A number in the base unit of its [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// In ratios, bytes, seconds, watts, or as written.
    pub number: f64,
    /// What it measures.
    pub unit: Unit,
}

/// A text that is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a quantity; write a number with at most one unit: 85%, 500Mi, 2G, 10kW, 5m, 250ms")]
pub struct ParseQuantityError(String);

const SCALES: [(&str, f64, Unit); 17] = [
    ("%", 0.01, Unit::Ratio),
    ("B", 1.0, Unit::Bytes),
    ("k", 1e3, Unit::Bytes),
    ("M", 1e6, Unit::Bytes),
    ("G", 1e9, Unit::Bytes),
    ("T", 1e12, Unit::Bytes),
    ("Ki", 1024.0, Unit::Bytes),
    ("Mi", 1_048_576.0, Unit::Bytes),
    ("Gi", 1_073_741_824.0, Unit::Bytes),
    ("Ti", 1_099_511_627_776.0, Unit::Bytes),
    ("W", 1.0, Unit::Watts),
    ("kW", 1e3, Unit::Watts),
    ("MW", 1e6, Unit::Watts),
    ("KiB", 1024.0, Unit::Bytes),
    ("MiB", 1_048_576.0, Unit::Bytes),
    ("GiB", 1_073_741_824.0, Unit::Bytes),
    ("TiB", 1_099_511_627_776.0, Unit::Bytes),
];

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        let error = || ParseQuantityError(text.chars().take(64).collect());
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(digits).ok_or_else(error)?;
        let parsed: f64 = number.replace('_', "").parse().map_err(|_| error())?;
        if suffix.is_empty() {
            return Ok(Self { number: parsed, unit: Unit::None });
        }
        if let Some((_, scale, unit)) = SCALES.iter().find(|(name, ..)| *name == suffix) {
            return Ok(Self { number: parsed * scale, unit: *unit });
        }
        let duration: Duration = text.parse().map_err(|_| error())?;
        Ok(Self { number: duration.as_secs_f64(), unit: Unit::Seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_into_base_units() {
        for (text, number, unit) in [
            ("85%", 0.85, Unit::Ratio),
            ("500Mi", 524_288_000.0, Unit::Bytes),
            ("2G", 2e9, Unit::Bytes),
            ("10kW", 10_000.0, Unit::Watts),
            ("5m", 300.0, Unit::Seconds),
            ("1h30m", 5400.0, Unit::Seconds),
            ("10ms", 0.01, Unit::Seconds),
            ("1_000", 1000.0, Unit::None),
            ("0.5", 0.5, Unit::None),
        ] {
            assert_eq!(text.parse::<Quantity>(), Ok(Quantity { number, unit }), "{text}");
        }
        for text in ["", "%", "5x", "1.2.3", "-1", "5 Mi"] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?} was accepted");
        }
    }
}
