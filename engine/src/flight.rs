//! The plans in flight, and which of them change where something is, how much it has, or what a host is good for: whoever plans looks at
//! those only, and they are few beside thousands of restarts.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

use homeostat_model::{Plan, PlanId};
use homeostat_plan::{Projection, Run};

/// Read like a map, in the order of ids.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    runs: BTreeMap<PlanId, Box<Run>>,
    projected: BTreeSet<PlanId>,
}

impl Flight {
    pub(crate) fn insert(&mut self, run: Run) {
        let id = run.plan().id;
        if Projection::concerns(run.plan()) {
            self.projected.insert(id);
        }
        self.runs.insert(id, run.into());
    }

    pub(crate) fn remove(&mut self, id: PlanId) -> Option<Run> {
        self.projected.remove(&id);
        self.runs.remove(&id).map(|run| *run)
    }

    pub(crate) fn get_mut(&mut self, id: PlanId) -> Option<&mut Run> {
        self.runs.get_mut(&id).map(AsMut::as_mut)
    }

    /// Those that a projection is made of.
    pub(crate) fn projected(&self) -> impl Iterator<Item = &Plan> {
        self.projected.iter().filter_map(|id| self.runs.get(id)).map(|run| run.plan())
    }
}

impl Deref for Flight {
    type Target = BTreeMap<PlanId, Box<Run>>;

    fn deref(&self) -> &Self::Target {
        &self.runs
    }
}
