//! Promise 8: a machine is started elsewhere only after its host was fenced; nothing runs twice.

use std::collections::BTreeSet;

use homeostat_engine::Input;
use homeostat_model::*;

use crate::{
    scene::Scene,
    watch::{Fact, Watch},
};

#[test]
fn nothing_is_started_elsewhere_before_its_host_was_fenced() {
    crate::sweep::holds(8);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// Hosts of which an adapter or a list said that they were fenced, and nobody said since that they run.
    fenced: BTreeSet<ResourceId>,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        8
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Told(Input::Report(report)) => {
                let step = scene.flights.get(&report.plan).and_then(|flight| flight.plan.step(report.step));
                if let (Some(step), StepResult::Done { .. }) = (step, &report.result)
                    && step.action == Action::Fence
                {
                    self.fenced.insert(step.resource.clone());
                }
            }
            Fact::Told(Input::Observed(Observation::Inventory(change))) => self.described(change),
            Fact::Dispatched(command, _) => return self.dispatched(scene, command),
            // Who is lied to about what was done does it again.
            Fact::Twice(what) if !scene.lies => return Err((*what).to_owned()),
            _ => {}
        }
        Ok(())
    }
}

impl Watcher {
    fn described(&mut self, change: &InventoryChange) {
        let resources = match change {
            InventoryChange::Snapshot { resources, .. } => resources.as_slice(),
            InventoryChange::Upsert(one) => std::slice::from_ref(one),
            InventoryChange::Gone { .. } => return,
        };
        for one in resources {
            if matches!(one.state(), Some("up" | "booting")) {
                self.fenced.remove(&one.id);
            } else if one.flag("fenced") {
                self.fenced.insert(one.id.clone());
            }
        }
    }

    fn dispatched(&self, scene: &Scene, command: &StepCommand) -> Result<(), String> {
        let flight = &scene.flights[&command.plan];
        let from = flight.from.get(&command.resource);
        let is_off = |host: &ResourceId| scene.told.get(host).and_then(Resource::state) == Some("off");
        match (&command.action, from) {
            (Action::Restart { on: Some(to) }, Some(from))
                if to != from && !self.fenced.contains(from) && !is_off(from) =>
            {
                Err(format!("{} starts {} on {to}, and {from} was not fenced", command.key, command.resource))
            }
            // A host that is not known to be down is alive until the contrary is seen.
            (Action::Fence, _) if scene.told.get(&command.resource).and_then(Resource::state) == Some("up") => {
                Err(format!("{} fences a host that is up", command.key))
            }
            _ => Ok(()),
        }
    }
}
