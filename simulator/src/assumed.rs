//! A world of which nothing is known but what was recorded or written: steps are assumed to succeed, unless told otherwise.
//!
//! A step that succeeds changes the inventory as it should (a resized VM has its new size, a migrated one its new host),
//! so that the next plan is made for what is then. It does not change the metrics: those are given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use homeostat_engine::Input;
use homeostat_model::{
    Action, AdapterName, Capabilities, Duration, IdempotencyKey, InventoryChange, Kind, KindCapability, Observation,
    Resource, ResourceId, StepCommand, StepReport, StepResult, Timestamp, Value, Verb,
};

use crate::World;

/// Most steps of which it is remembered that they were done: far more than are in flight at a time, and only of those anybody asks.
const REMEMBERED: usize = 1_024;

/// What is to become of a step, other than success at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assumption {
    /// Of which resource; `None`: of any.
    pub resource: Option<ResourceId>,
    /// Which verb; `None`: any.
    pub verb: Option<Verb>,
    /// How long it takes.
    pub takes: Duration,
    /// How it ends; `None`: it succeeds.
    pub ends: Option<StepResult>,
    /// For how many steps this holds; `None`: for all.
    pub times: Option<u32>,
}

/// Something that happens to the inventory by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum InventoryEdit {
    /// A resource appears.
    Add(Resource),
    /// What is said here becomes so: labels and attributes are added to those it has, what is left out stays as it is. A
    /// resource that does not exist appears.
    Change(Resource),
    /// A resource goes.
    Remove(ResourceId),
}

