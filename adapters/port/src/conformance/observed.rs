//! An `observe` that runs beside the check, and what it has sent so far.

use std::{sync::Arc, time::Duration};

use homeostat_model::{InventoryChange, Observation, Resource};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{PROMPT, report::Stop};
use crate::{Adapter, AdapterError, ObservationSink};

/// Small, so that the adapter has to wait for room now and then as it will behind a busy engine.
const SINK_CAPACITY: usize = 16;

/// The observer ends with it.
pub(super) struct Observer {
    stop: CancellationToken,
    task: JoinHandle<Result<(), AdapterError>>,
    received: mpsc::Receiver<Observation>,
    /// Everything received so far.
    pub(super) seen: Vec<Observation>,
}

impl Observer {
    pub(super) fn start(adapter: Arc<dyn Adapter>) -> Self {
        let (sink, received) = ObservationSink::bounded(SINK_CAPACITY);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { adapter.observe(&sink, &stopped).await });
        Self { stop, task, received, seen: Vec::new() }
    }

    /// Receives until something `wanted` has come, and says what was waited for when it does not come.
    pub(super) async fn wait_for(
        &mut self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Observation) -> bool,
    ) -> Result<(), Stop> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            match tokio::time::timeout_at(until, self.received.recv()).await {
                Ok(Some(observation)) => {
                    let found = wanted(&observation);
                    self.seen.push(observation);
                    if found {
                        return Ok(());
                    }
                }
                Ok(None) => return Err(Stop::Broken(format!("observe ended by itself before {what} came"))),
                Err(_) => {
                    let count = self.seen.len();
                    return Err(Stop::Broken(format!(
                        "no {what} within {patience:?}; {count} other observations came"
                    )));
                }
            }
        }
    }

    /// The first observation, which has to be a snapshot.
    pub(super) async fn snapshot(&mut self, patience: Duration) -> Result<Vec<Resource>, Stop> {
        self.wait_for("first observation", patience, |_| true).await?;
        match self.seen.first() {
            Some(Observation::Inventory(InventoryChange::Snapshot { resources, .. })) => Ok(resources.clone()),
            first => Err(Stop::Broken(format!("observe began with {first:?}, not with a snapshot"))),
        }
    }

    /// Calls the observer off, takes what still comes and waits for its end.
    pub(super) async fn stop(mut self) -> Result<(), Stop> {
        self.stop.cancel();
        let drained = async {
            while self.received.recv().await.is_some() {}
            (&mut self.task).await
        };
        match tokio::time::timeout(PROMPT, drained).await {
            Err(_) => Err(Stop::Broken(format!("observe had not returned {PROMPT:?} after its stop"))),
            Ok(Err(error)) => Err(Stop::Broken(format!("observe panicked: {error}"))),
            Ok(Ok(Err(error))) => Err(Stop::Broken(format!("observe was stopped and returned an error: {error}"))),
            Ok(Ok(Ok(()))) => Ok(()),
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}
