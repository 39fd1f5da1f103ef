//! Plans: an immutable DAG of steps. A plan is executed or it is not, but never edited.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Action, AdapterName, Attempt, Cost, Duration, Evidence, FindingRef, PolicyName, Precondition, Reach, ResourceId,
    Retry, Timestamp, Verification,
    written::{numbered, written},
};

/// Counts the engine's incarnations (one a start of the driver). A step of an older generation is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

/// Names a plan: the generation that made it and its number therein, written `p3-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlanId {
    /// The generation that made it.
    pub generation: Generation,
    /// Its number within that generation, from 1.
    pub number: u64,
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("p{}-{}", self.generation.0, self.number))
    }
}

written!(PlanId, "plan id", "p1-7", |text| numbered('p', text).map(|(generation, number)| Self { generation, number }));

/// The number of a step within its plan, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u16);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one deed once and for all: the same key is the same deed, however often it is asked for. Written `p3-17/2`, and with the try
/// at its end unless that is the first.
///
/// Every try is a deed of its own: what was once tried under a key is not tried again under that key, and what is said late of an earlier
/// try is told apart from what is said of this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey {
    plan: PlanId,
    step: StepId,
    attempt: Attempt,
}

impl IdempotencyKey {
    /// The key of the first try of a plan's step.
    #[must_use]
    pub fn new(plan: PlanId, step: StepId) -> Self {
        Self::of(plan, step, Attempt::FIRST)
    }

    /// The key of one try of a plan's step.
    #[must_use]
    pub fn of(plan: PlanId, step: StepId, attempt: Attempt) -> Self {
        Self { plan, step, attempt }
    }

    /// The plan and the step.
    #[must_use]
    pub fn step(&self) -> (PlanId, StepId) {
        (self.plan, self.step)
    }

    /// Which try of its step it names.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}{}", self.plan, self.step, self.attempt))
    }
}

written!(IdempotencyKey, "key of a step", "p1-7/2 or p1-7/2.undo", |text| {
    let (plan, rest) = text.split_once('/')?;
    let (step, attempt) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    Some(Self { plan: plan.parse().ok()?, step: StepId(step.parse().ok()?), attempt: attempt.parse().ok()? })
});

/// How far a policy may go by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Findings only.
    Observe,
    /// Plans are made and shown, never executed.
    Recommend,
    /// Plans wait for a person.
    Approve,
    /// Plans are executed.
    #[default]
    Auto,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Observe => "observe",
            Self::Recommend => "recommend",
            Self::Approve => "approve",
            Self::Auto => "auto",
        })
    }
}

/// One action in a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number, from 1; greater than those of `after`.
    pub id: StepId,
    /// Steps that have to be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
    /// What is acted on.
    pub resource: ResourceId,
    /// Through which adapter.
    pub adapter: AdapterName,
    /// What is done.
    pub action: Action,
    /// How long it may take before it counts as failed.
    pub timeout: Duration,
    /// Why this step, in a sentence without the resource's name.
    pub reason: String,
    /// What has to be so when it begins; otherwise it is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preconditions: Vec<Precondition>,
    /// How often it is tried.
    #[serde(default, skip_serializing_if = "Retry::is_once")]
    pub retry: Retry,
    /// What undoes it, when the plan does not succeed; `None` when nothing does, or nothing is to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<Box<Action>>,
}

/// What is to be done about a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its name.
    pub id: PlanId,
    /// When it was made.
    pub created: Timestamp,
    /// The policy it is made for.
    pub policy: PolicyName,
    /// The resource whose finding it answers.
    pub subject: ResourceId,
    /// Every finding that it was made for: that of its policy and subject first, then those of other policies that asked for the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingRef>,
    /// The policy's response it carries out, and its place in `then`, from 1.
    pub response: String,
    /// Which rung of the policy's ladder this is, from 1.
    pub rung: u16,
    /// What made the finding.
    pub evidence: Evidence,
    /// How far it may go by itself.
    pub mode: Mode,
    /// The policy's priority; the greater one owns a contested resource.
    pub priority: i32,
    /// What the plan is expected to change.
    pub effect: String,
    /// Whom it concerns: what budgets count it for.
    #[serde(default)]
    pub reach: Arc<Reach>,
    /// The steps, in the order of their ids; a step comes after those it depends on.
    pub steps: Vec<Step>,
    /// What it is expected to cost.
    #[serde(default, skip_serializing_if = "Cost::is_nothing")]
    pub cost: Cost,
    /// What has to come about besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Box<Verification>>,
}

impl Plan {
    /// The finding that made it.
    #[must_use]
    pub fn finding(&self) -> FindingRef {
        FindingRef { policy: self.policy.clone(), resource: self.subject.clone() }
    }

    /// Every resource that the plan acts on, its subject among them.
    #[must_use]
    pub fn touches(&self) -> BTreeSet<ResourceId> {
        let mut touched = BTreeSet::from([self.subject.clone()]);
        touched.extend(self.steps.iter().map(|step| step.resource.clone()));
        touched
    }

    /// Every host that the plan moves something to.
    #[must_use]
    pub fn uses(&self) -> BTreeSet<ResourceId> {
        let target = |step: &Step| match &step.action {
            Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => Some(to.clone()),
            _ => None,
        };
        self.steps.iter().filter_map(target).collect()
    }

    /// The step numbered `id`.
    #[must_use]
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}

/// How a plan ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlanResult {
    /// Every step is done.
    Succeeded,
    /// A step was refused, failed or ran out of time; what depended on it was not begun.
    Failed {
        /// The first step that did not get done.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// Every step is done, but what they were for did not come about in time.
    Unverified {
        /// What did not.
        reason: String,
    },
    /// It was called off.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// It waited for people until its time was over, and was not begun.
    Expired {
        /// What it waited for.
        reason: String,
    },
}

/// A step as an adapter is handed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepCommand {
    /// The plan it belongs to.
    pub plan: PlanId,
    /// Its number therein.
    pub step: StepId,
    /// Names the deed: an adapter that has done it under this key does not do it again.
    pub key: IdempotencyKey,
    /// The engine's generation when it was dispatched; an adapter refuses one older than the newest it has seen.
    pub generation: Generation,
    /// The adapter that is asked.
    pub adapter: AdapterName,
    /// What is acted on.
    pub resource: ResourceId,
    /// What is done.
    pub action: Action,
    /// How long it may take.
    pub timeout: Duration,
    /// When it was handed over; of one that is probed after a crash, when that was before the crash. What its system shows from before
    /// is not its doing.
    pub begun: Timestamp,
}
