//! One figure: a median with its spread, and the target that it has.

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    name: String,
    unit: &'static str,
    /// The median, where there were several.
    value: f64,
    min: f64,
    max: f64,
    /// It was published by others and not measured here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    quoted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Target {
    #[serde(flatten)]
    bound: Bound,
    met: bool,
}

/// A bound, in the unit of its figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    /// The median, least and greatest of `values`.
    pub(super) fn of(name: impl Into<String>, unit: &'static str, values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let (value, min, max) = (at(sorted.len() / 2), at(0), at(sorted.len().saturating_sub(1)));
        Self { name: name.into(), unit, value, min, max, quoted: false, target: None }
    }

    /// One that others have published.
    pub(super) fn quoted(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { quoted: true, ..Self::of(name, unit, &[value]) }
    }

    /// The same, with a target for its median.
    pub(super) fn target(mut self, bound: Bound) -> Self {
        let met = match bound {
            Bound::AtLeast(least) => self.value >= least,
            Bound::AtMost(most) => self.value <= most,
        };
        self.target = Some(Target { bound, met });
        self
    }

    /// Whether it has no target, or meets it.
    pub(super) fn met(&self) -> bool {
        self.target.is_none_or(|target| target.met)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, bound) = match self.bound {
            Bound::AtLeast(bound) => (">=", bound),
            Bound::AtMost(bound) => ("<=", bound),
        };
        write!(f, "{sign} {} {}", readable(bound), if self.met { "met" } else { "MISSED" })
    }
}

/// Writes a scenario with its figures below each other.
///
/// # Errors
/// Those of `out`.
pub(super) fn write_section(out: &mut impl Write, scenario: &str, about: &str, figures: &[Figure]) -> io::Result<()> {
    writeln!(out, "\n{scenario}: {about}")?;
    let width = figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or_default();
    for figure in figures {
        let Figure { name, unit, value, min, max, quoted, target } = figure;
        let spread = match (quoted, min == max) {
            (true, _) => "quoted, not measured here".to_owned(),
            (false, true) => String::new(),
            (false, false) => format!("{} to {}", readable(*min), readable(*max)),
        };
        let target = target.map(|target| target.to_string()).unwrap_or_default();
        let line = format!("  {name:<width$}  {:>11} {unit:<10}  {spread:<26}  {target}", readable(*value));
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

/// Thousands apart, and three digits that mean something.
fn readable(value: f64) -> String {
    let size = value.abs();
    let decimals = if size >= 100.0 || size == 0.0 {
        0
    } else if size >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (value, expected) in [
            (0.0, "0"),
            (0.456, "0.46"),
            (12.34, "12.3"),
            (999.6, "1,000"),
            (-1234.0, "-1,234"),
            (123.0, "123"),
            (1_234_567.8, "1,234,568"),
        ] {
            assert_eq!(readable(value), expected);
        }
    }

    #[test]
    fn a_figure_is_a_median_and_knows_whether_it_meets_its_target() {
        let figure = Figure::of("x", "s", &[3.0, 1.0, 2.0]);
        assert_eq!((figure.value, figure.min, figure.max, figure.met()), (2.0, 1.0, 3.0, true));
        for (bound, met) in [
            (Bound::AtLeast(2.0), true),
            (Bound::AtLeast(2.1), false),
            (Bound::AtMost(2.0), true),
            (Bound::AtMost(1.9), false),
        ] {
            assert_eq!(figure.clone().target(bound).met(), met, "{bound:?}");
        }
        assert!(!Figure::of("nothing", "s", &[]).target(Bound::AtMost(1.0)).met());
    }
}
