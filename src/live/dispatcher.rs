//! Hands steps to their adapters, one task each, and brings their reports back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use homeostat_engine::Input;
use homeostat_model::{AdapterName, IdempotencyKey, StepCommand, StepReport, StepResult};
use homeostat_port::{Adapter, Clock, ProgressSink, ascertain, execute};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::Message;

/// How long the end of the program waits for steps in flight. What is not done by then the journal knows as unfinished.
const FAREWELL: Duration = Duration::from_secs(10);

/// Carries out steps.
pub(crate) struct Dispatcher {
    adapters: BTreeMap<AdapterName, Arc<dyn Adapter>>,
    clock: Clock,
    reports: mpsc::Sender<Message>,
    in_flight: BTreeMap<IdempotencyKey, InFlight>,
    tasks: JoinSet<()>,
}

/// A step that is being carried out, or asked about, also after it was called off.
struct InFlight {
    cancel: CancellationToken,
    task: AbortHandle,
}

impl Dispatcher {
    pub(crate) fn new(adapters: Vec<Arc<dyn Adapter>>, clock: Clock, reports: mpsc::Sender<Message>) -> Self {
        let adapters = adapters.into_iter().map(|adapter| (adapter.name().clone(), adapter)).collect();
        Self { adapters, clock, reports, in_flight: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Begins a step; its report comes as a message.
    pub(crate) fn dispatch(&mut self, command: StepCommand) {
        self.begin(command, false);
    }

    /// Finds out what became of a step of which nothing was heard: it was begun before the program was, or its report is overdue. The report
    /// comes as a message too. One that is still being carried out reports by itself: asked meanwhile, its system may say that it is not done,
    /// and it would be done again.
    pub(crate) fn probe(&mut self, command: StepCommand) {
        let is_going_on = self.in_flight.get(&command.key).is_some_and(|one| !one.task.is_finished());
        if is_going_on {
            tracing::warn!(key = %command.key, "step is overdue; it is still being carried out");
        } else {
            self.begin(command, true);
        }
    }

    fn begin(&mut self, command: StepCommand, begun_before: bool) {
        // Steps that have ended are forgotten here: their number is bounded by the plans in flight.
        while self.tasks.try_join_next().is_some() {}
        self.in_flight.retain(|_, one| !one.task.is_finished());
        let adapter = self.adapters.get(&command.adapter).cloned();
        let (key, cancel) = (command.key.clone(), CancellationToken::new());
        let called_off = cancel.clone();
        let (clock, reports) = (self.clock, self.reports.clone());
        let task = self.tasks.spawn(async move {
            let cancel = called_off;
            let what = if begun_before { "step is probed" } else { "step begins" };
            tracing::info!(key = %command.key, resource = %command.resource, action = %command.action, what);
            let result = match adapter {
                Some(adapter) if begun_before => tokio::select! {
                    result = ascertain(adapter.as_ref(), &command, &clock) => result,
                    () = cancel.cancelled() => StepResult::Unknown { reason: "it was called off while it was probed".into() },
                },
                Some(adapter) => {
                    execute(adapter.as_ref(), &command, &clock, &ProgressSink::unheard(), &cancel).await
                }
                // Nobody can say what became of it.
                None if begun_before => StepResult::Unknown { reason: format!("no adapter is called {} any more", command.adapter) },
                None => StepResult::Refused { reason: format!("no adapter is called {}", command.adapter) },
            };
            tracing::info!(key = %command.key, ?result, "step ended");
            let StepCommand { plan, step, key, generation, .. } = command;
            let report = Input::Report(StepReport { plan, step, key, generation, result });
            // Nobody listens any more only when the program ends; then the journal knows the step as unfinished.
            let _ = reports.send(Message::Input(Box::new(report))).await;
        });
        self.in_flight.insert(key, InFlight { cancel, task });
    }

    /// Calls a step off.
    pub(crate) fn cancel(&mut self, key: &IdempotencyKey) {
        if let Some(one) = self.in_flight.get(key) {
            one.cancel.cancel();
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
