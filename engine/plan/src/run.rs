//! A plan while it is carried out: what may begin now, what is undone, when it is over.
//!
//! Its steps each go their way (`step_state.rs`), and so does it as a whole (`phase.rs`): forward until no step is left, then it is looked
//! whether it helped; backward when a step failed or it did not help, in time.
//!
//! A plan whose time is over begins nothing more forward; when what runs has ended it turns back, as one does that did not help.
//!
//! Backward, a step is undone once nothing that was done after it and because of it still stands. What nobody knows the outcome of
//! is not undone, nor is anything else of its plan: a person has to look first. Nor is what a person called off: who says stop wants
//! nothing more done.

use std::{collections::BTreeSet, sync::Arc};

use homeostat_model::{
    Action, Attempt, Duration, Entry, IdempotencyKey, OpenPlan, Plan, PlanResult, Precondition, ResourceId, Retry,
    Step, StepId, StepResult, Timestamp, Truth,
};

use crate::{
    backoff::pause,
    compensation::before_undoing,
    draft,
    phase::{IllegalPhase, Phase, PhaseEvent},
    step_state::{IllegalTransition, StepEvent, StepState},
};

/// Something that a plan wants done now.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// The step.
    pub step: Step,
    /// Which try of it, or of undoing it.
    pub attempt: Attempt,
    /// What is to be done: the step's action, or what undoes it.
    pub action: Action,
    /// What has to be so.
    pub preconditions: Vec<Precondition>,
    /// How long it may take.
    pub timeout: Duration,
    /// How often it is tried.
    pub retry: Retry,
}

/// The states of a plan's steps, in their order: most plans have one step.
#[derive(Debug, Clone)]
struct States(Box<[(StepId, StepState)]>);

impl States {
    fn get(&self, id: StepId) -> Option<&StepState> {
        self.0.get(self.place(id)?).map(|(_, state)| state)
    }

    fn get_mut(&mut self, id: StepId) -> Option<&mut StepState> {
        let place = self.place(id)?;
        self.0.get_mut(place).map(|(_, state)| state)
    }

    /// They are numbered in order.
    fn place(&self, id: StepId) -> Option<usize> {
        self.0.binary_search_by_key(&id, |(step, _)| *step).ok()
    }

    fn set(&mut self, id: StepId, state: StepState) {
        if let Some(known) = self.get_mut(id) {
            *known = state;
        }
    }

    fn iter(&self) -> impl Iterator<Item = (StepId, &StepState)> {
        self.0.iter().map(|(step, state)| (*step, state))
    }

    fn values(&self) -> impl Iterator<Item = &StepState> {
        self.0.iter().map(|(_, state)| state)
    }
}

/// A plan and the states of its steps.
#[derive(Debug, Clone)]
pub struct Run {
    plan: Arc<Plan>,
    states: States,
    phase: Phase,
    called_off: Option<String>,
    /// Its time is over.
    out_of_time: bool,
    /// What did not come about in time.
    unverified: Option<String>,
}

impl Run {
    /// A plan of which nothing is done yet.
    #[must_use]
    pub fn new(plan: impl Into<Arc<Plan>>) -> Self {
        let plan = plan.into();
        let states = States(plan.steps.iter().map(|step| (step.id, StepState::Waiting)).collect());
        Self { plan, states, phase: Phase::Forward, called_off: None, out_of_time: false, unverified: None }
    }

    /// A plan as its records say that it is: what ran when they ended runs, and is to be probed. What is looked at is looked at
    /// anew, from `now` on, or from when [`Run::look_anew`] says.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the records are not those of this plan.
    pub fn recovered(open: &OpenPlan, now: Timestamp) -> Result<Self, IllegalTransition> {
        let mut run = Self::new(open.made.clone());
        for record in &open.history {
            match &record.entry {
                Entry::StepDispatched { step, key, .. } => run.dispatched(*step, key)?,
                Entry::StepFinished { step, result: StepResult::Refused { reason }, .. }
                    if run.running_key(*step).is_none() =>
                {
                    run.refuse(*step, reason, record.at)?;
                }
                Entry::StepFinished { step, result, .. } => run.report(*step, result, record.at)?,
                Entry::PlanCalledOff { reason, out_of_time: true, .. } => {
                    run.run_out_of_time(reason, record.at);
                }
                Entry::PlanCalledOff { reason, .. } => run.call_off(reason, record.at),
                _ => {}
            }
        }
        run.look_anew(now);
        Ok(run)
    }

