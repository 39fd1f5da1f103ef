//! Marks on resources that say that they are to be left alone: our own, and those that others have made customary.

use homeostat_model::{Hold, Resource, ResourceId, Topology, Value};

/// A mark, and whether it has to be true; otherwise it is enough that it is there.
///
/// Cluster API pauses what has its annotation, whatever that says (`annotations.HasPaused`); Medik8s' node health check passes over nodes
/// with its label. Adapters bring annotations as labels or attributes.
const MARKS: [(&str, bool); 3] = [
    ("homeostat.dev/paused", true),
    ("cluster.x-k8s.io/paused", false),
    ("remediation.medik8s.io/exclude-from-remediation", true),
];

/// Whether nothing says that `id` is to be left alone, nor what it runs on.
///
/// # Errors
/// [`Hold::Marked`] with the mark and where it is.
pub(crate) fn marked(id: &ResourceId, topology: &Topology) -> Result<(), Hold> {
    let lineage = topology.get(id).into_iter().chain(topology.ancestors(id));
    let found = lineage.filter_map(|resource| Some((resource, mark_of(resource)?))).next();
    found.map_or(Ok(()), |(resource, mark)| Err(Hold::Marked { resource: resource.id.clone(), mark: mark.to_owned() }))
}

fn mark_of(resource: &Resource) -> Option<&'static str> {
    let says = |(name, has_to_be_true): &&(&'static str, bool)| {
        let label = resource.labels.get(*name).map(|text| text.eq_ignore_ascii_case("true"));
        let attribute = resource.attributes.get(*name).map(|value| match value {
            Value::Bool(truth) => *truth,
            Value::Text(text) => text.eq_ignore_ascii_case("true"),
            _ => false,
        });
        [label, attribute].into_iter().flatten().any(|truth| truth || !has_to_be_true)
    };
    MARKS.iter().find(says).map(|(name, _)| *name)
}
