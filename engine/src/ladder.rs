//! Climbs a policy's ladder: which response is tried, what holds it back, when a person has to take over.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use homeostat_decide::{Change, Prescribed};
use homeostat_model::{
    Cost, Duration, Entry, FindingRef, Hold, Mode, Plan, PlanId, PlanResult, Response, Timestamp, Truth,
};
use homeostat_plan::{Draft, Projection, Run};
use homeostat_policy::Policy;

use crate::{
    Engine, Output,
    arbitration::number,
    case::{Case, Climbed, Settled, passes},
    engine::Alarm,
};

/// The pause before a response that failed is tried again: long enough for a daemon to come back.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How long after an answer an event that comes again continues the ladder, at least; twice the longest cooldown if that is more.
const RECURS_WITHIN: Duration = Duration::from_mins(1);

/// What became of looking at a case once.
enum Verdict {
    /// Do nothing for now, for this reason.
    Hold(Hold),
    /// Nothing is to be done by itself any more.
    Settle(Settled),
    /// This is to be done, for this response.
    Plan(Draft, Cost, Response),
    /// This plan, made for the finding of another policy, does it.
    Join(PlanId),
    /// Its plan was approved of, and may begin now.
    Agreed(PlanId),
    /// The same, but it may change without anything coming in.
    Wait(Hold),
    /// Nothing more: it is no longer a case, or it is being taken care of.
    Nothing,
}

impl Engine {
    /// Looks at an open finding: acts, or records why not.
    pub(crate) fn consider(&mut self, finding: &FindingRef, out: &mut Vec<Output>) {
        let mut changes = Vec::new();
        self.consider_into(finding, &mut changes, out);
        self.follow(changes, out);
    }

    /// The same; changes of findings that come of it are added to `changes`.
    pub(crate) fn consider_into(&mut self, finding: &FindingRef, changes: &mut Vec<Change>, out: &mut Vec<Output>) {
        match self.judge(finding, changes, out) {
            Verdict::Nothing => {}
            Verdict::Hold(hold) => {
                let observed = hold == Hold::Observing;
                self.hold_back(finding, hold, changes, out);
                if observed {
                    // An event is over once it was seen; a condition stays a finding until it holds no longer.
                    self.decider.answered(self.now, finding, "it was observed", changes);
                }
            }
            Verdict::Settle(settled) => {
                let Some(case) = self.cases.get_mut(finding) else { return };
                case.settled = Some(settled.clone());
                let disrupted = case.disrupted;
                if settled == Settled::HandedOver {
                    let responses: Vec<String> =
                        case.policy.then.iter().map(|rung| rung.response.to_string()).collect();
                    let reason = format!("the ladder is at its end: {}", responses.join(", "));
                    self.hand_over(finding, reason, disrupted, out);
                }
                self.decider.answered(self.now, finding, "everything was tried", changes);
            }
            Verdict::Plan(draft, cost, response) => self.propose(finding, draft, cost, &response, changes, out),
            Verdict::Join(plan) => self.join(finding, plan, out),
            Verdict::Agreed(plan) => self.try_agreed(plan, changes, out),
            Verdict::Wait(hold) => {
                let soon = self.now + RETRY_AFTER;
                let until = self.given_up_at(finding, &hold).map_or(soon, |until| until.min(soon));
                self.hold_back(finding, hold, changes, out);
                self.wake(finding, until);
            }
        }
    }

    /// Looks at every open finding, in order of priority.
    pub(crate) fn reconsider_all(&mut self, out: &mut Vec<Output>) {
        self.reconsider(self.cases.keys().cloned().collect(), out);
    }

    /// Looks at the findings whose plan has ended and at those that plans have held back, in order of priority.
    pub(crate) fn reconsider_after(&mut self, ended: &[FindingRef], out: &mut Vec<Output>) {
        let waiting = self.cases.held_by(Hold::waits_for_a_plan);
        self.reconsider(ended.iter().cloned().chain(waiting).collect(), out);
    }

