//! Promise 5: a ladder is climbed in its order, each rung as often as it says, below the ceiling, and ends with a person.

use std::collections::{BTreeMap, BTreeSet};

use homeostat_engine::Status;
use homeostat_model::*;

use crate::{
    scene::{Scene, impact},
    watch::{Fact, Watch},
};

#[test]
fn ladders_are_climbed_in_order_below_the_ceiling_and_end_with_a_person() {
    crate::sweep::holds(5);
}

#[derive(Debug, Default)]
pub(crate) struct Watcher {
    /// How often each rung was tried since the finding opened.
    tried: BTreeMap<FindingRef, BTreeMap<u16, u16>>,
    /// Findings that a person knows of, since they opened.
    told: BTreeSet<FindingRef>,
    /// When findings closed, or the program began anew that had them open when it ended.
    closed: BTreeMap<FindingRef, Timestamp>,
    open: BTreeSet<FindingRef>,
    life: Generation,
    /// How many plans for a finding did not succeed, one after the other, without anybody being told; and when the last one ended.
    in_vain: BTreeMap<FindingRef, (usize, Timestamp)>,
    /// Findings of which a plan has interrupted something since they opened.
    interrupted: BTreeSet<FindingRef>,
    /// Where a ladder has ended so that its resource is to be left alone, and when.
    to_leave_alone: BTreeMap<ResourceId, Timestamp>,
}

/// Whoever comes again so soon after a plan that did not succeed goes on with its ladder.
const SOON: Duration = Duration::from_mins(1);

