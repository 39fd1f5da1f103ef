//! Follows the records to know what was under way when they ended.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Entry, Generation, IdempotencyKey, Mode, Plan, PlanId, Record, StepId, Timestamp};
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    generation: Option<Generation>,
    plans: BTreeMap<PlanId, Plan>,
    open: BTreeMap<(PlanId, StepId), (IdempotencyKey, Timestamp)>,
    /// Plans that ended while one of their steps was still open.
    ended: BTreeSet<PlanId>,
}

/// A ledger as a segment carries it over from the ones before.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Carried {
    generation: Option<Generation>,
    plans: Vec<Plan>,
    open: Vec<CarriedStep>,
    ended: BTreeSet<PlanId>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CarriedStep {
    plan: PlanId,
    step: StepId,
    key: IdempotencyKey,
    since: Timestamp,
}

impl Ledger {
    /// Reads what [`Ledger::to_json`] wrote.
    pub(crate) fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        let Carried { generation, plans, open, ended } = serde_json::from_slice(json)?;
        let plans = plans.into_iter().map(|plan| (plan.id, plan)).collect();
        let open = open.into_iter().map(|step| ((step.plan, step.step), (step.key, step.since))).collect();
        Ok(Self { generation, plans, open, ended })
    }

    /// For the next segment.
    pub(crate) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let open = self.open.iter().map(|((plan, step), (key, since))| CarriedStep {
            plan: *plan,
            step: *step,
            key: key.clone(),
            since: *since,
        });
        let plans = self.plans.values().cloned().collect();
        let ended = self.ended.clone();
        serde_json::to_vec(&Carried { generation: self.generation, plans, open: open.collect(), ended })
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.entry {
            Entry::PoliciesLoaded { generation, .. } => self.saw(*generation),
            Entry::PlanMade(plan) => {
                self.saw(plan.id.generation);
                // One that is only shown has no steps to come, and never finishes.
                if plan.mode >= Mode::Approve {
                    self.plans.insert(plan.id, plan.clone());
                }
            }
            Entry::StepDispatched { plan, step, key } => {
                self.saw(plan.generation);
                self.open.insert((*plan, *step), (key.clone(), record.at));
            }
            Entry::StepFinished { plan, step, .. } => {
                self.open.remove(&(*plan, *step));
                if self.ended.contains(plan) {
                    self.forget(*plan);
                }
            }
            Entry::PlanFinished { plan, .. } => self.forget(*plan),
            Entry::FindingOpened { .. }
            | Entry::FindingClosed { .. }
            | Entry::Skipped { .. }
            | Entry::Held { .. }
            | Entry::PlanCalledOff { .. }
            | Entry::Verifying { .. }
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
    pub(crate) fn open(&self) -> (Option<Generation>, Vec<OpenStep>) {
        let open = self.open.iter().map(|((plan, step), (key, since))| OpenStep {
            plan: *plan,
            step: *step,
            key: key.clone(),
            since: *since,
            made: self.plans.get(plan).cloned(),
        });
        (self.generation, open.collect())
    }

    /// The plans that are being carried out.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.plans.values()
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
