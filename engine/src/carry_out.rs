//! Carries plans out: dispatches steps, takes in their reports, and ends plans.

use std::collections::BTreeSet;

use homeostat_model::{
    Duration, Entry, FindingRef, IdempotencyKey, Plan, PlanId, PlanResult, StepCommand, StepId, StepReport, StepResult,
    Truth,
};
use homeostat_plan::{Projection, Run, Surroundings};

use crate::{Engine, Output, engine::Alarm};

/// How long after a step's own timeout its report may still come: the driver probes the system in that time.
const REPORT_GRACE: Duration = Duration::from_mins(1);

impl Engine {
    /// Begins a plan whose resources are free.
    pub(crate) fn begin(&mut self, plan: Plan, out: &mut Vec<Output>) {
        let id = plan.id;
        self.plans_begun += 1;
        self.guard.own(self.now, &plan);
        self.breakers_at_begin(&plan, out);
        self.runs.insert(id, Run::new(plan));
        self.go_on(id, out);
    }

    /// Dispatches what can begin, and ends the plan when nothing is left.
    fn go_on(&mut self, id: PlanId, out: &mut Vec<Output>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        for step in run.begin() {
            let key = IdempotencyKey::new(id, step.id);
            self.record(out, Entry::StepDispatched { plan: id, step: step.id, key: key.clone() });
            let overdue = self.now + step.timeout.plus(REPORT_GRACE);
            self.alarms.insert((overdue, Alarm::Overdue(id, step.id)));
            out.push(Output::Dispatch(StepCommand {
                plan: id,
                step: step.id,
                key,
                generation: self.generation,
                adapter: step.adapter,
                resource: step.resource,
                action: step.action,
                timeout: step.timeout,
            }));
        }
        let Some(result) = self.runs.get(&id).and_then(Run::result) else { return };
        let Some(run) = self.runs.remove(&id) else { return };
        // What may or may not have been done must not be done again by anybody before a person has looked.
        let in_doubt = run.in_doubt();
        self.guard.release(id, &in_doubt);
        self.record(out, Entry::PlanFinished { plan: id, result: result.clone() });
        let Plan { policy, subject, .. } = run.plan();
        let finding = FindingRef { policy: policy.clone(), resource: subject.clone() };
        self.breakers_at_end(run.plan(), &result, !in_doubt.is_empty(), out);
        self.autonomy_at_end(run.plan(), &result, !in_doubt.is_empty(), out);
        if in_doubt.is_empty() {
            self.plan_ended(&finding, &result, out);
        } else {
            self.plan_in_doubt(&finding, id, out);
        }
        // What was held back because this plan owned something may go now.
        self.reconsider_after(&finding, out);
    }

    /// Takes in how a step ended.
    pub(crate) fn reported(&mut self, report: &StepReport, out: &mut Vec<Output>) {
        let StepReport { plan, step, key, generation, result } = report;
        let refusal = if *generation != self.generation {
            Some(format!("it is of generation {}, this is {}", generation.0, self.generation.0))
        } else if *key != IdempotencyKey::new(*plan, *step) {
            Some(format!("the key is not that of step {step} of plan {plan}"))
        } else {
            match self.runs.get_mut(plan) {
                None => Some("the plan is not in flight".to_owned()),
                Some(run) => run.report(*step, result).err().map(|illegal| illegal.to_string()),
            }
        };
        if let Some(reason) = refusal {
            return self.record(out, Entry::InputRefused { input: format!("report of step {key}"), reason });
        }
        self.record(out, Entry::StepFinished { plan: *plan, step: *step, result: result.clone() });
        self.go_on(*plan, out);
    }

    /// No report came in time.
    pub(crate) fn overdue(&mut self, plan: PlanId, step: StepId, out: &mut Vec<Output>) {
        let running = self.runs.get(&plan).is_some_and(|run| run.running().any(|running| running == step));
        if running {
            let key = IdempotencyKey::new(plan, step);
            out.push(Output::Cancel(key.clone()));
            let result = StepResult::Unknown { reason: "no report came".into() };
            self.reported(&StepReport { plan, step, key, generation: self.generation, result }, out);
        }
    }

