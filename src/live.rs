//! The live driver: real time, real adapters, a durable journal. It fulfils the engine's contract and decides nothing.
//!
//! ```text
//!   adapters, sources --observations--+        +--> journal, metrics, recording; the story, by a thread of its own
//!   files, API, steps --messages------+-> loop-+--> steps: check, apply, probe (one task each)
//!   clock --deadlines-----------------+        +--> notifications, traces
//!   API ----questions, when there is time---^
//! ```
//!
//! Invariant: one task owns the engine; whatever reaches it came through a bounded queue.
//! Invariant: the loop waits for nobody, in particular not for whoever reads standard output; for the disk only when a great deal waits.
//! Invariant: nothing is dispatched before the records that led to it are durable; if they cannot be, the program ends. Inputs are taken
//! in meanwhile, and what they lead to waits in the same order (`pending`).
//! Invariant: however much people ask, half of the loop's time is left for what is observed.

mod channels;
mod dispatcher;
mod monotonic;
mod narrator;
mod observer;
mod pending;
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
    time::{Duration, Instant},
};

use homeostat_engine::{CommandRefused, Engine, Input, OperatorCommand, Output, Past};
use homeostat_journal::Journal;
use homeostat_model::{Entry, Notification, Observation, OpenPlan, Record};
use homeostat_policy::Policy;
use homeostat_port::Clock;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use channels::Channels;
pub(crate) use dispatcher::Dispatcher;
pub(crate) use monotonic::Monotonic;
pub(crate) use narrator::Narrator;
pub(crate) use observer::observe;
use pending::{Answering, Pending, Turn};
pub(crate) use policies::PolicyFiles;
use refusals::Refusals;
pub(crate) use reload::{People, Reader, reload};
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

/// How often what counts towards its `for` is kept: as much is lost of it in a crash.
const KEEP_COUNTED: Duration = Duration::from_secs(10);

/// What reaches the engine besides observations.
#[derive(Debug)]
pub(crate) enum Message {
    /// An input.
    Input(Box<Input>),
    /// What was known when the journal's segment began, and what was recorded since, before the program last ended.
    Recalled(Box<Past>, Vec<Record>),
    /// Plans that were in flight when the program last ended.
    Recovered(Vec<OpenPlan>),
    /// Notifications that were not delivered when the program last ended.
    Undelivered(Vec<Notification>),
    /// New policies, checked, and the files they were read from.
    Policies(Vec<Arc<Policy>>, Vec<RecordedFile>),
    /// What a person wants; what came of it is said when that is durable.
    Command(OperatorCommand, oneshot::Sender<Result<(), CommandRefused>>),
    /// Asks for a sign of life.
    Ping(oneshot::Sender<()>),
}

/// Something to ask the engine, as of now. It answers whoever asks by itself.
pub(crate) struct Question(pub(crate) Box<dyn FnOnce(&Engine) + Send>);

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question(..)")
    }
}

/// Where decisions go.
pub(crate) struct Outlets {
    pub(crate) journal: Journal,
    pub(crate) decisions: Option<BufWriter<File>>,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) story: Story,
    pub(crate) narrator: Narrator,
    pub(crate) channels: Arc<Channels>,
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
    pending: Pending,
    /// Whether it was told what was before, and what of that goes on.
    recalled: bool,
    /// What people are told once what was decided is durable.
    answers: Vec<Answering>,
}

impl Live {
    pub(crate) fn new(engine: Engine, clock: Clock, outlets: Outlets, dispatcher: Dispatcher) -> Self {
        let (refusals, pending) = (Refusals::default(), Pending::default());
        let (outputs, answers) = (Vec::new(), Vec::new());
        Self { engine, clock, outlets, dispatcher, outputs, refusals, pending, recalled: false, answers }
    }

    /// Runs until `stop`, then lets steps in flight end.
    ///
    /// # Errors
    /// [`Failure`] when decisions cannot be made durable.
    pub(crate) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        observations: mpsc::Receiver<Observation>,
        questions: mpsc::Receiver<Question>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let outcome = match self.turn(&mut messages, observations, questions, stop).await {
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
        mut questions: mpsc::Receiver<Question>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        // The first one is not at once: what was before is told first.
        let mut counted = tokio::time::interval_at(tokio::time::Instant::now() + KEEP_COUNTED, KEEP_COUNTED);
        // How long the last question took: as long is left for what is observed.
        let mut owed = Duration::ZERO;
        loop {
            let full = self.pending.is_full();
            let deadline = self.engine.next_deadline();
            let due = async {
                match deadline {
                    Some(deadline) => self.clock.sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.settle().await,
                turn = self.pending.first() => {
                    self.act(turn.map_err(|error| unwritable(&error))?)?;
                    continue;
                }
                _ = counted.tick(), if !full => {
                    self.advance();
                    self.carry_out()?;
                    self.keep_counted()?;
                }
                Some(message) = messages.recv(), if !full => self.take(message)?,
                Some(observation) = observations.recv(), if !full => {
                    self.input(Input::Observed(observation))?;
                    self.observe(&mut observations, messages, owed)?;
                    // However much is observed, somebody is answered.
                    owed = questions.try_recv().map_or(Duration::ZERO, |question| self.answer(question));
                }
                () = due, if !full => self.advance(),
                Some(question) = questions.recv(), if !full => owed = self.answer(question),
            }
            self.carry_out()?;
        }
    }

    /// Takes in what was observed meanwhile: a batch of it, and as much as can be in this time.
    fn observe(
        &mut self,
        observations: &mut mpsc::Receiver<Observation>,
        messages: &mpsc::Receiver<Message>,
        at_least: Duration,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            let waiting = observations.len();
            // What was said before something was observed, such as what an adapter can do, is heard before it.
            if waiting == 0 || !messages.is_empty() {
                return Ok(());
            }
            for _ in 0..waiting.min(BATCH) {
                let Ok(observation) = observations.try_recv() else { return Ok(()) };
                self.input(Input::Observed(observation))?;
            }
            if began.elapsed() >= at_least {
                return Ok(());
            }
        }
    }

