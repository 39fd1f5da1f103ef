//! Promise 3: in no stretch of a budget's length more plans begin than it allows, nor are more in flight, in any scope.

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

/// Whether a plan counts in a group.
type Counts = Box<dyn Fn(&Flight) -> bool>;

/// Whether the plan that begins, if one does, is within all budgets, counted over the plans that `counts` says.
pub(crate) fn kept(scene: &Scene, counts: impl Fn(&Flight) -> bool) -> Result<(), String> {
    let Some(flight) = scene.beginning().filter(|flight| flight.disrupts()) else { return Ok(()) };
    let others: Vec<&Flight> =
        scene.flights.values().filter(|one| one.begun.is_some() && one.disrupts() && counts(one)).collect();
    let own = scene.policy(&flight.plan.policy).limits.budgets.iter().map(|budget| (budget, None));
    let guards =
        scene.guards_of(flight).flat_map(|guard| guard.budgets.iter().map(|budget| (budget, Some(&guard.name))));
    for (budget, guard) in own.chain(guards) {
        let guarded: Vec<&Flight> =
            others.iter().copied().filter(|one| guard.is_none_or(|guard| one.guards.contains(guard))).collect();
        within(scene, flight, budget, &guarded)?;
    }
    Ok(())
}

fn within(scene: &Scene, flight: &Flight, budget: &Budget, others: &[&Flight]) -> Result<(), String> {
    let Quota::Count(max) = budget.max else { return Err("only counts are drawn".into()) };
    let places = |kind: &'static str| flight.places.iter().filter(move |id| id.kind() == kind);
    let groups: Vec<Counts> = match budget.scope {
        Scope::Policy => {
            let policy = flight.plan.policy.clone();
            vec![Box::new(move |one| one.plan.policy == policy)]
        }
        Scope::All => vec![Box::new(|_| true)],
        Scope::Host | Scope::Rack => {
            let kind = if budget.scope == Scope::Host { "host" } else { "rack" };
            let at = |id: &ResourceId| -> Counts {
                let id = id.clone();
                Box::new(move |one| one.places.contains(&id))
            };
            places(kind).map(at).collect()
        }
        _ => return Err("this scope is not drawn".into()),
    };
    for group in groups {
        let counted = others.iter().filter(|one| group(one)).filter(|one| match budget.per {
            None => one.ended.is_none(),
            Some(per) => one.begun.is_some_and(|begun| begun + per > scene.decided),
        });
        let used = counted.count();
        if used > max as usize {
            let (id, per) = (flight.plan.id, budget.per.map_or("in flight".into(), |per| format!("within {per}")));
            return Err(format!("plan {id} is the {used}th {per} by {}, and {max} may be", budget.scope));
        }
    }
    Ok(())
}