    /// Whether it helped, if that is looked at, is looked at from `now` on.
    pub fn look_anew(&mut self, now: Timestamp) {
        if let Some(wanted) = self.plan.verification.as_ref().filter(|_| self.verifying_until().is_some()) {
            self.pass(PhaseEvent::LookAnew { until: now + wanted.within });
        }
    }

    /// What its record says: a step was begun, or what undoes it.
    fn dispatched(&mut self, step: StepId, key: &IdempotencyKey) -> Result<(), IllegalTransition> {
        let undo = key.attempt().undo;
        if let (true, Phase::Verifying { .. }, Some(wanted)) = (undo, &self.phase, &self.plan.verification) {
            self.unverified = Some(format!("`{}` was not so within {}", wanted.that, wanted.within));
            self.pass(PhaseEvent::TurnBack);
        }
        self.begin(step)?;
        if self.running_key(step).as_ref() == Some(key) {
            return Ok(());
        }
        Err(IllegalTransition { step, state: self.states.get(step).cloned(), what: "begin under that key" })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same, to keep.
    #[must_use]
    pub fn shared(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// Whether it goes forward: nothing of it has failed or is not known, and nobody has called it off.
    #[must_use]
    pub fn is_on_course(&self) -> bool {
        let lost = |state: &StepState| matches!(state, StepState::Failed(_) | StepState::InDoubt(_));
        let ahead = matches!(self.phase, Phase::Forward | Phase::Verifying { .. });
        ahead && self.called_off.is_none() && !self.out_of_time && !self.states.values().any(lost)
    }

    /// Where a step is.
    #[must_use]
    pub fn state(&self, step: StepId) -> Option<&StepState> {
        self.states.get(step)
    }

    /// What may begin at `now`, in the order of steps; backward, in the reverse order.
    #[must_use]
    pub fn ready(&self, now: Timestamp) -> Vec<Deed> {
        match self.phase {
            Phase::Forward => self.plan.steps.iter().filter_map(|step| self.forward(step, now)).collect(),
            Phase::Backward => self.plan.steps.iter().rev().filter_map(|step| self.backward(step, now)).collect(),
            Phase::Verifying { .. } | Phase::Over => Vec::new(),
        }
    }

    /// What runs, in the order of steps.
    pub fn running(&self) -> impl Iterator<Item = Deed> {
        self.plan.steps.iter().filter_map(|step| match *self.states.get(step.id)? {
            StepState::Running { attempt } => Some(doing(step, attempt)),
            StepState::Undoing { attempt } => undoing(step, attempt),
            _ => None,
        })
    }

    /// The key under which a step, or what undoes it, is being done; `None` while nothing is.
    #[must_use]
    pub fn running_key(&self, step: StepId) -> Option<IdempotencyKey> {
        let deed = self.running().find(|deed| deed.step.id == step)?;
        Some(IdempotencyKey::of(self.plan.id, step, deed.attempt))
    }

    /// A deed of [`Run::ready`] was handed to its adapter.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the step cannot begin; nothing changes then. Here and below.
    pub fn begin(&mut self, step: StepId) -> Result<(), IllegalTransition> {
        let event = if self.states.get(step) == Some(&StepState::Done) { StepEvent::Undo } else { StepEvent::Begin };
        self.happen(step, event)
    }

    /// A deed of [`Run::ready`] is not begun, since what has to be so is not so.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the step is not about to begin.
    pub fn refuse(&mut self, step: StepId, reason: &str, now: Timestamp) -> Result<(), IllegalTransition> {
        self.happen(step, StepEvent::Refuse(format!("refused: {reason}")))?;
        self.settle(now);
        Ok(())
    }

    /// Takes in how a running step ended.
    ///
    /// # Errors
    /// [`IllegalTransition`] when it does not run.
    pub fn report(&mut self, step: StepId, result: &StepResult, now: Timestamp) -> Result<(), IllegalTransition> {
        let fail = |reason: String, again| StepEvent::Fail { reason, again };
        let event = match result {
            StepResult::Done { .. } => StepEvent::Done,
            // Nothing was tried: what its system refuses now it would refuse in a moment.
            StepResult::Refused { reason } => fail(format!("refused: {reason}"), None),
            StepResult::Failed { reason } => fail(reason.clone(), self.tries_again(step, now)),
            StepResult::Cancelled => fail("called off".into(), None),
            StepResult::Unknown { reason } => StepEvent::Lose(format!("outcome not known: {reason}")),
        };
        self.happen(step, event)?;
        self.settle(now);
        Ok(())
    }

    /// Takes in whether what the plan was for is so at `now`.
    ///
    /// # Errors
    /// [`IllegalPhase`] when that is not asked; nothing changes then.
    pub fn verify(&mut self, truth: Truth, now: Timestamp) -> Result<(), IllegalPhase> {
        self.go(match truth {
            Truth::True => PhaseEvent::Holds { at: now },
            // What is not known may be so or not; it has not been seen to hold without a break.
            Truth::False | Truth::Unknown => PhaseEvent::HoldsNot,
        })?;
        let (Phase::Verifying { until, since, .. }, Some(wanted)) = (self.phase, &self.plan.verification) else {
            return Ok(());
        };
        if since.is_some_and(|since| now.since(since) >= wanted.stable_for) {
            self.pass(PhaseEvent::End);
        } else if now >= until {
            let held = if wanted.stable_for.is_zero() { String::new() } else { format!(" for {}", wanted.stable_for) };
            let seen = if truth == Truth::Unknown { "is not known" } else { "was not so" };
            self.unverified = Some(format!("`{}` {seen}{held} within {}", wanted.that, wanted.within));
            self.turn_back();
        }
        Ok(())
    }

    /// It cannot be asked any more whether it helped: it is over, and nothing is undone.
    ///
    /// # Errors
    /// [`IllegalPhase`] when that was not asked; nothing changes then.
    pub fn give_up_verifying(&mut self, reason: &str) -> Result<(), IllegalPhase> {
        self.go(PhaseEvent::HoldsNot)?;
        self.unverified = Some(reason.to_owned());
        self.go(PhaseEvent::End)
    }

    /// Until when it is looked whether the plan helped, while it is.
    #[must_use]
    pub fn verifying_until(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Verifying { until, .. } => Some(until),
            _ => None,
        }
    }

    /// When its last step ended, while it is looked whether it helped: what was measured before says nothing of that.
    #[must_use]
    pub fn done_at(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Verifying { done, .. } => Some(done),
            _ => None,
        }
    }

