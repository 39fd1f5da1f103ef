//! What proves that nothing runs on a host that does not answer: its inventory says that it is off or fenced, or a plan has fenced it and it
//! was not seen to run since. A host that came back and went down again may run what it ran before.

use homeostat_model::{Action, PlanId, Precondition, ResourceId, StepId};
use homeostat_plan::Deed;

use crate::Engine;

impl Engine {
    /// A step is done; if it fenced a host, what it ran may begin elsewhere by the same plan.
    pub(crate) fn proves(&mut self, plan: PlanId, step: StepId) {
        let step = self.runs.get(&plan).and_then(|run| run.plan().step(step));
        if let Some(step) = step.filter(|step| step.action == Action::Fence) {
            self.fenced.insert((plan, step.resource.clone()));
        }
    }

    /// This is described anew. A host that runs, or begins to, is fenced no longer.
    pub(crate) fn fenced_no_more(&mut self, id: &ResourceId) {
        if self.topology.get(id).is_some_and(|one| matches!(one.state(), Some("up" | "booting"))) {
            self.fenced.retain(|(_, host)| host != id);
        }
    }

    /// Why what `deed` begins may still run where it was; `None` where it does not.
    pub(crate) fn may_still_run(&self, plan: PlanId, deed: &Deed) -> Option<String> {
        if !matches!(deed.action, Action::Restart { on: Some(_) }) {
            return None;
        }
        let unproven = |one: &Precondition| match one {
            Precondition::Down(host) => {
                let off = |one: &homeostat_model::Resource| one.state() == Some("off") || one.flag("fenced");
                let proven = self.topology.get(host).is_some_and(off) || self.fenced.contains(&(plan, host.clone()));
                (!proven).then(|| format!("{host} may have run again since it was fenced"))
            }
            _ => None,
        };
        deed.preconditions.iter().find_map(unproven)
    }
}
