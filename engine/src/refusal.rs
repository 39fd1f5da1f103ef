//! Why what a person wants is not done.

use homeostat_model::{PlanId, ResourceId};
use thiserror::Error;

use crate::PlanState;

/// Why what a person wants is not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandRefused {
    /// Nothing is known of the plan that was to be voted on.
    #[error("no such plan waits for approval, or was recommended lately")]
    UnknownPlan {
        /// The plan.
        plan: PlanId,
    },
    /// The plan does not wait for anybody.
    #[error("plan {plan} does not wait for approval: it is {state}")]
    NotWaiting {
        /// The plan.
        plan: PlanId,
        /// Where it is.
        state: PlanState,
    },
    /// The plan is not to be carried out, and nobody counts who agrees with it, or somebody has said so already.
    #[error(
        "plan {plan} was only shown: no word about it counts, one was said already, or its policy is another one by now"
    )]
    OnlyRecommended {
        /// The plan.
        plan: PlanId,
    },
    /// What was seen is not what would be done.
    #[error("the hash of that plan is {hash}")]
    OtherPlan {
        /// Its hash.
        hash: String,
    },
    /// It would not be made now; it is withdrawn.
    #[error("the situation has changed since it was made")]
    Outdated {
        /// The plan.
        plan: PlanId,
    },
    /// Nothing is known of the plan that was to be called off.
    #[error("no such plan waits or runs")]
    NotUnderWay {
        /// The plan.
        plan: PlanId,
    },
    /// The resource that was to be released is in no quarantine.
    #[error("{resource} is not in quarantine")]
    AtLarge {
        /// The resource.
        resource: ResourceId,
    },
    /// The plan that was to be called off is over.
    #[error("plan {plan} neither waits nor runs: it is {state}")]
    Over {
        /// The plan.
        plan: PlanId,
        /// Where it is.
        state: PlanState,
    },
}
