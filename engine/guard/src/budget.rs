//! Budgets: strict sliding windows over what plans began to act on, and what plans in flight act on, by what they concern.
//!
//! What is counted are resources. A plan weighs for a budget as many as it acts on, its subject and those of its steps, that the owner of
//! the budget (its policy, or its guard) selects and that are in the counted group: on the host, in the rack, of the kind, with the value
//! of the label; with the scopes `policy` and `all`, anywhere. It weighs 1 where that is none and it counts there all the same: a move
//! counts for the host that it leads to, and a plan of a policy for that policy, whatever it acts on. With the scope `policy` the plans of
//! one policy count, with the others those of all; for a guard, only those that act on something that it selects. All of it is as it was
//! when the plan was made (`Reach`). What restores is not counted.
//!
//! ```text
//!   begin ---> deeds in flight ---> end
//!     \
//!      `----> deeds that began, newest last:   | .  ..   .  . |.
//!                                               <--- per ---->  ^ now: a deed leaves the window exactly `per` after it began
//! ```
//!
//! Where a window began does not matter, nor midnight, nor a restart: a deed is admitted if its weight and those that began in the time
//! `per` before it are no more than `max` together. So there are never more than `max` in any stretch of that length, wherever it begins.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use homeostat_model::{Budget, Group, Hold, Impact, Plan, PlanId, PolicyName, Reach, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calendar;

/// Most deeds that are remembered: one every nine seconds for a week, which is the longest window.
const MAX_DEEDS: usize = 65_536;

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A policy.
    Policy(&'a PolicyName),
    /// A guard, of plans that act on something that it selects.
    Guard(&'a str),
}

impl Owner<'_> {
    /// All that it selects.
    fn group(self) -> Group {
        match self {
            Self::Policy(name) => Group::Policy(name.clone()),
            Self::Guard(name) => Group::Guard(name.to_owned()),
        }
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name) => write!(f, "policy {name}"),
            Self::Guard(name) => write!(f, "guard {name}"),
        }
    }
}

/// A budget that holds for a plan.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a, F> {
    /// Whose it is.
    pub owner: Owner<'a>,
    /// What it says.
    pub budget: &'a Budget,
    /// How many resources its owner selects in a group, or in all: that of which a share is meant.
    pub all: F,
}

/// A plan that began, as far as budgets are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Deed {
    at: Timestamp,
    plan: PlanId,
    policy: PolicyName,
    reach: Arc<Reach>,
}

/// Remembers what began and what is in flight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// In the order of their times.
    begun: VecDeque<Arc<Deed>>,
    #[serde(with = "crate::pairs")]
    in_flight: BTreeMap<PlanId, Arc<Deed>>,
    /// When the newest of the deeds began that had to be forgotten for want of room.
    forgotten: Option<Timestamp>,
}

impl Ledger {
    /// Counts a plan that begins now. What only restores is not counted.
    pub(crate) fn begin(&mut self, at: Timestamp, plan: &Plan) {
        if plan.reach.impact == Impact::Restoring {
            return;
        }
        let deed = Arc::new(Deed { at, plan: plan.id, policy: plan.policy.clone(), reach: plan.reach.clone() });
        self.in_flight.insert(plan.id, deed.clone());
        self.begun.push_back(deed);
        if self.begun.len() > MAX_DEEDS {
            self.forgotten = self.begun.pop_front().map(|deed| deed.at).or(self.forgotten);
        }
    }

    /// Counts a plan of an earlier start that is in flight. When it began was counted then, unless it had not yet been recorded.
    pub(crate) fn resume(&mut self, at: Timestamp, plan: &Plan) {
        match self.begun.iter().rev().find(|deed| deed.plan == plan.id).cloned() {
            Some(deed) => {
                self.in_flight.insert(plan.id, deed);
            }
            None => self.begin(at, plan),
        }
    }

    /// Nothing is in flight.
    pub(crate) fn clear_flight(&mut self) {
        self.in_flight.clear();
    }

    /// A plan is in flight no longer.
    pub(crate) fn end(&mut self, plan: PlanId) {
        self.in_flight.remove(&plan);
    }

