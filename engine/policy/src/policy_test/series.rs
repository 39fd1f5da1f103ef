//! Series in the expanding notation of Prometheus' `promtool test rules`.

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

pub(super) fn series(node: &Node, known: &Known<'_>, report: &mut Report) -> Vec<Series> {
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
                Err((part, mistake)) => {
                    let at = written.find(part).map_or(0..0, |start| start..start + part.len());
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

/// Writes a series out, and takes its length from `room`; or says which part is wrong.
fn expand<'a>(text: &'a str, room: &mut usize) -> Result<Vec<Option<f64>>, (&'a str, Mistake)> {
    let mut values = Vec::new();
    for part in text.split_whitespace() {
        let Part { first, step, count } =
            read(part).ok_or_else(|| (part, Mistake::InvalidSeries { text: part.chars().take(64).collect() }))?;
        let too_many = (part, Mistake::TooManyValues { limit: MAX_VALUES });
        *room = usize::try_from(count).ok().and_then(|count| room.checked_sub(count)).ok_or(too_many)?;
        values.extend((0..count).map(|index| first.map(|first| first + step * f64::from(index))));
    }
    Ok(values)
}

/// `count` values from `first` on, each `step` more than the one before; or as many missing ones.
struct Part {
    first: Option<f64>,
    step: f64,
    count: u32,
}

fn read(part: &str) -> Option<Part> {
    let (values, times) = match part.rsplit_once('x') {
        Some((values, times)) => (values, Some(times.parse::<u32>().ok()?)),
        None => (part, None),
    };
    if values == "_" {
        return Some(Part { first: None, step: 0.0, count: times.unwrap_or(1) });
    }
    // A sign at the very start belongs to the first value.
    let operator = values.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map(|(at, _)| at);
    let (first, step) = match operator {
        Some(at) => (values.get(..at)?, number(values.get(at..)?)?),
        None => (values, 0.0),
    };
    // Without a count, a step would never be taken.
    if operator.is_some() && times.is_none() {
        return None;
    }
    // As promtool has it, `x3` repeats three times *more*.
    let count = times.map_or(Some(1), |times| times.checked_add(1))?;
    Some(Part { first: Some(number(first)?), step, count })
}

/// A number with an optional sign and unit: `0.5`, `-3`, `85%`, `2Gi`.
fn number(text: &str) -> Option<f64> {
    let (sign, amount) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let quantity: Quantity = amount.parse().ok()?;
    quantity.number.is_finite().then_some(sign * quantity.number)
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn what_is_no_series_is_refused() {
        for text in ["x3", "1x", "1x-1", "a", "1+x2", "1+2", "1,2", "__", "1x9999999999", "+", "1x2x3"] {
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
