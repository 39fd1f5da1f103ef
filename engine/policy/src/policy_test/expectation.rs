//! What a test expects at a time.

use homeostat_model::{Amount, Duration, FindingRef, PolicyName, ResourceId, Truth, Verb};

use super::{Known, Place, injection::VERBS, place, resource::amount, time};
use crate::{
    fields::{Fields, items, parsed, text, word},
    mistake::Mistake,
    report::Report,
    yaml::{Node, Yaml},
};

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
    /// The explanation's status, such as `waiting`.
    pub status: Option<String>,
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

pub(super) fn expectations(node: &Node, known: &Known<'_>, report: &mut Report) -> Vec<Expectation> {
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

fn expectation(item: &Node, known: &Known<'_>, report: &mut Report) -> Option<Expectation> {
    let mut fields = Fields::open(item, "an expectation", report)?;
    let at = fields.require("at", report).and_then(|node| time(node, report));
    let (findings, explain, plans) = (fields.take("findings"), fields.take("explain"), fields.take("plans"));
    if findings.is_none() && explain.is_none() && plans.is_none() {
        report.add(fields.at(), Mistake::EmptyExpectation { fields: "`findings`, `explain` or `plans`" });
    }
    fields.finish(report);
    let findings = findings.map(|node| {
        items(node, "findings", report).iter().filter_map(|item| finding(item, known, report)).collect::<Vec<_>>()
    });
    let explain = explain.map(|node| explanations(node, known, report)).unwrap_or_default();
    let plans = plans.map(|node| {
        items(node, "plans", report).iter().filter_map(|item| plan(item, known, report)).collect::<Vec<_>>()
    });
    Some(Expectation { at: at?, findings, explain, plans, place: place(item, report) })
}

fn finding(item: &Node, known: &Known<'_>, report: &mut Report) -> Option<FindingRef> {
    let mut fields = Fields::open(item, "a finding", report)?;
    let policy = fields.require("policy", report).and_then(|node| parsed(node, "policy", report));
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    fields.finish(report);
    Some(FindingRef { policy: policy?, resource: resource? })
}

/// One explanation, or a list of them.
fn explanations(node: &Node, known: &Known<'_>, report: &mut Report) -> Vec<Explanation> {
    match &node.value {
        Yaml::List(entries) => entries.iter().filter_map(|item| explanation(item, known, report)).collect(),
        _ => explanation(node, known, report).into_iter().collect(),
    }
}

fn explanation(item: &Node, known: &Known<'_>, report: &mut Report) -> Option<Explanation> {
    let mut fields = Fields::open(item, "explain", report)?;
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    let policy = fields.take("policy").and_then(|node| parsed(node, "policy", report));
    let (holds, because, status) = (fields.take("holds"), fields.take("because"), fields.take("status"));
    if holds.is_none() && because.is_none() && status.is_none() {
        report.add(fields.at(), Mistake::EmptyExpectation { fields: "`holds`, `because` or `status`" });
    }
    fields.finish(report);
    let truths = [Truth::True, Truth::False, Truth::Unknown];
    let holds = holds.and_then(|node| word(node, "holds", "a truth", &truths, report));
    let because = because.and_then(|node| Some(text(node, "because", report)?.to_owned()));
    let status = status.and_then(|node| Some(text(node, "status", report)?.to_owned()));
    Some(Explanation { resource: resource?, policy, holds, because, status, place: place(item, report) })
}

fn plan(item: &Node, known: &Known<'_>, report: &mut Report) -> Option<ExpectedPlan> {
    let mut fields = Fields::open(item, "a plan", report)?;
    let policy = fields.require("policy", report).and_then(|node| parsed(node, "policy", report));
    let subject = fields.take("subject").and_then(|node| known.resource(node, report));
    let steps = fields.take("steps").map(|node| {
        items(node, "steps", report).iter().filter_map(|item| step(item, known, report)).collect::<Vec<_>>()
    });
    fields.finish(report);
    Some(ExpectedPlan { policy: policy?, subject, steps, place: place(item, report) })
}

fn step(item: &Node, known: &Known<'_>, report: &mut Report) -> Option<ExpectedStep> {
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
