//! What became of a step, as reported by whoever carried it out.

use serde::{Deserialize, Serialize};

use crate::{Duration, Generation, IdempotencyKey, PlanId, StepId};

/// How long after a step's own timeout its report may come. Whoever carries it out asks before whether it can be done, and afterwards what
/// became of it, and is bound to be back by then: `homeostat-port` adds up its limits.
pub const REPORT_GRACE: Duration = Duration::from_secs(90);

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepResult {
    /// Done, and seen to be done at the system itself.
    Done {
        /// What the system said afterwards, such as `memory limit 256 MiB`.
        observed: String,
    },
    /// The adapter's check said no before anything was changed.
    Refused {
        /// Why.
        reason: String,
    },
    /// It was tried and did not work.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was called off while it ran, and is not done.
    Cancelled,
    /// It is not known whether it was done; the system could not be asked.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What became of one dispatched step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The plan.
    pub plan: PlanId,
    /// The step.
    pub step: StepId,
    /// The key it was dispatched with.
    pub key: IdempotencyKey,
    /// The generation it was dispatched by.
    pub generation: Generation,
    /// How it ended.
    pub result: StepResult,
}
