//! Follows the records to know what was under way when they ended, and carries that over from segment to segment.

use homeostat_model::{Entry, Generation, Notices, OpenPlans, Plan, Record};
use serde::{Deserialize, Serialize};

/// Holds what is open: memory grows with the plans in flight and with what people have not been told yet, not with the journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Ledger {
    /// The newest one.
    pub(crate) generation: Option<Generation>,
    pub(crate) open: OpenPlans,
    /// Absent in journals of versions that had no channels.
    #[serde(default)]
    pub(crate) notices: Notices,
}

impl Ledger {
    /// Reads what [`Ledger::to_json`] wrote.
    pub(crate) fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    /// For the next segment.
    pub(crate) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// Takes in the next record.
    pub(crate) fn apply(&mut self, record: &Record) {
        let generation = match &record.entry {
            Entry::PoliciesLoaded { generation, .. } => Some(*generation),
            Entry::PlanMade(plan) => Some(plan.id.generation),
            Entry::Notified(notification) => Some(notification.id.generation),
            Entry::StepDispatched { plan, .. } => Some(plan.generation),
            _ => None,
        };
        self.generation = self.generation.max(generation);
        self.open.apply(record);
        self.notices.apply(record);
    }

    /// The plans that are being carried out.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.open.iter().map(|open| open.made.as_ref())
    }
}