    /// Looks at these open findings, in order of priority.
    pub(crate) fn reconsider(&mut self, findings: BTreeSet<FindingRef>, out: &mut Vec<Output>) {
        let priority = |finding: &FindingRef| self.cases.get(finding).map(|case| Reverse(case.policy.priority));
        let mut findings: Vec<_> = findings.into_iter().filter_map(|one| Some((priority(&one)?, one))).collect();
        findings.sort();
        for (_, finding) in findings {
            self.consider(&finding, out);
        }
    }

    /// The finding has closed: its case ends, unless a plan is still in flight.
    pub(crate) fn close(&mut self, finding: &FindingRef, out: &mut Vec<Output>) {
        let Some(case) = self.cases.get_mut(finding) else { return };
        case.closed = true;
        match case.plan {
            Some(id) => {
                // Others may have joined it; then it waits for them.
                let over = |plan: &Arc<Plan>| self.cases.get(&self.speaker(plan)).is_none_or(|case| case.closed);
                if self.proposals.get(&id).is_some_and(over) {
                    self.drop_plan(id, "the finding has closed", out);
                }
            }
            None => {
                self.keep_climbed(finding);
                self.cases.remove(finding);
            }
        }
    }

    fn judge(&mut self, finding: &FindingRef, changes: &mut Vec<Change>, out: &mut Vec<Output>) -> Verdict {
        let Some(case) = self.cases.get(finding) else { return Verdict::Nothing };
        if let Some(plan) = case.plan.filter(|plan| self.is_agreed(*plan)) {
            return Verdict::Agreed(plan);
        }
        let rests = case.rests_until.is_some_and(|until| until > self.now);
        if case.plan.is_some() || case.settled.is_some() || case.closed || rests {
            return Verdict::Nothing;
        }
        let policy = case.policy.clone();
        match self.decider.holds(self.now, finding) {
            Truth::True => {}
            Truth::Unknown => {
                // That it became unknown has to be noticed, or nobody will say when it is known again.
                self.decider.recheck(self.now, finding, changes);
                return Verdict::Hold(Hold::Unknown);
            }
            Truth::False => {
                if policy.answers_events() {
                    self.decider.answered(self.now, finding, "its condition holds no longer", changes);
                } else {
                    self.decider.recheck(self.now, finding, changes);
                }
                return Verdict::Nothing;
            }
        }
        if self.mode_of(&policy) == Mode::Observe {
            return Verdict::Hold(Hold::Observing);
        }
        if self.paused || self.stopping {
            return Verdict::Hold(Hold::Paused);
        }
        let at_its_end = self.cases.get(finding).is_some_and(|case| case.rung >= policy.then.len());
        // What is done no more needs no leave.
        if let (Err(hold), false) = (self.left_alone(&finding.resource), at_its_end) {
            return Verdict::Hold(hold);
        }
        if let Err(hold) = self.guard.rested(self.now, finding) {
            return Verdict::Hold(hold);
        }
        if let Some(Err(hold)) = policy.limits.flap.map(|flap| self.guard.quiet(self.now, finding, &flap)) {
            return Verdict::Hold(hold);
        }
        self.climb(finding, changes, out)
    }

