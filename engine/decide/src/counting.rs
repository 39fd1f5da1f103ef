//! What counts towards its `for`: told to be kept beyond the end of the program, and gone on with afterwards.
//!
//! The time in between is a gap like any other: it counts neither for nor against.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_model::{Counting, Duration, FindingRef, Timestamp};

use crate::{Change, Decider, phase::Phase};

impl Decider {
    /// What began to count, or counts in another way, since this was last asked; and what counts no longer. Both in order.
    pub fn counted(&mut self) -> (Vec<Counting>, Vec<FindingRef>) {
        let stirred = std::mem::take(&mut self.stirred);
        let mut counting: Vec<Counting> =
            stirred.into_iter().filter_map(|(number, rule)| self.counting_of(number, rule)).collect();
        counting.sort_by(|a, b| a.finding.cmp(&b.finding));
        let ended: Vec<FindingRef> = self.told.iter().filter(|finding| !self.counts(finding)).cloned().collect();
        for finding in &ended {
            self.told.remove(finding);
        }
        self.told.extend(counting.iter().map(|one| one.finding.clone()));
        (counting, ended)
    }

    /// Whether anything was told to count.
    #[must_use]
    pub fn counts_any(&self) -> bool {
        !self.told.is_empty()
    }

    /// Everything that counts, in order.
    #[must_use]
    pub fn counting(&self) -> Vec<Counting> {
        let mut counting = Vec::new();
        for (number, one) in &self.tracked {
            counting.extend(one.shape.rules.iter().filter_map(|rule| self.counting_of(number, *rule)));
        }
        let resumed = self.resumed.iter().flat_map(|(held, _)| held);
        counting.extend(resumed.map(|(finding, held)| Counting {
            finding: finding.clone(),
            before: *held,
            since: None,
        }));
        counting.sort_by(|a, b| a.finding.cmp(&b.finding));
        counting
    }

    /// From an earlier engine: for how long conditions have held by now, and which were `open`. It counts for resources that appear until
    /// `until`; then [`Decider::resume_no_more`] is called.
    pub fn resume(&mut self, held: BTreeMap<FindingRef, Duration>, open: BTreeSet<FindingRef>, until: Timestamp) {
        self.told.extend(held.keys().cloned());
        self.resumed = Some((held, until));
        self.reopening = open;
    }

    /// What was open for an earlier engine, as long as it is not known whether it still is, in order.
    pub fn reopening(&self) -> impl Iterator<Item = &FindingRef> {
        self.reopening.iter()
    }

    /// What has not come back by now does not: what was open on it has closed.
    pub fn resume_no_more(&mut self, out: &mut Vec<Change>) {
        let lost: Vec<FindingRef> =
            self.reopening.iter().filter(|finding| self.find(finding).is_none()).cloned().collect();
        for finding in lost {
            self.reopening.remove(&finding);
            // Should it come after all, it has to hold anew.
            if let Some((held, _)) = &mut self.resumed {
                held.remove(&finding);
            }
            let reason = "what it was about has not come back since homeostat was started anew".to_owned();
            out.push(Change::Closed { finding, reason });
        }
    }

    /// What an instance begins with that is made anew at `at`.
    pub(crate) fn begins_with(&mut self, at: Timestamp, number: usize, rule: usize) -> Phase {
        self.resumed = self.resumed.take().filter(|(held, until)| at <= *until && !held.is_empty());
        if self.resumed.is_none() {
            return Phase::Idle;
        }
        let finding = self.finding(number, rule);
        let held = self.resumed.as_mut().and_then(|(held, _)| held.remove(&finding?));
        held.map_or(Phase::Idle, Phase::resumed)
    }

    fn counting_of(&self, number: usize, rule: usize) -> Option<Counting> {
        let Phase::Pending(held) = self.instances.get(&(number, rule))?.phase else { return None };
        Some(Counting { finding: self.finding(number, rule)?, before: held.before(), since: held.since() })
    }

    fn counts(&self, finding: &FindingRef) -> bool {
        if self.resumed.as_ref().is_some_and(|(held, _)| held.contains_key(finding)) {
            return true;
        }
        let found = self.numbers.get(&finding.resource).zip(self.by_name.get(&finding.policy));
        found.is_some_and(|(number, rule)| self.counting_of(*number, *rule).is_some())
    }
}
