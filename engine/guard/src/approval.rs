//! Approval: what people said about a plan, named by its hash, so that they approve of what they have seen and nothing else.
//!
//! ```text
//!   Ballot --approve (another person)--> Ballot ..--> as many as the quorum: Approved
//!     |----reject (anybody)------------> Rejected
//!     `----time is over----------------> Approved or Rejected, as was declared
//! ```

use std::collections::BTreeSet;

use homeostat_model::{Approval, Hold, Otherwise, Plan, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Most people whose word is counted: more than any quorum.
pub const MAX_QUORUM: u16 = 100;

/// How many bytes of the hash people read: no two of the plans that wait at a time are alike in 64 bits by chance.
const SHOWN_BYTES: usize = 8;

/// What people have said about one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    hash: String,
    approved: BTreeSet<String>,
    quorum: u16,
    until: Option<Timestamp>,
    otherwise: Otherwise,
}

/// What came of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// More people have to say something.
    Waiting,
    /// The plan is to be carried out.
    Approved,
    /// The plan is to be dropped.
    Rejected,
}

impl Ballot {
    /// Nobody has said anything yet about `plan`, which was shown at `at`.
    #[must_use]
    pub fn new(at: Timestamp, plan: &Plan, rule: &Approval) -> Self {
        let until = rule.within.map(|within| at + within);
        Self {
            hash: hash(plan),
            approved: BTreeSet::new(),
            quorum: rule.quorum.max(1),
            until,
            otherwise: rule.otherwise,
        }
    }

    /// `by` says whether the plan with this hash is to be carried out. One person counts once.
    ///
    /// # Errors
    /// The hash of the plan, when that is another one.
    pub fn vote(&mut self, by: &str, approve: bool, hash: Option<&str>) -> Result<Tally, String> {
        if hash.is_some_and(|hash| hash != self.hash) {
            return Err(self.hash.clone());
        }
        if !approve {
            return Ok(Tally::Rejected);
        }
        if self.approved.len() < usize::from(MAX_QUORUM) {
            self.approved.insert(by.to_owned());
        }
        Ok(if self.count() >= self.quorum { Tally::Approved } else { Tally::Waiting })
    }

    /// What becomes of the plan at `at` if nobody says anything more.
    #[must_use]
    pub fn expire(&self, at: Timestamp) -> Tally {
        match (self.until, self.otherwise) {
            (Some(until), Otherwise::Approve) if until <= at => Tally::Approved,
            (Some(until), Otherwise::Reject) if until <= at => Tally::Rejected,
            _ => Tally::Waiting,
        }
    }

    /// How it stands.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold::AwaitingQuorum {
            hash: self.hash.clone(),
            approved: self.count(),
            quorum: self.quorum,
            until: self.until,
            otherwise: self.otherwise,
        }
    }

    /// Who has approved of it, in order.
    pub fn approved(&self) -> impl Iterator<Item = &str> {
        self.approved.iter().map(String::as_str)
    }

    /// How many have to.
    #[must_use]
    pub fn quorum(&self) -> u16 {
        self.quorum
    }

    /// When the time is over.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    fn count(&self) -> u16 {
        u16::try_from(self.approved.len()).unwrap_or(u16::MAX)
    }
}

/// A plan in short: equal exactly where the same steps are done in the same order, for the same policy and finding.
#[must_use]
pub fn hash(plan: &Plan) -> String {
    let mut text = String::new();
    // Each part ends in what no name has, so that no two plans read alike.
    let mut add = |part: &str| {
        text.push_str(part);
        text.push('\0');
    };
    add(&plan.id.to_string());
    add(plan.policy.as_str());
    add(plan.subject.as_str());
    add(&plan.response);
    for step in &plan.steps {
        add(&format!("{} {:?} {} {}", step.id, step.after, step.adapter, step.timeout));
        add(step.resource.as_str());
        add(&format!("{:?}", step.action));
    }
    hash_of(&text)
}

/// A text in short.
#[must_use]
pub fn hash_of(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use homeostat_model::{
        Action, AdapterName, Duration, Evidence, Generation, Mode, PlanId, PolicyName, Step, StepId, Truth,
    };

    use super::*;

    fn plan(action: Action) -> Plan {
        let step = Step {
            id: StepId(1),
            after: Vec::new(),
            resource: "vm/one".parse().unwrap(),
            adapter: AdapterName::new("a").unwrap(),
            action,
            timeout: Duration::from_secs(1),
            reason: String::new(),
            preconditions: Vec::new(),
            retry: Default::default(),
            compensation: None,
        };
        Plan {
            id: PlanId { generation: Generation(1), number: 1 },
            created: Timestamp::from_millis(0),
            policy: PolicyName::new("p").unwrap(),
            subject: "vm/one".parse().unwrap(),
            findings: Vec::new(),
            response: String::new(),
            rung: 1,
            evidence: Evidence { truth: Truth::True, clauses: Vec::new() },
            mode: Mode::Approve,
            priority: 0,
            effect: String::new(),
            reach: Default::default(),
            steps: vec![step],
            cost: Default::default(),
            verification: None,
        }
    }

    #[test]
    fn different_people_approve_and_anybody_rejects() {
        let rule = Approval { quorum: 2, within: None, otherwise: Otherwise::Reject };
        let mut ballot = Ballot::new(Timestamp::MIN, &plan(Action::Start), &rule);
        let hash = hash(&plan(Action::Start));
        assert_eq!(ballot.vote("ann", true, Some(&hash)), Ok(Tally::Waiting));
        assert_eq!(ballot.vote("ann", true, None), Ok(Tally::Waiting), "one person counts once");
        assert_eq!(ballot.vote("bob", true, Some("another")), Err(hash.clone()));
        assert_eq!(ballot.hold().to_string(), format!("approval of {hash}: 1 of 2 people"));
        assert_eq!(ballot.clone().vote("bob", false, None), Ok(Tally::Rejected));
        assert_eq!(ballot.vote("bob", true, Some(&hash)), Ok(Tally::Approved));
        assert_eq!(ballot.expire(Timestamp::MAX), Tally::Waiting, "without a time there is no end");
    }

    #[test]
    fn when_the_time_is_over_it_is_as_was_declared() {
        let at = Timestamp::from_millis;
        for (otherwise, expected) in [(Otherwise::Reject, Tally::Rejected), (Otherwise::Approve, Tally::Approved)] {
            let rule = Approval { quorum: 1, within: Some(Duration::from_secs(60)), otherwise };
            let ballot = Ballot::new(at(0), &plan(Action::Start), &rule);
            assert_eq!((ballot.expire(at(59_999)), ballot.expire(at(60_000))), (Tally::Waiting, expected));
        }
    }

    #[test]
    fn another_deed_has_another_hash() {
        let hashes: BTreeSet<String> = [
            Action::Start,
            Action::Stop,
            Action::Pause { on: true },
            Action::Pause { on: false },
            Action::Migrate { to: "host/a".parse().unwrap(), live: true },
            Action::Migrate { to: "host/b".parse().unwrap(), live: true },
        ]
        .map(|action| hash(&plan(action)))
        .into();
        assert_eq!(hashes.len(), 6);
        assert_eq!(hash(&plan(Action::Stop)), hash(&plan(Action::Stop)));
    }
}
