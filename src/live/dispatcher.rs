//! Hands steps to their adapters, one task each, and brings their reports back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use homeostat_engine::Input;
use homeostat_model::{AdapterName, IdempotencyKey, StepCommand, StepReport, StepResult};
use homeostat_port::{Adapter, Clock, ProgressSink, ascertain, execute};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::Message;

/// How long the end of the program waits for steps in flight. What is not done by then the journal knows as unfinished.
const FAREWELL: Duration = Duration::from_secs(10);

/// Carries out steps.
pub(crate) struct Dispatcher {
    desk: Arc<Desk>,
    in_flight: BTreeMap<IdempotencyKey, CancellationToken>,
    tasks: JoinSet<IdempotencyKey>,
}

/// What the tasks of all steps have in common.
struct Desk {
    adapters: BTreeMap<AdapterName, Arc<dyn Adapter>>,
    clock: Clock,
    reports: mpsc::Sender<Message>,
}

impl Dispatcher {
    pub(crate) fn new(adapters: Vec<Arc<dyn Adapter>>, clock: Clock, reports: mpsc::Sender<Message>) -> Self {
        let adapters = adapters.into_iter().map(|adapter| (adapter.name().clone(), adapter)).collect();
        let desk = Arc::new(Desk { adapters, clock, reports });
        Self { desk, in_flight: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Begins a step; its report comes as a message.
    pub(crate) fn dispatch(&mut self, command: StepCommand) {
        tracing::info!(key = %command.key, resource = %command.resource, action = %command.action, "step begins");
        let (desk, cancel) = self.take_up(&command.key);
        self.tasks.spawn(async move { desk.report(&command, desk.carry_out(&command, &cancel).await).await });
    }

    /// Finds out what became of a step that was begun before the program was; the report comes as a message too.
    pub(crate) fn probe(&mut self, command: StepCommand) {
        tracing::info!(key = %command.key, resource = %command.resource, action = %command.action, "step is probed");
        let (desk, cancel) = self.take_up(&command.key);
        self.tasks.spawn(async move { desk.report(&command, desk.find_out(&command, &cancel).await).await });
    }

    /// What a task needs besides its command.
    fn take_up(&mut self, key: &IdempotencyKey) -> (Arc<Desk>, CancellationToken) {
        // Steps that have ended are forgotten here: their number is bounded by the plans in flight.
        while let Some(ended) = self.tasks.try_join_next() {
            match ended {
                Ok(key) => drop(self.in_flight.remove(&key)),
                // Of one that panicked it is not known which it was: it stays, and calling it off does nothing.
                Err(error) => tracing::error!(%error, "a step's task has panicked"),
            }
        }
        let cancel = CancellationToken::new();
        self.in_flight.insert(key.clone(), cancel.clone());
        (self.desk.clone(), cancel)
    }

    /// Calls a step off.
    pub(crate) fn cancel(&mut self, key: &IdempotencyKey) {
        if let Some(cancel) = self.in_flight.remove(key) {
            cancel.cancel();
        }
    }

    /// Waits a while for the steps in flight, whose reports still come as messages; what takes longer is left to itself.
    pub(crate) fn close(&mut self) -> impl Future<Output = ()> + use<> {
        let mut tasks = std::mem::take(&mut self.tasks);
        async move {
            let all = async { while tasks.join_next().await.is_some() {} };
            if tokio::time::timeout(FAREWELL, all).await.is_err() {
                tracing::warn!(steps = tasks.len(), "steps are still in flight; they go on at their systems");
                tasks.abort_all();
            }
        }
    }
}

impl Desk {
    async fn carry_out(&self, command: &StepCommand, cancel: &CancellationToken) -> StepResult {
        let Some(adapter) = self.adapters.get(&command.adapter) else {
            return StepResult::Refused { reason: format!("no adapter is called {}", command.adapter) };
        };
        execute(adapter.as_ref(), command, &self.clock, &ProgressSink::unheard(), cancel).await
    }

    async fn find_out(&self, command: &StepCommand, cancel: &CancellationToken) -> StepResult {
        let Some(adapter) = self.adapters.get(&command.adapter) else {
            // Nobody can say what became of it.
            return StepResult::Unknown { reason: format!("no adapter is called {} any more", command.adapter) };
        };
        tokio::select! {
            result = ascertain(adapter.as_ref(), command, &self.clock) => result,
            () = cancel.cancelled() => StepResult::Unknown { reason: "it was called off while it was probed".into() },
        }
    }

    /// Says what became of a step; gives its key.
    async fn report(&self, command: &StepCommand, result: StepResult) -> IdempotencyKey {
        tracing::info!(key = %command.key, ?result, "step ended");
        let StepCommand { plan, step, key, generation, .. } = command.clone();
        let report = Input::Report(StepReport { plan, step, key: key.clone(), generation, result });
        // Nobody listens any more only when the program ends; then the journal knows the step as unfinished.
        let _ = self.reports.send(Message::Input(Box::new(report))).await;
        key
    }
}
