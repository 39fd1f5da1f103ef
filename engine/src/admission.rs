//! Asks every guard whether a plan may begin now.
//!
//! ```text
//!   marks, quarantine,
//!     maintenance             of all that it acts on or moves something to     nothing at all is done
//!   ownership                 of the same
//!   budgets, maxUnhealthy     of its policy                                    \
//!   onlyWithin, settle,       of each guard that selects something of it        | what only restores goes on
//!     silentHosts, maxUnhealthy, breaker, budgets                              /
//! ```

use homeostat_decide::Change;
use homeostat_guard::{Limit, Owner, calendar, health};
use homeostat_model::{FindingRef, Group, Hold, Impact, Plan, ResourceId, Timestamp, Window};
use homeostat_policy::{Policy, Safeguard};

use crate::{Engine, Output, mark::marked, reach::selected};

impl Engine {
    /// Whether `plan` of `policy` may begin now.
    ///
    /// # Errors
    /// The first [`Hold`] in force, in the order above; the guards in the order of their names.
    pub(crate) fn admit(&self, plan: &Plan, policy: &Policy) -> Result<(), Hold> {
        for id in plan.touches().iter().chain(&plan.uses()) {
            self.left_alone(id)?;
        }
        self.guard.free(plan)?;
        if let Some(after) = policy.limits.return_after {
            self.guard.onward(self.now, plan, after)?;
        }
        if plan.reach.impact == Impact::Restoring {
            return Ok(());
        }
        if let Some(max) = policy.limits.max_unhealthy {
            let all = selected(&policy.select, None, &self.topology);
            health::healthy(&policy_title(policy), self.unhealthy_for(&policy.name), all, max)?;
        }
        for budget in &policy.limits.budgets {
            let all = |group: Option<&Group>| selected(&policy.select, group, &self.topology);
            self.guard.within(self.now, plan, &Limit { owner: Owner::Policy(&policy.name), budget, all })?;
        }
        self.guards_of(plan).try_for_each(|guard| self.admitted_by(guard, plan))
    }

    /// Whether `guard` lets a plan that disrupts something begin now.
    fn admitted_by(&self, guard: &Safeguard, plan: &Plan) -> Result<(), Hold> {
        let of = title(guard);
        self.within_hours(guard, &of)?;
        self.settled(guard, &of, plan)?;
        if let Some(rule) = guard.silent_hosts {
            let (silent, all) = self.silence(guard, rule.after);
            health::heard(&of, silent, all, rule.max, rule.after)?;
        }
        if let Some(max) = guard.max_unhealthy {
            let all = selected(&guard.select, None, &self.topology);
            health::healthy(&of, self.unhealthy_under(guard), all, max)?;
        }
        if guard.breaker.is_some() {
            self.guard.passes(guard.name.as_str())?;
        }
        for budget in &guard.budgets {
            let all = |group: Option<&Group>| selected(&guard.select, group, &self.topology);
            self.guard.within(self.now, plan, &Limit { owner: Owner::Guard(guard.name.as_str()), budget, all })?;
        }
        Ok(())
    }

    /// Whether nobody works on `id` or what it runs on, and no mark says that it is to be left alone.
    ///
    /// # Errors
    /// [`Hold::Marked`] or [`Hold::Maintenance`].
    pub(crate) fn left_alone(&self, id: &ResourceId) -> Result<(), Hold> {
        marked(id, &self.topology)?;
        self.at_large(id)?;
        let Some(resource) = self.topology.get(id) else { return Ok(()) };
        let lineage = || std::iter::once(resource).chain(self.topology.ancestors(id));
        for guard in self.safeguards.values().filter(|guard| !guard.maintenance.is_empty()) {
            if let Some(until) = in_force(&guard.maintenance, self.now)
                && lineage().any(|one| guard.select.matches(one, &self.topology))
            {
                return Err(Hold::Maintenance { of: title(guard), until });
            }
        }
        Ok(())
    }

    fn within_hours(&self, guard: &Safeguard, of: &str) -> Result<(), Hold> {
        if guard.only_within.is_empty() || in_force(&guard.only_within, self.now).is_some() {
            return Ok(());
        }
        let until = guard.only_within.iter().filter_map(|window| calendar::begins(window, self.now)).min();
        Err(Hold::Outside { of: of.to_owned(), until })
    }

    fn settled(&self, guard: &Safeguard, of: &str, plan: &Plan) -> Result<(), Hold> {
        let Some(settle) = guard.settle else { return Ok(()) };
        let until = self.started.map(|started| started + settle).filter(|until| *until > self.now);
        let unseen =
            plan.steps.iter().map(|step| &step.adapter).find(|adapter| !self.listed.contains(*adapter)).cloned();
        if until.is_none() && unseen.is_none() {
            return Ok(());
        }
        Err(Hold::Settling { of: of.to_owned(), until, unseen })
    }