    /// Goes up the ladder until a response can be carried out.
    fn climb(&mut self, finding: &FindingRef, changes: &mut Vec<Change>, out: &mut Vec<Output>) -> Verdict {
        let projection = Projection::of(self.projected());
        let barred = self.cases.get(finding).map(|case| self.barred(&case.policy, &finding.resource));
        let barred = barred.unwrap_or_default();
        // Whether all of the ladder is not meant now, as its guards say: then it waits for them instead of ending.
        let mut nothing_meant = self.cases.get(finding).is_some_and(|case| case.is_untried());
        let mut told = self.cases.get(finding).is_some_and(|case| case.known_to_people);
        loop {
            let Some(case) = self.cases.get(finding) else { return Verdict::Nothing };
            let policy = case.policy.clone();
            let Some(rung) = policy.then.get(case.rung) else {
                if nothing_meant {
                    return self.begin_anew(finding);
                }
                return Verdict::Settle(if told { Settled::Told } else { Settled::HandedOver });
            };
            let index = case.rung;
            told = false;
            let mut guarded = false;
            let skipped = match self.decider.prescribe(self.now, finding, index, changes) {
                None => return Verdict::Nothing,
                Some(Prescribed::Unknown(what)) => match self.wait(finding, &policy, &what) {
                    Some(verdict) => return verdict,
                    None => Some(format!("{what}, for {} by now", policy.stale_after)),
                },
                Some(Prescribed::Pass(reason)) => {
                    guarded = true;
                    Some(reason)
                }
                Some(Prescribed::Do(response @ Response::Notify { .. })) => {
                    told = true;
                    self.tell_rung(finding, index, &response, out);
                    None
                }
                Some(Prescribed::Do(response)) if let Some(twin) = self.twin(finding, rung, &response) => {
                    return Verdict::Join(twin);
                }
                Some(Prescribed::Do(response)) => {
                    let around = self.around(&projection, &barred);
                    match self.drafted(&around, &policy, &finding.resource, rung, &response) {
                        Ok(draft) => match self.out_of_bounds(&policy, &finding.resource, &response, &draft, &around) {
                            None => {
                                let cost = draft.cost(&around);
                                return Verdict::Plan(draft, cost, response);
                            }
                            reason => reason,
                        },
                        Err(infeasible) => match self.not_yet(finding, &policy) {
                            Some(verdict) => return verdict,
                            None => Some(infeasible.to_string()),
                        },
                    }
                }
            };
            if let Some(reason) = skipped {
                self.skip(finding, index, reason, guarded, out);
            }
            nothing_meant &= guarded;
            if let Some(case) = self.cases.get_mut(finding) {
                case.pass(guarded);
            }
        }
    }

    /// Waits for what is not known, but not longer than a metric may take to come: what stands below in the ladder must not wait
    /// for good.
    fn wait(&mut self, finding: &FindingRef, policy: &Policy, what: &str) -> Option<Verdict> {
        let now = self.now;
        let since = *self.cases.get_mut(finding)?.undecided_since.get_or_insert(now);
        (now.since(since) < policy.stale_after).then(|| Verdict::Wait(Hold::Undecided { what: what.to_owned() }))
    }

    /// A sample may be faster than the adapter that will bring its resource.
    fn not_yet(&mut self, finding: &FindingRef, policy: &Policy) -> Option<Verdict> {
        let driven = self.topology.get(&finding.resource).is_some_and(|resource| resource.adapter.is_some());
        if driven { None } else { self.wait(finding, policy, "no adapter drives the resource yet") }
    }

    /// Records that a rung was passed over; `unmet`: since its `if` is not met. Once for each reason, but always where the ladder has begun
    /// and goes on by it: its place outlasts the program by that record.
    pub(crate) fn skip(
        &mut self,
        finding: &FindingRef,
        rung: usize,
        reason: String,
        unmet: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(case) = self.cases.get_mut(finding) else { return };
        let Some(response) = case.policy.then.get(rung).map(|rung| rung.response.to_string()) else { return };
        let goes_on = !(unmet && case.is_untried());
        if passes(&mut case.passed, rung, &reason) || goes_on {
            let (finding, rung) = (finding.clone(), Some(number(rung)));
            self.record(out, Entry::Skipped { finding, response, reason, rung, unmet, next: None });
        }
    }

    /// No rung is meant now: the ladder begins again when that changes.
    fn begin_anew(&mut self, finding: &FindingRef) -> Verdict {
        let Some(case) = self.cases.get_mut(finding) else { return Verdict::Nothing };
        (case.rung, case.attempts, case.unmeant) = (0, 0, 0);
        Verdict::Wait(Hold::Undecided { what: "no response of the ladder is meant now".into() })
    }

