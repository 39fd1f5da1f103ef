//! Finds policies that move workloads off hosts beside policies that empty hosts, where a host is both too full and too idle.
//!
//! ```text
//!      idle: evacuate ~~~~~~~~~~~~~~~~~~~~~~|
//!   0 %  |................|~~~~~~~~~~~~~~~~~~~~~~~~| 100 %     of one metric of the host
//!                         full: migrate, fisicalize
//! ```
//!
//! What one moves away makes the other host fuller, which sends it back. Two that both relieve what is full are no opposites.

use homeostat_model::Response;

use super::{MAX_PAIRS, Oscillation, condition::Condition};
use crate::{Policy, Prescription};

/// What a policy does to hosts, and when.
enum Mover {
    /// It moves something off a host.
    Off(Condition),
    /// It empties a host.
    Empties(Condition),
}

/// All pairs among `policies` that move workloads to and fro.
pub(super) fn to_and_fro(policies: &[&Policy]) -> Vec<Oscillation> {
    let (mut off, mut empties) = (Vec::new(), Vec::new());
    for policy in policies {
        match mover(policy) {
            Some(Mover::Off(condition)) => off.push((*policy, condition)),
            Some(Mover::Empties(condition)) => empties.push((*policy, condition)),
            None => {}
        }
    }
    let pairs = off.iter().flat_map(|one| empties.iter().map(move |other| (one, other))).take(MAX_PAIRS);
    pairs.filter_map(|((one, full), (other, idle))| undo((one, full), (other, idle))).collect()
}

/// What a policy begins with, where that can be read.
fn mover(policy: &Policy) -> Option<Mover> {
    let when = policy.when.as_ref().filter(|_| policy.on.is_none())?;
    let notifies = |response: &Prescription| {
        matches!(response, Prescription::Notify { .. } | Prescription::Fixed(Response::Notify { .. }))
    };
    let first = policy.then.iter().find(|rung| !notifies(&rung.response)).filter(|rung| rung.guards.is_empty())?;
    match &first.response {
        Prescription::Fixed(Response::Migrate | Response::Fisicalize { pool: Some(_) }) => {
            Condition::of_its_host(&when.expr).map(Mover::Off)
        }
        Prescription::Fixed(Response::Evacuate) => Condition::of(&when.expr).map(Mover::Empties),
        _ => None,
    }
}

fn undo((one, full): (&Policy, &Condition), (other, idle): (&Policy, &Condition)) -> Option<Oscillation> {
    let both = full.and(idle)?;
    let crosses = full.metrics().any(|(metric, full)| {
        // From there up it is too full, and from there down too idle.
        idle.range(metric).is_some_and(|idle| full.low.is_finite() && idle.high.is_finite() && idle.low <= 0.0)
    });
    let (first, second) = if one.name <= other.name { (one, other) } else { (other, one) };
    crosses.then(|| Oscillation {
        first: first.name.clone(),
        second: second.name.clone(),
        how: format!(
            "`{}` moves workloads off a host, and `{}` empties it onto others, both at its {}",
            one.name,
            other.name,
            both.example(None)
        ),
    })
}
