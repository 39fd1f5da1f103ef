//! Takes inputs in, lets time pass, and hands changes on to the ladder.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use homeostat_decide::{Change, CompileError, Decider, SampleRefused};
use homeostat_guard::Guard;
use homeostat_model::{
    AdapterName, Capabilities, Entry, FindingRef, Generation, InventoryChange, Observation, Plan, PlanId, Record,
    Resource, ResourceId, Sample, Timestamp, Topology,
};
use homeostat_plan::Run;
use homeostat_policy::Policy;

use crate::{
    Input, OperatorCommand, Output,
    case::{Case, Climbed},
};

/// What the engine itself waits for. Ordered, so that equal moments are handled in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// A finding that was held back is to be considered again.
    Reconsider(FindingRef),
    /// A step should have been reported by now.
    Overdue(PlanId, homeostat_model::StepId),
}

/// The engine. See the head of the crate for what a driver has to do.
#[derive(Debug)]
pub struct Engine {
    pub(crate) generation: Generation,
    pub(crate) now: Timestamp,
    pub(crate) decider: Decider,
    pub(crate) guard: Guard,
    pub(crate) topology: Topology,
    pub(crate) capabilities: BTreeMap<AdapterName, Capabilities>,
    pub(crate) cases: BTreeMap<FindingRef, Case>,
    /// Ladders of event findings that have closed not long ago.
    pub(crate) climbed: BTreeMap<FindingRef, Climbed>,
    /// Plans in flight.
    pub(crate) runs: BTreeMap<PlanId, Run>,
    /// Plans that wait for a person.
    pub(crate) proposals: BTreeMap<PlanId, Plan>,
    pub(crate) alarms: BTreeSet<(Timestamp, Alarm)>,
    pub(crate) plans_made: u64,
    pub(crate) paused: bool,
    /// Labels that sources know of resources that adapters own.
    labels: BTreeMap<ResourceId, BTreeMap<String, String>>,
}

impl Engine {
    /// An engine without policies, at the beginning of time.
    #[must_use]
    pub fn new(generation: Generation) -> Self {
        Self {
            generation,
            now: Timestamp::MIN,
            decider: Decider::default(),
            guard: Guard::default(),
            topology: Topology::default(),
            capabilities: BTreeMap::new(),
            cases: BTreeMap::new(),
            climbed: BTreeMap::new(),
            runs: BTreeMap::new(),
            proposals: BTreeMap::new(),
            alarms: BTreeSet::new(),
            plans_made: 0,
            paused: false,
            labels: BTreeMap::new(),
        }
    }

    /// Replaces the policies; those that are unchanged keep their state.
    ///
    /// # Errors
    /// The policies whose scripts Rhai refuses; the others are loaded. A driver checks policies before, so this does not happen.
    pub fn replace_policies(
        &mut self,
        at: Timestamp,
        policies: &[Arc<Policy>],
        out: &mut Vec<Output>,
    ) -> Result<(), Vec<CompileError>> {
        self.advance(at, out);
        let mut changes = Vec::new();
        let loaded = self.decider.replace_policies(self.now, policies, &self.topology, &mut changes);
        let names = self.decider.policies().map(|policy| policy.name.clone()).collect();
        self.record(out, Entry::PoliciesLoaded { generation: self.generation, policies: names });
        self.follow(changes, out);
        loaded
    }

    /// Takes in one input at `at`.
    pub fn handle(&mut self, at: Timestamp, input: Input, out: &mut Vec<Output>) {
        self.advance(at, out);
        match input {
            Input::Capabilities(capabilities) => {
                self.capabilities.insert(capabilities.adapter.clone(), capabilities);
            }
            Input::Observed(observation) => self.observe(observation, out),
            Input::Report(report) => self.reported(&report, out),
            Input::Operator(command) => self.command(command, out),
        }
    }

    /// Lets time pass: whatever fell due until `at` is decided as of its own moment.
    pub fn advance(&mut self, at: Timestamp, out: &mut Vec<Output>) {
        while let Some(due) = self.next_deadline().filter(|due| *due <= at) {
            self.now = self.now.max(due);
            if self.decider.next_deadline() == Some(due) {
                let mut changes = Vec::new();
                self.decider.fire(due, &mut changes);
                self.follow(changes, out);
            } else if let Some((_, alarm)) = self.alarms.pop_first() {
                self.ring(alarm, out);
            }
        }
        self.now = self.now.max(at);
    }

