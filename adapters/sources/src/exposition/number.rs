//! Values and times as exporters write them.

use homeostat_model::Timestamp;
use jiff::SignedDuration;

/// The number that `text` is, NaN and the infinities in any case of letters; `None` when it is none, or too large.
pub(crate) fn value(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    if value.is_finite() {
        return Some(value);
    }
    // What is written with digits was meant to be finite; and a NaN has no sign.
    let word = text.strip_prefix(['+', '-']).unwrap_or(text);
    let fine = word.starts_with(['i', 'I']) || value.is_nan() && word.len() == text.len();
    fine.then_some(value)
}

/// Whole milliseconds since the epoch.
pub(crate) fn milliseconds(text: &str) -> Option<Timestamp> {
    within_the_calendar(text.parse().ok()?)
}

/// Seconds since the epoch with fractions, rounded to milliseconds.
pub(crate) fn seconds(text: &str) -> Option<Timestamp> {
    of_seconds(value(text)?)
}

/// The same of a number that was read already.
pub(crate) fn of_seconds(seconds: f64) -> Option<Timestamp> {
    let seconds = SignedDuration::try_from_secs_f64(seconds).ok()?;
    // Rounded: the nearest floating-point number of x.789 is below it half of the time.
    let nanos = seconds.as_nanos().checked_add(500_000)?;
    within_the_calendar(i64::try_from(nanos.div_euclid(1_000_000)).ok()?)
}

/// What lies outside of what a calendar can say is a number of something else.
fn within_the_calendar(millis: i64) -> Option<Timestamp> {
    jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_go_would_read() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0.5", -0.5),
            ("+3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1e3),
            ("1.797693134862315708145274237317043567981e+308", f64::MAX),
            ("4.9E-324", f64::from_bits(1)),
            ("1e-400", 0.0),
            ("+Inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        assert!(value("NaN").is_some_and(f64::is_nan) && value("nan").is_some_and(f64::is_nan));
        for wrong in ["", "-", ".", "1e999", "-1e999", "0x10", "1_000", "1,5", "1 ", "-NaN", "+nan", "infinit", "1e"] {
            assert_eq!(value(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_milliseconds_or_seconds() {
        let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
        for (text, as_milliseconds, as_seconds) in [
            ("0", Some(0), Some(0)),
            ("1395066363000", Some(1_395_066_363_000), None),
            ("-3982045", Some(-3_982_045), Some(-3_982_045_000)),
            ("1520879607.789", None, Some(1_520_879_607_789)),
            ("1.5e9", None, Some(1_500_000_000_000)),
            ("-0.0004", None, Some(0)),
            ("-0.0006", None, Some(-1)),
            ("NaN", None, None),
            ("+Inf", None, None),
            ("9223372036854775807", None, None),
            ("x", None, None),
        ] {
            assert_eq!(millis(milliseconds(text)), as_milliseconds, "{text}");
            assert_eq!(millis(seconds(text)), as_seconds, "{text}");
        }
    }
}
