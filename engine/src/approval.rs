//! What people say about plans: approval by as many as it takes, and what a policy may do once they agreed with it often enough.

use homeostat_guard::{
    Ballot, Tally,
    approval::{hash, hash_of},
};
use homeostat_model::{Approval, Entry, FindingRef, Mode, Plan, PlanId, PolicyName};
use homeostat_policy::Policy;
use serde::{Deserialize, Serialize};

use crate::{CommandRefused, Engine, Output, PlanState, ending::Ending, engine::Alarm};

/// Most recommended plans that people can still say something about: a week of one every ten minutes.
const MAX_RECOMMENDED: usize = 1_008;

/// Who says something where nobody gave a name.
const UNNAMED: &str = "an operator";

/// Who decides when the time is over. Nobody has agreed with anything by that.
pub(crate) const TIME: &str = "the time limit";

/// A plan that was shown, and that people can agree with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    pub(crate) policy: PolicyName,
    /// The plan in short.
    hash: String,
    /// The text of its policy in short: who agrees with what one text proposes says nothing about another.
    pub(crate) text: String,
}

impl Engine {
    /// How far `policy` may go by itself now: its mode, or what it was promoted to.
    pub(crate) fn mode_of(&self, policy: &Policy) -> Mode {
        if policy.limits.promotion.is_none() {
            return policy.mode;
        }
        self.guard.standing(&policy.name, &policy.text).mode.unwrap_or(policy.mode)
    }

    /// A plan that was recommended can be agreed with.
    pub(crate) fn recommend(&mut self, plan: &Plan, policy: &Policy) {
        if policy.limits.promotion.is_some() {
            let shown = Shown { policy: plan.policy.clone(), hash: hash(plan), text: hash_of(&policy.text) };
            self.recommended.insert(plan.id, shown);
            while self.recommended.len() > MAX_RECOMMENDED {
                self.recommended.pop_first();
            }
        }
    }

    /// A plan waits for several people, or for its time to be over.
    pub(crate) fn ask(&mut self, finding: &FindingRef, plan: &Plan, rule: &Approval, out: &mut Vec<Output>) {
        let ballot = Ballot::new(self.now, plan, rule);
        let proposals = &self.proposals;
        self.guard.ballots().retain(|id, _| proposals.contains_key(id));
        let hold = ballot.hold();
        if let Some(until) = hold.until() {
            self.alarms.insert((until, Alarm::Ballot(plan.id)));
        }
        self.guard.ballots().insert(plan.id, ballot);
        self.hold(finding, hold, out);
    }

    /// Somebody without a name approves of a plan or rejects it.
    pub(crate) fn unnamed_vote(
        &mut self,
        id: PlanId,
        approve: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), CommandRefused> {
        self.vote(id, UNNAMED, approve, None, out)
    }

    /// A person says whether the plan with this hash is right.
    pub(crate) fn vote(
        &mut self,
        id: PlanId,
        by: &str,
        approve: bool,
        seen: Option<&str>,
        out: &mut Vec<Output>,
    ) -> Result<(), CommandRefused> {
        let input = format!("{by}'s word about plan {id}");
        let recommended = self.recommended.get(&id).cloned();
        let Some(right) =
            self.proposals.get(&id).map(|plan| hash(plan)).or(recommended.as_ref().map(|shown| shown.hash.clone()))
        else {
            return self.refuse_command(input, self.not_to_be_voted_on(id), out);
        };
        if seen.is_some_and(|seen| seen != right) {
            return self.refuse_command(input, CommandRefused::OtherPlan { hash: right }, out);
        }
        self.record(out, Entry::Voted { plan: id, by: by.to_owned(), approve });
        self.note_vote(id, by, approve, out);
        if approve && self.is_agreed(id) {
            // Enough had approved before; what holds it back is no person.
            return self.agree(id, by, out);
        }
        if let Some(shown) = recommended {
            self.recommended.remove(&id);
            self.judged(&shown.policy, approve, out);
            return Ok(());
        }
        let tally = match self.guard.ballots().get_mut(&id) {
            Some(ballot) => ballot.vote(by, approve, None),
            None if approve => Ok(Tally::Approved),
            None => Ok(Tally::Rejected),
        };
        match tally {
            Ok(Tally::Approved) => self.agree(id, by, out),
            Ok(Tally::Rejected) => self.reject(id, &format!("rejected by {by}"), out),
            Ok(Tally::Waiting) | Err(_) => {
                self.waits_on(id);
                Ok(())
            }
        }
    }

