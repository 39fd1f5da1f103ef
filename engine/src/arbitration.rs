//! Between the findings of several policies: who joins a plan, who is opposed by whom, and what becomes of all when the plan ends.
//!
//! At the same time means: both findings are open when one is to be acted upon. What a finding has brought about since it opened counts
//! while it is open; what it would do next counts while its condition holds.

use homeostat_decide::{Change, Prescribed};
use homeostat_guard::arbitration::{Before, Rival, Wish, same, unopposed, wishes};
use homeostat_model::{
    Entry, FindingRef, Hold, Mode, Plan, PlanId, PlanResult, ResourceId, Response, Severity, Step, Truth,
};
use homeostat_plan::Projection;
use homeostat_policy::Rung;

use crate::{Engine, Output, case::Settled};

/// What would be done about a finding.
struct NextDeed {
    rung: usize,
    steps: Vec<Step>,
    /// What stands before it in the ladder, and would not be a plan.
    before: Vec<(usize, Passed)>,
}

/// A rung that makes no plan.
enum Passed {
    /// People are told by it.
    Told(Response),
    /// It cannot be done.
    Over(String),
    /// It is not meant.
    Unmet(String),
}

impl Engine {
    /// The plan of another finding that is on its way, or waits like this one would have to, and does what `response` comes to.
    pub(crate) fn twin(&self, finding: &FindingRef, rung: &Rung, response: &Response) -> Option<PlanId> {
        let mode = self.mode_of(&self.cases.get(finding)?.policy);
        // What is in flight for a resource owns it.
        let running = self.guard.owner(&finding.resource).and_then(|id| self.runs.get(&id));
        let running = running.filter(|run| run.is_on_course()).map(|run| run.plan());
        // Who may act by itself does not wait for whoever may not.
        let waiting = self.proposals.values().map(AsRef::as_ref).filter(|_| mode == Mode::Approve);
        let alike = |plan: &&Plan| {
            plan.subject == finding.resource
                && plan.policy != finding.policy
                && self.drafts_without(plan.id, finding, rung, response).is_some_and(|steps| same(&steps, &plan.steps))
        };
        let twin = running.into_iter().chain(waiting).find(alike).filter(|_| mode >= Mode::Approve);
        twin.map(|plan| plan.id)
    }

    /// The finding has the plan of another one from here on.
    pub(crate) fn join(&mut self, finding: &FindingRef, id: PlanId, out: &mut Vec<Output>) {
        let plan = self.runs.get(&id).map(|run| run.plan()).or_else(|| self.proposals.get(&id).map(AsRef::as_ref));
        let Some(plan) = plan.cloned() else { return };
        match self.cases.hold_of(&plan.finding()).filter(|_| self.proposals.contains_key(&id)).cloned() {
            Some(hold) => self.cases.hold(finding, hold),
            None => self.cases.free(finding),
        }
        let done = self.wishes_of(&plan.steps);
        let Some(case) = self.cases.get_mut(finding) else { return };
        case.plan = Some(id);
        case.answering = true;
        case.unmeant = 0;
        case.pursue(done);
        let (policy, rung) = (case.policy.clone(), case.rung);
        self.joined.entry(id).or_default().insert(finding.clone());
        self.tried(&policy, rung);
        self.record(out, Entry::Joined { finding: finding.clone(), plan: id, rung: Some(number(rung)) });
        if self.runs.contains_key(&id) {
            self.count_time(finding, &plan);
        }
    }

    /// The findings of other policies that ask for the same as `plan`, which is about to be made: it is made for them too. What stands before
    /// that in their ladders is told, or said to be passed over, as if they had made the plan.
    pub(crate) fn of_one_mind(
        &mut self,
        plan: &Plan,
        changes: &mut Vec<Change>,
        out: &mut Vec<Output>,
    ) -> Vec<FindingRef> {
        let mut found = Vec::new();
        for finding in self.rivals_on(&plan.subject, &plan.policy) {
            let Some(case) = self.cases.get(&finding) else { continue };
            let mode = self.mode_of(&case.policy);
            let rests = case.rests_until.is_some_and(|until| until > self.now);
            let flaps =
                case.policy.limits.flap.is_some_and(|flap| self.guard.quiet(self.now, &finding, &flap).is_err());
            let busy = case.plan.is_some() || rests || flaps || self.guard.rested(self.now, &finding).is_err();
            if busy || mode < Mode::Approve || mode > plan.mode {
                continue;
            }
            let Some(deed) = self.next_deed(&finding, changes).filter(|deed| same(&deed.steps, &plan.steps)) else {
                continue;
            };
            self.pass_by(&finding, deed.before, out);
            if let Some(case) = self.cases.get_mut(&finding) {
                case.be_at(deed.rung);
                found.push(finding);
            }
        }
        found
    }

