//! Documents of the kind `Guard`: what holds for all policies on the resources that they select.

use std::{ops::Range, sync::Arc};

use homeostat_model::{Budget, PolicyName};

use crate::{
    Catalogue, Selector,
    document::head,
    fields::{Fields, parsed, text, texts},
    limits::{Within, budgets},
    mistake::Mistake,
    report::Report,
    selector::select,
    yaml::{Node, Yaml},
};

/// A guard as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Safeguard {
    /// Its name, unique among the guards.
    pub name: PolicyName,
    /// What it guards.
    pub select: Selector,
    /// How many plans may begin, and be in flight, that concern it.
    pub budgets: Vec<Budget>,
}

/// The guards that were loaded together with a policy. They are no part of what a policy says: one that is changed begins no policy anew.
#[derive(Debug, Clone, Default)]
pub struct Safeguards(pub Arc<[Safeguard]>);

impl PartialEq for Safeguards {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Whether `root` says that it is one.
pub(crate) fn is_guard(root: &Node) -> bool {
    let Yaml::Map(entries) = &root.value else { return false };
    let kind = entries.iter().find(|(key, _)| key.text == "kind").map(|(_, node)| &node.value);
    matches!(kind, Some(Yaml::Scalar { text, .. }) if text == "Guard")
}

/// The guard that `root` is, with the place of its name. `None` when it has problems.
pub(crate) fn guard(root: &Node, catalogue: &Catalogue, report: &mut Report) -> Option<(Safeguard, Range<usize>)> {
    let before = report.found();
    let mut fields = head(root, "Guard", &[], report)?;
    let metadata = fields.require("metadata", report).and_then(|node| metadata(node, report));
    let spec = fields.require("spec", report);
    fields.finish(report);
    let mut fields = Fields::open(spec?, "spec", report)?;
    fields.take("description").and_then(|node| text(node, "description", report));
    let select = fields.require("select", report).and_then(|node| select(node, catalogue, report));
    let budgets_node = fields.take("budgets");
    let budgets = budgets(budgets_node, Within::Guard, report);
    if budgets_node.is_none() {
        report.add(fields.at(), Mistake::EmptyGuard);
    }
    fields.finish(report);
    if report.found() > before {
        return None;
    }
    let (name, at) = metadata?;
    Some((Safeguard { name, select: select?, budgets }, at))
}

fn metadata(node: &Node, report: &mut Report) -> Option<(PolicyName, Range<usize>)> {
    let mut fields = Fields::open(node, "metadata", report)?;
    let name = fields.require("name", report);
    fields.take("labels").map(|node| texts(node, "labels", report));
    fields.finish(report);
    let name = name?;
    Some((parsed(name, "name", report)?, name.at.clone()))
}
