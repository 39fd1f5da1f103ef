//! Hands steps to their adapters, one task each, and brings their reports back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use homeostat_engine::Input;
use homeostat_model::{AdapterName, IdempotencyKey, StepCommand, StepReport, StepResult};
use homeostat_port::{Adapter, Clock, ProgressSink, ascertain, execute};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Message;

/// How long the end of the program waits for steps in flight. What is not done by then the journal knows as unfinished.
const FAREWELL: Duration = Duration::from_secs(10);

/// Below so many steps in flight it is not looked for tasks that ended without a report.
const FEW: usize = 64;

/// What is asked for how far a step is takes no memory for each of them.
static UNHEARD: ProgressSink = ProgressSink::unheard();

/// Carries out steps.
pub(crate) struct Dispatcher {
    desk: Arc<Desk>,
    in_flight: BTreeMap<IdempotencyKey, InFlight>,
    tasks: TaskTracker,
    /// How many may be in flight before it is looked for tasks that ended without a report.
    swept_at: usize,
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
    task: JoinHandle<()>,
}

impl Dispatcher {
    pub(crate) fn new(adapters: Vec<Arc<dyn Adapter>>, clock: Clock, reports: mpsc::Sender<Message>) -> Self {
        let adapters = adapters.into_iter().map(|adapter| (adapter.name().clone(), adapter)).collect();
        let desk = Arc::new(Desk { adapters, clock, reports });
        Self { desk, in_flight: BTreeMap::new(), tasks: TaskTracker::new(), swept_at: FEW }
    }

    /// Begins a step; its report comes as a message.
    pub(crate) fn dispatch(&mut self, command: StepCommand) {
        tracing::info!(key = %command.key, resource = %command.resource, action = %command.action, "step begins");
        self.begin(command.key.clone(), |desk, called_off| async move {
            let result = desk.carry_out(&command, &called_off).await;
            // Apart: all the time before it only the command and its system's answer are waited for, in thousands of tasks.
            Box::pin(desk.report(&command, result)).await;
        });
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
        self.begin(command.key.clone(), |desk, called_off| async move {
            desk.report(&command, desk.find_out(&command, &called_off).await).await;
        });
    }

    /// Begins a task that reports in the end.
    fn begin<F>(&mut self, key: IdempotencyKey, work: impl FnOnce(Arc<Desk>, CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cancel = CancellationToken::new();
        let task = self.tasks.spawn(work(self.desk.clone(), cancel.clone()));
        self.in_flight.insert(key, InFlight { cancel, task });
        if self.in_flight.len() >= self.swept_at {
            self.in_flight.retain(|_, one| !one.task.is_finished());
            self.swept_at = FEW.max(self.in_flight.len() * 2);
        }
    }

    /// The report of a step has come.
    pub(crate) fn reported(&mut self, key: &IdempotencyKey) {
        // Under the same key its system may be asked by now.
        if self.in_flight.get(key).is_some_and(|one| one.task.is_finished()) {
            self.in_flight.remove(key);
        }
    }

    /// Calls a step off.
    pub(crate) fn cancel(&mut self, key: &IdempotencyKey) {
        if let Some(one) = self.in_flight.get(key) {
            one.cancel.cancel();
        }
    }

    /// Waits a while for the steps in flight, whose reports still come as messages; what takes longer is left to itself.
    pub(crate) fn close(&mut self) -> impl Future<Output = ()> + use<> {
        let (tasks, steps) = (self.tasks.clone(), self.in_flight.values());
        let handles: Vec<AbortHandle> = steps.map(|one| one.task.abort_handle()).collect();
        tasks.close();
        async move {
            if tokio::time::timeout(FAREWELL, tasks.wait()).await.is_err() {
                tracing::warn!(steps = tasks.len(), "steps are still in flight; they go on at their systems");
                handles.iter().for_each(AbortHandle::abort);
            }
        }
    }
}

impl Desk {
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
    fn carry_out<'a>(
        &'a self,
        command: &'a StepCommand,
        cancel: &'a CancellationToken,
    ) -> impl Future<Output = StepResult> + Send + 'a {
        async move {
            let Some(adapter) = self.adapters.get(&command.adapter) else {
                return StepResult::Refused { reason: format!("no adapter is called {}", command.adapter) };
            };
            execute(adapter.as_ref(), command, &self.clock, &UNHEARD, cancel).await
        }
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

