//! What may stop or delay a plan. Pure: (plan, time, what was done before) -> admitted, or held and until when.
//!
//! ```text
//!   plan --> ownership: one plan at a time owns a resource
//!        --> cooldown:  a policy leaves a resource alone for a while after it acted on it
//!        --> admitted, or Hold { why, until }
//! ```
//!
//! Invariant: no clock; every hold says what ends it.
//! Invariant: what is owned is released when its plan ends, and not before; what nobody knows the state of stays owned.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Duration, FindingRef, Hold, Plan, PlanId, ResourceId, Timestamp};

/// Remembers who owns what and who has to wait.
#[derive(Debug, Default)]
pub struct Guard {
    cooldowns: BTreeMap<FindingRef, Timestamp>,
    /// Acted on: by one plan at a time.
    owners: BTreeMap<ResourceId, PlanId>,
    /// Moved to: by several plans at a time, but by none while another acts on it.
    users: BTreeMap<ResourceId, BTreeSet<PlanId>>,
}

impl Guard {
    /// Whether the policy of `finding` may act on its resource at `at`, before there is a plan.
    ///
    /// # Errors
    /// The [`Hold`] in force.
    pub fn rested(&self, at: Timestamp, finding: &FindingRef) -> Result<(), Hold> {
        match self.cooldowns.get(finding) {
            Some(until) if *until > at => Err(Hold::Cooldown { until: *until }),
            _ => Ok(()),
        }
    }

    /// Whether everything that `plan` acts on or moves something to is free for that.
    ///
    /// # Errors
    /// [`Hold::Owned`] with the first contested resource.
    pub fn free(&self, plan: &Plan) -> Result<(), Hold> {
        let owned = |id: &ResourceId| self.owners.get(id).copied();
        let used = |id: &ResourceId| self.users.get(id).and_then(|plans| plans.first()).copied();
        let acted_on = plan.touches().into_iter().map(|id| (owned(&id).or_else(|| used(&id)), id));
        let moved_to = plan.uses().into_iter().map(|id| (owned(&id), id));
        let contested = acted_on.chain(moved_to).find_map(|(by, resource)| Some(Hold::Owned { by: by?, resource }));
        contested.map_or(Ok(()), Err)
    }

    /// Gives `plan` what it acts on, and a share of what it moves something to.
    pub fn own(&mut self, plan: &Plan) {
        self.owners.extend(plan.touches().into_iter().map(|resource| (resource, plan.id)));
        for host in plan.uses() {
            self.users.entry(host).or_default().insert(plan.id);
        }
    }

    /// Takes back all that `plan` has, but for the resources in `except`.
    pub fn release(&mut self, plan: PlanId, except: &BTreeSet<ResourceId>) {
        self.owners.retain(|resource, owner| *owner != plan || except.contains(resource));
        self.users.retain(|_, plans| {
            plans.remove(&plan);
            !plans.is_empty()
        });
    }

    /// Whether `plan` still owns something.
    #[must_use]
    pub fn has_any(&self, plan: PlanId) -> bool {
        self.owners.values().any(|owner| *owner == plan)
    }

    /// From `at` on, the policy of `finding` leaves its resource alone for `cooldown`.
    pub fn rest(&mut self, at: Timestamp, finding: &FindingRef, cooldown: Duration) {
        self.cooldowns.retain(|_, until| *until > at);
        if !cooldown.is_zero() {
            self.cooldowns.insert(finding.clone(), at + cooldown);
        }
    }
}

#[cfg(test)]
mod tests;
