//! The embedded data centre as the world of the virtual driver: a simulation.

use homeostat_engine::Input;
use homeostat_model::{IdempotencyKey, InventoryChange, Observation, StepCommand, Timestamp};

use crate::{DataCentre, Seen, World, capabilities};

impl DataCentre {
    /// What the engine has to be told at the start: what can be done here, and what there is.
    #[must_use]
    pub fn announcements(&self) -> Vec<Input> {
        let adapter = self.adapter().clone();
        let capabilities = capabilities(&adapter);
        let snapshot = InventoryChange::Snapshot { adapter, resources: self.snapshot() };
        vec![Input::Capabilities(capabilities), Input::Observed(Observation::Inventory(snapshot))]
    }
}

impl World for DataCentre {
    fn next_due(&self) -> Option<Timestamp> {
        Self::next_due(self)
    }

    fn advance(&mut self, to: Timestamp) -> Vec<(Timestamp, Input)> {
        let input = |seen| match seen {
            Seen::Observed { at, observation } => (at, Input::Observed(observation)),
            Seen::Finished { at, report } => (at, Input::Report(report)),
        };
        Self::advance(self, to).into_iter().map(input).collect()
    }

    fn dispatch(&mut self, _at: Timestamp, command: &StepCommand) {
        self.begin(command);
    }

    fn probe(&mut self, _at: Timestamp, command: &StepCommand) {
        self.tell(command);
    }

    fn cancel(&mut self, _at: Timestamp, key: &IdempotencyKey) {
        // One that cannot be called off any more ends by itself, and says so.
        let _ = Self::cancel(self, key);
    }
}