    /// Makes a plan of a draft and, as far as the policy's mode goes, begins it.
    fn propose(
        &mut self,
        finding: &FindingRef,
        draft: Draft,
        cost: Cost,
        response: &Response,
        changes: &mut Vec<Change>,
        out: &mut Vec<Output>,
    ) {
        let Some(evidence) = self.decider.evidence(self.now, finding) else { return };
        let Some(case) = self.cases.get_mut(finding) else { return };
        let policy = case.policy.clone();
        let rung = case.rung;
        let mode = self.mode_of(&policy);
        let mut plan = Plan {
            id: PlanId { generation: self.generation, number: self.plans_made + 1 },
            created: self.now,
            policy: finding.policy.clone(),
            subject: finding.resource.clone(),
            findings: vec![finding.clone()],
            response: response.to_string(),
            rung: u16::try_from(rung + 1).unwrap_or(u16::MAX),
            evidence,
            mode,
            priority: policy.priority,
            cost,
            effect: draft.effect,
            reach: Default::default(),
            steps: draft.steps,
            verification: policy.then.get(rung).and_then(|rung| rung.verification()).map(Box::new),
        };
        plan.reach = Arc::new(self.reach(&plan, response));
        if mode >= Mode::Approve
            && let Err(hold) = self.unopposed(&plan, changes)
        {
            self.tell_contradiction(finding, &hold, out);
            return self.hold_back(finding, hold, changes, out);
        }
        // A plan that only waits or is only shown owns nothing.
        if mode == Mode::Auto
            && let Err(hold) = self.admit(&plan, &policy)
        {
            return self.hold_back(finding, hold, changes, out);
        }
        if mode >= Mode::Approve {
            let others = self.of_one_mind(&plan, changes, out);
            plan.findings.extend(others);
        }
        self.tried(&policy, rung);
        self.plans_made += 1;
        let (id, plan) = (plan.id, Arc::new(plan));
        match mode {
            Mode::Observe => {}
            Mode::Recommend => {
                let Some(case) = self.cases.get_mut(finding) else { return };
                case.settled = Some(Settled::Mode);
                case.unmeant = 0;
                self.recommend(&plan, &policy);
                self.keep_recent(Run::new(plan.clone()), None);
                self.record(out, Entry::PlanMade(plan));
                self.hold(finding, Hold::Recommended, out);
                let mut changes = Vec::new();
                self.decider.answered(self.now, finding, "a plan was recommended", &mut changes);
                let pause = policy.then.get(rung).and_then(|rung| rung.cooldown);
                self.guard.rest(self.now, finding, pause.unwrap_or(policy.cooldown));
                self.follow(changes, out);
            }
            Mode::Approve => {
                self.record(out, Entry::PlanMade(plan.clone()));
                self.share(&plan, out);
                self.proposals.insert(id, plan.clone());
                match &policy.limits.approval {
                    Some(rule) => self.ask(finding, &plan, rule, out),
                    None => self.hold(finding, Hold::AwaitingApproval, out),
                }
                self.ask_people(&plan, policy.limits.approval.as_ref(), out);
            }
            Mode::Auto => {
                self.record(out, Entry::PlanMade(plan.clone()));
                self.share(&plan, out);
                self.begin(plan, out);
            }
        }
    }

    /// Records why nothing is done, once, and sees to it that the finding is looked at again.
    pub(crate) fn hold(&mut self, finding: &FindingRef, hold: Hold, out: &mut Vec<Output>) {
        // All other holds end with a plan, with a person's word, or when something becomes known.
        if let Some(until) = hold.until().filter(|until| *until > self.now) {
            self.wake(finding, until);
        }
        if !self.cases.contains_key(finding) {
            return;
        }
        let told = self.cases.hold_of(finding).is_some_and(|before| before.alike(&hold));
        self.cases.hold(finding, hold.clone());
        if !told {
            self.record(out, Entry::Held { finding: finding.clone(), hold });
        }
    }

