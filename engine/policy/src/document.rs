//! A document becomes a policy.

use std::{collections::BTreeMap, ops::Range};

use homeostat_model::{Duration, MetricName, Mode, PolicyName, Unit};

use crate::{
    Catalogue, Expr, Formula, Input, Limits, Node as Form, On, OnUnknown, Policy, Rung, Safeguards, Selector,
    fields::{Fields, UNITS, duration, integer, items, parsed, text, texts, word},
    formula::{EventRead, Scope, Written, condition},
    ladder::ladder,
    language::{MAX_WINDOW, overlap},
    limits::limits,
    mistake::Mistake,
    nearest::hint,
    report::Report,
    scripts::Scripts,
    selector::select,
    trigger::{event_read, trigger},
    yaml::Node,
    zone::{UTC, zone},
};

/// The words of `onUnknown`.
pub(crate) const ON_UNKNOWN: [&str; 3] = ["hold", "close", "notify"];

/// The version of the documents' format.
pub const API_VERSION: &str = "homeostat.dev/v1alpha1";

/// From when on a sample says nothing any more, unless the policy says otherwise: eight of the usual scrapes of 15 s.
const STALE_AFTER: Duration = Duration::from_mins(2);

/// The pause between two plans unless the policy says otherwise: long enough to see whether the first one helped.
const COOLDOWN: Duration = Duration::from_mins(5);

/// The greatest priority, either way: as many steps as anybody can tell apart, and short to read.
pub(crate) const MAX_PRIORITY: i32 = 1000;

/// Longest `for`, `staleAfter` and `cooldown`: as long as windows are.
const LONGEST: Duration = MAX_WINDOW;

pub(crate) const MODES: [Mode; 4] = [Mode::Observe, Mode::Recommend, Mode::Approve, Mode::Auto];

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

/// Where parts of a policy stand.
pub(crate) struct Places {
    /// Its name, in its file.
    pub(crate) name: Range<usize>,
    /// Its formulas, in the order of [`Policy::formulas`].
    pub(crate) formulas: Vec<Written>,
    /// The names of its responses, in the order of its ladder.
    pub(crate) responses: Vec<Written>,
}

/// The policy that `root` is, with the places of its parts. `None` when it is another kind of document, or has problems.
pub(crate) fn policy(
    root: &Node,
    source: &str,
    catalogue: &Catalogue,
    scripts: &Scripts,
    report: &mut Report,
) -> Option<(Policy, Places)> {
    let before = report.found();
    let mut fields = head(root, "Policy", &["PolicyTest", "Guard"], report)?;
    let metadata = fields.require("metadata", report).and_then(|node| metadata(node, report));
    let spec = fields.require("spec", report).and_then(|node| spec(node, catalogue, scripts, report));
    fields.finish(report);
    let ((name, name_at, labels), Spec { rest, formulas, responses }) = (metadata?, spec?);
    if report.found() > before {
        return None;
    }
    let text = with_files(source, &formulas, report);
    let Unnamed { description, select, on, when, clear, times, on_unknown, time_zone, mode, priority, limits, then } =
        rest;
    let Times { hold_for, keep_firing_for, stale_after, cooldown } = times;
    let policy = Policy {
        name,
        labels,
        description,
        select,
        on,
        when,
        clear,
        hold_for,
        keep_firing_for,
        stale_after,
        on_unknown,
        time_zone,
        mode,
        priority,
        cooldown,
        limits,
        safeguards: Safeguards::default(),
        then,
        text,
    };
    Some((policy, Places { name: name_at, formulas, responses }))
}

