//! How long a ladder takes at most: each rung, and all of it. And its end: a person takes over.
//!
//! ```text
//!   first plan of a rung begins --within--> its plan begins no more steps; the next rung follows
//!   first plan of the ladder begins --handOver.after--> the same; the ladder is at its end
//! ```
//!
//! What is being done is not interrupted: half a deed is worse than a late one.

use homeostat_model::{Duration, Entry, FindingRef, Impact, Plan, Timestamp};
use homeostat_policy::HandOver;

use crate::{Engine, Output, engine::Alarm};

impl Engine {
    /// `plan` begins: from now on the time of its rung runs, and that of its ladder.
    pub(crate) fn count_time(&mut self, plan: &Plan) {
        let (now, finding) = (self.now, plan.finding());
        let Some(case) = self.cases.get_mut(&finding) else { return };
        case.told_last = false;
        case.disrupted |= plan.reach.impact >= Impact::Restart;
        let mut alarms = Vec::new();
        if case.rung_began.is_none() {
            case.rung_began = Some(now);
            if let Some(within) = case.policy.then.get(case.rung).and_then(|rung| rung.within) {
                alarms.push((now + within, Alarm::RungOver(finding.clone(), case.rung, now)));
            }
        }
        if case.ladder_began.is_none() {
            case.ladder_began = Some(now);
            if let Some(after) = case.policy.limits.hand_over.after {
                alarms.push((now + after, Alarm::LadderOver(finding, now)));
            }
        }
        self.alarms.extend(alarms);
    }

    /// The time of a rung is over, if the ladder is still there.
    pub(crate) fn rung_over(&mut self, finding: &FindingRef, rung: usize, since: Timestamp, out: &mut Vec<Output>) {
        let there = |case: &&crate::case::Case| case.rung == rung && case.rung_began == Some(since);
        let Some(case) = self.cases.get(finding).filter(there) else { return };
        let within = case.policy.then.get(rung).and_then(|rung| rung.within).unwrap_or_default();
        self.leave_rung(finding, None, within, out);
    }

    /// The time of a whole ladder is over, if it is still climbed.
    pub(crate) fn ladder_over(&mut self, finding: &FindingRef, since: Timestamp, out: &mut Vec<Output>) {
        let Some(case) = self.cases.get(finding).filter(|case| case.ladder_began == Some(since)) else { return };
        let (last, after) = (case.policy.then.len(), case.policy.limits.hand_over.after.unwrap_or_default());
        self.leave_rung(finding, Some(last), after, out);
    }

    /// Goes on at another rung of the ladder, `to` or the next; at once, or when what is being done has ended.
    fn leave_rung(&mut self, finding: &FindingRef, to: Option<usize>, limit: Duration, out: &mut Vec<Output>) {
        let Some(case) = self.cases.get_mut(finding).filter(|case| case.settled.is_none() && !case.closed) else {
            return;
        };
        let reason = format!("it has not helped within {limit}");
        let (plan, left) = (case.plan, case.rung);
        let response = case.policy.then.get(left).map_or_else(String::new, |rung| rung.response.to_string());
        match plan {
            Some(plan) => {
                case.out_of_time = true;
                // When it has ended, the rung after this one follows.
                case.rung = to.map_or(left, |to| to.saturating_sub(1));
                case.attempts = 0;
                self.stop_early(plan, &reason, out);
            }
            None => {
                case.rung = to.unwrap_or(left + 1);
                (case.attempts, case.rung_began) = (0, None);
                self.record(out, Entry::Skipped { finding: finding.clone(), response, reason });
                self.consider(finding, out);
            }
        }
    }

    /// Nothing is left to try, or nothing may be tried: people are told, and the resource is left alone where something was interrupted.
    pub(crate) fn hand_over(&mut self, finding: &FindingRef, reason: String, disrupted: bool, out: &mut Vec<Output>) {
        self.record(out, Entry::HandedOver { finding: finding.clone(), reason: reason.clone() });
        let policy = self.decider.policies().find(|policy| policy.name == finding.policy);
        let how = policy.map(|policy| policy.limits.hand_over.clone());
        let how = how.unwrap_or_default();
        // A rung has told them, and nothing was done since: once is enough, unless the policy says whom to tell at the end.
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
