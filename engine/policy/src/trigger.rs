//! `on`: the events that a policy answers to, or whose absence it does.

use homeostat_model::{Duration, EventType};

use crate::{
    EventMatch, On,
    fields::{Fields, duration, integer, items, items_up_to, parsed},
    formula::{EventRead, Placed, Scope, Written, condition},
    language::MAX_WINDOW,
    mistake::Mistake,
    report::Report,
    yaml::{Node, Yaml},
};

/// The greatest `count`: the times of so many events are kept for each resource.
pub(crate) const MAX_COUNT: u32 = 1_000;

/// The longest `sequence` or `all`: more than a person can follow.
pub(crate) const MAX_PATTERN: usize = 16;

/// Most types of which any will do: as many as a kind of resource has.
pub(crate) const MAX_TYPES: usize = 64;

/// The fields of which a mapping has exactly one.
const FORMS: [&str; 4] = ["event", "sequence", "all", "absent"];

/// What the formulas of a policy with this `on` may read.
pub(crate) fn event_read(on: Option<&Node>) -> EventRead {
    match on.map(|node| &node.value) {
        None => EventRead::No,
        Some(Yaml::Map(entries)) if entries.iter().any(|(key, _)| key.text == "absent") => EventRead::Absent,
        Some(_) => EventRead::Last,
    }
}

