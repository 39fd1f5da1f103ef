//! Finds pairs of policies that can undo each other for good, and the values at which they do.
//!
//! ```text
//!            shrink <------- at rest -------> grow
//!   0 %  |~~~~~~~~~~~~|...................|~~~~~~~~| 100 %     utilization = load / capacity
//!               ^-----------------------------'  a response that is larger than the gap jumps over it
//! ```
//!
//! What it claims, at a steady load: both select the same kind and could select the same resource; their conditions are comparisons of
//! windows over the resource's own metrics, or of its size, with numbers, joined by `&&`; their responses are opposites.
//!
//! - *Opposed*: both conditions hold at the same values.
//! - *Oscillating*: each response moves `cpu.utilization` (of vcpus) or `memory.utilization` (of memory) to where the other one's condition
//!   holds, round and round. A larger size means a smaller utilization in proportion. Each response is taken to be repeated as long as
//!   its condition holds, from any of some usual sizes on.
//!
//! - *To and fro*: one moves workloads off a host at values at which the other empties it for being idle ([`moves`]).
//!
//! What it cannot read (formulas for sizes, scripts, events, relatives, texts, `||`) it leaves alone: no finding is no proof then.

mod condition;
mod cycle;
mod moves;

use homeostat_model::{Kind, PolicyName, Response};

use crate::{Policy, Prescription, selector::disjoint};
use condition::{Condition, Quantity};
use cycle::{Resource, Size};

/// Most pairs that are looked at: those of a hundred policies that grow and a hundred that shrink. Whoever has more has made them by
/// a program, and each is looked at no faster for that.
const MAX_PAIRS: usize = 10_000;
/// Most pairs that are told of: nobody reads further.
const MAX_TOLD: usize = 100;

/// Two policies that can undo each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Oscillation {
    /// The one whose name comes first.
    pub(crate) first: PolicyName,
    pub(crate) second: PolicyName,
    /// How, with the values at which they do.
    pub(crate) how: String,
}

/// All pairs among `policies` that can undo each other, in the order of their names.
pub(crate) fn oscillations<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<Oscillation> {
    let policies: Vec<&Policy> = policies.collect();
    let sides: Vec<Side<'_>> = policies.iter().copied().filter_map(Side::of).collect();
    let pairs =
        sides.iter().enumerate().flat_map(|(index, one)| sides.iter().skip(index + 1).map(move |other| (one, other)));
    let opposed = pairs.filter(|(one, other)| one.could_oppose(other)).take(MAX_PAIRS);
    let found = opposed.filter_map(|(one, other)| {
        let (first, second) = (one.policy.name.clone(), other.policy.name.clone());
        Some(Oscillation { first, second, how: one.against(other)? })
    });
    let mut told: Vec<Oscillation> = found.chain(moves::to_and_fro(&policies)).take(MAX_TOLD).collect();
    told.sort_by(|one, other| (&one.first, &one.second).cmp(&(&other.first, &other.second)));
    told
}

/// A policy that can be read.
struct Side<'a> {
    policy: &'a Policy,
    /// Each response that it may begin with, and when.
    deeds: Vec<(Condition, Effect)>,
}

/// What a response changes.
#[derive(Debug, Clone, PartialEq)]
enum Effect {
    /// It runs afterwards, or does not.
    Runs(bool),
    /// It stands still afterwards, or goes on.
    Still(bool),
    /// It has processors for itself afterwards, or no longer.
    Alone(bool),
    /// It has another size.
    Sized(Vec<(Resource, Size)>),
}

