//! Arbitration: what becomes of deeds that several policies want of the same resource at the same time.
//!
//! ```text
//!   the same deed     --> one plan, for all of them
//!   the opposite deed --> of different priority: the greater one wins, the other is overruled
//!                         of the same priority:  neither is done
//!   anything else     --> one after the other, since one plan at a time owns a resource
//! ```
//!
//! Pure: it is told what every side wants, and what the resource was like before.

use std::{cmp::Reverse, collections::BTreeSet};

use homeostat_model::{Action, Amount, CpuSet, FindingRef, Hold, Resource, ResourceId, Step, Value};
use serde::{Deserialize, Serialize};

/// What a resource is like, as far as it tells whether one deed undoes another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    /// What it has.
    pub amount: Amount,
    /// Where it is.
    pub on: Option<ResourceId>,
}

impl Before {
    /// What `resource` is like once it has been given `planned`.
    #[must_use]
    pub fn of(resource: &Resource, planned: Amount) -> Self {
        let cpus = match resource.attributes.get("cpus") {
            Some(Value::Text(cpus)) => cpus.parse().ok(),
            Some(_) => None,
            None => Some(CpuSet::ALL),
        };
        let amount = Amount {
            vcpus: planned.vcpus.or(resource.capacity.vcpus),
            memory_bytes: planned.memory_bytes.or(resource.capacity.memory_bytes),
            cpu_shares: planned.cpu_shares,
            cpus: planned.cpus.or(cpus),
        };
        Self { amount, on: resource.on.clone() }
    }
}

/// A deed that a finding asks for, or has brought about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wish {
    /// What is acted on.
    pub resource: ResourceId,
    /// What is done.
    pub action: Action,
    /// What it was like before.
    pub before: Before,
}

impl Wish {
    /// Whether the one takes back what the other does.
    #[must_use]
    pub fn undoes(&self, other: &Self) -> bool {
        self.resource == other.resource && opposite((&self.action, &self.before), (&other.action, &other.before))
    }
}

/// What `steps` do, each to a resource that is like `before` says.
pub fn wishes(steps: &[Step], before: impl Fn(&ResourceId) -> Before) -> Vec<Wish> {
    let wish = |step: &Step| Wish {
        resource: step.resource.clone(),
        action: step.action.clone(),
        before: before(&step.resource),
    };
    steps.iter().map(wish).collect()
}

/// Whether these are the same deeds on the same resources, in the same order; how often each is tried, and what undoes it, plays no part.
#[must_use]
pub fn same(ours: &[Step], theirs: &[Step]) -> bool {
    let deed = |step: &Step| (step.id, step.after.clone(), step.resource.clone(), step.action.clone());
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(one, other)| deed(one) == deed(other))
}

/// A finding of another policy that is open at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    /// Which.
    pub finding: FindingRef,
    /// That of its policy.
    pub priority: i32,
    /// What it asks for, and what it has brought about since it opened.
    pub wishes: Vec<Wish>,
}

/// Whether deeds of this priority are opposed by none of the rivals. It does not depend on their order.
///
/// # Errors
/// [`Hold::Overruled`] by the one of the greatest priority, or [`Hold::Contradicted`] by the first of those of the same priority.
pub fn unopposed(priority: i32, wishes: &[Wish], rivals: &[Rival]) -> Result<(), Hold> {
    let opposes = |rival: &&Rival| {
        let undone = |wish: &Wish| rival.wishes.iter().any(|theirs| wish.undoes(theirs));
        rival.priority >= priority && wishes.iter().any(undone)
    };
    let Some(by) = rivals.iter().filter(opposes).min_by_key(|rival| (Reverse(rival.priority), &rival.finding)) else {
        return Ok(());
    };
    let undone = wishes.iter().filter(|wish| by.wishes.iter().any(|theirs| wish.undoes(theirs)));
    let wanted: BTreeSet<String> = undone.map(|wish| format!("{} {}", wish.resource, wish.action)).collect();
    let (by, wanted, wins) =
        (by.finding.clone(), wanted.into_iter().collect::<Vec<_>>().join(", "), by.priority > priority);
    Err(if wins { Hold::Overruled { by, wanted } } else { Hold::Contradicted { by, wanted } })
}

