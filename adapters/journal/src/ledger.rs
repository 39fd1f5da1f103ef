//! Follows the records to know what was under way when they ended.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Entry, Generation, IdempotencyKey, Plan, PlanId, Record, StepId, Timestamp};

/// A step that was dispatched and of which no outcome was recorded: the system itself has to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenStep {
    /// The plan's name.
    pub plan: PlanId,
    /// The step's number in the plan.
    pub step: StepId,
    /// The key it was dispatched with.
    pub key: IdempotencyKey,
    /// When it was dispatched.
    pub since: Timestamp,
    /// The plan as it was made, with what the step was to do. `None` when the journal does not hold it.
    pub made: Option<Plan>,
}

/// Holds what is open: memory grows with the plans in flight, not with the journal.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    generation: Option<Generation>,
    plans: BTreeMap<PlanId, Plan>,
    open: BTreeMap<(PlanId, StepId), (IdempotencyKey, Timestamp)>,
    /// Plans that ended while one of their steps was still open.
    ended: BTreeSet<PlanId>,
}

impl Ledger {
    pub(crate) fn apply(&mut self, record: Record) {
        match record.entry {
            Entry::PoliciesLoaded { generation, .. } => self.saw(generation),
            Entry::PlanMade(plan) => {
                self.saw(plan.id.generation);
                self.plans.insert(plan.id, plan);
            }
            Entry::StepDispatched { plan, step, key } => {
                self.saw(plan.generation);
                self.open.insert((plan, step), (key, record.at));
            }
            Entry::StepFinished { plan, step, .. } => {
                self.open.remove(&(plan, step));
                if self.ended.contains(&plan) {
                    self.forget(plan);
                }
            }
            Entry::PlanFinished { plan, .. } => self.forget(plan),
            Entry::FindingOpened { .. }
            | Entry::FindingClosed { .. }
            | Entry::Skipped { .. }
            | Entry::Held { .. }
            | Entry::Notified(_)
            | Entry::HandedOver { .. }
            | Entry::PolicyQuarantined { .. }
            | Entry::Voted { .. }
            | Entry::AutonomyChanged { .. }
            | Entry::BreakerChanged { .. }
            | Entry::InputRefused { .. } => {}
        }
    }

    /// The newest generation, and every open step in the order of plans.
    pub(crate) fn close(self) -> (Option<Generation>, Vec<OpenStep>) {
        let Self { generation, plans, open, .. } = self;
        let step = |((plan, step), (key, since))| OpenStep { plan, step, key, since, made: plans.get(&plan).cloned() };
        (generation, open.into_iter().map(step).collect())
    }

    fn saw(&mut self, generation: Generation) {
        self.generation = self.generation.max(Some(generation));
    }

    /// Drops a plan that has ended, unless an open step still needs it.
    fn forget(&mut self, plan: PlanId) {
        if self.open.range((plan, StepId(0))..=(plan, StepId(u16::MAX))).next().is_some() {
            self.ended.insert(plan);
        } else {
            self.ended.remove(&plan);
            self.plans.remove(&plan);
        }
    }
}
