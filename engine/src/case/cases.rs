//! The cases, and which of them are held back: whoever looks what a hold's end sets free looks at those only, and they are few beside
//! thousands whose plan is in flight.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    sync::Arc,
};

use homeostat_model::{FindingRef, Hold};
use homeostat_policy::Policy;

use super::Case;

/// Read like a map, in the order of findings.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    all: BTreeMap<FindingRef, Box<Case>>,
    /// Exactly those that have a hold.
    held: BTreeSet<FindingRef>,
}

impl Cases {
    /// The finding is open, of this policy; its case may be there still, since its plan is in flight.
    pub(crate) fn open(&mut self, finding: &FindingRef, policy: &Arc<Policy>) {
        let case = self.all.entry(finding.clone()).or_insert_with(|| Case::new(policy.clone()).into());
        case.adopt(policy);
        (case.closed, case.answering) = (false, false);
        if case.hold.is_none() {
            self.held.remove(finding);
        }
    }

    pub(crate) fn insert(&mut self, finding: FindingRef, case: Case) {
        if case.hold.is_some() {
            self.held.insert(finding.clone());
        } else {
            self.held.remove(&finding);
        }
        self.all.insert(finding, case.into());
    }

    pub(crate) fn remove(&mut self, finding: &FindingRef) {
        self.all.remove(finding);
        self.held.remove(finding);
    }

    pub(crate) fn get_mut(&mut self, finding: &FindingRef) -> Option<&mut Case> {
        self.all.get_mut(finding).map(AsMut::as_mut)
    }

    /// This holds it back, or nothing any more.
    pub(crate) fn hold(&mut self, finding: &FindingRef, hold: Option<Hold>) {
        let Some(case) = self.all.get_mut(finding) else { return };
        if hold.is_some() {
            self.held.insert(finding.clone());
        } else {
            self.held.remove(finding);
        }
        case.hold = hold.map(Box::new);
    }

    /// Those that are held back, and by what.
    pub(crate) fn held(&self) -> impl Iterator<Item = (&FindingRef, &Hold)> {
        self.held.iter().filter_map(|finding| Some((finding, self.all.get(finding)?.hold()?)))
    }
}

impl Deref for Cases {
    type Target = BTreeMap<FindingRef, Box<Case>>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use homeostat_policy::{Catalogue, SourceText, UnknownMetrics, load};

    use super::*;

    #[test]
    fn those_that_are_held_back_are_found() {
        let policy = |when: &str| {
            let text = format!(
                "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: p}}\nspec:\n  select: {{kind: vm}}\n  \
                 when: {when}\n  then: [{{restart: {{}}}}]\n"
            );
            let sources = [SourceText { name: "p.yaml".into(), text }];
            Arc::new(load(&sources, &Catalogue::new(UnknownMetrics::Allow)).policies.remove(0))
        };
        let (policy, changed) = (policy("cpu > 0.9"), policy("cpu > 0.8"));
        let finding =
            |name: &str| FindingRef { policy: policy.name.clone(), resource: format!("vm/{name}").parse().unwrap() };
        let held = |cases: &Cases| cases.held().map(|(finding, hold)| format!("{finding}: {hold}")).collect::<Vec<_>>();
        let mut cases = Cases::default();
        for name in ["a", "b", "c", "d"] {
            cases.open(&finding(name), &policy);
        }
        assert_eq!(held(&cases), [""; 0]);
        for name in ["a", "b", "c", "caseless"] {
            cases.hold(&finding(name), Some(Hold::Paused));
        }
        cases.hold(&finding("c"), Some(Hold::Unknown));
        let told = |name: &str, hold: Hold| format!("{}: {hold}", finding(name));
        assert_eq!(held(&cases), [told("a", Hold::Paused), told("b", Hold::Paused), told("c", Hold::Unknown)]);
        cases.hold(&finding("a"), None);
        cases.open(&finding("b"), &changed);
        cases.remove(&finding("c"));
        assert_eq!(held(&cases), [""; 0], "its hold, its policy and its case are another one, or gone");
        cases.hold(&finding("d"), Some(Hold::Paused));
        cases.insert(finding("d"), Case::new(policy.clone()));
        assert_eq!(held(&cases), [""; 0]);
    }
}
