//! `order`: steps are numbered upwards, and come after steps that exist.

use homeostat_model::StepId;

use super::Steps;
use crate::Surroundings;

pub(super) fn check(_around: &Surroundings<'_>, steps: &Steps<'_>) -> Vec<(Option<StepId>, String)> {
    let mut found = Vec::new();
    let mut last = StepId(0);
    for step in steps.all {
        if step.id <= last {
            found.push((Some(step.id), format!("it stands after step {last}")));
        }
        last = last.max(step.id);
        for id in &step.after {
            if *id >= step.id || !steps.before.contains_key(id) {
                found.push((Some(step.id), format!("it waits for step {id}, which is not before it")));
            }
        }
    }
    found
}
