//! What is asked and answered, a JSON object a line.

use std::collections::BTreeMap;

use homeostat_model::{Capabilities, IdempotencyKey, Observation, Resource, ResourceId, StepCommand, Verb};
use homeostat_port::{AdapterError, ApplyError, Probe};
use serde::{Deserialize, Serialize};

use crate::{Account, DataCentre, Fault, Incident, RanTwice};

/// A question is a step at most, of which the longest names fit many times.
pub(super) const MAX_QUESTION_BYTES: u64 = 64 << 10;
/// An answer is an inventory at most: 10,000 resources of up to 3 KiB, or the ledger of 100,000 keys of 300 bytes.
pub(super) const MAX_ANSWER_BYTES: u64 = 32 << 20;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Question {
    Capabilities,
    Discover,
    /// Answered with observations, until the connection is closed.
    Observe,
    Check(StepCommand),
    /// Answered with progress, then with how it ended.
    Apply {
        command: StepCommand,
        /// Whether it is called off before it begins.
        #[serde(rename = "calledOff")]
        called_off: bool,
    },
    /// Calls off the step that is applied on this connection.
    Cancel,
    Probe(StepCommand),
    Ledger,
    Inject(Incident),
    GoWrong {
        fault: Fault,
        times: usize,
    },
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Answer {
    Capabilities(Capabilities),
    Resources(Vec<Resource>),
    Observed(Vec<Observation>),
    /// Why it cannot be done, if it cannot.
    Checked {
        refusal: Option<String>,
    },
    Progress(f64),
    Applied(Applied),
    Probed(Probed),
    Stated(Statement),
    /// It was done, and there is nothing to say about it.
    Noted,
    /// It was not understood, or cannot be.
    Wrong {
        reason: String,
    },
}

/// How an apply ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Applied {
    Done,
    Cancelled,
    Stale { given: u32, newest: u32 },
    Unreachable { endpoint: String, reason: String },
    Failed { operation: String, reason: String },
}

/// What became of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Probed {
    Done(String),
    Running,
    NotDone(String),
    Unreachable { endpoint: String, reason: String },
}

/// What a data centre says was really done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// What became of the steps of each key.
    pub keys: BTreeMap<IdempotencyKey, Account>,
    /// How many of the oldest keys are no longer kept.
    pub forgotten: u64,
    /// How often which verb was done to which resource, whatever the keys.
    pub effects: BTreeMap<ResourceId, BTreeMap<Verb, u64>>,
    /// The workloads that ever ran on two hosts at a time.
    pub ran_twice: Vec<RanTwice>,
}

impl Statement {
    /// That of `centre`.
    pub(super) fn of(centre: &DataCentre) -> Self {
        let mut effects: BTreeMap<ResourceId, BTreeMap<Verb, u64>> = BTreeMap::new();
        for (resource, verb, count) in centre.effects().counts() {
            effects.entry(resource.clone()).or_default().insert(verb, count);
        }
        let (keys, forgotten) = (centre.ledger().accounts().clone(), centre.ledger().forgotten());
        Self { keys, forgotten, effects, ran_twice: centre.effects().ran_twice().to_vec() }
    }
}

impl From<Result<(), ApplyError>> for Applied {
    fn from(applied: Result<(), ApplyError>) -> Self {
        match applied {
            Ok(()) => Self::Done,
            Err(ApplyError::Cancelled) => Self::Cancelled,
            Err(ApplyError::Stale { given, newest }) => Self::Stale { given, newest },
            Err(ApplyError::Adapter(AdapterError::Unreachable { endpoint, reason })) => {
                Self::Unreachable { endpoint, reason }
            }
            Err(ApplyError::Adapter(AdapterError::Failed { operation, reason })) => Self::Failed { operation, reason },
        }
    }
}

impl From<Applied> for Result<(), ApplyError> {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::Done => Ok(()),
            Applied::Cancelled => Err(ApplyError::Cancelled),
            Applied::Stale { given, newest } => Err(ApplyError::Stale { given, newest }),
            Applied::Unreachable { endpoint, reason } => Err(AdapterError::Unreachable { endpoint, reason }.into()),
            Applied::Failed { operation, reason } => Err(AdapterError::Failed { operation, reason }.into()),
        }
    }
}

impl From<Result<Probe, AdapterError>> for Probed {
    fn from(probed: Result<Probe, AdapterError>) -> Self {
        match probed {
            Ok(Probe::Done(seen)) => Self::Done(seen),
            Ok(Probe::Running) => Self::Running,
            Ok(Probe::NotDone(seen)) => Self::NotDone(seen),
            Err(AdapterError::Unreachable { endpoint, reason }) => Self::Unreachable { endpoint, reason },
            Err(AdapterError::Failed { operation, reason }) => Self::Unreachable { endpoint: operation, reason },
        }
    }
}

impl From<Probed> for Result<Probe, AdapterError> {
    fn from(probed: Probed) -> Self {
        match probed {
            Probed::Done(seen) => Ok(Probe::Done(seen)),
            Probed::Running => Ok(Probe::Running),
            Probed::NotDone(seen) => Ok(Probe::NotDone(seen)),
            Probed::Unreachable { endpoint, reason } => Err(AdapterError::Unreachable { endpoint, reason }),
        }
    }
}
