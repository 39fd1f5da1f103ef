//! What may stop or delay a plan. Pure: (plan, time, what was done before) -> admitted, or held and until when.
//!
//! ```text
//!   plan --> ownership: one plan at a time owns a resource
//!        --> cooldown:  a policy leaves a resource alone for a while after it acted on it
//!        --> budgets:   no more than so many at a time, or in any stretch of time   <-- calendar: in force only then
//!        --> flapping:  not while its finding opens again and again
//!        --> ways back: nothing is sent where it came from not long ago
//!        --> health:    not while too many have a finding, or nothing is heard of too many hosts
//!        --> breaker:   not while too much has failed; then one plan to see
//!        --> admitted, or Hold { why, which number of which limit, until }
//! ```
//!
//! Before it: arbitration, between what several policies want at the same time (`arbitration.rs`).
//! Beside it: ballots (who approves of a plan, named by its hash) and standings (what a policy may do once people agreed often enough).
//!
//! What is remembered is a fold of what began and ended; it can be written and read again (`serde`).
//!
//! Invariant: no clock; every hold says what ends it.
//! Invariant: what is owned is released when its plan ends, and not before; what nobody knows the state of stays owned.
//! Invariant: in no stretch of time of a budget's length plans begin to act on more resources than it allows, wherever it begins.
//! Invariant: what only restores is held by no budget, storm or breaker, and counted in none.

pub mod approval;
pub mod arbitration;
pub mod autonomy;
mod breaker;
mod budget;
pub mod calendar;
mod flap;
pub mod health;
mod pairs;
mod ways;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use homeostat_model::{
    BreakerState, Duration, FindingRef, Flap, Fuse, Group, Hold, Plan, PlanId, PolicyName, ResourceId, Timestamp,
};
use serde::{Deserialize, Serialize};

pub use approval::{Ballot, Tally};
pub use autonomy::Standing;
pub use breaker::{Breaker, Shock};
pub use budget::{Limit, Owner};

