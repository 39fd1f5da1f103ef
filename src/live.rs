//! The live driver: real time, real adapters, a durable journal. It fulfils the engine's contract and decides nothing.
//!
//! ```text
//!   adapters, sources --observations--+        +--> journal, metrics, recording; the story, by a thread of its own
//!   files, API, steps --messages------+-> loop-+--> steps: check, apply, probe (one task each)
//!   clock --deadlines-----------------+        +--> notifications, traces
//! ```
//!
//! Invariant: one task owns the engine; whatever reaches it came through a bounded queue.
//! Invariant: the loop waits for the journal and for nobody else; in particular not for whoever reads standard output.
//! Invariant: nothing is dispatched before the records that led to it are durable; if they cannot be, the program ends.

mod dispatcher;
mod monotonic;
mod narrator;
mod observer;
mod policies;
mod refusals;
mod reload;
mod sources;
mod watcher;

use std::{
    fs::File,
    io::{BufWriter, Write},
    pin::pin,
    sync::Arc,
    time::Instant,
};

use homeostat_engine::{Engine, Explanation, Input, OperatorCommand, Output};
use homeostat_journal::Journal;
use homeostat_model::{Entry, Observation, Record, ResourceId, Timestamp};
use homeostat_policy::Policy;
use homeostat_port::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use dispatcher::Dispatcher;
pub(crate) use monotonic::Monotonic;
pub(crate) use narrator::Narrator;
pub(crate) use observer::observe;
pub(crate) use policies::PolicyFiles;
use refusals::Refusals;
pub(crate) use reload::{Reader, reload};
pub(crate) use sources::{Feed, Memories, Sources};

use crate::{
    metrics::Metrics,
    recording::{Line, RecordedFile, Recorder},
    report::Failure,
    story::Story,
    traces::Traces,
};

/// Messages that wait for the engine; senders wait when it is full.
pub(crate) const QUEUE: usize = 1024;
/// Observations taken in before their records are made durable together.
const BATCH: usize = 256;

/// What reaches the engine besides observations.
#[derive(Debug)]
pub(crate) enum Message {
    /// An input.
    Input(Box<Input>),
    /// New policies, checked, and the files they were read from.
    Policies(Vec<Arc<Policy>>, Vec<RecordedFile>),
    /// A question.
    Explain(ResourceId, oneshot::Sender<Answer>),
    /// Asks for a sign of life.
    Ping(oneshot::Sender<()>),
}

/// What each policy thinks of a resource.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) known: bool,
    pub(crate) now: Timestamp,
    pub(crate) explanations: Vec<Explanation>,
}

/// Where decisions go.
pub(crate) struct Outlets {
    pub(crate) journal: Journal,
    pub(crate) decisions: Option<BufWriter<File>>,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) story: Story,
    pub(crate) narrator: Narrator,
    pub(crate) traces: Option<Traces>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The loop around the engine.
pub(crate) struct Live {
    engine: Engine,
    clock: Clock,
    outlets: Outlets,
    dispatcher: Dispatcher,
    outputs: Vec<Output>,
    refusals: Refusals,
}

impl Live {
    pub(crate) fn new(engine: Engine, clock: Clock, outlets: Outlets, dispatcher: Dispatcher) -> Self {
        Self { engine, clock, outlets, dispatcher, outputs: Vec::new(), refusals: Refusals::default() }
    }

