//! Times as they are written: numbers since the epoch, or RFC 3339.

use homeostat_model::Timestamp;
use jiff::SignedDuration;
use serde::Deserialize;
use thiserror::Error;

use crate::{mapping::shortened, scan};

/// The field of a line that holds its time, and what its numbers count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TimeField {
    pub(crate) name: String,
    pub(crate) unit: TimeUnit,
}

/// What a number of a time counts, since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Milliseconds,
    Seconds,
}

/// A time field that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no field with a time; write the name of the field, and `|seconds` behind it when it counts seconds"
)]
pub(crate) struct InvalidTimeField(String);

impl Default for TimeField {
    fn default() -> Self {
        Self { name: "time".into(), unit: TimeUnit::Milliseconds }
    }
}

impl TryFrom<String> for TimeField {
    type Error = InvalidTimeField;

    fn try_from(text: String) -> Result<Self, InvalidTimeField> {
        let (name, unit) = match text.split_once('|') {
            None => (text.as_str(), Some(TimeUnit::Milliseconds)),
            Some((name, "seconds")) => (name, Some(TimeUnit::Seconds)),
            Some((name, _)) => (name, None),
        };
        match unit {
            Some(unit) if !name.is_empty() => Ok(Self { name: name.into(), unit }),
            _ => Err(InvalidTimeField(text)),
        }
    }
}

/// Reads a time. The error says what is wrong with it and what would be right.
pub(crate) fn read_time(raw: &str, unit: TimeUnit) -> Result<Timestamp, String> {
    match plain_time(raw, unit) {
        Some(time) => Ok(time),
        None => any_time(raw, unit),
    }
}

/// A time that is written as most are; what is none, or odd, is left to the other way, which says what is wrong with it.
fn plain_time(raw: &str, unit: TimeUnit) -> Option<Timestamp> {
    if let Some(text) = scan::text(raw) {
        let time: jiff::Timestamp = text.parse().ok()?;
        return Some(Timestamp::from_millis(time.as_millisecond()));
    }
    // A leading plus or zero is not JSON, and does not come here.
    let whole: i64 = raw.parse().ok()?;
    let millis = if unit == TimeUnit::Seconds { whole.checked_mul(1000)? } else { whole };
    jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(Timestamp::from_millis(millis))
}

fn any_time(raw: &str, unit: TimeUnit) -> Result<Timestamp, String> {
    let (counted, example) = match unit {
        TimeUnit::Milliseconds => ("milliseconds", "1700000000000"),
        TimeUnit::Seconds => ("seconds", "1700000000"),
    };
    let wanted = format!("write {counted} since the epoch ({example}) or RFC 3339 (\"2023-11-14T22:13:20Z\")");
    match serde_json::from_str(raw) {
        Ok(serde_json::Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Timestamp::from_millis(time.as_millisecond())),
            Err(_) => Err(format!("`{}` is not a time; {wanted}", shortened(&text))),
        },
        Ok(serde_json::Value::Number(number)) => millis(&number, unit)
            // What lies outside of what a calendar can say is a number of something else.
            .filter(|millis| jiff::Timestamp::from_millisecond(*millis).is_ok())
            .map(Timestamp::from_millis)
            .ok_or_else(|| format!("{number} is beyond the year 9999 when it counts {counted}; {wanted}")),
        _ => Err(format!("it is not a time; {wanted}")),
    }
}

fn millis(number: &serde_json::Number, unit: TimeUnit) -> Option<i64> {
    match (number.as_i64(), unit) {
        (Some(millis), TimeUnit::Milliseconds) => Some(millis),
        (Some(seconds), TimeUnit::Seconds) => seconds.checked_mul(1000),
        (None, unit) => {
            let seconds = number.as_f64()? / if unit == TimeUnit::Milliseconds { 1000.0 } else { 1.0 };
            i64::try_from(SignedDuration::try_from_secs_f64(seconds).ok()?.as_millis()).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, unit: TimeUnit) -> Result<i64, String> {
        let read = read_time(json, unit);
        assert_eq!(read, any_time(json, unit), "{json} is read in two ways");
        read.map(Timestamp::as_millis)
    }

    #[test]
    fn reads_times_of_every_form() {
        for (json, unit, expected) in [
            ("1700000000123", TimeUnit::Milliseconds, Ok(1_700_000_000_123)),
            ("0", TimeUnit::Milliseconds, Ok(0)),
            ("-1", TimeUnit::Milliseconds, Ok(-1)),
            ("1.7e12", TimeUnit::Milliseconds, Ok(1_700_000_000_000)),
            ("1700000000", TimeUnit::Seconds, Ok(1_700_000_000_000)),
            ("1700000000.25", TimeUnit::Seconds, Ok(1_700_000_000_250)),
            (r#""2023-11-14T22:13:20.5Z""#, TimeUnit::Seconds, Ok(1_700_000_000_500)),
            (r#""2023-11-14T23:13:20+01:00""#, TimeUnit::Milliseconds, Ok(1_700_000_000_000)),
            ("1700000000000000", TimeUnit::Milliseconds, Err("beyond the year 9999")),
            ("9223372036854775807", TimeUnit::Seconds, Err("beyond the year 9999")),
            ("1e300", TimeUnit::Seconds, Err("beyond the year 9999")),
            (r#""yesterday""#, TimeUnit::Milliseconds, Err("`yesterday` is not a time; write milli")),
            ("true", TimeUnit::Milliseconds, Err("write milliseconds since the epoch (1700000000000)")),
            ("[1]", TimeUnit::Seconds, Err("write seconds since the epoch (1700000000)")),
        ] {
            match (read(json, unit), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{json}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{json}: {found}"),
                (found, expected) => panic!("{json}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn a_time_field_has_a_name_and_perhaps_a_unit() {
        let field = |text: &str| TimeField::try_from(text.to_owned()).ok().map(|field| (field.name, field.unit));
        assert_eq!(field("ts"), Some(("ts".into(), TimeUnit::Milliseconds)));
        assert_eq!(field("ts|seconds"), Some(("ts".into(), TimeUnit::Seconds)));
        for wrong in ["", "|seconds", "ts|minutes", "ts|"] {
            assert_eq!(field(wrong), None, "{wrong}");
        }
    }
}
