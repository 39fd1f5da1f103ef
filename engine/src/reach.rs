//! Whom a plan concerns: the hosts, racks, kinds, labels and guards for which it is counted.

use std::collections::BTreeSet;

use homeostat_model::{Action, Group, Impact, Plan, Reach, Resource, ResourceId, Response, Step, Topology};
use homeostat_policy::{Safeguard, Selector};

/// What is a host, for budgets: also where it is called a node.
const HOSTS: [&str; 2] = ["host", "node"];
const RACK: &str = "rack";

/// What `plan`, which carries out `response`, concerns as things are.
pub(crate) fn reach<'a>(
    plan: &Plan,
    response: &Response,
    topology: &Topology,
    guards: impl Iterator<Item = &'a Safeguard> + Clone,
) -> Reach {
    let mut groups = BTreeSet::new();
    let touched = plan.touches();
    for id in touched.iter().chain(&plan.uses()) {
        groups.extend(places(id, topology));
    }
    for id in &touched {
        groups.insert(Group::Kind(id.kind().to_owned()));
        let Some(resource) = topology.get(id) else { continue };
        let labels = resource.labels.iter();
        groups.extend(labels.map(|(name, value)| Group::Label(name.clone(), value.clone())));
        let mine = guards.clone().filter(|guard| guard.select.matches(resource, topology));
        groups.extend(mine.map(|guard| Group::Guard(guard.name.to_string())));
    }
    Reach { impact: impact(&plan.steps, response), groups, leaves: leaves(&plan.steps, topology) }
}

/// The greatest impact of the steps of a response. What a release takes back is free for all.
pub(crate) fn impact(steps: &[Step], response: &Response) -> Impact {
    if *response == Response::Release {
        return Impact::Restoring;
    }
    steps.iter().map(|step| Impact::of(&step.action)).max().unwrap_or(Impact::Restoring)
}

/// What is taken away from which host.
fn leaves(steps: &[Step], topology: &Topology) -> BTreeSet<(ResourceId, ResourceId)> {
    let moved = steps
        .iter()
        .filter(|step| matches!(step.action, Action::Migrate { .. } | Action::Restart { on: Some(_) }))
        .map(|step| &step.resource);
    moved.filter_map(|id| Some((id.clone(), topology.get(id)?.on.clone()?))).collect()
}

/// The hosts and racks that `id` is, or is on.
pub(crate) fn places(id: &ResourceId, topology: &Topology) -> impl Iterator<Item = Group> {
    let above = topology.ancestors(id).map(|resource| resource.id.clone());
    std::iter::once(id.clone()).chain(above).filter_map(|id| match id.kind() {
        kind if HOSTS.contains(&kind) => Some(Group::Host(id)),
        RACK => Some(Group::Rack(id)),
        _ => None,
    })
}

/// Whether it is a host, or what is called so elsewhere.
pub(crate) fn is_host(id: &ResourceId) -> bool {
    HOSTS.contains(&id.kind())
}

/// How many resources `select` selects in `group`, or in all.
pub(crate) fn selected(select: &Selector, group: Option<&Group>, topology: &Topology) -> usize {
    let of_kind = topology.of_kind(select.kind.as_str());
    of_kind.filter(|resource| is_in(resource, group, topology) && select.matches(resource, topology)).count()
}

fn is_in(resource: &Resource, group: Option<&Group>, topology: &Topology) -> bool {
    match group {
        None | Some(Group::Guard(_)) => true,
        Some(Group::Host(id) | Group::Rack(id)) => {
            resource.id == *id || topology.ancestors(&resource.id).any(|above| above.id == *id)
        }
        Some(Group::Kind(kind)) => resource.id.kind() == kind,
        Some(Group::Label(name, value)) => resource.labels.get(name) == Some(value),
    }
}
