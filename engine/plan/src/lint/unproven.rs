//! `unproven`: nothing is started on another host unless it is known not to run where it was: that host was fenced, or is fenced
//! before, or is up and says that it does not run.

use homeostat_model::{Action, Resource, Step, StepId};

use super::{Steps, target};
use crate::Surroundings;

pub(super) fn check(around: &Surroundings<'_>, steps: &Steps<'_>) -> Vec<(Option<StepId>, String)> {
    let restarts = steps.all.iter().filter(|step| matches!(step.action, Action::Restart { on: Some(_) }));
    restarts.filter_map(|step| Some((Some(step.id), doubt(around, steps, step)?))).collect()
}

/// Why what the step starts may run already.
fn doubt(around: &Surroundings<'_>, steps: &Steps<'_>, step: &Step) -> Option<String> {
    let Some(resource) = around.topology.get(&step.resource) else {
        return Some(format!("{} is not known", step.resource));
    };
    let Some(from) = &resource.on else { return Some(format!("nobody knows where {} may run", resource.id)) };
    if target(step) == Some(from) {
        return None;
    }
    let fenced_before =
        |fence: &&Step| fence.resource == *from && fence.action == Action::Fence && steps.precedes(fence, step);
    if steps.all.iter().find(fenced_before).is_some() {
        return None;
    }
    match around.topology.get(from) {
        Some(host) if host.state() == Some("up") => {
            (!is_at_rest(resource)).then(|| format!("{} may run on {from}, which is up", resource.id))
        }
        Some(host) if host.flag("fenced") => None,
        _ => Some(format!("{} may still run on {from}, which is not fenced before", resource.id)),
    }
}

fn is_at_rest(resource: &Resource) -> bool {
    matches!(resource.state(), Some("stopped" | "exited" | "created" | "crashed" | "dead"))
}
