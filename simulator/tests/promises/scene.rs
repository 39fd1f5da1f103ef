//! What there is to see from outside: what the engine was told, what it said, what has become of its plans.
//!
//! All of it is folded from inputs and outputs. After a crash it is folded anew, from the records that were durable.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_engine::Input;
use homeostat_model::*;
use homeostat_policy::{Policy, Safeguard, Selector};

/// One try of a step, under its key.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    pub(crate) step: StepId,
    pub(crate) key: IdempotencyKey,
    pub(crate) result: Option<StepResult>,
}

/// A plan, and what was recorded of it.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) plan: Plan,
    /// When it began: at once, or when people had approved of it.
    pub(crate) begun: Option<Timestamp>,
    pub(crate) ended: Option<(Timestamp, PlanResult)>,
    pub(crate) called_off: bool,
    pub(crate) verifying: bool,
    pub(crate) tries: Vec<Try>,
    /// Steps that were refused before they were tried.
    pub(crate) refused: BTreeSet<StepId>,
    /// Where everything that it acts on or moves something to was when it was made: hosts, racks.
    pub(crate) places: BTreeSet<ResourceId>,
    /// Where each workload was that it moves.
    pub(crate) from: BTreeMap<ResourceId, ResourceId>,
    /// The guards that selected something of what it acts on.
    pub(crate) guards: BTreeSet<PolicyName>,
    /// What it acts on, as it was when the plan was made.
    pub(crate) acts_on: Vec<Seen>,
    /// In which life it was seen last: one that ended in an earlier one is a matter of memory.
    pub(crate) life: u32,
}

/// A resource as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The hosts and racks that it was, or was on.
    pub(crate) places: BTreeSet<ResourceId>,
    /// The guards that selected it.
    pub(crate) guards: BTreeSet<PolicyName>,
    /// The policies that did.
    pub(crate) policies: BTreeSet<PolicyName>,
    /// What it was called.
    pub(crate) kind: String,
    /// What it was marked with.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Flight {
    /// Whether it disrupts something, by its steps alone.
    pub(crate) fn disrupts(&self) -> bool {
        impact(&self.plan) > Impact::Restoring
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.begun.is_some() && self.ended.is_none()
    }

    /// The resources of the steps of which nobody knows what became, as long as nobody has looked.
    pub(crate) fn doubtful(&self) -> BTreeSet<ResourceId> {
        self.doubtful_steps().map(|step| step.resource.clone()).collect()
    }

    /// The hosts that they may have been moved to.
    pub(crate) fn doubtful_hosts(&self) -> BTreeSet<ResourceId> {
        self.doubtful_steps().filter_map(|step| target(&step.action).cloned()).collect()
    }

    pub(crate) fn doubtful_steps(&self) -> impl Iterator<Item = &Step> {
        let unknown = |one: &&Try| matches!(one.result, Some(StepResult::Unknown { .. }));
        self.tries.iter().filter(unknown).filter_map(|one| self.plan.step(one.step))
    }
}

/// Where an action brings its resource to.
pub(crate) fn target(action: &Action) -> Option<&ResourceId> {
    match action {
        Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => Some(to),
        _ => None,
    }
}

/// The greatest impact of the steps of a plan.
pub(crate) fn impact(plan: &Plan) -> Impact {
    plan.steps.iter().map(|step| Impact::of(&step.action)).max().unwrap_or(Impact::Restoring)
}

/// Everything that is to be seen.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) policies: &'static [Arc<Policy>],
    pub(crate) guards: Vec<Safeguard>,
    /// Counts the starts of the engine, from 1; also its generation.
    pub(crate) life: u32,
    /// When this life heard the first thing.
    pub(crate) started: Timestamp,
    /// The time that the engine was told last.
    pub(crate) now: Timestamp,
    /// The time of the newest record.
    pub(crate) decided: Timestamp,
    /// What exists, as this life was told.
    pub(crate) told: Topology,
    pub(crate) capabilities: Option<Capabilities>,
    /// Whether this life was told everything that there is.
    pub(crate) listed: bool,
    pub(crate) flights: BTreeMap<PlanId, Flight>,
    /// Plans that ended in doubt and of which a person has said that they have looked.
    pub(crate) looked_at: BTreeSet<PlanId>,
    /// Open findings of this life, and since when.
    pub(crate) open: BTreeMap<FindingRef, Timestamp>,
    /// Where a ladder has ended, so that nothing acts there.
    pub(crate) quarantined: BTreeSet<ResourceId>,
    /// The plan that the newest record begins.
    pub(crate) just_begun: Option<PlanId>,
    /// Whether adapters lie in this run.
    pub(crate) lies: bool,
}

