//! Results of steps that a test wants, instead of every step being done at once.

use homeostat_model::{Duration, ResourceId, Verb};

use super::{Known, LATEST, Place, place};
use crate::{
    fields::{Fields, duration, items, text, word},
    report::Report,
    yaml::Node,
};

/// Everything an adapter can be asked to do, as tests write it.
pub(super) const VERBS: [Verb; 8] =
    [Verb::Restart, Verb::Start, Verb::Stop, Verb::Resize, Verb::Migrate, Verb::Fence, Verb::Power, Verb::Cordon];

/// What becomes of one verb on one resource, each time it is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedResult {
    /// The resource.
    pub resource: ResourceId,
    /// The verb.
    pub action: Verb,
    /// Why it fails; `None`: it is done.
    pub fails: Option<String>,
    /// How long it takes; zero unless the test says otherwise.
    pub takes: Duration,
    /// Where it stands.
    pub place: Place,
}

pub(super) fn results(node: &Node, known: &Known<'_>, report: &mut Report) -> Vec<InjectedResult> {
    items(node, "actions", report).iter().filter_map(|item| result(item, known, report)).collect()
}

fn result(item: &Node, known: &Known<'_>, report: &mut Report) -> Option<InjectedResult> {
    let mut fields = Fields::open(item, "an action", report)?;
    let resource = fields.require("resource", report).and_then(|node| known.resource(node, report));
    let action = fields.require("action", report).and_then(|node| word(node, "action", "an action", &VERBS, report));
    let (fails, takes) = (fields.take("fails"), fields.take("takes"));
    if fails.is_none() && takes.is_none() {
        let help = Some("write `fails: REASON`, `takes: 30s`, or both; without an entry a step is done".into());
        fields.missing("fails", help, report);
    }
    fields.finish(report);
    let fails = fails.and_then(|node| Some(text(node, "fails", report)?.to_owned()));
    let takes = takes.and_then(|node| duration(node, "takes", (Duration::ZERO, LATEST), report)).unwrap_or_default();
    Some(InjectedResult { resource: resource?, action: action?, fails, takes, place: place(item, report) })
}
