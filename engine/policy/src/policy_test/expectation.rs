//! What a test expects at a time.

use homeostat_model::{Amount, Duration, FindingRef, PolicyName, ResourceId, Severity, Truth, Verb};

use super::{Known, LATEST, Place, VERBS, place, resource::amount, time};
use crate::{
    fields::{Fields, duration, entries, items, parsed, text, word},
    message::severity_of,
    mistake::Mistake,
    report::Report,
    yaml::{Node, Yaml},
};

/// The words for how a policy stands towards a resource, as `explain` prints them.
pub const STATUSES: [&str; 6] = ["no", "unknown", "waiting", "held back", "acting", "handed over"];

/// What is to be so at a time. What is absent is not looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// When, from the start of the test.
    pub at: Duration,
    /// The open findings at that time, all of them.
    pub findings: Option<Vec<FindingRef>>,
    /// What is said about resources at that time.
    pub explain: Vec<Explanation>,
    /// The plans that were made since the expectation before, all of them.
    pub plans: Option<Vec<ExpectedPlan>>,
    /// What people were told since the expectation before, all of it.
    pub notified: Option<Vec<ExpectedNotification>>,
    /// Where it stands.
    pub place: Place,
}

/// What is to be said about a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The resource.
    pub resource: ResourceId,
    /// By which policy; `None`: by any.
    pub policy: Option<PolicyName>,
    /// Whether the condition holds.
    pub holds: Option<Truth>,
    /// A part of the explanation's text.
    pub because: Option<String>,
    /// The explanation's status, one of [`STATUSES`].
    pub status: Option<String>,
    /// Clauses of the condition, each by a part of its text, and whether they hold.
    pub clauses: Vec<(String, Truth)>,
    /// When it acts by itself if everything stays as it is, from the start of the test.
    pub acts_at: Option<Duration>,
    /// Where it stands.
    pub place: Place,
}

/// Something that people are to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedNotification {
    /// By which policy.
    pub policy: PolicyName,
    /// About which resource; `None`: any.
    pub resource: Option<ResourceId>,
    /// How urgent it is; `None`: however.
    pub severity: Option<Severity>,
    /// A part of the message.
    pub contains: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// A plan that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedPlan {
    /// By which policy.
    pub policy: PolicyName,
    /// For which resource's finding; `None`: for any.
    pub subject: Option<ResourceId>,
    /// Its steps in order, all of them.
    pub steps: Option<Vec<ExpectedStep>>,
    /// Where it stands.
    pub place: Place,
}

/// A step that a plan is to have.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedStep {
    /// What is acted on.
    pub resource: ResourceId,
    /// What is done.
    pub action: Verb,
    /// To what size.
    pub amount: Option<Amount>,
    /// To or on which host.
    pub host: Option<ResourceId>,
    /// Where it stands.
    pub place: Place,
}

pub(super) fn expectations(node: &Node, known: &Known, report: &mut Report) -> Vec<Expectation> {
    let entries = items(node, "expect", report);
    if matches!(node.value, Yaml::List(_)) && entries.is_empty() {
        report.add(node.at.clone(), Mistake::EmptyExpectation { fields: "`- at: 5m` with what is to be so then" });
    }
    let mut expectations: Vec<Expectation> = Vec::new();
    for item in entries {
        let Some(expectation) = expectation(item, known, report) else { continue };
        if let Some(before) = expectations.last().map(|last| last.at).filter(|before| *before > expectation.at) {
            let (at, before) = (expectation.at.to_string(), before.to_string());
            report.add(item.at.clone(), Mistake::UnorderedExpectations { at, before });
        }
        expectations.push(expectation);
    }
    expectations
}

fn expectation(item: &Node, known: &Known, report: &mut Report) -> Option<Expectation> {
    let mut fields = Fields::open(item, "an expectation", report)?;
    let at = fields.require("at", report).and_then(|node| time(node, report));
    let (findings, explain) = (fields.take("findings"), fields.take("explain"));
    let (plans, notified) = (fields.take("plans"), fields.take("notified"));
    if [findings, explain, plans, notified].iter().all(Option::is_none) {
        report.add(fields.at(), Mistake::EmptyExpectation { fields: "`findings`, `explain`, `plans` or `notified`" });
    }
    fields.finish(report);
    let findings = findings.map(|node| {
        items(node, "findings", report).iter().filter_map(|item| finding(item, known, report)).collect::<Vec<_>>()
    });
    let explain = explain.map(|node| explanations(node, known, report)).unwrap_or_default();
    let plans = plans.map(|node| {
        items(node, "plans", report).iter().filter_map(|item| plan(item, known, report)).collect::<Vec<_>>()
    });
    let notified = notified.map(|node| {
        items(node, "notified", report).iter().filter_map(|item| notification(item, known, report)).collect::<Vec<_>>()
    });
    Some(Expectation { at: at?, findings, explain, plans, notified, place: place(item, report) })
}

