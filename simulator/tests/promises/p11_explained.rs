//! Promise 11: whatever is open can be explained, what is not done included; and when time decides, it decides at the moment that was said.

use std::collections::BTreeMap;

use homeostat_engine::{Explanation, Status};
use homeostat_model::*;

use crate::{
    scene::Scene,
    watch::{Fact, Watch},
};

#[test]
fn whatever_is_open_has_a_reason_and_a_moment_that_is_kept() {
    crate::sweep::holds(11);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// When something was last recorded of each finding, and whether it was anything that explains why nothing is done.
    recorded: BTreeMap<FindingRef, Timestamp>,
    /// At what moment each finding could act, when that was asked, and what was the reason.
    promised: BTreeMap<FindingRef, (Timestamp, Timestamp)>,
    /// What holds findings back, since nothing else was recorded.
    held: BTreeMap<FindingRef, Hold>,
}

impl Watch for Watcher {
    fn promise(&self) -> usize {
        11
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Recorded(record) => {
                if let Some(finding) = concerns(scene, &record.entry) {
                    self.recorded.insert(finding.clone(), record.at);
                    self.promised.remove(&finding);
                }
                match &record.entry {
                    Entry::Held { finding, hold } => drop(self.held.insert(finding.clone(), hold.clone())),
                    _ => self.held.clear(),
                }
                Ok(())
            }
            Fact::Crashed(_) => {
                *self = Self::default();
                Ok(())
            }
            Fact::Asked(finding, None) => Err(format!("{finding} is open, and nothing explains it")),
            Fact::Asked(finding, Some(explained)) => self.asked(scene, finding, explained),
            _ => Ok(()),
        }
    }
}

impl Watcher {
    fn asked(&mut self, scene: &Scene, finding: &FindingRef, explained: &Explanation) -> Result<(), String> {
        if explained.because.trim().is_empty() {
            return Err(format!("{finding} is {:?} for no reason", explained.status));
        }
        if matches!(explained.status, Status::No | Status::Waiting) {
            return Err(format!("{finding} is open, and said to be {:?}: {}", explained.status, explained.because));
        }
        let flying = scene.in_flight().any(|flight| flight.plan.findings.contains(finding));
        if flying != (explained.status == Status::Acting) {
            return Err(format!("{finding} is said to be {:?}, a plan in flight: {flying}", explained.status));
        }
        let unnamed = |hold: &&Hold| names(hold).iter().any(|name| !explained.because.contains(name));
        let held = self.held.get(finding).filter(|_| explained.status == Status::HeldBack);
        if let Some(hold) = held.filter(|hold| hold.until().is_none_or(|until| until > scene.now)).filter(unnamed) {
            return Err(format!("{finding} was held: {hold}, and is explained: {}", explained.because));
        }
        if let Some((asked, then)) = self.promised.remove(finding)
            && then <= scene.now
            && explained.acts_at == Some(then)
        {
            return Err(format!("{finding} was to act at {then:?}, said {asked:?}, and it is {:?}", scene.now));
        }
        match explained.acts_at {
            Some(then) if then <= scene.now => {
                Err(format!("{finding} acts at {then:?}, which is past: {}", explained.because))
            }
            Some(then) => {
                self.promised.insert(finding.clone(), (scene.now, then));
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Whose a hold is, and what it is about: as long as nothing else is recorded, this stays as it was, whatever becomes of its numbers.
fn names(hold: &Hold) -> Vec<String> {
    match hold {
        Hold::Owned { resource, by } => vec![resource.to_string(), by.to_string()],
        Hold::Budget { of, counted, .. } => vec![of.clone(), counted.clone()],
        Hold::Unhealthy { of, .. }
        | Hold::Silent { of, .. }
        | Hold::Breaker { of, .. }
        | Hold::Maintenance { of, .. }
        | Hold::Outside { of, .. }
        | Hold::Settling { of, .. } => vec![of.clone()],
        Hold::Quarantined { resource, by, .. } => vec![resource.to_string(), by.to_string()],
        Hold::Contradicted { by, .. } | Hold::Overruled { by, .. } => vec![by.to_string()],
        Hold::Return { resource, host, .. } => vec![resource.to_string(), host.to_string()],
        _ => Vec::new(),
    }
}

/// The finding that a record is about.
fn concerns(scene: &Scene, entry: &Entry) -> Option<FindingRef> {
    match entry {
        Entry::FindingOpened { finding, .. }
        | Entry::FindingClosed { finding, .. }
        | Entry::Skipped { finding, .. }
        | Entry::Held { finding, .. }
        | Entry::HandedOver { finding, .. } => Some(finding.clone()),
        Entry::Notified(notification) => Some(notification.finding.clone()),
        Entry::PlanMade(plan) => Some(plan.finding()),
        Entry::PlanFinished { plan, .. } | Entry::Voted { plan, .. } => Some(scene.flights.get(plan)?.plan.finding()),
        _ => None,
    }
}
