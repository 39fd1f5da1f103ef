//! Finds what goes beyond a ceiling wherever it is done: the policy's own, or that of a guard of all that the policy selects.
//!
//! What may go beyond it or not, such as a move that has to be made with an interruption, is looked at when it is planned.

use std::ops::Range;

use homeostat_model::{Impact, PolicyName};

use crate::{Policy, Safeguard, formula::Scope, mistake::Mistake, report::Report, selector::covers};

/// Most that are told of: nobody reads further.
const MAX_TOLD: usize = 100;

/// The least impact that a response certainly has, and what it does in words; `None` where nothing is certain.
fn least(response: &str) -> Option<(Impact, &'static str)> {
    match response {
        "restart" | "stop" | "pause" | "kill" | "recreate" => Some((Impact::Restart, "interrupts what runs")),
        "resize" | "migrate" | "evacuate" | "fisicalize" => Some((Impact::Live, "changes what runs")),
        _ => None,
    }
}

/// Refuses what goes beyond the policy's own ceiling.
pub(crate) fn check_ceiling(response: &str, at: &Range<usize>, scope: &Scope<'_>, report: &mut Report) {
    let Some((least, what)) = least(response) else { return };
    if let Some(ceiling) = scope.ceiling.filter(|ceiling| least > *ceiling) {
        let (response, ceiling, needed) = (response.into(), ceiling.to_string(), least.to_string());
        report.add(at.clone(), Mistake::AboveCeiling { response, what, ceiling, needed });
    }
}

/// A response that a guard never lets happen.
pub(crate) struct Forbidden {
    pub(crate) policy: PolicyName,
    /// Its index in the ladder.
    pub(crate) rung: usize,
    pub(crate) guard: PolicyName,
    pub(crate) mistake: Mistake,
}

/// The responses of `policies` that one of `guards` never lets happen, in the order of policies, rungs and guards.
pub(crate) fn forbidden<'a>(
    policies: impl Iterator<Item = &'a Policy>,
    guards: impl Iterator<Item = &'a Safeguard> + Clone,
) -> Vec<Forbidden> {
    let of_policy = |policy: &'a Policy| {
        let around = guards.clone().filter(|guard| guard.ceiling.is_some() && covers(&guard.select, &policy.select));
        let around: Vec<&Safeguard> = around.collect();
        let rungs = policy.then.iter().enumerate();
        let of_rung = |(rung, one): (usize, &crate::Rung)| {
            let response = one.response.to_string();
            let told = |guard: &&Safeguard| above(guard, &response).map(|mistake| (guard.name.clone(), mistake));
            let found: Vec<_> = around.iter().filter_map(told).collect();
            found.into_iter().map(move |(guard, mistake)| Forbidden {
                policy: policy.name.clone(),
                rung,
                guard,
                mistake,
            })
        };
        rungs.flat_map(of_rung).collect::<Vec<_>>()
    };
    policies.flat_map(of_policy).take(MAX_TOLD).collect()
}

fn above(guard: &Safeguard, response: &str) -> Option<Mistake> {
    let (needed, what) = least(response)?;
    let ceiling = guard.ceiling.filter(|ceiling| needed > *ceiling)?;
    Some(Mistake::AboveGuard { response: response.into(), what, guard: guard.name.to_string(), ceiling, needed })
}
