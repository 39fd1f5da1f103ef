//! Promise 7: done means that its adapter said so of this deed, and that what was to come about did; otherwise it is undone or handed over.
//! That nobody knows what became of a deed means that its system was asked.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_engine::Input;
use homeostat_model::*;

use crate::{
    scene::{Flight, Scene},
    watch::{Fact, Watch},
};

#[test]
fn a_plan_has_succeeded_when_every_step_is_known_to_be_done_and_it_helped() {
    crate::sweep::holds(7);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// What adapters said in this life, by key.
    reports: BTreeMap<IdempotencyKey, Vec<StepReport>>,
    /// What was asked about in this life.
    asked: BTreeSet<IdempotencyKey>,
    /// The newest sample of `load`, by resource.
    loads: BTreeMap<ResourceId, (Timestamp, f64)>,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        7
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Told(Input::Report(report)) => {
                self.reports.entry(report.key.clone()).or_default().push(report.clone());
            }
            Fact::Told(Input::Observed(Observation::Sample(sample))) => {
                let newest = self.loads.entry(sample.resource.clone()).or_insert((sample.time, sample.value));
                if sample.time >= newest.0 {
                    *newest = (sample.time, sample.value);
                }
            }
            Fact::Probed(command) => drop(self.asked.insert(command.key.clone())),
            Fact::Crashed(_) => *self = Self::default(),
            Fact::Recorded(record) => return self.recorded(scene, &record.entry),
            _ => {}
        }
        Ok(())
    }
}

impl Watcher {
    fn recorded(&self, scene: &Scene, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::StepFinished { plan, step, result } => self.step(scene, &scene.flights[plan], *step, result),
            Entry::PlanFinished { plan, result: PlanResult::Succeeded } => self.succeeded(scene, &scene.flights[plan]),
            Entry::PlanFinished { plan, result: PlanResult::Failed { .. } | PlanResult::Unverified { .. } } => {
                undone(&scene.flights[plan])
            }
            _ => Ok(()),
        }
    }

    /// What is recorded of a deed was said of this deed, in this life.
    fn step(&self, scene: &Scene, flight: &Flight, step: StepId, result: &StepResult) -> Result<(), String> {
        let Some(one) = flight.tries.iter().rev().find(|one| one.step == step) else { return Ok(()) };
        let known = match result {
            StepResult::Done { .. } | StepResult::Failed { .. } => true,
            StepResult::Unknown { .. } => false,
            StepResult::Refused { .. } | StepResult::Cancelled => return Ok(()),
        };
        if !known && self.asked.contains(&one.key) {
            return Ok(());
        }
        let said = self.reports.get(&one.key).into_iter().flatten();
        let mut ours =
            said.filter(|report| report.generation == Generation(scene.life) && report.plan == flight.plan.id);
        match ours.any(|report| report.result == *result) {
            true => Ok(()),
            false if known => Err(format!("{} is {result:?}, and nobody said so", one.key)),
            false => Err(format!("{} is in doubt, and nobody was asked what became of it", one.key)),
        }
    }

    fn succeeded(&self, scene: &Scene, flight: &Flight) -> Result<(), String> {
        let (plan, id) = (&flight.plan, flight.plan.id);
        for step in &plan.steps {
            let last = flight.tries.iter().rev().find(|one| one.step == step.id);
            if !last.is_some_and(|one| matches!(one.result, Some(StepResult::Done { .. }))) {
                return Err(format!("plan {id} succeeded, and step {} is not done", step.id));
            }
        }
        let Some(wanted) = &plan.verification else { return Ok(()) };
        if !flight.verifying {
            return Err(format!("plan {id} succeeded, and nobody looked whether `{}`", wanted.that));
        }
        if self.is_so(scene, &plan.subject, &wanted.that) == Some(false) {
            return Err(format!("plan {id} succeeded, and `{}` is not so", wanted.that));
        }
        Ok(())
    }

    /// The conditions that are drawn, asked of what the engine was told; `None` where it was not told anything lately.
    fn is_so(&self, scene: &Scene, subject: &ResourceId, that: &str) -> Option<bool> {
        let one = scene.told.get(subject)?;
        let load = || {
            self.loads
                .get(subject)
                .filter(|(at, _)| *at + Duration::from_mins(2) > scene.decided)
                .map(|(_, load)| *load)
        };
        match that {
            "state == \"running\"" => Some(one.state() == Some("running")),
            "capacity.vcpus >= 2" => Some(one.capacity.vcpus >= Some(2.0)),
            "capacity.vcpus <= 1" => Some(one.capacity.vcpus <= Some(1.0)),
            "last(\"load\") < 70%" => Some(load().is_some_and(|load| load < 0.7)),
            "last(\"load\") < 95%" => Some(load().is_some_and(|load| load < 0.95)),
            "host.state == \"up\"" => {
                Some(one.on.as_ref().and_then(|host| scene.told.get(host)).and_then(Resource::state) == Some("up"))
            }
            "children.all(state == \"running\")" => {
                Some(scene.told.children(subject).all(|child| child.state() == Some("running")))
            }
            _ => None,
        }
    }
}

/// What was done of a plan that did not succeed is undone, unless a person called it off or has to look first.
fn undone(flight: &Flight) -> Result<(), String> {
    if flight.called_off || !flight.doubtful().is_empty() {
        return Ok(());
    }
    let last = |step: &Step| {
        let last = flight.tries.iter().rev().find(|one| one.step == step.id)?;
        let undo = last.key.attempt().undo;
        Some((undo, matches!(last.result, Some(StepResult::Done { .. }))))
    };
    let done = |step: &Step| last(step) == Some((false, true));
    // Also what could not be undone.
    let stands = |step: &Step| done(step) || last(step) == Some((true, false));
    // What something still stands on stays, and so does what could not be undone for what has to be so first.
    let on_it = |step: &Step| flight.plan.steps.iter().any(|later| later.after.contains(&step.id) && stands(later));
    let left =
        flight.plan.steps.iter().find(|step| {
            step.compensation.is_some() && done(step) && !on_it(step) && !flight.refused.contains(&step.id)
        });
    match left {
        Some(step) => Err(format!("plan {} did not succeed, and step {} is not undone", flight.plan.id, step.id)),
        None => Ok(()),
    }
}
