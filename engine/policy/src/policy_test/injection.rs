//! Results of steps that a test wants, instead of every step being done at once.

use homeostat_model::{Duration, ResourceId, Verb};

use super::{Known, LATEST, Place, place};
use crate::{
    fields::{Fields, duration, integer, items, text, word},
    mistake::Mistake,
    report::Report,
    yaml::Node,
};

/// Everything an adapter can be asked to do, as tests write it.
pub(crate) const VERBS: [Verb; 11] = Verb::ALL;

/// How often a result may be wanted at most: more is without a bound, which is written by leaving `times` out.
pub(crate) const MAX_TIMES: u32 = 1_000;

/// What becomes of one verb on one resource. Of several entries that fit, the first that is not used up decides.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedResult {
    /// The resource.
    pub resource: ResourceId,
    /// The verb.
    pub action: Verb,
    /// How it ends.
    pub outcome: InjectedOutcome,
    /// How long it takes; zero unless the test says otherwise. Longer than the step's timeout: its outcome is not known.
    pub takes: Duration,
    /// How often; `None`: each time it is tried.
    pub times: Option<u32>,
    /// Where it stands.
    pub place: Place,
}

/// How a step is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectedOutcome {
    /// It is done.
    Done,
    /// It is tried, and does not work for this reason.
    Fails(String),
    /// It is refused for this reason before anything is changed.
    Refuses(String),
    /// Nobody knows whether it was done, for this reason.
    Unknown(String),
}

pub(super) fn results(node: &Node, known: &Known, report: &mut Report) -> Vec<InjectedResult> {
    items(node, "actions", report).iter().filter_map(|item| result(item, known, report)).collect()
}

fn result(item: &Node, known: &Known, report: &mut Report) -> Option<InjectedResult> {
    let mut fields = Fields::open(item, "an action", report)?;
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    let action = fields.require("action", report).and_then(|node| word(node, "action", "an action", &VERBS, report));
    let ends = ["fails", "refuses", "unknown"].map(|name| (name, fields.take(name)));
    let (takes, times) = (fields.take("takes"), fields.take("times"));
    let given: Vec<(&'static str, &Node)> = ends.into_iter().filter_map(|(name, node)| Some((name, node?))).collect();
    if given.is_empty() && takes.is_none() {
        let help = "write `fails: REASON`, `refuses: REASON`, `unknown: true` or `takes: 30s`; without an entry a step is done";
        fields.missing("fails", Some(help.into()), report);
    }
    if let [(first, _), (second, node), ..] = given[..] {
        report.add(node.at.clone(), Mistake::Exclusive { one: first, other: second });
    }
    fields.finish(report);
    let outcome = match given.first() {
        Some((name, node)) => outcome(name, node, report),
        None => Some(InjectedOutcome::Done),
    };
    let takes = takes.and_then(|node| duration(node, "takes", (Duration::ZERO, LATEST), report)).unwrap_or_default();
    let times = times.and_then(|node| integer(node, "times", (1, MAX_TIMES), report));
    let place = place(item, report);
    Some(InjectedResult { resource: resource?, action: action?, outcome: outcome?, takes, times, place })
}

fn outcome(name: &str, node: &Node, report: &mut Report) -> Option<InjectedOutcome> {
    let reason = text(node, name, report)?.to_owned();
    Some(match (name, reason.as_str()) {
        ("fails", _) => InjectedOutcome::Fails(reason),
        ("refuses", _) => InjectedOutcome::Refuses(reason),
        (_, "true") => InjectedOutcome::Unknown("the test wants it so".into()),
        (_, "false") => {
            let help = Some("leave it out, or write `unknown: true` or a reason".into());
            report.add(node.at.clone(), Mistake::InvalidValue { reason: "`unknown` is never `false`".into(), help });
            return None;
        }
        _ => InjectedOutcome::Unknown(reason),
    })
}
