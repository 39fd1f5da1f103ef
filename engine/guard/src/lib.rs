//! What may stop or delay a plan. Pure: (plan, time, what was done before) -> admitted, or held and until when.
//!
//! ```text
//!   plan --> ownership: one plan at a time owns a resource
//!        --> cooldown:  a policy leaves a resource alone for a while after it acted on it
//!        --> admitted, or Hold { why, until }
//! ```
//!
//! Invariant: no clock; every hold says what ends it.
//! Invariant: what is owned is released exactly when its plan ends.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Duration, FindingRef, Hold, PlanId, ResourceId, Timestamp};

/// Remembers who owns what and who has to wait.
#[derive(Debug, Default)]
pub struct Guard {
    cooldowns: BTreeMap<FindingRef, Timestamp>,
    owners: BTreeMap<ResourceId, PlanId>,
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

    /// Whether nothing that a plan touches is owned by another.
    ///
    /// # Errors
    /// [`Hold::Owned`] with the first contested resource.
    pub fn free(&self, touches: &BTreeSet<ResourceId>) -> Result<(), Hold> {
        let contested = touches.iter().find_map(|id| self.owners.get_key_value(id));
        match contested {
            Some((resource, by)) => Err(Hold::Owned { resource: resource.clone(), by: *by }),
            None => Ok(()),
        }
    }

    /// The plan that owns `resource`.
    #[must_use]
    pub fn owner(&self, resource: &ResourceId) -> Option<PlanId> {
        self.owners.get(resource).copied()
    }

    /// Gives `touches` to `plan`.
    pub fn own(&mut self, plan: PlanId, touches: BTreeSet<ResourceId>) {
        self.owners.extend(touches.into_iter().map(|resource| (resource, plan)));
    }

    /// Takes back all that `plan` owns.
    pub fn release(&mut self, plan: PlanId) {
        self.owners.retain(|_, owner| *owner != plan);
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
mod tests {
    use homeostat_model::{Generation, PolicyName};

    use super::*;

    fn finding(policy: &str) -> FindingRef {
        FindingRef { policy: PolicyName::new(policy).unwrap(), resource: "vm/one".parse().unwrap() }
    }

    #[test]
    fn a_cooldown_ends_at_its_moment_and_is_one_policys_own() {
        let at = Timestamp::from_millis;
        let mut guard = Guard::default();
        guard.rest(at(0), &finding("a"), Duration::from_secs(60));
        assert_eq!(guard.rested(at(59_999), &finding("a")), Err(Hold::Cooldown { until: at(60_000) }));
        assert_eq!(guard.rested(at(60_000), &finding("a")), Ok(()));
        assert_eq!(guard.rested(at(1), &finding("b")), Ok(()));
    }

    #[test]
    fn one_plan_at_a_time_owns_a_resource() {
        let plan = |number| PlanId { generation: Generation(1), number };
        let touches = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect::<BTreeSet<ResourceId>>();
        let mut guard = Guard::default();
        guard.own(plan(1), touches(&["vm/one", "host/h1"]));
        let contested = guard.free(&touches(&["host/h1", "vm/two"]));
        assert_eq!(contested, Err(Hold::Owned { resource: "host/h1".parse().unwrap(), by: plan(1) }));
        guard.release(plan(1));
        assert_eq!(guard.free(&touches(&["host/h1", "vm/two"])), Ok(()));
    }
}
