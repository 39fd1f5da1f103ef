//! Goes on with the plans of an earlier generation.
//!
//! ```text
//!   OpenPlan: as it was made, and its records
//!      |  the same machine takes the records in
//!      v
//!   what ran when they ended is probed; nothing else begins before every adapter of the plan has described what there is
//!      |  done: it goes on    not done: tried again, or undone    nobody can tell: in doubt
//!      v
//!   a plan in flight like any other; its resources were its own all the time
//! ```

use homeostat_model::{
    AdapterName, Entry, FindingRef, IdempotencyKey, Impact, Mode, OpenPlan, Plan, PlanId, PlanResult, Record, Timestamp,
};
use homeostat_plan::{Deed, Run};

use crate::{Engine, Output, case::Case};

impl Engine {
    /// Takes over a plan that was in flight.
    pub(crate) fn recover(&mut self, open: &OpenPlan, out: &mut Vec<Output>) {
        let id = open.made.id;
        let refuse = |reason| Entry::InputRefused { input: format!("recovery of plan {id}"), reason };
        if id.generation >= self.generation || self.runs.contains_key(&id) || self.doubtful.contains_key(&id) {
            return self.record(out, refuse("it is no plan of an earlier start, or is known already".into()));
        }
        if open.has_not_begun() && open.made.mode == Mode::Approve {
            // Nobody has said yes, so it owns nothing and counts nowhere; the finding will be proposed anew.
            let reason = "homeostat was started anew before it began".into();
            self.asked_no_more(id, out);
            return self.record(out, Entry::PlanFinished { plan: id, result: PlanResult::Cancelled { reason } });
        }
        self.guard.own_again(self.now, &open.made);
        match Run::recovered(open, self.now) {
            // It may have done anything: all of it counts as done, and what it acts on stays its own, until a person has looked.
            Err(illegal) => {
                self.doubtful.insert(id, Plan::clone(&open.made));
                self.keep_recent(Run::new(open.made.clone()), None);
                self.record(out, refuse(format!("its records contradict each other: {illegal}")));
            }
            Ok(run) if open.has_ended() => {
                self.guard.release(run.plan(), &run.in_doubt());
                self.doubtful.extend(run.doubtful().map(|plan| (id, plan)));
                let ended = open.history.iter().rev().find_map(|record| match &record.entry {
                    Entry::PlanFinished { result, .. } => Some(result.clone()),
                    _ => None,
                });
                self.keep_recent(run, ended);
            }
            Ok(run) => {
                let joined = open.joined();
                for finding in std::iter::once(&open.made.finding()).chain(&joined) {
                    self.take_up(finding.clone(), open);
                }
                if !joined.is_empty() {
                    self.joined.insert(id, joined);
                }
                self.take_over(id, open, run, out);
            }
        }
    }

    fn take_over(&mut self, id: PlanId, open: &OpenPlan, run: Run, out: &mut Vec<Output>) {
        let adapters = run.plan().steps.iter().map(|step| step.adapter.clone()).collect();
        self.recovered.insert(id, adapters);
        let running: Vec<Deed> = run.running().collect();
        self.runs.insert(run);
        for deed in running {
            let key = IdempotencyKey::of(id, deed.step.id, deed.attempt);
            self.lanes.take(&self.topology, &key, &deed);
            let begun = dispatched_at(open, &key).unwrap_or(open.made.created);
            let command = self.command_of(id, deed, begun);
            self.await_report(&command);
            out.push(Output::Probe(command));
        }
        self.go_on(id, out);
    }

    /// Whether a plan of an earlier generation has to wait for what is not described yet.
    pub(crate) fn is_blind(&self, id: PlanId) -> bool {
        self.recovered.get(&id).is_some_and(|awaited| !awaited.is_empty())
    }

    /// An adapter has described what there is.
    pub(crate) fn described(&mut self, adapter: &AdapterName, out: &mut Vec<Output>) {
        let mut awaiting = Vec::new();
        for (id, awaited) in &mut self.recovered {
            if awaited.remove(adapter) && awaited.is_empty() {
                awaiting.push(*id);
            }
        }
        // What runs of any of them has its places before something begins of one.
        awaiting.iter().for_each(|id| self.settle_in(*id));
        awaiting.into_iter().for_each(|id| self.go_on(id, out));
    }

    /// All that a plan of an earlier generation acts on is described by now: what runs of it takes its places, and what it was for is looked
    /// at as long as its policy says.
    fn settle_in(&mut self, id: PlanId) {
        let Some(run) = self.runs.get_mut(id) else { return };
        run.look_anew(self.now);
        for deed in run.running() {
            let key = IdempotencyKey::of(id, deed.step.id, deed.attempt);
            self.lanes.leave(&key);
            self.lanes.take(&self.topology, &key, &deed);
        }
    }

    /// The case of a finding that `plan` is for: closed, until it is seen that it still is open.
    fn take_up(&mut self, finding: FindingRef, open: &OpenPlan) {
        let plan = &open.made;
        let Some(policy) = self.policy(&finding.policy) else { return };
        let mut case = Case::new(policy);
        if let Some(climbed) = self.climbed.remove(&finding) {
            case.go_on_from(climbed);
        }
        let joins = |record: &Record| match &record.entry {
            Entry::Joined { finding: own, rung, .. } if *own == finding => Some((record.at, *rung)),
            _ => None,
        };
        let (joined, rung) = open.history.iter().rev().find_map(joins).unwrap_or((plan.created, None));
        if plan.findings.contains(&finding) || rung.is_some() {
            let own = Some(plan.rung).filter(|_| plan.finding() == finding);
            case.be_at(own.or(rung).map_or(case.rung, |rung| usize::from(rung.saturating_sub(1))));
            let begins = |record: &&Record| {
                let Record { entry, .. } = record;
                matches!(entry, Entry::PlanBegun { .. } | Entry::StepDispatched { .. } | Entry::StepFinished { .. })
            };
            let began = open.history.iter().find(begins).map_or(plan.created, |record| record.at).max(joined);
            case.began.rung.get_or_insert(began);
            case.began.ladder.get_or_insert(began);
            case.disrupted |= plan.reach.impact >= Impact::Restart;
        }
        (case.plan, case.closed) = (Some(plan.id), true);
        self.cases.insert(finding, case);
    }

    /// A finding is open again whose plan goes on: what that brings about no other policy takes back.
    pub(crate) fn pursue_again(&mut self, finding: &FindingRef) {
        let plan = self.cases.get(finding).filter(|case| case.pursued.is_empty()).and_then(|case| case.plan);
        let Some(run) = plan.and_then(|id| self.runs.get(&id)) else { return };
        let wishes = self.wishes_of(&run.plan().steps);
        if let Some(case) = self.cases.get_mut(finding) {
            case.pursue(wishes);
        }
    }
}

/// When the deed of `key` was handed over.
fn dispatched_at(open: &OpenPlan, key: &IdempotencyKey) -> Option<Timestamp> {
    let dispatched = |entry: &Entry| matches!(entry, Entry::StepDispatched { key: own, .. } if own == key);
    open.history.iter().find(|record| dispatched(&record.entry)).map(|record| record.at)
}
