//! Which policies watch which resources: kept up as policies and resources come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_model::{PolicyName, Resource, ResourceId, Timestamp, Topology};
use homeostat_policy::{Input, Policy};

use crate::{
    Change, CompileError, Decider, Rule,
    phase::Phase,
    relatives::{Anchor, Demand, Group, GroupName, metrics},
    shape::Shape,
    tracked::Tracked,
};

/// Which rules there are, for the shape of a resource: kind, and keys of rules in ascending order.
pub(crate) type ShapeKey = (String, Vec<usize>);

impl Decider {
    /// Replaces the policies. Those that are equal to a loaded one keep their state; findings of the others close.
    ///
    /// # Errors
    /// [`CompileError`]s of the policies whose scripts are refused; the rest is loaded.
    pub fn replace_policies(
        &mut self,
        at: Timestamp,
        policies: &[Arc<Policy>],
        topology: &Topology,
        out: &mut Vec<Change>,
    ) -> Result<(), Vec<CompileError>> {
        let wanted: BTreeMap<&PolicyName, &Arc<Policy>> =
            policies.iter().map(|policy| (&policy.name, policy)).collect();
        let outdated: BTreeSet<usize> = self
            .by_name
            .iter()
            .filter(|(name, key)| {
                let loaded = self.rules.get(**key).map(|rule| &rule.policy);
                !wanted
                    .get(name)
                    .is_some_and(|wanted| loaded.is_some_and(|known| Arc::ptr_eq(known, wanted) || known == *wanted))
            })
            .map(|(_, key)| *key)
            .collect();
        self.by_name.retain(|_, key| !outdated.contains(key));
        let (fresh, errors) = self.compile(wanted.into_values());
        if !outdated.is_empty() || !fresh.is_empty() {
            self.settle(at, &outdated, &fresh, topology, out);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Compiles those that are not loaded; gives their keys.
    fn compile<'a>(&mut self, wanted: impl Iterator<Item = &'a Arc<Policy>>) -> (BTreeSet<usize>, Vec<CompileError>) {
        let (mut fresh, mut errors) = (BTreeSet::new(), Vec::new());
        for policy in wanted {
            if self.by_name.contains_key(&policy.name) {
                continue;
            }
            match Rule::compile(policy.clone(), &self.sandbox) {
                Ok(rule) => {
                    let mut read = Vec::new();
                    metrics(&rule.inputs, &mut read);
                    for metric in read {
                        self.metrics.intern(metric);
                    }
                    self.relatives.enter(&rule, &self.sandbox);
                    let key = self.rules.insert(rule);
                    self.by_name.insert(policy.name.clone(), key);
                    fresh.insert(key);
                }
                Err(error) => errors.push(error),
            }
        }
        (fresh, errors)
    }

    /// Gives every resource the shape that it has under the changed policies.
    fn settle(
        &mut self,
        at: Timestamp,
        outdated: &BTreeSet<usize>,
        fresh: &BTreeSet<usize>,
        topology: &Topology,
        out: &mut Vec<Change>,
    ) {
        // What no resource has was made for what relatives read then.
        self.shapes.retain(|_, shape| Arc::strong_count(shape) > 1);
        let kinds: BTreeSet<String> = self.tracked.iter().map(|(_, one)| one.id.kind().to_owned()).collect();
        let before: BTreeMap<&String, Demand> = kinds.iter().map(|kind| (kind, self.relatives.demand(kind))).collect();
        let live = self.by_name.values().filter_map(|key| self.rules.get(*key));
        self.relatives.survey(live, &self.metrics);
        let changed: BTreeSet<&String> = before
            .into_iter()
            .filter(|(kind, demand)| self.relatives.demand(kind) != *demand)
            .map(|(kind, _)| kind)
            .collect();
        // A key of a rule may be used again, and then means another one.
        self.shapes
            .retain(|(kind, rules), _| !changed.contains(kind) && !rules.iter().any(|key| outdated.contains(key)));
        let numbers: Vec<usize> = self.tracked.iter().map(|(number, _)| number).collect();
        for number in &numbers {
            let resource = self.tracked.get(*number).and_then(|one| topology.get(&one.id));
            let Some(resource) = resource else { continue };
            self.regroup(*number, resource);
            let kept = self.tracked.get(*number).map(|one| one.shape.rules.clone()).unwrap_or_default();
            let mut rules: Vec<usize> = kept.into_iter().filter(|key| !outdated.contains(key)).collect();
            rules.extend(fresh.iter().filter(|key| self.selects(**key, resource, topology)));
            rules.sort_unstable();
            let forced = changed.contains(&resource.id.kind().to_owned());
            self.reshape(at, *number, resource, rules, forced, "the policy was changed or removed", out);
        }
        for key in outdated {
            if let Some(rule) = self.rules.try_remove(*key) {
                self.relatives.leave(&rule);
            }
        }
        // Now that everybody keeps what is read of them.
        for number in numbers {
            let Some(shape) = self.tracked.get(number).map(|one| one.shape.clone()) else { continue };
            for (cell, rule) in shape.rules.iter().enumerate().filter(|(_, rule)| fresh.contains(rule)) {
                debug_assert_eq!(
                    shape.cells.get(cell).map(|cell| cell.rule),
                    Some(*rule),
                    "cells are those of the rules"
                );
                self.evaluate(at, number, cell, out);
            }
        }
    }

    /// Takes in that `id` is new, has changed, or is gone, as `topology` says.
    pub fn resource_changed(&mut self, at: Timestamp, id: &ResourceId, topology: &Topology, out: &mut Vec<Change>) {
        let Some(resource) = topology.get(id) else { return self.gone(at, id, topology, out) };
        let number = self.track(at, resource);
        // Those who go over its group or its host's children, before and after the change.
        self.stir(at, number, None);
        self.link(at, number, resource, topology);
        self.regroup(number, resource);
        self.stir(at, number, None);
        self.rematch(at, number, resource, topology, out);
        if self.relatives.matters_below {
            for below in self.below(number) {
                let resource = self.tracked.get(below).and_then(|one| topology.get(&one.id));
                if let Some(resource) = resource {
                    self.rematch(at, below, resource, topology, out);
                }
            }
        }
    }

    /// The number of a resource, a new one if need be.
    fn track(&mut self, at: Timestamp, resource: &Resource) -> usize {
        if let Some(number) = self.numbers.get(&resource.id) {
            return *number;
        }
        let shape = self.shape(resource.id.kind(), &[]);
        let mut one = Tracked::new(resource.id.clone(), shape.clone(), at);
        one.take_shape(shape, resource, at);
        let number = self.tracked.insert(one);
        self.numbers.insert(resource.id.clone(), number);
        number
    }

    /// Finds what it runs on and what runs on it.
    fn link(&mut self, at: Timestamp, number: usize, resource: &Resource, topology: &Topology) {
        let parent = resource.on.as_ref().and_then(|id| self.numbers.get(id).copied());
        self.hang(at, number, parent);
        let children: Vec<usize> =
            topology.children(&resource.id).filter_map(|child| self.numbers.get(&child.id).copied()).collect();
        for child in children {
            self.hang(at, child, Some(number));
        }
    }

    /// Hangs a resource below another one.
    fn hang(&mut self, at: Timestamp, number: usize, parent: Option<usize>) {
        let Some(one) = self.tracked.get_mut(number) else { return };
        let old = one.parent();
        if old == parent {
            return;
        }
        one.links_mut().parent = parent;
        if let Some(old) = old.and_then(|old| self.tracked.get_mut(old)) {
            old.links_mut().children.retain(|child| *child != number);
        }
        if let Some(new) = parent {
            let place = self.place_of(number, self.tracked.get(new).map(Tracked::children).unwrap_or_default());
            if let Some(new) = self.tracked.get_mut(new) {
                new.links_mut().children.insert(place, number);
            }
        }
        self.stir(at, number, None);
    }

    /// Where a resource belongs among others in the order of ids.
    fn place_of(&self, number: usize, others: &[usize]) -> usize {
        let id = |number: usize| self.tracked.get(number).map(|one| &one.id);
        others.partition_point(|other| id(*other) < id(number))
    }

    /// Puts a resource into the groups that its labels say.
    fn regroup(&mut self, number: usize, resource: &Resource) {
        let wanted: Vec<GroupName> = self
            .relatives
            .labels
            .iter()
            .filter_map(|label| {
                let value = resource.labels.get(label)?.clone();
                Some(GroupName { kind: resource.id.kind().to_owned(), label: label.clone(), value })
            })
            .collect();
        let known = self.tracked.get(number).map(|one| one.groups().to_vec()).unwrap_or_default();
        let (stay, leave): (Vec<usize>, Vec<usize>) = known
            .into_iter()
            .partition(|group| self.relatives.groups.get(*group).is_some_and(|group| wanted.contains(&group.name)));
        leave.into_iter().for_each(|group| self.leave_group(number, group));
        let mut groups = stay;
        for name in wanted {
            let group = match self.relatives.group_names.get(&name) {
                Some(group) => *group,
                None => {
                    let group = self.relatives.groups.insert(Group { name: name.clone(), members: Vec::new() });
                    self.relatives.group_names.insert(name, group);
                    group
                }
            };
            if !groups.contains(&group) {
                let members =
                    self.relatives.groups.get(group).map(|group| group.members.as_slice()).unwrap_or_default();
                let place = self.place_of(number, members);
                if let Some(group) = self.relatives.groups.get_mut(group) {
                    group.members.insert(place, number);
                }
                groups.push(group);
            }
        }
        if let Some(one) = self.tracked.get_mut(number)
            && one.groups() != groups
        {
            one.links_mut().groups = groups;
        }
    }

    fn leave_group(&mut self, number: usize, group: usize) {
        let Some(known) = self.relatives.groups.get_mut(group) else { return };
        known.members.retain(|member| *member != number);
        if known.members.is_empty() {
            let name = known.name.clone();
            self.relatives.groups.remove(group);
            self.relatives.group_names.remove(&name);
            self.relatives.folded.retain(|(_, anchor), _| *anchor != Anchor::Group(group));
        }
    }

    fn selects(&self, rule: usize, resource: &Resource, topology: &Topology) -> bool {
        self.rules.get(rule).is_some_and(|rule| rule.policy.select.matches(resource, topology))
    }

    /// Finds the policies that watch a resource, and evaluates them all: what they read of it may have changed.
    fn rematch(
        &mut self,
        at: Timestamp,
        number: usize,
        resource: &Resource,
        topology: &Topology,
        out: &mut Vec<Change>,
    ) {
        let mut rules: Vec<usize> =
            self.by_name.values().copied().filter(|key| self.selects(*key, resource, topology)).collect();
        rules.sort_unstable();
        self.reshape(at, number, resource, rules, false, "the policy no longer selects the resource", out);
        let Some(one) = self.tracked.get_mut(number) else { return };
        one.read_attributes(resource);
        for cell in 0..one.shape.cells.len() {
            self.evaluate(at, number, cell, out);
        }
    }

    /// Gives a resource the shape of these rules. What it has of the series and policies that stay is kept.
    #[expect(clippy::too_many_arguments, reason = "each says another thing of one change")]
    fn reshape(
        &mut self,
        at: Timestamp,
        number: usize,
        resource: &Resource,
        rules: Vec<usize>,
        forced: bool,
        reason: &str,
        out: &mut Vec<Change>,
    ) {
        let Some(old) = self.tracked.get(number).map(|one| one.shape.clone()) else { return };
        if old.rules == rules && !forced {
            return;
        }
        for rule in old.rules.iter().filter(|rule| rules.binary_search(rule).is_err()) {
            self.drop_instance(number, *rule, reason, out);
        }
        let shape = self.shape(resource.id.kind(), &rules);
        if let Some(one) = self.tracked.get_mut(number) {
            one.take_shape(shape, resource, at);
        }
    }

    fn drop_instance(&mut self, number: usize, rule: usize, reason: &str, out: &mut Vec<Change>) {
        let Some(instance) = self.instances.remove(&(number, rule)) else { return };
        let Some(finding) = self.finding(number, rule) else { return };
        let waiting = instance.event.filter(|_| matches!(instance.phase, Phase::Waiting { .. }));
        for event in waiting.into_iter().map(|event| *event).chain(instance.queue.into_iter().flat_map(|queue| *queue))
        {
            let reason = format!("event {}: {reason}", event.event_type);
            out.push(Change::Lost { finding: finding.clone(), reason });
        }
        if instance.phase.is_open() || self.reopening.remove(&finding) {
            out.push(Change::Closed { finding, reason: reason.to_owned() });
        }
    }

    /// The shape of resources of `kind` that these rules watch.
    fn shape(&mut self, kind: &str, rules: &[usize]) -> Arc<Shape> {
        let key: ShapeKey = (kind.to_owned(), rules.to_vec());
        if let Some(known) = self.shapes.get(&key) {
            return known.clone();
        }
        let compiled: Vec<(usize, &Rule)> =
            rules.iter().filter_map(|key| Some((*key, self.rules.get(*key)?))).collect();
        let aggregate = |rule: usize, input: &Input| {
            let stale_after = self.rules.get(rule).map(|rule| rule.policy.stale_after).unwrap_or_default();
            match input {
                Input::Aggregate(aggregate) => self.relatives.number(aggregate, stale_after).unwrap_or(usize::MAX),
                _ => usize::MAX,
            }
        };
        let shape = Arc::new(Shape::new(&compiled, &self.relatives.demand(kind), &self.metrics, aggregate));
        // Shapes that no resource has any more.
        self.shapes.retain(|_, shape| Arc::strong_count(shape) > 1);
        self.shapes.insert(key, shape.clone());
        shape
    }

    fn gone(&mut self, at: Timestamp, id: &ResourceId, topology: &Topology, out: &mut Vec<Change>) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        self.stir(at, number, None);
        let Some(one) = self.tracked.get(number) else { return };
        let (shape, children, groups) = (one.shape.clone(), one.children().to_vec(), one.groups().to_vec());
        for rule in &shape.rules {
            self.drop_instance(number, *rule, "the resource is gone", out);
        }
        self.hang(at, number, None);
        groups.into_iter().for_each(|group| self.leave_group(number, group));
        let orphans = if self.relatives.matters_below { self.below(number) } else { Vec::new() };
        for child in children {
            self.hang(at, child, None);
        }
        self.relatives.folded.retain(|(_, anchor), _| *anchor != Anchor::Resource(number));
        self.numbers.remove(id);
        self.tracked.remove(number);
        for orphan in orphans {
            let resource = self.tracked.get(orphan).and_then(|one| topology.get(&one.id));
            if let Some(resource) = resource {
                self.rematch(at, orphan, resource, topology, out);
            }
        }
    }
}
