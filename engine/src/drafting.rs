//! Drafts: the steps of a response, once the linter has looked at them, and what budgets allow of them.

use std::collections::BTreeSet;

use homeostat_guard::calendar;
use homeostat_model::{Budget, Group, Impact, ResourceId, Response, Scope, Step, Timestamp};
use homeostat_plan::{ALL_WAYS_OPEN, Allowance, Draft, Infeasible, Surroundings, lint};
use homeostat_policy::{Policy, Rung, Selector};

use crate::{
    Engine,
    admission::{policy_title, title},
    reach::{impact, is_in, labels, places, selected},
};

impl Engine {
    /// The steps of a response, as its rung wants them; none when the linter refuses them. Where nothing can be done without a way that
    /// is barred, it is taken all the same: the guard that bars it then says until when.
    pub(crate) fn drafted(
        &self,
        around: &Surroundings<'_>,
        policy: &Policy,
        subject: &ResourceId,
        rung: &Rung,
        response: &Response,
    ) -> Result<Draft, Infeasible> {
        match self.drafted_within(around, policy, subject, rung, response) {
            Err(_) if !around.barred.is_empty() => {
                let open = Surroundings { barred: &ALL_WAYS_OPEN, ..*around };
                self.drafted_within(&open, policy, subject, rung, response)
            }
            drafted => drafted,
        }
    }

    fn drafted_within(
        &self,
        around: &Surroundings<'_>,
        policy: &Policy,
        subject: &ResourceId,
        rung: &Rung,
        response: &Response,
    ) -> Result<Draft, Infeasible> {
        let draft = homeostat_plan::draft(around, subject, response)?;
        let allowances = self.allowances(policy, subject, &draft.steps, response);
        if let Some(first) = lint(around, subject, &draft.steps, &allowances).first() {
            return Err(Infeasible(format!("the linter refuses the plan: {first}")));
        }
        let draft = draft.carried_out(rung.timeout, rung.retry);
        Ok(if rung.compensate { draft } else { draft.for_good() })
    }

    /// What the budgets in force allow of what these steps for `subject` act on, as far as it is more than one resource: one fits into
    /// every budget that has room at all.
    fn allowances(&self, policy: &Policy, subject: &ResourceId, steps: &[Step], response: &Response) -> Vec<Allowance> {
        let acted_on: BTreeSet<&ResourceId> =
            std::iter::once(subject).chain(steps.iter().map(|step| &step.resource)).collect();
        if acted_on.len() < 2 || impact(steps, response) == Impact::Restoring {
            return Vec::new();
        }
        let own = policy.limits.budgets.iter().map(|budget| (policy_title(policy), &policy.select, budget));
        let guards = self
            .safeguards
            .values()
            .flat_map(|guard| guard.budgets.iter().map(move |budget| (title(guard), &guard.select, budget)));
        let in_force = |budget: &Budget| in_force(budget, self.now);
        let mut allowances = Vec::new();
        for (of, select, budget) in own.chain(guards).filter(|(_, _, budget)| in_force(budget)) {
            for group in self.counted_in(&budget.scope, &acted_on) {
                let resources = self.counted_of(select, group.as_ref(), &acted_on);
                // Only where it may matter it is counted of how many a share is meant.
                if resources.len() < 2 {
                    continue;
                }
                let most = budget.max.up(selected(select, group.as_ref(), &self.topology));
                // A freeze holds back: it is not for the linter.
                if most > 0 {
                    let counted = match &group {
                        Some(group) => group.to_string(),
                        None if budget.scope == Scope::Policy => policy_title(policy),
                        None => "all that it guards".to_owned(),
                    };
                    allowances.push(Allowance { of: of.clone(), counted, most, per: budget.per, resources });
                }
            }
        }
        allowances
    }

    /// The groups in which a budget of this scope counts what is `acted_on`; one `None` where it counts all together.
    fn counted_in(&self, scope: &Scope, acted_on: &BTreeSet<&ResourceId>) -> BTreeSet<Option<Group>> {
        if matches!(scope, Scope::Policy | Scope::All) {
            return BTreeSet::from([None]);
        }
        let groups = acted_on.iter().flat_map(|id| {
            let labels = self.topology.get(id).into_iter().flat_map(labels);
            places(id, &self.topology).chain(labels).chain([Group::Kind(id.kind().to_owned())])
        });
        groups.filter(|group| scope.counts(group)).map(Some).collect()
    }

    /// Those of what is `acted_on` that `select` selects in `group`.
    fn counted_of(
        &self,
        select: &Selector,
        group: Option<&Group>,
        acted_on: &BTreeSet<&ResourceId>,
    ) -> BTreeSet<ResourceId> {
        let resources = acted_on.iter().filter_map(|id| self.topology.get(id));
        let counts = resources.filter(|one| is_in(one, group, &self.topology) && select.matches(one, &self.topology));
        counts.map(|resource| resource.id.clone()).collect()
    }
}

fn in_force(budget: &Budget, at: Timestamp) -> bool {
    budget.during.as_ref().is_none_or(|window| calendar::ends(window, at).is_some())
}
