//! Plans that are over, or were only shown: the last ones, for people to look at. No decision depends on them.

use std::collections::VecDeque;

use homeostat_model::{PlanId, PlanResult, Timestamp};
use homeostat_plan::Run;

/// Most plans that are kept: what a busy day leaves behind. All of them are in the journal.
const MAX_RECENT: usize = 256;

/// The last plans that are over.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    plans: VecDeque<Ended>,
}

/// One that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) run: Run,
    /// Since when it is.
    pub(crate) at: Timestamp,
    /// How it ended; `None`: it was only shown.
    pub(crate) result: Option<PlanResult>,
}

impl Recent {
    /// Keeps another one. Those `in_doubt` wait for a person, and stay.
    pub(crate) fn keep(&mut self, ended: Ended, in_doubt: impl Fn(PlanId) -> bool) {
        self.plans.push_back(ended);
        if self.plans.len() > MAX_RECENT {
            let oldest = self.plans.iter().position(|ended| !in_doubt(ended.run.plan().id));
            oldest.and_then(|place| self.plans.remove(place));
        }
    }

    /// One that had ended in doubt has ended.
    pub(crate) fn ends(&mut self, id: PlanId, result: PlanResult, at: Timestamp) {
        if let Some(ended) = self.plans.iter_mut().find(|ended| ended.run.plan().id == id) {
            (ended.at, ended.result) = (at, Some(result));
        }
    }

    /// That one.
    pub(crate) fn get(&self, id: PlanId) -> Option<&Ended> {
        self.plans.iter().rev().find(|ended| ended.run.plan().id == id)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Ended> {
        self.plans.iter()
    }
}