impl<'a> Side<'a> {
    fn of(policy: &'a Policy) -> Option<Self> {
        let when = policy.when.as_ref().filter(|_| policy.on.is_none())?;
        let condition = Condition::of(&when.expr)?;
        let mut deeds = Vec::new();
        for rung in &policy.then {
            let notifies =
                matches!(rung.response, Prescription::Notify { .. } | Prescription::Fixed(Response::Notify { .. }));
            if notifies {
                continue;
            }
            let guards = rung.guards.iter().try_fold(condition.clone(), |all, guard| {
                Condition::of(&guard.condition.expr).filter(|_| guard.wanted).and_then(|one| all.and(&one))
            });
            if let (Some(condition), Some(effect)) = (guards, effect(&rung.response)) {
                deeds.push((condition, effect));
            }
            if rung.guards.is_empty() {
                // What comes after it is done when it did not help.
                break;
            }
        }
        (!deeds.is_empty()).then_some(Self { policy, deeds })
    }

    fn could_oppose(&self, other: &Self) -> bool {
        let opposites = |(_, one): &(Condition, Effect)| other.deeds.iter().any(|(_, other)| one.may_oppose(other));
        !disjoint(&self.policy.select, &other.policy.select) && self.deeds.iter().any(opposites)
    }

    /// How the two undo each other.
    fn against(&self, other: &Self) -> Option<String> {
        let kind = &self.policy.select.kind;
        self.deeds.iter().find_map(|one| other.deeds.iter().find_map(|two| undo(kind, (self, one), (other, two))))
    }
}

fn undo(
    kind: &Kind,
    (one, (when, effect)): (&Side<'_>, &(Condition, Effect)),
    (other, (whenever, counter)): (&Side<'_>, &(Condition, Effect)),
) -> Option<String> {
    let names = (one.policy.name.as_str(), other.policy.name.as_str());
    match (effect, counter) {
        (Effect::Sized(ours), Effect::Sized(theirs)) => ours.iter().find_map(|(resource, ours)| {
            let (_, theirs) = theirs.iter().find(|(other, _)| other == resource)?;
            let sides = [cycle::Side { when, size: ours }, cycle::Side { when: whenever, size: theirs }];
            cycle::told(names, &cycle::look(kind, *resource, sides)?)
        }),
        _ if effect.may_oppose(counter) => {
            let both = when.and(whenever).filter(|_| when.shares_a_metric(whenever))?;
            Some(format!("`{}` and `{}` want opposite things at {}", names.0, names.1, both.example(None)))
        }
        _ => None,
    }
}

impl Effect {
    fn may_oppose(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Runs(one), Self::Runs(other))
            | (Self::Still(one), Self::Still(other))
            | (Self::Alone(one), Self::Alone(other)) => one != other,
            (Self::Sized(one), Self::Sized(other)) => {
                one.iter().any(|(resource, _)| other.iter().any(|(of, _)| resource == of))
            }
            (Self::Runs(_) | Self::Still(_) | Self::Alone(_) | Self::Sized(_), _) => false,
        }
    }
}

/// What a response changes, where that can be read and has an opposite.
fn effect(response: &Prescription) -> Option<Effect> {
    let Prescription::Fixed(response) = response else { return None };
    Some(match response {
        Response::Start | Response::Restart | Response::Recreate { .. } => Effect::Runs(true),
        Response::Stop | Response::Kill => Effect::Runs(false),
        Response::Pause => Effect::Still(true),
        Response::Unpause => Effect::Still(false),
        Response::Fisicalize { pool: None } => Effect::Alone(true),
        Response::Release => Effect::Alone(false),
        Response::Resize { vcpus, memory } => {
            let vcpus = vcpus.map(|size| (Resource::Vcpus, Size(size)));
            Effect::Sized(vcpus.into_iter().chain(memory.map(|size| (Resource::Memory, Size(size)))).collect())
        }
        Response::Migrate | Response::Evacuate | Response::Fisicalize { pool: Some(_) } | Response::Notify { .. } => {
            return None;
        }
    })
}

impl Resource {
    /// Its size, as conditions read it.
    fn size(self) -> Quantity {
        match self {
            Self::Vcpus => Quantity::Vcpus,
            Self::Memory => Quantity::Memory,
        }
    }
}

#[cfg(test)]
mod tests;
