//! Plans that are over, or were only shown: the last ones, for people to look at. No decision depends on them.

use std::collections::VecDeque;

use homeostat_model::{PlanId, PlanResult, Timestamp};
use homeostat_plan::Run;

/// Most plans that are kept: what a busy day leaves behind. All of them are in the journal.
const MAX_RECENT: usize = 256;

/// The last plans that are over.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    plans: VecDeque<Past>,
}

/// One that is over.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) run: Run,
    /// Since when it is.
    pub(crate) at: Timestamp,
    /// How it ended; `None`: it was only shown.
    pub(crate) result: Option<PlanResult>,
}

impl Recent {
    /// Keeps another one. Those `in_doubt` wait for a person, and stay.
    pub(crate) fn keep(&mut self, past: Past, in_doubt: impl Fn(PlanId) -> bool) {
        self.plans.push_back(past);
        if self.plans.len() > MAX_RECENT {
            let oldest = self.plans.iter().position(|past| !in_doubt(past.run.plan().id));
            oldest.and_then(|place| self.plans.remove(place));
        }
    }

    /// One that had ended in doubt has ended.
    pub(crate) fn ends(&mut self, id: PlanId, result: PlanResult, at: Timestamp) {
        if let Some(past) = self.plans.iter_mut().find(|past| past.run.plan().id == id) {
            (past.at, past.result) = (at, Some(result));
        }
    }

    /// That one.
    pub(crate) fn get(&self, id: PlanId) -> Option<&Past> {
        self.plans.iter().rev().find(|past| past.run.plan().id == id)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Past> {
        self.plans.iter()
    }
}