fn finding(item: &Node, known: &Known, report: &mut Report) -> Option<FindingRef> {
    let mut fields = Fields::open(item, "a finding", report)?;
    let policy = fields.require("policy", report).and_then(|node| parsed(node, "policy", report));
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    fields.finish(report);
    Some(FindingRef { policy: policy?, resource: resource? })
}

/// One explanation, or a list of them.
fn explanations(node: &Node, known: &Known, report: &mut Report) -> Vec<Explanation> {
    match &node.value {
        Yaml::List(entries) => entries.iter().filter_map(|item| explanation(item, known, report)).collect(),
        _ => explanation(node, known, report).into_iter().collect(),
    }
}

fn explanation(item: &Node, known: &Known, report: &mut Report) -> Option<Explanation> {
    let mut fields = Fields::open(item, "explain", report)?;
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    let policy = fields.take("policy").and_then(|node| parsed(node, "policy", report));
    let (holds, because, status) = (fields.take("holds"), fields.take("because"), fields.take("status"));
    let (clauses, acts_at) = (fields.take("clauses"), fields.take("actsAt"));
    if [holds, because, status, clauses, acts_at].iter().all(Option::is_none) {
        report.add(
            fields.at(),
            Mistake::EmptyExpectation { fields: "`holds`, `status`, `clauses`, `because` or `actsAt`" },
        );
    }
    fields.finish(report);
    let holds = holds.and_then(|node| truth(node, "holds", report));
    let because = because.and_then(|node| Some(text(node, "because", report)?.to_owned()));
    let status = status.and_then(|node| word(node, "status", "a status", &STATUSES, report)).map(str::to_owned);
    let clauses = clauses.map(|node| self::clauses(node, report)).unwrap_or_default();
    let acts_at = acts_at.and_then(|node| duration(node, "actsAt", (Duration::ZERO, LATEST), report));
    let place = place(item, report);
    Some(Explanation { resource: resource?, policy, holds, because, status, clauses, acts_at, place })
}

/// `{'avg("cpu.utilization", 5m) > 85%': true}`
fn clauses(node: &Node, report: &mut Report) -> Vec<(String, Truth)> {
    let clauses = entries(node, "clauses", report);
    if matches!(&node.value, Yaml::Map(entries) if entries.is_empty()) {
        report.add(node.at.clone(), Mistake::EmptyExpectation { fields: "a part of a clause, and whether it holds" });
    }
    clauses.into_iter().filter_map(|(key, value)| Some((key.text.clone(), truth(value, "a clause", report)?))).collect()
}

fn truth(node: &Node, field: &str, report: &mut Report) -> Option<Truth> {
    word(node, field, "a truth", &[Truth::True, Truth::False, Truth::Unknown], report)
}

fn notification(item: &Node, known: &Known, report: &mut Report) -> Option<ExpectedNotification> {
    let mut fields = Fields::open(item, "a notification", report)?;
    let policy = fields.require("policy", report).and_then(|node| parsed(node, "policy", report));
    let resource = fields.take("resource").and_then(|node| known.resource(node, report));
    let severity = fields.take("severity").and_then(|node| severity_of(node, report));
    let contains = fields.take("contains").and_then(|node| Some(text(node, "contains", report)?.to_owned()));
    fields.finish(report);
    Some(ExpectedNotification { policy: policy?, resource, severity, contains, place: place(item, report) })
}

fn plan(item: &Node, known: &Known, report: &mut Report) -> Option<ExpectedPlan> {
    let mut fields = Fields::open(item, "a plan", report)?;
    let policy = fields.require("policy", report).and_then(|node| parsed(node, "policy", report));
    let subject = fields.take("subject").and_then(|node| known.resource(node, report));
    let steps = fields.take("steps").map(|node| {
        items(node, "steps", report).iter().filter_map(|item| step(item, known, report)).collect::<Vec<_>>()
    });
    fields.finish(report);
    Some(ExpectedPlan { policy: policy?, subject, steps, place: place(item, report) })
}

fn step(item: &Node, known: &Known, report: &mut Report) -> Option<ExpectedStep> {
    let mut fields = Fields::open(item, "a step", report)?;
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    let action = fields.require("action", report).and_then(|node| word(node, "action", "an action", &VERBS, report));
    let (to, on) = (fields.take("to"), fields.take("on"));
    fields.finish(report);
    // `to` is a size for a resize and a host for a migration.
    let (size, host) = match (action, to) {
        (Some(Verb::Resize), to) => (to, on),
        (_, to) => (None, to.or(on)),
    };
    let amount = size.and_then(|node| amount(node, "to", report));
    let host = host.and_then(|node| parsed(node, "to", report));
    Some(ExpectedStep { resource: resource?, action: action?, amount, host, place: place(item, report) })
}
