//! A document becomes a policy.

use std::{collections::BTreeMap, ops::Range};

use homeostat_model::{Duration, EventType, Kind, MetricName, Mode, PolicyName, Unit};

use crate::{
    Catalogue, EventMatch, Formula, On, OnUnknown, Policy, Selector,
    alignment::locate,
    fields::{Fields, UNITS, duration, integer, items, parsed, text, texts, word},
    ladder::ladder,
    language::{ExprContext, MAX_WINDOW, parse_condition},
    mistake::Mistake,
    nearest::hint,
    report::Report,
    yaml::Node,
};

/// The version of the documents' format.
pub const API_VERSION: &str = "homeostat.dev/v1alpha1";

/// From when on a sample says nothing any more, unless the policy says otherwise: eight of the usual scrapes of 15 s.
const STALE_AFTER: Duration = Duration::from_mins(2);

/// The pause between two plans unless the policy says otherwise: long enough to see whether the first one helped.
const COOLDOWN: Duration = Duration::from_mins(5);

/// The greatest priority, either way: as many steps as anybody can tell apart, and short to read.
const MAX_PRIORITY: i32 = 1000;

/// Longest `for`, `staleAfter` and `cooldown`: as long as windows are.
const LONGEST: Duration = MAX_WINDOW;

const MODES: [Mode; 4] = [Mode::Observe, Mode::Recommend, Mode::Approve, Mode::Auto];

/// Reads `apiVersion` and `kind`, which all documents have. `None` when the document is one of `others`, or of no known
/// kind, which is reported.
pub(crate) fn head<'a>(root: &'a Node, mine: &str, others: &[&str], report: &mut Report) -> Option<Fields<'a>> {
    let mut fields = Fields::open(root, "the document", report)?;
    let version = fields.take("apiVersion");
    let kind_node = fields.require("kind", report)?;
    let kind = text(kind_node, "kind", report)?;
    if others.contains(&kind) {
        return None;
    }
    if kind != mine {
        let help = hint(kind, others.iter().copied().chain([mine]));
        report.add(kind_node.at.clone(), Mistake::UnknownDocumentKind { given: kind.into(), help });
        return None;
    }
    match version.and_then(|node| Some((node, text(node, "apiVersion", report)?))) {
        Some((node, given)) if given != API_VERSION => {
            report.add(node.at.clone(), Mistake::UnknownApiVersion { given: given.into(), known: API_VERSION });
        }
        None if version.is_none() => {
            let help = Some(format!("write `apiVersion: {API_VERSION}`"));
            fields.missing("apiVersion", help, report);
        }
        _ => {}
    }
    Some(fields)
}

/// Where parts of a policy stand in its file.
pub(crate) struct Places {
    pub(crate) name: Range<usize>,
    pub(crate) when: Option<Range<usize>>,
}

/// The policy that `root` is, with the places of its parts. `None` when it is another kind of document, or has problems.
pub(crate) fn policy(
    root: &Node,
    source: &str,
    catalogue: &Catalogue,
    report: &mut Report,
) -> Option<(Policy, Places)> {
    let before = report.found();
    let mut fields = head(root, "Policy", &["PolicyTest"], report)?;
    let metadata = fields.require("metadata", report).and_then(|node| metadata(node, report));
    let spec = fields.require("spec", report).and_then(|node| spec(node, catalogue, report));
    fields.finish(report);
    let ((name, name_at, labels), spec) = (metadata?, spec?);
    if report.found() > before {
        return None;
    }
    let policy = Policy {
        name,
        labels,
        description: spec.description,
        select: spec.select,
        on: spec.on.map(|event| On::Count {
            of: EventMatch { types: vec![event], filter: None },
            count: 1,
            within: Duration::ZERO,
        }),
        when: spec.when,
        clear: None,
        hold_for: spec.hold_for,
        keep_firing_for: Duration::ZERO,
        stale_after: spec.stale_after,
        on_unknown: OnUnknown::Hold,
        time_zone: "UTC".into(),
        mode: spec.mode,
        priority: spec.priority,
        cooldown: spec.cooldown,
        then: spec.then,
        text: source.to_owned(),
    };
    Some((policy, Places { name: name_at, when: spec.when_at }))
}

type Metadata = (PolicyName, Range<usize>, BTreeMap<String, String>);

fn metadata(node: &Node, report: &mut Report) -> Option<Metadata> {
    let mut fields = Fields::open(node, "metadata", report)?;
    let name = fields.require("name", report);
    let labels = fields.take("labels").map(|node| texts(node, "labels", report)).unwrap_or_default();
    fields.finish(report);
    let name = name?;
    Some((parsed(name, "name", report)?, name.at.clone(), labels))
}

/// What `spec` holds.
struct Spec {
    description: String,
    select: Selector,
    on: Option<EventType>,
    when: Option<Formula>,
    when_at: Option<Range<usize>>,
    hold_for: Duration,
    stale_after: Duration,
    mode: Mode,
    priority: i32,
    cooldown: Duration,
    then: Vec<crate::Rung>,
}

