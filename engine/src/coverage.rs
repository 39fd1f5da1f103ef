//! What tests have made of policies: which clauses were true and false, which rungs were tried.

use std::collections::BTreeMap;

use homeostat_decide::ClauseCoverage;
use homeostat_model::PolicyName;
use homeostat_policy::Policy;

use crate::Engine;

/// What has become of one policy, while somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyCoverage {
    /// The policy.
    pub policy: PolicyName,
    /// The clauses of its condition and of what closes its findings, in the order of the policy. Empty when it was never asked.
    pub clauses: Vec<ClauseCoverage>,
    /// Its ladder: each response, and how often it was tried.
    pub rungs: Vec<(String, u64)>,
}

impl Engine {
    /// Notes from now on what each clause and each rung of each policy comes to.
    pub fn watch_coverage(&mut self) {
        self.decider.watch_coverage();
        self.rungs_tried.get_or_insert_default();
    }

    /// What was noted since [`Engine::watch_coverage`], for the loaded policies in the order of their names.
    #[must_use]
    pub fn coverage(&self) -> Vec<PolicyCoverage> {
        let none = BTreeMap::new();
        let tried = self.rungs_tried.as_ref().unwrap_or(&none);
        let of = |policy: &Policy| PolicyCoverage {
            policy: policy.name.clone(),
            clauses: self.decider.coverage(&policy.name).to_vec(),
            rungs: policy
                .then
                .iter()
                .enumerate()
                .map(|(index, rung)| {
                    (rung.response.to_string(), tried.get(&(policy.name.clone(), index)).copied().unwrap_or(0))
                })
                .collect(),
        };
        self.decider.policies().map(|policy| of(policy)).collect()
    }

    pub(crate) fn tried(&mut self, policy: &Policy, rung: usize) {
        if let Some(tried) = &mut self.rungs_tried {
            *tried.entry((policy.name.clone(), rung)).or_default() += 1;
        }
    }
}
