//! Series in the expanding notation of Prometheus' `promtool test rules`.

use std::ops::Range;

use homeostat_model::{MetricName, Quantity, ResourceId};

use super::Known;
use crate::{
    alignment::locate,
    fields::{Fields, items, parsed, text},
    mistake::Mistake,
    report::Report,
    yaml::Node,
};

/// Most values of one test, missing ones included: half a year of one metric every 15 s, and 16 MB of memory.
pub const MAX_VALUES: usize = 1_000_000;

/// What is measured of a resource, one value an interval from the start of the test on.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Of what.
    pub resource: ResourceId,
    /// Which metric.
    pub metric: MetricName,
    /// The values, in the metric's base unit; `None` where there is no sample.
    pub values: Vec<Option<f64>>,
}

pub(super) fn series(node: &Node, known: &Known, report: &mut Report) -> Vec<Series> {
    let mut room = MAX_VALUES;
    let mut all = Vec::new();
    for item in items(node, "series", report) {
        let Some(mut fields) = Fields::open(item, "a series", report) else { continue };
        let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
        let metric = fields.require("metric", report).and_then(|node| parsed(node, "metric", report));
        let values = fields.require("values", report).and_then(|node| {
            let written = text(node, "values", report)?;
            match expand(written, &mut room) {
                Ok(values) => Some(values),
                Err((at, mistake)) => {
                    report.add(locate(report.text(), &node.at, written, &at), mistake);
                    None
                }
            }
        });
        fields.finish(report);
        if let (Some(resource), Some(metric), Some(values)) = (resource, metric, values) {
            all.push(Series { resource, metric, values });
        }
    }
    all
}

/// Writes a series out, and takes its length from `room`; or says what is wrong, and at which bytes.
fn expand(text: &str, room: &mut usize) -> Result<Vec<Option<f64>>, (Range<usize>, Mistake)> {
    let mut values = Vec::new();
    let mut start = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let part = piece.trim_end();
        let at = start..start + part.len();
        start += piece.len();
        if part.is_empty() {
            continue;
        }
        let Part { first, step, count } = read(part).ok_or_else(|| (at.clone(), refused(part)))?;
        let too_many = (at, Mistake::TooManyValues { limit: MAX_VALUES });
        *room = usize::try_from(count).ok().and_then(|count| room.checked_sub(count)).ok_or(too_many)?;
        values.extend((0..count).map(|index| first.map(|first| first + step * f64::from(index))));
    }
    Ok(values)
}

/// Why `part` is none; what promtool knows and means something else here is told with what to write instead.
fn refused(part: &str) -> Mistake {
    let text: String = part.chars().take(64).collect();
    let help = match part.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
        "stale" => {
            "nothing marks a series as stale; write `_`: a metric is stale when its newest sample is older than `staleAfter`"
        }
        "nan" | "inf" => "a measurement is a finite number; write `_` where there is none",
        histogram if histogram.starts_with("{{") => {
            "a sample is one number; write a series for each bucket or quantile"
        }
        _ => return Mistake::InvalidSeries { text },
    };
    Mistake::UnsupportedValue { text, help }
}

/// `count` values from `first` on, each `step` more than the one before; or as many missing ones.
struct Part {
    first: Option<f64>,
    step: f64,
    count: u32,
}

fn read(part: &str) -> Option<Part> {
    let (values, times) = match part.rsplit_once('x') {
        Some((values, times)) => (values, Some(whole(times)?)),
        None => (part, None),
    };
    if values == "_" {
        return Some(Part { first: None, step: 0.0, count: times.unwrap_or(1) });
    }
    let (first, step) = match operator(values) {
        // Without a count, a step would never be taken.
        Some(_) if times.is_none() => return None,
        Some(at) => (number(values.get(..at)?)?, number(values.get(at..)?)?),
        None => (number(values)?, 0.0),
    };
    // As promtool has it, `x3` repeats three times *more*.
    let count = times.map_or(Some(1), |times| times.checked_add(1))?;
    let last = first + step * f64::from(count);
    last.is_finite().then_some(Part { first: Some(first), step, count })
}