/// The document with the files that its formulas are in, each once.
fn with_files(document: &str, formulas: &[Written], report: &Report) -> String {
    let own = report.source();
    let mut files: Vec<_> = Vec::new();
    for file in formulas.iter().map(Written::source) {
        if file.name() != own.name() && !files.iter().any(|(name, _)| *name == file.name()) {
            files.push((file.name(), file.inner()));
        }
    }
    let files = files.into_iter().map(|(name, text)| format!("\n# {name}\n{text}"));
    std::iter::once(document.to_owned()).chain(files).collect()
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

/// What `spec` says of a policy.
struct Unnamed {
    description: String,
    select: Selector,
    on: Option<On>,
    when: Option<Formula>,
    clear: Option<Formula>,
    times: Times,
    on_unknown: OnUnknown,
    time_zone: String,
    mode: Mode,
    priority: i32,
    limits: Limits,
    then: Vec<Rung>,
}

/// The same with the places of its formulas, in the order of [`Policy::formulas`], and of its responses.
struct Spec {
    rest: Unnamed,
    formulas: Vec<Written>,
    responses: Vec<Written>,
}

fn spec(node: &Node, catalogue: &Catalogue, scripts: &Scripts, report: &mut Report) -> Option<Spec> {
    let mut fields = Fields::open(node, "spec", report)?;
    let description = fields.take("description").and_then(|node| text(node, "description", report));
    let own = fields.take("metrics").map(|node| metrics(node, report)).unwrap_or_default();
    let select = fields.require("select", report).and_then(|node| select(node, catalogue, report));
    let kind = select.as_ref().map(|select| select.kind.as_str());
    let event = event_read(fields.take("on"));
    let scope = Scope { catalogue, kind, metrics: &own, event, scripts, given: None, literal: false, ceiling: None };

    let conditions = conditions(&mut fields, &scope, report);
    let times = times(&mut fields, report);
    let on_unknown = fields.take("onUnknown").and_then(|node| on_unknown(node, report));
    let time_zone = fields.take("timezone").and_then(|node| zone(node, report));
    let mode = fields.take("mode").and_then(|node| word(node, "mode", "a mode", &MODES, report));
    let priority = fields
        .take("priority")
        .and_then(|node| integer(node, "priority", (-MAX_PRIORITY, MAX_PRIORITY), report))
        .unwrap_or_default();
    let limits_at = fields.key_at("promote");
    let limits = limits(&mut fields, catalogue, report);
    if limits.promotion.is_some_and(|promotion| promotion.to <= mode.unwrap_or_default()) {
        report.add(limits_at, Mistake::NoPromotion { mode: mode.unwrap_or_default().to_string() });
    }
    // Before anything is done, the condition is asked again; unless the finding may outlive it.
    let lasting = conditions.clear.is_some() || !times.keep_firing_for.is_zero();
    let scope = Scope { given: conditions.when.as_ref().filter(|_| !lasting), ceiling: limits.ceiling, ..scope };
    let then = fields.require("then", report).map(|node| ladder(node, &scope, report));
    fields.finish(report);
    let Conditions { on, when, clear, mut formulas } = conditions;
    let (mut rungs, mut responses) = (Vec::new(), Vec::new());
    for one in then? {
        rungs.push(one.rung);
        responses.push(one.response);
        formulas.extend(one.formulas);
    }
    let rest = Unnamed {
        description: description.unwrap_or_default().trim().to_owned(),
        select: select?,
        on,
        when,
        clear,
        times,
        on_unknown: on_unknown.unwrap_or_default(),
        time_zone: time_zone.unwrap_or_else(|| UTC.into()),
        mode: mode.unwrap_or_default(),
        priority,
        limits,
        then: rungs,
    };
    Some(Spec { rest, formulas, responses })
}

/// When the policy has something to do.
struct Conditions {
    on: Option<On>,
    when: Option<Formula>,
    clear: Option<Formula>,
    /// Where their formulas stand, in the order of [`Policy::formulas`].
    formulas: Vec<Written>,
}

fn conditions(fields: &mut Fields<'_>, scope: &Scope<'_>, report: &mut Report) -> Conditions {
    let (on, when, clear) = (fields.take("on"), fields.take("when"), fields.take("clear"));
    if on.is_none() && when.is_none() {
        report.add(fields.at(), Mistake::NoTrigger);
    }
    if scope.event == EventRead::Last {
        if fields.take("for").is_some() {
            report.add(fields.key_at("for"), Mistake::ForWithOn);
        }
        for field in ["clear", "keepFiringFor"] {
            if fields.take(field).is_some() {
                report.add(fields.key_at(field), Mistake::LastingWithOn { field });
            }
        }
    }
    let on = on.and_then(|node| trigger(node, scope, report));
    let when = when.and_then(|node| condition(node, "when", scope, report));
    let clear = clear.and_then(|node| condition(node, "clear", scope, report));
    if let (Some((when, _)), Some((clear, written))) = (&when, &clear)
        && flaps(when, clear)
    {
        report.push(written.problem_of_all(Mistake::Flapping));
    }
    let split = |found: Option<(Formula, Written)>| found.unzip();
    let ((when, when_at), (clear, clear_at)) = (split(when), split(clear));
    let (on, filters) = on.map_or((None, Vec::new()), |on| (Some(on.value), on.places));
    let formulas = when_at.into_iter().chain(clear_at).chain(filters).collect();
    Conditions { on, when, clear, formulas }
}

/// Whether `clear` certainly can hold while `when` does: it asks about nothing else, and not for the opposite.
fn flaps(when: &Formula, clear: &Formula) -> bool {
    let (Some(asked), Some(others)) = (compared(&when.expr), compared(&clear.expr)) else { return when.alike(clear) };
    others.iter().all(|input| asked.contains(input)) && overlap(&when.expr, &clear.expr)
}

/// What a condition asks about; `None` when it is more than comparisons of single values, about which nothing is certain.
fn compared(expr: &Expr) -> Option<Vec<&Input>> {
    Some(match &expr.node {
        Form::Literal { .. } => Vec::new(),
        Form::Input(input) => vec![input],
        Form::Not(inner) => compared(inner)?,
        Form::And(operands) | Form::Or(operands) => {
            operands.iter().map(compared).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        Form::Compare(_, left, right) => compared(left)?.into_iter().chain(compared(right)?).collect(),
        _ => return None,
    })
}

/// How long things last.
struct Times {
    hold_for: Duration,
    keep_firing_for: Duration,
    stale_after: Duration,
    cooldown: Duration,
}

fn times(fields: &mut Fields<'_>, report: &mut Report) -> Times {
    let mut time = |name, min, default| match fields.take(name) {
        Some(node) => duration(node, name, (min, LONGEST), report).unwrap_or(default),
        None => default,
    };
    Times {
        hold_for: time("for", Duration::ZERO, Duration::ZERO),
        keep_firing_for: time("keepFiringFor", Duration::ZERO, Duration::ZERO),
        stale_after: time("staleAfter", Duration::from_millis(1), STALE_AFTER),
        cooldown: time("cooldown", Duration::ZERO, COOLDOWN),
    }
}

fn on_unknown(node: &Node, report: &mut Report) -> Option<OnUnknown> {
    let name = word(node, "onUnknown", "a way to treat the unknown", &ON_UNKNOWN, report)?;
    Some(match name {
        "close" => OnUnknown::Close,
        "notify" => OnUnknown::Notify,
        _ => OnUnknown::Hold,
    })
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
