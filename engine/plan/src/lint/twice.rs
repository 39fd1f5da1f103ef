//! `twice`: of two steps on one resource, one is done before the other begins.

use homeostat_model::StepId;

use super::Steps;
use crate::Surroundings;

pub(super) fn check(_around: &Surroundings<'_>, steps: &Steps<'_>) -> Vec<(Option<StepId>, String)> {
    let mut found = Vec::new();
    for (place, second) in steps.all.iter().enumerate() {
        for first in steps.all.iter().take(place).filter(|first| first.resource == second.resource) {
            if !steps.precedes(first, second) {
                found.push((
                    Some(second.id),
                    format!("{} is acted on by step {} at the same time", second.resource, first.id),
                ));
            }
        }
    }
    found
}
