//! Storms and breakers: how many have a finding, of how many hosts nothing is heard, and what too many failures do.

use std::collections::BTreeSet;

use homeostat_guard::{Shock, health};
use homeostat_model::{BreakerState, Duration, Entry, Group, Hold, Impact, Plan, PlanResult, PolicyName, ResourceId};
use homeostat_policy::Safeguard;

use crate::{
    Engine, Output,
    admission::{policy_title, title},
    ending::Ending,
    engine::Alarm,
    reach::{is_host, places, selected},
};

impl Engine {
    /// How many resources have an open finding of the policy.
    pub(crate) fn unhealthy_for(&self, policy: &PolicyName) -> usize {
        self.cases.iter().filter(|(finding, case)| !case.closed && finding.policy == *policy).count()
    }

    /// How many of the resources of a guard have an open finding of any policy.
    pub(crate) fn unhealthy_under(&self, guard: &Safeguard) -> usize {
        let open = self.cases.iter().filter(|(_, case)| !case.closed).map(|(finding, _)| &finding.resource);
        let unhealthy: BTreeSet<&ResourceId> = open.collect();
        let selects = |id: &&ResourceId| {
            self.topology.get(id).is_some_and(|resource| guard.select.matches(resource, &self.topology))
        };
        unhealthy.into_iter().filter(selects).count()
    }

    /// Of how many hosts of a guard nothing was heard for so long, and how many hosts it has: those that it selects, and those on which
    /// something runs that it selects.
    pub(crate) fn silence(&self, guard: &Safeguard, after: Duration) -> (usize, usize) {
        let of_kind = self.topology.of_kind(guard.select.kind.as_str());
        let selected = of_kind.filter(|resource| guard.select.matches(resource, &self.topology));
        let hosts: BTreeSet<ResourceId> = selected
            .flat_map(|resource| places(&resource.id, &self.topology))
            .filter_map(|place| match place {
                Group::Host(host) => Some(host),
                _ => None,
            })
            .collect();
        let all = hosts.len();
        let silent = |host: &ResourceId| self.decider.heard(host).is_none_or(|heard| heard + after <= self.now);
        (hosts.iter().filter(|host| silent(host)).count(), all)
    }

    /// Whether nothing is heard of the host `id`, so far, for as long as holds something back.
    pub(crate) fn is_silent(&self, id: &ResourceId) -> bool {
        let silent = |after| self.decider.heard(id).is_none_or(|heard| heard + after <= self.now);
        self.listening.is_some_and(silent) && is_host(id)
    }

    /// Something is heard of a host again, or there are others: where few enough are silent by now, what waits for that is looked at again.
    pub(crate) fn heard_again(&mut self, out: &mut Vec<Output>) {
        let of = |hold: &Hold| match hold {
            Hold::Silent { of, .. } => Some(of.clone()),
            _ => None,
        };
        let mut waiting: BTreeSet<String> = self.cases.holds().filter_map(of).collect();
        if waiting.is_empty() {
            self.listening = None;
            return;
        }
        waiting.retain(|of| self.is_heard(of));
        if !waiting.is_empty() {
            self.reconsider_held(|hold| matches!(hold, Hold::Silent { of, .. } if waiting.contains(of)), out);
        }
    }

    /// Whether the silence of hosts holds back nothing of the guard `of` any more.
    fn is_heard(&self, of: &str) -> bool {
        let guard = self.safeguards.values().find(|guard| title(guard) == of);
        let Some((guard, rule)) = guard.and_then(|guard| Some((guard, guard.silent_hosts?))) else { return true };
        let (silent, all) = self.silence(guard, rule.after);
        health::heard(of, silent, all, rule.max, rule.after).is_ok()
    }

    /// A finding has closed, or there are other resources: where few enough have one, what waits for that is looked at again. One look at
    /// each limit, not at each finding.
    pub(crate) fn healthier(&mut self, out: &mut Vec<Output>) {
        let limits: BTreeSet<&String> = self
            .cases
            .holds()
            .filter_map(|hold| match hold {
                Hold::Unhealthy { of, .. } => Some(of),
                _ => None,
            })
            .collect();
        let healthy: BTreeSet<String> = limits.into_iter().filter(|of| self.is_healthy(of)).cloned().collect();
        if !healthy.is_empty() {
            self.reconsider_held(|hold| matches!(hold, Hold::Unhealthy { of, .. } if healthy.contains(of)), out);
        }
    }

