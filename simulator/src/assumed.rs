//! A world of which nothing is known but what was recorded or written: steps are assumed to succeed, unless told otherwise.
//!
//! A step that succeeds changes the inventory as it should (a resized VM has its new size, a migrated one its new host),
//! so that the next plan is made for what is then. It does not change the metrics: those are given.

use std::collections::BTreeMap;

use homeostat_engine::Input;
use homeostat_model::{
    Action, AdapterName, Capabilities, Duration, IdempotencyKey, InventoryChange, Kind, KindCapability, Observation,
    Resource, ResourceId, StepCommand, StepReport, StepResult, Timestamp, Value, Verb,
};

use crate::World;

/// What is to become of a step, other than success at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// Of which resource; `None`: of any.
    pub resource: Option<ResourceId>,
    /// Which verb; `None`: any.
    pub verb: Option<Verb>,
    /// How long it takes.
    pub takes: Duration,
    /// Why it fails; `None`: it succeeds.
    pub fails: Option<String>,
}

/// A world that does what it is told.
#[derive(Debug)]
pub struct AssumedWorld {
    adapter: AdapterName,
    resources: BTreeMap<ResourceId, Resource>,
    assumptions: Vec<Assumption>,
    /// Whether resources that are only seen in samples and events are taken as its own, so that plans can be made for them.
    adopts: bool,
    /// Steps that are going on, by when they end and the order in which they were dispatched.
    going_on: BTreeMap<(Timestamp, u64), StepCommand>,
    dispatched: u64,
    cancelled: Vec<IdempotencyKey>,
}

impl AssumedWorld {
    /// A world in which the first of `assumptions` that fits a step decides about it. It owns `resources` as `adapter`.
    #[must_use]
    pub fn new(adapter: AdapterName, resources: Vec<Resource>, assumptions: Vec<Assumption>) -> Self {
        let owned = |mut resource: Resource| {
            resource.adapter = Some(adapter.clone());
            (resource.id.clone(), resource)
        };
        let resources = resources.into_iter().map(owned).collect();
        Self {
            adapter,
            resources,
            assumptions,
            adopts: true,
            going_on: BTreeMap::new(),
            dispatched: 0,
            cancelled: Vec::new(),
        }
    }

    /// The same beside an inventory that comes from a recording: it owns nothing, and only says that every step is done.
    #[must_use]
    pub fn beside_recorded(adapter: AdapterName) -> Self {
        Self { adopts: false, ..Self::new(adapter, Vec::new(), Vec::new()) }
    }

    /// Its inventory and its capabilities, as the engine has to be told at the start.
    #[must_use]
    pub fn announcements(&self) -> Vec<Input> {
        let snapshot = InventoryChange::Snapshot {
            adapter: self.adapter.clone(),
            resources: self.resources.values().cloned().collect(),
        };
        vec![Input::Capabilities(self.capabilities()), Input::Observed(Observation::Inventory(snapshot))]
    }

    /// Takes a resource that appears later as its own; gives what the engine has to be told, nothing if it is known.
    fn adopt(&mut self, resource: &ResourceId) -> Vec<Input> {
        if self.resources.contains_key(resource) {
            return Vec::new();
        }
        let new_kind = self.resources.keys().all(|other| other.kind() != resource.kind());
        let described = Resource { adapter: Some(self.adapter.clone()), ..Resource::named(resource.clone()) };
        self.resources.insert(resource.clone(), described.clone());
        let upsert = Input::Observed(Observation::Inventory(InventoryChange::Upsert(described)));
        let capabilities = new_kind.then(|| Input::Capabilities(self.capabilities()));
        capabilities.into_iter().chain([upsert]).collect()
    }

    fn capabilities(&self) -> Capabilities {
        let verbs = [
            Verb::Restart,
            Verb::Start,
            Verb::Stop,
            Verb::Resize,
            Verb::Migrate,
            Verb::Fence,
            Verb::Power,
            Verb::Cordon,
        ];
        let everything = KindCapability { verbs: verbs.into(), ..KindCapability::default() };
        let kinds = self.resources.keys().filter_map(|id| Kind::new(id.kind()).ok());
        let kinds = kinds.map(|kind| (kind, everything.clone())).collect();
        Capabilities { adapter: self.adapter.clone(), kinds }
    }

