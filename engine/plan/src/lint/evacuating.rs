//! `evacuating`: nothing goes to a host that is not up, that takes nothing new, or that this or another plan empties.

use homeostat_model::{Action, ResourceId, Step, StepId};

use super::{Steps, target};
use crate::Surroundings;

pub(super) fn check(around: &Surroundings<'_>, steps: &Steps<'_>) -> Vec<(Option<StepId>, String)> {
    let moves = steps.all.iter().filter_map(|step| Some((step, target(step)?)));
    moves.filter_map(|(step, to)| Some((Some(step.id), closed(around, steps, step, to)?))).collect()
}

/// Why `to` does not take what the step brings.
fn closed(around: &Surroundings<'_>, steps: &Steps<'_>, step: &Step, to: &ResourceId) -> Option<String> {
    let Some(host) = around.topology.get(to) else { return Some(format!("{to} does not exist")) };
    let on_it = |other: &&Step| other.resource == *to;
    let switched_on = |other: &Step| other.action == Action::Power { on: true } && steps.precedes(other, step);
    if host.flag("cordoned") || host.flag("fenced") {
        return Some(format!("{to} takes nothing new"));
    }
    if host.state() != Some("up") && !steps.all.iter().filter(on_it).any(switched_on) {
        return Some(format!("{to} is not up"));
    }
    if around.projection.leaving.contains(to) {
        return Some(format!("{to} is being emptied by another plan"));
    }
    let empties = |other: &Step| {
        matches!(other.action, Action::Cordon { on: true } | Action::Fence | Action::Power { on: false })
            && !steps.precedes(step, other)
    };
    steps
        .all
        .iter()
        .filter(on_it)
        .find(|other| empties(other))
        .map(|other| format!("{to} is closed by step {}", other.id))
}