    /// The next moment at which time alone may change something; the driver calls [`Engine::advance`] then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        [self.decider.next_deadline(), alarm].into_iter().flatten().min()
    }

    /// What exists, as far as the engine knows.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The plans in flight, in the order of their ids.
    pub fn in_flight(&self) -> impl Iterator<Item = &Plan> {
        self.runs.values().map(Run::plan)
    }

    /// The open findings, in order.
    pub fn findings(&self) -> impl Iterator<Item = &FindingRef> {
        self.cases.iter().filter(|(_, case)| !case.closed).map(|(finding, _)| finding)
    }

    fn observe(&mut self, observation: Observation, out: &mut Vec<Output>) {
        match observation {
            Observation::Inventory(change) => self.inventory(change, out),
            Observation::Labels { resource, labels } => {
                let mut described =
                    self.topology.get(&resource).cloned().unwrap_or_else(|| Resource::named(resource.clone()));
                described.labels.extend(labels.clone());
                self.labels.entry(resource).or_default().extend(labels);
                self.inventory(InventoryChange::Upsert(described), out);
            }
            Observation::Sample(sample) => self.sample(&sample, out),
            Observation::Event(event) => {
                if self.topology.get(&event.resource).is_none() {
                    self.inventory(InventoryChange::Upsert(Resource::named(event.resource.clone())), out);
                }
                let mut changes = Vec::new();
                self.decider.event(self.now, &event, &mut changes);
                self.follow(changes, out);
            }
        }
    }

    fn sample(&mut self, sample: &Sample, out: &mut Vec<Output>) {
        let mut changes = Vec::new();
        let mut taken = self.decider.sample(self.now, sample, &mut changes);
        if taken == Err(SampleRefused::UnknownResource) {
            self.inventory(InventoryChange::Upsert(Resource::named(sample.resource.clone())), out);
            taken = self.decider.sample(self.now, sample, &mut changes);
        }
        if let Err(refused) = taken {
            out.push(Output::SampleRefused { resource: sample.resource.clone(), reason: refused.to_string() });
        }
        self.follow(changes, out);
    }

    fn inventory(&mut self, mut change: InventoryChange, out: &mut Vec<Output>) {
        match &mut change {
            InventoryChange::Snapshot { resources, .. } => resources.iter_mut().for_each(|r| self.add_labels(r)),
            InventoryChange::Upsert(resource) => self.add_labels(resource),
            InventoryChange::Gone { resource, .. } => {
                self.labels.remove(resource);
            }
        }
        let (changed, refused) = self.topology.apply(change);
        for id in refused {
            let owner = self.topology.get(&id).and_then(|resource| resource.adapter.as_ref());
            let reason = match owner {
                Some(owner) => format!("it belongs to adapter {owner}; give one of the two a domain of its own"),
                None => "it belongs to another adapter".into(),
            };
            self.record(out, Entry::InputRefused { input: format!("inventory of {id}"), reason });
        }
        let mut changes = Vec::new();
        for id in changed {
            self.decider.resource_changed(self.now, &id, self.topology.get(&id), &mut changes);
        }
        self.follow(changes, out);
    }

    fn add_labels(&self, resource: &mut Resource) {
        if let Some(labels) = self.labels.get(&resource.id) {
            resource.labels.extend(labels.clone());
        }
    }

    fn command(&mut self, command: OperatorCommand, out: &mut Vec<Output>) {
        match command {
            OperatorCommand::Pause => self.paused = true,
            OperatorCommand::Resume => {
                self.paused = false;
                self.reconsider_all(out);
            }
            OperatorCommand::Approve(plan) => self.approve(plan, out),
            OperatorCommand::Reject(plan) => self.call_off(plan, "rejected by an operator", out),
            OperatorCommand::Cancel(plan) => self.call_off(plan, "cancelled by an operator", out),
        }
    }

    fn ring(&mut self, alarm: Alarm, out: &mut Vec<Output>) {
        match alarm {
            Alarm::Reconsider(finding) => {
                if let Some(case) = self.cases.get_mut(&finding) {
                    case.alarm = None;
                }
                self.consider(&finding, out);
            }
            Alarm::Overdue(plan, step) => self.overdue(plan, step, out),
        }
    }

    /// Follows changes of findings to their end, those of higher priority first.
    pub(crate) fn follow(&mut self, changes: Vec<Change>, out: &mut Vec<Output>) {
        let mut queue = VecDeque::from(in_order(changes));
        while let Some(change) = queue.pop_front() {
            let mut more = Vec::new();
            match change {
                Change::Opened { finding, policy, evidence } => {
                    self.record(out, Entry::FindingOpened { finding: finding.clone(), evidence });
                    // A case may be left whose plan is still in flight: it goes on, and the finding is open again.
                    let fresh = || Case::new(policy.clone());
                    let case = self.cases.entry(finding.clone()).or_insert_with(fresh);
                    case.adopt(policy.clone());
                    case.closed = false;
                    self.remember(&finding);
                    self.consider_into(&finding, &mut more, out);
                }
                Change::Known { finding } => self.consider_into(&finding, &mut more, out),
                Change::Lost { finding, reason } => {
                    let input = format!("event for {finding}");
                    self.record(out, Entry::InputRefused { input, reason });
                }
                Change::Closed { finding, reason } => {
                    self.record(out, Entry::FindingClosed { finding: finding.clone(), reason });
                    self.close(&finding, out);
                }
            }
            queue.extend(in_order(more));
        }
    }

    pub(crate) fn record(&self, out: &mut Vec<Output>, entry: Entry) {
        out.push(Output::Record(Record { at: self.now, entry }));
    }
}

/// What closes comes first, then what opens by priority; the order in which policies were loaded plays no part.
fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by_key(|change| match change {
        Change::Closed { finding, .. } | Change::Known { finding } | Change::Lost { finding, .. } => {
            (Reverse(i32::MAX), finding.clone())
        }
        Change::Opened { finding, policy, .. } => (Reverse(policy.priority), finding.clone()),
    });
    changes
}
