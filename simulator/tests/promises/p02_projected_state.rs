//! Promise 2: a move is admitted against what there will be, gains something, and does not take back another one.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::*;

use crate::{
    scene::{Flight, Scene, target},
    watch::{Fact, Watch},
};

#[test]
fn no_target_is_overloaded_every_move_gains_and_none_goes_back() {
    crate::sweep::holds(2);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// Who left which host, and when, by plans that began in this life or went on in it.
    left: Vec<(PlanId, ResourceId, ResourceId, Timestamp)>,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        2
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Recorded(Record { entry: Entry::PlanMade(plan), .. }) => {
                gains(scene, &scene.flights[&plan.id])?;
                self.begins(scene)
            }
            Fact::Recorded(_) => self.begins(scene),
            // Of what had ended before, promise 10 tells.
            Fact::Recovered => {
                let goes_on = |flight: &Flight| flight.life == scene.life && flight.begun.is_some();
                let remembered = |plan: &PlanId| scene.flights.get(plan).is_some_and(goes_on);
                self.left.retain(|(plan, ..)| remembered(plan));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Watcher {
    fn begins(&mut self, scene: &Scene) -> Result<(), String> {
        let Some(flight) = scene.beginning() else { return Ok(()) };
        let plan = &flight.plan;
        for host in plan.uses() {
            fits(scene, flight, &host)?;
        }
        for step in &plan.steps {
            if let (Action::Resize(_), Some(one)) = (&step.action, scene.told.get(&step.resource))
                && grows(one, &step.action)
                && let Some(host) = &one.on
                && scene.told.get(host).is_some()
            {
                fits(scene, flight, host)?;
            }
        }
        self.goes_on(scene, flight)
    }

    /// Nothing is sent back within `returnAfter`.
    fn goes_on(&mut self, scene: &Scene, flight: &Flight) -> Result<(), String> {
        let (plan, at) = (&flight.plan, scene.decided);
        if let Some(after) = scene.policy(&plan.policy).limits.return_after {
            for (id, to) in plan.steps.iter().filter_map(|step| Some((&step.resource, target(&step.action)?))) {
                let back = self.left.iter().find(|(_, who, from, when)| who == id && from == to && *when + after > at);
                if let Some((by, .., when)) = back {
                    return Err(format!(
                        "plan {} sends {id} back to {to}, which plan {by} took it from at {when:?}",
                        plan.id
                    ));
                }
            }
        }
        self.left.extend(flight.from.iter().map(|(id, from)| (plan.id, id.clone(), from.clone(), at)));
        Ok(())
    }
}

fn grows(one: &Resource, action: &Action) -> bool {
    let Action::Resize(amount) = action else { return false };
    amount.vcpus.is_some_and(|wanted| Some(wanted) > one.capacity.vcpus)
        || amount.memory_bytes.is_some_and(|wanted| Some(wanted) > one.capacity.memory_bytes)
}

/// What is given to whom on `host` at most until all plans in flight and `beginning` are done, or undone.
fn load(scene: &Scene, host: &ResourceId, beginning: Option<&Flight>, without: &BTreeSet<ResourceId>) -> (f64, u64) {
    let mut amounts: BTreeMap<&ResourceId, Vec<Amount>> = BTreeMap::new();
    let mut here: BTreeSet<&ResourceId> = scene.told.children(host).map(|one| &one.id).collect();
    // What may have been done counts as done until a person has looked.
    let doubtful = scene.in_doubt().flat_map(Flight::doubtful_steps);
    for step in scene.in_flight().chain(beginning).flat_map(|flight| &flight.plan.steps).chain(doubtful) {
        for action in [&step.action].into_iter().chain(step.compensation.as_deref()) {
            if let Action::Resize(amount) = action {
                amounts.entry(&step.resource).or_default().push(amount.as_ref().clone());
            }
            if target(action) == Some(host) {
                here.insert(&step.resource);
            }
        }
    }
    let given = here.into_iter().filter(|id| !without.contains(*id)).filter_map(|id| {
        let (one, amounts) = (scene.told.get(id)?, amounts.get(id).map(Vec::as_slice).unwrap_or_default());
        let vcpus = amounts.iter().filter_map(|amount| amount.vcpus).chain(one.capacity.vcpus);
        let bytes = amounts.iter().filter_map(|amount| amount.memory_bytes).chain(one.capacity.memory_bytes);
        Some((vcpus.fold(0.0, f64::max), bytes.max().unwrap_or_default()))
    });
    given.fold((0.0, 0), |(vcpus, bytes), (more, memory)| (vcpus + more, bytes + memory))
}

fn limits(host: &Resource) -> (f64, u64) {
    let times = match host.attributes.get("cpuOvercommit") {
        Some(Value::Number(times)) => *times,
        _ => 1.0,
    };
    (host.capacity.vcpus.unwrap_or(f64::MAX) * times, host.capacity.memory_bytes.unwrap_or(u64::MAX))
}

fn fits(scene: &Scene, flight: &Flight, host: &ResourceId) -> Result<(), String> {
    let id = flight.plan.id;
    let Some(described) = scene.told.get(host) else { return Err(format!("plan {id} uses {host}, which is unknown")) };
    let ((cores, memory), (vcpus, bytes)) = (limits(described), load(scene, host, Some(flight), &BTreeSet::new()));
    if vcpus > cores + 1e-6 || bytes > memory {
        let (bytes, memory) = (bytes >> 20, memory >> 20);
        return Err(format!("plan {id} overloads {host}: {vcpus} of {cores} vcpus, {bytes} of {memory} MiB"));
    }
    Ok(())
}

/// A migration leaves at least `minGain` more room on the new host than there is on the old one.
fn gains(scene: &Scene, flight: &Flight) -> Result<(), String> {
    let plan = &flight.plan;
    if plan.response != "migrate" {
        return Ok(());
    }
    let wanted = scene.policy(&plan.policy).limits.min_gain.unwrap_or(0.0);
    let (Some(to), Some(from)) = (target(&plan.steps[0].action), flight.from.get(&plan.subject)) else { return Ok(()) };
    let others = || scene.in_flight().filter(|one| one.plan.id != plan.id);
    let doubtful = scene.in_doubt().flat_map(Flight::doubtful_steps);
    let moves = others().flat_map(|one| &one.plan.steps).chain(doubtful);
    let moves = moves.filter(|step| target(&step.action).is_some_and(|to| to != from));
    let leaving: BTreeSet<ResourceId> = moves.map(|step| step.resource.clone()).collect();
    let mut own = plan.clone();
    own.steps.clear();
    let share = |host: &ResourceId, coming: Option<&Flight>, without: &BTreeSet<ResourceId>| {
        let ((cores, memory), (vcpus, bytes)) =
            (limits(scene.told.get(host).unwrap()), load(scene, host, coming, without));
        ((cores - vcpus) / cores).min((memory as f64 - bytes as f64) / memory as f64)
    };
    // It is in flight itself by now: what it leaves behind is what is there without counting it as gone.
    let gained = share(to, Some(flight), &BTreeSet::new()) - share(from, None, &leaving);
    if gained + 1e-6 < wanted || (gained <= 1e-9 && wanted == 0.0) {
        return Err(format!("plan {} gains {gained}, and {wanted} was wanted", plan.id));
    }
    Ok(())
}