    /// Carries out a plan that waited for a person.
    pub(crate) fn approve(&mut self, id: PlanId, out: &mut Vec<Output>) {
        let input = || format!("approval of plan {id}");
        let Some(plan) = self.proposals.get(&id) else {
            let reason = "no such plan waits for approval".into();
            return self.record(out, Entry::InputRefused { input: input(), reason });
        };
        if self.paused {
            let reason = homeostat_model::Hold::Paused.to_string();
            return self.record(out, Entry::InputRefused { input: input(), reason });
        }
        let finding = FindingRef { policy: plan.policy.clone(), resource: plan.subject.clone() };
        let policy = self.cases.get(&finding).map(|case| case.policy.clone());
        let admitted = policy.map_or(Ok(()), |policy| self.admit(plan, &policy));
        if let Err(hold) = admitted {
            return self.record(out, Entry::InputRefused { input: input(), reason: hold.to_string() });
        }
        if !self.still_right(&plan.clone()) {
            self.record(
                out,
                Entry::InputRefused { input: input(), reason: "the situation has changed since it was made".into() },
            );
            return self.withdraw(id, out);
        }
        if let Some(plan) = self.proposals.remove(&id) {
            let finding = FindingRef { policy: plan.policy.clone(), resource: plan.subject.clone() };
            if let Some(case) = self.cases.get_mut(&finding) {
                case.hold = None;
            }
            self.begin(plan, out);
        }
    }

    /// Whether the same plan would be made now: its condition holds, and the same steps are the right ones.
    fn still_right(&mut self, plan: &Plan) -> bool {
        let finding = FindingRef { policy: plan.policy.clone(), resource: plan.subject.clone() };
        if self.decider.holds(self.now, &finding) != Truth::True {
            return false;
        }
        let Some(rung) = self.cases.get(&finding).map(|case| case.rung) else { return false };
        let prescribed = self.decider.prescribe(self.now, &finding, rung, &mut Vec::new());
        let Some(homeostat_decide::Prescribed::Do(response)) = prescribed else { return false };
        let projection = Projection::of(self.in_flight());
        let around =
            Surroundings { topology: &self.topology, capabilities: &self.capabilities, projection: &projection };
        homeostat_plan::draft(&around, &plan.subject, &response).is_ok_and(|draft| draft.steps == plan.steps)
    }

    /// Takes back a plan that waits, and looks at its finding anew.
    fn withdraw(&mut self, id: PlanId, out: &mut Vec<Output>) {
        let Some(plan) = self.proposals.remove(&id) else { return };
        let result = PlanResult::Cancelled { reason: "the situation has changed since it was made".into() };
        self.record(out, Entry::PlanFinished { plan: id, result });
        let finding = FindingRef { policy: plan.policy, resource: plan.subject };
        if let Some(case) = self.cases.get_mut(&finding) {
            case.plan = None;
            case.hold = None;
        }
        self.consider(&finding, out);
    }

    /// Calls a plan off, whether it waits or runs.
    pub(crate) fn call_off(&mut self, id: PlanId, reason: &str, out: &mut Vec<Output>) {
        if let Some(plan) = self.proposals.remove(&id) {
            let mut run = Run::new(plan);
            run.call_off(reason);
            self.runs.insert(id, run);
        } else if let Some(run) = self.runs.get_mut(&id) {
            run.call_off(reason);
            out.extend(run.running().map(|step| Output::Cancel(IdempotencyKey::new(id, step))));
        } else if self.guard.has_any(id) {
            // It has ended in doubt; a person has looked.
            self.guard.release(id, &BTreeSet::new());
            return self.reconsider_all(out);
        } else {
            let input = format!("calling off plan {id}");
            return self.record(out, Entry::InputRefused { input, reason: "no such plan waits or runs".into() });
        }
        self.go_on(id, out);
    }
}
