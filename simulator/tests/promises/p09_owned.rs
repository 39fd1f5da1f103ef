//! Promise 9: one plan at a time owns a resource; who loses is told why; what one policy has brought about, no other of the same or a lower
//! priority takes back while that is wanted.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use homeostat_model::*;

use crate::{
    scene::{Flight, Scene},
    watch::{Fact, Watch},
};

#[test]
fn one_plan_at_a_time_owns_a_resource() {
    crate::sweep::holds(9);
}

/// Machines that have more processors than before, or fewer.
type Resized = BTreeMap<ResourceId, Ordering>;

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// By plans that have begun.
    begun: BTreeMap<PlanId, Resized>,
    /// By plans of open findings that have succeeded since they opened, none of them in vain.
    brought: BTreeMap<FindingRef, Resized>,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        9
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Recorded(Record { entry: Entry::Held { finding, hold: Hold::Owned { resource, by } }, .. }) => {
                let has = |(id, one)| {
                    let (acts_on, moves_to) = in_hand(scene, id, one)?;
                    Some(acts_on.contains(resource) || moves_to.contains(resource))
                };
                if scene.flights.get_key_value(by).and_then(has) == Some(true) {
                    Ok(())
                } else {
                    Err(format!("{finding} is told that plan {by} has {resource}, which it has not"))
                }
            }
            Fact::Recorded(record) => {
                self.note(scene, record);
                begins(scene)?;
                scene.beginning().map_or(Ok(()), |flight| self.takes_nothing_back(scene, &flight.plan))
            }
            Fact::Crashed(_) => {
                *self = Self::default();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Watcher {
    fn note(&mut self, scene: &Scene, record: &Record) {
        match &record.entry {
            // The ladder of a policy that was changed begins anew.
            Entry::PoliciesLoaded { .. } => self.brought.clear(),
            Entry::FindingOpened { finding, .. } | Entry::FindingClosed { finding, .. } => {
                self.brought.remove(finding);
            }
            Entry::PlanFinished { plan, result } => {
                let finding = scene.flights[plan].plan.finding();
                let resized = self.begun.remove(plan).unwrap_or_default();
                if *result == PlanResult::Succeeded && scene.open.contains_key(&finding) {
                    self.brought.entry(finding).or_default().extend(resized);
                } else {
                    self.brought.remove(&finding);
                }
            }
            _ => {}
        }
    }

    fn takes_nothing_back(&mut self, scene: &Scene, plan: &Plan) -> Result<(), String> {
        let resized = plan.steps.iter().filter_map(|step| {
            let Action::Resize(amount) = &step.action else { return None };
            let has = scene.told.get(&step.resource)?.capacity.vcpus;
            Some((step.resource.clone(), amount.vcpus?.partial_cmp(&has?)?))
        });
        let resized: Resized = resized.filter(|(_, way)| way.is_ne()).collect();
        for (finding, brought) in &self.brought {
            let matters = scene.policy(&finding.policy).priority >= plan.priority && finding.policy != plan.policy;
            let back = |(id, way): &(&ResourceId, &Ordering)| brought.get(*id) == Some(&way.reverse());
            if let Some((id, _)) = resized.iter().find(back).filter(|_| matters && !plan.findings.contains(finding)) {
                return Err(format!("plan {} takes back what {finding} has brought about on {id}", plan.id));
            }
        }
        self.begun.insert(plan.id, resized);
        Ok(())
    }
}

/// What a plan acts on, or may have, and where it moves something to; none of a plan that has nothing any more.
fn in_hand(scene: &Scene, id: &PlanId, one: &Flight) -> Option<(BTreeSet<ResourceId>, BTreeSet<ResourceId>)> {
    if one.is_in_flight() {
        return Some((one.plan.touches(), one.plan.uses()));
    }
    // What nobody knows the state of stays owned, until somebody has looked.
    let in_doubt = one.ended.is_some() && !scene.looked_at.contains(id);
    in_doubt.then(|| (one.doubtful(), one.doubtful_hosts()))
}

fn begins(scene: &Scene) -> Result<(), String> {
    let Some(flight) = scene.beginning() else { return Ok(()) };
    let (touches, uses, id) = (flight.plan.touches(), flight.plan.uses(), flight.plan.id);
    for (other, one) in scene.flights.iter().filter(|(other, _)| **other != id) {
        let Some((theirs, used)) = in_hand(scene, other, one) else { continue };
        let contested = touches.iter().find(|id| theirs.contains(*id) || used.contains(*id));
        if let Some(resource) = contested.or_else(|| uses.iter().find(|id| theirs.contains(*id))) {
            return Err(format!("plan {id} begins on {resource}, which plan {other} has in hand"));
        }
    }
    Ok(())
}