    /// Whether what was done is being undone.
    #[must_use]
    pub fn is_undoing(&self) -> bool {
        self.phase == Phase::Backward
    }

    /// Calls the plan off: what has not begun does not begin, what runs is left to end.
    pub fn call_off(&mut self, reason: &str, now: Timestamp) {
        self.called_off.get_or_insert_with(|| reason.to_owned());
        self.begin_no_more("called off");
        self.settle(now);
    }

    /// Its time is over: the same, and then what was done is undone. Gives whether that changes anything: not where that is under way, nor
    /// where a person has called it off.
    pub fn run_out_of_time(&mut self, reason: &str, now: Timestamp) -> bool {
        let ahead = matches!(self.phase, Phase::Forward | Phase::Verifying { .. });
        if !ahead || self.out_of_time || self.called_off.is_some() {
            return false;
        }
        (self.out_of_time, self.unverified) = (true, Some(reason.to_owned()));
        if self.phase == Phase::Forward {
            self.begin_no_more("its time was over");
            self.settle(now);
        } else {
            self.turn_back();
        }
        true
    }

    fn begin_no_more(&mut self, reason: &str) {
        let waiting: Vec<(StepId, StepEvent)> = self
            .states
            .iter()
            .filter_map(|(id, state)| match state {
                StepState::Waiting => Some((id, StepEvent::Skip)),
                StepState::BackingOff { .. } | StepState::UndoBackingOff { .. } => {
                    Some((id, StepEvent::Refuse(reason.to_owned())))
                }
                _ => None,
            })
            .collect();
        for (id, event) in waiting {
            // What was just looked at can happen.
            let _ = self.happen(id, event);
        }
    }

