//! Times that come again, as crontab(5) writes them: `0 22 * * 1-5`.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The five fields of a crontab line: minute, hour, day of the month, month, day of the week. Its clock is that of a time zone, which
/// stands beside it.
///
/// Of a day of the month and a day of the week that both say something, either is enough, as in Vixie's cron.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day has to be both: one of the two fields begins with `*`.
    both: bool,
}

/// A text that is no such time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ParseCronError(String);

/// One of the five fields: its name, its bounds, and the names of its values from the smallest on.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of the month", min: 1, max: 31, names: &[] },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    // Sunday is 0 and 7.
    Field { name: "day of the week", min: 0, max: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Short forms.
const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The most days that each month can have.
const LONGEST_MONTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Whether the day with these numbers is one: the month from 1, the day from 1, the weekday from Sunday, 0.
    #[must_use]
    pub fn on_day(&self, month: u32, day: u32, weekday: u32) -> bool {
        let (of_month, of_week) = (has(self.days, day), has(self.weekdays, weekday));
        has(self.months, month) && if self.both { of_month && of_week } else { of_month || of_week }
    }

    /// The hours and minutes of such a day, in order.
    pub fn times(&self) -> impl Iterator<Item = (u32, u32)> {
        let minutes = self.minutes;
        let of_hour = move |hour| (0..60).filter(move |minute| has(minutes, *minute)).map(move |minute| (hour, minute));
        (0..24).filter(|hour| has(self.hours, *hour)).flat_map(of_hour)
    }
}

fn has(set: u64, value: u32) -> bool {
    value < 64 && set & (1 << value) != 0
}

impl FromStr for Cron {
    type Err = ParseCronError;

    fn from_str(text: &str) -> Result<Self, ParseCronError> {
        let written = MACROS.iter().find(|(short, _)| *short == text.trim()).map_or(text, |(_, long)| long);
        let fields: Vec<&str> = written.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            let shown: String = text.chars().take(64).collect();
            let reason = format!(
                "`{shown}` has {} fields; write five: minute, hour, day of the month, month, day of the week, as in `0 22 * * 1-5`",
                fields.len()
            );
            return Err(ParseCronError(reason));
        };
        let mut sets = [0_u64; 5];
        for ((set, field), given) in sets.iter_mut().zip(&FIELDS).zip([minute, hour, day, month, weekday]) {
            *set = field.read(given)?;
        }
        let [minutes, hours, days, months, mut weekdays] = sets;
        if has(weekdays, 7) {
            weekdays |= 1;
        }
        let both = day.starts_with('*') || weekday.starts_with('*');
        let real = |(month, most): (u32, &u32)| has(months, month) && (1..=*most).any(|day| has(days, day));
        if both && !(1..).zip(&LONGEST_MONTHS).any(real) {
            return Err(ParseCronError(format!("`{text}` never comes; no month of these has such a day")));
        }
        Ok(Self { text: text.to_owned(), minutes, hours, days, months, weekdays, both })
    }
}

impl Field {
    /// The values of a field: a list of `*`, `5`, `1-5`, each with or without `/2`.
    fn read(&self, given: &str) -> Result<u64, ParseCronError> {
        let mut set = 0;
        for part in given.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => {
                    let step = step.parse::<u32>().ok().filter(|step| (1..=self.max).contains(step));
                    (range, Some(step.ok_or_else(|| self.error(part))?))
                }
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.min, if self.max == 7 { 6 } else { self.max }),
                Some((from, to)) => (self.value(from, part)?, self.value(to, part)?),
                // `5/10` is from 5 on, every tenth.
                None if step.is_some() => (self.value(range, part)?, self.max),
                None => (self.value(range, part)?, self.value(range, part)?),
            };
            if from > to {
                return Err(self.error(part));
            }
            let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1);
            set |= (from..=to).step_by(step).fold(0, |set, value| set | 1 << value);
        }
        Ok(set)
    }

    fn value(&self, text: &str, part: &str) -> Result<u32, ParseCronError> {
        let named = (self.min..).zip(self.names).find(|(_, name)| name.eq_ignore_ascii_case(text));
        let value = named.map(|(value, _)| value).or_else(|| text.parse().ok());
        value.filter(|value| (self.min..=self.max).contains(value)).ok_or_else(|| self.error(part))
    }

    fn error(&self, part: &str) -> ParseCronError {
        let part: String = part.chars().take(64).collect();
        let names = if self.names.is_empty() { "" } else { ", or their English names in three letters" };
        let Self { name, min, max, .. } = self;
        ParseCronError(format!(
            "`{part}` is not a {name}; write numbers from {min} to {max}{names}, `*`, ranges `1-5` and steps `*/2`"
        ))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_crontab_are_read() {
        for (text, month, day, weekday, on) in [
            ("* * * * *", 2, 29, 4, true),
            ("0 0 13 * 5", 1, 13, 2, true),
            ("0 0 13 * 5", 1, 14, 5, true),
            ("0 0 13 * 5", 1, 14, 2, false),
            ("0 0 * * 5", 1, 13, 2, false),
            ("0 0 */2 * 1", 1, 3, 2, false),
            ("0 0 * * 7", 1, 4, 0, true),
            ("0 0 * * 5-7", 1, 4, 0, true),
            ("0 0 * * 5-7", 1, 5, 1, false),
            ("0 0 * jan,Jul mon-FRI", 7, 6, 1, true),
            ("0 0 * jan,Jul mon-FRI", 7, 5, 0, false),
            ("@monthly", 5, 1, 3, true),
            ("@weekly", 5, 1, 3, false),
        ] {
            assert_eq!(text.parse::<Cron>().unwrap().on_day(month, day, weekday), on, "{text} {month} {day} {weekday}");
        }
        let times = |text: &str| text.parse::<Cron>().unwrap().times().collect::<Vec<_>>();
        assert_eq!(times("*/30 8,20 * * *"), [(8, 0), (8, 30), (20, 0), (20, 30)]);
        assert_eq!(times("50/5 1-3/2 * * *"), [(1, 50), (1, 55), (3, 50), (3, 55)]);
        assert_eq!(times("* * * * *").len(), 1440);
    }

    #[test]
    fn what_is_no_such_time_is_refused_with_a_way_out() {
        for (text, told) in [
            ("0 22 * *", "has 4 fields"),
            ("60 * * * *", "`60` is not a minute"),
            ("* 5-1 * * *", "`5-1` is not a hour"),
            ("* * 0 * *", "`0` is not a day of the month"),
            ("* * * */0 *", "`*/0` is not a month"),
            ("* * * * monday", "`monday` is not a day of the week"),
            ("0 0 30 2 *", "never comes"),
            ("", "has 0 fields"),
            ("@reboot", "has 1 fields"),
        ] {
            let error = text.parse::<Cron>().unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("; "), "{text}: {error}");
        }
    }
}
