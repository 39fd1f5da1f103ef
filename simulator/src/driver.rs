//! Drives the engine in virtual time: simulations, backtests and policy tests all run here.
//!
//! ```text
//!            dispatch, cancel
//!   Engine ------------------> World (the embedded data centre, or assumptions)
//!     ^  <--inputs, reports------+
//!     +--- inputs from outside: recordings, written series
//! ```
//!
//! Time jumps from one moment at which something happens to the next; nothing waits.

use std::sync::Arc;

use homeostat_engine::{CompileError, Engine, Generation, Input, Output};
use homeostat_model::{IdempotencyKey, Notification, Observation, Record, StepCommand, Timestamp};
use homeostat_policy::Policy;

/// What steps act on while time is virtual.
pub trait World {
    /// Is shown what is observed before the engine is; gives what the engine has to know first.
    fn meet(&mut self, _observation: &Observation) -> Vec<Input> {
        Vec::new()
    }

    /// When something happens next.
    fn next_due(&self) -> Option<Timestamp>;

    /// What happens until `to`, in the order of time.
    fn advance(&mut self, to: Timestamp) -> Vec<(Timestamp, Input)>;

    /// Takes on a step; its report comes out of a later `advance`, exactly once.
    fn dispatch(&mut self, at: Timestamp, command: &StepCommand);

    /// Says what became of a step that was dispatched before a crash; its report comes like that of one that was begun.
    fn probe(&mut self, at: Timestamp, command: &StepCommand);

    /// Calls a step off, if it is still going on.
    fn cancel(&mut self, at: Timestamp, key: &IdempotencyKey);
}

/// The engine, a world, and everything that was decided.
#[derive(Debug)]
pub struct VirtualDriver<W> {
    engine: Engine,
    world: W,
    now: Timestamp,
    records: Vec<Record>,
    notifications: Vec<Notification>,
    samples: u64,
    events: u64,
    refused_samples: u64,
    crash: Option<Crash>,
    crashed: bool,
}

/// When the program ends without warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// When everything that was decided before the record of this number was carried out, from 1, and that record is lost.
    Before(usize),
    /// When the record of this number is durable, and nothing that comes after it was carried out.
    After(usize),
}

impl<W: World> VirtualDriver<W> {
    /// An engine of the given generation in `world`; time begins at `start`.
    #[must_use]
    pub fn new(generation: Generation, world: W, start: Timestamp) -> Self {
        Self {
            engine: Engine::new(generation),
            world,
            now: start,
            records: Vec::new(),
            notifications: Vec::new(),
            samples: 0,
            events: 0,
            refused_samples: 0,
            crash: None,
            crashed: false,
        }
    }

    /// The same, which crashes at that moment: from then on nothing happens any more.
    #[must_use]
    pub fn with_crash(self, crash: Crash) -> Self {
        Self { crash: Some(crash), ..self }
    }

    /// What is left after a crash: the world, the time, and the records that are durable. `None` when it has not crashed.
    #[must_use]
    pub fn into_ruins(self) -> Option<(W, Timestamp, Vec<Record>)> {
        self.crashed.then_some((self.world, self.now, self.records))
    }

    /// Replaces the policies at `at`.
    ///
    /// # Errors
    /// Scripts that Rhai refuses; the other policies are loaded.
    pub fn replace_policies(&mut self, at: Timestamp, policies: &[Arc<Policy>]) -> Result<(), Vec<CompileError>> {
        self.run_until(at);
        let mut out = Vec::new();
        let loaded = self.engine.replace_policies(self.now, policies, &mut out);
        self.carry_out(out);
        loaded
    }

    /// Lets everything happen that is due before `at`, then takes in `input`.
    pub fn handle(&mut self, at: Timestamp, input: Input) {
        self.run_until(at);
        if let Input::Observed(observation) = &input {
            for first in self.world.meet(observation) {
                self.take(self.now, first);
            }
        }
        self.take(self.now, input);
    }

    /// Lets everything happen that is due until `at`.
    pub fn run_until(&mut self, at: Timestamp) {
        while let Some(due) = [self.engine.next_deadline(), self.world.next_due()].into_iter().flatten().min() {
            if due > at || self.crashed {
                break;
            }
            self.now = self.now.max(due);
            for (moment, input) in self.world.advance(self.now) {
                self.take(moment, input);
            }
            if self.crashed {
                return;
            }
            let mut out = Vec::new();
            self.engine.advance(self.now, &mut out);
            self.carry_out(out);
        }
        if self.crashed {
            return;
        }
        self.now = self.now.max(at);
        let mut out = Vec::new();
        self.engine.advance(self.now, &mut out);
        self.carry_out(out);
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Everything that was decided so far, in order.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// What people were told so far, in order.
    #[must_use]
    pub fn notifications(&self) -> &[Notification] {
        &self.notifications
    }

    /// How many samples were taken in or refused.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// How many events were taken in.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many samples the engine refused.
    #[must_use]
    pub fn refused_samples(&self) -> u64 {
        self.refused_samples
    }

    /// The engine, to ask it questions.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &W {
        &self.world
    }

    fn take(&mut self, at: Timestamp, input: Input) {
        if self.crashed {
            return;
        }
        match &input {
            Input::Observed(Observation::Sample(_)) => self.samples += 1,
            Input::Observed(Observation::Event(_)) => self.events += 1,
            _ => {}
        }
        let mut out = Vec::new();
        self.engine.handle(at, input, &mut out);
        self.carry_out(out);
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            let number = self.records.len();
            self.crashed |= self.crash == Some(Crash::After(number))
                || (matches!(output, Output::Record(_)) && self.crash == Some(Crash::Before(number + 1)));
            if self.crashed {
                return;
            }
            match output {
                Output::Record(record) => self.records.push(record),
                Output::Dispatch(command) => self.world.dispatch(self.now, &command),
                Output::Probe(command) => self.world.probe(self.now, &command),
                Output::Cancel(key) => self.world.cancel(self.now, &key),
                Output::Notify(notification) => self.notifications.push(notification),
                // There is no channel here on which anything could be open.
                Output::Stands(_) | Output::Resolved(_) => {}
                Output::SampleRefused { .. } => self.refused_samples += 1,
                // Nobody measures here: what was quarantined live is in the recording.
                Output::Overran { .. } => {}
            }
        }
    }
}

/// A world in which nothing happens by itself: what became of the steps is in the recording that is repeated.
#[derive(Debug, Default)]
pub struct RecordedWorld;

impl World for RecordedWorld {
    fn next_due(&self) -> Option<Timestamp> {
        None
    }

    fn advance(&mut self, _to: Timestamp) -> Vec<(Timestamp, Input)> {
        Vec::new()
    }

    fn dispatch(&mut self, _at: Timestamp, _command: &StepCommand) {}

    fn probe(&mut self, _at: Timestamp, _command: &StepCommand) {}

    fn cancel(&mut self, _at: Timestamp, _key: &IdempotencyKey) {}
}