    /// Looks at a case again at `at`: one alarm for each case, the newest wish counts.
    pub(crate) fn wake(&mut self, finding: &FindingRef, at: Timestamp) {
        let Some(case) = self.cases.get_mut(finding) else { return };
        if let Some(old) = case.alarm.replace(at) {
            self.alarms.remove(&(old, Alarm::Reconsider(finding.clone().into())));
        }
        self.alarms.insert((at, Alarm::Reconsider(finding.clone().into())));
    }

    /// Keeps how far a ladder was climbed, before its case ends.
    fn keep_climbed(&mut self, finding: &FindingRef) {
        // Once a person has taken over, it counts until it has been quiet for long enough, however often it opened meanwhile.
        let handed_over = |case: &Case| case.known_to_people || case.settled == Some(Settled::HandedOver);
        let counts = |case: &&Case| case.in_vain || case.policy.answers_events() || case.disrupted || handed_over(case);
        let Some(case) = self.cases.get(finding).map(AsRef::as_ref).filter(counts) else { return };
        let within = recurs_within(&case.policy);
        let told = case.known_to_people || matches!(case.settled, Some(Settled::HandedOver | Settled::Told));
        let climbed = Climbed {
            policy: case.policy.clone(),
            rung: case.rung,
            attempts: case.attempts,
            disrupted: case.disrupted,
            in_vain: case.in_vain,
            told,
            settled: None,
            passed: Vec::new(),
            began: case.began,
            next: None,
            until: self.now + within,
        };
        let now = self.now;
        self.climbed.retain(|_, climbed| climbed.until > now);
        if climbed.rung > 0 || climbed.attempts > 0 {
            self.climbed.insert(finding.clone(), climbed);
        }
    }

    /// What was open when homeostat last ended is known to have closed: how far its ladder was climbed counts from now on, if it does.
    pub(crate) fn closed_unopened(&mut self, finding: &FindingRef) {
        let now = self.now;
        let Some(climbed) = self.climbed.get_mut(finding).filter(|_| !self.cases.contains_key(finding)) else { return };
        let settled = climbed.settled.take();
        let handed_over = climbed.told || settled == Some(Settled::HandedOver);
        let counts = climbed.in_vain || climbed.policy.answers_events() || climbed.disrupted || handed_over;
        climbed.passed.clear();
        climbed.told = handed_over || settled == Some(Settled::Told);
        if counts && climbed.until > now && (climbed.rung > 0 || climbed.attempts > 0) {
            climbed.until = now + recurs_within(&climbed.policy);
        } else {
            self.climbed.remove(finding);
        }
    }

    /// Goes on where the ladder was, if the finding was open not long ago.
    pub(crate) fn remember(&mut self, finding: &FindingRef) {
        let Some(climbed) = self.climbed.remove(finding).filter(|climbed| climbed.until > self.now) else { return };
        if let Some(case) = self.cases.get_mut(finding).filter(|case| case.plan.is_none()) {
            case.go_on_from(climbed);
            if let Some(next) = case.out_of_time.take() {
                case.go_to(next);
            }
        }
    }

    /// A plan has ended, and nobody knows what became of a step: nothing more is done here until a person has looked.
    pub(crate) fn plan_in_doubt(&mut self, finding: &FindingRef, plan: PlanId, out: &mut Vec<Output>) {
        let reason =
            format!("what became of a step of plan {plan} is not known; look at its system, then cancel the plan");
        self.hand_over(finding, reason, false, out);
        let Some(case) = self.cases.get_mut(finding) else { return };
        (case.plan, case.out_of_time) = (None, None);
        case.settled = Some(Settled::HandedOver);
        let closed = case.closed;
        let mut changes = Vec::new();
        if closed {
            self.keep_climbed(finding);
            self.cases.remove(finding);
        } else {
            self.decider.answered(self.now, finding, "a person has to look", &mut changes);
        }
        self.follow(changes, out);
    }

