//! What people are shown of plans: those that wait, run, or are over since not long ago. Questions; they change no decision.

use std::{collections::BTreeSet, fmt, str::FromStr};

use homeostat_guard::approval::hash;
use homeostat_model::{Generation, Plan, PlanId, PlanResult, ResourceId, StepId, Timestamp};
use homeostat_plan::{Run, StepState};
use serde::{Deserialize, Serialize};

use crate::{Engine, recent::Ended};

/// Where a plan is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    /// It waits for people.
    Waiting,
    /// It is carried out.
    Running,
    /// All is done; it is looked whether it helped.
    Verifying,
    /// What was done is undone.
    Undoing,
    /// Nobody knows what became of a step: a person has to look, and to cancel it.
    InDoubt,
    /// It was shown, and is not carried out.
    Recommended,
    /// It helped.
    Succeeded,
    /// A step did not get done.
    Failed,
    /// All was done, and it did not help.
    Unverified,
    /// It was called off.
    Cancelled,
    /// It waited for people until its time was over.
    Expired,
}

impl PlanState {
    /// Every one of them.
    pub const ALL: [Self; 11] = [
        Self::Waiting,
        Self::Running,
        Self::Verifying,
        Self::Undoing,
        Self::InDoubt,
        Self::Recommended,
        Self::Succeeded,
        Self::Failed,
        Self::Unverified,
        Self::Cancelled,
        Self::Expired,
    ];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Undoing => "undoing",
            Self::InDoubt => "in-doubt",
            Self::Recommended => "recommended",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Unverified => "unverified",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether somebody or something still has to do something about it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Verifying | Self::Undoing | Self::InDoubt)
    }

    fn of_result(result: Option<&PlanResult>) -> Self {
        match result {
            None => Self::Recommended,
            Some(PlanResult::Succeeded) => Self::Succeeded,
            Some(PlanResult::Failed { .. }) => Self::Failed,
            Some(PlanResult::Unverified { .. }) => Self::Unverified,
            Some(PlanResult::Cancelled { .. }) => Self::Cancelled,
            Some(PlanResult::Expired { .. }) => Self::Expired,
        }
    }
}

impl fmt::Display for PlanState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for PlanState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.word() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::word);
            format!("no state is called so; there are: {}", words.join(", "))
        })
    }
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Its number.
    pub step: StepId,
    /// Where it is, in a word.
    pub state: String,
    /// For which time it, or what undoes it, is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u16>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why it did not get done, or has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A plan, and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// As it was made.
    pub plan: Plan,
    /// What is approved of: equal only for the same plan.
    pub hash: String,
    /// In a word.
    pub state: PlanState,
    /// Who has approved of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved: Vec<String>,
    /// How many have to, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u16>,
    /// Until when it waits for them, or it is looked whether it helped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What would hold it back if people had approved of it now, or keeps it from going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Its steps, in the order of their numbers.
    pub steps: Vec<StepView>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<PlanResult>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

/// The engine at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Of when this is.
    pub now: Timestamp,
    /// The engine's generation.
    pub generation: Generation,
    /// Whether a person has paused it.
    pub paused: bool,
    /// Policies that are loaded.
    pub policies: usize,
    /// Resources that are known.
    pub resources: usize,
    /// Findings that are open.
    pub findings: usize,
    /// How many plans wait for people.
    pub waiting: usize,
    /// The plans that are carried out.
    pub in_flight: Vec<PlanId>,
    /// The plans of which a person has to see what became.
    pub in_doubt: Vec<PlanId>,
    /// The resources that are left alone since a ladder came to its end there.
    #[serde(default)]
    pub quarantined: Vec<ResourceId>,
}

impl Engine {
    /// The engine at a glance.
    #[must_use]
    pub fn overview(&self) -> Overview {
        let in_doubt = self.recent.iter().map(|ended| ended.run.plan().id).filter(|id| self.doubtful.contains_key(id));
        Overview {
            now: self.now,
            generation: self.generation,
            paused: self.paused,
            policies: self.decider.policies().count(),
            resources: self.topology.len(),
            findings: self.findings().count(),
            waiting: self.proposals.len(),
            in_flight: self.runs.keys().copied().collect(),
            in_doubt: in_doubt.collect(),
            quarantined: self.quarantined.keys().cloned().collect(),
        }
    }

