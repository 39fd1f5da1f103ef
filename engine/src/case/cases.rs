//! The cases, and what holds some of them back: whoever looks what may go on now that something has ended looks at those only, and they are
//! few beside thousands whose plan is in flight.

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
    /// Why nothing is done at the moment, as it was last recorded. Only of what is a case.
    held: BTreeMap<FindingRef, Hold>,
}

impl Cases {
    /// The finding is open, of this policy. A case may be left whose plan is still in flight: it goes on.
    pub(crate) fn open(&mut self, finding: &FindingRef, policy: &Arc<Policy>) {
        let case = self.all.entry(finding.clone()).or_insert_with(|| Case::new(policy.clone()).into());
        if case.adopt(policy) {
            self.held.remove(finding);
        }
        (case.closed, case.answering) = (false, false);
    }

    pub(crate) fn insert(&mut self, finding: FindingRef, case: Case) {
        self.held.remove(&finding);
        self.all.insert(finding, case.into());
    }

    pub(crate) fn remove(&mut self, finding: &FindingRef) {
        self.all.remove(finding);
        self.held.remove(finding);
    }

    pub(crate) fn get_mut(&mut self, finding: &FindingRef) -> Option<&mut Case> {
        self.all.get_mut(finding).map(AsMut::as_mut)
    }

    /// This holds it back.
    pub(crate) fn hold(&mut self, finding: &FindingRef, hold: Hold) {
        if self.all.contains_key(finding) {
            self.held.insert(finding.clone(), hold);
        }
    }

    /// Nothing holds it back any more.
    pub(crate) fn free(&mut self, finding: &FindingRef) {
        self.held.remove(finding);
    }

    /// What holds it back.
    pub(crate) fn hold_of(&self, finding: &FindingRef) -> Option<&Hold> {
        self.held.get(finding)
    }

    /// Those that are held back, for a reason that `which` knows.
    pub(crate) fn held_by(&self, which: impl Fn(&Hold) -> bool) -> BTreeSet<FindingRef> {
        self.held.iter().filter(|(_, hold)| which(hold)).map(|(finding, _)| finding.clone()).collect()
    }

    /// What holds cases back.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.held.values()
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
        let held = |cases: &Cases| cases.held_by(|_| true).into_iter().collect::<Vec<_>>();
        let mut cases = Cases::default();
        for name in ["a", "b", "c", "d"] {
            cases.open(&finding(name), &policy);
        }
        assert_eq!(held(&cases), []);
        for name in ["a", "b", "c", "caseless"] {
            cases.hold(&finding(name), Hold::Paused);
        }
        cases.hold(&finding("c"), Hold::Unknown);
        assert_eq!(held(&cases), ["a", "b", "c"].map(finding));
        assert_eq!(
            cases.held_by(|hold| *hold == Hold::Paused).into_iter().collect::<Vec<_>>(),
            ["a", "b"].map(finding)
        );
        cases.free(&finding("a"));
        cases.open(&finding("b"), &changed);
        cases.remove(&finding("c"));
        assert_eq!(held(&cases), [], "its hold, its policy and its case are another one, or gone");
        for name in ["b", "d"] {
            cases.hold(&finding(name), Hold::Paused);
        }
        cases.open(&finding("b"), &changed);
        cases.insert(finding("d"), Case::new(policy.clone()));
        assert_eq!(held(&cases), [finding("b")], "the one opened again, the other one is another case");
    }
}