    /// Runs until `stop`, then lets steps in flight end.
    ///
    /// # Errors
    /// [`Failure`] when decisions cannot be made durable.
    pub(crate) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        observations: mpsc::Receiver<Observation>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let outcome = match self.turn(&mut messages, observations, stop).await {
            Ok(()) => self.end(&mut messages).await,
            failed => failed,
        };
        // Whatever the outcome: people are told what was decided until then.
        self.outlets.narrator.close().await;
        if let Some(traces) = self.outlets.traces.take() {
            tokio::task::block_in_place(|| traces.close(self.clock.now()));
        }
        outcome
    }

    /// The loop, until `stop`.
    async fn turn(
        &mut self,
        messages: &mut mpsc::Receiver<Message>,
        mut observations: mpsc::Receiver<Observation>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        loop {
            let deadline = self.engine.next_deadline();
            let due = async {
                match deadline {
                    Some(deadline) => self.clock.sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(message) = messages.recv() => self.take(message)?,
                Some(observation) = observations.recv() => {
                    self.input(Input::Observed(observation))?;
                    for _ in 1..BATCH {
                        let Ok(observation) = observations.try_recv() else { break };
                        self.input(Input::Observed(observation))?;
                    }
                }
                () = due => {
                    let now = self.clock.now();
                    self.engine.advance(now, &mut self.outputs);
                }
            }
            self.carry_out()?;
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Input(input) => self.input(*input),
            Message::Policies(policies, files) => self.replace_policies(&policies, files),
            Message::Explain(resource, reply) => {
                let now = self.clock.now();
                self.engine.advance(now, &mut self.outputs);
                let known = self.engine.topology().get(&resource).is_some();
                let explanations = self.engine.explain(&resource);
                // Whoever asked may have gone.
                let _ = reply.send(Answer { known, now, explanations });
                Ok(())
            }
            Message::Ping(reply) => {
                let _ = reply.send(());
                Ok(())
            }
        }
    }

    fn input(&mut self, input: Input) -> Result<(), Failure> {
        let metrics = &self.outlets.metrics;
        match &input {
            Input::Observed(Observation::Sample(_)) => metrics.samples.inc(),
            Input::Observed(Observation::Event(_)) => metrics.events.inc(),
            _ => 0,
        };
        let at = self.clock.now();
        if let Some(recorder) = &mut self.outlets.recorder {
            recorder.write(&Line::Input { at, input: Box::new(input.clone()) })?;
        }
        let began = Instant::now();
        self.engine.handle(at, input, &mut self.outputs);
        self.outlets.metrics.decision_seconds.observe(began.elapsed().as_secs_f64());
        Ok(())
    }

    fn replace_policies(&mut self, policies: &[Arc<Policy>], files: Vec<RecordedFile>) -> Result<(), Failure> {
        let at = self.clock.now();
        if let Some(recorder) = &mut self.outlets.recorder {
            recorder.write(&Line::Policies { at, policies: files })?;
        }
        if let Err(errors) = self.engine.replace_policies(at, policies, &mut self.outputs) {
            errors.iter().for_each(|error| tracing::error!(%error, "a policy was not loaded"));
        }
        self.outlets.metrics.policies.set(i64::try_from(policies.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Carries out what the engine wants, in its order: first everything becomes durable, then it is done.
    fn carry_out(&mut self) -> Result<(), Failure> {
        if let Some(recorder) = &mut self.outlets.recorder {
            // Before the decisions: whatever was decided can be decided again from the recording, also after a crash.
            recorder.flush()?;
        }
        let outputs = std::mem::take(&mut self.outputs);
        let records: Vec<Record> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Record(record) => Some(record.clone()),
                _ => None,
            })
            .collect();
        if !records.is_empty() {
            let began = Instant::now();
            tokio::task::block_in_place(|| self.outlets.keep(&records))?;
            self.outlets.metrics.journal_seconds.observe(began.elapsed().as_secs_f64());
            self.tell(&records);
        }
        for output in outputs {
            match output {
                Output::Record(_) => {}
                Output::Dispatch(command) => self.dispatcher.dispatch(command),
                Output::Cancel(key) => self.dispatcher.cancel(&key),
                Output::Notify(notification) => {
                    tracing::warn!(resource = %notification.finding.resource, policy = %notification.finding.policy, message = notification.message, "notification");
                }
                Output::Overran { policy, took } => {
                    let millis = took.as_millis();
                    let reason = format!("a script ran for {millis} ms; look for loops over long lists or texts");
                    let quarantine = OperatorCommand::Quarantine { policy, reason };
                    // An input like others: recorded, so that a replay does the same at the same place.
                    self.input(Input::Operator(quarantine))?;
                }
                Output::SampleRefused { resource, reason } => {
                    self.outlets.metrics.samples_refused.inc();
                    self.refusals.add(self.clock.now(), &resource, &reason);
                }
            }
        }
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        if !records.is_empty() {
            // Findings and plans come and go with a decision only; counting them for every sample would be in vain.
            self.outlets.metrics.findings_open.set(count(self.engine.findings().count()));
            self.outlets.metrics.plans_in_flight.set(count(self.engine.in_flight().count()));
        }
        self.outlets.metrics.resources.set(count(self.engine.topology().len()));
        // What was carried out may have been an input: a policy in quarantine.
        if self.outputs.is_empty() { Ok(()) } else { self.carry_out() }
    }

    /// Counts decisions and tells them to people.
    fn tell(&mut self, records: &[Record]) {
        let mut lines = String::new();
        for record in records {
            self.outlets.metrics.count(&record.entry);
            if let Entry::PlanFinished { plan, result } = &record.entry
                && let Some(plan) = self.outlets.story.plan(*plan)
            {
                self.outlets.metrics.plan_finished(plan.policy.as_str(), result);
            }
            if let Some(traces) = &mut self.outlets.traces {
                traces.take(record);
            }
            lines.push_str(&self.outlets.story.tell(record));
        }
        if !lines.is_empty() {
            self.outlets.narrator.tell(&lines);
        }
    }

    /// Begins no plan any more, lets steps in flight end, takes in their reports, and closes the files. All of it is recorded
    /// like any other input, so that the end, too, replays to the same decisions.
    async fn end(&mut self, messages: &mut mpsc::Receiver<Message>) -> Result<(), Failure> {
        self.input(Input::Operator(OperatorCommand::Pause))?;
        self.carry_out_the_last()?;
        let mut closing = pin!(self.dispatcher.close());
        loop {
            tokio::select! {
                () = &mut closing => break,
                Some(message) = messages.recv() => self.take_the_last(message)?,
            }
        }
        while let Ok(message) = messages.try_recv() {
            self.take_the_last(message)?;
        }
        let at = self.clock.now();
        self.engine.advance(at, &mut self.outputs);
        self.carry_out_the_last()?;
        if let Some(recorder) = &mut self.outlets.recorder {
            recorder.write(&Line::End { at, end: true })?;
            recorder.flush()?;
        }
        for plan in self.engine.in_flight() {
            tracing::warn!(plan = %plan.id, policy = %plan.policy, "the plan was not finished");
        }
        Ok(())
    }

    /// Takes in what comes at the end. Questions and new policies come too late; those who ask see that nobody answers.
    fn take_the_last(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Input(input) => {
                self.input(*input)?;
                self.carry_out_the_last()
            }
            Message::Policies(..) | Message::Explain(..) | Message::Ping(..) => Ok(()),
        }
    }

    /// As ever, but no step is begun: it would outlive the program. It is in the journal as one that has not ended.
    fn carry_out_the_last(&mut self) -> Result<(), Failure> {
        self.outputs.retain(|output| match output {
            Output::Dispatch(command) => {
                tracing::warn!(key = %command.key, resource = %command.resource, action = %command.action, "the step is not begun any more");
                false
            }
            _ => true,
        });
        self.carry_out()
    }
}

impl Outlets {
    fn keep(&mut self, records: &[Record]) -> Result<(), Failure> {
        self.journal
            .append(records)
            .map_err(|error| Failure::new(format!("the journal cannot be written: {error}")))?;
        if let Some(file) = &mut self.decisions {
            write_decisions(file, records)?;
        }
        Ok(())
    }
}

/// Writes decisions, a JSON object a line: the same bytes for the same decisions, whoever made them.
pub(crate) fn write_decisions(file: &mut impl Write, records: &[Record]) -> Result<(), Failure> {
    let failure = |error: std::io::Error| Failure::new(format!("the decisions cannot be written: {error}"));
    for record in records {
        let text = serde_json::to_string(record).map_err(std::io::Error::other).map_err(failure)?;
        writeln!(file, "{text}").map_err(failure)?;
    }
    file.flush().map_err(failure)
}