/// A count: digits and nothing else.
fn whole(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Where the step begins. A sign at the very start belongs to the first value, one after `e` to its exponent.
fn operator(values: &str) -> Option<usize> {
    let signs = values.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    let exponent = |at: usize| values.get(..at).is_some_and(|before| before.ends_with(['e', 'E']));
    signs.map(|(at, _)| at).find(|at| !exponent(*at))
}

/// A number with an optional sign, exponent or unit: `0.5`, `-3`, `1e3`, `85%`, `2Gi`.
pub(super) fn number(text: &str) -> Option<f64> {
    let (sign, amount) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let scientific = amount.contains(['e', 'E']) && amount.bytes().all(|byte| b"0123456789.eE+-".contains(&byte));
    let number = match amount.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        true if scientific => amount.parse().ok()?,
        true => amount.parse::<Quantity>().ok()?.number,
        false => return None,
    };
    number.is_finite().then_some(sign * number)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn expanded(text: &str) -> Result<Vec<Option<f64>>, Mistake> {
        expand(text, &mut MAX_VALUES.clone()).map_err(|(_, mistake)| mistake)
    }

    #[test]
    fn the_notation_is_promtools() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(expanded("1 2.5 -3"), Ok(some(&[1.0, 2.5, -3.0])));
        assert_eq!(expanded("0.5x2"), Ok(some(&[0.5, 0.5, 0.5])));
        assert_eq!(expanded("1+0.5x3"), Ok(some(&[1.0, 1.5, 2.0, 2.5])));
        assert_eq!(expanded("-2-1x2"), Ok(some(&[-2.0, -3.0, -4.0])));
        assert_eq!(expanded("-2+4x1"), Ok(some(&[-2.0, 2.0])));
        assert_eq!(expanded("7x0"), Ok(some(&[7.0])));
        assert_eq!(expanded(" _x2\n _ 1 "), Ok(vec![None, None, None, Some(1.0)]));
        assert_eq!(expanded("85% 1Ki+1Kix1"), Ok(some(&[0.85, 1024.0, 2048.0])));
        assert_eq!(expanded(""), Ok(vec![]));
        // The examples of promtool's documentation.
        assert_eq!(expanded("-2+4x3"), Ok(some(&[-2.0, 2.0, 6.0, 10.0])));
        assert_eq!(expanded("1-2x4"), Ok(some(&[1.0, -1.0, -3.0, -5.0, -7.0])));
        assert_eq!(expanded("1x4"), Ok(some(&[1.0; 5])));
        assert_eq!(expanded("1 _x3 2"), Ok(vec![Some(1.0), None, None, None, Some(2.0)]));
        // A sign in an exponent is no step.
        assert_eq!(expanded("1e3 -1E-3 2.5e+2x1 1e1-1e-1x1"), Ok(some(&[1000.0, -0.001, 250.0, 250.0, 10.0, 9.9])));
        assert_eq!(expanded("_x0 0x0 0x2"), Ok(some(&[0.0, 0.0, 0.0, 0.0])));
    }

    /// The notation as its definition says it: one value after the other, each made of the one before.
    fn naive(parts: &[(Option<(i32, i32)>, u32)]) -> Vec<Option<f64>> {
        let mut values = Vec::new();
        for (value, times) in parts {
            match *value {
                None => (0..*times).for_each(|_| values.push(None)),
                Some((mut number, step)) => {
                    values.push(Some(f64::from(number) / 4.0));
                    for _ in 0..*times {
                        number += step;
                        values.push(Some(f64::from(number) / 4.0));
                    }
                }
            }
        }
        values
    }

    proptest! {
        /// Quarters are exact in binary, so that sums and products agree.
        #[test]
        fn a_series_is_its_naive_expansion(
            parts in vec((option::of((-1000..1000_i32, -50..50_i32)), 0..20_u32), 0..8),
            space in "[ \t\n]{1,3}",
        ) {
            let write = |(value, times): &(Option<(i32, i32)>, u32)| match value {
                None => format!("_x{times}"),
                Some((number, 0)) if *times == 0 => format!("{}", f64::from(*number) / 4.0),
                Some((number, step)) => format!("{}{:+}x{times}", f64::from(*number) / 4.0, f64::from(*step) / 4.0),
            };
            let text: Vec<String> = parts.iter().map(write).collect();
            prop_assert_eq!(expanded(&text.join(&space)), Ok(naive(&parts)));
        }

        /// Any text is a series or a mistake at a place within it.
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9xeE+._ %Gis\u{e9}-]{0,24}") {
            if let Err((at, _)) = expand(&text, &mut 100_000.clone()) {
                prop_assert!(text.get(at).is_some());
            }
        }
    }

    #[test]
    fn what_promtool_means_otherwise_is_refused_with_what_to_write() {
        for (text, part) in [
            ("1 stale", "staleAfter"),
            ("NaN", "finite"),
            ("-Inf", "finite"),
            ("+inf", "finite"),
            ("{{schema:1}}", "one number"),
        ] {
            let Err(Mistake::UnsupportedValue { help, .. }) = expanded(text) else { panic!("{text}") };
            assert!(help.contains(part), "{text}: {help}");
        }
    }

    #[test]
    fn what_is_no_series_is_refused() {
        for text in [
            "x3",
            "1x",
            "1x-1",
            "a",
            "1+x2",
            "1+2",
            "1,2",
            "__",
            "1x9999999999",
            "+",
            "1x2x3",
            "1x+2",
            "1e",
            "e3",
            "1e400",
            "1e308+1e308x9",
            "infinity",
            "--1",
            "1+-2x3",
        ] {
            assert!(matches!(expanded(text), Err(Mistake::InvalidSeries { .. })), "{text}: {:?}", expanded(text));
        }
    }

    #[test]
    fn the_length_is_bounded_before_memory_is_taken() {
        assert_eq!(expanded("1x4294967294"), Err(Mistake::TooManyValues { limit: MAX_VALUES }));
        assert_eq!(expanded("_x999999 1").map(|values| values.len()), Ok(MAX_VALUES));
        assert_eq!(expanded("_x999999 1x1"), Err(Mistake::TooManyValues { limit: MAX_VALUES }));
    }
}
