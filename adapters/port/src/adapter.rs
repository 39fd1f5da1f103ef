//! The adapter trait.

use async_trait::async_trait;
use homeostat_model::{AdapterName, Capabilities, Resource, StepCommand};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::{ObservationSink, ProgressSink};

/// The system could not be asked, or gave an answer that makes no sense.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// No connection, or it broke.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// The address that was tried.
        endpoint: String,
        /// What went wrong, with a hint at what to do where there is one.
        reason: String,
    },
    /// The system said no, or something that was not understood.
    #[error("{operation} failed: {reason}")]
    Failed {
        /// What was asked.
        operation: String,
        /// What it answered.
        reason: String,
    },
}

/// A step cannot be done here and now; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Why not.
    pub reason: String,
}

/// A step did not get done.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// It was called off in time; the system is as it was before.
    #[error("called off")]
    Cancelled,
    /// The generation of the step is older than one already seen: somebody else is in charge now.
    #[error("generation {given} is older than {newest}")]
    Stale {
        /// The step's.
        given: u32,
        /// The newest seen.
        newest: u32,
    },
    /// The system was asked and it did not work, or the outcome is not known: `probe` tells.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
}

/// What the system itself says about a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It is done; with what was seen, such as `memory limit 256 MiB`.
    Done(String),
    /// It is being done at this moment.
    Running,
    /// It is not done; with what was seen instead.
    NotDone(String),
}

/// Drives one kind of system.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// Its configured name.
    fn name(&self) -> &AdapterName;

    /// What the connected system can see and do. Asks the system where versions differ.
    ///
    /// # Errors
    /// [`AdapterError`] when the system has to be asked and does not answer.
    async fn capabilities(&self) -> Result<Capabilities, AdapterError>;

    /// Everything there is, now.
    ///
    /// # Errors
    /// [`AdapterError`] when the system does not answer. A part that cannot be read is left out only if it is gone.
    async fn discover(&self) -> Result<Vec<Resource>, AdapterError>;

    /// Sends a full snapshot, then inventory changes, samples and events as they come, until `stop`.
    ///
    /// Called again after an error; then what happened meanwhile (a death, an appearance) is sent as if it happened now.
    ///
    /// # Errors
    /// [`AdapterError`] when the connection is lost. `Ok` only after `stop`, or when the sink is closed.
    async fn observe(&self, sink: &ObservationSink, stop: &CancellationToken) -> Result<(), AdapterError>;

    /// Whether the step can be done now, asked of the system itself. Changes nothing.
    ///
    /// # Errors
    /// [`Refusal`] with the reason, also when the system cannot be asked.
    async fn check(&self, command: &StepCommand) -> Result<(), Refusal>;

    /// Does the step and returns when it is done. Doing it again under the same key changes nothing.
    ///
    /// # Errors
    /// [`ApplyError`]; after anything but `Cancelled` and `Stale` the outcome is open until `probe` says.
    async fn apply(
        &self,
        command: &StepCommand,
        progress: &ProgressSink,
        cancel: &CancellationToken,
    ) -> Result<(), ApplyError>;

    /// What became of the step, read from the system itself and not from memory.
    ///
    /// # Errors
    /// [`AdapterError`] when the system does not answer.
    async fn probe(&self, command: &StepCommand) -> Result<Probe, AdapterError>;
}
