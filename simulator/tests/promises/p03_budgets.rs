//! Promise 3: no more is acted on than a budget allows, in any scope, at a time or in any stretch of its length.

use std::collections::BTreeSet;

use homeostat_model::*;
use homeostat_policy::{Policy, Safeguard};

use crate::{
    scene::{Flight, Scene, Seen},
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
    Policy(&'a Policy),
    Guard(&'a Safeguard),
}

/// What is counted together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    All,
    /// A host or a rack.
    At(&'a ResourceId),
    Kind(&'a str),
    Label(&'a str, &'a str),
}

/// Whether the plan that begins, if one does, is within all budgets, counted over the plans that `counts` says.
pub(crate) fn kept(scene: &Scene, counts: impl Fn(&Flight) -> bool) -> Result<(), String> {
    let Some(flight) = scene.beginning().filter(|flight| flight.disrupts()) else { return Ok(()) };
    let others: Vec<&Flight> =
        scene.flights.values().filter(|one| one.begun.is_some() && one.disrupts() && counts(one)).collect();
    let policy = scene.policy(&flight.plan.policy);
    let own = policy.limits.budgets.iter().map(|budget| (budget, Owner::Policy(policy)));
    let guards =
        scene.guards_of(flight).flat_map(|guard| guard.budgets.iter().map(|budget| (budget, Owner::Guard(guard))));
    for (budget, owner) in own.chain(guards) {
        within(scene, flight, budget, owner, &others)?;
    }
    Ok(())
}

fn within(scene: &Scene, flight: &Flight, budget: &Budget, owner: Owner<'_>, others: &[&Flight]) -> Result<(), String> {
    if !budget.during.as_ref().is_none_or(|window| is_in_force(window, scene.decided)) {
        return Ok(());
    }
    for group in groups(&budget.scope, flight) {
        let max = match budget.max {
            Quota::Count(max) => max as usize,
            Quota::Share(share) => share_of(share, selected(scene, owner, group)),
        };
        let mut used = 0;
        for one in others {
            let counts = match budget.per {
                None => one.ended.is_none(),
                Some(per) => one.begun.is_some_and(|begun| begun + per > scene.decided),
            };
            let of_policy = budget.scope != Scope::Policy || one.plan.policy == flight.plan.policy;
            if counts && of_policy {
                used += weight(one, owner, group);
            }
        }
        if used > max {
            let (id, per) = (flight.plan.id, budget.per.map_or("in flight".into(), |per| format!("within {per}")));
            return Err(format!("with plan {id} it is {used} {per} by {}, and {max} may be", budget.scope));
        }
    }
    Ok(())
}

/// The groups in which a budget counts a plan.
fn groups<'a>(scope: &'a Scope, flight: &'a Flight) -> BTreeSet<Group<'a>> {
    let at = |kind: &'static str| flight.places.iter().filter(move |id| id.kind() == kind).map(Group::At).collect();
    match scope {
        Scope::Policy | Scope::All => BTreeSet::from([Group::All]),
        Scope::Host => at("host"),
        Scope::Rack => at("rack"),
        Scope::Kind => flight.acts_on.iter().map(|one| Group::Kind(&one.kind)).collect(),
        Scope::Label(name) => {
            let value = |one: &'a Seen| Some(Group::Label(name, one.labels.get(name)?));
            flight.acts_on.iter().filter_map(value).collect()
        }
    }
}

/// How many of the resources that a plan acts on count for a budget there: at least one, if it concerns that at all.
fn weight(flight: &Flight, owner: Owner<'_>, group: Group<'_>) -> usize {
    let is_in = |one: &Seen| match group {
        Group::All => true,
        Group::At(place) => one.places.contains(place),
        Group::Kind(kind) => one.kind == kind,
        Group::Label(name, value) => one.labels.get(name).is_some_and(|one| one == value),
    };
    // It concerns the place, too, that it moves something to.
    let there = match group {
        Group::All => true,
        Group::At(place) => flight.places.contains(place),
        Group::Kind(_) | Group::Label(..) => flight.acts_on.iter().any(is_in),
    };
    let concerned = match owner {
        Owner::Policy(_) => true,
        Owner::Guard(guard) => flight.guards.contains(&guard.name),
    };
    if !concerned || !there {
        return 0;
    }
    let mut count = 0;
    for one in &flight.acts_on {
        let selected = match owner {
            Owner::Policy(policy) => one.policies.contains(&policy.name),
            Owner::Guard(guard) => one.guards.contains(&guard.name),
        };
        if selected && is_in(one) {
            count += 1;
        }
    }
    count.max(1)
}

/// How many resources there are of which a share is meant.
fn selected(scene: &Scene, owner: Owner<'_>, group: Group<'_>) -> usize {
    let select = match owner {
        Owner::Policy(policy) => &policy.select,
        Owner::Guard(guard) => &guard.select,
    };
    let is_in = |one: &&Resource| match group {
        Group::All => true,
        Group::At(place) => scene.places(&one.id).any(|id| id == *place),
        Group::Kind(kind) => one.id.kind() == kind,
        Group::Label(name, value) => one.labels.get(name).is_some_and(|one| one == value),
    };
    scene.told.iter().filter(|one| select.matches(one, &scene.told)).filter(is_in).count()
}

/// A share that is more than nothing leaves room for one. Whole percents are drawn.
fn share_of(share: f64, all: usize) -> usize {
    let percent = (share * 100.0).round() as usize;
    (all * percent).div_ceil(100).max(1)
}

/// Whether it began in one of the minutes that it lasts. What is drawn comes again each day, and lasts whole minutes; in these nights the
/// clocks of Berlin are an hour ahead.
fn is_in_force(window: &Window, at: Timestamp) -> bool {
    const DAY: u64 = 24 * 60;
    let Window::Recurring { schedule, duration, time_zone } = window else { return true };
    let ahead = if time_zone == "Europe/Berlin" { 60 } else { 0 };
    let now = at.as_millis() as u64 / 60_000 + ahead;
    let begins = |minute: u64| {
        let clock = minute % DAY;
        schedule.times().any(|(hour, minute)| u64::from(hour * 60 + minute) == clock)
    };
    (0..duration.as_millis() / 60_000).any(|ago| begins(now - ago))
}
