//! The fingerprint of a plan: who approves a plan by it approves what was shown, and nothing else.

use std::fmt::Write as _;

use homeostat_model::Plan;
use sha2::{Digest, Sha256};

/// SHA-256 over all of the plan as it is written in JSON, in hexadecimal. Equal plans have equal ones, on every machine and in every
/// run; nobody can make another plan with the same one.
#[must_use]
pub fn fingerprint(plan: &Plan) -> String {
    // A plan is made of texts, numbers and ordered maps, all of which can be written.
    let written = serde_json::to_vec(plan).unwrap_or_default();
    Sha256::digest(written).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use homeostat_model::{
        Action, AdapterName, Amount, Duration, Evidence, Generation, Mode, PlanId, PolicyName, Retry, Step, StepId,
        Timestamp, Truth,
    };

    use super::*;

    fn plan(vcpus: f64) -> Plan {
        let step = Step {
            id: StepId(1),
            after: Vec::new(),
            resource: "vm/one".parse().unwrap(),
            adapter: AdapterName::new("a").unwrap(),
            action: Action::Resize(Amount { vcpus: Some(vcpus), ..Amount::default() }),
            timeout: Duration::from_secs(60),
            reason: String::new(),
            preconditions: Vec::new(),
            retry: Retry::ONCE,
            compensation: None,
        };
        Plan {
            id: PlanId { generation: Generation(1), number: 1 },
            created: Timestamp::from_millis(0),
            policy: PolicyName::new("p").unwrap(),
            subject: "vm/one".parse().unwrap(),
            response: "resize".into(),
            rung: 1,
            evidence: Evidence { truth: Truth::True, clauses: Vec::new() },
            mode: Mode::Approve,
            priority: 0,
            effect: String::new(),
            steps: vec![step],
            cost: Default::default(),
            verification: None,
        }
    }

    #[test]
    fn the_least_difference_is_another_fingerprint_and_a_copy_has_the_same() {
        let first = fingerprint(&plan(2.0));
        assert_eq!(first, fingerprint(&plan(2.0)));
        let read: Plan = serde_json::from_str(&serde_json::to_string(&plan(2.0)).unwrap()).unwrap();
        assert_eq!(first, fingerprint(&read));
        assert_ne!(first, fingerprint(&plan(3.0)));
        let mut later = plan(2.0);
        later.created = Timestamp::from_millis(1);
        assert_ne!(first, fingerprint(&later));
        // SHA-256 of nothing is what a plan that could not be written would have.
        assert_ne!(first, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(first.len(), 64);
    }
}
