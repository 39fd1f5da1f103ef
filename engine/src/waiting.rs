//! Plans that wait for people: until they begin, another one is right, or too few have approved in time.
//!
//! ```text
//!   proposed --enough approve, or the time limit does--> agreed --nothing holds it back--> begun
//!     |   \                                              |   ^-- held: looked at again when that ends
//!     |    `--too few in time--> expired: its ladder     |
//!     |                          goes on                 |
//!     `--another one would be made now--> withdrawn <----'
//! ```
//!
//! Who has approved is not asked again because a guard held the plan for a while.

use std::collections::BTreeMap;

use homeostat_decide::Change;
use homeostat_guard::arbitration::same;
use homeostat_model::{Duration, Entry, FindingRef, Hold, Plan, PlanId, PlanResult, PolicyName, Timestamp, Truth};
use homeostat_plan::{Projection, Run};

use crate::{CommandRefused, Engine, Output, approval::TIME};

/// For how long what a guard holds back after people have approved of it answers an event: as long as one that has just happened.
const PATIENCE: Duration = Duration::from_mins(5);

/// Enough have approved of a plan: it begins as soon as nothing holds it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Since when.
    at: Timestamp,
    /// Who was the last of them, or the time limit.
    pub(crate) by: String,
}

impl Agreed {
    /// Whether nobody has agreed, and only the time was over.
    pub(crate) fn by_time(&self) -> bool {
        self.by == TIME
    }
}

impl Engine {
    /// Enough have approved of a plan, `by` last: it begins, now or as soon as nothing holds it back.
    ///
    /// # Errors
    /// [`CommandRefused::Outdated`]: another plan is right by now, and this one was withdrawn.
    pub(crate) fn agree(&mut self, id: PlanId, by: &str, out: &mut Vec<Output>) -> Result<(), CommandRefused> {
        let (now, proposals) = (self.now, &self.proposals);
        self.agreed.retain(|id, _| proposals.contains_key(id));
        self.agreed.entry(id).or_insert_with(|| Agreed { at: now, by: by.to_owned() });
        let mut changes = Vec::new();
        let right = self.begin_agreed(id, &mut changes, out);
        self.follow(changes, out);
        if right {
            return Ok(());
        }
        let refused = self.refuse_command(format!("approval of plan {id}"), CommandRefused::Outdated { plan: id }, out);
        self.withdraw(id, "the situation has changed since it was made", out);
        refused
    }

    /// Whether enough have approved of a plan that waits.
    pub(crate) fn is_agreed(&self, id: PlanId) -> bool {
        self.agreed.contains_key(&id) && self.proposals.contains_key(&id)
    }

    /// What held a plan back that was agreed with may have ended.
    pub(crate) fn try_agreed(&mut self, id: PlanId, changes: &mut Vec<Change>, out: &mut Vec<Output>) {
        if !self.begin_agreed(id, changes, out) {
            self.withdraw(id, "the situation has changed since it was made", out);
        }
    }

    /// Begins a plan that was agreed with, if nothing holds it back; gives whether it is still the right one.
    fn begin_agreed(&mut self, id: PlanId, changes: &mut Vec<Change>, out: &mut Vec<Output>) -> bool {
        let Some(plan) = self.proposals.get(&id).cloned() else { return true };
        let held = self.held(&plan).map_or_else(|| self.unopposed(&plan, changes), Err);
        if let Err(hold) = held {
            // What a budget can never let pass would not be made any more.
            if hold.is_beyond() && !self.still_right(&plan) {
                return false;
            }
            let finding = self.speaker(&plan);
            self.tell_contradiction(&finding, &hold, out);
            self.hold_back(&finding, hold, changes, out);
            return true;
        }
        if !self.still_right(&plan) {
            return false;
        }
        self.wait_no_more(id, out);
        let by_time = self.agreed.remove(&id).is_some_and(|agreed| agreed.by_time());
        for finding in self.findings_of(&plan) {
            self.cases.free(&finding);
        }
        let policy = plan.policy.clone();
        self.begin(plan, out);
        if !by_time {
            self.judged(&policy, true, out);
        }
        true
    }