    /// When something of it may be tried again, if nothing else happens before.
    #[must_use]
    pub fn next_try(&self) -> Option<Timestamp> {
        let until = |state: &StepState| match state {
            StepState::BackingOff { until, .. } | StepState::UndoBackingOff { until, .. } => Some(*until),
            _ => None,
        };
        self.states.values().filter_map(until).min()
    }

    /// The resources of the steps of which nobody knows what became, and the hosts that they may have been moved to.
    #[must_use]
    pub fn in_doubt(&self) -> BTreeSet<ResourceId> {
        let Some(doubtful) = self.doubtful() else { return BTreeSet::new() };
        let resources = doubtful.steps.iter().map(|step| step.resource.clone());
        resources.chain(doubtful.uses()).collect()
    }

    /// The plan with only those of its steps of which nobody knows what became; none when all is known.
    #[must_use]
    pub fn doubtful(&self) -> Option<Plan> {
        let in_doubt = |step: &Step| matches!(self.states.get(step.id), Some(StepState::InDoubt(_)));
        if !self.plan.steps.iter().any(in_doubt) {
            return None;
        }
        let mut plan = Plan::clone(&self.plan);
        plan.steps.retain(in_doubt);
        Some(plan)
    }

    /// How the plan ended, once it has.
    #[must_use]
    pub fn result(&self) -> Option<PlanResult> {
        if self.phase != Phase::Over {
            return None;
        }
        if let Some(reason) = &self.called_off {
            return Some(PlanResult::Cancelled { reason: reason.clone() });
        }
        let failure = self.states.iter().find_map(|(step, state)| match state {
            StepState::Failed(reason) | StepState::InDoubt(reason) => Some((step, reason.clone())),
            _ => None,
        });
        Some(match (failure, &self.unverified) {
            (Some((step, reason)), None) => PlanResult::Failed { step, reason: reason + &self.left_behind() },
            (_, Some(reason)) => PlanResult::Unverified { reason: reason.clone() + &self.left_behind() },
            (None, None) => PlanResult::Succeeded,
        })
    }

    /// What could not be undone, for whoever reads how it ended.
    fn left_behind(&self) -> String {
        let left = self.states.iter().filter_map(|(step, state)| match state {
            StepState::NotUndone(reason) => Some(format!("; step {step} could not be undone: {reason}")),
            _ => None,
        });
        left.collect()
    }

    fn forward(&self, step: &Step, now: Timestamp) -> Option<Deed> {
        match self.states.get(step.id)? {
            StepState::Waiting if step.after.iter().all(|id| self.states.get(*id) == Some(&StepState::Done)) => {
                Some(doing(step, 1))
            }
            StepState::BackingOff { attempt, until } if *until <= now => Some(doing(step, attempt.saturating_add(1))),
            _ => None,
        }
    }

    fn backward(&self, step: &Step, now: Timestamp) -> Option<Deed> {
        match self.states.get(step.id)? {
            StepState::Done if self.can_be_undone(step) => undoing(step, 1),
            StepState::UndoBackingOff { attempt, until } if *until <= now => undoing(step, attempt.saturating_add(1)),
            _ => None,
        }
    }

    /// Whether it has what undoes it, and nothing stands on it.
    fn can_be_undone(&self, step: &Step) -> bool {
        let mut on_it = self.plan.steps.iter().filter(|later| later.after.contains(&step.id));
        step.compensation.is_some()
            && self.called_off.is_none()
            && on_it.all(|later| self.states.get(later.id).is_none_or(|state| !state.stands()))
    }

    /// When a step whose running try has failed may be tried again; `None` when it was tried as often as it may.
    fn tries_again(&self, id: StepId, now: Timestamp) -> Option<Timestamp> {
        let Deed { attempt, retry, .. } = self.running().find(|deed| deed.step.id == id)?;
        let key = IdempotencyKey::of(self.plan.id, id, attempt);
        let wanted = self.called_off.is_none() && (attempt.undo || !self.out_of_time);
        let more = attempt.number < retry.attempts && wanted;
        more.then(|| now + pause(&retry, attempt.number, &key))
    }

