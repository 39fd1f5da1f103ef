//! Resources that appear, change and go in the course of a test.

use std::collections::BTreeSet;

use homeostat_model::{Duration, Resource, ResourceId};

use super::{LATEST, resource::resource};
use crate::{
    fields::{Fields, duration, items, parsed},
    mistake::Mistake,
    nearest::hint,
    report::Report,
    yaml::{Node, Yaml},
};

/// A change of what exists.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryChange {
    /// When, from the start of the test.
    pub at: Duration,
    /// What.
    pub edit: InventoryEdit,
}

/// What happens to a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum InventoryEdit {
    /// It appears.
    Add(Resource),
    /// What is said here becomes so: labels and attributes are added to those it has, what is left out stays as it is.
    Change(Resource),
    /// It goes.
    Remove(ResourceId),
}

impl InventoryEdit {
    /// Whose.
    #[must_use]
    pub fn resource(&self) -> &ResourceId {
        match self {
            Self::Add(resource) | Self::Change(resource) => &resource.id,
            Self::Remove(id) => id,
        }
    }
}

/// Reads the changes, and plays them through: only what exists can change or go, and only what does not can appear.
pub(super) fn changes(node: &Node, resources: &[Resource], report: &mut Report) -> Vec<InventoryChange> {
    let mut changes: Vec<(InventoryChange, &Node)> = Vec::new();
    for item in items(node, "inventory", report) {
        changes.extend(change(item, report).map(|change| (change, item)));
    }
    // Stable: of one moment, what is written first happens first.
    changes.sort_by_key(|(change, _)| change.at);
    let mut existing: BTreeSet<&ResourceId> = resources.iter().map(|resource| &resource.id).collect();
    for (change, item) in &changes {
        let id = change.edit.resource();
        let fits = match &change.edit {
            InventoryEdit::Add(_) => existing.insert(id),
            InventoryEdit::Change(_) => existing.contains(id),
            InventoryEdit::Remove(_) => existing.remove(id),
        };
        if fits {
            continue;
        }
        let (state, help) = match change.edit {
            InventoryEdit::Add(_) => ("exists already", Some("`change` it, or `remove` it before".into())),
            InventoryEdit::Change(_) | InventoryEdit::Remove(_) => {
                let near = hint(id.as_str(), existing.iter().map(|id| id.as_str()));
                ("does not exist", near.or_else(|| Some("list it below `resources`, or `add` it before".into())))
            }
        };
        let (id, at) = (id.to_string(), change.at.to_string());
        let mistake = Mistake::InventoryOutOfStep { id, state, at, help };
        report.add(item.at.clone(), mistake);
    }
    changes.into_iter().map(|(change, _)| change).collect()
}

fn change(item: &Node, report: &mut Report) -> Option<InventoryChange> {
    let mut fields = Fields::open(item, "an inventory change", report)?;
    // What is so at the start is said below `resources`.
    let later = (Duration::from_millis(1), LATEST);
    let at = fields.require("at", report).and_then(|node| duration(node, "at", later, report));
    let edits = ["add", "change", "remove"].map(|name| (name, fields.take(name)));
    let given: Vec<(&'static str, &Node)> = edits.into_iter().filter_map(|(name, node)| Some((name, node?))).collect();
    if given.is_empty() {
        let help = "write `add: {id: ..}`, `change: {id: .., attributes: ..}` or `remove: ID`";
        fields.missing("add", Some(help.into()), report);
    }
    if let [(first, _), (second, node), ..] = given[..] {
        report.add(node.at.clone(), Mistake::Exclusive { one: first, other: second });
    }
    fields.finish(report);
    let (name, node) = *given.first()?;
    let edit = match name {
        "add" => InventoryEdit::Add(resource(node, "add", report)?),
        "change" => InventoryEdit::Change(changed(node, report)?),
        _ => InventoryEdit::Remove(parsed(node, "remove", report)?),
    };
    Some(InventoryChange { at: at?, edit })
}

/// A change that changes nothing is a slip of the pen.
fn changed(node: &Node, report: &mut Report) -> Option<Resource> {
    let resource = resource(node, "change", report)?;
    if matches!(&node.value, Yaml::Map(entries) if entries.len() == 1) {
        let help = Some("add `attributes`, `labels`, `capacity` or `on`".into());
        report.add(node.at.clone(), Mistake::InvalidValue { reason: "nothing of it changes".into(), help });
        return None;
    }
    Some(resource)
}