    /// Whether `plan` may begin at `at` as far as `limit` is concerned.
    pub(crate) fn admit<F>(&self, at: Timestamp, plan: &Plan, limit: &Limit<'_, F>) -> Result<(), Hold>
    where
        F: Fn(Option<&Group>) -> usize,
    {
        let until = match &limit.budget.during {
            None => None,
            Some(window) => match calendar::ends(window, at) {
                Some(end) => Some(end),
                None => return Ok(()),
            },
        };
        if plan.reach.impact == Impact::Restoring {
            return Ok(());
        }
        for group in counted_in(limit.budget, plan) {
            self.admit_in(at, plan, limit, group, until)?;
        }
        Ok(())
    }

    fn admit_in<F>(
        &self,
        at: Timestamp,
        plan: &Plan,
        limit: &Limit<'_, F>,
        group: Option<&Group>,
        until: Option<Timestamp>,
    ) -> Result<(), Hold>
    where
        F: Fn(Option<&Group>) -> usize,
    {
        let Budget { scope, max, per, .. } = limit.budget;
        let max = max.up((limit.all)(group));
        let owner = limit.owner.group();
        let counts = |deed: &&Arc<Deed>| {
            (*scope != Scope::Policy || deed.policy == plan.policy)
                && group.is_none_or(|group| deed.reach.groups.contains(group))
                && (matches!(limit.owner, Owner::Policy(_)) || deed.reach.groups.contains(&owner))
        };
        let weight = |deed: &Arc<Deed>| usize_of(deed.reach.weight(&owner, group));
        let takes = plan.reach.weight(&owner, group);
        let held = |used: usize, until: Option<Timestamp>, by: Option<PlanId>| Hold::Budget {
            of: limit.owner.to_string(),
            counted: counted(scope, group, plan),
            used: u32::try_from(used).unwrap_or(u32::MAX),
            max,
            takes,
            per: *per,
            by,
            until,
        };
        // With that many of others there is room left. `None`: there never is, so that only the calendar ends it.
        let others = max.checked_sub(takes).map(usize_of);
        let Some(per) = *per else {
            let used: usize = self.in_flight.values().filter(counts).map(weight).sum();
            let first = self.in_flight.values().find(counts).map(|deed| deed.plan);
            return if others.is_some_and(|most| used <= most) { Ok(()) } else { Err(held(used, until, first)) };
        };
        // A deed leaves the window exactly `per` after it began.
        let window = || self.begun.iter().rev().take_while(|deed| deed.at + per > at).filter(counts);
        let used = || window().map(weight).sum();
        let Some(others) = others else { return Err(held(used(), until, None)) };
        // From the newest back, the first that does not fit beside the plan: when it has left, the newer ones and the plan do.
        let mut sum = 0_usize;
        let frees = window().find(|deed| {
            sum = sum.saturating_add(weight(deed));
            sum > others
        });
        let frees = frees.map(|deed| deed.at + per);
        // What was forgotten may have been much: then the window counts as full.
        let forgotten = self.forgotten.map(|forgotten| forgotten + per).filter(|end| *end > at);
        let full = if forgotten.is_some() { usize_of(max) } else { 0 };
        match frees.or(forgotten) {
            None => Ok(()),
            Some(frees) => Err(held(used().max(full), Some(until.map_or(frees, |end| end.min(frees))), None)),
        }
    }
}

fn usize_of(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// What a hold says is counted together.
fn counted(scope: &Scope, group: Option<&Group>, plan: &Plan) -> String {
    match (group, scope) {
        (Some(group), _) => group.to_string(),
        (None, Scope::Policy) => format!("policy {}", plan.policy),
        (None, _) => "all that it guards".into(),
    }
}

/// The groups in which `budget` counts `plan`; one `None` where it counts all together.
fn counted_in<'a>(budget: &'a Budget, plan: &'a Plan) -> Vec<Option<&'a Group>> {
    match budget.scope {
        Scope::Policy | Scope::All => vec![None],
        _ => plan.reach.groups.iter().filter(|group| budget.scope.counts(group)).map(Some).collect(),
    }
}

#[cfg(test)]
mod tests;