    /// Whether the limit of the policy or guard `of` holds nothing back any more.
    fn is_healthy(&self, of: &str) -> bool {
        let of_guard = self.safeguards.values().find(|guard| title(guard) == of);
        let of_policy = || self.decider.policies().find(|policy| policy_title(policy) == of);
        let (select, max, unhealthy) = match (of_guard, of_policy()) {
            (Some(guard), _) => (&guard.select, guard.max_unhealthy, self.unhealthy_under(guard)),
            (None, Some(policy)) => (&policy.select, policy.limits.max_unhealthy, self.unhealthy_for(&policy.name)),
            (None, None) => return true,
        };
        max.is_none_or(|max| health::healthy(of, unhealthy, selected(select, None, &self.topology), max).is_ok())
    }

    /// A guard that says that too much is wrong trips its breaker.
    pub(crate) fn trip_for(&mut self, hold: &Hold, out: &mut Vec<Output>) {
        let (Hold::Unhealthy { of, .. } | Hold::Silent { of, .. }) = hold else { return };
        let Some(guard) = self.safeguards.values().find(|guard| title(guard) == *of).cloned() else { return };
        if let (Hold::Silent { .. }, Some(rule)) = (hold, guard.silent_hosts) {
            let known = self.listening.unwrap_or(rule.after);
            self.listening = Some(known.min(rule.after));
        }
        self.feel(&guard, Shock::Tripped, &hold.to_string(), out);
    }

    /// A plan begins.
    pub(crate) fn breakers_at_begin(&mut self, plan: &Plan, out: &mut Vec<Output>) {
        self.feel_all(plan, Shock::Began(plan.id), &format!("plan {} is tried", plan.id), out);
    }

    /// A plan has ended, with this result.
    pub(crate) fn breakers_at_end(&mut self, plan: &Plan, ending: Ending, result: &PlanResult, out: &mut Vec<Output>) {
        let id = plan.id;
        let reason = match (ending, result) {
            (Ending::Unknown, _) => format!("what became of plan {id} is not known"),
            (_, PlanResult::Failed { reason, .. }) => format!("plan {id} failed: {reason}"),
            (_, PlanResult::Unverified { reason }) => format!("plan {id} did not help: {reason}"),
            (_, PlanResult::Succeeded) => format!("plan {id} succeeded"),
            (_, PlanResult::Cancelled { .. } | PlanResult::Expired { .. }) => format!("plan {id} was called off"),
        };
        self.feel_all(plan, ending.shock(id), &reason, out);
    }

    /// An open breaker may have been open for long enough.
    pub(crate) fn breaker_due(&mut self, guard: &PolicyName, out: &mut Vec<Output>) {
        if let Some(guard) = self.safeguards.get(guard).cloned() {
            self.feel(&guard, Shock::Elapsed, "it was open for as long as it is to be", out);
        }
    }

    fn feel_all(&mut self, plan: &Plan, shock: Shock, reason: &str, out: &mut Vec<Output>) {
        if plan.reach.impact == Impact::Restoring {
            return;
        }
        let guards: Vec<Safeguard> = self.guards_of(plan).filter(|guard| guard.breaker.is_some()).cloned().collect();
        for guard in guards {
            self.feel(&guard, shock, reason, out);
        }
    }

    fn feel(&mut self, guard: &Safeguard, shock: Shock, reason: &str, out: &mut Vec<Output>) {
        let Some(fuse) = guard.breaker else { return };
        let Some(state) = self.guard.feel(self.now, guard.name.as_str(), shock, &fuse) else { return };
        self.record(out, Entry::BreakerChanged { guard: guard.name.to_string(), state, reason: reason.to_owned() });
        if let BreakerState::Open { until } = state {
            self.alarms.insert((until, Alarm::Breaker(guard.name.clone())));
        } else if !matches!(shock, Shock::Began(_)) {
            let name = title(guard);
            self.reconsider_held(|hold| matches!(hold, Hold::Breaker { of, .. } if *of == name), out);
        }
    }
}