    fn assumption(&self, command: &StepCommand) -> Option<&Assumption> {
        self.assumptions.iter().find(|assumption| {
            assumption.resource.as_ref().is_none_or(|resource| *resource == command.resource)
                && assumption.verb.is_none_or(|verb| verb == command.action.verb())
        })
    }

    fn end(&mut self, at: Timestamp, command: &StepCommand) -> Vec<(Timestamp, Input)> {
        let failure = self.assumption(command).and_then(|assumption| assumption.fails.clone());
        let cancelled = self.cancelled.iter().position(|key| *key == command.key);
        let result = match (cancelled, failure) {
            (Some(place), _) => {
                self.cancelled.swap_remove(place);
                StepResult::Cancelled
            }
            (None, Some(reason)) => StepResult::Failed { reason },
            (None, None) => StepResult::Done { observed: "assumed".into() },
        };
        let mut inputs = Vec::new();
        if matches!(result, StepResult::Done { .. })
            && let Some(resource) = self.resources.get_mut(&command.resource)
        {
            change(resource, &command.action);
            let upsert = InventoryChange::Upsert(resource.clone());
            inputs.push((at, Input::Observed(Observation::Inventory(upsert))));
        }
        let StepCommand { plan, step, key, generation, .. } = command.clone();
        inputs.push((at, Input::Report(StepReport { plan, step, key, generation, result })));
        inputs
    }
}

impl World for AssumedWorld {
    fn meet(&mut self, observation: &Observation) -> Vec<Input> {
        if !self.adopts {
            return Vec::new();
        }
        match observation {
            Observation::Sample(sample) => self.adopt(&sample.resource),
            Observation::Event(event) => self.adopt(&event.resource),
            Observation::Labels { resource, labels } => {
                let mut inputs = self.adopt(resource);
                if let Some(resource) = self.resources.get_mut(resource) {
                    resource.labels.extend(labels.clone());
                    let upsert = InventoryChange::Upsert(resource.clone());
                    inputs.push(Input::Observed(Observation::Inventory(upsert)));
                }
                inputs
            }
            Observation::Inventory(_) => Vec::new(),
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.going_on.first_key_value().map(|((at, _), _)| *at)
    }

    fn advance(&mut self, to: Timestamp) -> Vec<(Timestamp, Input)> {
        let mut inputs = Vec::new();
        while self.next_due().is_some_and(|due| due <= to) {
            let Some(((at, _), command)) = self.going_on.pop_first() else { break };
            inputs.extend(self.end(at, &command));
        }
        inputs
    }

    fn dispatch(&mut self, at: Timestamp, command: &StepCommand) {
        let takes = self.assumption(command).map(|assumption| assumption.takes).unwrap_or_default();
        self.dispatched += 1;
        self.going_on.insert((at + takes, self.dispatched), command.clone());
    }

    fn cancel(&mut self, _at: Timestamp, key: &IdempotencyKey) {
        if self.going_on.values().any(|command| command.key == *key) {
            self.cancelled.push(key.clone());
        }
    }
}

/// What a resource is like after `action` has succeeded.
fn change(resource: &mut Resource, action: &Action) {
    let mut set = |name: &str, value: Value| {
        resource.attributes.insert(name.to_owned(), value);
    };
    match action {
        Action::Restart { on } => {
            set("state", "running".into());
            if on.is_some() {
                resource.on.clone_from(on);
            }
        }
        Action::Start => set("state", "running".into()),
        Action::Stop => set("state", "stopped".into()),
        Action::Resize(amount) => {
            resource.capacity.vcpus = amount.vcpus.or(resource.capacity.vcpus);
            resource.capacity.memory_bytes = amount.memory_bytes.or(resource.capacity.memory_bytes);
        }
        Action::Migrate { to, .. } => resource.on = Some(to.clone()),
        Action::Fence => set("fenced", true.into()),
        Action::Power { on } => set("state", if *on { "up" } else { "off" }.into()),
        Action::Cordon { on } => set("cordoned", (*on).into()),
    }
}