    /// The guards that select something of what `plan` acts on, also those that were loaded after it was made.
    pub(crate) fn guards_of(&self, plan: &Plan) -> impl Iterator<Item = &Safeguard> {
        let touched = plan.touches();
        let selects = move |guard: &Safeguard| {
            let mut resources = touched.iter().filter_map(|id| self.topology.get(id));
            resources.any(|resource| guard.select.matches(resource, &self.topology))
        };
        let known = |guard: &Safeguard| plan.reach.groups.contains(&Group::Guard(guard.name.to_string()));
        self.safeguards.values().filter(move |guard| known(guard) || selects(guard))
    }

    /// When an event that `hold` keeps from being answered is given up: by the time that is over it would be a matter of the past.
    ///
    /// What a guard forbids is given up however it stands by then. A pause after one's own deed, and another plan that is at work there, end
    /// without anybody looking: then it depends on whether a condition says that what the event told of still is so. Between two tries
    /// of one answer nothing is given up.
    pub(crate) fn given_up_at(&self, finding: &FindingRef, hold: &Hold) -> Option<Timestamp> {
        let expires = self.decider.expires(finding)?;
        // Who approved of it late did not mean to answer nothing.
        let expires = self.answers_until(finding).map_or(expires, |until| until.max(expires));
        let case = self.cases.get(finding)?;
        let untried = !case.answering || case.plan.is_some_and(|plan| self.is_agreed(plan));
        let unasked = case.policy.when.is_none() && untried;
        let waits = matches!(hold, Hold::Cooldown { .. } | Hold::Owned { .. } | Hold::Undecided { .. });
        (hold.is_a_guards() || waits && unasked).then_some(expires)
    }

    /// Holds back what is not to be done for now. An event that has waited as long as one deserves an answer is given up.
    pub(crate) fn hold_back(
        &mut self,
        finding: &FindingRef,
        hold: Hold,
        changes: &mut Vec<Change>,
        out: &mut Vec<Output>,
    ) {
        self.trip_for(&hold, out);
        let expires = self.given_up_at(finding, &hold);
        if expires.is_some_and(|expires| expires <= self.now) {
            let reason = format!("it was held back until it was too old to be answered: {hold}");
            return self.decider.answered(self.now, finding, &reason, changes);
        }
        let wake = expires.into_iter().chain(hold.until()).filter(|at| *at > self.now).min();
        self.hold(finding, hold, out);
        if let Some(at) = wake {
            self.wake(finding, at);
        }
    }

    /// Looks at a finding whose time has come. Where a guard held it, others wait for the same, and the one of the highest priority comes
    /// first.
    pub(crate) fn woken(&mut self, finding: &FindingRef, out: &mut Vec<Output>) {
        let now = self.now;
        if self.cases.hold_of(finding).is_some_and(Hold::is_a_guards) {
            let due = |hold: &Hold| hold.is_a_guards() && hold.until().is_some_and(|until| until <= now);
            let mut due = self.cases.held_by(due);
            due.insert(finding.clone());
            self.reconsider(due, out);
        } else {
            self.consider(finding, out);
        }
    }

    /// What there is has changed: what was held back because of what was there is looked at again, as far as that may have ended by it.
    pub(crate) fn eased(&mut self, out: &mut Vec<Output>) {
        self.healthier(out);
        self.heard_again(out);
        self.stir_standing(out);
        let elsewhere = |hold: &Hold| {
            matches!(
                hold,
                Hold::Marked { .. } | Hold::Maintenance { .. } | Hold::Quarantined { .. } | Hold::Return { .. }
            )
        };
        // What is left alone itself still is. Of another one it may be rid by now, or have another way.
        let mut eased = self.cases.held_by(elsewhere);
        eased.retain(|finding| self.left_alone(&finding.resource).is_ok());
        self.reconsider(eased, out);
    }

    /// Looks again at what is held back for a reason that `which` knows.
    pub(crate) fn reconsider_held(&mut self, which: impl Fn(&Hold) -> bool, out: &mut Vec<Output>) {
        self.reconsider(self.cases.held_by(which), out);
    }
}

/// How a guard is named where it holds something back.
pub(crate) fn title(guard: &Safeguard) -> String {
    format!("guard {}", guard.name)
}

/// The same of a policy.
pub(crate) fn policy_title(policy: &Policy) -> String {
    format!("policy {}", policy.name)
}

/// When the last of those `windows` ends that are in force.
fn in_force(windows: &[Window], at: Timestamp) -> Option<Timestamp> {
    windows.iter().filter_map(|window| calendar::ends(window, at)).max()
}