    /// A ladder goes on to a rung that another finding's plan does for it: those before it are done with.
    fn pass_by(&mut self, finding: &FindingRef, before: Vec<(usize, Passed)>, out: &mut Vec<Output>) {
        for (index, passed) in before {
            match passed {
                Passed::Told(response) => self.tell_rung(finding, index, &response, out),
                Passed::Over(reason) => self.skip(finding, index, reason, false, out),
                Passed::Unmet(reason) => self.skip(finding, index, reason, true, out),
            }
        }
    }

    /// The plan was made: it is that of all its findings. Those that waited for a person to do the same wait no longer.
    pub(crate) fn share(&mut self, plan: &Plan, out: &mut Vec<Output>) {
        let done = self.wishes_of(&plan.steps);
        for finding in &plan.findings {
            self.cases.free(finding);
            let Some(case) = self.cases.get_mut(finding) else { continue };
            case.plan = Some(plan.id);
            case.answering = true;
            case.unmeant = 0;
            case.pursue(done.clone());
            if *finding != plan.finding() {
                let (policy, rung) = (case.policy.clone(), case.rung);
                self.joined.entry(plan.id).or_default().insert(finding.clone());
                self.tried(&policy, rung);
                if rung > 0 {
                    // The plan itself says how far the ladder is that made it, and of no other.
                    let rung = Some(number(rung));
                    self.record(out, Entry::Joined { finding: finding.clone(), plan: plan.id, rung });
                }
            }
        }
        if plan.mode == Mode::Auto {
            let alike = |other: &&Plan| other.subject == plan.subject && same(&other.steps, &plan.steps);
            let waiting: Vec<PlanId> =
                self.proposals.values().map(AsRef::as_ref).filter(alike).map(|other| other.id).collect();
            for other in waiting {
                self.absorb(other, plan, out);
            }
        }
    }

    /// A plan that waits for people would do what `plan` does now.
    fn absorb(&mut self, waiting: PlanId, plan: &Plan, out: &mut Vec<Output>) {
        let Some(old) = self.wait_no_more(waiting, out) else { return };
        let result = PlanResult::Cancelled { reason: format!("plan {} does the same", plan.id) };
        self.record(out, Entry::PlanFinished { plan: waiting, result });
        let done = self.wishes_of(&plan.steps);
        for finding in self.findings_of(&old) {
            self.cases.free(&finding);
            let Some(case) = self.cases.get_mut(&finding) else { continue };
            if case.closed {
                self.cases.remove(&finding);
                continue;
            }
            case.plan = Some(plan.id);
            case.pursue(done.clone());
            let rung = Some(number(case.rung));
            self.joined.entry(plan.id).or_default().insert(finding.clone());
            self.record(out, Entry::Joined { finding, plan: plan.id, rung });
        }
        self.joined.remove(&waiting);
    }

    /// Whether no finding of another policy asks for the opposite of what `plan` does, with the same or a greater priority.
    ///
    /// # Errors
    /// [`Hold::Overruled`] or [`Hold::Contradicted`].
    pub(crate) fn unopposed(&mut self, plan: &Plan, changes: &mut Vec<Change>) -> Result<(), Hold> {
        let ours = self.wishes_of(&plan.steps);
        let mut places = plan.touches();
        places.extend(plan.uses());
        let above = places.iter().flat_map(|id| self.topology.ancestors(id)).map(|one| one.id.clone());
        places.extend(above.collect::<Vec<_>>());
        let mut rivals = Vec::new();
        for finding in places.iter().flat_map(|id| self.rivals_on(id, &plan.policy)).collect::<Vec<_>>() {
            let Some(case) = self.cases.get(&finding) else { continue };
            if case.policy.priority < plan.priority || plan.findings.contains(&finding) {
                continue;
            }
            let (priority, free) = (case.policy.priority, case.plan.is_none());
            let mut wishes = case.pursued.clone();
            if free && let Some(deed) = self.next_deed(&finding, changes) {
                wishes.extend(self.wishes_of(&deed.steps));
            }
            rivals.push(Rival { finding, priority, wishes });
        }
        unopposed(plan.priority, &ours, &rivals)
    }

