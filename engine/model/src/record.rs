//! Records: everything the engine decided, in order. The journal keeps them, people read them, replays must repeat them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    BreakerState, Counting, Delivery, Duration, Evidence, Generation, Hold, IdempotencyKey, Mode, Notification, Plan,
    PlanId, PlanResult, PolicyName, ResourceId, StepId, StepResult, Timestamp,
};

/// A policy's condition on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FindingRef {
    /// The policy.
    pub policy: PolicyName,
    /// The resource.
    pub resource: ResourceId,
}

impl fmt::Display for FindingRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.policy, self.resource)
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// The engine began, or its policies were replaced.
    PoliciesLoaded {
        /// The engine's generation.
        generation: Generation,
        /// Their names, in order.
        policies: Vec<PolicyName>,
        /// The hashes of their texts, in the same order: what is remembered of a policy is remembered of its text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        texts: Vec<String>,
    },
    /// A condition began to hold (long enough), or an event matched.
    FindingOpened {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// The values that made it.
        evidence: Evidence,
    },
    /// A condition holds no longer, or an event has been answered.
    FindingClosed {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// Why it closed.
        reason: String,
    },
    /// A response of the ladder was passed over.
    Skipped {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// The response, as written.
        response: String,
        /// Why it cannot be done here and now.
        reason: String,
        /// Its rung, from 1; none in a journal of an older version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rung: Option<u16>,
        /// Its `if` is not met: it could be done, and is not meant.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unmet: bool,
        /// The rung, from 1, at which the ladder goes on because the time of this one is over; at once, or when what is being done of it
        /// has ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<u16>,
    },
    /// The decision not to act now.
    Held {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// Why, and until when.
        hold: Hold,
    },
    /// A plan was made.
    PlanMade(Arc<Plan>),
    /// A plan that was made for another finding does what this one asks for: it is the plan of both from here on.
    Joined {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// The plan.
        plan: PlanId,
        /// The rung of its ladder, from 1, that asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rung: Option<u16>,
    },
    /// A plan that waited for people begins: they have agreed with it, and nothing holds it back. One that waits for nobody has begun when
    /// it was made.
    PlanBegun {
        /// The plan.
        plan: PlanId,
    },
    /// A step was handed to its adapter. Durable before it is.
    StepDispatched {
        /// The plan.
        plan: PlanId,
        /// The step.
        step: StepId,
        /// The deed's name.
        key: IdempotencyKey,
    },
    /// A step ended.
    StepFinished {
        /// The plan.
        plan: PlanId,
        /// The step.
        step: StepId,
        /// How.
        result: StepResult,
    },
    /// A plan was called off while something of it is being done: nothing more of it begins.
    PlanCalledOff {
        /// The plan.
        plan: PlanId,
        /// Why.
        reason: String,
        /// Nobody has called it off, its time is over: what was done is undone.
        #[serde(default, rename = "outOfTime", skip_serializing_if = "std::ops::Not::not")]
        out_of_time: bool,
    },
    /// Every step of a plan is done; now it is looked whether that helped.
    Verifying {
        /// The plan.
        plan: PlanId,
        /// What has to come about.
        that: String,
        /// Until when.
        until: Timestamp,
    },
    /// A plan ended.
    PlanFinished {
        /// The plan.
        plan: PlanId,
        /// How.
        result: PlanResult,
    },
    /// People are told.
    Notified(Box<Notification>),
    /// A channel has delivered a notification, or has given up.
    Delivered(Delivery),
    /// Nothing is left to try; a person has to.
    HandedOver {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// What was tried.
        reason: String,
    },
    /// No policy acts on the resource of this finding any more: its ladder has come to its end.
    ResourceQuarantined {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// How long the finding has to stay closed until it ends by itself.
        lasts: Duration,
    },
    /// Policies may act on a resource again.
    ResourceReleased {
        /// The resource.
        resource: ResourceId,
        /// Why.
        reason: String,
    },
    /// A script of a policy has exceeded its budget: what depends on its scripts is unknown until the policy is replaced.
    PolicyQuarantined {
        /// The policy.
        policy: PolicyName,
        /// Which budget, and what to do about it.
        reason: String,
    },
    /// A person approved of a plan, or rejected it; or the time limit has let it through.
    Voted {
        /// The plan.
        plan: PlanId,
        /// Who.
        by: String,
        /// Whether they approved of it.
        approve: bool,
    },
    /// A person has paused the engine: no plan begins.
    Paused {
        /// Who.
        by: String,
    },
    /// A person lets plans begin again.
    Resumed {
        /// Who.
        by: String,
    },
    /// A policy may do more by itself, or no longer so.
    AutonomyChanged {
        /// The policy.
        policy: PolicyName,
        /// How far it may go now.
        mode: Mode,
        /// What made it so.
        reason: String,
    },
    /// A breaker has changed: it was tripped, lets one plan through to see, or is closed again.
    BreakerChanged {
        /// The guard that it belongs to.
        guard: String,
        /// What it is now.
        state: BreakerState,
        /// What made it so.
        reason: String,
    },
    /// Which conditions count towards their `for`, as far as that has changed since the record of this kind before: so that they go on
    /// counting after a restart.
    Counted {
        /// Those that began, or count in another way.
        counting: Vec<Counting>,
        /// Those that count no longer.
        ended: Vec<FindingRef>,
    },
    /// An input could not be used; nothing else was affected.
    InputRefused {
        /// What it was.
        input: String,
        /// Why.
        reason: String,
    },
}

/// One decision and its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it was decided, by the time the engine was told.
    pub at: Timestamp,
    /// What was decided.
    pub entry: Entry,
}