impl Scene {
    pub(crate) fn new(policies: &'static [Arc<Policy>], at: Timestamp, lies: bool) -> Self {
        let guards = policies.first().map(|policy| policy.safeguards.0.to_vec()).unwrap_or_default();
        Self {
            policies,
            guards,
            life: 1,
            started: at,
            now: at,
            decided: at,
            told: Topology::default(),
            capabilities: None,
            listed: false,
            flights: BTreeMap::new(),
            looked_at: BTreeSet::new(),
            open: BTreeMap::new(),
            quarantined: BTreeSet::new(),
            just_begun: None,
            lies,
        }
    }

    pub(crate) fn policy(&self, name: &PolicyName) -> &Policy {
        self.policies.iter().find(|policy| policy.name == *name).unwrap()
    }

    /// The plan that just begins, if one does.
    pub(crate) fn beginning(&self) -> Option<&Flight> {
        self.just_begun.and_then(|id| self.flights.get(&id))
    }

    /// Whether a guard selects something of what `plan` acts on, now or when it was made.
    pub(crate) fn guards_of<'a>(&'a self, flight: &'a Flight) -> impl Iterator<Item = &'a Safeguard> {
        self.guards.iter().filter(move |guard| flight.guards.contains(&guard.name))
    }

    pub(crate) fn in_flight(&self) -> impl Iterator<Item = &Flight> {
        self.flights.values().filter(|flight| flight.is_in_flight())
    }

    /// Those that have ended without anybody knowing what became of a step, and at which nobody has looked.
    pub(crate) fn in_doubt(&self) -> impl Iterator<Item = &Flight> {
        let unseen = |(id, flight): &(&PlanId, &Flight)| {
            flight.ended.is_some() && !self.looked_at.contains(*id) && !flight.doubtful().is_empty()
        };
        self.flights.iter().filter(unseen).map(|(_, flight)| flight)
    }

    /// The engine was told this.
    pub(crate) fn tell(&mut self, input: &Input) {
        match input {
            Input::Observed(Observation::Inventory(change)) => {
                self.listed |= matches!(change, InventoryChange::Snapshot { .. });
                self.told.apply(change.clone());
            }
            Input::Observed(
                Observation::Event(Event { resource, .. }) | Observation::Sample(Sample { resource, .. }),
            ) if self.told.get(resource).is_none() => {
                self.told.apply(InventoryChange::Upsert(Resource::named(resource.clone())));
            }
            Input::Capabilities(capabilities) => self.capabilities = Some(capabilities.clone()),
            _ => {}
        }
    }

    /// The engine decided this.
    pub(crate) fn record(&mut self, record: &Record) {
        self.decided = record.at;
        self.just_begun = None;
        match &record.entry {
            Entry::FindingOpened { finding, .. } => {
                self.open.insert(finding.clone(), record.at);
            }
            Entry::FindingClosed { finding, .. } => {
                self.open.remove(finding);
            }
            Entry::ResourceQuarantined { finding, .. } => drop(self.quarantined.insert(finding.resource.clone())),
            Entry::ResourceReleased { resource, .. } => drop(self.quarantined.remove(resource)),
            Entry::PlanMade(plan) => self.made(record.at, plan),
            Entry::Joined { finding, plan, .. } => {
                if let Some(flight) =
                    self.flights.get_mut(plan).filter(|flight| !flight.plan.findings.contains(finding))
                {
                    flight.plan.findings.push(finding.clone());
                }
            }
            Entry::PlanBegun { plan } => self.begins(record.at, *plan),
            Entry::StepDispatched { plan, step, key } => {
                self.begins(record.at, *plan);
                if let Some(flight) = self.flights.get_mut(plan) {
                    flight.tries.push(Try { step: *step, key: key.clone(), result: None });
                }
            }
            Entry::StepFinished { plan, step, result } => {
                self.begins(record.at, *plan);
                let Some(flight) = self.flights.get_mut(plan) else { return };
                let running = |one: &&mut Try| one.step == *step && one.result.is_none();
                match flight.tries.iter_mut().find(running) {
                    Some(one) => one.result = Some(result.clone()),
                    None => drop(flight.refused.insert(*step)),
                }
            }
            Entry::Verifying { plan, .. } => {
                if let Some(flight) = self.flights.get_mut(plan) {
                    flight.verifying = true;
                }
            }
            Entry::PlanCalledOff { plan, out_of_time: false, .. } => {
                if let Some(flight) = self.flights.get_mut(plan) {
                    flight.called_off = true;
                }
            }
            Entry::PlanFinished { plan, result } => self.finished(record.at, *plan, result),
            _ => {}
        }
    }