/// A world that does what it is told.
#[derive(Debug, Clone)]
pub struct AssumedWorld {
    adapter: AdapterName,
    resources: BTreeMap<ResourceId, Resource>,
    assumptions: Vec<Assumption>,
    /// Whether resources that are only seen in samples and events are taken as its own, so that plans can be made for them.
    adopts: bool,
    /// What happens to the inventory by itself, by when and in the order in which it was said.
    agenda: BTreeMap<(Timestamp, usize), InventoryEdit>,
    /// Resources that have gone: nothing can be done about them.
    gone: BTreeSet<ResourceId>,
    /// Steps that are going on and how they end, by when they do and the order in which they were dispatched.
    going_on: BTreeMap<(Timestamp, u64), (StepCommand, Option<StepResult>)>,
    /// Steps that were done, the newest last.
    done: VecDeque<IdempotencyKey>,
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
            agenda: BTreeMap::new(),
            gone: BTreeSet::new(),
            going_on: BTreeMap::new(),
            done: VecDeque::new(),
            dispatched: 0,
            cancelled: Vec::new(),
        }
    }

    /// The same beside an inventory that comes from a recording: it owns nothing, and only says that every step is done.
    #[must_use]
    pub fn beside_recorded(adapter: AdapterName) -> Self {
        Self { adopts: false, ..Self::new(adapter, Vec::new(), Vec::new()) }
    }

    /// The same, with an inventory that changes by itself at these times.
    #[must_use]
    pub fn with_agenda(mut self, agenda: impl IntoIterator<Item = (Timestamp, InventoryEdit)>) -> Self {
        self.agenda = agenda.into_iter().enumerate().map(|(number, (at, edit))| ((at, number), edit)).collect();
        self
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
        self.gone.remove(resource);
        let new_kind = self.resources.keys().all(|other| other.kind() != resource.kind());
        let described = Resource { adapter: Some(self.adapter.clone()), ..Resource::named(resource.clone()) };
        self.resources.insert(resource.clone(), described.clone());
        let upsert = Input::Observed(Observation::Inventory(InventoryChange::Upsert(described)));
        let capabilities = new_kind.then(|| Input::Capabilities(self.capabilities()));
        capabilities.into_iter().chain([upsert]).collect()
    }

    fn capabilities(&self) -> Capabilities {
        let everything =
            KindCapability { verbs: Verb::ALL.into(), attributes: ["cpus".into()].into(), ..KindCapability::default() };
        let kinds = self.resources.keys().filter_map(|id| Kind::new(id.kind()).ok());
        let kinds = kinds.map(|kind| (kind, everything.clone())).collect();
        Capabilities { adapter: self.adapter.clone(), kinds }
    }

    /// The first assumption that fits and is not used up; it is used once more.
    fn assume(&mut self, command: &StepCommand) -> (Duration, Option<StepResult>) {
        let fits = |assumption: &&mut Assumption| {
            assumption.times != Some(0)
                && assumption.resource.as_ref().is_none_or(|resource| *resource == command.resource)
                && assumption.verb.is_none_or(|verb| verb == command.action.verb())
        };
        let Some(assumption) = self.assumptions.iter_mut().find(fits) else { return (Duration::ZERO, None) };
        assumption.times = assumption.times.map(|times| times - 1);
        (assumption.takes, assumption.ends.clone())
    }

    fn end(&mut self, at: Timestamp, command: &StepCommand, ends: Option<StepResult>) -> Vec<(Timestamp, Input)> {
        let cancelled = self.cancelled.iter().position(|key| *key == command.key);
        let result = match (cancelled, ends) {
            (Some(place), _) => {
                self.cancelled.swap_remove(place);
                StepResult::Cancelled
            }
            (None, _) if self.gone.contains(&command.resource) => {
                StepResult::Failed { reason: format!("{} is gone", command.resource) }
            }
            (None, Some(result)) => result,
            (None, None) => StepResult::Done { observed: "assumed".into() },
        };
        let mut inputs = Vec::new();
        if matches!(result, StepResult::Done { .. }) && !self.done.contains(&command.key) {
            self.done.push_back(command.key.clone());
            if self.done.len() > REMEMBERED {
                self.done.pop_front();
            }
            if let Some(resource) = self.resources.get_mut(&command.resource) {
                change(resource, &command.action);
                let upsert = InventoryChange::Upsert(resource.clone());
                inputs.push((at, Input::Observed(Observation::Inventory(upsert))));
            }
        }
        let StepCommand { plan, step, key, generation, .. } = command.clone();
        inputs.push((at, Input::Report(StepReport { plan, step, key, generation, result })));
        inputs
    }

    fn edit(&mut self, edit: InventoryEdit) -> Vec<Input> {
        let inventory = |change| Input::Observed(Observation::Inventory(change));
        match edit {
            InventoryEdit::Add(resource) | InventoryEdit::Change(resource) => {
                let mut inputs = self.adopt(&resource.id);
                if let Some(known) = self.resources.get_mut(&resource.id) {
                    known.on = resource.on.or(known.on.take());
                    known.labels.extend(resource.labels);
                    known.attributes.extend(resource.attributes);
                    known.capacity.vcpus = resource.capacity.vcpus.or(known.capacity.vcpus);
                    known.capacity.memory_bytes = resource.capacity.memory_bytes.or(known.capacity.memory_bytes);
                    // The engine is told once, when everything of it is known.
                    inputs.retain(|input| matches!(input, Input::Capabilities(_)));
                    inputs.push(inventory(InventoryChange::Upsert(known.clone())));
                }
                inputs
            }
            InventoryEdit::Remove(resource) => {
                self.resources.remove(&resource);
                self.gone.insert(resource.clone());
                vec![inventory(InventoryChange::Gone { adapter: self.adapter.clone(), resource })]
            }
        }
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
        let step = self.going_on.first_key_value().map(|((at, _), _)| *at);
        let edit = self.agenda.first_key_value().map(|((at, _), _)| *at);
        [edit, step].into_iter().flatten().min()
    }

    fn advance(&mut self, to: Timestamp) -> Vec<(Timestamp, Input)> {
        let mut inputs = Vec::new();
        while let Some(due) = self.next_due().filter(|due| *due <= to) {
            // What happens to a resource comes before what was done about it ends.
            if let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 == due) {
                let edit = entry.remove();
                inputs.extend(self.edit(edit).into_iter().map(|input| (due, input)));
            } else if let Some((_, (command, ends))) = self.going_on.pop_first() {
                inputs.extend(self.end(due, &command, ends));
            }
        }
        inputs
    }

    fn dispatch(&mut self, at: Timestamp, command: &StepCommand) {
        let (takes, ends) = self.assume(command);
        self.dispatched += 1;
        self.going_on.insert((at + takes, self.dispatched), (command.clone(), ends));
    }

    fn probe(&mut self, at: Timestamp, command: &StepCommand) {
        // Its end is told to whoever asked last.
        let going_on = self.going_on.values_mut().find(|(begun, _)| begun.key == command.key);
        if let Some((begun, _)) = going_on {
            begun.generation = command.generation;
        } else {
            self.dispatched += 1;
            let never = || StepResult::Failed { reason: "it was never begun".into() };
            let ends = (!self.done.contains(&command.key)).then(never);
            self.going_on.insert((at, self.dispatched), (command.clone(), ends));
        }
    }

    fn cancel(&mut self, _at: Timestamp, key: &IdempotencyKey) {
        if self.going_on.values().any(|(command, _)| command.key == *key) {
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
        Action::Stop | Action::Kill => set("state", "stopped".into()),
        Action::Pause { on } => set("state", if *on { "paused" } else { "running" }.into()),
        Action::Recreate { image } => {
            set("state", "running".into());
            if let Some(image) = image {
                set("image", image.as_str().into());
            }
        }
        Action::Resize(amount) => {
            resource.capacity.vcpus = amount.vcpus.or(resource.capacity.vcpus);
            resource.capacity.memory_bytes = amount.memory_bytes.or(resource.capacity.memory_bytes);
            if let Some(cpus) = &amount.cpus {
                resource.attributes.insert("cpus".into(), cpus.to_string().as_str().into());
            }
        }
        Action::Migrate { to, .. } => resource.on = Some(to.clone()),
        Action::Fence => set("fenced", true.into()),
        Action::Power { on } => set("state", if *on { "up" } else { "off" }.into()),
        Action::Cordon { on } => set("cordoned", (*on).into()),
    }
}
