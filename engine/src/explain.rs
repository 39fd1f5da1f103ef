//! Answers why something was done about a resource, or was not.
//!
//! Invariant: a time is named only when something can be done then as things are now.

use homeostat_decide::{Explained, Standing};
use homeostat_model::{Evidence, FindingRef, Hold, Mode, Plan, PolicyName, ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Engine,
    case::{Case, Settled},
    progress::PlanState,
};

/// How a policy stands towards a resource, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The condition does not hold, or no such event is open.
    No,
    /// Something that the condition reads is missing or stale.
    Unknown,
    /// The condition holds, but not for long enough yet.
    Waiting,
    /// A plan could be made, but something holds it back.
    HeldBack,
    /// A plan is in flight.
    Acting,
    /// Everything was tried, or all that the policy may do was done; a person goes on.
    HandedOver,
}

/// A policy's answer for one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The policy.
    pub policy: PolicyName,
    /// The resource.
    pub resource: ResourceId,
    /// How far the policy may go by itself.
    pub mode: Mode,
    /// In a word.
    pub status: Status,
    /// In a sentence, with the values.
    pub because: String,
    /// When it could act, where that is a matter of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts_at: Option<Timestamp>,
    /// Every clause with its value and its truth, as of now.
    pub evidence: Evidence,
}

/// A policy that does not watch a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unconcerned {
    /// The policy.
    pub policy: PolicyName,
    /// How far the policy may go by itself.
    pub mode: Mode,
    /// Why it does not.
    pub because: String,
}

impl Engine {
    /// The loaded policies that do not watch `resource`, in the order of their names, with what of their selectors is not the case.
    /// With those of [`Engine::explain`] these are all; none when there is no such resource.
    #[must_use]
    pub fn unconcerned(&self, resource: &ResourceId) -> Vec<Unconcerned> {
        let Some(resource) = self.topology.get(resource) else { return Vec::new() };
        let one = |policy: &std::sync::Arc<homeostat_policy::Policy>| {
            let because = policy.select.mismatch(resource, &self.topology)?;
            Some(Unconcerned { policy: policy.name.clone(), mode: self.mode_of(policy), because })
        };
        self.decider.policies().filter_map(one).collect()
    }

    /// What every policy that watches `resource` thinks of it, in the order of their names. Empty when none watches it.
    pub fn explain(&self, resource: &ResourceId) -> Vec<Explanation> {
        let explained = self.decider.explain(self.now, resource);
        explained.into_iter().map(|one| self.explain_one(resource, one)).collect()
    }

    fn explain_one(&self, resource: &ResourceId, one: Explained) -> Explanation {
        let policy = one.policy.name.clone();
        let finding = FindingRef { policy: policy.clone(), resource: resource.clone() };
        let case = self.cases.get(&finding);
        let (status, because, acts_at) = match (case, one.standing) {
            (Some(case), _) => self.of_case(case, &finding, &one),
            (None, Standing::Waiting { opens, .. }) => self.of_waiting(&finding, &one, opens),
            (None, Standing::Unknown) => (Status::Unknown, unknown(&one.evidence), None),
            (None, Standing::Open { .. }) => (Status::HeldBack, one.evidence.to_string(), None),
            (None, Standing::No) if one.policy.answers_events() => {
                let types = one.policy.on.iter().flat_map(homeostat_policy::On::matches).flat_map(|one| &one.types);
                let types: Vec<&str> = types.map(homeostat_model::EventType::as_str).collect();
                (Status::No, format!("no event {} is being answered", types.join(", ")), None)
            }
            (None, Standing::No) => (Status::No, one.evidence.to_string(), None),
        };
        let because = match &one.quarantined {
            Some(reason) => format!("the policy is in quarantine: {reason}; {because}"),
            None => because,
        };
        Explanation {
            policy,
            resource: resource.clone(),
            mode: self.mode_of(&one.policy),
            status,
            because,
            acts_at,
            evidence: one.evidence,
        }
    }

    /// A condition that does not hold for long enough yet; what is going to hold the policy back then is known already.
    fn of_waiting(
        &self,
        finding: &FindingRef,
        one: &Explained,
        opens: Option<Timestamp>,
    ) -> (Status, String, Option<Timestamp>) {
        let mode = self.mode_of(&one.policy);
        let text = format!("{}; it has to hold for {}", one.evidence, one.policy.hold_for);
        let hold = match mode {
            Mode::Observe => Err(Hold::Observing),
            _ if self.paused => Err(Hold::Paused),
            _ => self.left_alone(&finding.resource),
        };
        if let Err(hold) = hold {
            return (Status::Waiting, format!("{text}; {hold}"), None);
        }
        match self.guard.rested(self.now, finding) {
            Err(hold) => {
                let acts_at = opens.map(|opens| hold.until().map_or(opens, |until| until.max(opens)));
                (Status::Waiting, format!("{text}; {}", worded(&hold, mode)), acts_at)
            }
            Ok(()) => (Status::Waiting, text, opens),
        }
    }

