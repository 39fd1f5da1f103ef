//! Plans in flight that stand still: what the next of their steps concern is left alone for now.
//!
//! ```text
//!   ready --a mark, quarantine, or maintenance there--> stands still --that ends--> asked again, and begun
//!                                                            \-- its plan's time is over, or a person calls it off --> never begun
//! ```
//!
//! What is being done when people begin to work there is let end, and what is to be undone is undone: half a deed is worse for them.
//!
//! Invariant: a plan that stands still is looked at again when a window ends, and when marks, quarantines or guards are others.

use homeostat_model::{Action, Hold, PlanId, StepId};
use homeostat_plan::Deed;

use crate::{Engine, Output, engine::Alarm};

impl Engine {
    /// Why a deed that is ready is not to begin now; not asked of what undoes something.
    pub(crate) fn standing_still(&self, deed: &Deed) -> Option<Hold> {
        if deed.attempt.undo {
            return None;
        }
        let target = match &deed.action {
            Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => Some(to),
            _ => None,
        };
        std::iter::once(&deed.step.resource).chain(target).find_map(|id| self.left_alone(id).err())
    }

    /// A step of a plan waits until what it concerns is left alone no longer.
    pub(crate) fn stand_still(&mut self, id: PlanId, hold: Hold, out: &mut Vec<Output>) {
        self.standing.insert(id);
        if let Some(until) = hold.until().filter(|until| *until > self.now) {
            self.alarms.insert((until, Alarm::TryAgain(id)));
        }
        if let Some(finding) = self.runs.get(&id).map(|run| self.speaker(run.plan())) {
            self.hold(&finding, hold, out);
        }
    }

    /// What was left alone may be so no longer: the plans that stood still go on as far as they may.
    pub(crate) fn stir_standing(&mut self, out: &mut Vec<Output>) {
        for id in std::mem::take(&mut self.standing) {
            self.go_on(id, out);
        }
    }

    /// The steps of a plan in flight that could begin, and why they do not.
    pub(crate) fn standing_in(&self, id: PlanId) -> Vec<(StepId, String)> {
        let Some(run) = self.runs.get(&id).filter(|_| !self.is_blind(id)) else { return Vec::new() };
        let ready = run.ready(self.now);
        let why = |deed: &Deed| Some((deed.step.id, format!("it waits: {}", self.standing_still(deed)?)));
        ready.iter().filter_map(why).collect()
    }
}
