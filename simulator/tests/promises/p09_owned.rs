//! Promise 9: one plan at a time owns a resource; who loses is told why.

use homeostat_model::*;

use crate::{
    scene::Scene,
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
                let owns = scene.flights.get(by).is_some_and(|one| {
                    let held = one.plan.touches().contains(resource) || one.plan.uses().contains(resource);
                    held && (one.is_in_flight() || !one.doubtful().is_empty())
                });
                if owns {
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

fn begins(scene: &Scene) -> Result<(), String> {
    let Some(flight) = scene.beginning() else { return Ok(()) };
    let (touches, uses, id) = (flight.plan.touches(), flight.plan.uses(), flight.plan.id);
    for (other, one) in scene.flights.iter().filter(|(other, _)| **other != id) {
        let (theirs, used) = if one.is_in_flight() {
            (one.plan.touches(), one.plan.uses())
        } else if one.ended.is_some() && !scene.looked_at.contains(other) {
            // What nobody knows the state of stays owned.
            (one.doubtful(), one.doubtful_hosts())
        } else {
            continue;
        };
        let contested = touches.iter().find(|id| theirs.contains(*id) || used.contains(*id));
        if let Some(resource) = contested.or_else(|| uses.iter().find(|id| theirs.contains(*id))) {
            return Err(format!("plan {id} begins on {resource}, which plan {other} has in hand"));
        }
    }
    Ok(())
}
