//! A plan while it is carried out: which steps wait, run and are done.
//!
//! ```text
//!   Waiting --begin--> Running --report: done-------> Done
//!      |                  +-----report: otherwise---> Failed
//!      +--a step it depends on failed, or the plan was called off--> Skipped
//! ```
//!
//! The plan is over when no step waits or runs.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Plan, PlanResult, ResourceId, Step, StepId, StepResult};
use thiserror::Error;

/// Steps of one plan that run at a time: enough to empty a host quickly, few enough for one network.
const PARALLEL_STEPS: usize = 4;

/// Where a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// Its turn has not come.
    Waiting,
    /// It was handed to its adapter.
    Running,
    /// It is done.
    Done,
    /// It did not get done.
    Failed(String),
    /// It was never begun, and will not be.
    Skipped,
}

/// Something was said about a step that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("step {step} is {state:?}; it cannot {what}")]
pub struct IllegalTransition {
    /// The step.
    pub step: StepId,
    /// Where it is; `None` when the plan has no such step.
    pub state: Option<StepState>,
    /// What was to happen to it.
    pub what: &'static str,
}

/// A plan and the states of its steps.
#[derive(Debug, Clone)]
pub struct Run {
    plan: Plan,
    states: BTreeMap<StepId, StepState>,
    called_off: Option<String>,
    doubtful: BTreeSet<ResourceId>,
}

impl Run {
    /// A plan of which nothing is done yet.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let states = plan.steps.iter().map(|step| (step.id, StepState::Waiting)).collect();
        Self { plan, states, called_off: None, doubtful: BTreeSet::new() }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The steps that may begin now, in the order of their ids; they count as running from here on.
    pub fn begin(&mut self) -> Vec<Step> {
        let mut room = PARALLEL_STEPS.saturating_sub(self.running().count());
        let mut begun = Vec::new();
        for step in &self.plan.steps {
            let ready = self.states.get(&step.id) == Some(&StepState::Waiting)
                && step.after.iter().all(|id| self.states.get(id) == Some(&StepState::Done));
            if ready && room > 0 {
                room -= 1;
                begun.push(step.clone());
            }
        }
        self.states.extend(begun.iter().map(|step| (step.id, StepState::Running)));
        begun
    }

    /// The steps that run.
    pub fn running(&self) -> impl Iterator<Item = StepId> {
        self.states.iter().filter(|(_, state)| **state == StepState::Running).map(|(id, _)| *id)
    }

    /// Takes in how a running step ended.
    ///
    /// # Errors
    /// [`IllegalTransition`] when it does not run; nothing changes then.
    pub fn report(&mut self, step: StepId, result: &StepResult) -> Result<(), IllegalTransition> {
        let state = self.states.get_mut(&step);
        let Some(state) = state else { return Err(IllegalTransition { step, state: None, what: "end" }) };
        let next = match (&*state, result) {
            (StepState::Running, StepResult::Done { .. }) => StepState::Done,
            (StepState::Running, StepResult::Refused { reason }) => StepState::Failed(format!("refused: {reason}")),
            (StepState::Running, StepResult::Failed { reason }) => StepState::Failed(reason.clone()),
            (StepState::Running, StepResult::Cancelled) => StepState::Failed("called off".into()),
            (StepState::Running, StepResult::Unknown { reason }) => {
                StepState::Failed(format!("outcome not known: {reason}"))
            }
            (StepState::Waiting | StepState::Done | StepState::Failed(_) | StepState::Skipped, _) => {
                return Err(IllegalTransition { step, state: Some(state.clone()), what: "end" });
            }
        };
        *state = next;
        if matches!(result, StepResult::Unknown { .. })
            && let Some(step) = self.plan.step(step)
        {
            self.doubtful.insert(step.resource.clone());
        }
        self.skip_orphans();
        Ok(())
    }

    /// Calls the plan off: what waits is skipped, what runs is left to end.
    pub fn call_off(&mut self, reason: &str) {
        self.called_off.get_or_insert_with(|| reason.to_owned());
        for state in self.states.values_mut().filter(|state| **state == StepState::Waiting) {
            *state = StepState::Skipped;
        }
    }

    /// The resources of the steps of which nobody knows what became.
    #[must_use]
    pub fn in_doubt(&self) -> BTreeSet<ResourceId> {
        self.doubtful.clone()
    }

    /// How the plan ended, once it has.
    #[must_use]
    pub fn result(&self) -> Option<PlanResult> {
        if self.states.values().any(|state| matches!(state, StepState::Waiting | StepState::Running)) {
            return None;
        }
        let failure = self.states.iter().find_map(|(step, state)| match state {
            StepState::Failed(reason) => Some((*step, reason.clone())),
            _ => None,
        });
        Some(match (&self.called_off, failure) {
            (Some(reason), _) => PlanResult::Cancelled { reason: reason.clone() },
            (None, Some((step, reason))) => PlanResult::Failed { step, reason },
            (None, None) => PlanResult::Succeeded,
        })
    }

    /// Skips every step of which a predecessor failed or was skipped. Steps come after those they depend on, so once is enough.
    fn skip_orphans(&mut self) {
        for step in &self.plan.steps {
            let orphaned = self.states.get(&step.id) == Some(&StepState::Waiting)
                && step
                    .after
                    .iter()
                    .any(|id| matches!(self.states.get(id), Some(StepState::Failed(_) | StepState::Skipped)));
            if orphaned {
                self.states.insert(step.id, StepState::Skipped);
            }
        }
    }
}
