//! The data centre behind the port's adapter, at the speed of a clock.
//!
//! ```text
//!    observe ------ cursor ---> journal (bounded) <--- advance(clock.now()) --- DataCentre
//!    observe ------ cursor ------^                          ^
//!    discover, check, apply, probe: advance first, then ask or begin
//! ```
//!
//! Every call moves the data centre on to the time of the clock. What comes out goes into one bounded journal that each
//! observer reads at its own pace; one that fell too far behind gets a new snapshot instead of a gap.

mod fault;
mod site;

use std::sync::Arc;

use async_trait::async_trait;
use homeostat_model::{
    AdapterName, Capabilities, Duration, InventoryChange, Observation, Resource, StepCommand, StepResult,
};
use homeostat_port::{Adapter, AdapterError, ApplyError, Clock, ObservationSink, Probe, ProgressSink, Refusal};
use tokio_util::sync::CancellationToken;

use crate::DataCentre;
pub use fault::Fault;
use site::{Batch, Site};

/// How often a step that takes long says how far it is.
const REPORTS_A_STEP: u64 = 20;

/// Drives an embedded data centre. Clones and [`SimAdapter::reconnected`] share it.
#[derive(Debug, Clone)]
pub struct SimAdapter {
    site: Arc<Site>,
}

impl SimAdapter {
    /// Drives `centre` at the speed of `clock`, whose start should be that of the data centre.
    #[must_use]
    pub fn new(centre: DataCentre, clock: Clock) -> Self {
        Self { site: Arc::new(Site::new(centre, clock)) }
    }

    /// An adapter of the same data centre, as after a crash of the program: all that there is to remember is at the site.
    #[must_use]
    pub fn reconnected(&self) -> Self {
        self.clone()
    }

    /// Looks at the data centre, or changes it from outside, at the time of the clock. What this causes is observed.
    pub fn with<T>(&self, deed: impl FnOnce(&mut DataCentre) -> T) -> T {
        self.site.with(deed)
    }

    /// Lets the next `times` applies go wrong in this way, after those that were told so before.
    pub fn go_wrong(&self, fault: Fault, times: usize) {
        self.site.faults().plan(fault, times);
    }

    /// Waits for the end of a step that has begun.
    async fn wait(
        &self,
        command: &StepCommand,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), ApplyError> {
        let mut changes = self.site.changes();
        let mut may_cancel = true;
        loop {
            changes.mark_unchanged();
            let (ends, outcome) = self.site.with(|centre| {
                if let Some(share) = centre.progress(&command.key) {
                    progress.report(share);
                }
                (centre.ends(&command.key), centre.outcome(&command.key).cloned())
            });
            let Some(ends) = ends else {
                let forgotten = || StepResult::Unknown { reason: "its outcome is no longer kept".into() };
                return ended(command, outcome.unwrap_or_else(forgotten));
            };
            let pause = ends.since(self.site.clock().now());
            let tick = Duration::from_millis((command.timeout.as_millis() / REPORTS_A_STEP).clamp(1, 1_000));
            tokio::select! {
                () = self.site.clock().sleep(pause.min(tick)) => {}
                _ = changes.changed() => {}
                () = cancel.cancelled(), if may_cancel => {
                    may_cancel = false;
                    self.site.with(|centre| centre.cancel(&command.key));
                }
            }
        }
    }

    async fn send(&self, sink: &ObservationSink, batch: Vec<Observation>, stop: &CancellationToken) -> bool {
        for observation in batch {
            let sent = tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                sent = sink.send(observation) => sent,
            };
            if sent.is_err() {
                return false;
            }
        }
        true
    }
}

fn ended(command: &StepCommand, outcome: StepResult) -> Result<(), ApplyError> {
    match outcome {
        StepResult::Done { .. } => Ok(()),
        StepResult::Cancelled => Err(ApplyError::Cancelled),
        StepResult::Refused { reason } | StepResult::Failed { reason } | StepResult::Unknown { reason } => {
            Err(failed(command, reason))
        }
    }
}

fn failed(command: &StepCommand, reason: String) -> ApplyError {
    AdapterError::Failed { operation: format!("{} of {}", command.action, command.resource), reason }.into()
}

#[async_trait]
impl Adapter for SimAdapter {
    fn name(&self) -> &AdapterName {
        self.site.name()
    }

    async fn capabilities(&self) -> Result<Capabilities, AdapterError> {
        Ok(crate::capabilities(self.site.name()))
    }

    async fn discover(&self) -> Result<Vec<Resource>, AdapterError> {
        Ok(self.with(|centre| centre.snapshot()))
    }

    async fn observe(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), AdapterError> {
        let mut changes = self.site.changes();
        let (resources, missed, mut cursor) = self.site.join();
        let snapshot = |resources| {
            let adapter = self.site.name().clone();
            Observation::Inventory(InventoryChange::Snapshot { adapter, resources })
        };
        let mut batch = vec![snapshot(resources)];
        batch.extend(missed);
        while self.send(sink, batch, stop).await {
            self.site.delivered(cursor);
            changes.mark_unchanged();
            let due;
            (batch, due) = match self.site.read(&mut cursor) {
                Batch::New(observations, due) => (observations, due),
                Batch::TooFarBehind(resources, due) => (vec![snapshot(resources)], due),
            };
            if batch.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.site.clock().sleep_until(due) => {}
                    _ = changes.changed() => {}
                }
            }
        }
        Ok(())
    }

    async fn check(&self, command: &StepCommand) -> Result<(), Refusal> {
        self.with(|centre| centre.check(command))
    }

    async fn apply(
        &self,
        command: &StepCommand,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), ApplyError> {
        let (given, newest) = (command.generation.0, self.with(|centre| centre.newest_generation()).0);
        if given < newest {
            return Err(ApplyError::Stale { given, newest });
        }
        if cancel.is_cancelled() && !self.with(|centre| centre.is_running(&command.key)) {
            return match self.with(|centre| centre.outcome(&command.key).cloned()) {
                Some(StepResult::Done { .. }) => Ok(()),
                _ => Err(ApplyError::Cancelled),
            };
        }
        let fault = self.site.faults().next();
        match fault {
            Some(Fault::Lie) => return Ok(()),
            Some(Fault::Hang) => {
                cancel.cancelled().await;
                return Err(ApplyError::Cancelled);
            }
            Some(Fault::LoseAnswer) => {
                self.with(|centre| centre.begin(command));
                let (endpoint, reason) = (self.name().to_string(), "the connection broke while it was done".to_owned());
                return Err(AdapterError::Unreachable { endpoint, reason }.into());
            }
            None => {}
        }
        // Checked and begun at one moment: nothing can come between.
        let begun = self.with(|centre| centre.check(command).map(|()| centre.begin(command)));
        begun.map_err(|refusal| failed(command, refusal.reason))?;
        self.wait(command, progress, cancel).await
    }

    async fn probe(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        Ok(self.with(|centre| {
            // Whoever asks may try it anew when it is told that it is not done: what a driver before it sent comes too late now.
            centre.recognise(command.generation);
            centre.probe(command)
        }))
    }
}