    /// That two policies want opposite things is told to people once, for both.
    pub(crate) fn tell_contradiction(&mut self, finding: &FindingRef, hold: &Hold, out: &mut Vec<Output>) {
        let Hold::Contradicted { by, wanted } = hold else { return };
        let known = |one: &FindingRef, other: &FindingRef| matches!(self.cases.hold_of(one), Some(Hold::Contradicted { by, .. }) if by == other);
        if !known(finding, by) && !known(by, finding) {
            let message = format!(
                "{finding} wants {wanted}, and {by} the opposite; neither is done until one of them closes, since both policies have \
                 the same priority"
            );
            self.tell(finding, None, Severity::Warning, &message, &std::collections::BTreeSet::new(), out);
        }
    }

    /// All findings that `plan` answers: the one that made it first.
    pub(crate) fn findings_of(&self, plan: &Plan) -> Vec<FindingRef> {
        let joined = self.joined.get(&plan.id).into_iter().flatten().cloned();
        std::iter::once(plan.finding()).chain(joined).collect()
    }

    /// The finding for which `plan` goes on: the first of its findings that has not closed.
    pub(crate) fn speaker(&self, plan: &Plan) -> FindingRef {
        let open = |finding: &FindingRef| self.cases.get(finding).is_some_and(|case| !case.closed);
        self.findings_of(plan).into_iter().find(open).unwrap_or_else(|| plan.finding())
    }

    /// The open findings on `resource` of policies other than `policy` that may act, or could if a person said so.
    fn rivals_on(&self, resource: &ResourceId, policy: &homeostat_model::PolicyName) -> Vec<FindingRef> {
        let others = self.decider.watching(resource).filter(|other| other.name != *policy);
        let finding =
            |name: &homeostat_model::PolicyName| FindingRef { policy: name.clone(), resource: resource.clone() };
        let wants = |finding: &FindingRef| {
            self.cases.get(finding).is_some_and(|case| {
                !case.closed && case.settled != Some(Settled::CalledOff) && self.mode_of(&case.policy) >= Mode::Approve
            })
        };
        let mut found: Vec<FindingRef> = others.map(|other| finding(&other.name)).filter(wants).collect();
        found.sort();
        found
    }

    /// What would be done about a finding if nothing held it back. Nothing is tried, told or skipped.
    fn next_deed(&mut self, finding: &FindingRef, changes: &mut Vec<Change>) -> Option<NextDeed> {
        let case = self.cases.get(finding).filter(|case| case.settled.is_none())?;
        let (policy, first) = (case.policy.clone(), case.rung);
        if self.decider.holds(self.now, finding) != Truth::True {
            return None;
        }
        let projection = Projection::of(self.projected());
        let barred = self.barred(&policy, &finding.resource);
        let mut before = Vec::new();
        for (index, rung) in policy.then.iter().enumerate().skip(first) {
            let passed = match self.decider.prescribe(self.now, finding, index, changes)? {
                Prescribed::Do(response @ Response::Notify { .. }) => Passed::Told(response),
                Prescribed::Pass(reason) => Passed::Unmet(reason),
                Prescribed::Unknown(_) => return None,
                Prescribed::Do(response) => {
                    let around = self.around(&projection, &barred);
                    match self.drafted(&around, &policy, &finding.resource, rung, &response) {
                        Ok(draft) => match self.out_of_bounds(&policy, &finding.resource, &response, &draft, &around) {
                            None => return Some(NextDeed { rung: index, steps: draft.steps, before }),
                            Some(reason) => Passed::Over(reason),
                        },
                        Err(infeasible) => Passed::Over(infeasible.to_string()),
                    }
                }
            };
            before.push((index, passed));
        }
        None
    }

    /// The steps of a response as if that plan were not in flight.
    fn drafts_without(
        &self,
        plan: PlanId,
        finding: &FindingRef,
        rung: &Rung,
        response: &Response,
    ) -> Option<Vec<Step>> {
        let projection = Projection::of(self.projected().filter(|other| other.id != plan));
        let policy = &self.cases.get(finding)?.policy;
        let barred = self.barred(policy, &finding.resource);
        let around = self.around(&projection, &barred);
        let draft = self.drafted(&around, policy, &finding.resource, rung, response).ok()?;
        Some(draft.steps)
    }

    pub(crate) fn wishes_of(&self, steps: &[Step]) -> Vec<Wish> {
        let projection = Projection::of(self.projected().filter(|plan| plan.steps != steps));
        let before = |id: &ResourceId| {
            self.topology.get(id).map_or_else(Before::default, |resource| Before::of(resource, projection.amount(id)))
        };
        wishes(steps, before)
    }
}

/// The number of the rung with this index, from 1.
pub(crate) fn number(rung: usize) -> u16 {
    u16::try_from(rung.saturating_add(1)).unwrap_or(u16::MAX)
}
