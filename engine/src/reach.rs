//! Whom a plan concerns: the hosts, racks, kinds, labels and guards for which it is counted, and how many of what it acts on are alike.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{
    Action, Budget, Group, Impact, Lot, Plan, PolicyName, Reach, Resource, ResourceId, Response, Scope, Step, Topology,
};
use homeostat_policy::{Policy, Selector};

use crate::Engine;

/// What is a host, for budgets: also where it is called a node.
const HOSTS: [&str; 2] = ["host", "node"];
const RACK: &str = "rack";

impl Engine {
    /// What `plan`, which carries out `response`, concerns as things are.
    pub(crate) fn reach(&self, plan: &Plan, response: &Response) -> Reach {
        let topology = &self.topology;
        let mut groups = BTreeSet::new();
        let touched = plan.touches();
        for id in touched.iter().chain(&plan.uses()) {
            groups.extend(places(id, topology));
        }
        for id in &touched {
            groups.insert(Group::Kind(id.kind().to_owned()));
            let Some(resource) = topology.get(id) else { continue };
            groups.extend(labels(resource));
            let mine = self.safeguards.values().filter(|guard| guard.select.matches(resource, topology));
            groups.extend(mine.map(|guard| Group::Guard(guard.name.to_string())));
        }
        let impact = impact(&plan.steps, response);
        // Kept for each plan in flight: few are few bytes that way.
        let groups = groups.into_iter().collect();
        Reach { impact, groups, leaves: leaves(&plan.steps, topology), lots: self.lots(plan, &touched) }
    }

    /// What a plan acts on, as far as it is more than 1 for any budget, those counted alike together: for most plans that is nothing.
    fn lots(&self, plan: &Plan, touched: &BTreeSet<ResourceId>) -> Vec<Lot> {
        if touched.len() < 2 {
            return Vec::new();
        }
        let owners: Vec<(&Selector, &[Budget], Group)> = self.owners(&plan.policy).collect();
        let counted = |label: &Group| {
            owners.iter().flat_map(|(_, budgets, _)| budgets.iter()).any(|budget| budget.scope.counts(label))
        };
        let mut lots: BTreeMap<BTreeSet<Group>, u32> = BTreeMap::new();
        for resource in touched.iter().filter_map(|id| self.topology.get(id)) {
            let mine = owners.iter().filter(|(select, ..)| select.matches(resource, &self.topology));
            let mut groups: BTreeSet<Group> = mine.map(|(.., owner)| owner.clone()).collect();
            if groups.is_empty() {
                continue;
            }
            groups.insert(Group::Kind(resource.id.kind().to_owned()));
            groups.extend(places(&resource.id, &self.topology));
            groups.extend(labels(resource).filter(counted));
            let size = lots.entry(groups).or_default();
            *size = size.saturating_add(1);
        }
        if lots.values().sum::<u32>() < 2 {
            return Vec::new();
        }
        lots.into_iter().map(|(groups, size)| Lot { groups, size }).collect()
    }

    /// Those whose budgets count plans of `policy`: what they select, and who they are.
    fn owners<'a>(&'a self, policy: &'a PolicyName) -> impl Iterator<Item = (&'a Selector, &'a [Budget], Group)> {
        let guards = self.safeguards.values().map(|guard| {
            let owner = Group::Guard(guard.name.to_string());
            (&guard.select, guard.budgets.as_slice(), owner)
        });
        let others = |of: &Policy| of.limits.budgets.iter().any(|budget| budget.scope != Scope::Policy);
        let policies = self.decider.policies().filter(move |of| of.name == *policy || others(of)).map(|of| {
            let owner = Group::Policy(of.name.clone());
            (&of.select, of.limits.budgets.as_slice(), owner)
        });
        guards.chain(policies).filter(|(_, budgets, _)| !budgets.is_empty())
    }
}

/// The groups of the labels of `resource`.
pub(crate) fn labels(resource: &Resource) -> impl Iterator<Item = Group> {
    resource.labels.iter().map(|(name, value)| Group::Label(name.clone(), value.clone()))
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

/// Whether `resource` is in `group`, or there is none.
pub(crate) fn is_in(resource: &Resource, group: Option<&Group>, topology: &Topology) -> bool {
    match group {
        None | Some(Group::Guard(_) | Group::Policy(_)) => true,
        Some(Group::Host(id) | Group::Rack(id)) => {
            resource.id == *id || topology.ancestors(&resource.id).any(|above| above.id == *id)
        }
        Some(Group::Kind(kind)) => resource.id.kind() == kind,
        Some(Group::Label(name, value)) => resource.labels.get(name) == Some(value),
    }
}
