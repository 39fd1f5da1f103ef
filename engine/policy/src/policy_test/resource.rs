//! The resources of a test.

use homeostat_model::{Amount, Capacity, Quantity, Resource, ResourceId, Unit};

use crate::{
    fields::{Fields, items, parsed, text, texts, values},
    mistake::Mistake,
    report::Report,
    yaml::Node,
};

pub(super) fn resources(node: &Node, report: &mut Report) -> Vec<Resource> {
    let mut resources: Vec<Resource> = Vec::new();
    for item in items(node, "resources", report) {
        let Some(resource) = resource(item, "a resource", report) else { continue };
        if resources.iter().any(|other| other.id == resource.id) {
            report.add(item.at.clone(), Mistake::DuplicateResource { id: resource.id.to_string() });
        } else {
            resources.push(resource);
        }
    }
    resources
}

/// What is said about one resource; `of` is what that is called in messages.
pub(super) fn resource(item: &Node, of: &str, report: &mut Report) -> Option<Resource> {
    let mut fields = Fields::open(item, of, report)?;
    let id: Option<ResourceId> = fields.require("id", report).and_then(|node| parsed(node, "id", report));
    let on = fields.take("on").and_then(|node| parsed(node, "on", report));
    let labels = fields.take("labels").map(|node| texts(node, "labels", report)).unwrap_or_default();
    let attributes = fields.take("attributes").map(|node| values(node, "attributes", report)).unwrap_or_default();
    let amount = fields.take("capacity").and_then(|node| amount(node, "capacity", report)).unwrap_or_default();
    fields.finish(report);
    let capacity = Capacity { vcpus: amount.vcpus, memory_bytes: amount.memory_bytes };
    Some(Resource { on, labels, attributes, capacity, ..Resource::named(id?) })
}

/// `{vcpus: 2, memory: 4Gi}`
pub(super) fn amount(node: &Node, of: &str, report: &mut Report) -> Option<Amount> {
    let mut fields = Fields::open(node, of, report)?;
    let vcpus = fields.take("vcpus").and_then(|node| quantity(node, "vcpus", Unit::None, report));
    let memory = fields.take("memory").and_then(|node| quantity(node, "memory", Unit::Bytes, report));
    fields.finish(report);
    // Through its decimal text, as a float has no checked way into an integer.
    let memory_bytes = memory.and_then(|bytes| format!("{bytes:.0}").parse().ok());
    Some(Amount { vcpus, memory_bytes, ..Amount::default() })
}

fn quantity(node: &Node, name: &str, unit: Unit, report: &mut Report) -> Option<f64> {
    let given = text(node, name, report)?;
    match given.parse::<Quantity>() {
        // Bytes may be written without a unit here, as recordings have them.
        Ok(quantity) if quantity.unit == unit || quantity.unit == Unit::None => Some(quantity.number),
        _ => {
            let help =
                Some(format!("write {}", if unit == Unit::Bytes { "an amount such as `4Gi`" } else { "a number" }));
            let reason = format!("`{name}` is `{given}`, which is not an amount");
            report.add(node.at.clone(), Mistake::InvalidValue { reason, help });
            None
        }
    }
}