    /// Why a person has to go on.
    fn handed_over(&self, finding: &FindingRef) -> String {
        let concerns = |plan: &Plan| plan.finding() == *finding || plan.findings.contains(finding);
        let in_doubt = self
            .recent
            .iter()
            .map(|ended| ended.run.plan())
            .find(|plan| concerns(plan) && self.state_of(plan.id) == Some(PlanState::InDoubt));
        match in_doubt {
            Some(Plan { id, .. }) => format!(
                "what became of a step of plan {id} is not known; look at its system, then cancel it: homeostat plan cancel {id}"
            ),
            None => "everything was tried".into(),
        }
    }

    fn of_case(&self, case: &Case, finding: &FindingRef, one: &Explained) -> (Status, String, Option<Timestamp>) {
        let (evidence, mode) = (&one.evidence, self.mode_of(&one.policy));
        if let Some(plan) = case.plan.filter(|plan| self.runs.contains_key(plan)) {
            let joined = self.joined.get(&plan).is_some_and(|joined| joined.iter().any(|one| one == finding));
            let maker = self.runs.get(&plan).filter(|_| joined).map(|run| run.plan().finding());
            let whose = maker.map_or_else(String::new, |maker| format!(", made for {maker},"));
            let waits = self.standing_in(plan).into_iter().chain(self.without_lane(plan)).next();
            let lane = waits.map_or_else(String::new, |(_, why)| format!("; {why}"));
            return (Status::Acting, format!("plan {plan}{whose} is in flight{lane}; {evidence}"), None);
        }
        match (&case.settled, self.cases.hold_of(finding)) {
            (Some(Settled::HandedOver), _) => {
                (Status::HandedOver, format!("{}; {evidence}", self.handed_over(finding)), None)
            }
            (Some(Settled::Told), _) => (Status::HandedOver, format!("people were told; {evidence}"), None),
            (Some(Settled::CalledOff), _) => (Status::HandedOver, format!("its plan was called off; {evidence}"), None),
            (_, Some(hold)) if hold.until().is_none_or(|until| until > self.now) => {
                let agreed = case.plan.filter(|plan| self.is_agreed(*plan));
                let agreed = agreed.map_or_else(String::new, |plan| format!("plan {plan} was approved of; "));
                let text = format!("{agreed}{}; {evidence}", worded(hold, mode));
                if self.paused && *hold != Hold::Paused {
                    // What is approved of now does not begin either.
                    return (Status::HeldBack, format!("{}; {text}", Hold::Paused), None);
                }
                // Not where what waits is given up before.
                let lasts = |at: &Timestamp| self.given_up_at(finding, hold).is_none_or(|given_up| *at < given_up);
                (Status::HeldBack, text, hold.acts_at().filter(lasts))
            }
            (Some(Settled::Mode), _) => (Status::HandedOver, format!("a plan was recommended; {evidence}"), None),
            (None, _) if evidence.truth == homeostat_model::Truth::False => {
                let until = match one.standing {
                    Standing::Open { closes, .. } => closes,
                    _ => None,
                };
                (Status::HeldBack, format!("open until what closes it is the case long enough; {evidence}"), until)
            }
            (None, _) => {
                // Between two attempts: the cooldown after the last plan, or the pause after one that did not succeed.
                let rested = self.guard.rested(self.now, finding);
                let pause = case.rests_until.filter(|until| *until > self.now);
                let (why, until) = match (rested, pause) {
                    (Err(hold), _) => (worded(&hold, mode), hold.until()),
                    (Ok(()), Some(until)) => ("its last plan did not succeed; it is tried again".into(), Some(until)),
                    (Ok(()), None) => return (Status::HeldBack, evidence.to_string(), None),
                };
                (Status::HeldBack, format!("{why}; {evidence}"), until)
            }
        }
    }
}

/// A hold in words: a policy that only recommends has not acted.
fn worded(hold: &Hold, mode: Mode) -> String {
    match (hold, mode) {
        (Hold::Cooldown { .. }, Mode::Recommend) => "cooldown: a plan was recommended here not long ago".into(),
        (hold, _) => hold.to_string(),
    }
}

/// The clauses that are not known, with what is missing in them.
fn unknown(evidence: &Evidence) -> String {
    let unknown = evidence.clauses.iter().filter(|clause| clause.truth == homeostat_model::Truth::Unknown);
    let clauses: Vec<String> = unknown.map(ToString::to_string).collect();
    clauses.join("; ")
}
