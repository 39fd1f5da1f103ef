//! The state of affairs when every plan in flight has succeeded, and what is to be kept free until it is known that it has: a plan that
//! does not help is undone, and takes back what it has given away.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Action, Amount, Plan, ResourceId};

/// What the plans in flight will change: where things move, what they grow to, which hosts are given away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    pub(crate) arriving: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
    pub(crate) amounts: BTreeMap<ResourceId, Amount>,
    /// What those that are resized had, if that may be given back to them.
    pub(crate) had: BTreeMap<ResourceId, Amount>,
    /// The workloads that may come back to a host that they leave, or have left.
    pub(crate) returning: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
    pub(crate) leaving: BTreeSet<ResourceId>,
    /// The workloads that go to another host.
    pub(crate) departing: BTreeSet<ResourceId>,
}

impl Projection {
    /// What this resource will have been given; nothing where no plan changes that.
    #[must_use]
    pub fn amount(&self, resource: &ResourceId) -> Amount {
        self.amounts.get(resource).cloned().unwrap_or_default()
    }

    /// Whether `plan` is part of it: of one that changes nothing of this kind, it is the same without.
    #[must_use]
    pub fn concerns(plan: &Plan) -> bool {
        Self::of([plan]) != Self::default()
    }

    /// Of these plans.
    pub fn of<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Self {
        let mut projection = Self::default();
        for step in plans.into_iter().flat_map(|plan| &plan.steps) {
            match step.compensation.as_deref() {
                Some(Action::Migrate { to, .. }) => {
                    projection.returning.entry(to.clone()).or_default().insert(step.resource.clone());
                }
                Some(Action::Resize(amount)) => {
                    projection.had.insert(step.resource.clone(), amount.as_ref().clone());
                }
                _ => {}
            }
            match &step.action {
                Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => {
                    projection.arriving.entry(to.clone()).or_default().insert(step.resource.clone());
                    projection.departing.insert(step.resource.clone());
                }
                Action::Resize(amount) => {
                    projection.amounts.insert(step.resource.clone(), amount.as_ref().clone());
                }
                // Nothing new may come to a host that is being emptied or switched off.
                Action::Fence | Action::Power { on: false } | Action::Cordon { on: true } => {
                    projection.leaving.insert(step.resource.clone());
                }
                Action::Restart { on: None }
                | Action::Start
                | Action::Stop
                | Action::Pause { .. }
                | Action::Kill
                | Action::Recreate { .. }
                | Action::Power { on: true }
                | Action::Cordon { on: false } => {}
            }
        }
        projection
    }
}
