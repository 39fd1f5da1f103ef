//! Which plans are in flight, as far as the records say: what an engine that was ended has to be told when it begins anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{Duration, Entry, FindingRef, Plan, PlanId, Record, StepResult, Timestamp};

/// A plan that has not ended, or ended without anybody knowing what became of a step, and all that was recorded of it since it was
/// made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenPlan {
    /// As it was made.
    pub made: Arc<Plan>,
    /// The records of its beginning, of its steps, of its verification, of who joined it and of its end, in order.
    pub history: Vec<Record>,
}

/// A condition that holds, but not for as long yet as its policy's `for` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counting {
    /// Of which policy, on which resource.
    #[serde(flatten)]
    pub finding: FindingRef,
    /// How long it had held before `since`.
    pub before: Duration,
    /// Since when it holds without a break; none while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Counting {
    /// How long it has held at `now`.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> Duration {
        self.since.map_or(self.before, |since| self.before.plus(now.since(since)))
    }
}

/// Follows the records. It grows with the plans in flight, not with the records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpenPlans(BTreeMap<PlanId, OpenPlan>);

impl OpenPlans {
    /// Takes in the next record.
    pub fn apply(&mut self, record: &Record) {
        match &record.entry {
            // One that is only shown is never begun.
            Entry::PlanMade(plan) if plan.mode >= crate::Mode::Approve => {
                self.0.insert(plan.id, OpenPlan { made: plan.clone(), history: Vec::new() });
            }
            Entry::PlanBegun { plan }
            | Entry::StepDispatched { plan, .. }
            | Entry::StepFinished { plan, .. }
            | Entry::PlanCalledOff { plan, .. }
            | Entry::Joined { plan, .. }
            | Entry::Verifying { plan, .. } => {
                if let Some(open) = self.0.get_mut(plan) {
                    // Most plans have few records: room for no more of them.
                    open.history.reserve_exact(1);
                    open.history.push(record.clone());
                }
            }
            Entry::PlanFinished { plan, .. } => {
                if let Some(open) = self.0.get_mut(plan).filter(|open| open.is_in_doubt() && !open.has_ended()) {
                    open.history.push(record.clone());
                } else {
                    self.0.remove(plan);
                }
            }
            _ => {}
        }
    }

    /// The plans that are open, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &OpenPlan> {
        self.0.values()
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_plans(self) -> Vec<OpenPlan> {
        self.0.into_values().collect()
    }
}

impl FromIterator<OpenPlan> for OpenPlans {
    fn from_iter<I: IntoIterator<Item = OpenPlan>>(plans: I) -> Self {
        Self(plans.into_iter().map(|open| (open.made.id, open)).collect())
    }
}

impl OpenPlan {
    /// Whether it has ended, though nobody knows what became of a step.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.history.iter().any(|record| matches!(record.entry, Entry::PlanFinished { .. }))
    }

    /// Whether nothing was recorded of it but who joined it.
    #[must_use]
    pub fn has_not_begun(&self) -> bool {
        self.history.iter().all(|record| matches!(record.entry, Entry::Joined { .. }))
    }

    /// The findings besides its own for which it is.
    #[must_use]
    pub fn joined(&self) -> BTreeSet<FindingRef> {
        let later = self.history.iter().filter_map(|record| match &record.entry {
            Entry::Joined { finding, .. } => Some(finding),
            _ => None,
        });
        let own = self.made.finding();
        self.made.findings.iter().chain(later).filter(|finding| **finding != own).cloned().collect()
    }

    fn is_in_doubt(&self) -> bool {
        let unknown =
            |record: &Record| matches!(&record.entry, Entry::StepFinished { result: StepResult::Unknown { .. }, .. });
        self.history.iter().any(unknown)
    }
}