/// Remembers who owns what, who has to wait, and what was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guard {
    #[serde(with = "pairs")]
    cooldowns: BTreeMap<FindingRef, Timestamp>,
    /// Acted on: by one plan at a time.
    #[serde(with = "pairs")]
    owners: BTreeMap<ResourceId, PlanId>,
    /// Moved to: by several plans at a time, but by none while another acts on it.
    #[serde(with = "pairs")]
    users: BTreeMap<ResourceId, BTreeSet<PlanId>>,
    ledger: budget::Ledger,
    /// What people said about the plans that wait for several.
    #[serde(with = "pairs")]
    ballots: BTreeMap<PlanId, Ballot>,
    /// Of the policies that can be promoted, how far they have come, and what they were when people agreed with them.
    #[serde(with = "pairs")]
    standings: BTreeMap<PolicyName, (String, Standing)>,
    openings: flap::Openings,
    ways: ways::Ways,
    /// Those that are not as they were at first, by the name of their guard.
    breakers: BTreeMap<String, Breaker>,
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

    /// The plan that acts on `resource`, or may still do so.
    #[must_use]
    pub fn owner(&self, resource: &ResourceId) -> Option<PlanId> {
        self.owners.get(resource).copied()
    }

    /// Whether everything that `plan` acts on or moves something to is free for that.
    ///
    /// # Errors
    /// [`Hold::Owned`] with the first contested resource.
    pub fn free(&self, plan: &Plan) -> Result<(), Hold> {
        let owned = |id: &ResourceId| self.owner(id);
        let used = |id: &ResourceId| self.users.get(id).and_then(|plans| plans.first()).copied();
        let acted_on = plan.touches().into_iter().map(|id| (owned(&id).or_else(|| used(&id)), id));
        let moved_to = plan.uses().into_iter().map(|id| (owned(&id), id));
        let contested = acted_on.chain(moved_to).find_map(|(by, resource)| Some(Hold::Owned { by: by?, resource }));
        contested.map_or(Ok(()), Err)
    }

    /// Whether `plan` may begin at `at` as far as `limit` is concerned.
    ///
    /// # Errors
    /// [`Hold::Budget`] with the group in which there is no room for the plan.
    pub fn within<F>(&self, at: Timestamp, plan: &Plan, limit: &Limit<'_, F>) -> Result<(), Hold>
    where
        F: Fn(Option<&Group>) -> usize,
    {
        self.ledger.admit(at, plan, limit)
    }

    /// `finding`, of a policy that says what flapping is, opens at `at`.
    pub fn opened(&mut self, at: Timestamp, finding: &FindingRef, flap: &Flap) {
        self.openings.opened(at, finding, flap);
    }

    /// Whether `finding` does not open again and again.
    ///
    /// # Errors
    /// [`Hold::Flapping`] with how often it did, and until when that counts.
    pub fn quiet(&self, at: Timestamp, finding: &FindingRef, flap: &Flap) -> Result<(), Hold> {
        self.openings.quiet(at, finding, flap)
    }

    /// Which ways, of a workload to a host, lead back to where one of `workloads` left less than `after` ago.
    #[must_use]
    pub fn ways_back<'a>(
        &self,
        at: Timestamp,
        workloads: impl IntoIterator<Item = &'a ResourceId>,
        after: Duration,
    ) -> BTreeSet<(ResourceId, ResourceId)> {
        self.ways.back(at, workloads, after)
    }

    /// Whether `plan` sends nothing back to a host that it left less than `after` ago.
    ///
    /// # Errors
    /// [`Hold::Return`] with the first such workload.
    pub fn onward(&self, at: Timestamp, plan: &Plan, after: Duration) -> Result<(), Hold> {
        self.ways.onward(at, plan, after)
    }

    /// What people have said about the plans that wait for several, or for a time.
    pub fn ballots(&mut self) -> &mut BTreeMap<PlanId, Ballot> {
        &mut self.ballots
    }

    /// What people have said about `plan`, if it waits for several, or for a time.
    #[must_use]
    pub fn ballot(&self, plan: PlanId) -> Option<&Ballot> {
        self.ballots.get(&plan)
    }

    /// How far `policy` has come, as its text is now; nowhere yet when people agreed with another text.
    #[must_use]
    pub fn standing(&self, policy: &PolicyName, text: &str) -> Standing {
        let known = self.standings.get(policy).filter(|(of, _)| *of == approval::hash_of(text));
        known.map(|(_, standing)| *standing).unwrap_or_default()
    }

    /// Remembers how far `policy` has come with this text.
    pub fn stand(&mut self, policy: &PolicyName, text: &str, standing: Standing) {
        self.standings.insert(policy.clone(), (approval::hash_of(text), standing));
    }

    /// Forgets how far policies have come that are not among `kept`.
    pub fn keep_standings(&mut self, kept: impl Fn(&PolicyName) -> bool) {
        self.standings.retain(|policy, _| kept(policy));
    }

    /// Whether the breaker of `guard` lets a plan that disrupts something through.
    ///
    /// # Errors
    /// [`Hold::Breaker`] with what it is.
    pub fn passes(&self, guard: &str) -> Result<(), Hold> {
        match self.breakers.get(guard).filter(|breaker| !breaker.passes()) {
            None => Ok(()),
            Some(breaker) => Err(Hold::Breaker { of: format!("guard {guard}"), state: breaker.state() }),
        }
    }

    /// Something happened at `at` that the breaker of `guard` feels; gives what it is, if that is something else now.
    pub fn feel(&mut self, at: Timestamp, guard: &str, shock: Shock, fuse: &Fuse) -> Option<BreakerState> {
        let breaker = self.breakers.entry(guard.to_owned()).or_default();
        let state = breaker.feel(at, shock, fuse).then(|| breaker.state());
        if *breaker == Breaker::default() {
            self.breakers.remove(guard);
        }
        state
    }

    /// Forgets the breakers of guards that are not among `kept`.
    pub fn keep_breakers(&mut self, kept: impl Fn(&str) -> bool) {
        self.breakers.retain(|guard, _| kept(guard));
    }

    /// What is remembered beyond the end of the program: all but what plans in flight have, and what people said about plans that wait.
    #[must_use]
    pub fn lasting(&self) -> Self {
        let mut lasting = self.clone();
        lasting.owners.clear();
        lasting.users.clear();
        lasting.ballots.clear();
        lasting.ledger.clear_flight();
        lasting
    }

    /// Counts `plan`, which begins, or was recorded to have begun, at `at`.
    pub fn count(&mut self, at: Timestamp, plan: &Plan) {
        self.ledger.begin(at, plan);
        self.ways.begin(at, plan);
    }

    /// The breaker of `guard` was recorded to be this.
    pub fn set_breaker(&mut self, guard: &str, state: BreakerState) {
        self.breakers.entry(guard.to_owned()).or_default().set(state);
        self.breakers.retain(|_, breaker| *breaker != Breaker::default());
    }

    /// The breakers that are not closed.
    pub fn tripped(&self) -> impl Iterator<Item = (&str, BreakerState)> {
        self.breakers.iter().map(|(guard, breaker)| (guard.as_str(), breaker.state()))
    }

    /// A plan of an earlier start is in flight: gives it what it acts on, and a share of what it moves something to.
    pub fn own_again(&mut self, at: Timestamp, plan: &Plan) {
        self.ledger.resume(at, plan);
        self.take(plan);
    }

    /// `plan` begins: gives it what it acts on, and a share of what it moves something to, and counts it.
    pub fn own(&mut self, at: Timestamp, plan: &Plan) {
        self.count(at, plan);
        self.take(plan);
    }

    fn take(&mut self, plan: &Plan) {
        for resource in plan.touches() {
            // Of several that are recovered, one that has ended takes nothing from one that is in flight.
            self.owners.entry(resource).or_insert(plan.id);
        }
        for host in plan.uses() {
            self.users.entry(host).or_default().insert(plan.id);
        }
    }

    /// Takes back all that `plan` has, but for the resources in `except`, and its share of the hosts among them. As long as it has something
    /// it counts as in flight.
    pub fn release(&mut self, plan: &Plan, except: &BTreeSet<ResourceId>) {
        let mut has_any = false;
        for resource in plan.touches() {
            if let Entry::Occupied(owner) = self.owners.entry(resource)
                && *owner.get() == plan.id
            {
                if except.contains(owner.key()) {
                    has_any = true;
                } else {
                    owner.remove();
                }
            }
        }
        for host in plan.uses().iter().filter(|host| !except.contains(*host)) {
            if let Some(plans) = self.users.get_mut(host) {
                plans.remove(&plan.id);
                if plans.is_empty() {
                    self.users.remove(host);
                }
            }
        }
        if !has_any {
            self.ledger.end(plan.id);
        }
    }

    /// A person has looked at a plan that ended in doubt: takes back all that it still has.
    pub fn let_go(&mut self, plan: PlanId) {
        self.owners.retain(|_, owner| *owner != plan);
        self.users.retain(|_, plans| {
            plans.remove(&plan);
            !plans.is_empty()
        });
        self.ledger.end(plan);
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