    /// Why nobody can say anything about the plan `id`.
    fn not_to_be_voted_on(&self, id: PlanId) -> CommandRefused {
        match self.state_of(id) {
            Some(PlanState::Recommended) => CommandRefused::OnlyRecommended { plan: id },
            Some(state) => CommandRefused::NotWaiting { plan: id, state },
            None => CommandRefused::UnknownPlan { plan: id },
        }
    }

    /// What a person wanted is not done.
    pub(crate) fn refuse_command(
        &self,
        input: String,
        why: CommandRefused,
        out: &mut Vec<Output>,
    ) -> Result<(), CommandRefused> {
        self.record(out, Entry::InputRefused { input, reason: why.to_string() });
        Err(why)
    }

    /// The time of a plan that waits for people is over.
    pub(crate) fn ballot_due(&mut self, id: PlanId, out: &mut Vec<Output>) {
        if !self.proposals.contains_key(&id) || self.is_agreed(id) {
            return;
        }
        let now = self.now;
        match self.guard.ballots().get(&id).map(|ballot| ballot.expire(now)) {
            Some(Tally::Approved) => {
                self.record(out, Entry::Voted { plan: id, by: TIME.to_owned(), approve: true });
                self.note_vote(id, TIME, true, out);
                // That another plan is right by now is recorded.
                let _ = self.agree(id, TIME, out);
            }
            Some(Tally::Rejected) => self.expire(id, out),
            Some(Tally::Waiting) | None => {}
        }
    }

    /// A plan has ended that a promoted policy carried out: one that fails is promoted no longer.
    pub(crate) fn autonomy_at_end(&mut self, plan: &Plan, ending: Ending, out: &mut Vec<Output>) {
        if !matches!(ending, Ending::Failed | Ending::Unknown) {
            return;
        }
        let Some(policy) = self.decider.policies().find(|policy| policy.name == plan.policy).cloned() else { return };
        if policy.limits.promotion.is_none() {
            return;
        }
        let mut standing = self.guard.standing(&policy.name, &policy.text);
        let demoted = standing.failed();
        self.guard.stand(&policy.name, &policy.text, standing);
        if demoted {
            let reason = format!("plan {} did not succeed", plan.id);
            self.record(out, Entry::AutonomyChanged { policy: policy.name.clone(), mode: policy.mode, reason });
        }
    }

    fn reject(&mut self, id: PlanId, reason: &str, out: &mut Vec<Output>) -> Result<(), CommandRefused> {
        if let Some(policy) = self.proposals.get(&id).map(|plan| plan.policy.clone()) {
            self.judged(&policy, false, out);
        }
        self.call_off(id, reason, out)
    }

    /// How it stands is to be seen in the explanation.
    fn waits_on(&mut self, id: PlanId) {
        let Some(hold) = self.guard.ballots().get(&id).map(Ballot::hold) else { return };
        let finding = self
            .proposals
            .get(&id)
            .map(|plan| FindingRef { policy: plan.policy.clone(), resource: plan.subject.clone() });
        if let Some(finding) = finding {
            self.cases.hold(&finding, hold);
        }
    }

    pub(crate) fn judged(&mut self, policy: &PolicyName, agree: bool, out: &mut Vec<Output>) {
        let Some(policy) = self.decider.policies().find(|one| one.name == *policy).cloned() else { return };
        let Some(rule) = policy.limits.promotion else { return };
        let mut standing = self.guard.standing(&policy.name, &policy.text);
        let promoted = standing.judged(agree, &rule);
        self.guard.stand(&policy.name, &policy.text, standing);
        if let Some(mode) = promoted {
            let reason = format!("people agreed with {} of its plans, one after the other", rule.after);
            self.record(out, Entry::AutonomyChanged { policy: policy.name.clone(), mode, reason });
        }
    }
}
