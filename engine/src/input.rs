//! What the engine is told.

use homeostat_model::{
    Capabilities, Channel, Delivery, Notification, Observation, OpenPlan, PlanId, PolicyName, Record, ResourceId,
    StepReport,
};
use serde::{Deserialize, Serialize};

use crate::Past;

/// One input. Policies come separately: see [`crate::Engine::replace_policies`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// What an adapter can do; replaces what it could before.
    Capabilities(Capabilities),
    /// Something was seen.
    Observed(Observation),
    /// What an earlier generation knew, and all that it recorded since it knew that, in order. Said after the policies were loaded and
    /// before plans are recovered or anything is observed. See [`Past::concerns`].
    Recalled {
        /// What it knew.
        past: Box<Past>,
        /// Its records since.
        since: Vec<Record>,
    },
    /// A plan of an earlier generation was in flight when its engine ended. Said after the policies were loaded and before anything
    /// is observed.
    Recovered(Box<OpenPlan>),
    /// The channels by which people can be told; replaces those before.
    Channels(Vec<Channel>),
    /// A notification of an earlier generation has not been delivered everywhere: it names the channels that are left.
    Undelivered(Box<Notification>),
    /// A channel has delivered a notification, or has given up.
    Delivered(Delivery),
    /// A dispatched or probed step has ended.
    Report(StepReport),
    /// A person wants something.
    Operator(OperatorCommand),
}

/// What a person can tell the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OperatorCommand {
    /// Begin no plan any more; those in flight go on.
    Pause {
        /// Who says so.
        by: String,
    },
    /// Begin plans again.
    Resume {
        /// Who says so.
        by: String,
    },
    /// The program ends: begin no plan any more. No decision, and so not recorded: the next start knows nothing of it.
    Stop,
    /// Carry out a plan that waits for approval.
    Approve(PlanId),
    /// Say whether a plan that waits, or was recommended, is right.
    Vote {
        /// The plan.
        plan: PlanId,
        /// Who says so: each person counts once.
        by: String,
        /// Whether it is to be carried out.
        approve: bool,
        /// The hash of what was seen; another plan than that is not approved of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
    },
    /// Drop a plan that waits for approval.
    Reject(PlanId),
    /// Call off a plan that waits or runs.
    Cancel {
        /// The plan.
        plan: PlanId,
        /// Who says so.
        by: String,
    },
    /// Let policies act again on a resource that is in quarantine since a ladder came to its end there.
    Release {
        /// The resource.
        resource: ResourceId,
        /// Who says so.
        by: String,
    },
    /// Run no script of a policy any more, until it is replaced. Drivers say this of a script that takes too much of the wall
    /// clock's time, which the engine cannot see.
    Quarantine {
        /// The policy.
        policy: PolicyName,
        /// Why.
        reason: String,
    },
}