    /// Answers a question; how long that took.
    fn answer(&mut self, Question(ask): Question) -> Duration {
        let began = Instant::now();
        self.advance();
        ask(&self.engine);
        began.elapsed()
    }

    fn advance(&mut self) {
        self.engine.advance(self.clock.now(), &mut self.outputs);
    }

    fn take(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Input(input) => self.input(*input),
            Message::Policies(policies, files) => self.replace_policies(&policies, files),
            Message::Recalled(past, since) => self.input(Input::Recalled { past, since }),
            Message::Recovered(plans) => {
                for open in plans {
                    self.outlets.story.remember(&open.made);
                    self.input(Input::Recovered(Box::new(open)))?;
                }
                self.recalled = true;
                Ok(())
            }
            Message::Undelivered(left) => {
                left.into_iter().try_for_each(|one| self.input(Input::Undelivered(Box::new(one))))?;
                Ok(())
            }
            Message::Command(command, reply) => self.command(command, reply),
            Message::Ping(reply) => {
                let _ = reply.send(());
                Ok(())
            }
        }
    }

    fn command(
        &mut self,
        command: OperatorCommand,
        reply: oneshot::Sender<Result<(), CommandRefused>>,
    ) -> Result<(), Failure> {
        let at = self.clock.now();
        if let Some(recorder) = &mut self.outlets.recorder {
            recorder.write(&Line::Input { at, input: Box::new(Input::Operator(command.clone())) })?;
        }
        let came = self.engine.operate(at, command, &mut self.outputs);
        self.answers.push(Answering::new(came, reply));
        Ok(())
    }

    fn input(&mut self, input: Input) -> Result<(), Failure> {
        let metrics = &self.outlets.metrics;
        match &input {
            Input::Observed(Observation::Sample(_)) => metrics.samples.inc(),
            Input::Observed(Observation::Event(_)) => metrics.events.inc(),
            _ => 0,
        };
        if let Input::Report(report) = &input {
            self.dispatcher.reported(&report.key);
        }
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

    /// Hands what was decided to the journal; what the engine wants done waits until that is durable.
    fn carry_out(&mut self) -> Result<(), Failure> {
        if let Some(recorder) = &mut self.outlets.recorder {
            // Before the decisions: whatever was decided can be decided again from the recording, also after a crash.
            recorder.flush()?;
        }
        let (mut records, mut waiting, mut overran) = (Vec::new(), Vec::new(), Vec::new());
        for output in std::mem::take(&mut self.outputs) {
            match output {
                Output::Record(record) => records.push(record),
                Output::Overran { policy, took } => overran.push((policy, took)),
                Output::SampleRefused { resource, reason } => {
                    self.outlets.metrics.samples_refused.inc();
                    self.refusals.add(self.clock.now(), &resource, &reason);
                }
                other => waiting.push(other),
            }
        }
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        if records.is_empty() && self.answers.is_empty() {
            let at_once = self.pending.add(waiting);
            self.do_all(at_once);
        } else {
            self.keep(records, waiting)?;
            // Findings and plans come and go with a decision only; counting them for every sample would be in vain.
            self.outlets.metrics.findings_open.set(count(self.engine.findings().count()));
            self.outlets.metrics.plans_in_flight.set(count(self.engine.in_flight().count()));
        }
        self.outlets.metrics.resources.set(count(self.engine.topology().len()));
        for (policy, took) in overran {
            let millis = took.as_millis();
            let reason = format!("a script ran for {millis} ms; look for loops over long lists or texts");
            // An input like others: recorded, so that a replay does the same at the same place.
            self.input(Input::Operator(OperatorCommand::Quarantine { policy, reason }))?;
        }
        if self.outputs.is_empty() { Ok(()) } else { self.carry_out() }
    }

    /// Gives `records` to the journal; `outputs` are carried out when they are durable.
    fn keep(&mut self, records: Vec<Record>, outputs: Vec<Output>) -> Result<(), Failure> {
        let journal = &self.outlets.journal;
        let durable = tokio::task::block_in_place(|| journal.append(&records)).map_err(|error| unwritable(&error))?;
        let answers = std::mem::take(&mut self.answers);
        self.pending.push(Turn::new(durable, records, outputs).answering(answers));
        self.roll()
    }

    /// Begins a new segment of the journal when the last one is long enough.
    fn roll(&mut self) -> Result<(), Failure> {
        // Before it was told what was before, it would carry nothing of that over, and the next start would know nothing of it.
        if self.recalled && self.outlets.journal.wants_snapshot() {
            // Plans under way the journal carries over by itself.
            let past = serde_json::to_vec(&self.engine.past()).map_err(|error| unwritable(&error))?;
            let rolled = self.outlets.journal.roll(past).map_err(|error| unwritable(&error))?;
            self.pending.push(Turn::new(rolled, Vec::new(), Vec::new()));
        }
        Ok(())
    }

    /// Keeps what counts towards its `for`. That is no decision: nobody is told of it, and a replay does not repeat it.
    fn keep_counted(&mut self) -> Result<(), Failure> {
        let records = self.engine.counted();
        if records.is_empty() {
            return Ok(());
        }
        let journal = &self.outlets.journal;
        let durable = tokio::task::block_in_place(|| journal.append(&records)).map_err(|error| unwritable(&error))?;
        self.pending.push(Turn::new(durable, Vec::new(), Vec::new()));
        self.roll()
    }

    /// Does what a turn led to, whose records are durable.
    fn act(&mut self, turn: Turn) -> Result<(), Failure> {
        if !turn.records.is_empty() {
            self.outlets.metrics.journal_seconds.observe(turn.waited_seconds());
            if let Some(file) = &mut self.outlets.decisions {
                write_decisions(file, &turn.records)?;
            }
            self.tell(&turn.records);
        }
        self.do_all(turn.outputs);
        turn.answers.into_iter().for_each(Answering::give);
        Ok(())
    }

    fn do_all(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Dispatch(command) => self.dispatcher.dispatch(command),
                Output::Probe(command) => self.dispatcher.probe(command),
                Output::Cancel(key) => self.dispatcher.cancel(&key),
                Output::Notify(notification) => {
                    tracing::warn!(resource = %notification.finding.resource, policy = %notification.finding.policy, message = notification.message, "notification");
                    self.outlets.channels.hand(&notification);
                }
                Output::Stands(notification) => self.outlets.channels.stands(&notification),
                Output::Resolved(topic) => self.outlets.channels.resolved(&topic),
                // They do not wait.
                Output::Record(_) | Output::Overran { .. } | Output::SampleRefused { .. } => {}
            }
        }
    }

    /// Does everything that waits.
    async fn settle(&mut self) -> Result<(), Failure> {
        while !self.pending.is_empty() {
            let turn = self.pending.first().await.map_err(|error| unwritable(&error))?;
            self.act(turn)?;
        }
        Ok(())
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

    /// Begins no plan any more, lets steps in flight end and notifications arrive, takes in their reports, and closes the files. All of it
    /// is recorded like any other input, so that the end, too, replays to the same decisions.
    async fn end(&mut self, messages: &mut mpsc::Receiver<Message>) -> Result<(), Failure> {
        self.input(Input::Operator(OperatorCommand::Stop))?;
        self.carry_out_the_last().await?;
        let closing = self.dispatcher.close();
        self.listen_until(closing, messages).await?;
        // What people are to be told of that is handed over first.
        self.settle().await?;
        let channels = self.outlets.channels.clone();
        self.listen_until(channels.end(), messages).await?;
        let at = self.clock.now();
        self.engine.advance(at, &mut self.outputs);
        self.carry_out_the_last().await?;
        self.keep_counted()?;
        self.settle().await?;
        if let Some(recorder) = &mut self.outlets.recorder {
            recorder.write(&Line::End { at, end: true })?;
            recorder.flush()?;
        }
        for plan in self.engine.in_flight() {
            tracing::warn!(plan = %plan.id, policy = %plan.policy, "the plan was not finished");
        }
        Ok(())
    }

    /// Takes in what comes until `over`, and what has come by then.
    async fn listen_until(
        &mut self,
        over: impl Future<Output = ()>,
        messages: &mut mpsc::Receiver<Message>,
    ) -> Result<(), Failure> {
        let mut over = pin!(over);
        loop {
            tokio::select! {
                () = &mut over => break,
                Some(message) = messages.recv() => self.take_the_last(message).await?,
            }
        }
        while let Ok(message) = messages.try_recv() {
            self.take_the_last(message).await?;
        }
        Ok(())
    }

    /// Takes in what comes at the end. New policies and commands come too late; those who ask see that nobody answers.
    async fn take_the_last(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Input(input) => {
                self.input(*input)?;
                self.carry_out_the_last().await
            }
            Message::Recalled(..)
            | Message::Recovered(..)
            | Message::Undelivered(..)
            | Message::Policies(..)
            | Message::Command(..)
            | Message::Ping(..) => Ok(()),
        }
    }

    /// As ever, and waits until it is durable. The engine begins no step any more: it would outlive the program.
    async fn carry_out_the_last(&mut self) -> Result<(), Failure> {
        self.carry_out()?;
        self.settle().await
    }
}

fn unwritable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the journal cannot be written: {error}"))
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
