//! Promise 3: no more is acted on than a budget allows, in any scope, at a time or in any stretch of its length.

use homeostat_model::*;

use crate::{
    scene::{Flight, Scene},
    watch::{Fact, Watch},
};

#[test]
fn no_budget_is_exceeded_in_any_scope_at_a_time_or_in_any_stretch() {
    crate::sweep::holds(3);
}

#[derive(Debug)]
pub(crate) struct Watcher;

impl Watch for Watcher {
    fn promise(&self) -> usize {
        3
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        if !matches!(fact, Fact::Recorded(_)) {
            return Ok(());
        }
        // What ended before the program began anew is the matter of promise 10.
        kept(scene, |flight| flight.life == scene.life)
    }
}

/// Whose budget it is.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Policy(&'a PolicyName),
    Guard(&'a PolicyName),
}

/// Whether the plan that begins, if one does, is within all budgets, counted over the plans that `counts` says.
pub(crate) fn kept(scene: &Scene, counts: impl Fn(&Flight) -> bool) -> Result<(), String> {
    let Some(flight) = scene.beginning().filter(|flight| flight.disrupts()) else { return Ok(()) };
    let others: Vec<&Flight> =
        scene.flights.values().filter(|one| one.begun.is_some() && one.disrupts() && counts(one)).collect();
    let policy = scene.policy(&flight.plan.policy);
    let own = policy.limits.budgets.iter().map(|budget| (budget, Owner::Policy(&policy.name)));
    let guards = scene
        .guards_of(flight)
        .flat_map(|guard| guard.budgets.iter().map(|budget| (budget, Owner::Guard(&guard.name))));
    for (budget, owner) in own.chain(guards) {
        within(scene, flight, budget, owner, &others)?;
    }
    Ok(())
}

fn within(scene: &Scene, flight: &Flight, budget: &Budget, owner: Owner<'_>, others: &[&Flight]) -> Result<(), String> {
    let Quota::Count(max) = budget.max else { return Err("only counts are drawn".into()) };
    let places: Vec<Option<&ResourceId>> = match budget.scope {
        Scope::Policy | Scope::All => vec![None],
        Scope::Host | Scope::Rack => {
            let kind = if budget.scope == Scope::Host { "host" } else { "rack" };
            flight.places.iter().filter(|id| id.kind() == kind).map(Some).collect()
        }
        _ => return Err("this scope is not drawn".into()),
    };
    for place in places {
        let mut used = 0;
        for one in others {
            let counts = match budget.per {
                None => one.ended.is_none(),
                Some(per) => one.begun.is_some_and(|begun| begun + per > scene.decided),
            };
            let of_policy = budget.scope != Scope::Policy || one.plan.policy == flight.plan.policy;
            if counts && of_policy {
                used += weight(one, owner, place);
            }
        }
        if used > max as usize {
            let (id, per) = (flight.plan.id, budget.per.map_or("in flight".into(), |per| format!("within {per}")));
            return Err(format!("with plan {id} it is {used} {per} by {}, and {max} may be", budget.scope));
        }
    }
    Ok(())
}

/// How many of the resources that a plan acts on count for a budget there: at least one, if it concerns that at all.
fn weight(flight: &Flight, owner: Owner<'_>, place: Option<&ResourceId>) -> usize {
    let concerned = match owner {
        Owner::Policy(_) => true,
        Owner::Guard(name) => flight.guards.contains(name),
    };
    if !concerned || !place.is_none_or(|place| flight.places.contains(place)) {
        return 0;
    }
    let mut count = 0;
    for one in &flight.acts_on {
        let selected = match owner {
            Owner::Policy(name) => one.policies.contains(name),
            Owner::Guard(name) => one.guards.contains(name),
        };
        if selected && place.is_none_or(|place| one.places.contains(place)) {
            count += 1;
        }
    }
    count.max(1)
}
