//! What the engine wants done.

use homeostat_model::{IdempotencyKey, Notification, PolicyName, Record, ResourceId, StepCommand, Topic};

/// One thing to do. See the contract in the head of the crate.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Keep this; it is what was decided.
    Record(Record),
    /// Hand this step to its adapter.
    Dispatch(StepCommand),
    /// Ask the adapter of this step what became of it, and begin nothing: after a crash, and when its report is overdue. Answered like a
    /// dispatched step: done when it is done, also if that takes its timeout; failed when it is known not to be done; unknown when nobody
    /// can tell. One that is still being carried out is answered by its own report.
    Probe(StepCommand),
    /// Call off the step that was dispatched under this key, if it still can be.
    Cancel(IdempotencyKey),
    /// Tell people, through the channels that it names.
    Notify(Notification),
    /// People were told this, and it is not over: a channel that keeps it up goes on with it, also after a restart. Nobody is told anew.
    /// Not a decision, so not a record.
    Stands(Notification),
    /// What people were told, or asked, about this is over. Not a decision, so not a record.
    Resolved(Topic),
    /// A script of this policy has taken longer than it may by the driver's clock; its result counts all the same, so that a recording
    /// replays. A driver answers with [`OperatorCommand::Quarantine`](crate::OperatorCommand), which is recorded. Not a decision,
    /// so not a record.
    Overran {
        /// The policy.
        policy: PolicyName,
        /// How long one evaluation took.
        took: std::time::Duration,
    },
    /// A sample was not taken: count it. Not a decision, so not a record.
    SampleRefused {
        /// The sample's resource.
        resource: ResourceId,
        /// Why.
        reason: String,
    },
}