/// Reads `on`.
pub(crate) fn trigger(node: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<On>> {
    match &node.value {
        Yaml::Map(_) => pattern(node, scope, report),
        Yaml::Scalar { .. } => {
            let of = EventMatch { types: vec![event_type(node, scope, report)?], filter: None };
            Some(Placed { value: On::Count { of, count: 1, within: Duration::ZERO }, places: Vec::new() })
        }
        _ => {
            report.add(node.at.clone(), Mistake::EventPattern { problem: "is neither an event's type nor a mapping" });
            None
        }
    }
}

fn pattern(node: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<On>> {
    let mut fields = Fields::open(node, "on", report)?;
    let forms: Vec<(&str, &Node)> = FORMS.into_iter().filter_map(|form| Some((form, fields.take(form)?))).collect();
    match forms.as_slice() {
        [("event", of)] => counted(fields, of, scope, report),
        [("absent", of)] => absence(fields, of, scope, report),
        [(form, of)] => several(fields, form, of, scope, report),
        [] => {
            report.add(fields.at(), Mistake::EventPattern { problem: "names no events" });
            None
        }
        [_, (second, _), ..] => {
            report.add(fields.key_at(second), Mistake::EventPattern { problem: "is more than one pattern" });
            None
        }
    }
}

fn counted(mut fields: Fields<'_>, of: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<On>> {
    let (filter, count, within) = (fields.take("where"), fields.take("count"), fields.take("within"));
    let (count_at, within_at) = (fields.key_at("count"), fields.key_at("within"));
    fields.finish(report);
    let of = matching(of, filter, scope, report);
    let given = count.map(|node| integer(node, "count", (1, MAX_COUNT), report));
    match (given, within) {
        (Some(Some(2..)), None) => {
            let problem = "`count` says how many events, but not within what time";
            report.add(count_at, Mistake::CountAndWithin { problem, help: "add `within: 10m`" });
        }
        (None | Some(Some(1)), Some(_)) => {
            let problem = "`within` is the time of several events, but one is enough here";
            report.add(within_at, Mistake::CountAndWithin { problem, help: "add `count: 3`, or remove `within`" });
        }
        _ => {}
    }
    let within = within.map_or(Some(Duration::ZERO), |node| time(node, "within", report));
    let (count, within) = (given.unwrap_or(Some(1))?, within?);
    let Placed { value: of, places } = of?;
    Some(Placed { value: On::Count { of, count, within }, places })
}

fn absence(mut fields: Fields<'_>, of: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<On>> {
    let filter = fields.take("where");
    let window = fields.take("for");
    if window.is_none() {
        fields.missing("for", Some("say how long nothing has to come: `for: 5m`".into()), report);
    }
    fields.finish(report);
    let of = matching(of, filter, scope, report);
    let window = window.and_then(|node| time(node, "for", report))?;
    let Placed { value: of, places } = of?;
    Some(Placed { value: On::Absence { of, window }, places })
}

fn several(
    mut fields: Fields<'_>,
    form: &'static str,
    of: &Node,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<Placed<On>> {
    let within = fields.take("within");
    if within.is_none() {
        fields.missing("within", Some("say within what time all of them come: `within: 10m`".into()), report);
    }
    fields.finish(report);
    let entries = items(of, form, report);
    if matches!(of.value, Yaml::List(_)) && !(2..=MAX_PATTERN).contains(&entries.len()) {
        let given = if entries.len() == 1 { "1 entry".into() } else { format!("{} entries", entries.len()) };
        let mistake = Mistake::OutOfRange {
            what: format!("the length of `{form}`"),
            given,
            allowed: format!("2 to {MAX_PATTERN} entries; for a single type, write `on: TYPE`"),
        };
        report.add(of.at.clone(), mistake);
    }
    let (mut matches, mut places) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(one) = entry_of(entry, scope, report) else { continue };
        matches.push(one.value);
        places.extend(one.places);
    }
    let (of, within) = (matches, within.and_then(|node| time(node, "within", report))?);
    let value = if form == "sequence" { On::Sequence { of, within } } else { On::All { of, within } };
    Some(Placed { value, places })
}

/// An entry of `sequence` or `all`: a type, or `{event, where}`.
fn entry_of(entry: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<EventMatch>> {
    if !matches!(entry.value, Yaml::Map(_)) {
        return matching(entry, None, scope, report);
    }
    let mut fields = Fields::open(entry, "an entry of the pattern", report)?;
    let (event, filter) = (fields.require("event", report), fields.take("where"));
    fields.finish(report);
    matching(event?, filter, scope, report)
}

/// Types, and what has to hold of the events.
fn matching(types: &Node, filter: Option<&Node>, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<EventMatch>> {
    let types = event_types(types, scope, report);
    // What is looked for has details, also where its absence is what counts.
    let scope = Scope { event: EventRead::Last, ..*scope };
    let filter = filter.map(|node| condition(node, "where", &scope, report));
    let (filter, places): (Option<_>, Vec<Written>) = match filter {
        None => (None, Vec::new()),
        Some(found) => found.map(|(formula, written)| (Some(formula), vec![written]))?,
    };
    Some(Placed { value: EventMatch { types: types?, filter }, places })
}

fn event_types(node: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<Vec<EventType>> {
    if !matches!(node.value, Yaml::List(_)) {
        return Some(vec![event_type(node, scope, report)?]);
    }
    let entries = items_up_to(node, "event", MAX_TYPES, report);
    if entries.is_empty() {
        report.add(node.at.clone(), Mistake::EventPattern { problem: "names no events" });
        return None;
    }
    let mut types: Vec<EventType> = Vec::new();
    for entry in entries {
        let Some(event) = event_type(entry, scope, report) else { continue };
        if types.contains(&event) {
            report.add(entry.at.clone(), Mistake::DuplicateValue { value: event.to_string() });
        }
        types.push(event);
    }
    Some(types)
}

fn event_type(node: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<EventType> {
    let event: EventType = parsed(node, "the event's type", report)?;
    if let Some((kind, Err(help))) = scope.kind.map(|kind| (kind, scope.catalogue.check_event(kind, event.as_str()))) {
        let (event, kind) = (event.to_string(), kind.into());
        report.add(node.at.clone(), Mistake::UnknownEvent { event, kind, help });
        return None;
    }
    Some(event)
}

fn time(node: &Node, name: &str, report: &mut Report) -> Option<Duration> {
    duration(node, name, (Duration::from_millis(1), MAX_WINDOW), report)
}
