//! Spans of time, written as Go and Prometheus write them: `90s`, `1h30m`, `500ms`, `2d`.

use std::{fmt, iter::Peekable, str::Chars, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A span of time of at least zero, in whole milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(u64);

const SUFFIXES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds; saturates.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// From minutes; saturates.
    #[must_use]
    pub const fn from_mins(minutes: u64) -> Self {
        Self(minutes.saturating_mul(60_000))
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// In seconds, with their fraction.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        std::time::Duration::from_millis(self.0).as_secs_f64()
    }

    /// The sum; saturates.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or zero when `other` is longer.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a duration; write numbers with units d, h, m, s or ms, such as 90s or 1h30m")]
pub struct ParseDurationError(String);

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let error = || ParseDurationError(text.chars().take(64).collect());
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let mut rest = text.chars().peekable();
        let mut millis: u64 = 0;
        while rest.peek().is_some() {
            millis = part(&mut rest).and_then(|part| millis.checked_add(part)).ok_or_else(error)?;
        }
        if text.is_empty() { Err(error()) } else { Ok(Self(millis)) }
    }
}

/// Reads one `number unit` and gives it in milliseconds; fractions are allowed down to a millisecond (`1.5s`).
fn part(rest: &mut Peekable<Chars<'_>>) -> Option<u64> {
    let take = |rest: &mut Peekable<Chars<'_>>, wanted: fn(char) -> bool| {
        let mut taken = String::new();
        while let Some(c) = rest.next_if(|c| wanted(*c)) {
            taken.push(c);
        }
        taken
    };
    let number = take(rest, |c| c.is_ascii_digit() || c == '.');
    let unit = take(rest, |c| c.is_ascii_alphabetic());
    let (_, scale) = SUFFIXES.iter().find(|(suffix, _)| *suffix == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let mut millis = whole.parse::<u64>().ok()?.checked_mul(*scale)?;
    let mut weight = *scale;
    for digit in fraction.chars() {
        weight /= 10;
        millis = millis.checked_add(u64::from(digit.to_digit(10)?).checked_mul(weight)?)?;
    }
    Some(millis)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let mut text = String::new();
        let mut rest = self.0;
        for (suffix, scale) in SUFFIXES {
            let count = rest / scale;
            rest %= scale;
            if count > 0 {
                text.push_str(&count.to_string());
                text.push_str(suffix);
            }
        }
        f.pad(&text)
    }
}

impl TryFrom<String> for Duration {
    type Error = ParseDurationError;
    fn try_from(text: String) -> Result<Self, ParseDurationError> {
        text.parse()
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_go_durations() {
        for (text, millis, written) in [
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1.5s", 1_500, "1s500ms"),
            ("0", 0, "0s"),
            ("2d", 172_800_000, "2d"),
            ("250ms", 250, "250ms"),
        ] {
            let parsed: Duration = text.parse().unwrap();
            assert_eq!((parsed.as_millis(), parsed.to_string().as_str()), (millis, written), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_duration() {
        for text in ["", "5", "m", "-5m", "5 m", "5y", "1..5s", "99999999999999999999d", "5mm"] {
            assert!(text.parse::<Duration>().is_err(), "{text:?} was accepted");
        }
    }
}
