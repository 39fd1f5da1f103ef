//! The adapter: one container engine, or several.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use homeostat_model::{AdapterName, Capabilities, Resource, StepCommand};
use homeostat_port::{Adapter, AdapterError, ApplyError, ObservationSink, Probe, ProgressSink, Refusal};
use tokio_util::sync::CancellationToken;

use crate::{
    capability,
    config::{ContainerConfig, InvalidContainerConfig},
    directory::Directory,
    host::Host,
    ledger::{Ledger, Progress},
    observe::{self, End},
};

/// How often a step says how far it is.
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// The most that a step claims to have done before it is done: how long a container takes to end is not known.
const ALMOST: f64 = 0.95;

/// One container engine, Docker or Podman, or several.
///
/// Verbs of a container: restart, start, stop, pause, kill, recreate; resize (memory, processor time and weight, and which
/// processors, while it runs) where every engine can; migrate where there are several hosts.
///
/// A step that has begun goes on when its caller goes away or calls it off: an engine cannot take back a stop. Called off
/// before it began, it is not begun. A step that is applied again under its key waits for the first one and changes nothing;
/// after this process was restarted, what is known about it is what [`Adapter::probe`] reads from the engine.
pub struct ContainerAdapter {
    shared: Arc<Shared>,
}

/// What observing and doing have in common.
pub(crate) struct Shared {
    pub(crate) config: ContainerConfig,
    pub(crate) directory: Arc<Directory>,
    /// In the order of the configuration; never empty.
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) ledger: Ledger,
}

impl ContainerAdapter {
    /// An adapter for the engines of `config`. Each is connected when it is first needed, so that it may be away now and come
    /// later.
    ///
    /// # Errors
    /// [`InvalidContainerConfig`] when something in `config` cannot work.
    pub fn connect(config: ContainerConfig) -> Result<Self, InvalidContainerConfig> {
        config.check()?;
        let directory = Arc::default();
        let configured = config.all_hosts();
        let several = configured.len() > 1;
        let hosts = configured.iter().enumerate();
        let hosts = hosts.map(|(number, host)| Arc::new(Host::new(number, &config, host, &directory, several)));
        let shared = Shared { hosts: hosts.collect(), directory, ledger: Ledger::default(), config };
        Ok(Self { shared: Arc::new(shared) })
    }
}

#[async_trait]
impl Adapter for ContainerAdapter {
    fn name(&self) -> &AdapterName {
        &self.shared.config.name
    }

    async fn capabilities(&self) -> Result<Capabilities, AdapterError> {
        Ok(capability::of_engines(self.name(), &self.shared.facts().await?, self.shared.hosts.len()))
    }

    async fn discover(&self) -> Result<Vec<Resource>, AdapterError> {
        observe::discover(&self.shared).await
    }

    async fn observe(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), AdapterError> {
        let observed = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            observed = observe::run(&self.shared, sink) => observed,
        };
        match observed {
            Ok(()) | Err(End::Closed) => Ok(()),
            Err(End::Lost(error)) => Err(error),
        }
    }

    async fn check(&self, command: &StepCommand) -> Result<(), Refusal> {
        let refusal = |reason: String| Refusal { reason };
        self.shared.ledger.admit(command.generation).map_err(|error| refusal(error.to_string()))?;
        let offered = self.capabilities().await.map_err(|error| refusal(error.to_string()))?;
        self.shared.check(command, &offered).await?;
        self.shared.ledger.deed(&command.key);
        Ok(())
    }

    async fn apply(
        &self,
        command: &StepCommand,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), ApplyError> {
        let shared = Arc::clone(&self.shared);
        shared.ledger.admit(command.generation)?;
        let deed = shared.ledger.deed(&command.key);
        // Somebody else's turn is waited for also by a caller who has called off: what is being done is not undone.
        let turn = Arc::clone(&deed.turn).lock_owned().await;
        let earlier = deed.progress();
        match &earlier {
            Progress::Told { problem: None, .. } => return Ok(()),
            Progress::Told { problem: Some(problem), .. } if cancel.is_cancelled() => {
                let reason = format!("called off after an attempt of which the outcome is open: {problem}");
                return Err(AdapterError::Failed { operation: command.action.to_string(), reason }.into());
            }
            _ if cancel.is_cancelled() => return Err(ApplyError::Cancelled),
            _ => {}
        }
        // Before the engine is asked anything: a busy one takes its time over that too.
        progress.report(0.0);
        let expected = shared.grace(command).await;
        let command = command.clone();
        // From here on it counts as being done: a task of its own goes on when this future is dropped.
        deed.set(Progress::Running);
        let mut task = tokio::spawn(async move {
            let done = shared.perform(&command, &earlier, &deed).await;
            drop(turn);
            done
        });
        let began = Instant::now();
        let mut report = tokio::time::interval(REPORT_EVERY);
        let done = loop {
            tokio::select! {
                done = &mut task => break done,
                _ = report.tick() => {
                    let share = began.elapsed().as_secs_f64() / expected.as_secs_f64().max(1.0);
                    progress.report(share.min(ALMOST));
                }
            }
        };
        let done = done.unwrap_or_else(|error| {
            Err(AdapterError::Failed { operation: "the step".into(), reason: error.to_string() })
        });
        done?;
        progress.report(1.0);
        Ok(())
    }

    async fn probe(&self, command: &StepCommand) -> Result<Probe, AdapterError> {
        self.shared.probe(command).await
    }
}
