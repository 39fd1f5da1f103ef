//! What tests have made of the clauses of policies: whether each was ever true, false and unknown.

use std::collections::BTreeMap;

use homeostat_model::{PolicyName, Truth};

/// What a clause has been.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClauseCoverage {
    /// As it stands in the policy.
    pub clause: String,
    /// It was true at some time.
    pub was_true: bool,
    /// It was false at some time.
    pub was_false: bool,
    /// It was unknown at some time.
    pub was_unknown: bool,
}

/// What all clauses have been, while somebody looked.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    policies: BTreeMap<PolicyName, Vec<ClauseCoverage>>,
}

impl Coverage {
    /// Takes in what the clauses of a policy were at an evaluation; always the same ones, in the same order.
    pub(crate) fn saw(&mut self, policy: &PolicyName, clauses: Vec<(String, Truth)>) {
        let known = self.policies.entry(policy.clone()).or_default();
        for (place, (clause, truth)) in clauses.into_iter().enumerate() {
            if known.len() <= place {
                known.push(ClauseCoverage { clause, ..ClauseCoverage::default() });
            }
            let Some(one) = known.get_mut(place) else { continue };
            match truth {
                Truth::True => one.was_true = true,
                Truth::False => one.was_false = true,
                Truth::Unknown => one.was_unknown = true,
            }
        }
    }

    pub(crate) fn of(&self, policy: &PolicyName) -> &[ClauseCoverage] {
        self.policies.get(policy).map(Vec::as_slice).unwrap_or_default()
    }
}