    /// The names alone of all plans whose state is asked for: a plan as it is shown is hashed, which takes a while.
    pub fn plan_ids(&self, which: impl Fn(PlanState) -> bool) -> BTreeSet<PlanId> {
        let known = self.proposals.keys().chain(self.runs.keys()).copied();
        let ended = self.recent.iter().map(|ended| ended.run.plan().id);
        known.chain(ended).filter(|id| self.state_of(*id).is_some_and(&which)).collect()
    }

    /// The plan `id`, if it waits, runs, or is over since not long ago.
    #[must_use]
    pub fn plan(&self, id: PlanId) -> Option<PlanView> {
        let state = self.state_of(id)?;
        if let Some(plan) = self.proposals.get(&id) {
            let mut view = view(&Run::new(plan.clone()), state);
            view.quorum = Some(1);
            if let Some(ballot) = self.guard.ballot(id) {
                view.approved = ballot.approved().map(str::to_owned).collect();
                (view.quorum, view.until) = (Some(ballot.quorum()), ballot.until());
            }
            if let Some(agreed) = self.agreed.get(&id) {
                // No time runs for it any more.
                view.until = None;
                if view.approved.is_empty() {
                    view.approved.push(agreed.by.clone());
                }
            }
            view.held = self.held(plan).map(|hold| hold.to_string());
            return Some(view);
        }
        if let Some(run) = self.runs.get(&id) {
            let mut view = view(run, state);
            view.until = run.verifying_until();
            let awaited = self.recovered.get(&id).and_then(|awaited| awaited.first());
            view.held = awaited.map(|adapter| format!("it waits until adapter {adapter} has listed what there is"));
            for (step, why) in self.standing_in(id).into_iter().chain(self.without_lane(id)) {
                if let Some(step) = view.steps.iter_mut().find(|view| view.step == step) {
                    step.reason.get_or_insert(why);
                }
            }
            return Some(view);
        }
        let Ended { run, at, result } = self.recent.get(id)?;
        let mut view = view(run, state);
        (view.result, view.ended) = (result.clone(), result.as_ref().map(|_| *at));
        Some(view)
    }

    /// Where the plan `id` is, if that is known.
    pub(crate) fn state_of(&self, id: PlanId) -> Option<PlanState> {
        if self.proposals.contains_key(&id) {
            return Some(PlanState::Waiting);
        }
        if let Some(run) = self.runs.get(&id) {
            return Some(match run.verifying_until() {
                Some(_) => PlanState::Verifying,
                None if run.is_undoing() => PlanState::Undoing,
                None => PlanState::Running,
            });
        }
        let ended = self.recent.get(id)?;
        let in_doubt = self.doubtful.contains_key(&id);
        Some(if in_doubt { PlanState::InDoubt } else { PlanState::of_result(ended.result.as_ref()) })
    }

    /// A plan is over, or was only shown.
    pub(crate) fn keep_recent(&mut self, run: Run, result: Option<PlanResult>) {
        let doubtful = &self.doubtful;
        self.recent.keep(Ended { run, at: self.now, result }, |id| doubtful.contains_key(&id));
    }
}

fn view(run: &Run, state: PlanState) -> PlanView {
    let plan = run.plan();
    let step = |id: StepId| step_view(id, run.state(id).unwrap_or(&StepState::Waiting));
    PlanView {
        plan: plan.clone(),
        hash: hash(plan),
        state,
        approved: Vec::new(),
        quorum: None,
        until: None,
        held: None,
        steps: plan.steps.iter().map(|one| step(one.id)).collect(),
        result: None,
        ended: None,
    }
}

fn step_view(step: StepId, state: &StepState) -> StepView {
    let (word, attempt, until, reason) = match state {
        StepState::Waiting => ("waiting", None, None, None),
        StepState::Running { attempt } => ("running", Some(*attempt), None, None),
        StepState::BackingOff { attempt, until } => ("backing-off", Some(*attempt), Some(*until), None),
        StepState::Done => ("done", None, None, None),
        StepState::Failed(reason) => ("failed", None, None, Some(reason.clone())),
        StepState::Skipped => ("skipped", None, None, None),
        StepState::InDoubt(reason) => ("in-doubt", None, None, Some(reason.clone())),
        StepState::Undoing { attempt } => ("undoing", Some(*attempt), None, None),
        StepState::UndoBackingOff { attempt, until } => ("undo-backing-off", Some(*attempt), Some(*until), None),
        StepState::Undone => ("undone", None, None, None),
        StepState::NotUndone(reason) => ("not-undone", None, None, Some(reason.clone())),
    };
    StepView { step, state: word.into(), attempt, until, reason }
}
