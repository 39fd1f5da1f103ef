//! Ways back: where workloads came from, so that none is sent back there soon.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Action, Duration, Hold, Plan, ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

/// How long it is remembered where a workload came from: as long as `returnAfter` can be.
const REMEMBER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Most ways that are remembered: each of 10,000 workloads moves six times in a week. Of more, those of longest ago are forgotten.
const MAX_WAYS: usize = 65_536;

/// Who left which host, and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ways {
    #[serde(with = "crate::pairs")]
    left: BTreeMap<(ResourceId, ResourceId), Timestamp>,
}

impl Ways {
    /// `plan` begins, and takes workloads away from where they are.
    pub(crate) fn begin(&mut self, at: Timestamp, plan: &Plan) {
        if plan.reach.leaves.is_empty() {
            return;
        }
        self.left.retain(|_, left| *left + REMEMBER > at);
        self.left.extend(plan.reach.leaves.iter().cloned().map(|way| (way, at)));
        while self.left.len() > MAX_WAYS {
            let oldest = self.left.iter().min_by_key(|(_, left)| **left).map(|(way, _)| way.clone());
            oldest.map(|way| self.left.remove(&way));
        }
    }

    /// Which ways of `workloads` lead back to where they left less than `after` ago.
    pub(crate) fn back<'a>(
        &self,
        at: Timestamp,
        workloads: impl IntoIterator<Item = &'a ResourceId>,
        after: Duration,
    ) -> BTreeSet<(ResourceId, ResourceId)> {
        let workloads: BTreeSet<&ResourceId> = workloads.into_iter().collect();
        let recent = self.left.iter().filter(|(_, left)| **left + after > at).map(|(way, _)| way);
        recent.filter(|(workload, _)| workloads.contains(workload)).cloned().collect()
    }

    /// Whether `plan` sends nothing back to where it left less than `after` ago.
    pub(crate) fn onward(&self, at: Timestamp, plan: &Plan, after: Duration) -> Result<(), Hold> {
        for step in &plan.steps {
            let (Action::Migrate { to, .. } | Action::Restart { on: Some(to) }) = &step.action else { continue };
            let until = self.left.get(&(step.resource.clone(), to.clone())).map(|left| *left + after);
            if let Some(until) = until.filter(|until| *until > at) {
                return Err(Hold::Return { resource: step.resource.clone(), host: to.clone(), until });
            }
        }
        Ok(())
    }
}
