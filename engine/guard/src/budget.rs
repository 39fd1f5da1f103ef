//! Budgets: strict sliding windows over the plans that began, and the plans in flight, by what they concern.
//!
//! ```text
//!   begin ---> deeds in flight ---> end
//!     \
//!      `----> deeds that began, newest last:   | .  ..   .  . |.
//!                                               <--- per ---->  ^ now: a deed leaves the window exactly `per` after it began
//! ```
//!
//! Where a window began does not matter, nor midnight, nor a restart: a deed is admitted if fewer than `max` began in the time `per`
//! before it. So there are never more than `max` in any stretch of that length, wherever it begins.

use std::collections::{BTreeMap, VecDeque};

use homeostat_model::{Budget, Group, Hold, Impact, Plan, PlanId, PolicyName, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calendar;

/// Most deeds that are remembered: one every nine seconds for a week, which is the longest window.
const MAX_DEEDS: usize = 65_536;

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A policy, of its own plans.
    Policy(&'a PolicyName),
    /// A guard, of all plans that concern what it selects.
    Guard(&'a str),
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
    groups: std::collections::BTreeSet<Group>,
}

/// Remembers what began and what is in flight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// In the order of their times.
    begun: VecDeque<Deed>,
    #[serde(with = "crate::pairs")]
    in_flight: BTreeMap<PlanId, Deed>,
    /// When the newest of the deeds began that had to be forgotten for want of room.
    forgotten: Option<Timestamp>,
}

impl Ledger {
    /// Counts a plan that begins now. What only restores is not counted.
    pub(crate) fn begin(&mut self, at: Timestamp, plan: &Plan) {
        if plan.reach.impact == Impact::Restoring {
            return;
        }
        let deed = Deed { at, plan: plan.id, policy: plan.policy.clone(), groups: plan.reach.groups.clone() };
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
        let counts = |deed: &&Deed| {
            (*scope != Scope::Policy || deed.policy == plan.policy)
                && group.is_none_or(|group| deed.groups.contains(group))
                && match limit.owner {
                    Owner::Policy(_) => true,
                    Owner::Guard(name) => deed.groups.iter().any(|g| matches!(g, Group::Guard(of) if of == name)),
                }
        };
        let held = |used: usize, until: Option<Timestamp>, by: Option<PlanId>| Hold::Budget {
            of: match limit.owner {
                Owner::Policy(name) => format!("policy {name}"),
                Owner::Guard(name) => format!("guard {name}"),
            },
            counted: match (group, scope) {
                (Some(group), _) => group.to_string(),
                (None, Scope::Policy) => format!("policy {}", plan.policy),
                (None, _) => "all that it guards".into(),
            },
            used: u32::try_from(used).unwrap_or(u32::MAX),
            max,
            per: *per,
            by,
            until,
        };
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let Some(per) = *per else {
            let mut used = self.in_flight.values().filter(counts);
            let first = used.next();
            let used = usize::from(first.is_some()) + used.count();
            return if used < most { Ok(()) } else { Err(held(used, until, first.map(|deed| deed.plan))) };
        };
        // A deed leaves the window exactly `per` after it began.
        let window = || self.begun.iter().rev().take_while(|deed| deed.at + per > at).filter(counts);
        // With room for none, only the calendar ends it.
        let Some(last) = most.checked_sub(1) else { return Err(held(window().count(), until, None)) };
        let frees = window().nth(last).map(|deed| deed.at + per);
        // What was forgotten may have been many: then the window counts as full.
        let frees = frees.or(self.forgotten.map(|forgotten| forgotten + per).filter(|end| *end > at));
        match frees {
            None => Ok(()),
            Some(frees) => Err(held(window().count().max(most), Some(until.map_or(frees, |end| end.min(frees))), None)),
        }
    }
}

/// The groups in which `budget` counts `plan`; one `None` where it counts all together.
fn counted_in<'a>(budget: &'a Budget, plan: &'a Plan) -> Vec<Option<&'a Group>> {
    let is = |group: &&Group| match (&budget.scope, group) {
        (Scope::Host, Group::Host(_)) | (Scope::Rack, Group::Rack(_)) | (Scope::Kind, Group::Kind(_)) => true,
        (Scope::Label(name), Group::Label(label, _)) => name == label,
        _ => false,
    };
    match budget.scope {
        Scope::Policy | Scope::All => vec![None],
        _ => plan.reach.groups.iter().filter(is).map(Some).collect(),
    }
}

#[cfg(test)]
mod tests;
