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
    desk: Arc<Desk>,
    in_flight: BTreeMap<IdempotencyKey, InFlight>,
    tasks: JoinSet<IdempotencyKey>,
}

/// What the tasks of all steps have in common.
struct Desk {
    adapters: BTreeMap<AdapterName, Arc<dyn Adapter>>,
    clock: Clock,
    reports: mpsc::Sender<Message>,
}

/// A step that is being carried out, or asked about, also after it was called off.
struct InFlight {
    cancel: CancellationToken,
    task: AbortHandle,
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
        let (key, desk, cancel) = self.take_up(&command);
        let called_off = cancel.clone();
        let task = async move { desk.report(&command, desk.carry_out(&command, &called_off).await).await };
        self.in_flight.insert(key, InFlight { cancel, task: self.tasks.spawn(task) });
    }

    /// Finds out what became of a step of which nothing was heard: it was begun before the program was, or its report is overdue. The report
    /// comes as a message too. One that is still being carried out reports by itself: asked meanwhile, its system may say that it is not done,
    /// and it would be done again.
    pub(crate) fn probe(&mut self, command: StepCommand) {
        let is_going_on = self.in_flight.get(&command.key).is_some_and(|one| !one.task.is_finished());
        if is_going_on {
            tracing::warn!(key = %command.key, "step is overdue; it is still being carried out");
            return;
        }
        tracing::info!(key = %command.key, resource = %command.resource, action = %command.action, "step is probed");
        let (key, desk, cancel) = self.take_up(&command);
        let called_off = cancel.clone();
        let task = async move { desk.report(&command, desk.find_out(&command, &called_off).await).await };
        self.in_flight.insert(key, InFlight { cancel, task: self.tasks.spawn(task) });
    }

    /// What a task needs besides its command.
    fn take_up(&mut self, command: &StepCommand) -> (IdempotencyKey, Arc<Desk>, CancellationToken) {
        // Steps that have ended are forgotten here: their number is bounded by the plans in flight.
        while let Some(ended) = self.tasks.try_join_next() {
            let in_flight = &mut self.in_flight;
            match ended {
                // Under the same key it may be asked about by now.
                Ok(key) if in_flight.get(&key).is_some_and(|one| one.task.is_finished()) => {
                    drop(in_flight.remove(&key))
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "a step's task has panicked; its system is asked when its report is overdue");
                    in_flight.retain(|_, one| !one.task.is_finished());
                }
            }
        }
        (command.key.clone(), self.desk.clone(), CancellationToken::new())
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