    fn made(&mut self, at: Timestamp, plan: &Plan) {
        let acts_on: Vec<Seen> = plan.touches().iter().map(|id| self.seen(id)).collect();
        let targets = plan.uses();
        let places = targets.iter().flat_map(|id| self.places(id));
        let places = acts_on.iter().flat_map(|one| one.places.iter().cloned()).chain(places).collect();
        let guards = acts_on.iter().flat_map(|one| one.guards.iter().cloned()).collect();
        let moved = plan
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Migrate { .. } | Action::Restart { on: Some(_) }))
            .filter_map(|step| Some((step.resource.clone(), self.told.get(&step.resource)?.on.clone()?)));
        let flight = Flight {
            from: moved.collect(),
            plan: plan.clone(),
            begun: None,
            ended: None,
            called_off: false,
            verifying: false,
            tries: Vec::new(),
            refused: BTreeSet::new(),
            places,
            guards,
            acts_on,
            life: self.life,
        };
        self.flights.insert(plan.id, flight);
        if plan.mode == Mode::Auto {
            self.begins(at, plan.id);
        }
    }

    /// The hosts and racks that `id` is, or is on.
    pub(crate) fn places(&self, id: &ResourceId) -> impl Iterator<Item = ResourceId> {
        let above = self.told.ancestors(id).map(|one| one.id.clone());
        above.chain([id.clone()]).filter(|id| matches!(id.kind(), "host" | "rack"))
    }

    fn seen(&self, id: &ResourceId) -> Seen {
        let matches = |select: &Selector| self.told.get(id).is_some_and(|one| select.matches(one, &self.told));
        let guards = self.guards.iter().filter(|guard| matches(&guard.select)).map(|guard| guard.name.clone());
        let policies = self.policies.iter().filter(|policy| matches(&policy.select)).map(|policy| policy.name.clone());
        Seen {
            places: self.places(id).collect(),
            guards: guards.collect(),
            policies: policies.collect(),
            kind: id.kind().to_owned(),
            labels: self.told.get(id).map(|one| one.labels.clone()).unwrap_or_default(),
        }
    }

    fn begins(&mut self, at: Timestamp, plan: PlanId) {
        if let Some(flight) = self.flights.get_mut(&plan).filter(|flight| flight.begun.is_none()) {
            flight.begun = Some(at);
            self.just_begun = Some(plan);
        }
    }

    fn finished(&mut self, at: Timestamp, plan: PlanId, result: &PlanResult) {
        let Some(flight) = self.flights.get_mut(&plan) else { return };
        if flight.ended.is_some() {
            self.looked_at.insert(plan);
        } else {
            flight.ended = Some((at, result.clone()));
        }
    }

    /// The engine has ended, and begins anew with what its records say. What was not durable never was.
    pub(crate) fn restart(&mut self, durable: &[Record], at: Timestamp) {
        let before = std::mem::take(&mut self.flights);
        let life = self.life;
        self.open.clear();
        self.looked_at.clear();
        self.quarantined.clear();
        for record in durable {
            self.record(record);
        }
        for (id, flight) in &mut self.flights {
            // Where things were when it was made is known from then only.
            if let Some(known) = before.get(id) {
                flight.places.clone_from(&known.places);
                flight.from.clone_from(&known.from);
                flight.guards.clone_from(&known.guards);
                flight.acts_on.clone_from(&known.acts_on);
                flight.life = known.life;
            }
            let open = flight.ended.is_none() || (!flight.doubtful().is_empty() && !self.looked_at.contains(id));
            if open {
                flight.life = life + 1;
            }
        }
        self.open.clear();
        self.life += 1;
        (self.told, self.listed, self.capabilities, self.just_begun) = (Topology::default(), false, None, None);
        (self.started, self.now, self.decided) = (at, at, at);
    }
}