    fn happen(&mut self, step: StepId, event: StepEvent) -> Result<(), IllegalTransition> {
        let what = event.name();
        let Some(state) = self.states.get_mut(step) else { return Err(IllegalTransition { step, state: None, what }) };
        let next = state.next(event).ok_or_else(|| IllegalTransition { step, state: Some(state.clone()), what })?;
        *state = next;
        Ok(())
    }

    /// Goes on to the next phase when nothing is left to do in this one.
    fn settle(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Forward => {
                self.skip_orphans();
                if !self.states.values().any(StepState::is_open) {
                    self.look_back(now);
                }
            }
            Phase::Backward => {
                let busy = |state: &StepState| state.is_running() || matches!(state, StepState::UndoBackingOff { .. });
                let undoable =
                    |step: &Step| self.states.get(step.id) == Some(&StepState::Done) && self.can_be_undone(step);
                if !self.states.values().any(busy) && !self.plan.steps.iter().any(undoable) {
                    self.pass(PhaseEvent::End);
                }
            }
            Phase::Verifying { .. } if self.called_off.is_some() => self.pass(PhaseEvent::End),
            Phase::Verifying { .. } | Phase::Over => {}
        }
    }

    /// Every step has come to its end.
    fn look_back(&mut self, now: Timestamp) {
        let failed = self.states.values().any(|state| matches!(state, StepState::Failed(_)));
        let in_doubt = self.states.values().any(|state| matches!(state, StepState::InDoubt(_)));
        match &self.plan.verification {
            _ if in_doubt || self.called_off.is_some() => self.pass(PhaseEvent::End),
            _ if failed || self.out_of_time => self.turn_back(),
            Some(wanted) => self.pass(PhaseEvent::Look { done: now, until: now + wanted.within }),
            None => self.pass(PhaseEvent::End),
        }
    }

    fn turn_back(&mut self) {
        self.pass(PhaseEvent::TurnBack);
        self.settle(Timestamp::MIN);
    }

    fn go(&mut self, event: PhaseEvent) -> Result<(), IllegalPhase> {
        let Self { plan, phase, .. } = self;
        let illegal = || IllegalPhase { plan: plan.id, phase: *phase, what: event.name() };
        self.phase = phase.next(event).ok_or_else(illegal)?;
        Ok(())
    }

    /// The same of what was just seen to be possible.
    fn pass(&mut self, event: PhaseEvent) {
        let gone = self.go(event);
        debug_assert!(gone.is_ok(), "{gone:?}");
    }

    /// Skips every step of which a predecessor did not get done. Steps come after those they depend on, so once is enough.
    fn skip_orphans(&mut self) {
        let lost =
            |state: &StepState| matches!(state, StepState::Failed(_) | StepState::Skipped | StepState::InDoubt(_));
        for step in &self.plan.steps {
            let orphaned = self.states.get(step.id) == Some(&StepState::Waiting)
                && step.after.iter().any(|id| self.states.get(*id).is_some_and(lost));
            if orphaned {
                self.states.set(step.id, StepState::Skipped);
            }
        }
    }
}

fn doing(step: &Step, attempt: u16) -> Deed {
    let attempt = Attempt { undo: false, number: attempt };
    let (action, preconditions) = (step.action.clone(), step.preconditions.clone());
    Deed { step: step.clone(), attempt, action, preconditions, timeout: step.timeout, retry: step.retry }
}

/// What a policy says of how its steps are carried out does not concern the way back.
fn undoing(step: &Step, attempt: u16) -> Option<Deed> {
    let action = step.compensation.as_deref()?.clone();
    let attempt = Attempt { undo: true, number: attempt };
    let preconditions = before_undoing(&action);
    let (timeout, retry) = (draft::timeout(&action), draft::retry(&action));
    Some(Deed { step: step.clone(), attempt, action, preconditions, timeout, retry })
}

#[cfg(test)]
mod tests;