    /// A plan has ended: the ladder goes on, rests, or is done.
    pub(crate) fn plan_ended(&mut self, finding: &FindingRef, result: &PlanResult, out: &mut Vec<Output>) {
        let now = self.now;
        self.cases.free(finding);
        let Some(case) = self.cases.get_mut(finding) else { return };
        case.plan = None;
        if *result != PlanResult::Succeeded {
            case.pursued.clear();
        }
        case.in_vain = in_vain(result, case.in_vain);
        let policy = case.policy.clone();
        let rung = u16::try_from(case.rung.saturating_add(1)).unwrap_or(u16::MAX);
        let next = case.out_of_time.take();
        let out_of_time = next.is_some();
        let pause = pause_after(&policy, rung, result, out_of_time);
        // What was called off was not tried, unless its time was over.
        let tried = !out_of_time && !matches!(result, PlanResult::Cancelled { .. });
        let escalated = out_of_time || tried && case.attempted();
        if let Some(next) = next {
            case.undecided_since = None;
            case.go_to(next);
        }
        match (result, pause) {
            (PlanResult::Cancelled { .. }, _) if out_of_time => self.wake(finding, now),
            (PlanResult::Cancelled { .. }, _) => {
                case.settled = Some(Settled::CalledOff);
                // An event is over with that.
                if !case.closed && !policy.answers_events() {
                    self.hold(finding, Hold::CalledOff, out);
                }
            }
            (_, Some(pause)) => {
                self.guard.rest(now, finding, pause);
                self.wake(finding, now + pause);
            }
            (_, None) if escalated => self.wake(finding, now),
            (_, None) => {
                case.rests_until = Some(now + RETRY_AFTER);
                self.wake(finding, now + RETRY_AFTER);
            }
        }
        let Some(case) = self.cases.get(finding) else { return };
        let closed = case.closed;
        let mut changes = Vec::new();
        match result {
            _ if closed => {
                // What closed it was the plan at work, if not its success: opened again soon, it goes on where it was.
                self.keep_climbed(finding);
                self.cases.remove(finding);
            }
            PlanResult::Succeeded => self.decider.answered(now, finding, "the plan succeeded", &mut changes),
            PlanResult::Cancelled { .. } if out_of_time => {}
            PlanResult::Cancelled { .. } => {
                self.decider.answered(now, finding, "the plan was called off", &mut changes)
            }
            PlanResult::Failed { .. } | PlanResult::Unverified { .. } | PlanResult::Expired { .. } => {}
        }
        self.follow(changes, out);
    }
}

/// How long a policy leaves a resource alone after a plan of its rung (from 1) ended like this, `out_of_time` or not; none where the ladder goes on at once, or
/// after a moment.
pub(crate) fn pause_after(policy: &Policy, rung: u16, result: &PlanResult, out_of_time: bool) -> Option<Duration> {
    let own = policy.then.get(usize::from(rung.saturating_sub(1))).and_then(|rung| rung.cooldown);
    match result {
        PlanResult::Succeeded => Some(own.unwrap_or(policy.cooldown)),
        // The next one is due.
        PlanResult::Failed { .. } | PlanResult::Unverified { .. } if out_of_time => None,
        // A response that has a pause of its own backs off: also when it failed.
        PlanResult::Failed { .. } | PlanResult::Unverified { .. } => own.map(|own| own.max(RETRY_AFTER)),
        PlanResult::Cancelled { .. } | PlanResult::Expired { .. } => None,
    }
}

/// Whether the last plan was in vain once one has ended like this; `before`: whether the one before it was.
pub(crate) fn in_vain(result: &PlanResult, before: bool) -> bool {
    match result {
        PlanResult::Succeeded => false,
        PlanResult::Failed { .. } | PlanResult::Unverified { .. } => true,
        // Of itself it says nothing.
        PlanResult::Cancelled { .. } | PlanResult::Expired { .. } => before,
    }
}

/// How long a ladder is remembered after its finding has closed.
pub(crate) fn recurs_within(policy: &Policy) -> Duration {
    policy.recurs_within().max(RECURS_WITHIN)
}