fn spec(node: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<Spec> {
    let mut fields = Fields::open(node, "spec", report)?;
    let description = fields.take("description").and_then(|node| text(node, "description", report));
    let own = fields.take("metrics").map(|node| metrics(node, report)).unwrap_or_default();
    let select = fields.require("select", report).and_then(|node| select(node, catalogue, report));
    let kind = select.as_ref().map(|select| select.kind.as_str());

    let (on_node, when_node, for_node) = (fields.take("on"), fields.take("when"), fields.take("for"));
    if on_node.is_none() && when_node.is_none() {
        report.add(fields.at(), Mistake::NoTrigger);
    }
    if on_node.is_some() && for_node.is_some() {
        report.add(fields.key_at("for"), Mistake::ForWithOn);
    }
    let on = on_node.and_then(|node| event(node, kind, catalogue, report));
    let when = when_node.and_then(|node| {
        let written = text(node, "when", report)?;
        // Without a kind, names cannot be checked; the kind is the problem to solve first.
        let context = ExprContext { catalogue, kind: kind?, metrics: &own, event: on_node.is_some() };
        condition(written, node.at.clone(), &context, report)
    });
    let mut time = |name, min, default| match fields.take(name) {
        Some(node) => duration(node, name, (min, LONGEST), report).unwrap_or(default),
        None => default,
    };
    let hold_for = time("for", Duration::ZERO, Duration::ZERO);
    let stale_after = time("staleAfter", Duration::from_millis(1), STALE_AFTER);
    let cooldown = time("cooldown", Duration::ZERO, COOLDOWN);
    let mode = fields.take("mode").and_then(|node| word(node, "mode", "a mode", &MODES, report));
    let priority = fields
        .take("priority")
        .and_then(|node| integer(node, "priority", (-MAX_PRIORITY, MAX_PRIORITY), report))
        .unwrap_or_default();
    let then = fields.require("then", report).map(|node| ladder(node, kind, catalogue, report));
    fields.finish(report);
    Some(Spec {
        description: description.unwrap_or_default().trim().to_owned(),
        select: select?,
        on,
        when,
        when_at: when_node.map(|node| node.at.clone()),
        hold_for,
        stale_after,
        mode: mode.unwrap_or_default(),
        priority,
        cooldown,
        then: then?,
    })
}

fn select(node: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<Selector> {
    let mut fields = Fields::open(node, "select", report)?;
    let kind_node = fields.require("kind", report);
    let match_labels = fields.take("matchLabels").map(|node| texts(node, "matchLabels", report)).unwrap_or_default();
    fields.finish(report);
    let kind: Kind = parsed(kind_node?, "kind", report)?;
    if let Err(help) = catalogue.check_kind(kind.as_str()) {
        let at = kind_node.map_or(node.at.clone(), |node| node.at.clone());
        report.add(at, Mistake::UnknownKind { kind: kind.to_string(), help });
        return None;
    }
    Some(Selector { kind, name: None, match_labels, match_expressions: Vec::new(), within: None })
}

fn metrics(node: &Node, report: &mut Report) -> BTreeMap<MetricName, Unit> {
    let mut metrics = BTreeMap::new();
    for item in items(node, "metrics", report) {
        let Some(mut fields) = Fields::open(item, "a metric", report) else { continue };
        let name_node = fields.require("name", report);
        let unit = fields.take("unit").map_or(Some(Unit::None), |node| word(node, "unit", "a unit", &UNITS, report));
        fields.finish(report);
        let name: Option<MetricName> = name_node.and_then(|node| parsed(node, "name", report));
        if let (Some(name), Some(unit), Some(node)) = (name, unit, name_node)
            && metrics.insert(name.clone(), unit).is_some()
        {
            report.add(node.at.clone(), Mistake::DuplicateMetric { name: name.to_string() });
        }
    }
    metrics
}

fn event(node: &Node, kind: Option<&str>, catalogue: &Catalogue, report: &mut Report) -> Option<EventType> {
    let event: EventType = parsed(node, "on", report)?;
    if let Some((kind, Err(help))) = kind.map(|kind| (kind, catalogue.check_event(kind, event.as_str()))) {
        let (event, kind) = (event.to_string(), kind.into());
        report.add(node.at.clone(), Mistake::UnknownEvent { event, kind, help });
        return None;
    }
    Some(event)
}

fn condition(written: &str, at: Range<usize>, context: &ExprContext<'_>, report: &mut Report) -> Option<Formula> {
    match parse_condition(written, context) {
        Ok(expr) => Some(Formula { text: written.to_owned(), expr }),
        Err(problems) => {
            for problem in problems {
                let at = locate(report.text(), &at, written, &problem.span);
                report.add(at, problem.mistake);
            }
            None
        }
    }
}