    /// Until when the plan of `finding` answers its event, if people have approved of it.
    pub(crate) fn answers_until(&self, finding: &FindingRef) -> Option<Timestamp> {
        let plan = self.cases.get(finding)?.plan?;
        self.agreed.get(&plan).map(|agreed| agreed.at + PATIENCE)
    }

    /// What would hold a plan that waits back if everybody had approved of it.
    pub(crate) fn held(&self, plan: &Plan) -> Option<Hold> {
        if self.paused || self.stopping {
            return Some(Hold::Paused);
        }
        let policy = self.cases.get(&self.speaker(plan)).map(|case| case.policy.clone())?;
        self.admit(plan, &policy).err()
    }

    /// Whether the same plan would be made now: its condition holds, the same steps are the right ones, within the bounds that hold now,
    /// and count where it says that they do.
    fn still_right(&mut self, plan: &Plan) -> bool {
        let finding = self.speaker(plan);
        if self.decider.holds(self.now, &finding) != Truth::True {
            return false;
        }
        let Some((policy, index)) = self.cases.get(&finding).map(|case| (case.policy.clone(), case.rung)) else {
            return false;
        };
        let Some(rung) = policy.then.get(index) else { return false };
        let prescribed = self.decider.prescribe(self.now, &finding, index, &mut Vec::new());
        let Some(homeostat_decide::Prescribed::Do(response)) = prescribed else { return false };
        let projection = Projection::of(self.projected());
        let barred = self.barred(&policy, &plan.subject);
        let around = self.around(&projection, &barred);
        let Ok(draft) = self.drafted(&around, &policy, &plan.subject, rung, &response) else { return false };
        // While it waited a guard may have come, or a label gone, by which it is bounded, or counted, in another way than it says.
        same(&draft.steps, &plan.steps)
            && self.out_of_bounds(&policy, &plan.subject, &response, &draft, &around).is_none()
            && self.reach(plan, &response) == *plan.reach
    }

    /// Takes back what waits of policies that are other ones by now than in `texts`, though a finding of another policy has it wait.
    pub(crate) fn withdraw_edited(&mut self, texts: &BTreeMap<PolicyName, String>, out: &mut Vec<Output>) {
        let now = self.texts();
        let edited = |plan: &&Plan| texts.get(&plan.policy) != now.get(&plan.policy);
        let edited: Vec<PlanId> =
            self.proposals.values().map(AsRef::as_ref).filter(edited).map(|plan| plan.id).collect();
        for id in edited {
            self.withdraw(id, "its policy is another one by now", out);
        }
    }

    /// Takes back a plan that waits, and looks at its finding anew.
    fn withdraw(&mut self, id: PlanId, reason: &str, out: &mut Vec<Output>) {
        let result = PlanResult::Cancelled { reason: reason.into() };
        let findings = self.take_back(id, &result, out);
        for finding in &findings {
            self.cases.free(finding);
            match self.cases.get_mut(finding) {
                Some(case) if case.closed => {
                    self.cases.remove(finding);
                }
                Some(case) => {
                    case.plan = None;
                    case.pursued.clear();
                }
                None => {}
            }
        }
        for finding in &findings {
            self.consider(finding, out);
        }
    }

    /// Too few have approved of a plan in time: that rung of its ladder has not helped, and the ladder goes on.
    pub(crate) fn expire(&mut self, id: PlanId, out: &mut Vec<Output>) {
        let result = PlanResult::Expired { reason: "too few people approved of it in time".into() };
        let findings = self.take_back(id, &result, out);
        for finding in &findings {
            self.plan_ended(finding, &result, out);
        }
        self.reconsider_after(&findings, out);
    }

    /// A plan that waits ends like this without having begun; gives its findings.
    fn take_back(&mut self, id: PlanId, result: &PlanResult, out: &mut Vec<Output>) -> Vec<FindingRef> {
        let Some(plan) = self.wait_no_more(id, out) else { return Vec::new() };
        self.record(out, Entry::PlanFinished { plan: id, result: result.clone() });
        let findings = self.findings_of(&plan);
        self.joined.remove(&id);
        self.keep_recent(Run::new(plan), Some(result.clone()));
        findings
    }
}
