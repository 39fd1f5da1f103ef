//! Records: everything the engine decided, in order. The journal keeps them, people read them, replays must repeat them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Duration, Evidence, Generation, IdempotencyKey, Plan, PlanId, PlanResult, PolicyName, ResourceId, StepId,
    StepResult, Timestamp,
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

/// Why something that could be done is not done now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hold {
    /// The policy acted on this resource not long ago.
    Cooldown {
        /// When it may act again.
        until: Timestamp,
    },
    /// Another plan owns a resource that this one needs.
    Owned {
        /// The contested resource.
        resource: ResourceId,
        /// The plan that owns it.
        by: PlanId,
    },
    /// The policy's mode does not let it act.
    Observing,
    /// A plan was made and shown; the policy's mode does not let it run.
    Recommended,
    /// The plan waits for a person.
    AwaitingApproval,
    /// The condition is no longer known to hold.
    Unknown,
    /// What is to be done depends on something that is not known.
    Undecided {
        /// What.
        what: String,
    },
    /// An operator has paused the engine.
    Paused,
    /// As many plans as a budget allows have begun, or are in flight.
    Budget {
        /// Whose budget it is.
        of: String,
        /// What is counted together.
        counted: String,
        /// How many there are.
        used: u32,
        /// How many there may be.
        max: u32,
        /// That begin in any stretch of this length; `None`: that are in flight.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per: Option<Duration>,
        /// One of those in flight.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<PlanId>,
        /// When there is room again by itself, or the budget is no longer in force; `None`: when a plan has ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

impl Hold {
    /// When it ends by itself, where that is a matter of time.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Cooldown { until } => Some(*until),
            Self::Budget { until, .. } => *until,
            _ => None,
        }
    }

    /// Whether it may end when a plan ends.
    #[must_use]
    pub fn waits_for_a_plan(&self) -> bool {
        matches!(self, Self::Owned { .. } | Self::Budget { per: None, .. })
    }

    /// Whether something was to be done that a guard of many forbids for now; by contrast to a pause after one's own deed, to what is not
    /// known, and to what waits for a person.
    #[must_use]
    pub fn is_a_guards(&self) -> bool {
        matches!(self, Self::Budget { .. })
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cooldown { .. } => f.write_str("cooldown: the policy acted here not long ago"),
            Self::Owned { resource, by } => write!(f, "plan {by} has {resource} in hand"),
            Self::Observing => f.write_str("mode observe: findings only"),
            Self::Recommended => f.write_str("mode recommend: the plan is shown, not run"),
            Self::AwaitingApproval => f.write_str("mode approve: the plan waits for a person"),
            Self::Unknown => f.write_str("the condition is no longer known to hold"),
            Self::Undecided { what } => write!(f, "what to do is not known: {what}"),
            Self::Paused => f.write_str("paused by an operator"),
            Self::Budget { of, counted, max: 0, .. } => write!(f, "budget of {of}: none may begin for {counted} now"),
            Self::Budget { of, counted, used, max, per, by, .. } => {
                write!(f, "budget of {of}: {used} of {max} for {counted} ")?;
                match per {
                    Some(per) => write!(f, "within {per}")?,
                    None => f.write_str("in flight")?,
                }
                by.map_or(Ok(()), |plan| write!(f, ", such as plan {plan}"))
            }
        }
    }
}

/// How urgent a notification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    #[default]
    Info,
    /// Somebody should look at it today.
    Warning,
    /// Somebody has to look at it now.
    Critical,
}

/// Something to tell people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it is about.
    pub finding: FindingRef,
    /// How urgent it is.
    pub severity: Severity,
    /// The message.
    pub message: String,
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
    },
    /// The decision not to act now.
    Held {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// Why, and until when.
        hold: Hold,
    },
    /// A plan was made.
    PlanMade(Plan),
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
    /// A plan ended.
    PlanFinished {
        /// The plan.
        plan: PlanId,
        /// How.
        result: PlanResult,
    },
    /// People are told.
    Notified(Notification),
    /// Nothing is left to try; a person has to.
    HandedOver {
        /// Of which policy, on which resource.
        finding: FindingRef,
        /// What was tried.
        reason: String,
    },
    /// A script of a policy has exceeded its budget: what depends on its scripts is unknown until the policy is replaced.
    PolicyQuarantined {
        /// The policy.
        policy: PolicyName,
        /// Which budget, and what to do about it.
        reason: String,
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
