//! Promise 9: one plan at a time owns a resource; who loses is told why.

use std::collections::BTreeSet;

use homeostat_model::*;

use crate::{
    scene::{Flight, Scene},
    watch::{Fact, Watch},
};

#[test]
fn one_plan_at_a_time_owns_a_resource() {
    crate::sweep::holds(9);
}

#[derive(Debug)]
pub(crate) struct Watcher;

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
            Fact::Recorded(_) => begins(scene),
            _ => Ok(()),
        }
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