/// What an action is after.
enum Aim<'a> {
    /// That it runs, or does not.
    Runs(bool),
    /// That it stands still, or goes on.
    Still(bool),
    /// That new workloads are kept off it, or may come.
    Closed(bool),
    /// That it is switched on, or surely off.
    Powered(bool),
    /// That it has so much.
    Sized(&'a Amount),
    /// That it is there.
    Placed(&'a ResourceId),
}

fn aim(action: &Action) -> Aim<'_> {
    match action {
        Action::Restart { on: Some(host) } => Aim::Placed(host),
        Action::Restart { on: None } | Action::Start | Action::Recreate { .. } => Aim::Runs(true),
        Action::Stop | Action::Kill => Aim::Runs(false),
        Action::Resize(amount) => Aim::Sized(amount),
        Action::Pause { on } => Aim::Still(*on),
        Action::Migrate { to, .. } => Aim::Placed(to),
        Action::Fence => Aim::Powered(false),
        Action::Power { on } => Aim::Powered(*on),
        Action::Cordon { on } => Aim::Closed(*on),
    }
}

/// Whether two deeds on one resource take each other back.
fn opposite(ours: (&Action, &Before), theirs: (&Action, &Before)) -> bool {
    match (aim(ours.0), aim(theirs.0)) {
        (Aim::Runs(one), Aim::Runs(other))
        | (Aim::Still(one), Aim::Still(other))
        | (Aim::Closed(one), Aim::Closed(other))
        | (Aim::Powered(one), Aim::Powered(other)) => one != other,
        // What is ended does not go on, and the reverse.
        (Aim::Still(false), Aim::Runs(runs)) | (Aim::Runs(runs), Aim::Still(false)) => !runs,
        (Aim::Sized(one), Aim::Sized(other)) => pulls_apart((one, &ours.1.amount), (other, &theirs.1.amount)),
        (Aim::Placed(one), Aim::Placed(other)) => {
            one != other && theirs.1.on.as_ref() == Some(one) && ours.1.on.as_ref() == Some(other)
        }
        (Aim::Runs(_), _)
        | (Aim::Still(_), _)
        | (Aim::Closed(_), _)
        | (Aim::Powered(_), _)
        | (Aim::Sized(_), _)
        | (Aim::Placed(_), _) => false,
    }
}

/// Whether one makes more of something of which the other makes less, or gives back the processors that the other gave.
fn pulls_apart((one, was): (&Amount, &Amount), (other, had): (&Amount, &Amount)) -> bool {
    let bytes = |amount: &Amount| (amount.memory_bytes, amount.cpu_shares);
    let ((memory, shares), (had_memory, had_shares)) = (bytes(was), bytes(had));
    let cpus = match (&one.cpus, &other.cpus) {
        (Some(ours), Some(theirs)) => {
            ours != theirs && had.cpus.as_ref() == Some(ours) && was.cpus.as_ref() == Some(theirs)
        }
        _ => false,
    };
    cpus || against((one.vcpus, was.vcpus), (other.vcpus, had.vcpus))
        || against((one.memory_bytes, memory), (other.memory_bytes, had_memory))
        || against((one.cpu_shares, shares), (other.cpu_shares, had_shares))
}

/// Whether the one goes up from what it was and the other down.
fn against<T: PartialOrd>(one: (Option<T>, Option<T>), other: (Option<T>, Option<T>)) -> bool {
    let direction = |(to, from): (Option<T>, Option<T>)| to?.partial_cmp(&from?);
    match (direction(one), direction(other)) {
        (Some(one), Some(other)) => one.is_ne() && one == other.reverse(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
