//! What has really been done, and where everything really runs: kept apart from the state, to judge it.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{ResourceId, Timestamp, Verb};
use serde::{Deserialize, Serialize};

/// Most double runs kept: the first says it all, the others help to find the pattern.
const MAX_RAN_TWICE: usize = 1_000;

/// A workload that ran on more than one host at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanTwice {
    /// Since when.
    pub at: Timestamp,
    /// The workload.
    pub workload: ResourceId,
    /// The hosts.
    pub hosts: BTreeSet<ResourceId>,
}

/// Counts real effects, and watches that nothing runs twice.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    counts: BTreeMap<(ResourceId, Verb), u64>,
    running: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
    ran_twice: Vec<RanTwice>,
}

impl Effects {
    /// How often `verb` was really done to `resource`.
    #[must_use]
    pub fn count(&self, resource: &ResourceId, verb: Verb) -> u64 {
        self.counts.get(&(resource.clone(), verb)).copied().unwrap_or(0)
    }

    /// How often `verb` was really done to anything.
    #[must_use]
    pub fn total(&self, verb: Verb) -> u64 {
        self.counts.iter().filter(|((_, done), _)| *done == verb).map(|(_, count)| count).sum()
    }

    /// How often which verb was really done to which resource.
    pub fn counts(&self) -> impl Iterator<Item = (&ResourceId, Verb, u64)> {
        self.counts.iter().map(|((resource, verb), count)| (resource, *verb, *count))
    }

    /// The workloads that ever ran on two hosts at a time: none, if all is well.
    #[must_use]
    pub fn ran_twice(&self) -> &[RanTwice] {
        &self.ran_twice
    }

    /// The hosts on which `workload` really runs.
    #[must_use]
    pub fn running_on(&self, workload: &ResourceId) -> BTreeSet<ResourceId> {
        self.running.get(workload).cloned().unwrap_or_default()
    }

    pub(super) fn done(&mut self, resource: &ResourceId, verb: Verb) {
        *self.counts.entry((resource.clone(), verb)).or_default() += 1;
    }

    /// `workload` begins to run on `host`.
    pub(super) fn appeared(&mut self, workload: &ResourceId, host: &ResourceId, at: Timestamp) {
        let hosts = self.running.entry(workload.clone()).or_default();
        hosts.insert(host.clone());
        if hosts.len() > 1 && self.ran_twice.len() < MAX_RAN_TWICE {
            self.ran_twice.push(RanTwice { at, workload: workload.clone(), hosts: hosts.clone() });
        }
    }

    /// `workload` no longer runs on `host`.
    pub(super) fn vanished(&mut self, workload: &ResourceId, host: &ResourceId) {
        if let Some(hosts) = self.running.get_mut(workload) {
            hosts.remove(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_on_two_hosts_is_noticed() {
        let (vm, h1, h2) = ("vm/a".parse().unwrap(), "host/h1".parse().unwrap(), "host/h2".parse().unwrap());
        let mut effects = Effects::default();
        effects.appeared(&vm, &h1, Timestamp::from_millis(1));
        effects.vanished(&vm, &h1);
        effects.appeared(&vm, &h2, Timestamp::from_millis(2));
        assert!(effects.ran_twice().is_empty());
        effects.appeared(&vm, &h1, Timestamp::from_millis(3));
        let hosts = BTreeSet::from([h1, h2]);
        assert_eq!(effects.ran_twice(), [RanTwice { at: Timestamp::from_millis(3), workload: vm, hosts }]);
    }
}
