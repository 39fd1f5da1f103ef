//! How long a ladder takes at most: each rung, and all of it. And its end: a person takes over.
//!
//! ```text
//!   first plan of a rung begins --within--> its plan begins no more steps, and is undone; the next rung follows
//!   first plan of the ladder begins --handOver.after--> the same; the ladder is at its end
//! ```
//!
//! What is being done is not interrupted: half a deed is worse than a late one. It has not helped, so that the plan ends as unverified.
//!
//! The times outlast the program, as does the place of a ladder: both are in its records. They go on while nothing runs, and while the
//! finding is closed for a moment. What is over when the finding is open again is left at once, before anything more of it is done.

use homeostat_model::{Duration, Entry, FindingRef, Impact, Plan, PlanId, Timestamp};
use homeostat_policy::HandOver;

use crate::{Engine, Output, arbitration::number, case::Case, engine::Alarm};

impl Engine {
    /// `plan` begins, which is for this finding, or for it too: from now on the time of its rung runs, and that of its ladder.
    pub(crate) fn count_time(&mut self, finding: &FindingRef, plan: &Plan) {
        let now = self.now;
        let Some(case) = self.cases.get_mut(finding) else { return };
        case.told_last = false;
        case.disrupted |= plan.reach.impact >= Impact::Restart;
        case.began.rung.get_or_insert(now);
        case.began.ladder.get_or_insert(now);
        self.await_end(finding);
    }

    /// Sees to it that a rung and a ladder whose times run are left when they are over.
    fn await_end(&mut self, finding: &FindingRef) {
        let Some(case) = self.cases.get(finding) else { return };
        let rung = case.began.rung.zip(case.policy.then.get(case.rung).and_then(|rung| rung.within));
        let ladder = case.began.ladder.zip(case.policy.limits.hand_over.after);
        let rung =
            rung.map(|(since, within)| (since + within, Alarm::RungOver(finding.clone().into(), case.rung, since)));
        let ladder = ladder.map(|(since, after)| (since + after, Alarm::LadderOver(finding.clone().into(), since)));
        self.alarms.extend(rung.into_iter().chain(ladder).filter(|(at, _)| *at > self.now));
    }

    /// A finding is open, maybe again: its times run on from when they began, and what is over is left before more of it is done.
    pub(crate) fn times_go_on(&mut self, finding: &FindingRef, out: &mut Vec<Output>) {
        let Some(case) = self.cases.get(finding) else { return };
        let rung = case.began.rung.zip(case.policy.then.get(case.rung).and_then(|rung| rung.within));
        let ladder = case.began.ladder.zip(case.policy.limits.hand_over.after);
        let over = |time: Option<(Timestamp, Duration)>| time.filter(|(since, lasts)| *since + *lasts <= self.now);
        let last = case.policy.then.len();
        // It was to be called off when homeostat ended.
        let going = |plan: &PlanId| self.runs.get(plan).is_some_and(|run| run.is_on_course());
        let overdue = case.plan.filter(|plan| case.out_of_time.is_some() && going(plan));
        let overdue = overdue.filter(|plan| self.speaks_for(finding, *plan));
        if let Some(plan) = overdue {
            self.stop_early(plan, "it has not helped in time", out);
        } else if let Some((_, after)) = over(ladder) {
            self.leave_rung(finding, last, after, out);
        } else if let Some((_, within)) = over(rung) {
            self.leave_rung(finding, case.rung + 1, within, out);
        }
        self.await_end(finding);
    }

    /// The time of a rung is over, if the ladder is still there.
    pub(crate) fn rung_over(&mut self, finding: &FindingRef, rung: usize, since: Timestamp, out: &mut Vec<Output>) {
        let there = |case: &&Case| case.rung == rung && case.began.rung == Some(since);
        let Some(case) = self.cases.get(finding).map(AsRef::as_ref).filter(there) else { return };
        let within = case.policy.then.get(rung).and_then(|rung| rung.within).unwrap_or_default();
        if self.leave_rung(finding, rung + 1, within, out) {
            self.consider(finding, out);
        }
    }

    /// The time of a whole ladder is over, if it is still climbed.
    pub(crate) fn ladder_over(&mut self, finding: &FindingRef, since: Timestamp, out: &mut Vec<Output>) {
        let Some(case) = self.cases.get(finding).filter(|case| case.began.ladder == Some(since)) else { return };
        let (last, after) = (case.policy.then.len(), case.policy.limits.hand_over.after.unwrap_or_default());
        if self.leave_rung(finding, last, after, out) {
            self.consider(finding, out);
        }
    }

    /// Goes on at the rung `next`: at once, which is said, or when what is being done has ended. At its end a ladder has nothing to leave.
    fn leave_rung(&mut self, finding: &FindingRef, next: usize, limit: Duration, out: &mut Vec<Output>) -> bool {
        let climbs = |case: &&mut Case| {
            case.settled.is_none() && !case.closed && case.out_of_time.is_none_or(|before| before < next)
        };
        let Some(case) = self.cases.get_mut(finding).filter(climbs) else { return false };
        let Some(rung) = case.policy.then.get(case.rung) else { return false };
        let (response, plan, left) = (rung.response.to_string(), case.plan, number(case.rung));
        let reason = format!("it has not helped within {limit}");
        let first = case.out_of_time.is_none();
        match plan {
            Some(_) => case.out_of_time = Some(next),
            None => case.go_to(next),
        }
        let (rung, next) = (Some(left), Some(number(next)));
        let entry =
            Entry::Skipped { finding: finding.clone(), response, reason: reason.clone(), rung, unmet: false, next };
        self.record(out, entry);
        // A plan that others have joined is carried out as the one that made it says.
        if let Some(plan) = plan.filter(|id| first && self.speaks_for(finding, *id)) {
            self.stop_early(plan, &reason, out);
        }
        plan.is_none()
    }

    /// Whether a plan goes on for this finding, and not for one that it has joined.
    fn speaks_for(&self, finding: &FindingRef, plan: PlanId) -> bool {
        let plan = self.runs.get(&plan).map(|run| run.plan()).or_else(|| self.proposals.get(&plan).map(AsRef::as_ref));
        plan.is_none_or(|plan| self.speaker(plan) == *finding)
    }

    /// Nothing is left to try, or nothing may be tried: people are told, and the resource is left alone where something was interrupted.
    pub(crate) fn hand_over(&mut self, finding: &FindingRef, reason: String, disrupted: bool, out: &mut Vec<Output>) {
        self.record(out, Entry::HandedOver { finding: finding.clone(), reason: reason.clone() });
        let policy = self.decider.policies().find(|policy| policy.name == finding.policy);
        let how = policy.map(|policy| policy.limits.hand_over.clone());
        let how = how.unwrap_or_default();
        // A rung has told them all of something as urgent, and nothing was done since: once is enough, unless the policy says how it ends.
        let enough = how == HandOver::default() && self.cases.get(finding).is_some_and(|case| case.told_last);
        let HandOver { to, severity, quarantine, .. } = how;
        let message = format!("a person has to go on with {}: {reason}", finding.resource);
        if !enough {
            self.tell(finding, None, severity, &message, &to, out);
        }
        if let Some(lasts) = quarantine.lasts(disrupted) {
            self.quarantine(finding, lasts, out);
        }
    }
}
