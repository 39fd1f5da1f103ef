//! Asks every guard whether a plan may begin now, and sees to it that what was held back is looked at again.

use homeostat_decide::Change;
use homeostat_guard::{Limit, Owner};
use homeostat_model::{FindingRef, Group, Hold, Plan};
use homeostat_policy::{Policy, Safeguard};

use crate::{Engine, Output, reach::selected};

impl Engine {
    /// Whether `plan` of `policy` may begin now.
    ///
    /// # Errors
    /// The first [`Hold`] in force: who owns what first, then the policy's own limits, then the guards in the order of their names.
    pub(crate) fn admit(&self, plan: &Plan, policy: &Policy) -> Result<(), Hold> {
        self.guard.free(plan)?;
        for budget in &policy.limits.budgets {
            let all = |group: Option<&Group>| selected(&policy.select, group, &self.topology);
            self.guard.within(self.now, plan, &Limit { owner: Owner::Policy(&policy.name), budget, all })?;
        }
        for guard in self.guards_of(plan) {
            for budget in &guard.budgets {
                let all = |group: Option<&Group>| selected(&guard.select, group, &self.topology);
                self.guard.within(self.now, plan, &Limit { owner: Owner::Guard(guard.name.as_str()), budget, all })?;
            }
        }
        Ok(())
    }

    /// The guards that select something of what `plan` acts on.
    fn guards_of(&self, plan: &Plan) -> impl Iterator<Item = &Safeguard> {
        let groups = &plan.reach.groups;
        self.safeguards.values().filter(|guard| groups.contains(&Group::Guard(guard.name.to_string())))
    }

    /// Holds back what a guard forbids for now. An event that has waited as long as one deserves an answer is given up: by the time the
    /// guard lets it pass it would be a matter of the past.
    pub(crate) fn hold_back(
        &mut self,
        finding: &FindingRef,
        hold: Hold,
        changes: &mut Vec<Change>,
        out: &mut Vec<Output>,
    ) {
        let expires = self.decider.expires(finding).filter(|_| hold.is_a_guards());
        if expires.is_some_and(|expires| expires <= self.now) {
            let reason = format!("it was held back until it was too old to be answered: {hold}");
            return self.decider.answered(self.now, finding, &reason, changes);
        }
        let wake = expires.into_iter().chain(hold.until()).min();
        self.hold(finding, hold, out);
        if let Some(at) = wake {
            self.wake(finding, at);
        }
    }

    /// Looks at a finding whose time has come. Where a guard held it, others wait for the same, and the one of the highest priority comes
    /// first.
    pub(crate) fn woken(&mut self, finding: &FindingRef, out: &mut Vec<Output>) {
        let now = self.now;
        let held = |hold: &Option<Hold>| hold.as_ref().is_some_and(Hold::is_a_guards);
        if self.cases.get(finding).is_some_and(|case| held(&case.hold)) {
            let due = |hold: &Option<Hold>| hold.as_ref().and_then(Hold::until).is_some_and(|until| until <= now);
            self.reconsider(|one, case| one == finding || (held(&case.hold) && due(&case.hold)), out);
        } else {
            self.consider(finding, out);
        }
    }
}
