//! Carries plans out: dispatches steps, takes in their reports, and ends plans.

use std::sync::Arc;

use homeostat_model::{
    Duration, Entry, IdempotencyKey, Mode, Plan, PlanId, PlanResult, StepCommand, StepId, StepReport, StepResult,
    Timestamp,
};
use homeostat_plan::{Deed, Run, unmet};

use crate::{CommandRefused, Engine, Output, ending::Ending, engine::Alarm};

/// How often it is looked whether a plan has helped: no source measures more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// Begins a plan whose resources are free.
    pub(crate) fn begin(&mut self, plan: Arc<Plan>, out: &mut Vec<Output>) {
        let id = plan.id;
        self.plans_begun += 1;
        if plan.mode == Mode::Approve {
            // Its first step may wait for a lane, and people were told that it runs: it is not to be asked about again.
            self.record(out, Entry::PlanBegun { plan: id });
        }
        self.guard.own(self.now, &plan);
        self.breakers_at_begin(&plan, out);
        for finding in self.findings_of(&plan) {
            self.count_time(&finding, &plan);
        }
        self.runs.insert(Run::new(plan));
        self.go_on(id, out);
    }

    /// Dispatches what can begin, looks whether it helped once it is done, and ends the plan when nothing is left.
    pub(crate) fn go_on(&mut self, id: PlanId, out: &mut Vec<Output>) {
        self.dispatch_ready(id, out);
        let Some(run) = self.runs.get(&id) else { return };
        if let Some(at) = run.next_try().filter(|at| *at > self.now) {
            self.alarms.insert((at, Alarm::TryAgain(id)));
        }
        match (run.result(), run.verifying_until()) {
            (Some(result), _) => self.finish(id, result, out),
            // What is not described yet says nothing of whether it helped.
            (None, Some(_)) if !self.verifying.contains(&id) && !self.is_blind(id) => self.look(id, out),
            (None, _) => {}
        }
    }

    /// A plan is over.
    fn finish(&mut self, id: PlanId, result: PlanResult, out: &mut Vec<Output>) {
        let Some(run) = self.runs.remove(id) else { return };
        // What may or may not have been done must not be done again by anybody before a person has looked.
        let in_doubt = run.in_doubt();
        self.guard.release(run.plan(), &in_doubt);
        self.doubtful.extend(run.doubtful().map(|plan| (id, plan)));
        self.verifying.remove(&id);
        self.recovered.remove(&id);
        self.standing.remove(&id);
        self.fenced.retain(|(plan, _)| *plan != id);
        self.record(out, Entry::PlanFinished { plan: id, result: result.clone() });
        let findings = self.findings_of(run.plan());
        self.joined.remove(&id);
        let ending = Ending::of(&result, !in_doubt.is_empty());
        self.breakers_at_end(run.plan(), ending, &result, out);
        self.autonomy_at_end(run.plan(), ending, out);
        for finding in &findings {
            if in_doubt.is_empty() {
                self.plan_ended(finding, &result, out);
            } else {
                self.plan_in_doubt(finding, id, out);
            }
        }
        self.keep_recent(run, Some(result));
        // What was held back because this plan owned something may go now.
        self.reconsider_after(&findings, out);
    }

    /// Hands to their adapters what is ready and has a lane, and refuses what is no longer as its plan took it to be. Nothing begins while
    /// the program ends: nobody would wait for it.
    fn dispatch_ready(&mut self, id: PlanId, out: &mut Vec<Output>) {
        // A refusal may end what others wait for, and begin what undoes it: each step is refused or begun once.
        while let Some(run) = self.runs.get(&id).filter(|_| !self.stopping && !self.is_blind(id)) {
            let ready = run.ready(self.now);
            if ready.is_empty() {
                return;
            }
            let mut changed = false;
            for deed in ready {
                let Deed { step, preconditions, attempt, .. } = &deed;
                let key = IdempotencyKey::of(id, step.id, *attempt);
                let width = self.width_of(&deed);
                if let Some(hold) = self.standing_still(&deed) {
                    self.stand_still(id, hold, out);
                    continue;
                }
                let wrong = preconditions.iter().find_map(|one| unmet(&self.topology, &step.resource, one));
                let wrong = wrong.or_else(|| self.may_still_run(id, &deed));
                if let Some(reason) = wrong {
                    changed |= self.refuse(id, step.id, reason, out);
                } else if self.lanes.admit(&self.topology, id, &key, &deed, &width) {
                    let begun = self.dispatch(id, deed, out);
                    if !begun {
                        self.lanes.leave(&key);
                    }
                    changed |= begun;
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn refuse(&mut self, plan: PlanId, step: StepId, reason: String, out: &mut Vec<Output>) -> bool {
        let now = self.now;
        let refused = self.runs.get_mut(plan).is_some_and(|run| run.refuse(step, &reason, now).is_ok());
        if refused {
            self.record(out, Entry::StepFinished { plan, step, result: StepResult::Refused { reason } });
        }
        refused
    }

    fn dispatch(&mut self, plan: PlanId, deed: Deed, out: &mut Vec<Output>) -> bool {
        let begun = self.runs.get_mut(plan).is_some_and(|run| run.begin(deed.step.id).is_ok());
        if begun {
            let command = self.command_of(plan, deed, self.now);
            self.await_report(&command);
            self.record(out, Entry::StepDispatched { plan, step: command.step, key: command.key.clone() });
            out.push(Output::Dispatch(command));
        }
        begun
    }

    /// The deed as its adapter is handed it, or was when it was `begun`.
    pub(crate) fn command_of(&self, plan: PlanId, deed: Deed, begun: Timestamp) -> StepCommand {
        let Deed { step, attempt, action, timeout, .. } = deed;
        let key = IdempotencyKey::of(plan, step.id, attempt);
        StepCommand {
            plan,
            step: step.id,
            key,
            generation: self.generation,
            adapter: step.adapter,
            resource: step.resource,
            action,
            timeout,
            begun,
        }
    }

    /// Looks whether a plan has helped, and looks again soon if that is not settled.
    pub(crate) fn look(&mut self, id: PlanId, out: &mut Vec<Output>) {
        let Some(run) = self.runs.get(&id) else { return };
        let (Some(until), Some(done)) = (run.verifying_until(), run.done_at()) else { return };
        let Some(wanted) = run.plan().verification.clone() else { return };
        let (finding, rung) = (run.plan().finding(), usize::from(run.plan().rung.saturating_sub(1)));
        if self.verifying.insert(id) {
            self.record(out, Entry::Verifying { plan: id, that: wanted.that.clone(), until });
        }
        let now = self.now;
        let truth = self.decider.verified(now, &finding, rung, &wanted.that, done);
        let Some(run) = self.runs.get_mut(id) else { return };
        let looked = match truth {
            Some(truth) => run.verify(truth, now),
            None => run.give_up_verifying("its policy was changed before it was known whether it helped"),
        };
        if let Err(illegal) = looked {
            let input = format!("a look at plan {id}");
            return self.record(out, Entry::InputRefused { input, reason: illegal.to_string() });
        }
        let Some(run) = self.runs.get(&id) else { return };
        if run.verifying_until().is_some() {
            self.alarms.insert(((now + LOOK_EVERY).min(until.max(now + Duration::from_millis(1))), Alarm::Look(id)));
        } else {
            self.go_on(id, out);
        }
    }

    /// Takes in how a step ended.
    pub(crate) fn reported(&mut self, report: &StepReport, out: &mut Vec<Output>) {
        let StepReport { plan, step, key, generation, result } = report;
        let now = self.now;
        let refusal = if *generation != self.generation {
            Some(format!("it is of generation {}, this is {}", generation.0, self.generation.0))
        } else {
            match self.runs.get_mut(*plan) {
                None => Some("the plan is not in flight".to_owned()),
                Some(run) if run.running_key(*step).is_some_and(|running| running != *key) => {
                    Some(format!("the key is not that of what is being done in step {step} of plan {plan}"))
                }
                Some(run) => run.report(*step, result, now).err().map(|illegal| illegal.to_string()),
            }
        };
        if let Some(reason) = refusal {
            return self.record(out, Entry::InputRefused { input: format!("report of step {key}"), reason });
        }
        self.record(out, Entry::StepFinished { plan: *plan, step: *step, result: result.clone() });
        if matches!(result, StepResult::Done { .. }) {
            self.proves(*plan, *step);
        }
        let left = self.lanes.leave(key);
        self.go_on(*plan, out);
        self.call_next(left, out);
    }

    /// Calls off a plan that waits, where nobody asks what comes of it.
    pub(crate) fn drop_plan(&mut self, id: PlanId, reason: &str, out: &mut Vec<Output>) {
        // That there is no such plan is recorded.
        let _ = self.call_off(id, reason, out);
    }

    /// The time of a plan is over: what is being done of it is let end, nothing more is begun, and what was done is undone.
    pub(crate) fn stop_early(&mut self, id: PlanId, reason: &str, out: &mut Vec<Output>) {
        let Some(run) = self.runs.get_mut(id) else { return self.drop_plan(id, reason, out) };
        let turns = run.run_out_of_time(reason, self.now);
        if turns && run.result().is_none() {
            self.record(out, Entry::PlanCalledOff { plan: id, reason: reason.to_owned(), out_of_time: true });
        }
        self.go_on(id, out);
    }

    /// Calls a plan off, whether it waits or runs.
    pub(crate) fn call_off(&mut self, id: PlanId, reason: &str, out: &mut Vec<Output>) -> Result<(), CommandRefused> {
        if let Some(plan) = self.wait_no_more(id, out) {
            let mut run = Run::new(plan);
            run.call_off(reason, self.now);
            self.runs.insert(run);
        } else if let Some(run) = self.runs.get_mut(id) {
            run.call_off(reason, self.now);
            let key = |deed: Deed| Output::Cancel(IdempotencyKey::of(id, deed.step.id, deed.attempt));
            out.extend(run.running().map(key));
            if run.result().is_none() {
                self.record(out, Entry::PlanCalledOff { plan: id, reason: reason.to_owned(), out_of_time: false });
            }
        } else if self.doubtful.remove(&id).is_some() {
            // It has ended in doubt; a person has looked.
            self.guard.let_go(id);
            let result = PlanResult::Cancelled { reason: reason.to_owned() };
            self.record(out, Entry::PlanFinished { plan: id, result: result.clone() });
            self.recent.ends(id, result, self.now);
            self.reconsider_all(out);
            return Ok(());
        } else {
            let why = match self.state_of(id) {
                Some(state) => CommandRefused::Over { plan: id, state },
                None => CommandRefused::NotUnderWay { plan: id },
            };
            return self.refuse_command(format!("calling off plan {id}"), why, out);
        }
        self.go_on(id, out);
        Ok(())
    }
}