    /// Says what became of a step.
    async fn report(&self, command: &StepCommand, result: StepResult) {
        tracing::info!(key = %command.key, ?result, "step ended");
        let StepCommand { plan, step, key, generation, .. } = command.clone();
        let report = Input::Report(StepReport { plan, step, key, generation, result });
        // Nobody listens any more only when the program ends; then the journal knows the step as unfinished.
        let _ = self.reports.send(Message::Input(Box::new(report))).await;
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use homeostat_model::{Action, Capabilities, Generation, PlanId, Resource, StepId, Timestamp};
    use homeostat_port::{AdapterError, ApplyError, ObservationSink, Probe, Refusal};
    use tokio::sync::Notify;

    use super::*;

    /// Does nothing until it is told to; says of all of it that it is not done.
    struct Slow {
        name: AdapterName,
        applied: Notify,
        done: Notify,
        probed: Notify,
    }

    #[async_trait]
    impl Adapter for Slow {
        fn name(&self) -> &AdapterName {
            &self.name
        }

        async fn capabilities(&self) -> Result<Capabilities, AdapterError> {
            Ok(Capabilities { adapter: self.name.clone(), kinds: BTreeMap::new() })
        }

        async fn discover(&self) -> Result<Vec<Resource>, AdapterError> {
            Ok(Vec::new())
        }

        async fn observe(&self, _: &ObservationSink, stop: &CancellationToken) -> Result<(), AdapterError> {
            stop.cancelled().await;
            Ok(())
        }

        async fn check(&self, _: &StepCommand) -> Result<(), Refusal> {
            Ok(())
        }

        async fn apply(&self, _: &StepCommand, _: &ProgressSink, _: &CancellationToken) -> Result<(), ApplyError> {
            self.applied.notify_one();
            self.done.notified().await;
            Ok(())
        }

        async fn probe(&self, _: &StepCommand) -> Result<Probe, AdapterError> {
            self.probed.notify_one();
            Ok(Probe::NotDone("as before".into()))
        }
    }

    #[tokio::test]
    async fn what_is_being_carried_out_is_not_asked_for() {
        let named = AdapterName::new("slow").unwrap();
        let [applied, done, probed] = [(); 3].map(|()| Notify::new());
        let slow = Arc::new(Slow { name: named.clone(), applied, done, probed });
        let (reports, mut heard) = mpsc::channel(8);
        let clock = Clock::starting(Timestamp::from_millis(0), 1);
        let mut dispatcher = Dispatcher::new(vec![slow.clone()], clock, reports);
        let (plan, step) = (PlanId { generation: Generation(1), number: 1 }, StepId(1));
        let command = StepCommand {
            plan,
            step,
            key: IdempotencyKey::new(plan, step),
            generation: Generation(1),
            adapter: named,
            resource: "vm/one".parse().unwrap(),
            action: Action::Restart { on: None },
            timeout: homeostat_model::Duration::from_secs(60),
            begun: Timestamp::from_millis(0),
        };
        let mut report = async || {
            let Message::Input(input) = heard.recv().await.unwrap() else { panic!("no input") };
            let Input::Report(report) = *input else { panic!("no report") };
            report.result
        };
        dispatcher.dispatch(command.clone());
        slow.applied.notified().await;
        dispatcher.probe(command.clone());
        slow.done.notify_one();
        // Its own end is what is looked at, once; there is one report.
        assert!(matches!(report().await, StepResult::Failed { .. }));
        dispatcher.reported(&command.key);
        dispatcher.tasks.close();
        dispatcher.tasks.wait().await;
        // Once it has reported, it is asked for.
        dispatcher.tasks.reopen();
        slow.probed.notified().await;
        dispatcher.probe(command);
        slow.probed.notified().await;
        assert!(matches!(report().await, StepResult::Failed { .. }));
        drop(dispatcher);
        assert!(heard.recv().await.is_none());
    }
}
