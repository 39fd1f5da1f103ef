//! Which policies watch which resources, and which series they read: kept up as policies and resources come and go.

use homeostat_model::{FindingRef, Resource, Timestamp, Topology};
use homeostat_policy::Input;

use crate::{
    Change, Decider, Rule,
    decider::{Watched, index},
    instance::{Instance, Phase, Slot},
    series::Series,
};

impl Decider {
    pub(crate) fn load(&mut self, at: Timestamp, rule: Rule, topology: &Topology, out: &mut Vec<Change>) {
        let policy = rule.policy.clone();
        let key = self.rules.insert(rule);
        self.by_name.insert(policy.name.clone(), key);
        for event_type in policy.on.iter().flat_map(homeostat_policy::On::matches).flat_map(|of| &of.types) {
            self.by_event.entry(event_type.clone()).or_default().push(key);
        }
        for resource in topology.of_kind(policy.select.kind.as_str()) {
            let number = self.resources.intern(&resource.id);
            self.match_up(at, key, number, resource, out);
        }
    }

    pub(crate) fn unload(&mut self, rule: usize, out: &mut Vec<Change>) {
        let of_rule = |(key, instance): (usize, &Instance)| (instance.rule == rule).then_some(key);
        for key in self.instances.iter().filter_map(of_rule).collect::<Vec<_>>() {
            self.remove(key, "the policy was changed or removed", out);
        }
        for rules in self.by_event.values_mut() {
            rules.retain(|other| *other != rule);
        }
        self.rules.try_remove(rule);
    }

    /// Makes, refreshes or removes the instance of `rule` on a resource, as the selector says.
    pub(crate) fn match_up(
        &mut self,
        at: Timestamp,
        rule: usize,
        number: u32,
        resource: &Resource,
        out: &mut Vec<Change>,
    ) {
        let existing =
            self.of_resource(number).into_iter().find(|key| self.instance(*key).is_some_and(|i| i.rule == rule));
        let selected = self.rule(rule).is_some_and(|rule| rule.policy.select.matches(resource, &homeostat_model::Topology::default()));
        let key = match (existing, selected) {
            (Some(key), true) => key,
            (Some(key), false) => return self.remove(key, "the policy no longer selects the resource", out),
            (None, true) => match self.instantiate(at, rule, number, resource) {
                Some(key) => key,
                None => return,
            },
            (None, false) => return,
        };
        self.read_attributes(key, resource);
        self.evaluate(at, key, out);
    }

    pub(crate) fn instantiate(
        &mut self,
        at: Timestamp,
        rule: usize,
        number: u32,
        resource: &Resource,
    ) -> Option<usize> {
        let Rule { policy, inputs, .. } = self.rules.get(rule)?;
        let finding = FindingRef { policy: policy.name.clone(), resource: resource.id.clone() };
        let inputs = inputs.clone();
        let key = self.instances.insert(Instance::new(finding, rule, number, inputs.len()));
        let slots: Vec<Slot> = inputs.iter().map(|input| self.slot(at, key, number, input)).collect();
        if let Some(instance) = self.instance_mut(key) {
            instance.slots = slots;
        }
        self.present.get_mut(index(number))?.as_mut()?.push(key);
        Some(key)
    }

    pub(crate) fn slot(&mut self, at: Timestamp, instance: usize, resource: u32, input: &Input) -> Slot {
        let Input::Signal(_, signal) = input else { return Slot::Attribute };
        let key = (resource, self.metrics.intern(&signal.metric));
        let series = match self.by_key.get(&key) {
            Some(series) => *series,
            None => {
                let series = self.series.insert(Watched { key, series: Series::default(), watchers: Vec::new() });
                self.by_key.insert(key, series);
                series
            }
        };
        let mut window = 0;
        if let Some(watched) = self.series.get_mut(series) {
            window = watched.series.window(signal.function, signal.window, at);
            if !watched.watchers.contains(&instance) {
                watched.watchers.push(instance);
            }
        }
        Slot::Window { series, window }
    }

    pub(crate) fn remove(&mut self, key: usize, reason: &str, out: &mut Vec<Change>) {
        let Some(instance) = self.instances.try_remove(key) else { return };
        if matches!(instance.phase, Phase::Open { .. }) {
            out.push(Change::Closed { finding: instance.finding, reason: reason.to_owned() });
        }
        if let Some(Some(instances)) = self.present.get_mut(index(instance.resource)) {
            instances.retain(|other| *other != key);
        }
        for slot in instance.slots {
            let Slot::Window { series, window } = slot else { continue };
            let Some(watched) = self.series.get_mut(series) else { continue };
            watched.series.release(window);
            watched.watchers.retain(|other| *other != key);
            if watched.watchers.is_empty() {
                self.by_key.remove(&watched.key);
                self.series.try_remove(series);
            }
        }
    }
}