impl Watch for Watcher {
    fn promise(&self) -> usize {
        5
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Recorded(record) => {
                self.never_loops(scene, record)?;
                self.note(scene, record);
                self.leaves_alone(scene, record)?;
                if let Entry::PlanMade(plan) = &record.entry {
                    ceiling(scene, plan)?;
                }
                return scene.beginning().map_or(Ok(()), |flight| self.begins(scene, &flight.plan));
            }
            Fact::Crashed(records) => self.remember(scene, records),
            Fact::Asked(finding, Some(explained))
                if explained.status == Status::HandedOver && !self.told.contains(*finding) =>
            {
                return Err(format!("{finding} is said to be with a person, and nobody was told"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Watcher {
    /// The program has ended: what it knew is in its records.
    fn remember(&mut self, scene: &Scene, records: &[Record]) {
        *self = Self::default();
        for record in records {
            // Whatever is wrong in them was said when it was recorded.
            let _ = self.never_loops(scene, record);
            self.note(scene, record);
        }
    }

    fn note(&mut self, scene: &Scene, record: &Record) {
        match &record.entry {
            Entry::PoliciesLoaded { generation, .. } if *generation != self.life => {
                self.life = *generation;
                self.closed.extend(std::mem::take(&mut self.open).into_iter().map(|finding| (finding, record.at)));
            }
            Entry::FindingOpened { finding, .. } => {
                self.open.insert(finding.clone());
                self.tried.remove(finding);
                // What a person was told of they know when it comes again soon.
                let within = scene.policy(&finding.policy).recurs_within().max(SOON);
                if self.closed.remove(finding).is_none_or(|closed| closed + within <= record.at) {
                    self.told.remove(finding);
                }
            }
            Entry::FindingClosed { finding, .. } => {
                self.open.remove(finding);
                self.closed.insert(finding.clone(), record.at);
            }
            Entry::HandedOver { finding, .. } => drop(self.told.insert(finding.clone())),
            Entry::Notified(notification) => drop(self.told.insert(notification.finding.clone())),
            Entry::PlanMade(plan) if plan.mode == Mode::Recommend => drop(self.told.insert(plan.finding())),
            Entry::PlanFinished { plan, result: PlanResult::Cancelled { .. } } => {
                self.told.extend(scene.flights[plan].plan.findings.iter().cloned());
            }
            _ => {}
        }
    }

    /// Where a ladder ends that has interrupted something, its resource is in quarantine, unless its policy says that it is not.
    fn leaves_alone(&mut self, scene: &Scene, record: &Record) -> Result<(), String> {
        self.to_leave_alone.retain(|resource, _| !scene.quarantined.contains(resource));
        let late = self.to_leave_alone.iter().find(|(_, since)| **since < record.at);
        if let Some((resource, since)) = late {
            return Err(format!("a ladder has ended at {resource} at {since:?}, and it is not in quarantine"));
        }
        match &record.entry {
            Entry::FindingOpened { finding, .. } => drop(self.interrupted.remove(finding)),
            Entry::HandedOver { finding, .. } if !scene.quarantined.contains(&finding.resource) => {
                // Of what is in doubt it is not known whether anything was interrupted.
                let in_doubt =
                    scene.flights.values().any(|one| one.plan.finding() == *finding && !one.doubtful().is_empty());
                let interrupted = self.interrupted.contains(finding) && !in_doubt;
                if scene.policy(&finding.policy).limits.hand_over.quarantine.lasts(interrupted).is_some() {
                    self.to_leave_alone.insert(finding.resource.clone(), record.at);
                }
            }
            _ => {}
        }
        if let Some(flight) = scene.beginning().filter(|flight| flight.plan.reach.impact >= Impact::Restart) {
            self.interrupted.extend(flight.plan.findings.iter().cloned());
        }
        Ok(())
    }

    fn never_loops(&mut self, scene: &Scene, record: &Record) -> Result<(), String> {
        match &record.entry {
            Entry::FindingOpened { finding, .. }
                if self.in_vain.get(finding).is_some_and(|(_, last)| *last + SOON <= record.at) =>
            {
                self.in_vain.remove(finding);
            }
            Entry::HandedOver { finding, .. } => drop(self.in_vain.remove(finding)),
            Entry::Notified(notification) => drop(self.in_vain.remove(&notification.finding)),
            Entry::PlanFinished { plan, result } if scene.flights[plan].begun.is_some() => {
                let finding = scene.flights[plan].plan.finding();
                if !matches!(result, PlanResult::Failed { .. } | PlanResult::Unverified { .. }) {
                    self.in_vain.remove(&finding);
                    return Ok(());
                }
                let (times, last) = self.in_vain.entry(finding.clone()).or_insert((0, record.at));
                (*times, *last) = (*times + 1, record.at);
                let may: usize = scene.policy(&finding.policy).then.iter().map(|rung| usize::from(rung.attempts)).sum();
                if *times > may {
                    return Err(format!(
                        "{finding} has had {times} plans in vain, its ladder has {may}, and nobody was told"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begins(&mut self, scene: &Scene, plan: &Plan) -> Result<(), String> {
        let finding = plan.finding();
        let rungs = self.tried.entry(finding.clone()).or_default();
        if let Some((highest, _)) = rungs.last_key_value()
            && *highest > plan.rung
        {
            return Err(format!("plan {} of {finding} goes back from rung {highest} to rung {}", plan.id, plan.rung));
        }
        let times = rungs.entry(plan.rung).or_default();
        *times += 1;
        let may = scene.policy(&plan.policy).then[usize::from(plan.rung) - 1].attempts;
        if *times > may {
            return Err(format!("plan {} of {finding} tries rung {} for the {times}th time", plan.id, plan.rung));
        }
        Ok(())
    }
}

fn ceiling(scene: &Scene, plan: &Plan) -> Result<(), String> {
    let impact = impact(plan);
    let own = scene.policy(&plan.policy).limits.ceiling;
    let guards = scene.guards_of(&scene.flights[&plan.id]).filter_map(|guard| guard.ceiling);
    match own.into_iter().chain(guards).find(|ceiling| impact > *ceiling) {
        Some(ceiling) => Err(format!("plan {} has the impact {impact}, above the ceiling {ceiling}", plan.id)),
        None => Ok(()),
    }
}
